"""Ignite's parameter schedulers as plans."""

import re

import pytest
from rates import close

from d2l_ext.exchange.read import schedule
from d2l_ext.schedulers import PlateauScheduler

torch = pytest.importorskip('torch')
ignite = pytest.importorskip('ignite.handlers.param_scheduler')
lrs = torch.optim.lr_scheduler

N = 60
# PyTorch warns of a step of its scheduler without one of the optimizer
pytestmark = pytest.mark.filterwarnings('ignore')


def optimizer(*rates):
    groups = [{'params': [torch.zeros(1)], 'lr': lr} for lr in rates or (0.5,)]
    return torch.optim.SGD(groups, lr=0.5)


def called(scheduler, n=N, group=0):
    opt = scheduler.optimizer
    opt = opt[0] if isinstance(opt, list) else opt
    rates = []
    for _ in range(n):
        scheduler(None)
        rates.append(float(opt.param_groups[group]['lr']))
    return rates


def shown(*states):
    return re.sub('0x[0-9a-f]+', '', repr(states))


def linear(*args, **settings):
    return lambda opt: ignite.LinearCyclicalScheduler(opt, 'lr', *args, **settings)


def cosine(*args, **settings):
    return lambda opt: ignite.CosineAnnealingScheduler(opt, 'lr', *args, **settings)


def points(*pairs):
    return lambda opt: ignite.PiecewiseLinear(opt, 'lr', list(pairs))


def concat(*parts, durations):
    return lambda opt: ignite.ConcatScheduler([part(opt) for part in parts], durations)


def wrapped(name, *args, **settings):
    return lambda opt: ignite.LRScheduler(getattr(lrs, name)(opt, *args, **settings))


def warmed(name, *args, end=None):
    return lambda opt: ignite.create_lr_scheduler_with_warmup(
        getattr(lrs, name)(opt, *args), 0.05, 8, end
    )


CASES = {
    'linear up': linear(0.1, 0.5, 20),
    'linear down': linear(0.5, 0.1, 15),
    'linear monotonic': linear(0.5, 0.1, 15, monotonic=True),
    'linear changing': linear(0.5, 0.1, 10, 1.5, 0.8, 0.9),
    'linear returning': linear(0.5, 0.1, 10, monotonic=True, warmup_duration=5),
    'cosine': cosine(0.5, 0.1, 15),
    'cosine changing': cosine(0.5, 0.1, 10, 1.5, 0.8, 0.9),
    'cosine returning': cosine(0.5, 0.1, 10, 1.5, 0.8, 0.9, 4),
    'points': points((0, 0.1), (10, 0.5), (50, 0.01)),
    'points later': points((5, 0.1), (10, 0.5)),
    'concat': concat(points((0, 0.1), (10, 0.5)), cosine(0.5, 0.1, 25), durations=[12]),
    'StepLR': wrapped('StepLR', 7, 0.5),
    'MultiStepLR': wrapped('MultiStepLR', [0, 7], 0.5),
    'ConstantLR': wrapped('ConstantLR', 0.5, 9),
    'LinearLR': wrapped('LinearLR', 0.5, 1.0, 9),
    'MultiplicativeLR': wrapped('MultiplicativeLR', lambda t: 0.95),
    'LambdaLR': wrapped('LambdaLR', lambda t: 0.95**t),
    'ExponentialLR': wrapped('ExponentialLR', 0.95),
    'PolynomialLR': wrapped('PolynomialLR', 40, 2.0),
    'CosineAnnealingLR': wrapped('CosineAnnealingLR', 25, 0.01),
    'WarmRestarts': wrapped('CosineAnnealingWarmRestarts', 7, 2, 0.01),
    'warmup StepLR': warmed('StepLR', 7, 0.5),
    'warmup CosineAnnealingLR': warmed('CosineAnnealingLR', 25),
    'warmup WarmRestarts': warmed('CosineAnnealingWarmRestarts', 7, 2, 0.01),
    'warmup to another': warmed('ExponentialLR', 0.95, end=0.3),
    'warmup of ignite': lambda opt: ignite.create_lr_scheduler_with_warmup(
        cosine(0.5, 0.1, 15)(opt), 0.05, 8, 0.5
    ),
}


@pytest.mark.parametrize('name', CASES)
def test_an_ignite_schedule_gives_the_same_rate_at_every_event(name):
    plan = schedule(CASES[name](optimizer()), N)
    assert plan.rates().tolist() == close(called(CASES[name](optimizer())))


@pytest.mark.parametrize('name', CASES)
def test_an_ignite_object_is_left_as_it_was_and_read_from_its_beginning(name):
    scheduler = CASES[name](optimizer())
    called(scheduler, 5)
    opt = scheduler.optimizer
    state = shown(scheduler.state_dict(), opt.state_dict())
    again = schedule(scheduler, N).rates().tolist()
    assert shown(scheduler.state_dict(), opt.state_dict()) == state
    assert again == close(called(CASES[name](optimizer())))


def test_cycles_that_have_changed_themselves_are_refused():
    scheduler = CASES['cosine changing'](optimizer())
    called(scheduler, 30)
    with pytest.raises(ValueError, match='has changed its own settings in 2 cycles'):
        schedule(scheduler, N)


def test_groups_of_ignite_are_seen():
    def build():
        opt = optimizer(0.5, 0.05)
        parts = [
            ignite.PiecewiseLinear(opt, 'lr', [(0, lr), (9, 0)], param_group_index=i)
            for i, lr in enumerate((0.5, 0.05))
        ]
        return ignite.ParamGroupScheduler(parts)

    with pytest.raises(ValueError, match='group must be 0 to 1'):
        schedule(build(), N)
    for group in range(2):
        rates = schedule(build(), N, group=group).rates().tolist()
        assert rates == close(called(build(), group=group))


def test_a_plateau_of_ignite_is_read():
    scheduler = ignite.ReduceLROnPlateauScheduler(
        optimizer(), 'loss', factor=0.5, patience=1
    )
    read = schedule(scheduler, N).scheduler
    assert read == PlateauScheduler(0.5, 0.5, 1, 1e-4, 0, 0, 'min', 'rel', 1e-8)


def test_another_parameter_of_ignite_is_refused():
    scheduler = ignite.PiecewiseLinear(optimizer(), 'momentum', [(0, 0.9), (9, 0.8)])
    with pytest.raises(ValueError, match="param_name must be 'lr'"):
        schedule(scheduler, N)
