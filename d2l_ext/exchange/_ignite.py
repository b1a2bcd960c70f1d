"""Ignite's parameter schedulers, which are called at events and count these."""

import math
from dataclasses import dataclass
from typing import Any

from d2l_ext.exchange import _torch
from d2l_ext.exchange._functions import Cycles, Power, later, number, of
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CyclicScheduler,
    PiecewiseLinearScheduler,
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
