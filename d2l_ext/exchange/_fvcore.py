"""fvcore's schedules, those of detectron2: functions of the share of a run that is done."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from d2l_ext.exchange._functions import later, of, powers, stairs
from d2l_ext.exchange.formula import call, function, listed
from d2l_ext.exchange.stretches import plain, rests, stretches, whole
from d2l_ext.exchange.stretches import steps as single_steps
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
)

SHORT = 1e-6  # its classes take a time so much before a boundary as after it


@dataclass(frozen=True)
class Share:
    """What a schedule of fvcore says at the time t of a run of `length`, times base_lr.

    >>> Share(lambda where: 1 - where, length=40, base_lr=0.5)(10)
    0.375

    Source: detectron2's `LRMultiplier`.
    """

    function: Callable[[float], float]
    length: float
    base_lr: float

    def __call__(self, t: float) -> float:
        return float(self.function(t / self.length)) * self.base_lr


def fvcore(plan: Plan) -> str:
    """Return code for fvcore, the schedules of detectron2."""
    n = plan.length
    text = _fvcore_class(plain(plan.scheduler), n) if n * SHORT < 0.5 else ''
    imported = sorted(
        {word.split('(')[0] for word in text.split() if 'ParamScheduler(' in word}
    )
    first = ''
    if text:
        text = f'\nscheduler = {text}'
    else:
        imported = ['ParamScheduler']
        pieces = stretches(plan.scheduler, n + 1, rests, single_steps)
        text = f"""

{function('def rate(t):', pieces)}


class Rate(ParamScheduler):
    def __call__(self, where):
        return rate(round(where * {n}))


scheduler = Rate()"""
        first = 'import math\n\n' * ('math.' in text)
    names = ', '.join(imported)
    if len(names) > 50:
        names = '(\n    ' + ',\n    '.join(imported) + ',\n)'
    rates = f'scheduler(update / {n}) for update in range({n})'
    if plan.per == 'epoch':
        rates = f"""
    scheduler(epoch / {n})
    for epoch in range({n})
    for batch in range({plan.batches_per_epoch})
"""
    return f"""{first}from fvcore.common.param_scheduler import {names}
{text}
# detectron2: LRMultiplier(optimizer, scheduler, max_iter), over a base rate of 1

rates = [{rates}]  # one for each update"""


def _fvcore_class(s, n):
    if isinstance(s, MultiFactorScheduler):
        times = sorted({math.ceil(time) for time in s.step if time < n})
        counts = [0, *(sum(time <= cut for time in s.step) for cut in times)]
        powers = [f'{s.base_lr} * {s.factor}' + f' ** {k}' * (k > 1) for k in counts]
        values = ', '.join([f'{s.base_lr}', *powers[1:]])
        if times and times[-1] < n >= len(times) + 1:
            more = f'values=[{values}]', f'milestones={times}', f'num_updates={n}'
            return call('MultiStepParamScheduler', *more)
    pieces = stretches(s, n, rests)
    ends = [*(start for start, _ in pieces[1:]), n]
    if not all(map(whole, ends)):
        return ''
    lengths = [end - start for (start, _), end in zip(pieces, ends)]
    calls = [_piece(simple, length) for (_, simple), length in zip(pieces, lengths)]
    if not all(calls):
        return ''
    if len(calls) == 1:
        return calls[0]
    return call(
        'CompositeParamScheduler',
        listed(calls),
        f'lengths=[{", ".join(f"{whole(length)} / {n}" for length in lengths)}]',
        f"interval_scaling=['rescaled'] * {len(calls)}",
    )


def _piece(s, length):
    """Return the call of the class for what begins at 0 and is asked for `length`."""
    if isinstance(s, ConstantScheduler):
        return f'ConstantParamScheduler({s.base_lr})'
    if isinstance(s, PolyScheduler) and s.pwr == 1 and length <= s.max_update:
        return f'LinearParamScheduler({s.base_lr}, {s(length)})'
    if isinstance(s, CosineScheduler) and s.max_update == length:
        return f'CosineParamScheduler({s.base_lr}, {s.final_lr})'
    if isinstance(s, PolyScheduler) and (s.max_update, s.final_lr) == (length, 0):
        return f'PolynomialDecayParamScheduler({s.base_lr}, {s.pwr})'
    if isinstance(s, FactorScheduler) and s(length) > s.stop_factor_lr:
        if s.step == 1 and s.factor**length > 1e-300:
            decay = f'{s.factor} ** {whole(length)}'
            return f'ExponentialParamScheduler({s.base_lr}, {decay})'
        decays = whole(length / s.step)
        if decays and decays > 1 and s.base_lr > 0:
            rest = f'gamma={s.factor}, num_updates={whole(length)}'
            name = 'StepWithFixedGammaParamScheduler'
            return f'{name}({s.base_lr}, {decays - 1}, {rest})'
    return ''


