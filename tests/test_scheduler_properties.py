"""What every scheduler promises, asked of every scheduler: drawn, nested, composed."""

import copy
import math
import pickle

import numpy
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from d2l_ext import families, schedulers
from d2l_ext.families import (
    CooldownScheduler,
    EpochScheduler,
    GrowthScheduler,
    InversePowerScheduler,
    LogWarmupScheduler,
    ProductScheduler,
    TriangularScheduler,
    WarmupOverScheduler,
    cosine_cycles,
    warmup_stable_cooldown,
)
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    CyclicScheduler,
    FactorScheduler,
    LambdaScheduler,
    MultiFactorScheduler,
    PiecewiseLinearScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
    SquareRootScheduler,
    WarmupScheduler,
    one_cycle,
    warmup_cosine,
    warmup_stable_decay,
)

repeatable = settings(max_examples=100, deadline=None, derandomize=True)


def halving(t):
    """Return a factor for LambdaScheduler; of a module, so that it can be pickled."""
    return 0.5 ** (t / 10)


# Strategies: any scheduler of the package

lengths = st.integers(1, 60) | st.floats(0.5, 60)
rates = st.integers(0, 2) | st.floats(1e-4, 2)
factors = st.just(1) | st.floats(0.1, 1)
growths = st.integers(1, 3) | st.floats(1.001, 4)
times = st.integers(0, 200) | st.floats(0, 200)
increasing = st.lists(lengths, max_size=4, unique=True).map(sorted)
milestones = st.lists(st.integers(0, 9) | lengths, max_size=5)
simple = [
    st.builds(ConstantScheduler, rates),
    st.builds(SquareRootScheduler, rates),
    st.builds(FactorScheduler, factors, rates, rates, lengths),
    st.builds(MultiFactorScheduler, milestones, factors, rates),
    st.builds(PolyScheduler, lengths, rates, st.integers(1, 3) | factors, rates),
    st.builds(CosineScheduler, lengths, rates, rates),
    st.builds(InversePowerScheduler, lengths, rates, factors | growths, rates),
    st.builds(CooldownScheduler, lengths, rates, factors | growths, rates),
]
others = [
    st.builds(
        lambda factor, low, rise, step: GrowthScheduler(factor, low + rise, low, step),
        *(st.floats(1.001, 4), st.floats(1e-4, 2), st.floats(1e-3, 2), lengths),
    ),
    st.builds(
        lambda low, rise, *rest: TriangularScheduler(low, low + rise, *rest),
        *(rates, rates, lengths, lengths, factors),
        st.sampled_from(['cycle', 'update']),
    ),
    st.builds(
        cosine_cycles,
        *(st.integers(1, 4), lengths, rates, rates),
        *(st.just(1) | st.floats(1.05, 3), factors),
    ),
    st.builds(
        lambda points: PiecewiseLinearScheduler(sorted(points.items())),
        st.dictionaries(st.just(0) | lengths, rates, min_size=1, max_size=6),
    ),
    st.builds(LambdaScheduler, st.just(halving), rates),
    st.builds(
        lambda low, rise, *rest: CyclicScheduler(low, low + rise, *rest),
        *(rates, rates, lengths, st.sampled_from(['triangular', 'cosine']), factors),
    ),
    st.builds(
        CosineRestartsScheduler,
        *(lengths, rates, rates, st.just(1) | st.floats(1.05, 3), factors),
    ),
    st.builds(
        lambda warmup, rest, *lrs: warmup_cosine(warmup + rest, lrs[0], warmup, lrs[1]),
        *(lengths, lengths, rates, rates),
    ),
    st.builds(
        lambda up, down, *lrs: one_cycle(up + down, max(lrs), up, lrs[0], lrs[1]),
        *(lengths, lengths, rates, rates, rates),
    ),
    st.builds(
        lambda warmup, rest, decay, *lrs: warmup_stable_cooldown(
            warmup + rest + decay, lrs[0], warmup, decay, lrs[1]
        ),
        *(lengths, lengths, lengths, rates, rates),
    ),
    st.builds(
        lambda warmup, rest, decay, *lrs: warmup_stable_decay(
            warmup + rest + decay, lrs[0], warmup, decay, lrs[1]
        ),
        *(lengths, lengths, lengths, rates, rates),
    ),
]


