"""Pictures of panels: values in, picture out, without pyplot."""

import base64
import io
import math
import textwrap

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from d2l_ext.data.fashion_mnist import LABELS
from d2l_ext.panels.panel import Panel
from d2l_ext.panels.runs import history_panels
from d2l_ext.panels.schedules import schedule_panel
from d2l_ext.plots.axes import (
    beside,
    limits,
    scale,
)
from d2l_ext.plots.style import (
    EDGE,
    GREY,
    GRID,
    INK,
    MARK,
    PINNED,
    styles,
)

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

    def __init__(self, figure, text):
        self.figure = figure
        self.text = text

    def __repr__(self):
        return self.text

    @property
    def png(self):
        """The picture as bytes in PNG format."""
        buffer = io.BytesIO()
        canvas = FigureCanvasAgg(self.figure)
        canvas.print_figure(buffer, dpi=SHARP * DPI, metadata={'Software': None})
        return buffer.getvalue()

    # not _repr_png_ of a Figure: inline backends would add an SVG of their own
    def _repr_mimebundle_(self, include=None, exclude=None):
        width, height = (
            round(DPI * inches) for inches in self.figure.get_size_inches()
        )
        png = {'width': width, 'height': height, 'alt': self.text}
        data = {
            'text/plain': self.text,
            'image/png': base64.b64encode(self.png).decode(),
        }
        return data, {'image/png': png}


def figure(*panels, columns=None):
    """Return a `Picture` of panels: two side by side, three one below the other.

    >>> figure(Panel({'lr': ([0, 1], [1, 2])}, 'epoch', 'learning rate', note='It grows.'))
    Figure: learning rate against epoch. It grows.
    """
    drawn = layout(panels, [limits(panel) for panel in panels], columns, notes=True)
    return filled(drawn, panels)


def images(X, labels):
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


def layout(panels, bounds, columns=None, notes=False):
    """Return a Figure of empty axes; margins in pixels, so that nothing ever shifts."""
    if not panels or not all(isinstance(panel, Panel) for panel in panels):
        raise TypeError(f'panels must be one or more Panel, got {panels!r:.80}')
    columns = columns or (1 if len(panels) in (1, 3) else 2)
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    size = WIDTH / columns - LEFT - RIGHT, 190 if len(rows) == 1 else 120
    looks = styles(panels)
    legends = [_legend(panel, looks, size[0]) for panel in panels]
    # panels one below the other share one x axis if they can
    shared = (
        columns == 1 and len({(p.xlabel, x) for p, (x, *_) in zip(panels, bounds)}) == 1
    )
    written = textwrap.wrap(_notes(panels) if notes else '', 98)
    height, bottoms = len(written) * LINE + 6 * bool(written), []
    for i in reversed(range(len(rows))):
        height += 8 if shared and i < len(rows) - 1 else BOTTOM
        bottoms.insert(0, height)
        heads = zip(rows[i], legends[i * columns :], strict=False)
        height += size[1] + 8 + ROW * max(bool(p.title) + g[1] for p, g in heads)

    drawn = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor='white')
    FigureCanvasAgg(drawn)
    pixels = np.array([WIDTH, height, WIDTH, height])
    for i, (panel, legend) in enumerate(zip(panels, legends, strict=True)):
        row, column = divmod(i, columns)
        corner = column * WIDTH / columns + LEFT, bottoms[row]
        ax = drawn.add_axes((*corner, *size) / pixels)
        _axes(ax, panel, *bounds[i])
        if shared and row < len(rows) - 1:
            ax.tick_params(labelbottom=False)
            ax.set_xlabel('')
        if legend[0]:
            ax.legend(
                handles=legend[0],
                ncols=legend[2],
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
        if panel.title:
            y = 1 + (ROW * legend[1] + 5) / size[1]
            ax.text(0, y, panel.title, transform=ax.transAxes, fontsize=10.5)
    where = 8 / WIDTH, (len(written) * LINE + 2) / height
    drawn.text(*where, '\n'.join(written), va='top', fontsize=9, color=INK)
    return drawn


def filled(drawn, panels):
    """Return the `Picture` of a laid-out Figure with the panels' lines drawn in."""
    looks = styles(panels)
    for ax, panel in zip(drawn.axes, panels, strict=True):
        _add(ax, panel, looks)
    text = '; '.join(panel.name for panel in panels)
    return Picture(drawn, f'Figure: {text}. {_notes(panels)}'.strip())


def _notes(panels):
    return ' '.join(dict.fromkeys(panel.note for panel in panels if panel.note))


def _legend(panel, styles, width):
    """Return handles, rows and columns of the legend that fits into `width`."""
    handles = [
        Line2D([], [], label=label, **_look(styles[label]))
        for label in dict.fromkeys((*panel.lines, *panel.bands))
        if label
    ]
    if panel.pinned:
        handles.append(Line2D([], [], label='pinned', **_look(PINNED)))
    if not handles:
        return handles, 0, 1
    widths = [48 + 7.2 * len(handle.get_label()) for handle in handles]
    columns = max(1, int(width / max(widths)))
    if len(handles) <= columns or sum(widths) <= width:
        columns = len(handles)
    return handles, math.ceil(len(handles) / columns), columns


def _axes(ax, panel, xlim, ylim, log):
    scale(ax, xlim, ylim, log)
    ax.set_xlabel(panel.xlabel, fontsize=10)
    ax.set_ylabel(panel.ylabel, fontsize=10)
    ax.yaxis.set_label_coords(-50 / ax.bbox.width, 0.5)
    ax.tick_params(labelsize=9, color=EDGE, labelcolor=INK)
    ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[:].set_color(EDGE)


def _look(style, x=None):
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


def _add(ax, panel, styles):
    """Draw on `ax` what `canvas.py` writes as SVG."""
    for x, y in panel.pinned.values():
        ax.plot(x, y, **_look(PINNED))
    for label, (x, low, high) in panel.bands.items():
        ax.fill_between(x, low, high, color=styles[label].color, alpha=0.2, linewidth=0)
    small = {'fontsize': 8.5, 'color': GREY, 'textcoords': 'offset pixels'}
    for text, at in panel.verticals.items():
        ax.axvline(at, **_look(MARK))
        over, way = ax.get_xaxis_transform(), beside(ax.get_xlim(), at)
        where = {'xycoords': over, 'xytext': (3 * way, -3), 'va': 'top'}
        ha = 'left' if way > 0 else 'right'
        ax.annotate(text, (at, 1), ha=ha, annotation_clip=True, **where, **small)
    for text, at in panel.horizontals.items():
        ax.axhline(at, **_look(MARK))
        over = ax.get_yaxis_transform()
        where = {'xycoords': over, 'xytext': (-3, 3), 'ha': 'right'}
        ax.annotate(text, (1, at), annotation_clip=True, **where, **small)
    for label, (x, y) in panel.lines.items():
        ax.plot(x, y, **_look(styles[label], x + y))