def read(obj: Any, base_lr: float | None, length: int) -> Scheduler:
    """Return the schedule of a run of `length` epochs or updates, times `base_lr`.

    Where no class of ours gives the same rates (a step of a long run that its tolerance
    of 1e-6 of the run brings forward, a class of the reader's) it is asked itself. It
    knows no rate after the end. Raises ValueError for what is no schedule of fvcore, and
    for one that has no rate for a time of the run.

    Source: `fvcore.common.param_scheduler`, fvcore 0.1.5.
    """
    name = type(obj).__name__
    if not hasattr(obj, 'WHERE_EPSILON'):
        raise ValueError(
            f'{name} cannot be read: give one of the classes of '
            'fvcore.common.param_scheduler'
        )
    share = Share(obj, length, 1.0 if base_lr is None else base_lr)
    for t in 0, length - 1:
        try:
            share(t)
        except Exception as error:
            raise ValueError(
                f'{name} cannot be asked for the time {t} of {length}: {error!r}'
            ) from error
    try:
        found = _read(obj, length, share.base_lr)
    except ValueError:  # a setting that our classes do not take
        found = None
    if found and _equal(found, share):
        return found
    return of(share)


def _read(obj: Any, n: float, lr: float) -> Scheduler | None:
    """Return the schedule of an object that has the time n, None if no class says it."""
    name = type(obj).__name__
    if not type(obj).__module__.startswith('fvcore.'):
        return None
    if name == 'ConstantParamScheduler':
        return ConstantScheduler(lr * obj._value)
    if name == 'CosineParamScheduler':
        return CosineScheduler(n, lr * obj._start_value, lr * obj._end_value)
    if name == 'LinearParamScheduler':
        return PolyScheduler(n, lr * obj._start_value, 1, lr * obj._end_value)
    if name == 'PolynomialDecayParamScheduler':
        return PolyScheduler(n, lr * obj._base_value, obj._power, 0)
    if name == 'ExponentialParamScheduler':
        return powers(obj._decay ** (1 / n), lr * obj._start_value, 1)
    if name == 'StepWithFixedGammaParamScheduler':
        return _read(obj._step_param_scheduler, n, lr)
    if name == 'CompositeParamScheduler':
        return _read_composite(obj, n, lr)
    rates = [lr * value for value in obj._param_schedule]
    if name == 'MultiStepParamScheduler':
        shares = [time / obj._num_updates for time in obj._milestones]
    else:
        shares = [k / len(rates) for k in range(1, len(rates))]
    return stairs([_time(share, n) for share in shares], rates)


def _read_composite(obj: Any, n: float, lr: float) -> Scheduler | None:
    times = [_time(sum(obj._lengths[:i]), n) for i in range(len(obj._lengths))]
    parts: list[Scheduler] = []
    for child, share, how, time in zip(
        obj._schedulers, obj._lengths, obj._interval_scaling, times
    ):
        part = _read(child, n if how == 'fixed' else _time(share, n), lr)
        if part is None:
            return None
        parts.append(later(part, time) if how == 'fixed' else part)
    return SequentialScheduler(parts, times[1:]) if parts[1:] else parts[0]


def _time(share: float, n: float) -> float:
    """Return a share of n, whole where it is so but for its rounding."""
    time = share * n
    return round(time) if abs(time - round(time)) <= SHORT * n else time


def _equal(found: Scheduler, share: Share) -> bool:
    """Return whether a schedule gives the rates of the run, at 20,000 times at most."""
    return all(
        math.isclose(found(t), share(t), rel_tol=1e-9, abs_tol=1e-15)
        for t in range(0, int(share.length), 1 + int(share.length) // 20_000)
    )
