"""Functions of time that no class of `schedulers` says, for a `LambdaScheduler`.

Each is called with t and returns a rate, or a factor of one. They compare by value, so
that two schedules read from two equal objects are equal.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from d2l_ext.families import GrowthScheduler
from d2l_ext.schedulers import (
    ConstantScheduler,
    FactorScheduler,
    LambdaScheduler,
    MultiFactorScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
)

HIGHEST = 1e300  # of a rate that grows without end


@dataclass(frozen=True)
class Called:
    """function(t) as a float, for functions that answer with an array.

    >>> import math
    >>> Called(math.sqrt)(4)
    2.0
    """

    function: Callable[[Any], Any]

    def __call__(self, t: float) -> float:
        return float(self.function(t))


@dataclass(frozen=True)
class Shifted:
    """scheduler(t + by): a schedule that is joined after it has begun.

    >>> Shifted(PolyScheduler(10, 1.0, 1), by=1)(4)
    0.5
    """

    scheduler: Scheduler
    by: float

    def __call__(self, t: float) -> float:
        return self.scheduler(t + self.by)


@dataclass(frozen=True)
class RunningProduct:
    """function(1) function(2) ... function(floor(t)), 1 at first.

    >>> RunningProduct(lambda t: 1 / t)(3)
    0.16666666666666666

    Source: PyTorch's `MultiplicativeLR`.
    """

    function: Callable[[int], float]
    # what has been asked for, so that a run of n costs n multiplications
    _cache: list[float] = field(
        default_factory=lambda: [1.0], compare=False, repr=False
    )

    def __call__(self, t: float) -> float:
        products = self._cache
        while len(products) <= t:
            products.append(products[-1] * float(self.function(len(products))))
        return products[int(t)]


@dataclass(frozen=True)
class Cycles:
    """Up in `up` and down in `down`, each cycle as high as `scale` says.

    base_lr + (max_lr - base_lr) h s: h goes from 0 up to 1 and back along lines; s is
    scale(k) in cycle k = 1, 2, ..., or scale(t) with `per_cycle=False`.

    >>> cycles = Cycles(0.1, 0.5, up=2, down=6, scale=Power(0.5))
    >>> [cycles(t) for t in (0, 2, 5, 8)]
    [0.1, 0.5, 0.30000000000000004, 0.1]

    Source: PyTorch's `CyclicLR`.
    """

    base_lr: float
    max_lr: float
    up: float
    down: float
    scale: Callable[[float], float]
    per_cycle: bool = True

    def __call__(self, t: float) -> float:
        cycle, x = divmod(t, self.up + self.down)
        height = x / self.up if x <= self.up else 1 - (x - self.up) / self.down
        scale = self.scale(cycle + 1 if self.per_cycle else t)
        return self.base_lr + (self.max_lr - self.base_lr) * height * scale


@dataclass(frozen=True)
class Power:
    """base^(x - origin): what shrinks by the same factor with each cycle or update.

    >>> Power(0.5)(3)
    0.25
    """

    base: float
    origin: float = 1

    def __call__(self, x: float) -> float:
        return float(self.base) ** (x - self.origin)


def of(function: Callable[[Any], Any], base_lr: float = 1.0) -> LambdaScheduler:
    """Return the scheduler of a function: what is read where no class says it.

    >>> of(Shifted(PolyScheduler(10, 1.0, 1), 1))(4)
    0.5
    """
    return LambdaScheduler(function, base_lr)


def later(scheduler: Scheduler, by: float) -> Scheduler:
    """Return the schedule t -> scheduler(t + by), by a class where there is one.

    >>> later(MultiFactorScheduler([1, 5], 0.5, 1.0), 2)
    MultiFactorScheduler(step=(3,), factor=0.5, base_lr=0.5)
    """
    s = scheduler
    if by == 0 or isinstance(s, ConstantScheduler):
        return s
    if isinstance(s, PolyScheduler):
        if by >= s.max_update:
            return ConstantScheduler(s.final_lr)
        return PolyScheduler(s.max_update - by, s(by), s.pwr, s.final_lr)
    if isinstance(s, MultiFactorScheduler):
        steps = [step - by for step in s.step if step > by]
        return MultiFactorScheduler(steps, s.factor, s(by))
    if isinstance(s, FactorScheduler):
        past, rest = divmod(by, s.step)
        if rest == 0:
            return FactorScheduler(s.factor, s.stop_factor_lr, s(by), s.step)
        parts = [ConstantScheduler(s(by)), later(s, (past + 1) * s.step)]
        return SequentialScheduler(parts, [s.step - rest])
    return of(Shifted(s, by))


def powers(factor: float, lr: float, step: float, stop_lr: float = 0) -> Scheduler:
    """Return lr factor^floor(t / step), which falls or grows; `stop_lr` is its end.

    >>> powers(2, 0.1, step=10)(20)
    0.4
    """
    if factor <= 1 or lr == 0:
        return FactorScheduler(min(factor, 1), stop_lr, lr, step)
    return GrowthScheduler(factor, stop_lr or HIGHEST, lr, step)


def levels(times: Sequence[float], rates: Sequence[float]) -> Scheduler:
    """Return the rates one after the other, each from its time on; `times` from rates[1].

    >>> levels([5], [0.1, 0.5])(5)
    0.5
    """
    if not times:
        return ConstantScheduler(rates[0])
    return SequentialScheduler([ConstantScheduler(lr) for lr in rates], times)


def stairs(times: Sequence[float], rates: Sequence[float]) -> Scheduler:
    """Return `levels`, by their factor where each is the same share of the one before.

    >>> stairs([5, 8], [1.0, 0.5, 0.25])
    MultiFactorScheduler(step=(5, 8), factor=0.5, base_lr=1.0)
    """
    if times and rates[0] > 0:
        factor = rates[1] / rates[0]
        said = [rates[0] * factor**k for k in range(len(rates))]
        same = (math.isclose(*pair, rel_tol=1e-12) for pair in zip(said, rates))
        if factor <= 1 and all(same):
            return MultiFactorScheduler(times, factor, rates[0])
    return levels(times, rates)


def number(value: Any) -> float:
    """Return a rate as a plain number, whether int, float or a tensor of one.

    >>> number(1)
    1
    """
    return value if type(value) in (int, float) else float(value)


def rate_of(name: str, value: Any, base_lr: float | None) -> float:
    """Return the optimizer's rate, from the argument or from the config."""
    rate = value if base_lr is None else base_lr
    if rate is None:
        raise ValueError(
            f'base_lr must be given, the rate of the optimizer, as the config has no {name}'
        )
    return setting(name, rate)


def setting(name: str, value: Any) -> float:
    """Return a setting as a number; YAML 1.1 takes 1e-5 for a text."""
    try:
        return number(float(value) if isinstance(value, str) else value)
    except (TypeError, ValueError):
        raise ValueError(f'{name} must be a number, got {value!r}') from None
