"""Doubts about a framework's object: one that is used up, or cannot be asked."""

import copy

from d2l_ext.check.parts import (
    asked_as,
    is_gluoncv,
    is_mxnet,
    name_of,
    number,
    parts_of,
)
from d2l_ext.check.rates import first_count
from d2l_ext.plan import rate_at
from d2l_ext.schedulers import Scheduler

# the learning rates that MXNet's optimizers bring of their own
DEFAULTS = 0.001, 0.002, 0.01


def cannot_be_asked(plan):
    scheduler, n = plan.scheduler, plan.length
    name = name_of(scheduler)
    if any(
        hasattr(p, 'patience') and hasattr(p, 'factor') for p in parts_of(scheduler)
    ):
        return (
            f'{name} follows the losses of a run and cannot be checked before it: '
            'draw the History of the run.'
        )
    names = 'last_lr', 'last_epoch', 'get_lr'
    paddle = all(hasattr(scheduler, each) for each in names)
    if paddle or hasattr(scheduler, 'WHERE_EPSILON'):  # fvcore's
        return (
            f'{name} is not asked for a time of the run: read it with exchange.schedule, '
            'and check the plan.'
        )
    if asked_as(scheduler) == 'timm' and scheduler.t_in_epochs != (plan.per == 'epoch'):
        unit = 'epoch' if scheduler.t_in_epochs else 'update'
        return f'{name} counts {unit}s, the plan {plan.per}s: say per={unit!r}.'
    if number(scheduler, 'max_steps', 1) <= 0:
        return (
            f'{name} has no time for its decay: its max_update = '
            f'{scheduler.max_update} includes the warmup of {scheduler.warmup_steps}; '
            'make max_update larger, or the warmup shorter.'
        )
    steps = number(scheduler, 'total_steps', n)
    if asked_as(scheduler) == 'torch' and steps < n:
        return (
            f'{name} has {steps} steps, the run {n} {plan.per}s: PyTorch raises an '
            f'error after the last of them; give it total_steps={n}.'
        )
    return ''


def used_already(scheduler, run):
    if isinstance(scheduler, Scheduler):
        return ''
    if asked_as(scheduler):
        counts = 'last_epoch', 'event_index', 'num_steps', 'cycle'
        steps = max(number(part, name) for part in run.parts for name in counts)
        return steps > 0 and (
            f'Used already: it was stepped {steps} time{"s" * (steps != 1)} and starts at '
            f'{run.lrs[0]:.4g}; make a new optimizer and scheduler for each run.'
        )
    # MXNet's Factor and MultiFactor keep the decayed rate as base_lr; the others keep
    # the original beside it
    if is_mxnet(scheduler) and not hasattr(scheduler, 'base_lr_orig'):
        begin, left = scheduler.warmup_final_lr, scheduler.base_lr
        if left != begin and not is_gluoncv(scheduler):
            if number(scheduler, 'count'):
                return (
                    f'Used already: of its {begin:.4g} there is {left:.4g} left, and '
                    'it cannot go back; make a new one for each plot and each run.'
                )
            # 0.01 is the base_lr that nobody chose
            if scheduler.warmup_steps or (left in DEFAULTS and begin != 0.01):
                return (
                    f'An optimizer has overwritten its base_lr {begin:.4g} by '
                    f'{left:.4g}, as Adam and others of MXNet do with a learning_rate '
                    f'of their own: give the optimizer learning_rate={begin:.4g} too, '
                    'and a new scheduler.'
                )
    twin, t = copy.deepcopy(scheduler), first_count(scheduler)
    once, twice = (rate_at(twin, t, run.per) for _ in range(2))
    return once != twice and (
        f'Every call changes it, whatever the time: asked twice for {t}, it answers '
        f'{once:.4g} and then {twice:.4g}; use a function of time.'
    )
