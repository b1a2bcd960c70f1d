"""PyTorch's schedulers as functions of time are PyTorch's schedulers."""

import random

import pytest

from d2l_ext.experiments.closed_forms import RULES, rates_by_rule


def settings(name, rng):
    """Return a base rate and arguments drawn for a scheduler."""
    lr, length, share = 10 ** rng.uniform(-4, 1), rng.randint(1, 40), rng.random()
    return lr, {
        'ConstantLR': {'factor': share, 'total_iters': length},
        'CosineAnnealingLR': {'T_max': length, 'eta_min': share * lr},
        'CosineAnnealingWarmRestarts': {
            'T_0': length,
            'T_mult': rng.randint(1, 3),
            'eta_min': share * lr,
        },
        'CyclicLR': {
            'base_lr': lr,
            'max_lr': lr * rng.uniform(1, 30),
            'step_size_up': length,
            'mode': rng.choice(['triangular', 'triangular2', 'exp_range']),
            'gamma': rng.uniform(0.9, 1),
            'cycle_momentum': False,
        },
        'ExponentialLR': {'gamma': rng.uniform(0.5, 1)},
        'LambdaLR': {'lr_lambda': lambda t: share / (t + 1)},
        'LinearLR': {
            'start_factor': rng.uniform(0.01, 1),
            'end_factor': share,
            'total_iters': length,
        },
        'MultiStepLR': {
            'milestones': [rng.randint(0, 60) for _ in range(3)],
            'gamma': share,
        },
        'OneCycleLR': {
            'max_lr': lr,
            'total_steps': 90,
            'pct_start': rng.uniform(0.05, 0.95),
            'cycle_momentum': False,
        },
        'PolynomialLR': {'total_iters': length, 'power': rng.uniform(0.5, 4)},
        'StepLR': {'step_size': length, 'gamma': share},
    }[name]


@pytest.mark.parametrize('name', RULES)
def test_a_rule_is_pytorchs(name):
    torch = pytest.importorskip('torch')
    rng = random.Random(0)
    for _ in range(60):
        lr, arguments = settings(name, rng)
        optimizer = torch.optim.SGD([torch.zeros(1)], lr)
        scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **arguments)
        theirs = []
        for _ in range(80):
            theirs.append(optimizer.param_groups[0]['lr'])
            optimizer.step()
            scheduler.step()
        ours = rates_by_rule(name, lr, 80, **arguments)
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-13 * lr), arguments


def test_a_rule_by_name_or_as_a_function():
    assert rates_by_rule(lambda t, lr, by: lr + by * t, 1.0, 3, by=2) == [1, 3, 5]
    with pytest.raises(ValueError, match=r"one of ConstantLR, .*, got 'NoamLR'"):
        rates_by_rule('NoamLR', 0.1)
