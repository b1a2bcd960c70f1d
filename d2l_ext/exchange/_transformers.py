"""transformers' schedules, which are PyTorch's `LambdaLR` with functions of its own."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from d2l_ext.exchange._torch_loop import by_formula, program
from d2l_ext.exchange.formula import call
from d2l_ext.exchange.stretches import plain, whole
from d2l_ext.families import CooldownScheduler, InversePowerScheduler
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    CyclicScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
    WarmupScheduler,
)


def transformers(plan: Plan) -> str:
    """Return code for transformers: a name for `get_scheduler`, or the formula."""
    s = plain(plan.scheduler)
    steps: int | None = 0
    begin_lr = None
    if isinstance(s, WarmupScheduler):
        steps, begin_lr = whole(s.warmup_steps), s.warmup_begin_lr
        begin_lr = begin_lr if s.warmup_mode == 'linear' else -1
        s = plain(s.scheduler)
    named = None
    if steps is not None and s.base_lr > 0:
        named = _named(s, steps, begin_lr, plan.length)
    if named is None:
        note = """# No name of transformers' gives these rates, but its Trainer takes any scheduler,
# Trainer(..., optimizers=(optimizer, scheduler)): the formula"""
        return program(plan, *by_formula(plan, note))
    name, length, more = named
    arguments = [f'{name!r}', 'optimizer', f'num_warmup_steps={steps}']
    arguments.append(f'num_training_steps={length}')
    if more:
        pairs = ', '.join(f'{key!r}: {value!r}' for key, value in more.items())
        arguments.append(f'scheduler_specific_kwargs={{{pairs}}}')
    text = f'scheduler = {call("get_scheduler", *arguments)}'
    if name in ('cosine', 'cosine_with_min_lr'):
        text = f'# {name} rises again after {plan.per} {length}\n{text}'
    imported = 'from transformers import get_scheduler'
    return program(plan, text, s.base_lr, imported)


def _named(
    s: Scheduler, steps: int, begin_lr: float | None, n: int
) -> tuple[str, int, dict[str, Any]] | None:
    """Return the name of a schedule after a ramp, its length and its settings."""
    settings: dict[str, Any] = {}
    from_0 = begin_lr in (None, 0)
    if isinstance(s, ConstantScheduler):
        return ('constant_with_warmup', n, settings) if from_0 else None
    if isinstance(s, InversePowerScheduler) and (s.pwr, s.stop_lr) == (0.5, 0):
        settings = {'timescale': s.time_scale}
        return ('inverse_sqrt', n, settings) if from_0 else None
    if isinstance(s, CosineRestartsScheduler) and (s.multiplier, s.decay) == (1, 1):
        cycles = max(math.ceil((n - steps) / s.period), 1)
        length = whole(steps + cycles * s.period)
        if not length or s.final_lr or not from_0:
            return None
        return 'cosine_with_restarts', length, {'num_cycles': cycles}
    stable, decay = 0, s  # type: int, Any
    if isinstance(s, SequentialScheduler) and len(s.schedulers) == 2:
        first, decay = map(plain, s.schedulers)
        if not isinstance(first, ConstantScheduler) or first.base_lr != decay.base_lr:
            return None
        stable = whole(s.boundaries[0]) or -1
    length = whole(getattr(decay, 'max_update', 0.5))
    if not length or stable < 0:
        return None
    low, high, pwr = decay.final_lr, decay.base_lr, getattr(decay, 'pwr', None)
    total = steps + stable + length
    if isinstance(decay, PolyScheduler) and not stable and from_0:
        if (pwr, low) == (1, 0):
            return 'linear', total, {}
        if low < high:
            return 'polynomial', total, {'lr_end': low, 'power': pwr}
    if isinstance(decay, CosineScheduler) and not stable and from_0:
        if length >= n - steps and low == 0:
            return 'cosine', total, {}
        if length >= n - steps:
            return 'cosine_with_min_lr', total, {'min_lr': low}
    kinds = [
        (PolyScheduler, 1, 'linear'),
        (CosineScheduler, None, 'cosine'),
        (CooldownScheduler, 0.5, '1-sqrt'),
    ]
    shape = [name for kind, p, name in kinds if isinstance(decay, kind) and pwr == p]
    if shape and low <= high and begin_lr in (None, low):
        settings = {'num_decay_steps': length, 'decay_type': shape[0]}
        settings |= {'min_lr_ratio': low / high} if low else {}
        return 'warmup_stable_decay', total, settings
    return None


