"""Pictures of panels: values in, picture out, without pyplot."""

import base64
import io
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from d2l_ext.data.fashion_mnist import LABELS
from d2l_ext.panels.look import (
    EDGE,
    GREY,
    GRID,
    INK,
    MARK,
    Legend,
    Limits,
    Style,
    beside,
    legend,
    limits,
    pins,
    styles,
)
from d2l_ext.panels.panel import Panel
from d2l_ext.panels.runs import history_panels
from d2l_ext.panels.schedules import schedule_panel
from d2l_ext.plan import whole_number
from d2l_ext.plots.axes import scale

__all__ = [
    'Panel',
    'Picture',
    'figure',
    'history_panels',
    'images',
    'schedule_panel',
]

WIDTH = 700  # of a picture, in pixels; as all lengths below
LEFT, RIGHT, BOTTOM, ROW, LINE = 72, 18, 44, 18, 17
DPI = 100
SHARP = 2  # pixels of the PNG for one on the page: high-resolution screens


class Picture:
    """A finished figure, shown in a notebook as a PNG and a line of text.

    `figure` is Matplotlib's. Equal panels give equal text, on any machine.
    """

    def __init__(self, figure: Figure, text: str) -> None:
        self.figure = figure
        self.text = text

    def __repr__(self) -> str:
        return self.text

    @property
    def png(self) -> bytes:
        """The picture as bytes in PNG format."""
        buffer = io.BytesIO()
        canvas = FigureCanvasAgg(self.figure)
        canvas.print_figure(buffer, dpi=SHARP * DPI, metadata={'Software': None})
        return buffer.getvalue()

    # not _repr_png_ of a Figure: inline backends would add an SVG of their own
    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict, dict]:
        width, height = (
            round(DPI * inches) for inches in self.figure.get_size_inches()
        )
        png = {'width': width, 'height': height, 'alt': self.text}
        data = {
            'text/plain': self.text,
            'image/png': base64.b64encode(self.png).decode(),
        }
        return data, {'image/png': png}


def figure(*panels: Panel, columns: int | None = None) -> Picture:
    """Return a `Picture` of panels: two side by side, three one below the other.

    Raises ValueError for what is no panel or no number of columns, and what `panels.look.limits` does.

    >>> figure(Panel({'lr': ([0, 1], [1, 2])}, 'epoch', 'learning rate', note='It grows.'))
    Figure: learning rate against epoch. It grows.
    """
    empty = layout(panels, [limits(panel) for panel in panels], columns)
    return filled(empty, panels)


def images(X: np.ndarray, labels: Sequence[int]) -> Picture:
    """Return a `Picture` of greyscale images in a row, each with its label.

    `X`: shape (n, height, width) or (n, 1, height, width), `labels`: n class numbers.
    """
    names = [LABELS[int(label)] for label in labels]
    row = Figure(figsize=(WIDTH / DPI, 100 / DPI), dpi=DPI, facecolor='white')
    for i, (image, name) in enumerate(zip(X, names, strict=True)):
        ax = row.add_axes((i / len(names), 0, 0.96 / len(names), 0.8))
        ax.imshow(np.squeeze(image), cmap='gray_r')
        ax.set_title(name, fontsize=9, color=INK)
        ax.axis('off')
    return Picture(row, f'Images: {", ".join(names)}')


def side_by_side(panels: Sequence[Panel], columns: int | None = None) -> int:
    """Return how many panels stand in a row: `columns`, or what suits their number.

    Raises ValueError for no number of columns.
    """
    if columns is not None:
        return whole_number('columns', columns)
    return 1 if len(panels) in (1, 3) else 2


