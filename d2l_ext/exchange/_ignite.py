"""Ignite's parameter schedulers, which are called at events and count these."""

import math
from dataclasses import dataclass
from typing import Any

from d2l_ext.exchange import _torch
from d2l_ext.exchange._functions import Cycles, Power, later, number, of
from d2l_ext.exchange._torch_loop import by_formula
from d2l_ext.exchange.formula import call, listed
from d2l_ext.exchange.stretches import plain, rests, steps, stretches, whole
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    CyclicScheduler,
    PiecewiseLinearScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
)


@dataclass(frozen=True)
class EventCycles:
    """Cycles of whole events, each `cycle_mult` as long, with other values and a return.

    Within a cycle the rate goes from start to end in `size` events along 'line' or
    'cosine', or there and back as 'triangle', and returns along a line in `warmup`
    events to where the next one starts.

    >>> EventCycles('line', 0.5, 0.1, size=4)(2)
    0.3

    Source: ignite 0.5.5, `CyclicalScheduler`.
    """

    shape: str
    start: float
    end: float
    size: int
    cycle_mult: float = 1
    start_mult: float = 1
    end_mult: float = 1
    warmup: int = 0

    def __call__(self, t: float) -> float:
        start, end, size, warmup = self.start, self.end, self.size, self.warmup
        while t >= size + warmup:
            t -= size + warmup
            size, warmup = int(size * self.cycle_mult), int(warmup * self.cycle_mult)
            start, end = start * self.start_mult, end * self.end_mult
            if not size:
                raise ValueError(
                    f'cycle_mult must leave one event or more to a cycle, '
                    f'got {self.cycle_mult!r}'
                )
        if t > size:
            start *= self.start_mult  # of the next cycle
            return end + (start - end) * (t - size) / warmup
        x = t / size
        if self.shape == 'triangle':
            return end + (start - end) * abs(x - 0.5) * 2
        if self.shape == 'cosine':
            x = (1 - math.cos(math.pi * x)) / 2
        return start + (end - start) * x


def ignite(plan: Plan) -> str:
    """Return code for ignite, whose engine calls its schedulers at events."""
    text, note, first = _ignite_class(plain(plan.scheduler), plan.length), '', ''
    if text:
        text = f'scheduler = {text}'
        if 'CosineAnnealing' in text:
            note = '# CosineAnnealingScheduler begins again after its cycle_size\n'
        base_lr = plan.scheduler.base_lr
    else:
        note = "# No classes of ignite give these rates: PyTorch's, with the formula"
        text, base_lr = by_formula(plan, note)
        text = text.replace('scheduler = lr_', 'scheduler = LRScheduler(lr_') + ')'
        note, first = '', 'from torch.optim import lr_scheduler\n'
    names = {
        word.split('(')[0].strip('[')
        for word in text.split()
        if word.lstrip('[').startswith(
            ('Concat', 'CosineA', 'LinearC', 'LRS', 'PiecewiseL')
        )
    }
    imported = f'from ignite.handlers.param_scheduler import {", ".join(sorted(names))}'
    if len(imported) > 88:
        lines = ',\n    '.join(sorted(names))
        imported = f'from ignite.handlers.param_scheduler import (\n    {lines},\n)'
    event = 'ITERATION' if plan.per == 'update' else 'EPOCH'
    maths = 'import math\n\n' * ('math.' in text)
    return f"""{maths}import torch
from ignite.engine import Engine, Events
{imported}
{first}
net = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(net.parameters(), lr={base_lr})
{note}{text}

rates = []  # one for each update


def update(engine, batch):
    rates.append(optimizer.param_groups[0]['lr'])
    optimizer.step()  # after loss.backward()


trainer = Engine(update)
trainer.add_event_handler(Events.{event}_STARTED, scheduler)
trainer.run(range({plan.batches_per_epoch}), max_epochs={plan.num_epochs})"""