def read(obj: Any, base_lr: float | None = None) -> tuple[list[Scheduler], str | None]:
    """Say why a class of transformers' own cannot be read.

    What `get_scheduler` returns is PyTorch's, and is read there. Raises ValueError.

    Source: transformers 5.24, `optimization.py`.
    """
    name = type(obj).__name__
    reason = 'it follows the losses of a run by a rule of its own'
    if name != 'GreedyLR':
        reason = 'it is not one of the schedules that get_scheduler returns'
    raise ValueError(
        f'{name} cannot be read: {reason}; give its rate as a function of t'
    )


def scheduler(function: Callable, lr: float) -> Scheduler | None:
    """Return the schedule of a function that `get_scheduler` gave to a `LambdaLR`.

    None where no class of ours gives the same rates: the function itself does, then.

    Source: transformers 5.24, `optimization.py`.
    """
    if not known(function):
        return None
    name, settings = getattr(function, '__name__', ''), {}
    if isinstance(function, partial):
        name, settings = function.func.__name__, function.keywords
    try:
        found = _class(name, settings, lr)
    except (KeyError, ValueError):  # a setting that our classes do not take
        return None
    if found and _equal(found, function, lr, settings):
        return found
    return None


def known(function: Any) -> bool:
    """Return whether a function is one that `get_scheduler` uses."""
    origin = getattr(function, 'func', function)
    return str(getattr(origin, '__module__', '')).startswith('transformers.')


def _class(name: str, settings: Mapping[str, Any], lr: float) -> Scheduler | None:
    if name == '_get_constant_lambda':
        return ConstantScheduler(lr)
    warmup = settings['num_warmup_steps']
    if name == '_get_constant_schedule_with_warmup_lr_lambda':
        return _warm(ConstantScheduler(lr), warmup)
    if name == '_get_wsd_scheduler_lambda':
        return _stable(settings, lr)
    if name == '_get_inverse_sqrt_schedule_lr_lambda':
        return _warm(InversePowerScheduler(settings['timescale'], lr), warmup)
    if 'num_training_steps' not in settings:
        return None
    length = max(1, settings['num_training_steps'] - warmup)
    if name == '_get_linear_schedule_with_warmup_lr_lambda':
        return _warm(PolyScheduler(length, lr, 1), warmup)
    if name == '_get_polynomial_decay_schedule_with_warmup_lr_lambda':
        # its end is a share of the first group's rate
        end = settings['lr_end'] / settings['lr_init'] * lr
        return _warm(PolyScheduler(length, lr, settings['power'], end), warmup)
    cycles = settings.get('num_cycles', 0.5)
    if name == '_get_cosine_with_hard_restarts_schedule_with_warmup_lr_lambda':
        parts = [CosineRestartsScheduler(length / cycles, lr), ConstantScheduler(0)]
        return _warm(SequentialScheduler(parts, [length]), warmup)
    if name == '_get_cosine_schedule_with_warmup_lr_lambda':
        # it rises again after its end
        low = lr * settings.get('min_lr_rate', 0.0)
        return _warm(CyclicScheduler(low, lr, length / (2 * cycles), 'cosine'), warmup)
    return None


