"""Pictures of panels: values in, picture out, without pyplot."""

import base64
import io
import math
import textwrap
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from d2l_ext.data import LABELS
from d2l_ext.panels import Panel, history_panels, schedule_panel

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
GREY, INK, EDGE, GRID = '#666666', '#333333', '#aaaaaa', '#e4e4e4'


class Style(NamedTuple):
    """How a line looks; `dash` in line widths (on, off, ...), `width` in pixels."""

    color: str
    dash: tuple = ()
    width: float = 2.2


# Okabe and Ito's colours, which colour-blind readers can tell apart, and a dash each
STYLES = (
    Style('#0072b2'),
    Style('#d55e00', (5, 2)),
    Style('#009e73', (6, 1.5, 1, 1.5)),
    Style('#cc79a7', (1.5, 1)),
    Style('#e69f00', (9, 2)),
    Style('#56b4e9', (3, 1, 1, 1, 1, 1)),
)
PINNED = Style('#8c8c8c', (4, 2.5), 1.5)
MARK = Style(GREY, (2, 2), 1)


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


def styles(panels):
    """Return {label: Style} for the lines and bands of panels shown together."""
    labels = dict.fromkeys(
        label for panel in panels for label in (*panel.lines, *panel.bands)
    )
    thin = {
        label
        for panel in panels
        for label in (panel.lines if panel.thin is True else panel.thin or ())
    }
    looks = {label: STYLES[i % len(STYLES)] for i, label in enumerate(labels)}
    return {
        label: style._replace(width=1.2) if label in thin else style
        for label, style in looks.items()
    }


def limits(panel, previous=None):
    """Return a panel's (xlim, ylim, log): what it gives, and for the rest what fits.

    After `previous`, open limits only grow, unless the data would fill less than a
    fifth of them: axes stand still while a slider moves.
    """
    log = bool(panel.log)
    old = previous[:2] if previous and previous[2] == log else (None, None)
    x = _merged('xlim', panel.xlim, lambda: _fit_x(panel.x), old[0], False)
    y = _merged('ylim', panel.ylim, lambda: _fit_y(panel.y, log), old[1], log)
    return x, y, log


def _merged(name, given, fitted, old, log):
    low, high = given or (None, None)
    if low is not None and log and low <= 0:
        low = None
    if low is None or high is None:
        fit = fitted()
        if old:
            size = np.log if log else np.asarray
            grown = min(old[0], fit[0]), max(old[1], fit[1])
            fit = fit if np.ptp(size(fit)) < np.ptp(size(grown)) / 5 else grown
        low = fit[0] if low is None else low
        high = fit[1] if high is None else high
    if not low < high:
        raise ValueError(f'{name} must rise, got {(low, high)}: give other limits')
    return float(low), float(high)


def _fit_x(x):
    x = x[np.isfinite(x)]
    low, high = (x.min(), x.max()) if x.size else (0, 1)
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _fit_y(y, log):
    """Return round limits with a little room, from 0 where that costs little."""
    y = y[(np.abs(y) < 1e300) & ((y > 1e-300) | (not log))]
    if not y.size:
        return (0.1, 1) if log else (0, 1)
    low, high = y.min(), y.max()
    if log:
        return 10 ** _down(math.log10(low)), 10 ** -_down(-math.log10(high))
    if 0 <= low <= high / 2 or 0 < low == high:
        low = 0
    step = _round(max(high - low or abs(high) or 1, 1e-300) / 5)
    low = low if low == 0 else math.floor(low / step - 0.1) * step
    return low, math.ceil(high / step + 0.1) * step


def _down(exponent):
    """Return the exponent of the next 1, 2 or 5 times a power of ten below."""
    whole = math.floor(exponent - 0.02)
    return whole + max(d for d in (0, 0.30103, 0.69897) if whole + d <= exponent - 0.02)


def _round(step):
    """Return the next 1, 2 or 5 times a power of ten that is not below `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(d * power for d in (1, 2, 5, 10) if d * power >= 0.999 * step)


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


def scale(ax, xlim, ylim, log):
    """Give axes their limits, and ticks to go with them."""
    kind = 'log' if log else 'linear'
    if ax.get_yscale() != kind:  # makes new ticks, which takes long
        ax.set_yscale(kind)
    ax.set(xlim=xlim, ylim=ylim)
    if log:
        few = ylim[1] / ylim[0] < 50
        ax.yaxis.set_major_locator(
            LogLocator(subs=(1, 2, 5) if few else (1,), numticks=6)
        )
        ax.yaxis.set_minor_locator(NullLocator())
    else:
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    for axis in ax.xaxis, ax.yaxis:
        axis.set_major_formatter(FuncFormatter(lambda value, _: _spelt(value)))


def _axes(ax, panel, xlim, ylim, log):
    scale(ax, xlim, ylim, log)
    ax.set_xlabel(panel.xlabel, fontsize=10)
    ax.set_ylabel(panel.ylabel, fontsize=10)
    ax.yaxis.set_label_coords(-50 / ax.bbox.width, 0.5)
    ax.tick_params(labelsize=9, color=EDGE, labelcolor=INK)
    ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[:].set_color(EDGE)


def _spelt(value):
    """Return a tick's label: 0.0001 would be too wide for the margin."""
    if not 0 < value < 1e-3:
        return f'{value:.6g}'
    digits, _, exponent = f'{value:.2e}'.partition('e')
    return f'{float(digits):g}e{int(exponent)}'


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


def beside(xlim, x):
    """Return 1 to write right of a vertical mark at x, -1 left of it."""
    low, high = xlim
    return 1 if x < low + 0.7 * (high - low) else -1


class Plane:
    """Where numbers lie in axes, as these are scaled now, in pixels from their corner.

    That is the upper left one, y counts downwards. `bounds` are the corner, from the
    picture's own, and the width and height of the axes; `xlim` and `ylim` their scales.
    Matplotlib by itself would look all that up anew for each line of each picture.
    """

    def __init__(self, ax):
        left, low, width, height = ax.bbox.bounds
        top = ax.figure.bbox.height - low - height
        self.bounds = left, top, width, height
        self.xlim, self.ylim = ax.get_xlim(), ax.get_ylim()
        self._data = ax.transData.frozen()
        self._affine = self._data.get_affine()
        self._box = tuple(ax.bbox.padded(9).extents)
        self._corner, self._down = np.array([left, low + height]), np.array([1, -1])

    def at(self, x, y):
        """Return where a point lies, (across, down)."""
        return (self._data.transform((x, y)) - self._corner) * self._down

    def trace(self, x, y, simplify=True):
        """Return where a line goes, shape (n, 2), and which of the points begin a part.

        With `simplify`, points that cannot be seen are left out.
        """
        # Path.cleaned(transform) alone would ignore a logarithmic axis
        path = self._data.transform_path_non_affine(Path(np.column_stack([x, y])))
        path = path.cleaned(
            transform=self._affine,
            remove_nans=True,
            clip=self._box if simplify else None,
            simplify=simplify,
        )
        points = (path.vertices[:-1] - self._corner) * self._down
        return points, path.codes[:-1] == Path.MOVETO
