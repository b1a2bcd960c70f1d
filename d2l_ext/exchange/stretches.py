"""A schedule as stretches of time, each of which one simple scheduler answers for."""

import math
from collections.abc import Callable

from d2l_ext.families import (
    CooldownScheduler,
    EpochScheduler,
    GrowthScheduler,
    InversePowerScheduler,
    LogWarmupScheduler,
    ProductScheduler,
    TriangularScheduler,
    WarmupOverScheduler,
)
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    CyclicScheduler,
    FactorScheduler,
    LambdaScheduler,
    MultiFactorScheduler,
    PiecewiseLinearScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
    WarmupScheduler,
)

Stretches = list[tuple[float, Scheduler]]  # from when on, who


class Ahead(Scheduler):
    """A scheduler whose time `ahead` is over when it begins."""

    def __init__(self, scheduler: Scheduler, ahead: float) -> None:
        self.scheduler, self.ahead = scheduler, ahead
        self.base_lr = scheduler.base_lr

    def lr(self, t: float) -> float:
        return self.scheduler.lr(t + self.ahead)


class Logarithm(Scheduler):
    """The ramp of a `LogWarmupScheduler`."""

    def __init__(self, length: float, base_lr: float, final_lr: float) -> None:
        self.length, self.base_lr, self.final_lr = length, base_lr, final_lr

    def lr(self, t: float) -> float:
        height = math.log(1 + t) / math.log(1 + self.length)
        return self.base_lr + (self.final_lr - self.base_lr) * height


def stretches(scheduler: Scheduler, end: float, *splits: Callable) -> Stretches:
    """Return [(start, scheduler), ...]: who answers from when on, up to the time `end`.

    None of them holds others, and each counts from 0 at its start. `splits` may break
    them down further: `rests`, `steps`.

    >>> from d2l_ext.schedulers import warmup_cosine
    >>> [(start, type(s).__name__) for start, s in stretches(warmup_cosine(40, 1, 5), 40)]
    [(0, 'PolyScheduler'), (5, 'CosineScheduler')]
    """
    scheduler = plain(scheduler)
    for split in (_parts, *splits):
        pieces = [piece for piece in split(scheduler, end) if piece[0] < end]
        if pieces and pieces != [(0, scheduler)]:
            ends = [*(start for start, _ in pieces[1:]), end]
            return [
                (start + offset, simple)
                for (start, piece), stop in zip(pieces, ends)
                if start < stop
                for offset, simple in stretches(piece, stop - start, *splits)
            ]
    return [(0, scheduler)]


def asks_python(scheduler: Scheduler) -> bool:
    """Return whether a function of the reader's answers somewhere in a scheduler."""
    inner = getattr(scheduler, 'scheduler', None)
    parts = [inner] if inner else getattr(scheduler, 'schedulers', ())
    return isinstance(scheduler, LambdaScheduler) or any(map(asks_python, parts))


def plain(scheduler: Scheduler) -> Scheduler:
    """Return the scheduler, or a simpler one where its settings make it one."""
    s = scheduler
    if isinstance(s, WarmupScheduler):
        if not s.warmup_steps:
            return plain(s.scheduler)
        child, *rest = vars(s).values()
        return WarmupScheduler(plain(child), *rest)
    if isinstance(s, (WarmupOverScheduler, LogWarmupScheduler)) and not s.warmup_steps:
        return plain(s.scheduler)
    if (
        isinstance(s, (SequentialScheduler, ProductScheduler))
        and len(s.schedulers) == 1
    ):
        return plain(s.schedulers[0])
    if isinstance(s, ProductScheduler):
        product = _product([plain(factor) for factor in s.schedulers])
        return product if isinstance(product, ConstantScheduler) else s
    if isinstance(s, MultiFactorScheduler) and 0 in s.step:
        later = [time for time in s.step if time > 0]
        base_lr = s.base_lr * s.factor ** s.step.count(0)
        return plain(MultiFactorScheduler(later, s.factor, base_lr))
    if isinstance(s, (PolyScheduler, CosineScheduler, CooldownScheduler)):
        flat = s.base_lr == s.final_lr
    elif isinstance(s, TriangularScheduler):
        flat = s.base_lr == s.max_lr
    elif isinstance(s, InversePowerScheduler):
        flat = s.stop_lr >= s.base_lr
    elif isinstance(s, CyclicScheduler):
        flat = s.base_lr == s.max_lr
    elif isinstance(s, CosineRestartsScheduler):
        flat = s.base_lr == s.final_lr
    elif isinstance(s, FactorScheduler):
        flat = s.factor == 1 or s.stop_factor_lr >= s.base_lr
    elif isinstance(s, GrowthScheduler):
        flat = s.factor == 1 or s.stop_lr == s.base_lr
    elif isinstance(s, MultiFactorScheduler):
        flat = s.factor == 1 or not s.step
    else:
        flat = False
    return ConstantScheduler(s.base_lr) if flat else s


