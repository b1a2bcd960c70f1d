"""The schedulers against PyTorch's own, update by update: both count from 0."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    CyclicScheduler,
    FactorScheduler,
    LambdaScheduler,
    MultiFactorScheduler,
    PlateauScheduler,
    PolyScheduler,
    SequentialScheduler,
    WarmupScheduler,
    one_cycle,
)

torch = pytest.importorskip('torch')
lr_scheduler = torch.optim.lr_scheduler

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


def pt(base_lr, name, *args, updates=UPDATES, **kwargs):
    """Return the rates PyTorch's scheduler of that name sets, update by update.

    `name` may also be a function that makes a scheduler of an optimizer.
    """
    make = name if callable(name) else getattr(lr_scheduler, name)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base_lr)
    scheduler, lrs = make(optimizer, *args, **kwargs), []
    for _ in range(updates):
        lrs.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return lrs


@given(rates, lengths, factors)
@repeatable
def test_step(base_lr, step, gamma):
    lrs = pt(base_lr, 'StepLR', step, gamma)
    agrees(lrs, FactorScheduler(gamma, 0, base_lr, step))


@given(rates, factors)
@repeatable
def test_exponential(base_lr, gamma):
    agrees(pt(base_lr, 'ExponentialLR', gamma), FactorScheduler(gamma, 0, base_lr))


@given(rates, milestones, factors)
@repeatable
def test_multi_step(base_lr, step, gamma):
    lrs = pt(base_lr, 'MultiStepLR', step, gamma)
    agrees(lrs, MultiFactorScheduler(step, gamma, base_lr))


@given(rates, lengths, st.floats(0.5, 3))
@repeatable
def test_polynomial(base_lr, total, power):
    lrs = pt(base_lr, 'PolynomialLR', total, power)
    agrees(lrs, PolyScheduler(total, base_lr, power))


@given(rates, lengths, fractions)
@repeatable
def test_cosine_falls_as_ours_and_then_rises(base_lr, total, final):
    low = final * base_lr
    lrs = pt(base_lr, 'CosineAnnealingLR', total, low)
    agrees(lrs[: total + 1], CosineScheduler(total, base_lr, low))
    agrees(lrs, CyclicScheduler(low, base_lr, total, 'cosine'))


@given(rates, lengths, st.integers(1, 3), fractions)
@repeatable
def test_warm_restarts(base_lr, period, multiplier, final):
    low = final * base_lr
    lrs = pt(base_lr, 'CosineAnnealingWarmRestarts', period, multiplier, low)
    agrees(lrs, CosineRestartsScheduler(period, base_lr, low, multiplier))


@given(rates, fractions, st.integers(1, 30))
@pytest.mark.parametrize('mode, gamma', [('triangular', 1), ('triangular2', 0.5)])
@repeatable
def test_cyclic(mode, gamma, max_lr, low, step_size):
    base_lr = low * max_lr
    arguments = {'step_size_up': step_size, 'mode': mode, 'cycle_momentum': False}
    lrs = pt(base_lr, 'CyclicLR', base_lr, max_lr, **arguments)
    agrees(lrs, CyclicScheduler(base_lr, max_lr, step_size, gamma=gamma))


@given(rates, lengths, lengths, st.floats(1, 50), st.floats(1, 1e4))
@repeatable
def test_one_cycle(max_lr, up, down, div_factor, final_div_factor):
    """PyTorch counts updates and takes a fraction; the peak is at pct N - 1."""
    updates = up + down + 1
    lrs = pt(
        *(max_lr, 'OneCycleLR', max_lr, updates),
        pct_start=(up + 1) / updates,
        div_factor=div_factor,
        final_div_factor=final_div_factor,
        cycle_momentum=False,
        updates=updates,
    )
    begin_lr = max_lr / div_factor
    final_lr = begin_lr / final_div_factor
    agrees(lrs, one_cycle(updates - 1, max_lr, up, begin_lr, final_lr))


@given(rates, st.floats(0.01, 1), fractions, lengths)
@repeatable
def test_linear(base_lr, start, end, total):
    lrs = pt(base_lr, 'LinearLR', start, end, total)
    agrees(lrs, PolyScheduler(total, start * base_lr, 1, end * base_lr))
    ramp = WarmupScheduler(ConstantScheduler(base_lr), total, start * base_lr)
    agrees(pt(base_lr, 'LinearLR', start, 1, total), ramp)


@given(rates, st.floats(0.01, 1), lengths)
@repeatable
def test_constant(base_lr, factor, total):
    constant = ConstantScheduler(base_lr)
    lrs = pt(base_lr, 'ConstantLR', factor, total)
    agrees(lrs, WarmupScheduler(constant, total, factor * base_lr, 'constant'))


@given(rates, factors)
@repeatable
def test_lambda(base_lr, gamma):
    lrs = pt(base_lr, 'LambdaLR', lambda t: gamma**t)
    agrees(lrs, LambdaScheduler(lambda t: gamma**t, base_lr))


@given(rates, st.floats(0.01, 1), lengths, lengths, factors)
@repeatable
def test_sequential(base_lr, start, warmup_steps, total, gamma):
    def make(optimizer):
        parts = [
            lr_scheduler.LinearLR(optimizer, start, 1, warmup_steps),
            lr_scheduler.CosineAnnealingLR(optimizer, total),
            lr_scheduler.ExponentialLR(optimizer, gamma),
        ]
        milestones = [warmup_steps, warmup_steps + total]
        return lr_scheduler.SequentialLR(optimizer, parts, milestones)

    ramp = PolyScheduler(warmup_steps, start * base_lr, 1, base_lr)
    cosine = CosineScheduler(total, base_lr)
    decay = FactorScheduler(gamma, 0, base_lr)
    boundaries = [warmup_steps, warmup_steps + total]
    agrees(pt(base_lr, make), SequentialScheduler([ramp, cosine, decay], boundaries))
    warm = WarmupScheduler(cosine, warmup_steps, start * base_lr)
    agrees(pt(base_lr, make), SequentialScheduler([warm, decay], boundaries[1:]))


def plateau(metrics, **arguments):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **arguments)
    for metric in metrics:
        optimizer.step()
        scheduler.step(metric)
    return optimizer.param_groups[0]['lr']


@given(
    st.lists(st.integers(1, 12) | st.floats(0.1, 12) | st.just(math.nan), max_size=40),
    st.fixed_dictionaries(
        {
            'mode': st.sampled_from(['min', 'max']),
            'factor': factors,
            'patience': st.integers(0, 4),
            'threshold': st.sampled_from([0, 1e-4, 0.123, 0.5]),
            'threshold_mode': st.sampled_from(['rel', 'abs']),
            'cooldown': st.integers(0, 3),
        }
    ),
    st.sampled_from([0, 0.01, 0.3]),
)
@settings(repeatable, max_examples=200)
def test_plateau(metrics, arguments, floor):
    lr = plateau(metrics, min_lr=floor, eps=0, **arguments)
    ours = PlateauScheduler(1.0, stop_factor_lr=floor, **arguments)
    assert ours.at(metrics) == pytest.approx(lr, rel=1e-9)


def test_plateau_takes_a_worse_negative_metric_for_a_better_one():
    worse = [-10, -9.5, -9, -8.5, -8]
    better = [-10, -10.5, -11, -11.5, -12]
    arguments = {'factor': 0.1, 'patience': 1, 'threshold': 0.1}
    assert plateau(worse, **arguments) == 1.0
    assert PlateauScheduler(1.0, **arguments).at(worse) == pytest.approx(0.01)
    # a tenth better each time, and kept
    assert PlateauScheduler(1.0, 0.1, 1, threshold=0.01).at(better) == 1.0
