"""What a reader may change: the values that a control can take, no widget yet."""

import math
from numbers import Integral, Real


class Slider:
    """A number between `low` and `high`: a slider, and a number box beside it.

    Whole numbers if `value`, `low`, `high` and `step` all are int, else floats;
    `step` is then about a hundredth of the range. The slider moves in steps, the box
    takes any value between. Raises ValueError for a value outside the range or a
    step that is not positive.

    >>> [Slider(0.5, 0, 1, step=0.25).at(position) for position in range(5)]
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """

    def __init__(self, value, low, high, step=None, label=''):
        self.whole = all(isinstance(n, Integral) for n in (value, low, high, step or 1))
        if not low < high:
            raise ValueError(f'low must be below high, got low={low!r}, high={high!r}')
        if step is None:
            fine = 10.0 ** math.floor(math.log10((high - low) / 50))
            step = 1 if self.whole else fine
        if not step > 0:
            raise ValueError(f'step must be positive, got {step!r}')
        self.low, self.high, self.step, self.label = low, high, step, label
        self.positions = math.ceil((high - low) / step - 1e-9)
        self.value = self.check(value)

    def check(self, value):
        """Return `value`, or raise ValueError if it is none of this control's."""
        if not isinstance(value, Real) or not self.low <= value <= self.high:
            raise ValueError(f'must be from {self.low} to {self.high}, got {value!r}')
        if self.whole and value != int(value):
            raise ValueError(f'must be a whole number, got {value!r}')
        return int(value) if self.whole else float(value)

    def at(self, position):
        """Return the number at a position of the slider, 0 to `positions`."""
        value = min(self.low + position * self.step, self.high)
        if self.whole:
            return int(value)
        return round(float(value), 3 - math.floor(math.log10(self.step)))

    def position(self, value):
        """Return the position of the slider that is nearest to `value`."""
        return round((value - self.low) / self.step)


class Log(Slider):
    """A float between `low` > 0 and `high`, its slider on a logarithmic scale.

    >>> [Log(0.5, 0.01, 1).at(position) for position in (0, 50, 100)]
    [0.01, 0.0316, 0.1]
    """

    def __init__(self, value, low, high, label=''):
        if not low > 0:
            raise ValueError(f'low must be positive on a log scale, got {low!r}')
        super().__init__(float(value), low, high, label=label)
        self.step = None
        self.positions = 200

    def at(self, position):
        """Return the number at a position, to three digits."""
        value = self.low * (self.high / self.low) ** (position / self.positions)
        return min(max(float(f'{value:.3g}'), self.low), self.high)

    def position(self, value):
        """Return the position of the slider that is nearest to `value`."""
        whole = math.log(self.high / self.low)
        return round(self.positions * math.log(value / self.low) / whole)


class Choice:
    """One of `options`, a sequence or {text: value}: a list to choose from."""

    def __init__(self, options, value=None, label=''):
        named = isinstance(options, dict)
        self.options = dict(options if named else {str(o): o for o in options})
        if not self.options:
            raise ValueError('options must hold at least one value, got none')
        self.label = label
        self.value = next(iter(self.options.values())) if value is None else value
        self.check(self.value)

    def check(self, value):
        """Return `value`, or raise ValueError if it is none of the options."""
        if not any(
            value is option or value == option for option in self.options.values()
        ):
            raise ValueError(
                f'must be one of {[*self.options.values()]}, got {value!r}'
            )
        return value


class Switch:
    """True or False: a check box."""

    def __init__(self, value=False, label=''):
        self.label = label
        self.value = self.check(value)

    def check(self, value):
        """Return `value`, or raise ValueError if it is not a bool."""
        if not isinstance(value, bool):
            raise ValueError(f'must be True or False, got {value!r}')  # noqa: TRY004
        return value
