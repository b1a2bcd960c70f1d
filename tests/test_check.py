"""The schedule check: each doubt met by a schedule of the book, ours or a peer's."""

import time

import pytest

from d2l_ext.check import check
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
    SequentialScheduler,
    SquareRootScheduler,
    WarmupScheduler,
    one_cycle,
    warmup_cosine,
    warmup_stable_decay,
)

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


@pytest.mark.parametrize('scheduler', [s for s, *_ in DOUBTFUL])
def test_a_slider_need_not_wait(scheduler):
    # of a cycle or a reader's function all 9400 rates are looked at
    every = any(name in repr(scheduler) for name in ('Cyclic', 'Lambda'))
    for arguments, limit in ({'num_epochs': 40}, 1e-3), (BOOK, 2e-2 if every else 2e-3):
        seconds = []
        while len(seconds) < 50 and min(seconds, default=1) > limit:
            start = time.thread_time()
            check(scheduler, **arguments, stability=2.0)
            seconds.append(time.thread_time() - start)
        assert min(seconds) <= limit


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
