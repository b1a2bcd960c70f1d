"""What a reader may change: the values that a control can take, no widget yet.

Each control can `check` a value, `spell` it as a short text, and `read` that text back.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

Point = tuple[float, float]


def _is_number(value: Any) -> bool:
    return isinstance(value, Real)


class Slider:
    """A number between `low` and `high`: a slider, and a number box beside it.

    Whole numbers if `value`, `low`, `high` and `step` all are int, else floats;
    `step` is then about a hundredth of the range. The slider moves in steps, the box
    takes any value between. Raises ValueError for a value outside the range or a
    step that is not positive.

    >>> [Slider(0.5, 0, 1, step=0.25).at(position) for position in range(5)]
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """

    def __init__(
        self,
        value: float,
        low: float,
        high: float,
        step: float | None = None,
        label: str = '',
    ) -> None:
        self.whole = all(isinstance(n, Integral) for n in (value, low, high, step or 1))
        if not low < high:
            raise ValueError(f'low must be below high, got low={low!r}, high={high!r}')
        if step is None:
            fine = 10.0 ** math.floor(math.log10((high - low) / 50))
            step = 1 if self.whole else fine
        if not step > 0:
            raise ValueError(f'step must be positive, got {step!r}')
        self.low, self.high, self.label = low, high, label
        self.step: Any = step  # None where positions are not evenly apart
        self.positions = math.ceil((high - low) / step - 1e-9)
        self.value = self.check(value)

    def check(self, value: Any) -> float:
        """Return `value`, or raise ValueError if this control cannot take it."""
        if not _is_number(value) or not self.low <= value <= self.high:
            raise ValueError(f'must be from {self.low} to {self.high}, got {value!r}')
        if self.whole and value != int(value):
            raise ValueError(f'must be a whole number, got {value!r}')
        return int(value) if self.whole else float(value)

    def spell(self, value: float) -> str:
        """Return `value` as a text."""
        return repr(value)

    def read(self, text: str) -> float:
        """Return the value of such a text, or raise ValueError."""
        return self.check(float(text))

    def at(self, position: int) -> float:
        """Return the number at a position of the slider, 0 to `positions`."""
        value = min(self.low + position * self.step, self.high)
        if self.whole:
            return int(value)
        return round(float(value), 3 - math.floor(math.log10(self.step)))

    def position(self, value: float) -> int:
        """Return the position of the slider that is nearest to `value`."""
        return round((value - self.low) / self.step)


class Log(Slider):
    """A float between `low` > 0 and `high`, its slider on a logarithmic scale.

    Raises ValueError for a value outside the range or a `low` that is not positive.

    >>> [Log(0.5, 0.01, 1).at(position) for position in (0, 50, 100)]
    [0.01, 0.0316, 0.1]
    """

    def __init__(self, value: float, low: float, high: float, label: str = '') -> None:
        if not low > 0:
            raise ValueError(f'low must be positive on a log scale, got {low!r}')
        super().__init__(float(value), low, high, label=label)
        self.step = None
        self.positions = 200

    def at(self, position: int) -> float:
        """Return the number at a position, to three digits."""
        value = self.low * (self.high / self.low) ** (position / self.positions)
        return min(max(float(f'{value:.3g}'), self.low), self.high)

    def position(self, value: float) -> int:
        """Return the position of the slider that is nearest to `value`."""
        whole = math.log(self.high / self.low)
        return round(self.positions * math.log(value / self.low) / whole)


class Choice:
    """One of `options`, a sequence or {text: value}: a list to choose from.

    Raises ValueError without options, or for a `value` that is none of them.

    >>> Choice({'early': [10, 20], 'late': [25]}).value
    [10, 20]
    """

    def __init__(
        self,
        options: Iterable | Mapping[str, Any],
        value: Any = None,
        label: str = '',
    ) -> None:
        named = isinstance(options, Mapping)
        self.options = dict(options if named else {str(o): o for o in options})
        if not self.options:
            raise ValueError('options must hold at least one value, got none')
        self.label = label
        first = next(iter(self.options.values()))
        self.value = self.check(first if value is None else value)

    def check(self, value: Any) -> Any:
        """Return `value`, or raise ValueError if it is none of the options."""
        if not any(
            value is option or value == option for option in self.options.values()
        ):
            raise ValueError(
                f'must be one of {[*self.options.values()]}, got {value!r}'
            )
        return value

    def spell(self, value: Any) -> str:
        """Return the text of an option."""
        return next(
            text
            for text, option in self.options.items()
            if value is option or value == option
        )

    def read(self, text: str) -> Any:
        """Return the option of this text, or raise ValueError."""
        if text not in self.options:
            raise ValueError(f'must be one of {[*self.options]}, got {text!r}')
        return self.options[text]


class Snap(Choice):
    """One of the numbers in `options`: a list to choose from, and a slider beside it.

    Any other number becomes the nearest of them. Raises ValueError without options.

    >>> Snap((0.1, 0.3, 1.0)).check(0.4)
    0.3
    """

    def __init__(
        self, options: Iterable[float], value: float | None = None, label: str = ''
    ) -> None:
        self._numbers = sorted(options)
        self.positions = len(self._numbers) - 1
        super().__init__(self._numbers, value, label)

    def check(self, value: Any) -> float:
        """Return the option nearest to `value`; ValueError for what is no number."""
        if not _is_number(value) or math.isnan(value):
            raise ValueError(f'must be a number, got {value!r}')
        return min(self._numbers, key=lambda option: abs(option - value))

    def read(self, text: str) -> float:
        """Return the option nearest to the number in this text, or raise ValueError."""
        return self.check(float(text))

    def at(self, position: int) -> float:
        """Return the number at a position of the slider, 0 to `positions`."""
        return self._numbers[position]

    def position(self, value: float) -> int:
        """Return the position of an option."""
        return self._numbers.index(value)


class Points:
    """Points (t, lr) of a curve that the reader draws: number boxes, one row a point.

    `t` and `lr` are a `Slider` or `Log` each, whose values only say where new points
    begin; `most`: how many points there may be. A value is a tuple of pairs in the
    order of t; two of them may be at the same t. Raises ValueError for a number that
    is not in range, or none or too many points.

    >>> points = Points([(0, 0.1), (20, 0.3)], Slider(0, 0, 30), Log(0.1, 0.001, 3))
    >>> points.spell(points.value), points.read('20:0.1,10:2')
    ('0:0.1,20:0.3', ((10, 2.0), (20, 0.1)))
    """

    def __init__(
        self,
        value: Iterable[Sequence[float]],
        t: Slider,
        lr: Slider,
        most: int = 12,
        label: str = '',
    ) -> None:
        self.t, self.lr, self.most, self.label = t, lr, most, label
        self.value = self.check(value)

    def check(self, value: Any) -> tuple[Point, ...]:
        """Return `value` in the order of t, or raise ValueError."""
        try:
            pairs = [(t, lr) for t, lr in value]
        except (TypeError, ValueError) as error:
            raise ValueError(f'must be pairs (t, lr), got {value!r:.80}') from error
        if not 1 <= len(pairs) <= self.most:
            raise ValueError(f'must be 1 to {self.most} points, got {len(pairs)}')
        points = []
        for t, lr in pairs:
            try:
                points.append((self.t.check(t), self.lr.check(lr)))
            except ValueError as error:
                raise ValueError(
                    f'must lie in range, but in ({t!r}, {lr!r}) a number {error}'
                ) from error
        return tuple(sorted(points))

    def spell(self, value: tuple[Point, ...]) -> str:
        """Return the points as a text, t:lr,t:lr,..."""
        return ','.join(f'{t!r}:{lr!r}' for t, lr in value)

    def read(self, text: str) -> tuple[Point, ...]:
        """Return the points of such a text, or raise ValueError."""
        pairs = [pair.split(':') for pair in text.split(',')]
        return self.check([tuple(map(float, pair)) for pair in pairs])


class Switch:
    """True or False: a check box. Raises ValueError for any other value."""

    def __init__(self, value: bool = False, label: str = '') -> None:
        self.label = label
        self.value = self.check(value)

    def check(self, value: Any) -> bool:
        """Return `value`, or raise ValueError if it is not a bool."""
        if not isinstance(value, bool):
            raise ValueError(f'must be True or False, got {value!r}')
        return value

    def spell(self, value: bool) -> str:
        """Return 'on' or 'off'."""
        return 'on' if value else 'off'

    def read(self, text: str) -> bool:
        """Return the value of such a text, or raise ValueError."""
        if text not in ('on', 'off'):
            raise ValueError(f'must be on or off, got {text!r}')
        return text == 'on'


CONTROLS = Slider, Choice, Switch, Points
Control = Slider | Choice | Switch | Points


def share(controls: Mapping[str, Control], values: Mapping[str, Any]) -> str:
    """Return `values` as one short text, which `restored` reads back.

    >>> controls = {'lr': Log(0.3, 0.01, 1), 'shape': Choice(('line', 'power 2'))}
    >>> share(controls, {'lr': 0.5, 'shape': 'power 2'})
    'lr=0.5&shape=power 2'
    """
    texts = {name: controls[name].spell(value) for name, value in values.items()}
    return urlencode(texts, safe=' :,()', quote_via=quote)


def restored(controls: Mapping[str, Control], text: str) -> dict[str, Any]:
    """Return {name: value} of a text that `share` wrote for these controls.

    Raises ValueError for any other text, also one of an explorer with other controls.

    >>> restored({'lr': Log(0.3, 0.01, 1)}, 'lr=0.5')
    {'lr': 0.5}
    """
    remedy = 'copy the whole text from an explorer of the same kind'
    try:
        pairs = parse_qsl(text.strip(), strict_parsing=True, keep_blank_values=True)
    except ValueError:
        pairs = []
    if not pairs or len(text) > 2000:
        raise ValueError(f'{text!r:.80} is no setting: {remedy}')
    values = {}
    for name, spelt in pairs:
        if name not in controls:
            known = ', '.join(controls)
            raise ValueError(f'no control {name!r:.80} here, only {known}: {remedy}')
        try:
            values[name] = controls[name].read(spelt)
        except ValueError as error:
            raise ValueError(f'{name}={spelt:.80}: {error}') from error
    return values
