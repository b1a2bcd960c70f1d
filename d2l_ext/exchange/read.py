"""A scheduler of another library, or a config, as a `Plan` of ours.

What is read are an object's attributes. No object is copied with its optimizer or its
model, none is stepped, and each is left as it was. One that has been stepped is read
from its beginning.
"""

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from d2l_ext.exchange import (
    _config,
    _fvcore,
    _ignite,
    _keras,
    _mxnet,
    _optax,
    _paddle,
    _timm,
    _torch,
    _transformers,
)
from d2l_ext.exchange._functions import Called, of
from d2l_ext.plan import BATCHES_PER_EPOCH, Plan, plan_of
from d2l_ext.schedulers import ConstantScheduler, Scheduler

READERS: dict[str, Callable[..., Any]] = {
    'torch': _torch.read,
    'mxnet': _mxnet.read,
    'gluoncv': _mxnet.read,
    'optax': _optax.read,
    'keras': _keras.read,
    'timm': _timm.read,
    'transformers': _transformers.read,
    'ignite': _ignite.read,
    'paddle': _paddle.read,
    'fvcore': _fvcore.read,
}


def schedule(
    obj: Any,
    num_epochs: int | None = None,
    per: str | None = None,
    batches_per_epoch: int = BATCHES_PER_EPOCH,
    *,
    group: int | None = None,
    base_lr: float | None = None,
) -> Plan:
    """Return the `Plan` of a scheduler of another library, or of a config.

    `obj`: a scheduler of PyTorch, MXNet, GluonCV, optax, Keras, timm, transformers,
    ignite, PaddlePaddle or fvcore; any function of t; or a config as a mapping or as
    text: mmengine's `param_scheduler`, transformers' training arguments, timm's command
    line, DeepSpeed's JSON. The plan gives the rate of every update, also after the
    planned end.

    `num_epochs`: the length of the run; some configs say it. `per`: 'epoch' or 'update',
    what t counts. Left out, it is what the library counts (updates in optax, Keras,
    transformers and DeepSpeed; timm's objects and all configs say it), else the epoch:
    objects of PyTorch, MXNet, ignite and PaddlePaddle do not know, and fvcore counts the
    share of the run. `group`: which parameter group, where they have different rates.
    `base_lr`: the optimizer's rate, where neither object nor config says it, and what
    fvcore's schedule is multiplied with.

    >>> schedule({'sched': 'step', 'lr': 0.5, 'decay_epochs': 10, 'epochs': 40,
    ...           'warmup_epochs': 0}).scheduler
    FactorScheduler(factor=0.1, stop_factor_lr=0, base_lr=0.5, step=10)

    Raises ValueError, with the reason and a remedy, for what cannot be read, where the
    groups differ and none is chosen, and what `plan_of` does.

    Source: the libraries' classes as of PyTorch 2.13, MXNet 1.9.1, GluonCV 0.10.5,
    optax 0.2.8, Keras 3.15, timm 1.0.31, transformers 5.24, ignite 0.5.5,
    PaddlePaddle 3.3.1, fvcore 0.1.5, mmengine 0.10.7, DeepSpeed 0.19.
    """
    if isinstance(obj, (Plan, Scheduler)):
        return plan_of(obj, num_epochs, per or 'epoch', batches_per_epoch)
    if isinstance(obj, (str, Mapping, list)):
        return _config.read(obj, num_epochs, per, batches_per_epoch, base_lr)
    library = _library(obj)
    if library == 'fvcore':  # it counts the share of the run that is done
        more = per or 'epoch', batches_per_epoch
        run = plan_of(ConstantScheduler(0), num_epochs, *more)
        schedulers, counted = [_fvcore.read(obj, base_lr, run.length)], None
    elif library:
        schedulers, counted = READERS[library](obj, base_lr)
    else:
        schedulers, counted = [_function(obj)], None
    # a function of a count may be asked with epochs: `code` writes that, too
    free = library in ('optax', 'keras', 'torch') and counted == 'update'
    if per and counted and per != counted and not free:
        raise ValueError(
            f'per must be {counted!r} or left out, as {_name(obj)} counts so, got {per!r}'
        )
    scheduler = _chosen(schedulers, group)
    return plan_of(scheduler, num_epochs, per or counted or 'epoch', batches_per_epoch)


def _library(obj: Any) -> str:
    """Return the library that an object belongs to, '' for one of the reader's."""
    if isinstance(obj, type):
        raise ValueError(
            f'obj must be a scheduler object, got the class {obj.__name__}: call it '
            'with its arguments first'
        )
    if inspect.isroutine(obj):
        classes: tuple[Any, ...] = (obj,)
    else:
        classes = type(obj).__mro__
    for cls in classes:
        root = (getattr(cls, '__module__', None) or '').split('.')[0]
        if root in READERS:
            return root
    return ''


def _function(obj: Any) -> Scheduler:
    """Return the scheduler of a reader's function of t."""
    if not callable(obj):
        raise ValueError(
            f'obj must be a scheduler of {", ".join(READERS)}, a function of t or a '
            f'config, got {obj!r:.80}'
        )
    if inspect.isroutine(obj):
        return of(Called(obj))
    if hasattr(obj, 'optimizer'):
        raise ValueError(
            f'{_name(obj)} is of no library that is known here and holds an optimizer: '
            'give its rate as a function of t'
        )
    twin = copy.deepcopy(obj)  # its answers may be counted
    try:
        once, twice = (float(twin(1)) for _ in range(2))
    except Exception as error:
        raise ValueError(
            f'{_name(obj)} cannot be asked for the time 1: {error!r}'
        ) from error
    if once != twice:
        raise ValueError(
            f'every call changes {_name(obj)}: asked twice for the time 1, it answers '
            f'{once:.4g} and then {twice:.4g}; give a function of t'
        )
    return of(Called(copy.deepcopy(obj)))


def _chosen(schedulers: list[Scheduler], group: int | None) -> Scheduler:
    """Return the scheduler of a group, which need not be said where all are equal."""
    n = len(schedulers)
    if group is None:
        if any(other != schedulers[0] for other in schedulers):
            firsts = ', '.join(
                f'{_first(s)} in group {i}' for i, s in enumerate(schedulers)
            )
            raise ValueError(
                f'group must be 0 to {n - 1}, as the {n} parameter groups have '
                f'different rates, at first {firsts}'
            )
        return schedulers[0]
    if not isinstance(group, int) or not 0 <= group < n:
        raise ValueError(f'group must be 0 to {n - 1}, got {group!r}')
    return schedulers[group]


def _first(scheduler: Scheduler) -> str:
    try:
        return f'{scheduler(0):.4g}'
    except ValueError:  # it answers to a metric
        return f'{getattr(scheduler, "base_lr", 0):.4g}'


def _name(obj: Any) -> str:
    return getattr(obj, '__name__', type(obj).__name__)
