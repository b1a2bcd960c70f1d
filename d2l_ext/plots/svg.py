"""A picture in layers, a still PNG and moving SVG: what makes a slider smooth.

A full drawing takes Matplotlib many times as long as a frame may last. Lines, grid and
ticks alone, in Matplotlib's own pixels but written as SVG, take a fraction of one, and
what stays as it is need not be sent again.
"""

import html
import weakref

import numpy as np

from d2l_ext.plots.axes import Plane, beside, limits, scale
from d2l_ext.plots.figure import Picture, filled, layout
from d2l_ext.plots.style import EDGE, GREY, GRID, INK, MARK, PINNED, Style, styles


class Canvas:
    """Panels on a background that is drawn again only when it must be.

    `draw(panels)` returns the SVG of the lines; `scales` is the SVG to lay them on, and
    `background` the PNG below, all `width` by `height` pixels. The background holds
    labels and legends, the scales the frames, grids and ticks, and what is pinned. Open
    limits only grow (see `plots.limits`) until `fit()`.
    """

    def __init__(self, columns=None):
        self.columns = columns
        self.background, self.scales = b'', ''
        self.width = self.height = 0
        self._figure = self._still = self._scaled = None
        self._drawn = weakref.WeakKeyDictionary()
        self.fit()

    def fit(self):
        """Let the next drawing choose its limits from its own data alone."""
        self._limits = []

    def draw(self, panels):
        """Return the panels' lines as SVG, and renew the layers below if need be."""
        found = self._fitted(panels)
        still = len({xlim for xlim, *_ in found}), *map(_still, panels)
        if still != self._still:
            self._figure = layout(panels, found, self.columns)
            for ax in self._figure.axes:
                ax.tick_params(which='both', color='none', labelcolor='none')
                ax.grid(False)
                ax.spines[:].set_visible(False)
            self.width, self.height = self._figure.canvas.get_width_height()
            self.background = Picture(self._figure, '').png
            self._still, self._scaled = still, None
        first, *others = panels
        # as long as the panels are kept: a slider comes by again
        drawn, key = self._drawn.setdefault(first, {}), (*others, *found)
        if key not in drawn:
            drawn[key] = self._layers(panels, found)
        self._limits = found
        self.scales, lines = drawn[key]
        return lines

    def _layers(self, panels, found):
        """Return the SVG of the scales with what is pinned, and that of the lines."""
        key = *found, *map(_pinned, panels)
        if not self._scaled or self._scaled[0] != key:
            self._scaled = key, *self._scale(panels, found)
        _, planes, scales = self._scaled
        looks = styles(panels)
        inner = ''.join(
            _overlay(plane, panel, looks)
            for plane, panel in zip(planes, panels, strict=True)
        )
        name = html.escape('; '.join(panel.name for panel in panels))
        return scales, self._svg(inner, f'role="img" aria-label="{name}"')

    def _scale(self, panels, found):
        axes, scales = self._figure.axes, ''
        for ax, bounds in zip(axes, found, strict=True):
            scale(ax, *bounds)
        planes = [Plane(ax) for ax in axes]
        for ax, plane, panel in zip(axes, planes, panels, strict=True):
            pinned = [
                _stroke(_path(plane, *xy), PINNED) for xy in panel.pinned.values()
            ]
            scales += _ticks(ax, plane) + _clipped(plane, pinned)
        return planes, self._svg(scales, 'aria-hidden="true"')

    def _svg(self, inner, what):
        size = f'width="{self.width}" height="{self.height}"'
        return f'<svg {what} {size} style="display:block">{inner}</svg>'

    def picture(self, panels):
        """Return all layers, and the notes, as one `Picture`."""
        return filled(layout(panels, self._fitted(panels), self.columns, True), panels)

    def _fitted(self, panels):
        before = [*self._limits, *(None for _ in panels)]
        return [limits(panel, old) for panel, old in zip(panels, before, strict=False)]


def _still(panel):
    """Return what of a panel is in the background, in a form that can be compared."""
    labels = tuple(panel.lines), tuple(panel.bands), bool(panel.pinned), panel.thin
    return panel.title, panel.xlabel, panel.ylabel, labels


def _pinned(panel):
    return tuple((x.tobytes(), y.tobytes()) for x, y in panel.pinned.values())