def _parts(scheduler: Scheduler, end: float) -> Stretches:
    """Return the stretches of a scheduler that holds others, or is as good as that."""
    s = scheduler
    if isinstance(s, SequentialScheduler):
        return list(zip((0, *s.boundaries), s.schedulers))
    if isinstance(s, WarmupScheduler):
        ramp: Scheduler = ConstantScheduler(s.warmup_begin_lr)
        if s.warmup_mode == 'linear':
            ramp = PolyScheduler(s.warmup_steps, s.warmup_begin_lr, 1, s.scheduler(0))
        return [(0, ramp), (s.warmup_steps, s.scheduler)]
    if isinstance(s, LogWarmupScheduler):
        ramp = Logarithm(s.warmup_steps, s.warmup_begin_lr, s.scheduler(0))
        return [(0, ramp), (s.warmup_steps, s.scheduler)]
    if isinstance(s, WarmupOverScheduler):
        ramp = ConstantScheduler(s.warmup_begin_lr)
        if s.warmup_mode == 'linear':
            peak = s.scheduler(0 if s.target == 'start' else s.warmup_steps)
            ramp = PolyScheduler(s.warmup_steps, s.warmup_begin_lr, 1, peak)
        return [(0, ramp), (s.warmup_steps, Ahead(s.scheduler, s.warmup_steps))]
    if isinstance(s, Ahead):
        pieces = stretches(s.scheduler, s.ahead + end, rests, steps)
        return [
            (max(t - s.ahead, 0), _ahead(piece, s.ahead - t)) for t, piece in pieces
        ]
    if isinstance(s, EpochScheduler):
        epochs = math.ceil(end / s.batches_per_epoch)
        return [
            (math.ceil(first) * s.batches_per_epoch, _per_epoch(simple, first, s))
            for first, simple in stretches(s.scheduler, epochs, rests, steps)
        ]
    if isinstance(s, ProductScheduler):
        factors = [stretches(factor, end, rests, steps) for factor in s.schedulers]
        changes = sorted({t for pieces in factors for t, _ in pieces})
        return [(t, _product([_at(pieces, t) for pieces in factors])) for t in changes]
    if isinstance(s, PiecewiseLinearScheduler):
        first, last = s.points[0], s.points[-1]
        lines: Stretches = []
        if first[0] > 0:
            lines = [(0, ConstantScheduler(first[1]))]
        lines += [
            (t, PolyScheduler(later - t, lr, 1, end_lr))
            for (t, lr), (later, end_lr) in zip(s.points, s.points[1:])
        ]
        return [*lines, (last[0], ConstantScheduler(last[1]))]
    if isinstance(s, CosineRestartsScheduler) and s.multiplier > 1:
        cycles: Stretches = []
        start: float = 0
        length, height = s.period, s.base_lr - s.final_lr
        while start < end:
            top = _tidy(s.final_lr + height * s.decay ** len(cycles))
            cycles.append((start, CosineScheduler(length, top, s.final_lr)))
            start, length = start + length, length * s.multiplier
        return cycles
    return []


def _ahead(scheduler: Scheduler, ahead: float) -> Scheduler:
    """Return the scheduler as it is when `ahead` of its time is over."""
    if ahead <= 0 or isinstance(scheduler, ConstantScheduler):
        return scheduler
    if isinstance(scheduler, Ahead):
        return Ahead(scheduler.scheduler, scheduler.ahead + ahead)
    return Ahead(scheduler, ahead)


def _per_epoch(simple: Scheduler, first: float, s: EpochScheduler) -> Scheduler:
    """Return what answers in `s` from the first whole epoch on, constants as such."""
    epoch = _ahead(simple, math.ceil(first) - first)
    if isinstance(epoch, ConstantScheduler):
        return epoch
    return EpochScheduler(epoch, s.batches_per_epoch)


def _at(pieces: Stretches, t: float) -> Scheduler:
    """Return who answers from the time t on, as it is then."""
    start, simple = [piece for piece in pieces if piece[0] <= t][-1]
    return _ahead(simple, t - start)


def _product(factors: list[Scheduler]) -> Scheduler:
    """Return the product of simple schedulers, of which constants are one number."""
    moving = [s for s in factors if not isinstance(s, ConstantScheduler)]
    if len(moving) == len(factors):
        return ProductScheduler(factors)
    lr = math.prod(s.base_lr for s in factors if isinstance(s, ConstantScheduler))
    constant = ConstantScheduler(_tidy(lr))
    if not moving or lr == 0:
        return constant
    if lr == 1:
        return moving[0] if len(moving) == 1 else ProductScheduler(moving)
    return ProductScheduler([constant, *moving])


def rests(scheduler: Scheduler, end: float) -> Stretches:
    """Split what comes to rest before `end` into its decay and its rest."""
    s = scheduler
    if isinstance(s, GrowthScheduler):
        # a power grows out of the floats, and a product n step may be rounded
        start: float = 2 * s.step
        while start < end and s.lr(start - s.step) < s.stop_lr:
            start += s.step
        return [(0, s), (start, ConstantScheduler(s.stop_lr))]
    decays = PolyScheduler, CosineScheduler, CooldownScheduler
    if not isinstance(s, decays) or s.max_update >= end:
        return []
    return [(0, s), (s.max_update, ConstantScheduler(s.final_lr))]


def steps(scheduler: Scheduler, end: float) -> Stretches:
    """Split a `MultiFactorScheduler` into its steps."""
    s = scheduler
    if not isinstance(s, MultiFactorScheduler):
        return []
    rates = [_tidy(s.base_lr * s.factor**k) for k in range(len(s.step) + 1)]
    return [(t, ConstantScheduler(lr)) for t, lr in zip((0, *s.step), rates)]


def _tidy(lr: float) -> float:
    return float(f'{lr:.12g}')  # 0.3, not 0.30000000000000004


def whole(value: float) -> int | None:
    """Return a whole number as an int, None for any other."""
    return int(value) if math.isfinite(value) and value == int(value) else None


def reaches_floor(s: FactorScheduler, n: int) -> bool:
    """Return whether the `FactorScheduler` s comes to its floor before the time n."""
    return s.base_lr * s.factor ** math.floor((n - 1) / s.step) < s.stop_factor_lr


def warm_cosine(s: Scheduler) -> bool:
    """Return whether s is a cosine after a ramp, for which both have a class."""
    return (
        isinstance(s, WarmupScheduler)
        and isinstance(s.scheduler, CosineScheduler)
        and s.scheduler.base_lr > 0
        and s.warmup_mode == 'linear'
    )
