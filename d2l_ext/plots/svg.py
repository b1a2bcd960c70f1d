"""A picture in layers of SVG: what makes a slider smooth.

A full drawing takes Matplotlib many times as long as a frame may last. The same in its
own pixels, but written as SVG, takes a fraction of one, and what stays as it is need
not be sent again.
"""

import html
from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from d2l_ext.panels.look import (
    EDGE,
    GREY,
    GRID,
    INK,
    MARK,
    Limits,
    Style,
    along,
    beside,
    entry_width,
    legend,
    limits,
    pins,
    styles,
    tick_label,
    x_ticks,
    y_ticks,
)
from d2l_ext.panels.panel import Panel
from d2l_ext.plots.axes import Plane, scale
from d2l_ext.plots.figure import ROW, Picture, filled, layout, side_by_side

FONT = 'font-family="DejaVu Sans,Verdana,sans-serif" font-size="12.5"'  # Matplotlib's 9


class Canvas:
    """Panels on layers that are drawn again only when they must be.

    `draw(panels)` returns the SVG of the lines; `scales` is the SVG to lay them on, and
    `words` the one below, all `width` by `height` pixels. Words are labels, titles and
    legends, scales the frames, grids and ticks, and what is pinned; both are laid out
    by `figure`, Matplotlib's. Open limits only grow (`limits` holds them, see
    `panels.look.limits`) until `fit()`. `cached`: how many panels have their SVG ready,
    which is as long as they are used elsewhere.

    A page may put columns one below the other: each layer tells its style how many
    --columns there are and its --width and --height, each panel its --column.
    """

    def __init__(self, columns: int | None = None) -> None:
        self.columns = columns
        self.words = self.scales = ''
        self.width = self.height = self._across = 0
        self.figure = Figure()
        self._still: tuple | None = None
        self._scaled: tuple | None = None
        self._layers: WeakKeyDictionary[Panel, dict] = WeakKeyDictionary()
        self.fit()

    def fit(self) -> None:
        """Let the next drawing choose its limits from its own data alone."""
        self.limits: list[Limits] = []

    @property
    def cached(self) -> int:
        """How many panels have their SVG ready."""
        return len(self._layers)

    def draw(self, panels: Sequence[Panel]) -> str:
        """Return the panels' lines as SVG, and renew the layers below if need be.

        Raises ValueError as `figure` does.
        """
        bounds = self._fitted(panels)
        still = len({wanted.x for wanted in bounds}), *map(_still, panels)
        if still != self._still:
            self.figure = layout(panels, bounds, self.columns, words=False)
            self.width, self.height = self.figure.canvas.get_width_height()
            self._across = side_by_side(panels, self.columns)
            self.words = self._written(panels)
            self._still, self._scaled = still, None
        first, *others = panels
        # as long as the panels are in use: a slider comes by again
        layers, key = self._layers.setdefault(first, {}), (*others, *bounds)
        if key not in layers:
            layers[key] = self._scales_and_lines(panels, bounds)
        self.limits = bounds
        self.scales, lines = layers[key]
        return lines

    def _scales_and_lines(
        self, panels: Sequence[Panel], bounds: list[Limits]
    ) -> tuple[str, str]:
        """Return the SVG of the scales with what is pinned, and that of the lines."""
        key = *bounds, *map(_pinned, panels)
        if not self._scaled or self._scaled[0] != key:
            self._scaled = key, *self._scale(panels, bounds)
        _, planes, scales = self._scaled
        looks = styles(panels)
        inner = self._placed(
            _overlay(plane, panel, looks)
            for plane, panel in zip(planes, panels, strict=True)
        )
        name = html.escape('; '.join(panel.name for panel in panels))
        return scales, self._svg(inner, f'role="img" aria-label="{name}"')

    def _scale(
        self, panels: Sequence[Panel], bounds: list[Limits]
    ) -> tuple[list[Plane], str]:
        axes, scales = self.figure.axes, list[str]()
        for ax, wanted in zip(axes, bounds, strict=True):
            scale(ax, wanted)
        planes = [Plane(ax) for ax in axes]
        for ax, plane, panel, wanted in zip(axes, planes, panels, bounds, strict=True):
            pinned = [
                _stroke(_path(plane, *panel.pinned[label]), look)
                for label, look in pins(panel).items()
            ]
            named = ax.xaxis.get_tick_params().get('labelbottom', True)
            ticks = _ticks(plane.bounds, wanted, named)
            scales.append(ticks + _clipped(plane, pinned))
        return planes, self._svg(self._placed(scales), 'aria-hidden="true"')

    def _written(self, panels: Sequence[Panel]) -> str:
        """Return the SVG of labels, titles and legends, on white."""
        looks = styles(panels)
        words = self._placed(
            _words(ax, self.height, panel, looks)
            for ax, panel in zip(self.figure.axes, panels, strict=True)
        )
        paper = '<rect width="100%" height="100%" fill="white"/>'
        return self._svg(paper + words, 'aria-hidden="true"')

    def _svg(self, inner: str, what: str) -> str:
        size = f'width="{self.width}" height="{self.height}"'
        lengths = f'--width:{self.width}px;--height:{self.height}px'
        style = f'display:block;--columns:{self._across};{lengths}'
        return f'<svg {what} {size} style="{style}">{inner}</svg>'

    def _placed(self, panels: Iterable[str]) -> str:
        """Return the SVG of all panels, each with the column that it stands in."""
        return ''.join(
            f'<g style="--column:{i % self._across}">{svg}</g>'
            for i, svg in enumerate(panels)
        )

    def handles(self, points: Sequence[tuple[float, float]], what: str) -> str:
        """Return circles at points of the first panel as it was drawn last, as SVG.

        What a page needs to read a place as numbers goes with them: corner and size of
        the axes, their limits and whether y is logarithmic, and `what`, attributes more.
        """
        plane, bounds = self._scaled[1][0], self.limits[0]  # type: ignore[index]
        left, top, _, _ = plane.bounds
        circles = ''
        for i, point in enumerate(points):
            x, y = plane.at(*point)
            place = f'cx="{left + x:.1f}" cy="{top + y:.1f}"'
            circles += f'<circle {place} r="6" data-row="{i + 1}"/>'
        axes = ' '.join(f'{n:.10g}' for n in (*plane.bounds, *bounds.x, *bounds.y))
        look = f'fill="white" fill-opacity=".7" stroke="{INK}" stroke-width="1.5"'
        return self._svg(
            f'<g {look}>{circles}</g>',
            f'aria-hidden="true" data-axes="{axes}" data-log="{bounds.log:d}" {what}',
        )

    def picture(self, panels: Sequence[Panel]) -> Picture:
        """Return all layers, and the notes, as one `Picture`.

        Raises ValueError as `figure` does.
        """
        return filled(layout(panels, self._fitted(panels), self.columns), panels)

    def _fitted(self, panels: Sequence[Panel]) -> list[Limits]:
        before = [*self.limits, *(None for _ in panels)]
        return [limits(panel, old) for panel, old in zip(panels, before, strict=False)]


