"""A schedule as code for timm, which has few classes and takes no formulas."""

import copy
import math
from dataclasses import dataclass, field
from typing import Any

from d2l_ext.exchange._functions import later, levels, number, of
from d2l_ext.exchange.formula import (
    CannotExpressError,
    call,
    plain,
    reaches_floor,
    whole,
)
from d2l_ext.families import CooldownScheduler, WarmupOverScheduler
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PlateauScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
    WarmupScheduler,
)


def timm(plan: Plan) -> str:
    """Return code for timm; raise CannotExpressError for what it has no class for."""
    scheduler, per, n = plan.scheduler, plan.per, plan.length
    num_epochs, batches = plan.num_epochs, plan.batches_per_epoch
    s, warmup = plain(scheduler), []
    if isinstance(s, WarmupOverScheduler):
        if s.warmup_mode != 'linear' or s.target != 'start':
            raise CannotExpressError('its warmup is always a line to the peak')
        warmup = [f'warmup_t={s.warmup_steps}', f'warmup_lr_init={s.warmup_begin_lr}']
        warmup.append('warmup_prefix=False')
        s = plain(s.scheduler)
        if isinstance(s, (WarmupScheduler, WarmupOverScheduler, SequentialScheduler)):
            raise CannotExpressError('it lays one warmup over one of its classes')
    if isinstance(s, WarmupScheduler):
        if s.warmup_mode != 'linear':
            raise CannotExpressError('its warmup is always a line')
        warmup = [f'warmup_t={s.warmup_steps}', f'warmup_lr_init={s.warmup_begin_lr}']
        s = s.scheduler
        if not isinstance(s, SequentialScheduler):
            warmup.append('warmup_prefix=True')  # or the decay runs under the warmup
    name, arguments = _timm_class(s, n)
    if per == 'update':
        warmup.append('t_in_epochs=False')
    text = call(f'scheduler.{name}', 'optimizer', *arguments, *warmup)
    early = name == 'MultiStepLRScheduler'
    note = '# timm changes the rate one count before each time in decay_t\n' * early
    after_batch = '\n        schedule.step_update(len(rates))' * (per == 'update')
    after_epoch = '\n    schedule.step(epoch + 1)' * (per == 'epoch')
    return f"""import torch
from timm import scheduler

net = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(net.parameters(), lr={s.base_lr})
{note}schedule = {text}

rates = []  # one for each update
for epoch in range({num_epochs}):
    for batch in range({batches}):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()  # after loss.backward(){after_batch}{after_epoch}"""


def _timm_class(s, n):
    """Return the name of timm's class, and its arguments."""
    if isinstance(s, ConstantScheduler):
        return 'StepLRScheduler', ['decay_t=1', 'decay_rate=1.0']
    if isinstance(s, FactorScheduler):
        if reaches_floor(s, n):
            raise CannotExpressError('its StepLRScheduler has no floor')
        return 'StepLRScheduler', [f'decay_t={s.step}', f'decay_rate={s.factor}']
    if isinstance(s, MultiFactorScheduler):
        times = [math.ceil(time) + 1 for time in s.step]
        rest = f'decay_t={times}', f'decay_rate={s.factor}'
        return 'MultiStepLRScheduler', rest
    if isinstance(s, (PolyScheduler, CosineScheduler)) and whole(s.max_update):
        arguments = [f't_initial={whole(s.max_update)}', f'lr_min={s.final_lr}']
        if isinstance(s, CosineScheduler):
            return 'CosineLRScheduler', arguments
        return 'PolyLRScheduler', [*arguments, f'power={s.pwr}']
    if isinstance(s, CooldownScheduler) and whole(s.max_update):
        arguments = [f't_initial={whole(s.max_update)}', f'lr_min={s.final_lr}']
        return 'PolyLRScheduler', [*arguments, 'power=1.0', f'k_decay={s.pwr}']
    parts = getattr(s, 'schedulers', ())
    kinds = tuple(map(type, parts))
    if kinds in (
        (ConstantScheduler, PolyScheduler),
        (ConstantScheduler, CooldownScheduler),
    ):
        decay, start = parts[1], whole(s.boundaries[0])
        times = whole(start and decay.max_update), parts[0].base_lr == decay.base_lr
        shape = ["decay_fn='linear'"] * (decay.pwr == 1)
        if not shape and isinstance(decay, CooldownScheduler):
            shape = ["decay_fn='power'", f'decay_power={decay.pwr}']
        if all(times) and shape:
            arguments = [f't_initial={start + times[0]}', f'decay_t={times[0]}']
            arguments += [f'lr_min={decay.final_lr}', *shape]
            return 'WSDLRScheduler', arguments
    if isinstance(s, CosineRestartsScheduler) and whole(s.period):
        if s.decay < 1 and s.final_lr > 0:
            raise CannotExpressError('its cycle_decay shrinks the peak, not the height')
        if s.multiplier in (1, 2):
            cycles = math.ceil(n / s.period)
            arguments = [f't_initial={whole(s.period)}', f'lr_min={s.final_lr}']
            arguments += [f'cycle_mul={s.multiplier}', f'cycle_decay={s.decay}']
            return 'CosineLRScheduler', [*arguments, f'cycle_limit={cycles}']
    raise CannotExpressError(
        f'it has no class like {type(s).__name__} with these settings, and takes no '
        'formulas'
    )


