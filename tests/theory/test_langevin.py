"""SGLD against exact posteriors, within errors that are stated."""

import math

import numpy as np
import pytest

from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.theory.langevin import (
    SGLDScheduler,
    importance_sample,
    langevin,
    rejection_rate,
    sample,
)
from d2l_ext.theory.posteriors import Logistic, Mixture

MIXTURE = Mixture.drawn(seed=6)
X_LOGISTIC = np.random.default_rng(3).standard_normal((40, 3))
LOGISTIC = Logistic(X_LOGISTIC, X_LOGISTIC[:, 0] > 0.3)


@pytest.mark.parametrize('gamma', [0.55, 1])
def test_the_papers_rates_meet_both_ends(gamma):
    scheduler = SGLDScheduler(10**6, 0.01, 1e-4, gamma)
    assert scheduler(0) == 0.01
    assert scheduler(10**6) == pytest.approx(1e-4, rel=1e-9)
    for t in (0, 1, 5e5, 2e6):
        formula = scheduler.a * (scheduler.b + t) ** -gamma
        assert scheduler(t) == pytest.approx(formula, rel=1e-9)
    assert eval(repr(scheduler)) == scheduler


@pytest.mark.parametrize(
    'name, value',
    [('max_update', 0), ('final_lr', 0), ('gamma', -1), ('base_lr', 1e-4)],
)
def test_a_rate_that_would_not_fall_is_refused(name, value):
    with pytest.raises(ValueError, match=f'{name} must .* got {value}'):
        SGLDScheduler(**({'max_update': 10} | {name: value}))


@pytest.mark.parametrize('lr', [0.01, 0.5])
def test_the_variance_of_a_normal_is_that_of_its_recursion(lr):
    # theta <- (1 - lr / 2) theta + sqrt(lr T) z settles at the variance T / (1 - lr / 4)
    T = np.array([[0.0], [0.5], [1.0], [2.0]])
    rng = np.random.default_rng(0)
    theta = np.sqrt(T) * rng.standard_normal((4, 20_000))
    for _ in range(round(6 / lr)):
        theta = langevin(theta, -theta, lr, rng, T)
    variance = theta.var(axis=1)
    assert variance[0] == 0
    error = math.sqrt(2 / 20_000)
    np.testing.assert_allclose(variance[1:], T[1:, 0] / (1 - lr / 4), rtol=4 * error)


@pytest.mark.parametrize(
    'arguments', [(-0.1, 1), (0.1, -1), (0.1, np.array([0, -1])), (float('nan'), 1)]
)
def test_no_rate_or_temperature_below_zero(arguments):
    lr, temperature = arguments
    with pytest.raises(ValueError, match='must be >= 0, got'):
        langevin(np.zeros(2), np.zeros(2), lr, np.random.default_rng(0), temperature)


@pytest.mark.parametrize('posterior, d', [(MIXTURE, 2), (LOGISTIC, 3)])
def test_the_gradient_is_that_of_the_density_and_a_minibatchs_its_mean(posterior, d):
    theta = np.random.default_rng(0).standard_normal((5, d))
    everything = np.arange(posterior.size)
    gradient = posterior.gradient(theta, everything)
    for k, step in enumerate(1e-5 * np.eye(d)):
        rise = posterior.log_density(theta + step) - posterior.log_density(theta - step)
        np.testing.assert_allclose(gradient[:, k], rise / 2e-5, rtol=1e-6, atol=1e-6)
    single = [posterior.gradient(theta, everything[[i]]) for i in everything]
    np.testing.assert_allclose(np.mean(single, axis=0), gradient, atol=1e-10)
    if posterior is MIXTURE:
        variance = posterior.gradient_variance(theta)
        np.testing.assert_allclose(np.var(single, axis=0), variance, rtol=1e-9)


def test_each_chain_has_its_own_minibatch():
    rows = np.array([[0, 1], [2, 3]])
    together = LOGISTIC.gradient(np.ones((2, 3)), rows)
    alone = [LOGISTIC.gradient(np.ones(3), each) for each in rows]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_the_long_run_makes_the_same_updates():
    lrs = [SGLDScheduler(25)(t) for t in range(25)]
    path = MIXTURE.long_run(lrs, np.random.default_rng(5), theta=(1, -2), block=25)
    rng, theta = np.random.default_rng(5), np.array([1.0, -2.0])
    rows, z = rng.integers(100, size=25), rng.standard_normal((25, 2))
    for t, lr in enumerate(lrs):
        gradient = MIXTURE.gradient(theta, rows[[t]])
        theta = theta + lr / 2 * gradient + math.sqrt(lr) * z[t]
        np.testing.assert_allclose(path[t], theta, rtol=1e-9)


def off(schedule, updates, burn_in):
    """Return how many standard errors 1000 chains are off the integrals, and these."""
    x, y = np.linspace(-2.5, 3.5, 121), np.linspace(-4, 4, 161)
    exact = MIXTURE.on_grid(x, y)
    points = np.stack(np.meshgrid(x, y, indexing='ij'), axis=-1)
    mean = np.tensordot(exact, points, 2)
    truth = np.tensordot(exact, MIXTURE.moments(points, mean), 2)
    rng = np.random.default_rng(0)
    start = rng.normal(0, (10**0.5, 1), (1000, 2))
    steps = enumerate(sample(MIXTURE, start, schedule, updates, rng))
    kept = [
        MIXTURE.moments(theta, mean) for t, theta in steps if t > burn_in and not t % 20
    ]
    found = np.mean(kept, axis=0)
    error = found.std(axis=0, ddof=1) / 1000**0.5
    return (found.mean(axis=0) - truth) / error, error