def _still(panel: Panel) -> tuple:
    """Return what of a panel is among the words, in a form that can be compared."""
    labels = tuple(panel.lines), tuple(panel.bands), tuple(panel.pinned), panel.thin
    return panel.title, panel.xlabel, panel.ylabel, labels


def _pinned(panel: Panel) -> tuple:
    return tuple((x.tobytes(), y.tobytes()) for x, y in panel.pinned.values())


def _words(ax: Axes, height: float, panel: Panel, looks: dict[str, Style]) -> str:
    """Return the SVG of a panel's labels, title and legend, where Matplotlib's are."""
    left, low, width, high = ax.bbox.bounds
    top, bottom = height - low - high, height - low
    shown = legend(panel, looks, width)
    out = [
        _label(ax.get_xlabel(), f'{left + width / 2:.1f} {bottom + 39:.1f}'),
        _label(panel.ylabel, f'{left - 53:.1f} {top + high / 2:.1f}', ' rotate(-90)'),
    ]
    if panel.title:
        place = f'x="{left:.1f}" y="{top - ROW * shown.rows - 5:.1f}"'
        title = html.escape(panel.title)
        out.append(f'<text {place} font-size="14.6" fill="black">{title}</text>')
    entries = shown.entries
    for column in np.array_split(np.arange(len(entries)), shown.columns):
        baseline = top + 12 - ROW * shown.rows
        for label, look in (entries[i] for i in column):
            out.append(_stroke(f'M{left:.1f},{baseline - 4:.1f}h28', look, 1))
            for line in label.split('\n'):
                place = f'x="{left + 34:.1f}" y="{baseline:.1f}"'
                out.append(f'<text {place} fill="black">{html.escape(line)}</text>')
                baseline += ROW
        left += max((entry_width(entries[i][0]) for i in column), default=0)
    return f'<g {FONT}>{"".join(out)}</g>'


def _label(text: str, place: str, turned: str = '') -> str:
    return (
        f'<text transform="translate({place}){turned}" text-anchor="middle" '
        f'font-size="13.9" fill="black">{html.escape(text)}</text>'
    )


