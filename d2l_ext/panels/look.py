"""How a panel looks, whatever draws it: limits, ticks, colours, dashes and legends.

NumPy alone is needed here; `d2l_ext.plots` draws with Matplotlib, and as SVG, what this
file decides.
"""

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from d2l_ext.panels.panel import Panel

GREY, INK, EDGE, GRID = '#666666', '#333333', '#aaaaaa', '#e4e4e4'
ROUND, FINE = (1, 2, 5, 10), (1, 2, 2.5, 5, 10)  # steps between ticks, times 10**n
HANDLE, LETTER = 48, 7.2  # pixels that a legend takes: for a line's look, for a letter
ALMOST = 1e-10  # of an axis: a tick so little outside is at its end

Interval = tuple[float, float]


class Style(NamedTuple):
    """How a line looks; `dash` in line widths (on, off, ...), `width` in pixels."""

    color: str
    dash: tuple[float, ...] = ()
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
PINS = (
    PINNED,
    Style('#5f5f5f', (1.5, 1.5), 1.5),
    Style('#8c8c8c', (9, 2.5), 1.5),
    Style('#5f5f5f', (6, 2, 1.5, 2), 1.5),
)
MARK = Style(GREY, (2, 2), 1)


class Limits(NamedTuple):
    """Where the axes of a panel begin and end, and whether y is logarithmic."""

    x: Interval
    y: Interval
    log: bool


class Legend(NamedTuple):
    """The entries of a legend in their order, and the rows and columns they take."""

    entries: list[tuple[str, Style]]
    rows: int
    columns: int


def styles(panels: Sequence[Panel]) -> dict[str, Style]:
    """Return {label: Style} for the lines and bands of panels shown together.

    A label looks the same in all of them.

    >>> panel = Panel({'a': ([], []), 'b': ([], [])}, 'x', 'y')
    >>> [style.color for style in styles([panel]).values()]
    ['#0072b2', '#d55e00']
    """
    labels = dict.fromkeys(
        label for panel in panels for label in (*panel.lines, *panel.bands)
    )
    thin = {label for panel in panels for label in _thin(panel)}
    looks = {label: STYLES[i % len(STYLES)] for i, label in enumerate(labels)}
    return {
        label: style._replace(width=1.2) if label in thin else style
        for label, style in looks.items()
    }


def pins(panel: Panel) -> dict[str, Style]:
    """Return {label: Style} for what is pinned in a panel.

    >>> pins(Panel({}, 'x', 'y', pinned={'before': ([], [])}))['before'].color
    '#8c8c8c'
    """
    return {label: PINS[i % len(PINS)] for i, label in enumerate(panel.pinned)}


def _thin(panel: Panel) -> Sequence[str]:
    if isinstance(panel.thin, bool):
        return [*panel.lines] if panel.thin else []
    return panel.thin


def legend(panel: Panel, looks: dict[str, Style], width: float) -> Legend:
    """Return the `Legend` of a panel that fits into `width` pixels.

    `looks`: what `styles` returned for the panels shown together.

    >>> panel = Panel({'b': ([], []), 'a': ([], []), '': ([], [])}, 'x', 'y')
    >>> entries, rows, columns = legend(panel, styles([panel]), width=100)
    >>> [label for label, _ in entries], rows, columns
    (['b', 'a'], 2, 1)
    """
    labels = dict.fromkeys((*panel.lines, *panel.bands))
    entries = [(label, looks[label]) for label in labels if label]
    entries += pins(panel).items()
    if not entries:
        return Legend(entries, 0, 1)
    widths = [entry_width(label) for label, _ in entries]
    columns = max(1, int(width / max(widths)))
    if len(entries) <= columns or sum(widths) <= width:
        columns = len(entries)
    if max(widths) > width:  # it would be cut at the edge of the picture
        letters = max(1, int((width - HANDLE) / LETTER))
        entries = [(textwrap.fill(label, letters), look) for label, look in entries]
        lines = [1 + label.count('\n') for label, _ in entries]
        return Legend(entries, sum(lines), 1)
    return Legend(entries, math.ceil(len(entries) / columns), columns)


def entry_width(label: str) -> float:
    """Return how many pixels an entry of a legend takes at most.

    >>> entry_width('lr')
    62.4
    """
    return HANDLE + LETTER * max(map(len, label.split('\n')))


def ran_away(values: Sequence[float]) -> bool:
    """Tell whether losses of these values want a logarithmic axis.

    They do where the largest is beyond 100, and beyond 1,000 times the smallest: next
    to what a diverging run leaves behind, all others would lie on the axis.

    >>> ran_away([2.3, 0.4, 1.5e9]), ran_away([2.3, 0.001])
    (True, False)
    """
    seen = [value for value in values if 0 < value < math.inf]
    return bool(seen) and max(seen) > max(100, 1e3 * min(seen))


def down_to(low: float, ends: Iterable[float]) -> float:
    """Return where a logarithmic axis begins that shows where its curves end.

    `low`, if none of the positive ones of `ends` lies below it, else the power of ten
    below the lowest: an axis stands still until it would hide the answer.

    >>> down_to(2.5e-5, [0.01]), down_to(2.5e-5, [1.1e-6, 0.0])
    (2.5e-05, 1e-06)
    """
    lowest = min([low, *(end for end in ends if end > 0)])
    return low if lowest == low else 10.0 ** math.floor(math.log10(lowest) - 0.02)