def _ignite_class(s: Scheduler, n: int) -> str:
    """Return the call of ignite's class, '' if there is none for these rates."""
    if (
        isinstance(s, CosineRestartsScheduler)
        and whole(s.period)
        and s.period >= 2
        and whole(s.multiplier)
        and (s.decay == 1 or s.final_lr == 0)
    ):
        more = [f'cycle_mult={s.multiplier}'] * (s.multiplier > 1)
        more += [f'start_value_mult={s.decay}'] * (s.decay < 1)
        return _cosine(s.base_lr, s.final_lr, s.period, *more)
    if isinstance(s, CyclicScheduler) and s.shape == 'triangular' and s.gamma == 1:
        size = whole(2 * s.step_size)
        if size and size >= 2:
            rates = f'{s.base_lr}, {s.max_lr}, cycle_size={size}'
            return f"LinearCyclicalScheduler(optimizer, 'lr', {rates})"
    calls: list[str] = []
    times: list[int] = []
    points: list[tuple[int, float]] = []  # of the lines since `start`
    start = 0
    pieces = stretches(s, n, rests, steps)
    for (begin, simple), (end, _) in zip(pieces, [*pieces[1:], (n, None)]):
        lines = isinstance(simple, ConstantScheduler) or (
            isinstance(simple, PolyScheduler) and simple.pwr == 1
        )
        first, last = math.ceil(begin), math.ceil(end) - 1
        if last < first:
            continue
        if isinstance(simple, CosineScheduler):
            if whole(begin) is None or not whole(simple.max_update):
                return ''
            if simple.max_update < 2 or end - begin > simple.max_update:
                return ''
            if points:
                calls.append(_line(points))
                times.append(first - start)
            calls.append(_cosine(simple.base_lr, simple.final_lr, simple.max_update))
            times.append(last + 1 - first)
            points, start = [], last + 1
        elif lines:
            # to the end of a line that the run does not see: it goes on as planned
            if end == n and isinstance(simple, PolyScheduler):
                last = math.ceil(begin + simple.max_update)
                if last != begin + simple.max_update:
                    last -= 1
            points.append((first - start, simple.lr(first - begin)))
            if last > first and not isinstance(simple, ConstantScheduler):
                points.append((last - start, simple.lr(last - begin)))
            elif last > first and end < n:
                points.append((last - start, simple.lr(0)))
        else:
            return ''
    if points:
        calls.append(_line(points))
        times.append(0)
    if len(calls) == 1:
        return calls[0]
    return call('ConcatScheduler', listed(calls), f'durations={times[:-1]}')


def _cosine(high: float, low: float, size: float, *more: str) -> str:
    arguments = ['optimizer', "'lr'", f'{high}', f'{low}', f'cycle_size={whole(size)}']
    return call('CosineAnnealingScheduler', *arguments, *more)


def _line(points: list[tuple[int, float]]) -> str:
    """Return the call for straight lines through points, one a line where many."""
    items = [f'({t}, {lr!r})' for t, lr in points]
    text = f'[{", ".join(items)}]'
    if len(text) > 40:
        text = listed(items)
    return call('PiecewiseLinear', 'optimizer', "'lr'", text)


def read(obj: Any, base_lr: float | None = None) -> tuple[list[Scheduler], str | None]:
    """Return the schedule of each parameter group, and no unit: any event may count.

    The first call gives scheduler(0), as with `Events.ITERATION_STARTED`. Raises
    ValueError for what sets another parameter, for another class, and for cycles that
    have changed their own settings already.

    Source: `ignite.handlers.param_scheduler`, ignite 0.5.5.
    """
    name = type(obj).__name__
    if not hasattr(obj, 'optimizer'):
        raise ValueError(
            f'{name} is not one that can be read: give its rate as a function of t'
        )
    optimizer = obj.optimizer[0] if isinstance(obj.optimizer, list) else obj.optimizer
    indices = range(len(optimizer.param_groups))
    found = [_read(obj, i, base_lr, nested=False) for i in indices]
    schedulers = [scheduler for scheduler in found if scheduler]
    if len(schedulers) < len(found):
        # of its one group alone; the other rates are not its own
        if len(schedulers) == 1:
            return schedulers, None
        raise ValueError(
            f'{name} must set the rate of every parameter group to be read'
        )
    return schedulers, None


