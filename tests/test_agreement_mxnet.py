"""The schedulers against MXNet's own, update by update.

Its counter stands at 1 at the first update, and its Factor and MultiFactor drop one
late: the two cancel in training. Poly, Cosine and warmup are ours at the same t.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d2l_ext.install import finder
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PolyScheduler,
    WarmupScheduler,
)

finder.install()
lr_scheduler = pytest.importorskip('mxnet').lr_scheduler

UPDATES = 80

repeatable = settings(max_examples=50, deadline=None, derandomize=True)
lengths = st.integers(2, 50)
rates = st.floats(1e-3, 2)
fractions = st.sampled_from([0, 0.01, 0.5, 1]) | st.floats(0, 1)
factors = st.floats(0.1, 0.95)
milestones = st.lists(lengths, min_size=1, max_size=4, unique=True).map(sorted)


def agrees(lrs, scheduler, first=0):
    ours = [scheduler(t) for t in range(first, first + len(lrs))]
    assert ours == pytest.approx(lrs, rel=1e-9, abs=1e-12)


def mx(name, **arguments):
    """Return [lr(0), lr(1), ...] of MXNet's scheduler of that name.

    A new one each time, asked in ascending order: it cannot be asked otherwise.
    """
    scheduler = getattr(lr_scheduler, name + 'Scheduler')(**arguments)
    return [scheduler(t) for t in range(UPDATES)]


@given(rates, st.floats(0.1, 1), fractions, lengths)
@repeatable
def test_factor_trains_as_ours_plots(base_lr, factor, floor, step):
    """Its floor((t - 1) / step) at t = 1, 2, ... is ours at 0, 1, ...

    MXNet documents floor(t / step): a plot over its own t shows each drop one late.
    """
    arguments = {
        'factor': factor,
        'stop_factor_lr': floor * base_lr,
        'base_lr': base_lr,
    }
    lrs = mx('Factor', step=step, **arguments)
    agrees(lrs[1:], FactorScheduler(step=step, **arguments))
    assert lrs[0] == lrs[1] == lrs[step] == base_lr


@given(milestones, st.floats(0.1, 1), rates)
@repeatable
def test_multi_factor_trains_as_ours_plots(step, factor, base_lr):
    lrs = mx('MultiFactor', step=step, factor=factor, base_lr=base_lr)
    agrees(lrs[1:], MultiFactorScheduler(step, factor, base_lr))
    assert lrs[step[0]] == base_lr  # MXNet documents the drop here


@given(lengths, rates, st.integers(1, 4), fractions)
@repeatable
def test_poly(max_update, base_lr, pwr, final):
    arguments = {'base_lr': base_lr, 'pwr': pwr, 'final_lr': final * base_lr}
    lrs = mx('Poly', max_update=max_update, **arguments)
    agrees(lrs, PolyScheduler(max_update, **arguments))


@given(lengths, rates, fractions)
@repeatable
def test_cosine(max_update, base_lr, final):
    arguments = {'base_lr': base_lr, 'final_lr': final * base_lr}
    lrs = mx('Cosine', max_update=max_update, **arguments)
    agrees(lrs, CosineScheduler(max_update, **arguments))


@given(lengths, st.integers(0, 20), rates, fractions, fractions)
@pytest.mark.parametrize('mode', ['linear', 'constant'])
@repeatable
def test_warmup_is_ours_around(mode, rest, warmup_steps, base_lr, begin, end):
    """MXNet's max_update counts the warmup in, a scheduler inside ours does not."""
    warmup = {
        'warmup_steps': warmup_steps,
        'warmup_begin_lr': begin * base_lr,
        'warmup_mode': mode,
    }
    arguments = {'base_lr': base_lr, 'final_lr': end * base_lr}
    total = warmup_steps + rest
    lrs = mx('Cosine', max_update=total, **arguments, **warmup)
    agrees(lrs, WarmupScheduler(CosineScheduler(rest, **arguments), **warmup))
    lrs = mx('Poly', max_update=total, **arguments, **warmup)
    agrees(lrs, WarmupScheduler(PolyScheduler(rest, **arguments), **warmup))


@given(lengths, st.integers(1, 40), factors, rates)
@repeatable
def test_factor_decays_underneath_its_warmup(step, warmup, factor, base_lr):
    """Ours waits until the warmup is over, MXNet's has lost the peak by then."""
    arguments = {
        'step': step,
        'factor': factor,
        'stop_factor_lr': 0,
        'base_lr': base_lr,
    }
    lrs = mx('Factor', warmup_steps=warmup, **arguments)
    ramp = WarmupScheduler(ConstantScheduler(base_lr), warmup)
    agrees(lrs[:warmup], ramp)
    agrees(lrs[warmup:], FactorScheduler(**arguments), first=warmup - 1)
    ours = WarmupScheduler(FactorScheduler(**arguments), warmup)
    assert ours(warmup) == base_lr


def test_forgets_its_end_and_its_start():
    """What ours cannot do: the reason why the objects above must be new and in order."""
    theirs = lr_scheduler.CosineScheduler(40, base_lr=0.5, final_lr=0.01)
    ours = CosineScheduler(40, base_lr=0.5, final_lr=0.01)
    assert (theirs(41), ours(41)) == (0.5, 0.01)
    theirs = lr_scheduler.MultiFactorScheduler([15, 30], 0.5, base_lr=0.5)
    ours = MultiFactorScheduler([15, 30], 0.5, base_lr=0.5)
    assert [[s(t) for t in (40, 0)] for s in (theirs, ours)] == [
        [0.125, 0.125],
        [0.125, 0.5],
    ]
