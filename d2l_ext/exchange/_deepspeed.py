"""DeepSpeed's schedules, which it reads from a config.

Its warmups begin an update late: the rate of their time 0 comes twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from d2l_ext.exchange._functions import later, of, rate_of, setting
from d2l_ext.families import (
    InversePowerScheduler,
    LogWarmupScheduler,
    TriangularScheduler,
)
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
    WarmupScheduler,
)

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """base_lr (1 + rate x) with x = t / step, or its floor.

    >>> Line(0.1, 2, 10, whole=False)(5)
    0.2

    Source: DeepSpeed's `LRRangeTest`.
    """

    base_lr: float
    rate: float
    step: float
    whole: bool

    def __call__(self, t: float) -> float:
        x = t // self.step if self.whole else t / self.step
        return self.base_lr * (1 + self.rate * x)


def read(
    config: Mapping[str, Any],
    batches: int,
    base_lr: float | None,
    num_epochs: int | None,
) -> tuple[Scheduler, int | None, str]:
    """Read a DeepSpeed config, of version 0.19.8."""
    optimizer = config.get('optimizer') or {}
    config = config.get('scheduler', config)
    name, params = config['type'], dict(config.get('params') or {})
    for key, value in params.items():
        if value == 'auto':
            raise ValueError(f"{key} must be a number to be read, got 'auto'")
        if key != 'warmup_type' and isinstance(value, str):
            params[key] = setting(key, value)
    lr = (optimizer.get('params') or {}).get('lr')
    readers = {
        'WarmupLR': _warmup,
        'WarmupDecayLR': _warmup_decay,
        'WarmupCosineLR': _warmup_cosine,
        'OneCycle': _one_cycle,
        'LRRangeTest': _range_test,
    }
    if name not in readers:
        raise ValueError(f'type must be one of {", ".join(readers)}, got {name!r}')
    return readers[name](params, lr, base_lr), None, 'update'


def _late(first: float, scheduler: Scheduler) -> Scheduler:
    """Return a warmup as it comes: the first update is before it has begun."""
    return SequentialScheduler([ConstantScheduler(first), scheduler], [1])


def _ramp(
    params: Mapping[str, Any], low: float, high: float, rest: Scheduler
) -> Scheduler:
    steps = max(2, params.get('warmup_num_steps', 1000))
    if params.get('warmup_type', 'log') != 'linear':
        if not isinstance(rest, ConstantScheduler):
            rest = SequentialScheduler([ConstantScheduler(high), rest], [1])
        return LogWarmupScheduler(rest, steps - 1, low)
    if rest(0) == high and low <= high:
        return WarmupScheduler(rest, steps, low)
    return SequentialScheduler([PolyScheduler(steps, low, 1, high), rest], [steps])


def _warmup(params: Params, lr: float | None, base_lr: float | None) -> Scheduler:
    low = params.get('warmup_min_lr', 0)
    high = params.get('warmup_max_lr')
    high = rate_of('warmup_max_lr', lr, base_lr) if high is None else high
    return _late(low, _ramp(params, low, high, ConstantScheduler(high)))


def _warmup_decay(params: Params, lr: float | None, base_lr: float | None) -> Scheduler:
    low, high = params.get('warmup_min_lr', 0), params.get('warmup_max_lr', 0.001)
    steps = max(2, params.get('warmup_num_steps', 1000))
    length = params['total_num_steps'] - steps
    rest = PolyScheduler(length, high, 1, low) if length > 0 else ConstantScheduler(low)
    return _late(low, _ramp(params, low, high, rest))


def _warmup_cosine(
    params: Params, lr: float | None, base_lr: float | None
) -> Scheduler:
    lr = rate_of("lr in 'optimizer'", lr, base_lr)
    steps = max(2, params.get('warmup_num_steps', 1000))
    length = max(1, params['total_num_steps'] - steps)
    low = lr * params.get('cos_min_ratio', 0.0001)
    rest = later(CosineScheduler(length, lr, low), 1)  # a count ahead
    return _late(0, _ramp(params, lr * params.get('warmup_min_ratio', 0), lr, rest))


def _one_cycle(params: Params, lr: float | None, base_lr: float | None) -> Scheduler:
    low, high = params['cycle_min_lr'], params['cycle_max_lr']
    up = params.get('cycle_first_step_size', 2000)
    down = params.get('cycle_second_step_size') or up
    stairs = (
        params.get('cycle_first_stair_count'),
        params.get('cycle_second_stair_count'),
    )
    if any(stairs):
        raise ValueError(f'stair counts must be 0 to be read, got {stairs}')
    cycle = TriangularScheduler(low, high, up, down)
    rest: Scheduler = ConstantScheduler(low)
    rate, step = params.get('decay_lr_rate', 0), params.get('decay_step_size', 0)
    if rate and step:
        rest = InversePowerScheduler(step / rate, low, 1)
    return SequentialScheduler([cycle, rest], [up + down])


def _range_test(params: Params, lr: float | None, base_lr: float | None) -> Scheduler:
    low = params.get('lr_range_test_min_lr', 1e-3)
    step = params.get('lr_range_test_step_size', 2000)
    rate = params.get('lr_range_test_step_rate', 1.0)
    return of(Line(low, rate, step, params.get('lr_range_test_staircase', False)))