@st.composite
def warmups(draw, children):
    scheduler = draw(children)
    begin_lr = draw(st.sampled_from([0, 0.25, 1])) * scheduler(0)
    mode = draw(st.sampled_from(['linear', 'constant', 'log']))
    steps = draw(st.just(0) | lengths)
    if mode == 'log':
        return LogWarmupScheduler(scheduler, steps, begin_lr)
    return WarmupScheduler(scheduler, steps, begin_lr, mode)


@st.composite
def warmups_over(draw, children):
    scheduler = draw(children)
    begin_lr = draw(st.sampled_from([0, 0.25, 1, 1.5])) * scheduler(0)
    mode = draw(st.sampled_from(['linear', 'constant']))
    target = draw(st.sampled_from(['start', 'meet']))
    steps = draw(st.just(0) | lengths)
    return WarmupOverScheduler(scheduler, steps, begin_lr, mode, target)


@st.composite
def sequences(draw, children):
    boundaries = draw(increasing)
    size = len(boundaries) + 1
    parts = draw(st.lists(children, min_size=size, max_size=size))
    return SequentialScheduler(parts, boundaries)


def holders(children):
    return st.one_of(
        warmups(children),
        warmups_over(children),
        sequences(children),
        st.builds(ProductScheduler, st.lists(children, min_size=1, max_size=3)),
        st.builds(EpochScheduler, children, st.integers(1, 20)),
    )


leaves = st.one_of(*simple, *others)
any_scheduler = leaves | st.recursive(leaves, holders, max_leaves=6)
names = {**vars(schedulers), **vars(families), 'halving': halving}


# What a scheduler says of itself


def bounds(s):
    """Return the least and the greatest learning rate that `s` may answer."""
    if isinstance(s, (WarmupScheduler, LogWarmupScheduler, WarmupOverScheduler)):
        low, high = bounds(s.scheduler)
        return min(low, s.warmup_begin_lr), max(high, s.warmup_begin_lr)
    if isinstance(s, EpochScheduler):
        return bounds(s.scheduler)
    if isinstance(s, ProductScheduler):
        lows, highs = zip(*map(bounds, s.schedulers), strict=True)
        return math.prod(lows), math.prod(highs)
    if isinstance(s, SequentialScheduler):
        lows, highs = zip(*map(bounds, s.schedulers), strict=True)
        return min(lows), max(highs)
    if isinstance(s, PiecewiseLinearScheduler):
        return min(lr for _, lr in s.points), max(lr for _, lr in s.points)
    if isinstance(s, FactorScheduler):
        return min(s.stop_factor_lr, s.base_lr), s.base_lr
    if isinstance(s, GrowthScheduler):
        return s.base_lr, s.stop_lr
    if isinstance(s, MultiFactorScheduler):
        return s.base_lr * s.factor ** len(s.step), s.base_lr
    if isinstance(s, InversePowerScheduler):
        return min(s.stop_lr, s.base_lr), s.base_lr
    if isinstance(s, (SquareRootScheduler, LambdaScheduler)):
        return 0, s.base_lr
    stated = [s.base_lr, getattr(s, 'final_lr', getattr(s, 'max_lr', s.base_lr))]
    return min(stated), max(stated)


def tail(s):
    """Return the learning rate `s` comes to rest at, None if it never rests."""
    if isinstance(
        s, (WarmupScheduler, LogWarmupScheduler, WarmupOverScheduler, EpochScheduler)
    ):
        return tail(s.scheduler)
    if isinstance(s, ProductScheduler):
        tails = [tail(factor) for factor in s.schedulers]
        return None if None in tails else math.prod(tails)
    if isinstance(s, SequentialScheduler):
        return tail(s.schedulers[-1])
    if isinstance(s, FactorScheduler):
        return bounds(s)[0] if s.factor < 1 else s.base_lr
    if isinstance(s, GrowthScheduler):
        return s.stop_lr
    if isinstance(s, (ConstantScheduler, MultiFactorScheduler)):
        return bounds(s)[0]
    if isinstance(s, (PolyScheduler, CosineScheduler, CooldownScheduler)):
        return s.final_lr
    if isinstance(s, PiecewiseLinearScheduler):
        return s.points[-1][1]
    return None