def _read(
    obj: Any, group: int, base_lr: float | None, nested: bool
) -> Scheduler | None:
    """Return the schedule of a group, None where it is not scheduled."""
    name = type(obj).__name__
    if name == 'ParamGroupScheduler':
        found = [_read(part, group, base_lr, nested) for part in obj.schedulers]
        return next((scheduler for scheduler in found if scheduler), None)
    if getattr(obj, 'param_name', 'lr') != 'lr':
        raise ValueError(f"param_name must be 'lr' to be read, got {obj.param_name!r}")
    if name == 'ConcatScheduler':
        return _read_concat(obj, group, base_lr)
    index = getattr(obj, 'param_group_index', None)
    if index is not None and index != group:
        return None
    if name == 'LRScheduler':
        return _read_wrapped(obj, group, nested)
    if name == 'ReduceLROnPlateauScheduler':
        return _torch._read_plateau(obj.scheduler, group, base_lr)
    if name == 'PiecewiseLinear':
        return PiecewiseLinearScheduler(list(zip(obj.milestones, obj.values)))
    if name in ('LinearCyclicalScheduler', 'CosineAnnealingScheduler'):
        return _read_cycles(obj)
    raise ValueError(
        f'{name} is not one that can be read: give its rate as a function of t'
    )


def _read_concat(obj: Any, group: int, base_lr: float | None) -> Scheduler | None:
    if any(duration < 1 for duration in obj.durations):
        raise ValueError(f'durations must be >= 1 to be read, got {obj.durations!r}')
    found = [_read(part, group, base_lr, nested=True) for part in obj.schedulers]
    parts = [part for part in found if part]
    if len(parts) < len(found):
        return None
    times = [sum(obj.durations[: i + 1]) for i in range(len(obj.durations))]
    return SequentialScheduler(parts, times)


def _read_cycles(obj: Any) -> Scheduler:
    start, end, size = obj.start_value, obj.end_value, obj.cycle_size
    mults = obj.cycle_mult, obj.start_value_mult, obj.end_value_mult
    changing = mults != (1, 1, 1)
    if changing and (obj.cycle or obj.event_index >= size):
        raise ValueError(
            f'{type(obj).__name__} has changed its own settings in {obj.cycle} cycles: '
            'read a new one'
        )
    if type(obj).__name__ == 'CosineAnnealingScheduler':
        shape = 'cosine'
    else:
        shape = 'line' if obj.monotonic else 'triangle'
    if changing or obj.warmup_duration or shape == 'line':
        return of(EventCycles(shape, start, end, size, *mults, obj.warmup_duration))
    if shape == 'cosine':
        return CosineRestartsScheduler(size, start, end)
    if start <= end:
        return CyclicScheduler(start, end, size / 2)
    return of(Cycles(start, end, size / 2, size / 2, Power(1)))


def _read_wrapped(obj: Any, group: int, nested: bool) -> Scheduler:
    """Return the schedule of a PyTorch scheduler that ignite asks and counts for."""
    part = obj.lr_scheduler
    restarts = type(part).__name__ == '_CosineAnnealingWarmRestarts'
    if restarts:
        part = part._lr_scheduler
    counted = obj.event_index * (2 if restarts else 1)  # it counts each event twice
    ahead = part.last_epoch - counted
    lr = number(part.base_lrs[group])
    if not ahead:  # asked for the time 0 a second time, it multiplies again
        lr *= _first_factor(part, group)
    scheduler = _torch._read(part, group, lr=lr)
    if not ahead and type(part).__name__ == 'CosineAnnealingLR':
        low, half = number(part.eta_min), math.cos(math.pi / part.T_max)
        first = ConstantScheduler(low + (lr - low) * 2 / (1 + half))
        return SequentialScheduler([first, later(scheduler, 1)], [1])
    if nested or not ahead:
        return later(scheduler, 1 if restarts else ahead)
    # use_legacy: called after an update, it sets the rate of the next one
    return scheduler


def _first_factor(part: Any, group: int) -> float:
    name = type(part).__name__
    if name == 'ConstantLR':
        return part.factor
    if name == 'LinearLR':
        return part.start_factor
    if name == 'MultiplicativeLR':
        return part.lr_lambdas[group](0)
    if name == 'ExponentialLR':
        return part.gamma
    if name == 'PolynomialLR':
        return (part.total_iters / (part.total_iters + 1)) ** part.power
    if name == 'MultiStepLR':
        return part.gamma ** part.milestones[0]
    return 1
