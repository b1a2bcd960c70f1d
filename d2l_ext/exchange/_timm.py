"""A schedule as code for timm, which has few classes and takes no formulas."""

import math

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
    PolyScheduler,
    SequentialScheduler,
    WarmupScheduler,
)


def timm(plan: Plan) -> str:
    """Return code for timm, which has few classes and takes no formulas."""
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