def beside(xlim: Interval, x: float) -> int:
    """Return 1 to write right of a vertical mark at x, -1 left of it.

    >>> beside((0, 10), 2), beside((0, 10), 9)
    (1, -1)
    """
    low, high = xlim
    return 1 if x < low + 0.7 * (high - low) else -1


def limits(panel: Panel, previous: Limits | None = None) -> Limits:
    """Return a panel's `Limits`: what it gives, and for the rest what fits its data.

    After `previous`, open limits only grow, unless the data would fill less than a
    fifth of them: axes stand still while a slider moves. Raises ValueError for limits
    that do not rise.

    >>> limits(Panel({'loss': ([0, 1, 2], [5, 3, 2])}, 'epoch', 'loss'))
    Limits(x=(0.0, 2.0), y=(0.0, 6.0), log=False)
    """
    log = bool(panel.log)
    old = previous if previous and previous.log == log else None
    x = _merged('xlim', panel.xlim, lambda: _fit_x(panel.x), old and old.x, False)
    y = _merged('ylim', panel.ylim, lambda: _fit_y(panel.y, log), old and old.y, log)
    return Limits(x, y, log)


def _merged(
    name: str,
    given: tuple | None,
    fitted: Callable[[], Interval],
    old: Interval | None,
    log: bool,
) -> Interval:
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


def _fit_x(x: np.ndarray) -> Interval:
    x = x[np.isfinite(x)]
    low, high = (x.min(), x.max()) if x.size else (0, 1)
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _fit_y(y: np.ndarray, log: bool) -> Interval:
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


def _down(exponent: float) -> float:
    """Return the exponent of the next 1, 2 or 5 times a power of ten below."""
    whole = math.floor(exponent - 0.02)
    return whole + max(d for d in (0, 0.30103, 0.69897) if whole + d <= exponent - 0.02)


def _round(step: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten that is not below `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(d * power for d in ROUND if d * power >= 0.999 * step)


def x_ticks(low: float, high: float) -> list[float]:
    """Return where the ticks of an x axis from `low` to `high` are.

    >>> x_ticks(0, 30)
    [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]
    """
    return _multiples(low, high, 6, FINE)


def y_ticks(low: float, high: float, log: bool = False) -> list[float]:
    """Return where the ticks of a y axis from `low` to `high` are.

    >>> y_ticks(0, 10), y_ticks(1, 30, log=True)
    ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], [1.0, 2.0, 5.0, 10.0, 20.0])
    """
    if not log:
        return _multiples(low, high, 5, ROUND)
    begin, end = math.log10(low), math.log10(high)
    first, last = math.ceil(begin - ALMOST), math.floor(end + ALMOST)
    if high / low >= 50:
        return [10.0**exponent for exponent in _decades(first, last, 6)]
    marks = [d * 10.0**e for e in range(first - 1, last + 1) for d in (1, 2, 5)]
    marks = [m for m in marks if begin - ALMOST <= math.log10(m) <= end + ALMOST]
    if first > last and len(marks) < 2:
        return _multiples(low, high, 9, FINE)
    return marks


def _multiples(low: float, high: float, most: int, steps: tuple) -> list[float]:
    """Return the multiples of the finest step that makes at most `most` parts."""
    rough = max((high - low) / most, 1e-300)
    if rough == math.inf:
        return [low, high]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in steps if s * power >= rough)
    almost = ALMOST * (high - low) / step
    numbers = range(
        math.ceil(low / step - almost), math.floor(high / step + almost) + 1
    )
    return [n * step for n in numbers]


def _decades(first: int, last: int, most: int) -> Sequence[int]:
    """Return exponents from `first` to `last`, evenly apart and at most so many.

    As many as can be, then as far apart, and multiples of their distance if possible.
    """
    count = last - first + 1
    least = count // (most + 1) + 1
    rows = [
        range(first + offset, last + 1, stride)
        for stride in range(least, max(least, count // (most - 1)) + 2)
        for offset in range(min(stride, count))
    ]

    def merit(row: range) -> tuple:
        return len(row), row.step, row.start % row.step == 0, -row.start

    return max((row for row in rows if len(row) <= most), key=merit, default=range(0))


def tick_label(value: float) -> str:
    """Return a tick's label: 0.0001 and 1500000 would be too wide for the margin.

    >>> tick_label(0.25), tick_label(0.0001), tick_label(1.5e9)
    ('0.25', '1e-4', '1.5e9')
    """
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f'{value:.6g}'
    digits, _, exponent = f'{value:.2e}'.partition('e')
    return f'{float(digits):g}e{int(exponent)}'


def along(values: Sequence[float], limits: Interval, log: bool = False) -> np.ndarray:
    """Return where values lie on an axis, 0 at its beginning, 1 at its end.

    float64, shape (n,). All must be positive on a logarithmic axis.

    >>> along([1, 10, 100], (1, 100), log=True).tolist()
    [0.0, 0.5, 1.0]
    """
    numbers = np.array([*limits, *values], dtype=float)
    low, high, *places = np.log10(numbers) if log else numbers
    return (np.array(places) - low) / (high - low)