def _ticks(bounds: tuple, limits: Limits, named: bool) -> str:
    """Return the SVG of an axes' grid, ticks and their labels, where Matplotlib's are.

    `bounds`: the corner, width and height of the axes; `named`: whether x has labels.
    """
    left, top, width, height = bounds
    right, bottom = left + width, top + height
    grid, ticks, below, left_of = [], [], [], []
    marks = x_ticks(*limits.x)
    for tick, share in zip(marks, along(marks, limits.x), strict=True):
        x = left + share * width
        grid.append(f'M{x:.1f},{top:.1f}V{bottom:.1f}')
        ticks.append(f'M{x:.1f},{bottom:.1f}v5')
        if named:
            place = f'x="{x:.1f}" y="{bottom + 19:.1f}"'
            below.append(f'<text {place}>{tick_label(tick)}</text>')
    marks = y_ticks(*limits.y, limits.log)
    for tick, share in zip(marks, along(marks, limits.y, limits.log), strict=True):
        y = bottom - share * height
        grid.append(f'M{left:.1f},{y:.1f}H{right:.1f}')
        ticks.append(f'M{left:.1f},{y:.1f}h-5')
        place = f'x="{left - 10:.1f}" y="{y + 4.5:.1f}"'
        left_of.append(f'<text {place}>{tick_label(tick)}</text>')
    # the frame last: where it meets the grid, the frame is seen
    frame = f'M{left:.1f},{top:.1f}H{right:.1f}V{bottom:.1f}H{left:.1f}Z'
    return (
        f'<g fill="none" stroke-width="1.1"><path d="{"".join(grid)}" stroke="{GRID}"/>'
        f'<path d="{"".join(ticks)}{frame}" stroke="{EDGE}"/></g>'
        f'<g {FONT} fill="{INK}"><g text-anchor="middle">{"".join(below)}</g>'
        f'<g text-anchor="end">{"".join(left_of)}</g></g>'
    )


def _overlay(plane: Plane, panel: Panel, styles: dict[str, Style]) -> str:
    """Return the SVG of one panel's bands, marks and lines, clipped to its axes."""
    _, _, width, height = map(_tenths, plane.bounds)
    out, words = [], []
    for label, (x, low, high) in panel.bands.items():
        edge = np.r_[x, x[::-1]], np.r_[low, high[::-1]]
        fill = f'fill="{styles[label].color}" fill-opacity=".2"'
        out.append(f'<path d="{_path(plane, *edge, simplify=False)}" {fill}/>')
    for i, (text, at) in enumerate(panel.verticals.items()):
        x, _ = map(_tenths, plane.at(at, plane.ylim[0]))
        way = beside(plane.xlim, at)
        out.append(_stroke(f'M{x},0V{height}', MARK))
        words.append(
            _text(text, x + 30 * way, 115 + 140 * i, 'start' if way > 0 else 'end')
        )
    for text, at in panel.horizontals.items():
        _, y = map(_tenths, plane.at(plane.xlim[0], at))
        out.append(_stroke(f'M0,{y}H{width}', MARK))
        words.append(_text(text, width - 30, y - 40, 'end'))
    for label, (x, y) in panel.lines.items():
        path, style = _path(plane, x, y), styles[label]
        if np.isfinite(x + y).sum() == 1:
            path, style = path + 'h0', Style(style.color, (), 2.5 * style.width)
        out.append(_stroke(path, style))
    return _clipped(plane, out + words)


def _clipped(plane: Plane, shapes: Iterable[str]) -> str:
    """Return shapes, in tenths of a pixel from the axes' corner, as SVG clipped to it.

    The inner svg's own viewport clips, so no ids are needed that could meet another
    picture's on the page.
    """
    x, y, width, height = plane.bounds
    return (
        f'<svg x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'viewBox="0 0 {10 * width:.0f} {10 * height:.0f}">{"".join(shapes)}</svg>'
    )


def _tenths(pixels: float) -> int:
    return round(10 * float(np.clip(pixels, -1e4, 1e4)))


def _path(plane: Plane, x: np.ndarray, y: np.ndarray, simplify: bool = True) -> str:
    pixels, begins = plane.trace(x, y, simplify)
    points = np.rint(np.clip(10 * pixels, -1e5, 1e5)).astype(int).tolist()
    path, last = [], (None, None)
    for begin, point in zip(begins.tolist(), points, strict=True):
        across, down = point
        if begin:
            path.append(f'M{across},{down}')
        elif across == last[0]:  # a staircase would be twice as long without V and H
            path.append(f'V{down}')
        else:
            path.append(f'H{across}' if down == last[1] else f'L{across},{down}')
        last = point
    return ''.join(path)


def _stroke(path: str, style: Style, unit: int = 10) -> str:
    """Return a line as SVG; `unit`: how much of its coordinates makes a pixel."""
    width = unit * style.width
    dash = ','.join(f'{part * width:.3g}' for part in style.dash)
    ends = f'stroke-dasharray="{dash}"' if dash else 'stroke-linecap="round"'
    return (
        f'<path d="{path}" fill="none" stroke="{style.color}" '
        f'stroke-width="{width:.3g}" stroke-linejoin="round" {ends}/>'
    )


def _text(text: str, x: int, y: int, anchor: str) -> str:
    edge = 'paint-order="stroke" stroke="#fff" stroke-width="30"'  # lines may be dense
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{GREY}" {edge} '
        f'font-family="sans-serif" font-size="118">{html.escape(text)}</text>'
    )