@dataclass(frozen=True)
class Rate:
    """What a timm scheduler without its optimizer sets at t, in one parameter group.

    At t = 0 a scheduler has only been constructed: its formula is asked from 1 on.

    Source: timm 1.0.31, `Scheduler.step`.
    """

    scheduler: Any
    first: float
    scale: float
    group: int = field(compare=False)

    def __call__(self, t: float) -> float:
        if t < 1:
            return self.first * self.scale
        rates = self.scheduler._add_noise(self.scheduler._get_lr(t), t)
        return float(rates[self.group]) * self.scale


def read(obj: Any, base_lr: float | None = None) -> tuple[list[Scheduler], str | None]:
    """Return the schedule of each parameter group, and the unit that timm counts in.

    Where no class of ours gives the same rates (noise, `k_decay`, tanh and others), it
    is timm's own formula that is asked, without the optimizer. Raises ValueError for
    what is no scheduler of timm, schedules another setting than the rate, or warms up
    before a plateau.

    Source: `timm.scheduler`, timm 1.0.31.
    """
    name = type(obj).__name__
    if not hasattr(obj, 'base_values'):
        raise ValueError(
            f'{name} cannot be read: give one of the classes of timm.scheduler'
        )
    if obj.param_group_field != 'lr':
        raise ValueError(
            f"param_group_field must be 'lr' to be read, got {obj.param_group_field!r}"
        )
    groups = obj.optimizer.param_groups
    scales = [number(group.get('lr_scale', 1)) for group in groups]
    if name == 'PlateauLRScheduler':
        rates = [_read_plateau(obj, *pair) for pair in zip(obj.base_values, scales)]
        return rates, 'epoch'
    twin = copy.copy(obj)  # of the settings alone
    twin.optimizer = None
    reader = _READ.get(name)
    if obj.noise_range_t is not None or not type(obj).__module__.startswith('timm.'):
        reader = None
    schedulers: list[Scheduler] = []
    for i, scale in enumerate(scales):
        lr = number(obj.base_values[i])
        try:
            found = reader(obj, lr, scale) if reader else None
        except ValueError:  # a setting that our classes do not take
            found = None
        first = obj.warmup_lr_init if obj.warmup_t else lr
        schedulers.append(found or of(Rate(twin, first, scale, i)))
    return schedulers, 'epoch' if obj.t_in_epochs else 'update'


