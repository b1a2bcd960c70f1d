"""A schedule written out: its stretches, one after the other, and their formulas."""

import math
import textwrap
from collections.abc import Callable, Sequence

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
    SquareRootScheduler,
    WarmupScheduler,
)

Stretches = list[tuple[float, Scheduler]]  # from when on, who

PYTHON = {'floor': 'math.floor', 'cos': 'math.cos', 'pi': 'math.pi', 'max': 'max'}
PYTHON |= {'abs': 'abs', 'min': 'min', 'log': 'math.log'}
JAX = {'floor': 'jnp.floor', 'cos': 'jnp.cos', 'pi': 'jnp.pi', 'max': 'jnp.maximum'}
JAX |= {'abs': 'jnp.abs', 'min': 'jnp.minimum', 'log': 'jnp.log'}
KERAS = {'floor': '', 'cos': 'ops.cos', 'pi': 'math.pi', 'max': 'larger'}
KERAS |= {'abs': 'ops.abs', 'min': 'smaller', 'log': 'ops.log'}


class CannotExpressError(Exception):
    """Why a library has no words for a schedule."""


class _Ahead(Scheduler):
    """A scheduler whose time `ahead` is over when it begins."""

    def __init__(self, scheduler: Scheduler, ahead: float) -> None:
        self.scheduler, self.ahead = scheduler, ahead
        self.base_lr = scheduler.base_lr

    def lr(self, t: float) -> float:
        return self.scheduler.lr(t + self.ahead)


class _Logarithm(Scheduler):
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
        ramp = _Logarithm(s.warmup_steps, s.warmup_begin_lr, s.scheduler(0))
        return [(0, ramp), (s.warmup_steps, s.scheduler)]
    if isinstance(s, WarmupOverScheduler):
        ramp = ConstantScheduler(s.warmup_begin_lr)
        if s.warmup_mode == 'linear':
            peak = s.scheduler(0 if s.target == 'start' else s.warmup_steps)
            ramp = PolyScheduler(s.warmup_steps, s.warmup_begin_lr, 1, peak)
        return [(0, ramp), (s.warmup_steps, _Ahead(s.scheduler, s.warmup_steps))]
    if isinstance(s, _Ahead):
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
    if isinstance(scheduler, _Ahead):
        return _Ahead(scheduler.scheduler, scheduler.ahead + ahead)
    return _Ahead(scheduler, ahead)


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


def formula(scheduler: Scheduler, t: str, words: dict[str, str] = PYTHON) -> str:
    """Return a simple scheduler's formula as code, `t` the text that stands for time.

    `words`: how a library spells the functions. Holds up to where the scheduler comes
    to rest. Raises ValueError for one that must be split into `stretches` first.

    >>> formula(CosineScheduler(40, 0.5), 't')
    '0.5 * (1 + math.cos(math.pi * t / 40)) / 2'
    """
    s = scheduler
    if isinstance(s, ConstantScheduler):
        return f'{float(s.base_lr)}'  # Keras takes no int for a rate
    if isinstance(s, SquareRootScheduler):
        return f'{s.base_lr} * ({t} + 1) ** -0.5'
    if isinstance(s, LambdaScheduler):
        called = f'{s.function.__name__}({t})'
        return called if s.base_lr == 1 else f'{s.base_lr} * {called}'
    if isinstance(s, FactorScheduler):
        decayed = f'{s.base_lr} * {s.factor} ** {_floor(t, s.step, words)}'
        if s.stop_factor_lr == 0:
            return decayed
        return f'{words["max"]}({float(s.stop_factor_lr)}, {decayed})'
    if isinstance(s, PolyScheduler) and s.pwr == 1:
        if s.final_lr == 0:
            return f'{s.base_lr} * (1 - {t} / {s.max_update})'
        return _between(s.base_lr, s.final_lr, f'{t} / {s.max_update}')
    if isinstance(s, PolyScheduler):
        height = f'(1 - {t} / {s.max_update}) ** {s.pwr}'
        return _between(s.final_lr, s.base_lr, height)
    if isinstance(s, CosineScheduler):
        cos = f'{words["cos"]}({words["pi"]} * {t} / {s.max_update})'
        if s.final_lr > s.base_lr:
            return _between(s.base_lr, s.final_lr, f'(1 - {cos}) / 2')
        return _between(s.final_lr, s.base_lr, f'(1 + {cos}) / 2')
    if isinstance(s, CyclicScheduler):
        x, cycle = f'{t} / {s.step_size}', f'({t} / {s.step_size} // 2)'
        height = f'(1 - {words["abs"]}(1 - {x} % 2))'
        if s.shape == 'cosine':
            cycle = f'(({x} + 1) // 2)'
            height = f'(1 + {words["cos"]}({words["pi"]} * {x})) / 2'
        if s.gamma < 1:
            height = f'{s.gamma} ** {cycle} * {height}'
        return _between(s.base_lr, s.max_lr, height)
    if isinstance(s, CosineRestartsScheduler) and s.multiplier == 1:
        share = f'({t} / {s.period} % 1)'
        height = f'(1 + {words["cos"]}({words["pi"]} * {share})) / 2'
        if s.decay < 1:
            height = f'{s.decay} ** ({t} / {s.period} // 1) * {height}'
        return _between(s.final_lr, s.base_lr, height)
    if isinstance(s, GrowthScheduler):
        grown = f'{s.base_lr} * {float(s.factor)} ** {_floor(t, s.step, words)}'
        return f'{words["min"]}({float(s.stop_lr)}, {grown})'
    if isinstance(s, _Ahead):
        return formula(s.scheduler, f'({t} + {s.ahead})', words)
    if isinstance(s, EpochScheduler):
        return formula(s.scheduler, f'({t} // {s.batches_per_epoch})', words)
    if isinstance(s, ProductScheduler):
        return _times([formula(part, t, words) for part in s.schedulers])
    if isinstance(s, _Logarithm):
        log = words['log']
        height = f'{log}({t} + 1) / {log}({float(s.length)} + 1)'
        return _between(s.base_lr, s.final_lr, height)
    if isinstance(s, InversePowerScheduler):
        decayed = f'{s.base_lr} * (1 + {t} / {s.time_scale}) ** -{s.pwr}'
        if s.stop_lr == 0:
            return decayed
        return f'{words["max"]}({float(s.stop_lr)}, {decayed})'
    if isinstance(s, CooldownScheduler):
        height = f'(1 - ({t} / {s.max_update}) ** {s.pwr})'
        return _between(s.final_lr, s.base_lr, height)
    if isinstance(s, TriangularScheduler):
        length = s.up_steps + s.down_steps
        u = f'{t} % {length}'
        down = f'({length} - {u}) / {s.down_steps}'
        height = f'{words["min"]}({u} / {s.up_steps}, {down})'
        if s.gamma < 1:
            k = t if s.gamma_per == 'update' else f'({t} // {length})'
            height = f'{s.gamma} ** {k} * {height}'
        return _between(s.base_lr, s.max_lr, height)
    raise ValueError(f'{s!r} has no single formula: split it into stretches')


