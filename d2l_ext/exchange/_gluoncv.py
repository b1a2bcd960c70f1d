"""A schedule as code for GluonCV, whose schedulers are MXNet's and say where they begin."""

import math

from d2l_ext.exchange import _mxnet
from d2l_ext.exchange.formula import call, listed
from d2l_ext.exchange.stretches import plain, rests, stretches, whole
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineScheduler,
    MultiFactorScheduler,
    PolyScheduler,
)


def gluoncv(plan: Plan) -> str:
    """Return code for GluonCV, else MXNet's with the formula."""
    text = _gluoncv_class(plain(plan.scheduler), plan.length)
    if not text:
        return _mxnet.program(plan, *_mxnet.by_formula(plan, 'GluonCV'))
    text = f'# GluonCV counts from 1, as MXNet does\nscheduler = {text}\n'
    names = 'LRScheduler' + ', LRSequential' * ('LRSequential' in text)
    return _mxnet.program(plan, text, imported=f'from gluoncv.utils import {names}\n')


def _gluoncv_class(s, n):
    pieces = stretches(s, n)
    ends = [start for start, _ in pieces[1:]]
    if any(
        getattr(simple, 'max_update', n) < end - start
        for (start, simple), end in zip(pieces, ends)
    ):
        pieces = stretches(s, n, rests)
    if len(pieces) == 1:
        return _part(s, n, ', offset=1')
    calls, starts = [], [start for start, _ in pieces]
    if None in map(whole, starts):
        return ''
    for i, (start, simple) in enumerate(pieces[:-1]):
        length = whole(starts[i + 1] - start)
        if isinstance(simple, ConstantScheduler):
            # the count 0, which no update sees, belongs to the first
            calls.append(_scheduler('constant', simple.base_lr, 0, length + (i == 0)))
        elif isinstance(simple, PolyScheduler) and simple.pwr == 1 and length > 1:
            slope = (simple.final_lr - simple.base_lr) / simple.max_update
            first = simple.base_lr - slope * (i == 0)
            last = simple.base_lr + slope * (length - 1)
            if first < 0 and i == 0 and simple.base_lr > 0:
                first = float(f'{first:.15g}')
            calls.append(_scheduler('linear', first, last, length + (i == 0)))
        else:
            return ''
    last = _part(pieces[-1][1], n)
    return last and call('LRSequential', listed([*calls, last]))


def _part(s, n, offset=''):
    """Return the call for what goes on to the end, '' if there is none."""
    if isinstance(s, ConstantScheduler):
        return _scheduler('constant', s.base_lr, 0, n + 1, offset)
    if isinstance(s, MultiFactorScheduler):
        times = [math.ceil(time) for time in s.step]
        more = f', step_iter={times}, step_factor={s.factor}{offset}'
        return _scheduler('step', s.base_lr, 0, max(n, *times, 0) + 1, more)
    length = whole(getattr(s, 'max_update', 0.5))
    if not length:
        return ''
    if isinstance(s, CosineScheduler):
        return _scheduler('cosine', s.base_lr, s.final_lr, length + 1, offset)
    if isinstance(s, PolyScheduler) and s.pwr == 1:
        return _scheduler('linear', s.base_lr, s.final_lr, length + 1, offset)
    if isinstance(s, PolyScheduler):
        more = f', power={s.pwr}{offset}'
        return _scheduler('poly', s.base_lr, s.final_lr, length + 1, more)
    return ''


def _scheduler(mode, base_lr, target_lr, niters, more=''):
    rates = f'{base_lr!r}' + f', {target_lr!r}' * (mode not in ('constant', 'step'))
    return f'LRScheduler({mode!r}, {rates}, niters={niters}{more})'