def _read_plateau(obj: Any, lr: float, scale: float) -> Scheduler:
    if obj.warmup_t or obj.noise_range_t is not None or scale != 1:
        raise ValueError(
            'PlateauLRScheduler can be read without warmup_t, noise_range_t and '
            'lr_scale only: what follows a metric is one rule here'
        )
    rule = obj.lr_scheduler
    return PlateauScheduler(
        number(lr),
        rule.factor,
        rule.patience,
        rule.threshold,
        rule.cooldown,
        max(rule.min_lrs),
        rule.mode,
        rule.threshold_mode,
    )


def _warm(obj: Any, decay: Scheduler, lr: float, scale: float) -> Scheduler:
    """Return a decay under timm's ramp, which ends at the base rate."""
    steps, begin_lr, peak = obj.warmup_t, obj.warmup_lr_init * scale, lr * scale
    if not steps:
        return decay
    if not getattr(obj, 'warmup_prefix', True):
        decay = later(decay, steps)
    if begin_lr <= peak == decay(0):
        return WarmupScheduler(decay, steps, begin_lr)
    return SequentialScheduler(
        [PolyScheduler(steps, begin_lr, 1, peak), decay], [steps]
    )


def _read_step(obj: Any, lr: float, scale: float) -> Scheduler | None:
    if not whole(obj.decay_t):  # t // 0.1 is not the floor of t / 0.1
        return None
    decay = FactorScheduler(obj.decay_rate, 0, lr * scale, obj.decay_t)
    return _warm(obj, decay, lr, scale)


def _read_multi_step(obj: Any, lr: float, scale: float) -> Scheduler:
    # a count early; none before the first step, unless a warmup hides it
    first = 0 if obj.warmup_t else 1
    times = sorted(max(math.ceil(time) - 1, first) for time in obj.decay_t)
    rates = [lr * scale * obj.decay_rate**k for k in range(len(times) + 1)]
    at_once = sum(time == 0 for time in times)
    times, rates = times[at_once:], rates[at_once:]
    if len({*times}) == len(times):
        decay: Scheduler = MultiFactorScheduler(times, obj.decay_rate, rates[0])
    else:
        last = dict(zip(times, rates[1:]))
        decay = levels([*last], [rates[0], *last.values()])
    return _warm(obj, decay, lr, scale)


def _read_cosine(obj: Any, lr: float, scale: float) -> Scheduler | None:
    low, top, length = obj.lr_min * scale, lr * scale, obj.t_initial
    if obj.k_decay != 1:
        return None
    decay: Scheduler = CosineScheduler(length, top, low)
    if obj.cycle_limit > 1:
        # its cycles shrink the rate, ours the height over final_lr
        if obj.cycle_mul != 1 or (low and obj.cycle_decay != 1):
            return None
        cycles = CosineRestartsScheduler(length, top, low, 1, obj.cycle_decay)
        end = length * obj.cycle_limit
        decay = SequentialScheduler([cycles, ConstantScheduler(low)], [end])
    return _warm(obj, decay, lr, scale)


def _read_poly(obj: Any, lr: float, scale: float) -> Scheduler | None:
    if obj.k_decay != 1 or obj.cycle_limit > 1:
        return None
    decay = PolyScheduler(obj.t_initial, lr * scale, obj.power, obj.lr_min * scale)
    return _warm(obj, decay, lr, scale)


def _read_stable(obj: Any, lr: float, scale: float) -> Scheduler | None:
    length, low, top = obj.decay_t, obj.lr_min * scale, lr * scale
    if obj.stable_fn != 'constant' or low > top:
        return None
    decay: Scheduler
    if obj.decay_fn == 'linear':
        decay = PolyScheduler(length, top, 1, low)
    elif obj.decay_fn == 'cosine':
        decay = CosineScheduler(length, top, low)
    else:
        return None
    if obj.t_initial > length:
        parts = [ConstantScheduler(top), decay]
        decay = SequentialScheduler(parts, [obj.t_initial - length])
    return _warm(obj, decay, lr, scale)


_READ = {
    'CosineLRScheduler': _read_cosine,
    'MultiStepLRScheduler': _read_multi_step,
    'PolyLRScheduler': _read_poly,
    'StepLRScheduler': _read_step,
    'WSDLRScheduler': _read_stable,
}