def recast(value, number):
    """Rebuild a scheduler with `number` applied to every number in it."""
    if isinstance(value, Scheduler):
        items = vars(value).items()
        return type(value)(**{name: recast(item, number) for name, item in items})
    if isinstance(value, tuple):
        return [recast(item, number) for item in value]
    return number(value) if isinstance(value, (int, float)) else value


def numpy_scalar(value):
    return numpy.int64(value) if isinstance(value, int) else numpy.float64(value)


# Properties of all schedulers


@given(any_scheduler, st.lists(times, min_size=2, max_size=8), st.randoms())
@repeatable
def test_a_call_changes_nothing_and_depends_on_nothing_but_t(scheduler, ts, random):
    state, text = copy.deepcopy(vars(scheduler)), repr(scheduler)
    first = {t: scheduler(t) for t in ts}
    for t in range(60):  # what a plot does
        scheduler(t)
    random.shuffle(ts)
    assert {t: scheduler(t) for t in ts} == first
    assert vars(scheduler) == state and repr(scheduler) == text
    for t in ts:
        assert eval(text, names)(t) == first[t]


@given(any_scheduler, times | st.just(1e9))
@repeatable
def test_every_rate_is_a_plain_number_between_the_stated_ones(scheduler, t):
    low, high = bounds(scheduler)
    assert type(scheduler(t)) in (int, float)
    assert 0 <= low * (1 - 1e-12) <= scheduler(t) <= high * (1 + 1e-12)


@given(any_scheduler)
@repeatable
def test_it_rests_where_its_formula_ends(scheduler):
    if tail(scheduler) is not None:
        assert scheduler(1e9) == pytest.approx(tail(scheduler), rel=1e-12, abs=0)


@given(any_scheduler, any_scheduler)
@repeatable
def test_copies_and_what_repr_writes_are_equal(scheduler, other):
    written = eval(repr(scheduler), names)
    pickled = pickle.loads(pickle.dumps(scheduler))
    for twin in (written, pickled, copy.copy(scheduler), copy.deepcopy(scheduler)):
        assert twin == scheduler and hash(twin) == hash(scheduler)
    assert scheduler != repr(scheduler)
    assert (scheduler == other) == (
        repr(recast(scheduler, float)) == repr(recast(other, float))
    )


@given(any_scheduler, times, st.sampled_from([float, numpy_scalar]))
@repeatable
def test_floats_and_numpy_scalars_serve_as_well(scheduler, t, number):
    twin = recast(scheduler, number)
    assert twin == scheduler and hash(twin) == hash(scheduler)
    assert twin(number(t)) == scheduler(t)
    assert type(twin(number(t))) in (int, float)
    assert eval(repr(twin), names) == scheduler


@given(st.one_of(*simple), st.lists(times, min_size=2, max_size=20))
@repeatable
def test_simple_schedulers_go_one_way(scheduler, ts):
    lrs = [scheduler(t) for t in sorted(ts)]
    if getattr(scheduler, 'final_lr', 0) > scheduler.base_lr:
        lrs.reverse()
    slack = 1e-12 * bounds(scheduler)[1]
    assert all(b <= a + slack for a, b in zip(lrs, lrs[1:], strict=False))


@given(st.sampled_from(others[-4:]).flatmap(lambda family: family))
@repeatable
def test_compositions_are_joined_without_a_jump(scheduler):
    joins, part = [], scheduler
    if isinstance(part, WarmupScheduler):
        joins, part = [part.warmup_steps], part.scheduler
    if isinstance(part, SequentialScheduler):
        joins.append(sum(joins) + part.boundaries[0])
    for t in joins:
        before, after = scheduler(t * (1 - 1e-9)), scheduler(t)
        assert before == pytest.approx(after, rel=1e-6, abs=1e-6 * bounds(scheduler)[1])


@given(leaves, st.integers(1, 20), st.sampled_from([0, 0.25]))
@repeatable
def test_warmup_meets_the_start_once(child, warmup_steps, fraction):
    assume(child(0) > 0)
    scheduler = WarmupScheduler(child, warmup_steps, fraction * child(0))
    ramp = [scheduler(t) for t in range(warmup_steps)]
    assert ramp[0] == pytest.approx(fraction * child(0))
    assert ramp == sorted(ramp) and ramp[-1] < child(0)
    assert scheduler.base_lr == child.base_lr
    for t in range(20):
        assert scheduler(warmup_steps + t) == child(t)