def test_the_papers_toy_is_sampled_within_the_error_of_a_thousand_chains():
    distance, error = off(SGLDScheduler(40_000), 40_000, burn_in=32_000)
    assert (abs(distance) < 3).all()
    # mean, covariance and weight of a hill: or the line above would prove nothing
    assert (error < [0.02, 0.035, 0.01, 0.03, 0.02, 0.02]).all()


def test_at_a_constant_rate_the_same_measure_sees_the_minibatchs_heat():
    distance, _ = off(ConstantScheduler(0.001), 10_000, burn_in=4000)
    assert distance[2] > 6


def test_logistic_regression_agrees_with_importance_sampling():
    rng = np.random.default_rng(1)
    start = rng.standard_normal((500, 3))
    steps = enumerate(
        sample(LOGISTIC, start, SGLDScheduler(3000, 0.1, 0.01), 3000, rng, 10)
    )
    kept = np.array([theta for t, theta in steps if t > 1000 and t % 20 == 0])
    found, chains = kept.mean(axis=(0, 1)), kept.mean(axis=0)
    spread = np.cov(kept.reshape(-1, 3).T)
    draws, weights = importance_sample(LOGISTIC, found, spread, 40_000, rng)
    assert 1 / (weights**2).sum() > 20_000
    reference = weights @ draws
    sd = np.cov(draws.T, aweights=weights).diagonal() ** 0.5
    error = np.hypot(chains.std(axis=0) / 500**0.5, sd / 20_000**0.5)
    assert (error < 0.03 * sd).all()
    assert (abs(found - reference) < 4 * error).all()
    np.testing.assert_allclose(spread.diagonal() ** 0.5, sd, rtol=0.05)


def test_importance_sampling_gives_back_a_normal_from_a_wrong_guess():
    class Normal:
        def log_density(self, theta):
            return -((theta - [1, -2]) ** 2 / [2, 8]).sum(axis=-1)  # variances 1 and 4

    guess = [0, 0], [[2, 0], [0, 9]]
    rng = np.random.default_rng(0)
    draws, weights = importance_sample(Normal(), *guess, 100_000, rng)
    worth = 1 / (weights**2).sum()
    np.testing.assert_allclose(weights @ draws, [1, -2], atol=4 * 2 / worth**0.5)
    covariance = np.cov(draws.T, aweights=weights)
    np.testing.assert_allclose(covariance, [[1, 0], [0, 4]], atol=0.1)


def test_the_rejection_rate_is_metropolis_and_hastings():
    theta, lr = np.array([[0.3, 0.7]]), 0.003
    rates = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows = rng.integers(100, size=(1, 1))
        there = theta + lr / 2 * MIXTURE.gradient(theta, rows)
        new = there + math.sqrt(lr) * rng.standard_normal((1, 2))
        back = new + lr / 2 * MIXTURE.gradient(new, rows)
        forth, home = (
            (a - b) @ (a - b) for a, b in ((new[0], there[0]), (theta[0], back[0]))
        )
        log_ratio = MIXTURE.log_density(new) - MIXTURE.log_density(theta)
        log_ratio += (forth - home) / (2 * lr)
        rates.append(1 - min(1, math.exp(log_ratio[0])))
        ours = rejection_rate(MIXTURE, theta, lr, np.random.default_rng(seed))
        assert ours == pytest.approx(rates[-1], abs=1e-9)
    assert 0.2 < np.mean(rates) < 0.9


def test_a_batch_is_a_whole_number_of_examples():
    rng, start = np.random.default_rng(0), np.zeros((1, 2))
    with pytest.raises(ValueError, match=r'batch_size must be a whole number .* 0\.5'):
        rejection_rate(MIXTURE, start, 0.1, rng, batch_size=0.5)
    with pytest.raises(ValueError, match=r'batch_size must be a whole number .* 0\.5'):
        next(sample(MIXTURE, start, ConstantScheduler(), 3, rng, batch_size=0.5))


def test_bad_data_is_refused():
    with pytest.raises(ValueError, match='X must be a sequence of finite numbers'):
        Mixture([1.0, float('nan')])
    with pytest.raises(ValueError, match=r'got \(3, 2\) and \(2,\)'):
        Logistic(np.zeros((3, 2)), [0, 1])
    with pytest.raises(ValueError, match='y must hold 0 and 1 alone'):
        Logistic(np.zeros((2, 2)), [1, 2])


def test_mxnets_sgld_is_the_same_rule_on_the_rescaled_gradient():
    pytest.importorskip('d2l_ext.mxnet')
    import mxnet as mx

    mx.random.seed(0)
    lr, scale = 0.5, 3
    sgld = mx.optimizer.create('sgld', learning_rate=lr, rescale_grad=scale)
    theta = mx.nd.zeros(20_000)
    for _ in range(60):
        sgld.update(0, theta, theta, None)
    # a target of precision 3: theta <- (1 - 3 lr / 2) theta + sqrt(lr) z
    expected = lr / (1 - (1 - scale * lr / 2) ** 2)
    variance = theta.asnumpy().var()
    assert variance == pytest.approx(expected, rel=4 * math.sqrt(2 / 20_000))
