"""How far axes reach, their ticks, and where numbers lie on them."""

import math

import numpy as np
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator


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


def _spelt(value):
    """Return a tick's label: 0.0001 would be too wide for the margin."""
    if not 0 < value < 1e-3:
        return f'{value:.6g}'
    digits, _, exponent = f'{value:.2e}'.partition('e')
    return f'{float(digits):g}e{int(exponent)}'


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