def function(head: str, pieces: Stretches, words: dict[str, str] = PYTHON) -> str:
    """Return a function of time as code, a line or two for each stretch."""
    lines = [head]
    for (start, simple), (end, _) in zip(pieces, pieces[1:]):
        lines += [
            f'    if t < {end}:',
            f'        return {_local(start, simple, words)}',
        ]
    return '\n'.join([*lines, f'    return {_local(*pieces[-1], words)}'])


def choices(pieces: Stretches, words: dict[str, str], where: str) -> str:
    """Return statements that set `lr` without branches, from the last stretch back."""
    lines = [f'lr = {_local(*pieces[-1], words)}']
    for (start, simple), (end, _) in reversed([*zip(pieces, pieces[1:])]):
        arguments = f't < {end}', _local(start, simple, words), 'lr'
        line = f'lr = {where}({", ".join(arguments)})'
        lines.append(line if len(line) <= 110 else f'lr = {where}({_lines(arguments)})')
    return '\n'.join(lines)


def call(name: str, *arguments: str) -> str:
    """Return a call as code, on several lines where one is too long."""
    line = ', '.join(arguments)
    if '\n' not in line:
        if len(name) + len(line) <= 70:
            return f'{name}({line})'
        if len(line) <= 70:
            return f'{name}(\n    {line}\n)'
    return f'{name}({_lines(arguments)})'


def listed(items: Sequence[str]) -> str:
    """Return a list as code, an item a line."""
    return f'[{_lines(items)}]'


def _lines(items: Sequence[str]) -> str:
    return '\n' + textwrap.indent(',\n'.join(items), '    ') + ',\n'


def _tidy(lr: float) -> float:
    return float(f'{lr:.12g}')  # 0.3, not 0.30000000000000004


def _local(start: float, simple: Scheduler, words: dict[str, str]) -> str:
    if isinstance(simple, ProductScheduler):
        return _times([_local(start, part, words) for part in simple.schedulers])
    if isinstance(simple, _Ahead) and simple.ahead <= start:  # one shift, not two
        return _local(start - simple.ahead, simple.scheduler, words)
    return formula(simple, f'(t - {start})' if start else 't', words)


def _times(factors: list[str]) -> str:
    return ' * '.join(f'({text})' if ' ' in text else text for text in factors)


def _between(low: float, high: float, height: str) -> str:
    if low == 0:
        return f'{high} * {height}'
    return f'{low} + ({high} - {low}) * {height}'


def _floor(t: str, step: float, words: dict[str, str]) -> str:
    if step == int(step):
        return f'({t} // {step})'
    # 1 // 0.1 is 9, the floor of 1 / 0.1 is 10
    if not words['floor']:  # Keras's computes in float32
        return f'({t} / {step} // 1)'
    return f'{words["floor"]}({t} / {step})'


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
