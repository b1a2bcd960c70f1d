"""Axes of Matplotlib's as `panels.look` decides them, and where numbers lie on them."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.path import Path
from matplotlib.ticker import FixedFormatter, FixedLocator

from d2l_ext.panels.look import Limits, tick_label, x_ticks, y_ticks


def scale(ax: Axes, limits: Limits) -> None:
    """Give axes their limits, and the ticks that go with them."""
    kind = 'log' if limits.log else 'linear'
    if ax.get_yscale() != kind:  # makes new ticks, which takes long
        ax.set_yscale(kind)
        ax.yaxis.set_minor_locator(FixedLocator([]))
    ax.set(xlim=limits.x, ylim=limits.y)
    places = x_ticks(*limits.x), y_ticks(*limits.y, limits.log)
    for axis, ticks in zip((ax.xaxis, ax.yaxis), places, strict=True):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(FixedFormatter([*map(tick_label, ticks)]))


class Plane:
    """Where numbers lie in axes, as these are scaled now, in pixels from their corner.

    That is the upper left one, y counts downwards. `bounds` are the corner, from the
    picture's own, and the width and height of the axes; `xlim` and `ylim` their scales.
    Matplotlib by itself would look all that up anew for each line of each picture.
    """

    def __init__(self, ax: Axes) -> None:
        left, low, width, height = ax.bbox.bounds
        top = ax.figure.bbox.height - low - height
        self.bounds = left, top, width, height
        self.xlim, self.ylim = ax.get_xlim(), ax.get_ylim()
        data: Any = ax.transData.frozen()
        self._data = data
        self._affine = data.get_affine()
        self._box = tuple(ax.bbox.padded(9).extents)
        self._corner, self._down = np.array([left, low + height]), np.array([1, -1])

    def at(self, x: float, y: float) -> np.ndarray:
        """Return where a point lies, (across, down)."""
        return (self._data.transform((x, y)) - self._corner) * self._down

    def trace(
        self, x: np.ndarray, y: np.ndarray, simplify: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
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
