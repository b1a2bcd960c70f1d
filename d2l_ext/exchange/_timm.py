"""A schedule as code for timm, whose classes are asked for a count."""

import copy
import math
from dataclasses import dataclass, field
from typing import Any

from d2l_ext.exchange._functions import later, levels, number, of
from d2l_ext.exchange._torch_loop import program
from d2l_ext.exchange.formula import call, function
from d2l_ext.exchange.stretches import (
    plain,
    reaches_floor,
    rests,
    steps,
    stretches,
    whole,
)
from d2l_ext.families import CooldownScheduler, WarmupOverScheduler, cosine_cycles
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
    """Return code for timm: a class of its own, else of the reader's with the formula."""
    s, warmup = plain(plan.scheduler), []
    if isinstance(s, WarmupOverScheduler):
        if s.warmup_mode != 'linear' or s.target != 'start':
            return _by_formula(plan)
        warmup = [f'warmup_t={s.warmup_steps}', f'warmup_lr_init={s.warmup_begin_lr}']
        warmup.append('warmup_prefix=False')
        s = plain(s.scheduler)
        if isinstance(s, (WarmupScheduler, WarmupOverScheduler, SequentialScheduler)):
            return _by_formula(plan)
    if isinstance(s, WarmupScheduler):
        if s.warmup_mode != 'linear':
            return _by_formula(plan)
        warmup = [f'warmup_t={s.warmup_steps}', f'warmup_lr_init={s.warmup_begin_lr}']
        s = s.scheduler
        if not isinstance(s, SequentialScheduler):
            warmup.append('warmup_prefix=True')  # or the decay runs under the warmup
    name, arguments = _timm_class(s, plan.length)
    if not name:
        return _by_formula(plan)
    if plan.per == 'update':
        warmup.append('t_in_epochs=False')
    text = call(f'scheduler.{name}', 'optimizer', *arguments, *warmup)
    notes = {
        'MultiStepLRScheduler': (
            '# timm changes the rate one count before each time in decay_t\n'
        ),
        'WSDLRScheduler': '# WSDLRScheduler is new in timm 1.0.31\n',
    }
    return _program(plan, f'{notes.get(name, "")}schedule = {text}', s.base_lr)


def _program(plan: Plan, text: str, base_lr: float) -> str:
    step = 'schedule.step(epoch + 1)'
    if plan.per == 'update':
        step = 'schedule.step_update(len(rates))'
    return program(plan, text, base_lr, 'from timm import scheduler', step)


def _by_formula(plan: Plan) -> str:
    """Return code with a subclass of timm's `Scheduler`."""
    pieces = stretches(plan.scheduler, plan.length + 1, rests, steps)
    text = f"""

# No class of timm gives these rates: the formula, times a base rate of 1
{function('def rate(t):', pieces)}


class Schedule(scheduler.scheduler.Scheduler):
    def __init__(self, optimizer, **more):
        super().__init__(optimizer, param_group_field='lr', **more)
        self.update_groups(self._get_lr(0))

    def _get_lr(self, t):
        return [lr * rate(t) for lr in self.base_values]


schedule = Schedule(optimizer, t_in_epochs={plan.per == 'epoch'})"""
    return _program(plan, text, 1.0)


def _timm_class(s, n):
    """Return the name of timm's class, '' if there is none, and its arguments."""
    if isinstance(s, ConstantScheduler):
        return 'StepLRScheduler', ['decay_t=1', 'decay_rate=1.0']
    # it asks t // decay_t, which is not the floor of t / 0.1
    if isinstance(s, FactorScheduler) and whole(s.step) and not reaches_floor(s, n):
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
        if all(times) and shape and decay.final_lr <= decay.base_lr:
            arguments = [f't_initial={start + times[0]}', f'decay_t={times[0]}']
            arguments += [f'lr_min={decay.final_lr}', *shape]
            return 'WSDLRScheduler', arguments
    if (
        isinstance(s, CosineRestartsScheduler)
        and whole(s.period)
        and s.multiplier in (1, 2)
        # its cycle_decay shrinks the peak, ours the height over final_lr
        and (s.decay == 1 or s.final_lr == 0)
    ):
        cycles = math.ceil(n / s.period)
        arguments = [f't_initial={whole(s.period)}', f'lr_min={s.final_lr}']
        arguments += [f'cycle_mul={s.multiplier}', f'cycle_decay={s.decay}']
        return 'CosineLRScheduler', [*arguments, f'cycle_limit={cycles}']
    return '', []


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
    what is no scheduler of timm, schedules another setting than the rate, or adds noise
    to a plateau.

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
        first = obj.warmup_lr_init if getattr(obj, 'warmup_t', 0) else lr
        if not type(obj).__module__.startswith('timm.'):
            first = number(twin._get_lr(0)[i])  # as `code` writes it
        schedulers.append(found or of(Rate(twin, first, scale, i)))
    return schedulers, 'epoch' if obj.t_in_epochs else 'update'


def _read_plateau(obj: Any, lr: float, scale: float) -> Scheduler:
    if obj.noise_range_t is not None or scale != 1:
        raise ValueError(
            'PlateauLRScheduler can be read without noise_range_t and lr_scale only: '
            'what follows a metric is one rule here'
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
        rule.eps,
        obj.warmup_t,
        obj.warmup_lr_init,
    )


def _warm(obj: Any, decay: Scheduler, lr: float, scale: float) -> Scheduler:
    """Return a decay under timm's ramp, which ends at the base rate."""
    steps, begin_lr, peak = obj.warmup_t, obj.warmup_lr_init * scale, lr * scale
    if not steps:
        return decay
    if not getattr(obj, 'warmup_prefix', True):
        if decay(0) == peak:
            return WarmupOverScheduler(decay, steps, begin_lr)
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
        if low and obj.cycle_decay != 1:
            return None
        more = obj.cycle_mul, obj.cycle_decay
        decay = cosine_cycles(obj.cycle_limit, length, top, low, *more)
    return _warm(obj, decay, lr, scale)


def _read_poly(obj: Any, lr: float, scale: float) -> Scheduler | None:
    k, power, low, top = obj.k_decay, obj.power, obj.lr_min * scale, lr * scale
    if (k != 1 and power != 1) or obj.cycle_limit > 1:
        return None
    decay: Scheduler = PolyScheduler(obj.t_initial, top, power, low)
    if k != 1:
        decay = CooldownScheduler(obj.t_initial, top, k, low)
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
    elif obj.decay_fn in ('1-sqrt', 'power'):
        pwr = 0.5 if obj.decay_fn == '1-sqrt' else obj.decay_power
        decay = CooldownScheduler(length, top, pwr, low)
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
