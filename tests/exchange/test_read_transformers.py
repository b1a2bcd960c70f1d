"""What transformers' `get_scheduler` returns, as plans."""

import pytest

from d2l_ext.exchange.code import code
from d2l_ext.exchange.read import schedule
from d2l_ext.schedulers import LambdaScheduler, PlateauScheduler

torch = pytest.importorskip('torch')
transformers = pytest.importorskip('transformers.optimization')

N = 70
# name, warmup, length, settings
SAID = [
    ('constant', None, None, {}),
    ('constant_with_warmup', 10, None, {}),
    ('linear', 10, 50, {}),
    ('linear', 0, 50, {}),
    ('cosine', 10, 50, {}),
    ('cosine', 10, 50, {'num_cycles': 1.5}),
    ('cosine_with_restarts', 10, 50, {'num_cycles': 2}),
    ('cosine_with_restarts', 10, 50, {'num_cycles': 3}),
    ('polynomial', 10, 50, {'power': 2.0, 'lr_end': 1e-3}),
    ('cosine_with_min_lr', 10, 50, {'min_lr': 0.05}),
    ('warmup_stable_decay', 10, 50, {'num_decay_steps': 20}),
    ('warmup_stable_decay', 10, 50, {'num_decay_steps': 40, 'decay_type': 'linear'}),
    ('inverse_sqrt', 10, None, {}),
    ('inverse_sqrt', 10, None, {'timescale': 25}),
    ('warmup_stable_decay', 10, 50, {'num_decay_steps': 20, 'decay_type': '1-sqrt'}),
    (
        'warmup_stable_decay',
        10,
        50,
        {'num_decay_steps': 20, 'min_lr_ratio': 0.1},
    ),
]
CALLED = [
    ('cosine_warmup_with_min_lr', 10, 50, {'min_lr': 0.05}),
]


def build(name, warmup, length, settings, *rates):
    groups = [{'params': [torch.zeros(1)], 'lr': lr} for lr in rates or (0.5,)]
    optimizer = torch.optim.SGD(groups, lr=0.5)
    return transformers.get_scheduler(name, optimizer, warmup, length, settings)


def stepped(scheduler, group=0):
    rates = []
    for _ in range(N):
        rates.append(scheduler.optimizer.param_groups[group]['lr'])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize('case', [*SAID, *CALLED], ids=str)
def test_a_transformers_schedule_gives_the_same_rate_at_every_update(case):
    plan = schedule(build(*case), 7, batches_per_epoch=10)
    assert plan.per == 'update'
    scheduler = build(*case)
    assert plan.rates().tolist() == pytest.approx(
        stepped(scheduler), rel=1e-9, abs=1e-15
    )
    assert schedule(scheduler, 7, 'update', 10) == plan or case in CALLED
    assert isinstance(plan.scheduler, LambdaScheduler) == (case in CALLED)


def test_every_group_of_transformers_is_seen():
    case = ('polynomial', 10, 50, {'lr_end': 1e-3}, 0.5, 0.05)
    for group in range(2):
        plan = schedule(build(*case), 7, 'update', 10, group=group)
        assert plan.rates().tolist() == pytest.approx(stepped(build(*case), group))


@pytest.mark.parametrize('case', SAID[1:5], ids=str)
def test_a_transformers_schedule_read_and_written_again_gives_the_same_rates(case):
    plan, space = schedule(build(*case), 7, 'update', 10), {}
    exec(code(plan, 'torch'), space)  # noqa: S102
    assert space['rates'] == pytest.approx(stepped(build(*case)), rel=1e-9, abs=1e-15)


def test_what_follows_a_metric_is_read_or_says_why_not():
    plan = schedule(build('reduce_lr_on_plateau', None, None, {'patience': 3}), N)
    assert plan.scheduler == PlateauScheduler(0.5, 0.1, 3, eps=1e-8)
    with pytest.raises(ValueError, match='GreedyLR cannot be read'):
        schedule(build('greedy', None, None, {}), N)