def layout(
    panels: Sequence[Panel],
    bounds: Sequence[Limits],
    columns: int | None = None,
    words: bool = True,
) -> Figure:
    """Return a Figure of empty axes; margins in pixels, so that nothing ever shifts.

    `bounds`: the limits of each panel. Without `words`, titles and legends have their
    place, but are not in it, and there are no notes. Raises ValueError for what is no
    panel, or no number of columns.
    """
    if not panels or not all(isinstance(panel, Panel) for panel in panels):
        raise ValueError(f'panels must be one or more Panel, got {panels!r:.80}')
    columns = side_by_side(panels, columns)
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    size = WIDTH / columns - LEFT - RIGHT, 190 if len(rows) == 1 else 120
    looks = styles(panels)
    legends = [legend(panel, looks, size[0]) for panel in panels]
    # panels one below the other share one x axis if they can
    shared = (
        columns == 1 and len({(p.xlabel, b.x) for p, b in zip(panels, bounds)}) == 1
    )
    written = textwrap.wrap(_notes(panels) if words else '', 98)
    height, bottoms = len(written) * LINE + 6 * bool(written), list[float]()
    for i in reversed(range(len(rows))):
        height += 8 if shared and i < len(rows) - 1 else BOTTOM
        bottoms.insert(0, height)
        heads = zip(rows[i], legends[i * columns :], strict=False)
        height += size[1] + 8 + ROW * max(bool(p.title) + g.rows for p, g in heads)

    sheet = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor='white')
    FigureCanvasAgg(sheet)
    for i, (panel, given) in enumerate(zip(panels, legends, strict=True)):
        row, column = divmod(i, columns)
        left = (column * WIDTH / columns + LEFT) / WIDTH
        place = left, bottoms[row] / height, size[0] / WIDTH, size[1] / height
        ax = sheet.add_axes(place)
        _axes(ax, panel, bounds[i])
        if shared and row < len(rows) - 1:
            ax.tick_params(labelbottom=False)
            ax.set_xlabel('')
        if words and given.entries:
            _legend(ax, given)
        if words and panel.title:
            y = 1 + (ROW * given.rows + 5) / size[1]
            ax.text(0, y, panel.title, transform=ax.transAxes, fontsize=10.5)
    where = 8 / WIDTH, (len(written) * LINE + 2) / height
    sheet.text(*where, '\n'.join(written), va='top', fontsize=9, color=INK)
    return sheet


def filled(sheet: Figure, panels: Sequence[Panel]) -> Picture:
    """Return the `Picture` of a laid-out Figure with the panels' lines sheet in."""
    looks = styles(panels)
    for ax, panel in zip(sheet.axes, panels, strict=True):
        _add(ax, panel, looks)
    text = '; '.join(panel.name for panel in panels)
    return Picture(sheet, f'Figure: {text}. {_notes(panels)}'.strip())


def _notes(panels: Sequence[Panel]) -> str:
    return ' '.join(dict.fromkeys(panel.note for panel in panels if panel.note))


def _legend(ax: Axes, legend: Legend) -> None:
    handles = [
        Line2D([], [], label=name, **_look(look)) for name, look in legend.entries
    ]
    ax.legend(
        handles=handles,
        ncols=legend.columns,
        loc='lower left',
        bbox_to_anchor=(0, 1),
        borderaxespad=0.1,
        borderpad=0.1,
        columnspacing=1.4,
        handlelength=2.6,
        labelspacing=0.25,
        frameon=False,
        fontsize=9,
    )


def _axes(ax: Axes, panel: Panel, limits: Limits) -> None:
    scale(ax, limits)
    ax.set_xlabel(panel.xlabel, fontsize=10)
    ax.set_ylabel(panel.ylabel, fontsize=10)
    ax.yaxis.set_label_coords(-50 / ax.bbox.width, 0.5)
    ax.tick_params(labelsize=9, color=EDGE, labelcolor=INK)
    ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[:].set_color(EDGE)


def _look(style: Style, x: np.ndarray | None = None) -> dict:
    """Return a style as arguments of Matplotlib's lines; a lone point gets a dot."""
    points = style.width * 72 / DPI
    lone = x is not None and np.isfinite(x).sum() == 1
    return {
        'color': style.color,
        'linewidth': points,
        'linestyle': (0, style.dash) if style.dash else '-',
        'marker': 'o' if lone else '',
        'markersize': 2.5 * points,
    }


def _add(ax: Axes, panel: Panel, styles: dict[str, Style]) -> None:
    """Draw on `ax` what `svg.py` writes as SVG."""
    for label, look in pins(panel).items():
        ax.plot(*panel.pinned[label], **_look(look))
    for label, (x, low, high) in panel.bands.items():
        ax.fill_between(x, low, high, color=styles[label].color, alpha=0.2, linewidth=0)
    small: dict[str, Any] = {
        'fontsize': 8.5,
        'color': GREY,
        'textcoords': 'offset pixels',
        'path_effects': [withStroke(linewidth=2.2, foreground='white')],
    }
    for i, (text, at) in enumerate(panel.verticals.items()):
        ax.axvline(at, **_look(MARK))
        over, way = ax.get_xaxis_transform(), beside(ax.get_xlim(), at)
        where: dict[str, Any] = {'xycoords': over, 'va': 'top'}
        where['xytext'] = 3 * way, -3 - 14 * SHARP * i  # texts must not meet
        ha = 'left' if way > 0 else 'right'
        ax.annotate(text, (at, 1), ha=ha, annotation_clip=True, **where, **small)
    for text, at in panel.horizontals.items():
        ax.axhline(at, **_look(MARK))
        over = ax.get_yaxis_transform()
        where = {'xycoords': over, 'xytext': (-3, 3), 'ha': 'right'}
        ax.annotate(text, (1, at), annotation_clip=True, **where, **small)
    for label, (x, y) in panel.lines.items():
        ax.plot(x, y, **_look(styles[label], x + y))
