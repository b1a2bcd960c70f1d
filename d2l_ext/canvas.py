"""A picture in two layers, a still PNG and moving lines: what makes a slider smooth.

A full drawing takes Matplotlib many times as long as a frame may last. The lines
alone, in Matplotlib's own pixels but written as SVG, take a fraction of one.
"""

import html

import numpy as np

from d2l_ext.plots import (
    GREY,
    MARK,
    Picture,
    Style,
    beside,
    filled,
    layout,
    limits,
    styles,
    trace,
)


class Canvas:
    """Panels on a background that is drawn again only when it must be.

    `draw(panels)` returns the SVG of bands, marks and lines; `background` is the PNG
    to lay it on, both `width` by `height` pixels. The background changes with limits,
    labels and pinned lines; open limits only grow (see `plots.limits`) until `fit()`.
    """

    def __init__(self, columns=None):
        self.columns = columns
        self.background = b''
        self.width = self.height = 0
        self._figure = self._key = None
        self.fit()

    def fit(self):
        """Let the next drawing choose its limits from its own data alone."""
        self._limits = []

    def draw(self, panels):
        """Return the panels' moving part as SVG, and renew `background` if need be."""
        found = self._fitted(panels)
        key = tuple(found), tuple(map(_still, panels))
        if key != self._key:
            self._figure = layout(panels, found, self.columns)
            self.width, self.height = self._figure.canvas.get_width_height()
            self.background = Picture(self._figure, '').png
            self._key = key
        self._limits = found
        looks = styles(panels)
        inner = ''.join(
            _overlay(ax, self.height, panel, looks)
            for ax, panel in zip(self._figure.axes, panels, strict=True)
        )
        name = html.escape('; '.join(panel.name for panel in panels))
        return (
            f'<svg role="img" aria-label="{name}" width="{self.width}" '
            f'height="{self.height}" style="display:block">{inner}</svg>'
        )

    def picture(self, panels):
        """Return both layers, and the notes, as one `Picture`."""
        return filled(layout(panels, self._fitted(panels), self.columns, True), panels)

    def _fitted(self, panels):
        before = [*self._limits, *(None for _ in panels)]
        return [limits(panel, old) for panel, old in zip(panels, before, strict=False)]


def _still(panel):
    """Return what of a panel is in the background, in a form that can be compared."""
    pinned = tuple((k, x.tobytes(), y.tobytes()) for k, (x, y) in panel.pinned.items())
    shown = panel.title, panel.xlabel, panel.ylabel
    return (*shown, tuple(panel.lines), tuple(panel.bands), pinned)


def _overlay(ax, height, panel, styles):
    """Return the SVG of one panel's bands, marks and lines, clipped to its axes.

    The inner svg's own viewport clips, so no ids are needed that could meet another
    picture's on the page. Its units are tenths of a pixel: short integers.
    """
    x0, y0, width, tall = ax.bbox.bounds
    out = []
    for label, (x, low, high) in panel.bands.items():
        edge = np.r_[x, x[::-1]], np.r_[low, high[::-1]]
        fill = f'fill="{styles[label].color}" fill-opacity=".2"'
        out.append(f'<path d="{_path(ax, *edge, simplify=False)}" {fill}/>')
    for text, at in panel.verticals.items():
        x = _tenths(ax.transData.transform((at, ax.get_ylim()[0]))[0] - x0)
        way = beside(ax, at)
        out.append(_stroke(f'M{x},0V{_tenths(tall)}', MARK))
        out.append(_text(text, x + 30 * way, 115, 'start' if way > 0 else 'end'))
    for text, at in panel.horizontals.items():
        y = ax.transData.transform((ax.get_xlim()[0], at))[1]
        y = _tenths(y0 + tall - y)
        out.append(_stroke(f'M0,{y}H{_tenths(width)}', MARK))
        out.append(_text(text, _tenths(width) - 30, y - 40, 'end'))
    for label, (x, y) in panel.lines.items():
        path, style = _path(ax, x, y), styles[label]
        if np.isfinite(x + y).sum() == 1:
            path, style = path + 'h0', Style(style.color, (), 2.5 * style.width)
        out.append(_stroke(path, style))
    return (
        f'<svg x="{x0:.1f}" y="{height - y0 - tall:.1f}" width="{width:.1f}" '
        f'height="{tall:.1f}" viewBox="0 0 {10 * width:.0f} {10 * tall:.0f}">'
        f'{"".join(out)}</svg>'
    )


def _tenths(pixels):
    return round(10 * float(np.clip(pixels, -1e4, 1e4)))


def _path(ax, x, y, simplify=True):
    pixels, begins = trace(ax, x, y, simplify)
    corner = ax.bbox.x0, ax.bbox.y1
    points = np.clip((pixels - corner) * (10, -10), -1e5, 1e5)
    path, last = [], (None, None)
    for begin, point in zip(begins, np.rint(points).astype(int).tolist(), strict=True):
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