def _ticks(ax, plane):
    """Return the SVG of an axes' grid, ticks and their labels, where Matplotlib's are."""
    left, top, width, height = plane.bounds
    right, bottom = left + width, top + height
    grid, ticks, below, left_of = [], [], [], []
    for x, name in _marks(ax.xaxis, left, right, 'labelbottom'):
        grid.append(f'M{x:.1f},{top:.1f}V{bottom:.1f}')
        ticks.append(f'M{x:.1f},{bottom:.1f}v5')
        if name:
            below.append(f'<text x="{x:.1f}" y="{bottom + 19:.1f}">{name}</text>')
    for y, name in _marks(ax.yaxis, bottom, top, 'labelleft'):
        grid.append(f'M{left:.1f},{y:.1f}H{right:.1f}')
        ticks.append(f'M{left:.1f},{y:.1f}h-5')
        left_of.append(f'<text x="{left - 10:.1f}" y="{y + 4.5:.1f}">{name}</text>')
    font = f'fill="{INK}" font-family="DejaVu Sans,Verdana,sans-serif" font-size="12.5"'
    # the frame last: where it meets the grid, the frame is seen
    frame = f'M{left:.1f},{top:.1f}H{right:.1f}V{bottom:.1f}H{left:.1f}Z'
    return (
        f'<g fill="none" stroke-width="1.1"><path d="{"".join(grid)}" stroke="{GRID}"/>'
        f'<path d="{"".join(ticks)}{frame}" stroke="{EDGE}"/></g>'
        f'<g {font}><g text-anchor="middle">{"".join(below)}</g>'
        f'<g text-anchor="end">{"".join(left_of)}</g></g>'
    )


def _marks(axis, begin, end, labelled):
    """Return the pixel and the label of each tick from `begin` to `end` of an axis."""
    ticks = axis.get_majorticklocs()
    places = axis.get_transform().transform(np.r_[axis.get_view_interval(), ticks])
    share = (places[2:] - places[0]) / (places[1] - places[0])
    names = axis.get_major_formatter().format_ticks(ticks)
    if not axis.get_tick_params().get(labelled, True):
        names = [''] * len(names)
    pixels = begin + share * (end - begin)
    inside = np.abs(share - 0.5) < 0.5 + 1e-6
    return [(x, name) for x, name, on in zip(pixels, names, inside) if on]


def _overlay(plane, panel, styles):
    """Return the SVG of one panel's bands, marks and lines, clipped to its axes."""
    _, _, width, height = map(_tenths, plane.bounds)
    out = []
    for label, (x, low, high) in panel.bands.items():
        edge = np.r_[x, x[::-1]], np.r_[low, high[::-1]]
        fill = f'fill="{styles[label].color}" fill-opacity=".2"'
        out.append(f'<path d="{_path(plane, *edge, simplify=False)}" {fill}/>')
    for text, at in panel.verticals.items():
        x, _ = map(_tenths, plane.at(at, plane.ylim[0]))
        way = beside(plane.xlim, at)
        out.append(_stroke(f'M{x},0V{height}', MARK))
        out.append(_text(text, x + 30 * way, 115, 'start' if way > 0 else 'end'))
    for text, at in panel.horizontals.items():
        _, y = map(_tenths, plane.at(plane.xlim[0], at))
        out.append(_stroke(f'M0,{y}H{width}', MARK))
        out.append(_text(text, width - 30, y - 40, 'end'))
    for label, (x, y) in panel.lines.items():
        path, style = _path(plane, x, y), styles[label]
        if np.isfinite(x + y).sum() == 1:
            path, style = path + 'h0', Style(style.color, (), 2.5 * style.width)
        out.append(_stroke(path, style))
    return _clipped(plane, out)


def _clipped(plane, shapes):
    """Return shapes, in tenths of a pixel from the axes' corner, as SVG clipped to it.

    The inner svg's own viewport clips, so no ids are needed that could meet another
    picture's on the page.
    """
    x, y, width, height = plane.bounds
    return (
        f'<svg x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'viewBox="0 0 {10 * width:.0f} {10 * height:.0f}">{"".join(shapes)}</svg>'
    )


def _tenths(pixels):
    return round(10 * float(np.clip(pixels, -1e4, 1e4)))


def _path(plane, x, y, simplify=True):
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


def _stroke(path, style):
    width = 10 * style.width
    dash = ','.join(f'{part * width:.0f}' for part in style.dash)
    ends = f'stroke-dasharray="{dash}"' if dash else 'stroke-linecap="round"'
    return (
        f'<path d="{path}" fill="none" stroke="{style.color}" '
        f'stroke-width="{width:.0f}" stroke-linejoin="round" {ends}/>'
    )


def _text(text, x, y, anchor):
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{GREY}" '
        f'font-family="sans-serif" font-size="118">{html.escape(text)}</text>'
    )
