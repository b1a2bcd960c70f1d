"""The schedule check: each doubt met by a schedule of the book, ours or a peer's."""

import math

import pytest

from d2l_ext.check import check
from d2l_ext.families import (
    EpochScheduler,
    ProductScheduler,
    TriangularScheduler,
    WarmupOverScheduler,
)
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    CyclicScheduler,
    FactorScheduler,
    LambdaScheduler,
    MultiFactorScheduler,
    PiecewiseLinearScheduler,
    PlateauScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
    SquareRootScheduler,
    WarmupScheduler,
    one_cycle,
    warmup_cosine,
    warmup_stable_decay,
)
from tests.clock import quiet_seconds

half = ConstantScheduler(0.5)
GOOD = [
    half,
    SquareRootScheduler(1.0),
    FactorScheduler(0.9, 1e-2, 2.0),
    MultiFactorScheduler([15, 30], 0.5, 0.5),
    PolyScheduler(40, 0.5),
    CosineScheduler(40, 0.5, 0.01),
    CosineScheduler(20, 0.5, 0.01),  # half a run at the final rate is a choice
    CyclicScheduler(0.1, 0.5, 4),
    CyclicScheduler(0.1, 0.5, 4, 'cosine'),
    TriangularScheduler(0.1, 0.5, 3, 7),
    CosineRestartsScheduler(10, 0.5),
    WarmupScheduler(CosineRestartsScheduler(10, 0.5), 5, 0.1),
    LambdaScheduler(lambda t: 0.4 * 0.95**t, base_lr=1),
    PiecewiseLinearScheduler([(0, 0.1), (5, 0.5), (39, 0.0)]),
    SequentialScheduler([half, CosineScheduler(20, 0.5)], [20]),
    WarmupScheduler(half, 5, 0.1),
    WarmupScheduler(CosineScheduler(35, 0.5, 0.01), 5, 0.1),
    one_cycle(40, 0.5, 12, begin_lr=0.05),
    lambda t: 0.5 / (t + 1),
]


@pytest.mark.parametrize('scheduler', GOOD, ids=lambda s: repr(s)[:40])
def test_nothing_is_said_of_a_good_schedule(scheduler):
    assert check(scheduler, 40, stability=2.0) == []


def test_nothing_is_said_of_good_schedules_by_update():
    for scheduler in (
        SquareRootScheduler(1.0),
        CosineScheduler(9400, 0.5, 0.01),
        WarmupScheduler(half, 100, 0.01),
        warmup_stable_decay(9400, 0.5, 0, 1880),
        FactorScheduler(0.9, 1e-2, 2.0, step=235),
    ):
        assert check(scheduler, 40, 'update', 235, stability=2.0) == []


