"""A schedule as code for this package and for ten libraries.

The libraries count from different origins, warm up by different rules and rest, or do
not rest, after the end. The code written here gives the same rate at every update.
"""

import re
import textwrap
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

from d2l_ext import families, schedulers
from d2l_ext.exchange import (
    _fvcore,
    _gluoncv,
    _ignite,
    _keras,
    _mxnet,
    _optax,
    _paddle,
    _timm,
    _torch,
    _transformers,
)
from d2l_ext.exchange.formula import CannotExpressError, call, listed
from d2l_ext.exchange.sources import brought
from d2l_ext.exchange.versions import VERSIONS
from d2l_ext.families import InversePowerScheduler
from d2l_ext.plan import BATCHES_PER_EPOCH, Plan, plan_of
from d2l_ext.schedulers import LambdaScheduler, PlateauScheduler, Scheduler


def code(
    schedule: Plan | Callable[[float], float],
    library: str,
    num_epochs: int | None = None,
    per: str = 'epoch',
    batches_per_epoch: int = BATCHES_PER_EPOCH,
) -> str:
    """Return code for `library` that gives the rates of a schedule in a run.

    `schedule`: a `Plan`, or a scheduler and, after `library`, the rest of its plan.
    `library`: one of `LIBRARIES`. The code runs by itself and leaves `rates`, one for
    each update; the first line says with which version it was run. Where the library
    has no class for the schedule it is given the formula. A `LambdaScheduler` brings
    its function: imported from where it stands, or written out with all it uses; where
    it has no source, the rates of the run are listed.

    >>> from d2l_ext.schedulers import CosineScheduler
    >>> print(code(CosineScheduler(40, 0.5, 0.01), 'torch', 40).split('\\n\\n')[1])
    net = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    # CosineAnnealingLR rises again after epoch 40
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=40, eta_min=0.01)

    Raises ValueError for an unknown library, for what is not of `d2l_ext.schedulers`
    (as a class of the reader's) or follows the losses of a run, and what `plan_of`
    does.
    """
    if library not in LIBRARIES:
        wanted = ', '.join(LIBRARIES)
        raise ValueError(f'library must be one of {wanted}, got {library!r}')
    plan = plan_of(schedule, num_epochs, per, batches_per_epoch)
    scheduler = plan.scheduler
    if not isinstance(scheduler, Scheduler) or isinstance(scheduler, PlateauScheduler):
        raise ValueError(
            'scheduler must be one of d2l_ext.schedulers that is a function of time, '
            f'got {scheduler!r}'
        )
    _known(scheduler)
    versions = ' and '.join(f'{name} {VERSIONS[name]}' for name in RUN_WITH[library])
    try:
        own = {'np'} if library in ('mxnet', 'gluoncv') else set()
        scheduler, imports, definitions = brought(plan, own)
        text = LIBRARIES[library](replace(plan, scheduler=scheduler))
    except CannotExpressError as error:
        sentence = f'{library} cannot express this, because {error}.'
        return textwrap.fill(sentence, 80, initial_indent='# ', subsequent_indent='# ')
    return f'# run with {versions}\n{_joined(text, imports, definitions)}'


def _joined(text: str, imports: list[str], definitions: str) -> str:
    """Return code with a reader's functions after what it imports."""
    lines = text.split('\n')
    words = 'import ', 'from ', '    ', ')'
    begin = next(
        i for i, line in enumerate(lines) if line and not line.startswith(words)
    )
    first = [line for line in lines[:begin] if line]
    first = [*(line for line in imports if line not in first), *first]
    if 'import math' in first:
        first.remove('import math')
        first = ['import math', '', *first]
    rest = '\n'.join(lines[begin:])
    gap = '\n\n' + '\n' * (bool(definitions) or rest.startswith(('def ', 'class ')))
    return gap.join(['\n'.join(first), *filter(None, [definitions]), rest])


def _known(scheduler: Scheduler) -> None:
    """Raise ValueError for a formula that is not of this package."""
    # not isinstance: a subclass may have another formula
    ours = type(scheduler).__module__ in (Scheduler.__module__, families.__name__)
    if not ours and type(scheduler).lr is not InversePowerScheduler.lr:
        raise ValueError(
            f'scheduler must be made of d2l_ext.schedulers alone, got {scheduler!r}'
        )
    inner = getattr(scheduler, 'scheduler', None)
    for part in [inner] if inner else getattr(scheduler, 'schedulers', ()):
        _known(part)


def _d2l_ext(plan: Plan) -> str:
    scheduler, per = plan.scheduler, plan.per
    names = {*re.findall(r'\w+Scheduler(?=\()', repr(scheduler))}
    rarer = {name for name in names if not hasattr(schedulers, name)}
    imports = [
        _import(module, sorted(chosen))
        for module, chosen in ((families, rarer), (schedulers, names - rarer))
        if chosen
    ]
    loop = f'for epoch in range({plan.num_epochs}) '
    loop += f'for batch in range({plan.batches_per_epoch})'
    if per == 'update':
        loop = f'for update in range({plan.updates})'
    lines = '\n'.join(imports)
    return f"""{lines}

scheduler = {_repr(scheduler)}
# train(..., scheduler=scheduler, per={per!r})
rates = [scheduler({per}) {loop}]"""


def _import(module: ModuleType, names: list[str]) -> str:
    """Return the line that imports names, or the lines."""
    line = ', '.join(names)
    if len(names) > 3:
        line = '(\n    ' + ',\n    '.join(names) + ',\n)'
    return f'from {module.__name__} import {line}'


def _repr(value: object) -> str:
    """Return `repr` in lines that fit a page."""
    if isinstance(value, LambdaScheduler):
        return repr(value)
    if isinstance(value, Scheduler):
        items = [f'{name}={_repr(item)}' for name, item in vars(value).items()]
        return call(type(value).__name__, *items)
    if isinstance(value, tuple) and value and isinstance(value[0], Scheduler):
        return listed([_repr(item) for item in value])
    return repr(list(value) if isinstance(value, tuple) else value)


LIBRARIES = {
    'd2l_ext': _d2l_ext,
    'mxnet': _mxnet.mxnet,
    'torch': _torch.torch,
    'optax': _optax.optax,
    'keras': _keras.keras,
    'timm': _timm.timm,
    'transformers': _transformers.transformers,
    'ignite': _ignite.ignite,
    'paddle': _paddle.paddle,
    'gluoncv': _gluoncv.gluoncv,
    'fvcore': _fvcore.fvcore,
}
# what the code for a library was run with, in the tests
RUN_WITH: dict[str, tuple[str, ...]] = {library: (library,) for library in LIBRARIES}
RUN_WITH |= {name: (name, 'torch') for name in ('timm', 'transformers', 'ignite')}
RUN_WITH |= {'optax': ('optax', 'jax'), 'gluoncv': ('gluoncv', 'mxnet')}