def named(
    name: str, lr: float, warmup: int, length: int, more: Mapping[str, Any]
) -> Scheduler:
    """Return the schedule that training arguments name, warmup and length in updates.

    Raises ValueError for a name or for settings that no class of ours says.

    Source: transformers 5.24, `get_scheduler`.
    """
    settings: dict[str, Any] = {
        'num_warmup_steps': warmup,
        'num_training_steps': length,
        'lr_init': lr,
        **more,
    }
    cosine = '_get_cosine_schedule_with_warmup_lr_lambda'
    functions = {
        'constant': '_get_constant_lambda',
        'constant_with_warmup': '_get_constant_schedule_with_warmup_lr_lambda',
        'linear': '_get_linear_schedule_with_warmup_lr_lambda',
        'cosine': cosine,
        'cosine_with_min_lr': cosine,
        'cosine_with_restarts': (
            '_get_cosine_with_hard_restarts_schedule_with_warmup_lr_lambda'
        ),
        'inverse_sqrt': '_get_inverse_sqrt_schedule_lr_lambda',
        'polynomial': '_get_polynomial_decay_schedule_with_warmup_lr_lambda',
        'warmup_stable_decay': '_get_wsd_scheduler_lambda',
    }
    if name == 'cosine_with_restarts':
        settings.setdefault('num_cycles', 1)
    if name == 'inverse_sqrt':
        settings = {'timescale': warmup or 10_000, **settings}
    if name == 'polynomial':
        settings = {'lr_end': 1e-7, 'power': 1.0, **settings}
    if name == 'cosine_with_min_lr' and settings.get('min_lr') is not None:
        settings['min_lr_rate'] = settings['min_lr'] / lr
    if name == 'warmup_stable_decay':
        settings = {
            'warmup_type': 'linear',
            'decay_type': 'cosine',
            'min_lr_ratio': 0,
            'num_cycles': 0.5,
            **settings,
        }
        decay = settings['num_decay_steps']
        settings.setdefault('num_stable_steps', length - warmup - decay)
    found = _class(functions[name], settings, lr) if name in functions else None
    if found is None:
        raise ValueError(
            f'lr_scheduler_type must be one of {", ".join(functions)} to be read from a '
            f'config, got {name!r} with {dict(more)!r}: build it with get_scheduler and '
            'give the object'
        )
    return found


def _stable(settings: Mapping[str, Any], lr: float) -> Scheduler | None:
    warmup, stable, decay = (
        settings[f'num_{part}_steps'] for part in ('warmup', 'stable', 'decay')
    )
    low = lr * settings['min_lr_ratio']
    if settings['warmup_type'] != 'linear' or settings['num_cycles'] != 0.5:
        return None
    kinds: dict[str, Scheduler] = {
        'linear': PolyScheduler(decay, lr, 1, low),
        'cosine': CosineScheduler(decay, lr, low),
        '1-sqrt': CooldownScheduler(decay, lr, 0.5, low),
    }
    scheduler = kinds.get(settings['decay_type'])
    if scheduler and stable > 0:
        scheduler = SequentialScheduler([ConstantScheduler(lr), scheduler], [stable])
    return scheduler and _warm(scheduler, warmup, low)


def _warm(scheduler: Scheduler, warmup: float, begin_lr: float = 0) -> Scheduler:
    return WarmupScheduler(scheduler, warmup, begin_lr) if warmup > 0 else scheduler


def _equal(
    found: Scheduler, function: Callable, lr: float, settings: Mapping[str, Any]
) -> bool:
    """Return whether a schedule gives the rates that a function does, past its end too."""
    end = 10 + sum(
        value for key, value in settings.items() if key.startswith('num_') and value
    )
    times = {
        *range(min(int(end), 2000)),
        *range(0, int(1.2 * end), 1 + int(end) // 2000),
    }
    return all(
        math.isclose(found(t), lr * function(t), rel_tol=1e-10, abs_tol=1e-15 * lr)
        for t in times
    )
