"""transformers' schedules, which are PyTorch's `LambdaLR` with functions of its own."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

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
        'polynomial': '_get_polynomial_decay_schedule_with_warmup_lr_lambda',
        'warmup_stable_decay': '_get_wsd_scheduler_lambda',
    }
    if name == 'cosine_with_restarts':
        settings.setdefault('num_cycles', 1)
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