BOOK = {'num_epochs': 40, 'per': 'update', 'batches_per_epoch': 235}
DOUBTFUL = [
    # the book's own schedules, as its code consumes them
    (CosineScheduler(40, 0.5, 0.01), BOOK, 'Over after 40 of 9400 updates (0.43 % of'),
    (CosineScheduler(40, 0.5, 0.01), BOOK, 'rate 0.01: count in epochs, or make its'),
    (CosineScheduler(40, 0.5, 0.01), BOOK, 'lengths 235 times as long'),
    (MultiFactorScheduler([15, 30], 0.5, 0.5), BOOK, 'Over after 30 of 9400 updates'),
    (FactorScheduler(0.9, 1e-2, 2.0), BOOK, 'Over after 51 of 9400 updates'),
    (WarmupScheduler(half, 5, 0.1), BOOK, 'Over after 5 of 9400 updates (0.053 % of'),
    (MultiFactorScheduler([2], 0.5), {}, 'Over after 2 of 40 epochs (5 % of the run)'),
    (MultiFactorScheduler([2], 0.5), {}, 'or the run shorter'),
    (warmup_cosine(40, 0.5, 5, 0.01), {}, 'first epoch is 0, nothing is learned (94'),
    (warmup_cosine(40, 0.5, 5, 0.01), {}, 'begin higher, at 0.1 say'),
    (warmup_cosine(3760, 0.5, 470), {'per': 'update'}, 'The rate of the first update'),
    (LambdaScheduler(lambda t: t // 30), {}, 'first 30 epochs is 0'),  # PyTorch's docs
    (ConstantScheduler(0), {}, 'The rate is 0 throughout'),
    (CosineScheduler(9400, 2.5), {**BOOK, 'stability': 2.0}, 'line 2 for 2775 of 9400'),
    (half, {'stability': 0.4}, 'Above the stability line 0.4 for 40 of 40 epochs'),
    (PolyScheduler(40, 0.0, 1, 0.5), {'stability': 0.25}, '0.25 for 19 of 40 epochs'),
    (one_cycle(40, 0.5, 12, 0.1), {'stability': 0.4}, 'line 0.4 for 12 of 40 epochs'),
    (WarmupScheduler(half, 50), {}, 'The warmup takes 50 epochs, the run 40: the rate'),
    (WarmupScheduler(half, 40), {}, 'The warmup takes 40 epochs, the run 40: the rate'),
    (one_cycle(90, 0.5, 50, 0.1), {}, 'The warmup is not over when the run ends'),
    (
        SequentialScheduler([ConstantScheduler(0.1), half], [60]),
        {},
        'The peak 0.5 is never reached, the highest rate is 0.1',
    ),
    (CyclicScheduler(0, 1, 0.5), {}, 'The rate is 0 throughout'),
    (CyclicScheduler(0.1, 1, 0.5), {}, 'The peak 1 is never reached'),
    (
        PiecewiseLinearScheduler([(0, 0.5), (20, 0.1), (30, 0.3)]),
        {},
        'Rises again after epoch 20, from 0.1 to 0.3: stop there',
    ),
    (
        SequentialScheduler([CosineScheduler(3000, 0.5, 0.1), half], [3001]),
        BOOK,
        'Rises again after update 3000, from 0.1 to 0.5',
    ),
]


@pytest.mark.parametrize('scheduler, arguments, words', DOUBTFUL)
def test_a_doubt_is_said(scheduler, arguments, words):
    found = check(scheduler, **{'num_epochs': 40, **arguments})
    assert [words in sentence for sentence in found].count(True) == 1
    assert all(sentence[0].isupper() and sentence[-1] == '.' for sentence in found)


@pytest.mark.parametrize('scheduler', [s for s, *_ in DOUBTFUL] + GOOD[:-1])
@pytest.mark.parametrize('stability', [0.07, 0.45])
def test_a_few_rates_find_what_all_rates_find(scheduler, stability):
    """A plain function is asked for each of the 9400 rates, a scheduler is not."""

    def silent(found):
        # of a plain function it is not known what it was made for
        return [s for s in found if 'peak' not in s and 'warmup takes' not in s]

    everything = check(lambda t: scheduler(t), **BOOK, stability=stability)
    few = check(scheduler, **BOOK, stability=stability)
    if any(kind in repr(scheduler) for kind in ('Cycl', 'Restarts')):
        everything = [s for s in everything if 'Rises' not in s]  # by design
    assert silent(few) == silent(everything)


# Each sentence with a schedule that gets it, and a near one that must not

RUN = {'num_epochs': 40}
UPDATES = {'num_epochs': 10, 'per': 'update', 'batches_per_epoch': 100}
HALF_RUN = [half, ConstantScheduler(0.1)]


def ramp(warmup_steps, scheduler):
    return WarmupScheduler(scheduler, warmup_steps, 0.1)


def wave(period):
    """A cosine that starts again, under a name that does not say so."""
    return lambda t: 0.25 * (1 + math.cos(math.pi * (t % period) / period))


def swing(size):
    """Down and up in straight lines, `size` epochs each way."""
    return lambda t: 0.1 + 0.4 * abs(1 - t / size % 2)


LONGER = [
    # longer than its run
    (
        CosineScheduler(9400, 0.5),
        CosineScheduler(40, 0.5),
        RUN,
        (
            'The decay takes 9400 epochs, the run leaves it 40: the rate ends at 0.5, '
            "100 % of its peak; make it as long as the run, or say per='update'"
        ),
    ),
    (PolyScheduler(7, 0.5, 1), PolyScheduler(6, 0.5, 1), {'num_epochs': 5}, 'takes 7'),
    (PolyScheduler(80, 0.5), PolyScheduler(50, 0.5), RUN, 'takes 80 epochs'),
    (
        ramp(100, CosineScheduler(900, 0.5)),
        ramp(100, CosineScheduler(150, 0.5)),
        {'num_epochs': 10, 'per': 'update', 'batches_per_epoch': 25},
        (
            'The decay takes 900 updates, the run leaves it 150: the rate ends at 0.4669, '
            '93 % of its peak; make it as long as the run.'
        ),
    ),
    (
        warmup_stable_decay(50, 0.5, 0, 20),
        warmup_stable_decay(40, 0.5, 0, 20),
        RUN,
        'takes 20 epochs, the run leaves it 10: the rate ends at 0.275',
    ),
    (
        CosineRestartsScheduler(100, 0.5),
        CosineRestartsScheduler(30, 0.5),
        RUN,
        'The decay takes 100 epochs',
    ),
    (
        CyclicScheduler(0.1, 0.5, 100, 'cosine'),
        CyclicScheduler(0.1, 0.5, 25, 'cosine'),
        RUN,
        'The decay takes 100 epochs',
    ),
    (
        PiecewiseLinearScheduler([(0, 0.1), (5, 0.5), (80, 0)]),
        PiecewiseLinearScheduler([(0, 0.1), (5, 0.5), (40, 0)]),
        RUN,
        'The decay takes 80 epochs, the run leaves it 40: the rate ends at 0.2733, 55 %',
    ),
    (
        CosineScheduler(12_345_678.5, 0.5),
        CosineScheduler(45.5, 0.5),
        RUN,
        'The decay takes 12345678.5 epochs, the run leaves it 40',
    ),
    # what never comes
    (
        MultiFactorScheduler([50, 75], 0.1, 0.5),
        MultiFactorScheduler([20, 30], 0.1, 0.5),
        RUN,
        (
            'MultiFactorScheduler goes down at 50 and 75, the run leaves it 40 epochs: the '
            'rate ends at 0.5; let it go down earlier'
        ),
    ),
    (
        MultiFactorScheduler([30, 75], 0.1, 0.5),
        MultiFactorScheduler([30, 40], 0.1, 0.5),
        RUN,
        'goes down at 75, the run leaves it 40 epochs: the rate ends at 0.05',
    ),
    (
        MultiFactorScheduler([40], 0.1, 0.5),
        MultiFactorScheduler([40], 1, 0.5),  # which says nothing, anywhere
        RUN,
        'goes down at 40',
    ),
    (
        ramp(5, MultiFactorScheduler([20, 38], 0.1, 0.5)),
        ramp(5, MultiFactorScheduler([20, 34], 0.1, 0.5)),
        RUN,
        'goes down at 38, the run leaves it 35 epochs',
    ),
    (
        FactorScheduler(0.5, 1e-7, 0.5, 2000),
        FactorScheduler(0.5, 1e-7, 0.5, 500),
        UPDATES,
        'FactorScheduler goes down at 2000, the run leaves it 1000 updates',
    ),
    (
        warmup_stable_decay(100, 0.5, 0, 20),
        warmup_stable_decay(40, 0.5, 0, 20),
        RUN,
        'PolyScheduler would begin after 80 epochs, the run has 40',
    ),
    (
        warmup_stable_decay(60, 0.5, 0, 20),
        SequentialScheduler([CosineScheduler(40, 0.5, 0.1), HALF_RUN[1]], [40]),
        RUN,
        'PolyScheduler would begin after 40 epochs, the run has 40',
    ),
]
TOO_SHORT = [
    # a rate of 0
    (
        PolyScheduler(500, 0.5, 1),
        PolyScheduler(500, 0.5, 1, 0.01),
        UPDATES,
        (
            'The rate of the last 500 of 1000 updates (50 % of the run) is 0, nothing is '
            'learned in them: make its lengths 2 times as long, or end above 0'
        ),
    ),
    (
        PolyScheduler(125, 0.5, 1),
        PolyScheduler(960, 0.5, 1),
        UPDATES,
        'last 875 of 1000 updates (88 % of the run) is 0',
    ),
    (CosineScheduler(35, 0.5), CosineScheduler(39, 0.5), RUN, 'last 5 of 40 epochs'),
    (
        LambdaScheduler(lambda t: 1.0 * (t < 20)),
        FactorScheduler(0.1, 0, 0.5),  # tiny is not 0
        RUN,
        'last 20 of 40 epochs',
    ),
    (
        CosineScheduler(3, 0.5),
        CosineScheduler(4, 0.5),
        {'num_epochs': 5},
        'last 2 of 5 epochs',
    ),
    # one part in the wrong unit, hidden by another
    (
        WarmupScheduler(MultiFactorScheduler([30], 0.1, 0.002), 500, 2e-6),
        WarmupScheduler(MultiFactorScheduler([6900], 0.1, 0.002), 500, 2e-6),
        {'num_epochs': 45, 'per': 'update', 'batches_per_epoch': 230},
        (
            'MultiFactorScheduler is over 30 updates after it begins, at update 500, the '
            'rest has the rate 0.0002: count in epochs, or make its lengths 230 times'
        ),
    ),
    (
        ramp(500, FactorScheduler(0.9, 1e-2, 0.5)),
        ramp(505, FactorScheduler(0.995, 1e-2, 0.5)),  # its peak is one update
        BOOK,
        'FactorScheduler is over 38 updates after it begins, at update 500',
    ),
    (
        SequentialScheduler([half, CosineScheduler(40, 0.5, 0.01)], [5000]),
        SequentialScheduler([half, CosineScheduler(4400, 0.5, 0.01)], [5000]),
        BOOK,
        'CosineScheduler is over 40 updates after it begins, at update 5000',
    ),
    (
        SequentialScheduler([half, CosineScheduler(1, 0.5, 0.01)], [10]),
        SequentialScheduler([half, CosineScheduler(20, 0.5, 0.01)], [10]),
        RUN,
        (
            'CosineScheduler is over 1 epoch after it begins, at epoch 10, the rest has '
            'the rate 0.01: make its lengths longer'
        ),
    ),
    (
        ramp(5, CosineScheduler(9395, 0.5)),
        ramp(100, CosineScheduler(9300, 0.5)),
        BOOK,
        'The warmup takes 5 of 9400 updates (0.053 % of the run): count in epochs',
    ),
    (
        one_cycle(9400, 0.5, 12, 0.1),
        one_cycle(9400, 0.5, 120, 0.1),
        BOOK,
        'CosineScheduler takes 12 of 9400 updates',
    ),
    (
        PiecewiseLinearScheduler([(0, 0.1), (5, 0.5), (9400, 0)]),
        PiecewiseLinearScheduler([(0, 0.1), (500, 0.5), (9400, 0)]),
        BOOK,
        'PiecewiseLinearScheduler has a change after 5 of 9400 updates',
    ),
    (
        WarmupScheduler(SequentialScheduler([half, HALF_RUN[1]], [40]), 500, 0.1),
        FactorScheduler(0.999, 1e-4, 0.5, 10),  # a smooth decay, in small steps
        BOOK,
        'ConstantScheduler takes 40 of 9400 updates',
    ),
    (
        MultiFactorScheduler([30, 5000], 0.1, 0.5),
        MultiFactorScheduler([300, 5000], 0.1, 0.5),
        BOOK,
        'MultiFactorScheduler has a change after 30 of 9400 updates',
    ),
    # over early: a decay, but no warmup before a constant rate
    (MultiFactorScheduler([2], 0.5), ramp(2, half), RUN, 'Over after 2 of 40'),
    (
        ramp(13, half),
        ramp(14, half),  # no one warms up for a third of the epochs
        BOOK,
        'Over after 13 of 9400 updates',
    ),
]
UP = [
    # a late jump up, with no fall before it
    (
        lambda t: 1e-3 if t < 2000 else 0.5,
        lambda t: 1e-3 if t < 900 else 0.5,  # a warmup at a constant rate
        {'num_epochs': 200, 'per': 'update', 'batches_per_epoch': 20},
        (
            'Jumps up after 2000 of 4000 updates (50 % of the run), from 0.001 to 0.5: end '
            'a warmup earlier, or hold the rate'
        ),
    ),
    (
        SequentialScheduler(HALF_RUN[::-1], [20]),
        PiecewiseLinearScheduler([(0, 0.1), (19, 0.1), (30, 0.5)]),  # no jump
        RUN,
        'Jumps up after 20 of 40 epochs',
    ),
    (
        SequentialScheduler([ConstantScheduler(0.1), half], [5000]),
        SequentialScheduler([ConstantScheduler(0.1), half], [2000]),
        BOOK,
        'Jumps up after 5000 of 9400 updates',
    ),
    (
        FactorScheduler(0.001, 0.5, 0.1),
        FactorScheduler(0.1, 0.001, 0.5, 20),
        RUN,
        'The floor stop_factor_lr = 0.5 lies above base_lr = 0.1, the rate never decays',
    ),
    # rising again: once, and not by design
    (
        SequentialScheduler([*HALF_RUN, *HALF_RUN], [5, 10, 30]),
        SequentialScheduler([*HALF_RUN, *HALF_RUN], [10, 20, 30]),
        RUN,
        'Rises again after epoch 9, from 0.1 to 0.5',
    ),
    (
        SequentialScheduler(HALF_RUN + HALF_RUN[:1], [10, 20]),
        wave(30),  # one restart is one, too
        RUN,
        'Rises again after epoch 19, from 0.1 to 0.5',
    ),
    (
        lambda t: 0.1 + 0.4 * abs(1 - t / 30),
        swing(13),
        RUN,
        'Rises again after epoch 30, from 0.1 to 0.22',
    ),
    (
        lambda t: 0.3 if t == 0 else min(0.06 * (t - 1), 0.3 * 0.95**t),
        lambda t: min(0.06 * (t + 1), 0.3 * 0.95**t),
        RUN,
        'Rises again after epoch 1, from 0 to',
    ),
    # growing to the end: a warmup only where there is one
    (
        LambdaScheduler(lambda t: 1.02**t, 0.1),
        LambdaScheduler(lambda t: min(1.02**t, 2), 0.1),
        RUN,
        'The rate never falls and still rises when the run ends, to 0.2165: hold it',
    ),
    # a fall of which nothing is known but that it is small
    (
        lambda t: 0.25 * (1 + math.cos(math.pi * t / 200)),
        lambda t: 0.25 * (1 + math.cos(math.pi * t / 100)),
        RUN,
        'The rate falls by 9.1 % only, from 0.5 to 0.4545: a decay meant for a longer',
    ),
]


@pytest.mark.parametrize('wrong, right, run, words', LONGER + TOO_SHORT + UP)
def test_a_doubt_is_said_of_the_wrong_schedule_and_not_of_a_near_one(
    wrong, right, run, words
):
    (said,) = check(wrong, **run)
    assert words in said and said[0].isupper() and said[-1] == '.'
    assert check(right, **run) == []


@pytest.mark.parametrize('scheduler', [s for s, *_ in DOUBTFUL + LONGER + TOO_SHORT])
def test_a_slider_need_not_wait(scheduler):
    # of a cycle or a reader's function all 9400 rates are looked at
    every = any(name in repr(scheduler) for name in ('Cyclic', 'Restarts', 'Lambda'))
    for arguments, limit in ({'num_epochs': 40}, 1e-3), (BOOK, 2e-2 if every else 2e-3):
        seconds = []
        while len(seconds) < 50 and min(seconds, default=1) > limit:
            seconds.append(quiet_seconds(check, scheduler, **arguments, stability=2.0))
        assert min(seconds) <= limit


def test_a_rate_of_0_is_said_where_it_counts():
    first = 'The rate of the first update is 0, nothing is learned: let the warmup'
    for updates, said in (9_999, True), (10_001, False), (250_000, False):
        doubts = check(warmup_cosine(updates, 0.5, 500), 1, 'update', updates)
        assert [s.startswith(first) for s in doubts] == [True] * said


def test_a_count_of_one_is_said_as_one():
    scheduler = warmup_cosine(40, 0.5, 5)
    assert 'is learned (1 update): let' in check(scheduler, 40, batches_per_epoch=1)[0]
    assert 'is learned (2 updates)' in check(scheduler, 40, batches_per_epoch=2)[0]


RESTARTS = [
    wave(10),
    wave(30),  # once, and cut by the end of the run
    lambda t: 0.5 ** (t // 5 % 4),  # steps
    lambda t: min(wave(10)(t), 0.1 * (t % 10 + 1)),  # each with a warmup
    lambda t: wave(10)(t) if t < 10 else wave(20)(t - 10),  # each twice as long
    lambda t: 0.7 ** (t // 10) * wave(10)(t),  # each lower
    swing(5),
    swing(13),
    lambda t: swing(10)(t + 10),  # up first
]


@pytest.mark.parametrize('schedule', RESTARTS)
def test_restarts_and_swings_are_known_by_their_shape(schedule):
    assert not any('Rises' in said for said in check(schedule, 40))
    by_update = check(lambda t: schedule(t // 94), 40, 'update', 94)
    assert not any('Rises' in said for said in by_update)

    class Cycle(Scheduler):
        lr = staticmethod(schedule)

    assert check(Cycle(), 40) == check(schedule, 40)


@pytest.mark.parametrize(
    'points',
    [
        [(0, 0.5), (30, 0.1), (39, 0.4)],
        [(0, 0.5), (2, 0.1), (10, 0.4), (39, 0.1)],
        [(0, 0.5), (2, 0.1), (4, 0.4), (30, 0.1), (36, 0.3), (39, 0.2)],
    ],
)
def test_a_name_does_not_make_a_cycle(points):
    class CyclicRestarts(PiecewiseLinearScheduler):
        pass

    (said,) = check(CyclicRestarts(points), 40)
    assert said.startswith(f'Rises again after epoch {points[1][0]}, from 0.1')


def test_any_schedule_can_be_checked():
    """No scheduler, no part of it, and no run is too short or too long to be asked."""
    parts = [half, *(wrong for wrong, *_ in LONGER + TOO_SHORT)]
    for scheduler in parts:
        for shape in (
            scheduler,
            WarmupScheduler(scheduler, 2.5),
            SequentialScheduler([scheduler, half, scheduler], [0.5, 3]),
        ):
            for num_epochs, per, batches in (
                (1, 'epoch', 1),
                (2, 'update', 1),
                (3, 'update', 600),
            ):
                for said in check(shape, num_epochs, per, batches, stability=0.1):
                    assert said[0].isupper() and said[-1] == '.'


def test_a_plan_is_checked_as_its_scheduler_with_the_rest_of_it():
    scheduler = CosineScheduler(9400, 2.5)
    doubts = check(Plan(scheduler, **BOOK), stability=2.0)
    assert doubts == check(scheduler, **BOOK, stability=2.0)
    assert 'line 2 for 2775 of 9400' in doubts[0]


def test_what_cannot_be_checked():
    with pytest.raises(ValueError, match=r'PlateauScheduler.* follows the losses'):
        check(PlateauScheduler(), 40)
    with pytest.raises(ValueError, match=r'num_epochs must be .* got 0'):
        check(half, 0)
    with pytest.raises(ValueError, match="per must be 'epoch' or 'update', got 'step'"):
        check(half, 40, 'step')


class BookFactorScheduler:
    """Decays at every call, as the class printed in section 11.11.3.1 does."""

    def __init__(self):
        self.base_lr = 2.0

    def __call__(self, num_update):
        self.base_lr = max(1e-2, self.base_lr * 0.9)
        return self.base_lr


def test_a_schedule_that_ignores_the_time():
    scheduler = BookFactorScheduler()
    (said,) = check(scheduler, 40)
    assert said.startswith('Every call changes it') and '1.8 and then 1.62' in said
    assert scheduler.base_lr == 2.0  # it was a copy that was asked


# Objects of other libraries


@pytest.fixture
def mx():
    pytest.importorskip('d2l_ext.mxnet')
    from mxnet import lr_scheduler

    return lr_scheduler


def test_an_object_of_mxnet_that_a_plot_has_used_up(mx):
    for make in (
        lambda: mx.MultiFactorScheduler(step=[15, 30], factor=0.5, base_lr=0.5),
        lambda: mx.FactorScheduler(step=15, factor=0.5, base_lr=0.5),
    ):
        scheduler = make()
        assert check(scheduler, 40) == check(scheduler, 40) == []
        for t in range(40):  # the book's plot
            scheduler(t)
        (said,) = check(scheduler, 40)
        assert said.startswith('Used already: of its 0.5 there is 0.125 left')
        assert (scheduler.base_lr, scheduler.count) == (0.125, 30)
    cosine = mx.CosineScheduler(40, 0.5, 0.01)
    for t in range(40):
        cosine(t)
    assert check(cosine, 40) == []  # it can go back


def test_a_decay_of_mxnet_that_runs_under_the_warmup(mx):
    decay = mx.FactorScheduler(step=10, factor=0.5, base_lr=1.0, warmup_steps=25)
    (said,) = check(decay, 40)
    assert 'The peak 1 is never reached, the highest rate is 0.96' in said
    long = mx.CosineScheduler(60, 0.5, 0.01, warmup_steps=50)
    (said,) = check(long, 40)
    assert said.startswith('The warmup takes 50 epochs, the run 40')


def test_the_first_update_of_mxnet_is_not_at_rate_0(mx):
    """Its trainer counts from 1, and so never asks for the beginning of the ramp."""
    warm = mx.CosineScheduler(3760, 0.5, 0.01, warmup_steps=470)
    assert warm(0) == 0 and check(warm, 40, 'update') == []


def test_an_optimizer_of_mxnet_that_overwrites_the_base_rate(mx):
    from mxnet import optimizer

    def factor(name, base_lr=0.3, **arguments):
        scheduler = mx.FactorScheduler(10, 0.5, base_lr=base_lr)
        scheduler.warmup_steps = arguments.pop('warmup_steps', 0)
        optimizer.create(name, lr_scheduler=scheduler, **arguments)
        return scheduler

    (said,) = check(factor('adam'), 40)  # which brings 0.001
    assert said.startswith('An optimizer has overwritten its base_lr 0.3 by 0.001, as')
    assert 'give the optimizer learning_rate=0.3 too' in said
    (said,) = check(factor('sgd', learning_rate=0.1, warmup_steps=5), 40)
    assert 'base_lr 0.3 by 0.1' in said  # the warmup goes up to 0.3
    assert check(factor('adam', learning_rate=0.3), 40) == []
    assert check(factor('adam', 0.01), 40) == []  # nobody chose MXNet's 0.01
    assert check(factor('sgd', 0.01, learning_rate=0.1), 40) == []
    assert check(factor('sgd'), 40) == []


def test_a_decay_of_mxnet_without_warmup_misses_no_peak(mx):
    """Its trainer asks from 1, and the peak is at 0."""
    assert check(mx.PolyScheduler(40, 0.5, 2), 40) == []
    assert check(mx.PolyScheduler(40, 0.5, 2, warmup_steps=5), 40) == []
    late = mx.FactorScheduler(step=4, factor=0.5, base_lr=1.0, warmup_steps=9)
    assert any('The peak 1 is never reached' in said for said in check(late, 40))


def test_a_schedule_of_mxnet_that_is_meant_for_another_run(mx):
    """The floor is the third argument, and max_update includes the warmup."""
    (said,) = check(mx.FactorScheduler(2000, 0.001, 0.5), 400, 'update', 20)
    assert 'stop_factor_lr = 0.5 lies above base_lr = 0.01, the rate jumps up' in said
    assert check(mx.FactorScheduler(2000, 0.5, 0.001, 0.5), 400, 'update', 20) == []
    (said,) = check(mx.CosineScheduler(5, 0.5, warmup_steps=5), 40)
    assert 'no time for its decay: its max_update = 5 includes the warmup of 5' in said
    (said,) = check(mx.CosineScheduler(9400, 0.5), 40)
    assert said.startswith('The decay takes 9400 epochs, the run leaves it 40')
    (said,) = check(mx.MultiFactorScheduler([50, 75], 0.5, 0.5), 40)
    assert said.startswith('MultiFactorScheduler goes down at 50 and 75')
    (said,) = check(mx.CosineScheduler(9400, 0.5, warmup_steps=5), **BOOK)
    assert said.startswith('The warmup takes 5 of 9400 updates')


def test_schedules_of_gluoncv(mx):
    """They are MXNet's by class, pure, and keep their rates under other names."""

    class GluonCV(mx.LRScheduler):
        def __init__(self, base_lr, target_lr, niters, step=None):
            super().__init__()
            self.base_lr, self.target_lr, self.niters = base_lr, target_lr, niters
            self.mode, self.step = 'step' if step else 'linear', step
            self.offset = 0

        def __call__(self, t):
            t = min(max(0, t - self.offset), self.niters - 1)
            if self.step:
                return self.base_lr * 0.1 ** sum(s <= t for s in self.step)
            way = t / (self.niters - 1)
            return self.base_lr + (self.target_lr - self.base_lr) * way

    class LRSequential(mx.LRScheduler):
        def __init__(self, *schedulers):
            super().__init__()
            self.count, self.update_sep, self.schedulers = 0, [], schedulers
            for scheduler in schedulers:
                scheduler.offset = self.count
                self.count += scheduler.niters
                self.update_sep.append(self.count)

        def __call__(self, t):
            later = [s for s, end in zip(self.schedulers, self.update_sep) if end > t]
            return (later or self.schedulers[-1:])[0](t)

    def warm(niters, begin=5):
        return LRSequential(GluonCV(0, 0.1, begin), GluonCV(0.1, 0, niters))

    for good in GluonCV(0.1, 0, 40), GluonCV(0.1, 0, 90, [20, 30]), warm(35):
        assert check(good, 40) == []
    for long in GluonCV(0.1, 0, 160), warm(160), GluonCV(0.1, 0, 90, [50]):
        (said,) = check(long, 40)
        assert 'The decay takes 160 epochs' in said or 'goes down at 50' in said
    (said,) = check(warm(9395), **BOOK)
    assert said.startswith('GluonCV takes 5 of 9400 updates')
    assert check(warm(9300, 100), **BOOK) == []
    (said,) = check(GluonCV(0.1, 0, 1), 40)
    assert said.startswith('GluonCV gives 0 of 40 rates and then says ZeroDivisionErr')


@pytest.fixture
def torch():
    return pytest.importorskip('torch')


def sgd(torch, lr=0.5):
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)


def test_the_cosine_of_torch_that_rises_again(torch):
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(sgd(torch), 30, 0.01)
    (said,) = check(scheduler, 40)
    assert said.startswith('Rises again after epoch 30, from 0.01 to 0.111')
    assert scheduler.last_epoch == 0
    assert scheduler.optimizer.param_groups[0]['lr'] == 0.5
    assert check(scheduler, 30) == []


def test_an_object_of_torch_that_a_plot_has_used_up(torch):
    optimizer = sgd(torch)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [15, 30], 0.5)
    assert check(scheduler, 40) == []
    for _ in range(30):  # the plot of the book's PyTorch edition
        optimizer.step()
        scheduler.step()
    (said,) = check(scheduler, 40)
    assert said.startswith('Used already: it was stepped 30 times and starts at 0.125')


def test_a_decay_of_torch_that_runs_under_the_warmup(torch):
    schedules, optimizer = torch.optim.lr_scheduler, sgd(torch)
    parts = [
        schedules.LinearLR(optimizer, 0.1, 1, 5),
        schedules.ExponentialLR(optimizer, 0.9),
    ]
    (said,) = check(schedules.ChainedScheduler(parts), 40)
    assert 'The peak 0.5 is never reached, the highest rate is 0.29' in said
    optimizer = sgd(torch)
    parts = [
        schedules.LinearLR(optimizer, 0.1, 1, 5),
        schedules.CosineAnnealingLR(optimizer, 35),
    ]
    assert check(schedules.SequentialLR(optimizer, parts, [5]), 40) == []
    (said,) = check(schedules.LinearLR(sgd(torch), 0.1, 1, 50), 40)
    assert said.startswith('The warmup is not over when the run ends')


@pytest.mark.parametrize('rate', [float('nan'), float('inf'), -1])
def test_a_rate_that_is_none_is_said(rate):
    scheduler = LambdaScheduler(lambda t: 0.1 if t < 20 else rate, base_lr=1)
    with pytest.raises(ValueError, match='epoch 20'):
        check(scheduler, 30)
    with pytest.raises(ValueError, match='per must be'):
        check(scheduler, 30, per='day')


def test_schedules_of_torch_that_are_meant_for_another_run(torch):
    schedules = torch.optim.lr_scheduler
    for wrong, right, words in (
        (
            schedules.OneCycleLR(sgd(torch), 0.5, total_steps=20),
            schedules.OneCycleLR(sgd(torch), 0.5, total_steps=40),
            'OneCycleLR has 20 steps, the run 40 epochs: PyTorch raises an error after',
        ),
        (
            schedules.OneCycleLR(sgd(torch), 0.5, total_steps=80),
            schedules.OneCycleLR(sgd(torch), 0.5, total_steps=45),
            'The decay takes 80 epochs, the run leaves it 40',
        ),
        (
            schedules.CosineAnnealingLR(sgd(torch), 9400),
            schedules.CosineAnnealingLR(sgd(torch), 40),
            'The decay takes 9400 epochs, the run leaves it 40',
        ),
        (
            schedules.MultiStepLR(sgd(torch), [30, 75]),
            schedules.MultiStepLR(sgd(torch), [20, 30]),
            'MultiStepLR goes down at 75',
        ),
        (
            schedules.StepLR(sgd(torch), 50),
            schedules.StepLR(sgd(torch), 20),
            'StepLR goes down at 50',
        ),
        (
            schedules.PolynomialLR(sgd(torch)),  # its total_iters is 5
            schedules.PolynomialLR(sgd(torch), 40),
            'The rate of the last 35 of 40 epochs (88 % of the run) is 0',
        ),
    ):
        (said,) = check(wrong, 40)
        assert said.startswith(words)
        assert check(right, 40) == []


def test_a_part_of_torch_in_the_wrong_unit(torch):
    schedules = torch.optim.lr_scheduler

    def steps(milestone, warmup=500):
        optimizer = sgd(torch)
        parts = [
            schedules.LinearLR(optimizer, 0.1, 1, warmup),
            schedules.MultiStepLR(optimizer, [milestone]),
        ]
        return schedules.SequentialLR(optimizer, parts, [warmup])

    (said,) = check(steps(30), **BOOK)
    assert said.startswith('MultiStepLR has a change after 30 of 9400 updates')
    (said,) = check(steps(7050, 5), **BOOK)
    assert said.startswith('LinearLR takes 5 of 9400 updates')
    assert check(steps(7050), **BOOK) == []
    (said,) = check(steps(30, 60), 40)
    assert said.startswith('The warmup is not over when the run ends')
    optimizer = sgd(torch)
    stable = schedules.ConstantLR(optimizer, 1.0), schedules.LinearLR(optimizer, 1, 0.1)
    (said,) = check(schedules.SequentialLR(optimizer, [*stable], [80]), 40)
    assert said.startswith('LinearLR would begin after 80 epochs, the run has 40')


def test_what_a_function_in_torch_does_is_not_taken_for_a_warmup(torch):
    schedules = torch.optim.lr_scheduler
    (said,) = check(schedules.LambdaLR(sgd(torch), lambda e: 1.02**e), 40)
    assert 'still rises when the run ends' in said and 'warmup' not in said

    def cosine(steps):
        """A tenth of warmup, as the functions of Hugging Face's library are."""
        return lambda t: min(
            (t + 1) / 0.1 / steps, (1 + math.cos(math.pi * t / steps)) / 2
        )

    def scheduler(steps):
        return schedules.LambdaLR(sgd(torch), cosine(steps))

    (said,) = check(scheduler(200), 40)
    assert said.startswith('The rate falls by ')
    assert check(scheduler(40), 40) == []
    optimizer = sgd(torch, lr=1.0)  # a unit, and not a peak
    parts = [
        schedules.LambdaLR(optimizer, lambda t: 0.01 * (t + 1)),
        schedules.LambdaLR(optimizer, lambda t: 0.1 * 0.9**t),
    ]
    assert check(schedules.SequentialLR(optimizer, parts, [10]), 40) == []


def test_cycles_of_torch(torch):
    schedules = torch.optim.lr_scheduler
    for scheduler in (
        schedules.CosineAnnealingWarmRestarts(sgd(torch), 10, 2),
        schedules.CyclicLR(sgd(torch), 0.1, 0.5, 13),
        schedules.CosineAnnealingLR(sgd(torch), 13, 0.01),
        schedules.LambdaLR(sgd(torch), wave(30)),
    ):
        assert check(scheduler, 40) == []


def test_a_model_is_not_copied_to_check_its_scheduler(torch):
    class Weight(torch.nn.Parameter):
        def __deepcopy__(self, memo):
            raise AssertionError('copied')

    weight = Weight(torch.ones(1))
    optimizer = torch.optim.AdamW([weight], lr=0.5)
    weight.sum().backward()
    optimizer.step()
    optimizer.state[weight]['exp_avg'] = Weight(torch.ones(1))
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    assert check(scheduler, 40) == []
    assert (scheduler.last_epoch, optimizer.param_groups[0]['lr']) == (0, 0.5)


# Of libraries that are not installed here: what they answer to, and no more


class Optimizer:
    def __init__(self):
        self.param_groups = [{'lr': 0.5, 'initial_lr': 0.5, 'params': []}]


class Timm:
    """Linear, and under its warmup, as timm's are by default."""

    def __init__(self, t_initial, warmup_t=0, t_in_epochs=True):
        self.optimizer, self.base_values = Optimizer(), [0.5]
        self.t_initial, self.warmup_t, self.lr_min = t_initial, warmup_t, 0
        self.t_in_epochs, self.warmup_steps = t_in_epochs, [0.4 / (warmup_t or 1)]

    def _get_lr(self, t):
        if t < self.warmup_t:
            return [0.1 + t * self.warmup_steps[0]]
        return [0.5 * max(0, 1 - t / self.t_initial)]

    def step(self, epoch, metric=None):
        self.optimizer.param_groups[0]['lr'] = self._get_lr(epoch)[0]


def test_schedules_of_timm():
    assert check(Timm(40), 40) == []
    assert check(Timm(40, t_in_epochs=False), 1, 'update', 40) == []
    for scheduler, words in (
        (Timm(80), 'The decay takes 80 epochs, the run leaves it 40'),
        (Timm(40, 5), 'The peak 0.5 is never reached, the highest rate is 0.4375'),
        (Timm(60, 50), 'The warmup takes 50 epochs, the run 40'),
        (Timm(20), 'The rate of the last 20 of 40 epochs (50 % of the run) is 0'),
        (
            Timm(40, t_in_epochs=False),
            "Timm counts updates, the plan epochs: say per='",
        ),
    ):
        (said,) = check(scheduler, 40)
        assert said.startswith(words)
    (said,) = check(Timm(40), 40, 'update')
    assert said == "Timm counts epochs, the plan updates: say per='epoch'."


class Ignite:
    """A handler, which answers nothing and sets the rate."""

    def __init__(self, points):
        self.optimizer, self.param_name, self.event_index = Optimizer(), 'lr', 0
        self.milestones, self.values = zip(*points)

    @property
    def optimizer_param_groups(self):
        return self.optimizer.param_groups

    def __call__(self, engine, name=None):
        line = PiecewiseLinearScheduler([*zip(self.milestones, self.values)])
        self.optimizer.param_groups[0]['lr'] = line(self.event_index)
        self.event_index += 1


def test_schedules_of_ignite():
    scheduler = Ignite([(0, 0.1), (5, 0.5), (40, 0)])
    assert check(scheduler, 40) == [] and scheduler.event_index == 0
    (said,) = check(Ignite([(0, 0.1), (5, 0.5), (80, 0)]), 40)
    assert said.startswith('The decay takes 80 epochs, the run leaves it 40')
    (said,) = check(Ignite([(0, 0.1), (5, 0.5), (9400, 0)]), **BOOK)
    assert said.startswith('Ignite has a change after 5 of 9400 updates')
    scheduler(None)
    (said,) = check(scheduler, 40)
    assert said.startswith('Used already: it was stepped 1 time and starts at 0.18')


class Megatron:
    def __init__(self, lr_decay_steps, lr_warmup_steps=5):
        self.optimizer, self.num_steps = Optimizer(), 0
        self.init_lr, self.max_lr, self.min_lr = 0.1, 0.5, 0.0
        self.lr_decay_steps, self.lr_warmup_steps = lr_decay_steps, lr_warmup_steps
        self.step(0)

    def step(self, increment):
        self.num_steps += increment
        way = (self.num_steps - self.lr_warmup_steps) / (
            self.lr_decay_steps - self.lr_warmup_steps
        )
        lr = 0.5 * max(0, 1 - way)
        if self.num_steps < self.lr_warmup_steps:
            lr = 0.1 + 0.4 * self.num_steps / self.lr_warmup_steps
        self.optimizer.param_groups[0]['lr'] = lr


def test_schedules_of_megatron():
    assert check(Megatron(40), 40) == []
    (said,) = check(Megatron(10_000), 40)
    assert 'takes 10000 epochs, the run leaves it 40' in said
    assert '(Megatron may count samples)' in said
    used = Megatron(40)
    used.step(10)
    assert check(used, 30)[0].startswith('Used already: it was stepped 10 times')


class Paddle:
    last_lr, last_epoch = 0.5, 0

    def get_lr(self):
        raise AssertionError('it was asked')

    __call__ = get_lr


class Fvcore:
    WHERE_EPSILON = 1e-6

    def __call__(self, where):
        raise AssertionError('it was asked')


@pytest.mark.parametrize('scheduler', [Paddle(), Fvcore()])
def test_what_counts_for_itself_or_by_shares_is_read_before_it_is_checked(scheduler):
    (said,) = check(scheduler, 40)
    assert said.endswith('read it with exchange.schedule, and check the plan.')

    class Function:
        last_lr = 0.5  # of a reader's, who remembers it

        def __call__(self, t):
            return self.last_lr

    assert check(Function(), 40) == []


class Plateau:
    patience, factor, optimizer = 10, 0.1, Optimizer()

    def step(self, metrics):
        raise AssertionError('it was asked')


def test_a_plateau_of_any_library_gets_a_sentence(torch):
    class Around:
        def __init__(self, **inside):
            self.__dict__.update(inside, optimizer=Optimizer())

        def step(self):
            raise AssertionError('it was asked')

    for scheduler in (
        Plateau(),
        torch.optim.lr_scheduler.ReduceLROnPlateau(sgd(torch)),
        Around(lr_scheduler=Plateau()),  # timm's
        Around(scheduler=Plateau()),  # Ignite's
        Around(_schedulers=[Plateau()], _milestones=[]),
    ):
        (said,) = check(scheduler, 40)
        assert said.endswith(
            ' follows the losses of a run and cannot be checked before it: draw the '
            'History of the run.'
        )


def test_an_object_that_cannot_be_asked_gets_a_sentence():
    class Odd:
        optimizer = Optimizer()

        def step(self, somewhat):
            raise AssertionError('it was asked')

    (said,) = check(Odd(), 40)
    assert said.startswith('Odd gives 1 of 40 rates and then says TypeError: ')
    assert said.endswith('check its arguments for this run.')
    with pytest.raises(ZeroDivisionError):  # of a reader's function
        check(lambda t: 1 / t, 40)


WARM = WarmupScheduler(ConstantScheduler(1.0), 470, 0.01)


@pytest.mark.parametrize(
    'scheduler',
    [
        EpochScheduler(CosineScheduler(40, 0.5, 0.01), 94),
        WarmupScheduler(EpochScheduler(CosineScheduler(35, 0.5), 94), 470, 0.01),
        ProductScheduler([WARM, CosineScheduler(3760, 0.5, 0.01)]),
        WarmupOverScheduler(CosineScheduler(3760, 0.5, 0.01), 470, 0.01),
    ],
    ids=repr,
)
def test_factors_and_epochs_within_updates_are_no_doubt(scheduler):
    assert check(scheduler, 40, 'update', 94) == []


def test_a_count_of_epochs_in_updates_without_a_word_is_one():
    (doubt,) = check(CosineScheduler(40, 0.5, 0.01), 40, 'update', 94)
    assert 'count in epochs' in doubt
