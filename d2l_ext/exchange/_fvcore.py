"""A schedule as code for fvcore, whose schedules are functions of the share done."""

import math

from d2l_ext.exchange.formula import call, function, listed
from d2l_ext.exchange.stretches import plain, rests, stretches, whole
from d2l_ext.exchange.stretches import steps as single_steps
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PolyScheduler,
)

SHORT = 1e-6  # its classes take a time so much before a boundary as after it


def fvcore(plan: Plan) -> str:
    """Return code for fvcore, the schedules of detectron2."""
    n = plan.length
    text = _fvcore_class(plain(plan.scheduler), n) if n * SHORT < 0.5 else ''
    imported = sorted(
        {word.split('(')[0] for word in text.split() if 'ParamScheduler(' in word}
    )
    first = ''
    if text:
        text = f'\nscheduler = {text}'
    else:
        imported = ['ParamScheduler']
        pieces = stretches(plan.scheduler, n + 1, rests, single_steps)
        text = f"""

{function('def rate(t):', pieces)}


class Rate(ParamScheduler):
    def __call__(self, where):
        return rate(round(where * {n}))


scheduler = Rate()"""
        first = 'import math\n\n' * ('math.' in text)
    names = ', '.join(imported)
    if len(names) > 50:
        names = '(\n    ' + ',\n    '.join(imported) + ',\n)'
    rates = f'scheduler(update / {n}) for update in range({n})'
    if plan.per == 'epoch':
        rates = f"""
    scheduler(epoch / {n})
    for epoch in range({n})
    for batch in range({plan.batches_per_epoch})
"""
    return f"""{first}from fvcore.common.param_scheduler import {names}
{text}
# detectron2: LRMultiplier(optimizer, scheduler, max_iter), over a base rate of 1

rates = [{rates}]  # one for each update"""


def _fvcore_class(s, n):
    if isinstance(s, MultiFactorScheduler):
        times = sorted({math.ceil(time) for time in s.step if time < n})
        counts = [0, *(sum(time <= cut for time in s.step) for cut in times)]
        powers = [f'{s.base_lr} * {s.factor}' + f' ** {k}' * (k > 1) for k in counts]
        values = ', '.join([f'{s.base_lr}', *powers[1:]])
        if times and times[-1] < n >= len(times) + 1:
            more = f'values=[{values}]', f'milestones={times}', f'num_updates={n}'
            return call('MultiStepParamScheduler', *more)
    pieces = stretches(s, n, rests)
    ends = [*(start for start, _ in pieces[1:]), n]
    if not all(map(whole, ends)):
        return ''
    lengths = [end - start for (start, _), end in zip(pieces, ends)]
    calls = [_piece(simple, length) for (_, simple), length in zip(pieces, lengths)]
    if not all(calls):
        return ''
    if len(calls) == 1:
        return calls[0]
    return call(
        'CompositeParamScheduler',
        listed(calls),
        f'lengths=[{", ".join(f"{whole(length)} / {n}" for length in lengths)}]',
        f"interval_scaling=['rescaled'] * {len(calls)}",
    )


def _piece(s, length):
    """Return the call of the class for what begins at 0 and is asked for `length`."""
    if isinstance(s, ConstantScheduler):
        return f'ConstantParamScheduler({s.base_lr})'
    if isinstance(s, PolyScheduler) and s.pwr == 1 and length <= s.max_update:
        return f'LinearParamScheduler({s.base_lr}, {s(length)})'
    if isinstance(s, CosineScheduler) and s.max_update == length:
        return f'CosineParamScheduler({s.base_lr}, {s.final_lr})'
    if isinstance(s, PolyScheduler) and (s.max_update, s.final_lr) == (length, 0):
        return f'PolynomialDecayParamScheduler({s.base_lr}, {s.pwr})'
    if isinstance(s, FactorScheduler) and s(length) > s.stop_factor_lr:
        if s.step == 1 and s.factor**length > 1e-300:
            decay = f'{s.factor} ** {whole(length)}'
            return f'ExponentialParamScheduler({s.base_lr}, {decay})'
        decays = whole(length / s.step)
        if decays and decays > 1 and s.base_lr > 0:
            rest = f'gamma={s.factor}, num_updates={whole(length)}'
            name = 'StepWithFixedGammaParamScheduler'
            return f'{name}({s.base_lr}, {decays - 1}, {rest})'
    return ''
