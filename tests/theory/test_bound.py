"""The worst case: the sums of the bound, runs that obey it, and its best schedule."""

import math

import numpy as np
import pytest

from d2l_ext.theory.bound import (
    best_base_rate,
    best_rates,
    last_iterate_bound,
    refined_rates,
)
from tests.clock import quiet_seconds


def as_printed(lrs, distance, norms):
    """Return the bound sum by sum, t and k counting from 1 as in the papers."""
    T = len(lrs)
    lr, G = [None, *lrs], [None, *norms]
    bound = distance**2 / (2 * sum(lr[t] for t in range(1, T + 1)))
    bound += sum(lr[t] ** 2 * G[t] ** 2 for t in range(1, T + 1)) / (
        2 * sum(lr[t] for t in range(1, T + 1))
    )
    for k in range(1, T):
        after = sum(lr[t] for t in range(k + 1, T + 1))
        since = sum(lr[t] for t in range(k, T + 1))
        squares = sum(lr[t] ** 2 * G[t] ** 2 for t in range(k, T + 1))
        bound += lr[k] / after * squares / since / 2
    return bound


@pytest.mark.parametrize('count', [1, 2, 3, 17])
def test_bound_is_the_sum_that_is_printed(count):
    rng = np.random.default_rng(count)
    lrs, norms = rng.uniform(0.1, 1, count), rng.uniform(0.5, 2, count)
    exact = as_printed(lrs, 1.7, norms)
    assert last_iterate_bound(lrs, 1.7, norms) == pytest.approx(exact, rel=1e-12)
    one = as_printed(lrs, 1.7, np.full(count, 3.0))
    assert last_iterate_bound(lrs, 1.7, 3.0) == pytest.approx(one, rel=1e-12)


def run(lrs, planes, x, rng):
    """Return f(x_T) and the norms of the gradients of f(x) = max_j a_j x, minimum 0.

    A gradient is one of the active planes' slopes, by chance; x_T is the point where
    the last is taken.
    """
    norms = []
    for lr in lrs:
        values = planes @ x
        active = np.flatnonzero(values > values.max() - 1e-9)
        slope = planes[rng.choice(active)]
        norms.append(np.linalg.norm(slope))
        value, x = values.max(), x - lr * slope
    return value, norms


@pytest.mark.parametrize('seed', range(30))
def test_no_run_on_a_convex_function_ends_above_the_bound(seed):
    rng = np.random.default_rng(seed)
    dimensions, T = rng.integers(1, 6), rng.integers(1, 12)
    planes = rng.standard_normal((4, dimensions))
    planes = np.concatenate([planes, -planes])  # so that the minimum is 0, at 0
    x = rng.standard_normal(dimensions)
    lrs = rng.uniform(0, 1, T) ** rng.integers(1, 4)
    value, norms = run(lrs, planes, x, rng)
    assert value <= last_iterate_bound(lrs, np.linalg.norm(x), norms)
    # the norms are known after the run only, so best_rates takes their largest
    largest = np.linalg.norm(planes, axis=1).max()
    lrs, bound = best_rates(np.full(T, largest), np.linalg.norm(x))
    assert run(lrs, planes, x, rng)[0] <= bound + 1e-12


@pytest.mark.parametrize('T', [1, 2, 5, 20])
def test_linear_decay_is_the_optimum_for_no_schedule_does_better_on_one_function(T):
    # f(x) = max_i x_i, minimum over |x| <= 1 at (-1, ..., -1) / sqrt(T); the gradient
    # is along a direction not yet moved in, as long as there is one
    floor = -1 / math.sqrt(T)
    rng = np.random.default_rng(T)
    for lrs in rng.uniform(0, 2, (20, T)):
        x = np.zeros(T)
        for t, lr in enumerate(lrs):
            assert x[t] == x.max()
            value = x.max()
            x[t] -= lr
        assert value - floor == pytest.approx(1 / math.sqrt(T))
    lrs, bound = best_rates(np.ones(T))
    assert bound == pytest.approx(1 / math.sqrt(T))
    t = np.arange(1, T + 1)
    assert lrs == pytest.approx((1 - t / T) / math.sqrt(T), abs=1e-15)


def test_no_other_weights_have_a_smaller_bound():
    rng = np.random.default_rng(0)
    norms = rng.uniform(0.5, 2, 8)
    _, bound = best_rates(norms, distance=1.5)

    def with_weights(w):
        return (1.5**2 + w**2 @ norms**2) / (2 * w.sum())

    best = 1.5 / math.sqrt((norms**-2).sum()) * norms**-2
    assert with_weights(best) == pytest.approx(bound)
    for scatter in 0.01, 0.1, 1:
        for _ in range(200):
            w = best * np.exp(scatter * rng.standard_normal(8))
            assert with_weights(w) > bound


def test_bound_of_the_last_iterate_is_smallest_for_linear_decay_up_to_the_last_rate():
    T = 30
    lrs = 1 - np.arange(T) / T
    value = best_base_rate(lrs).bound
    # descent in the logarithms of the rates, by finite differences
    for _ in range(500):
        tries = lrs * np.exp(1e-6 * np.eye(T))
        slope = [(best_base_rate(row).bound - value) / 1e-6 for row in tries]
        lrs = lrs * np.exp(-40 * np.array(slope))
        value = best_base_rate(lrs).bound
    assert np.abs(slope).max() < 1e-6
    t = np.arange(T)
    line = np.polynomial.Polynomial.fit(t[:-1], lrs[:-1], 1)
    assert np.abs(lrs[:-1] - line(t[:-1])).max() < 0.02 * lrs[0]
    assert line.roots() == pytest.approx([T], abs=2)
    linear = best_base_rate(1 - t / T).bound
    assert 0.9 * linear < value < linear


def test_base_rate_is_the_best_of_a_grid():
    rng = np.random.default_rng(0)
    lrs, norms = rng.uniform(0.1, 1, 50), rng.uniform(0.5, 2, 50)
    base_lr, bound = best_base_rate(lrs, 3.0, norms)
    assert last_iterate_bound(base_lr * lrs, 3.0, norms) == pytest.approx(bound)
    for factor in 0.99, 1.01, 0.1, 10:
        assert last_iterate_bound(factor * base_lr * lrs, 3.0, norms) > bound


def test_bounds_order_the_schedules_and_grow_with_the_horizon_without_decay_to_zero():
    ratios = []
    for T in 400, 3760:
        t = np.arange(T)
        shapes = {
            'linear': 1 - t / T,
            'cosine': (1 + np.cos(np.pi * t / T)) / 2,
            'WSD': np.minimum(1, (T - t) / (0.2 * T)),
            'square root': (1 + t) ** -0.5,
            'constant': np.ones(T),
        }
        bounds = [best_base_rate(lrs).bound * math.sqrt(T) for lrs in shapes.values()]
        assert bounds == sorted(bounds)
        ratios.append(np.array(bounds) / bounds[0])
    assert best_base_rate(1 - t / T).base_lr * math.sqrt(T) == pytest.approx(
        1, abs=0.01
    )
    assert bounds[0] == pytest.approx(2, abs=0.01)
    growth = ratios[1] / ratios[0]
    assert growth[1:3] == pytest.approx(1, abs=0.03)
    assert (growth[3:] > 1.1).all()
    constant = math.sqrt(1 + (1 / t[1:]).sum())
    assert bounds[4] == pytest.approx(constant, rel=1e-9)


def test_rates_of_zero_at_the_end_do_not_count():
    assert last_iterate_bound([0.5, 0.2, 0, 0]) == last_iterate_bound([0.5, 0.2])
    assert last_iterate_bound([0.5, 0, 0.2]) < math.inf


def test_norms_that_fall_early_give_warmup_and_norms_that_rise_a_faster_fall():
    T = 1000
    t = np.arange(T)
    early = refined_rates(1 + 4 * np.exp(-t / 60), smoothing=0.02)
    assert 50 < early.argmax() < 400
    assert early[0] < 0.1
    late = refined_rates(1 + np.exp((t - T) / 60), smoothing=0.02)
    linear = refined_rates(np.ones(T))
    assert linear == pytest.approx(1 - t / (T - 1))
    assert late[900] < 0.6 * linear[900]


def test_smoothing_takes_the_median_of_a_window():
    norms = np.ones(101)
    norms[[20, 50, 51]] = 100.0
    assert refined_rates(norms, 0.1) == pytest.approx(refined_rates(np.ones(101)))
    assert refined_rates(norms, 0)[50] < 1e-3
    # the end sees itself mirrored, not its last norm over and over
    norms = np.append(np.ones(100), 100.0)
    assert refined_rates(norms, 0.1) == pytest.approx(refined_rates(np.ones(101)))


def test_thousands_of_rates_take_milliseconds():
    lrs, norms = np.linspace(1, 0.1, 3760), np.linspace(2, 1, 3760)
    times = []
    for _ in range(20):
        times.append(quiet_seconds(best_base_rate, lrs, 1.0, norms))
    assert min(times) < 0.003


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: last_iterate_bound([]), 'lrs must be rates >= 0, finite and not'),
        (lambda: last_iterate_bound([0.0]), 'lrs must be rates >= 0, finite and not'),
        (lambda: last_iterate_bound([-1.0]), 'lrs must be rates >= 0'),
        (lambda: last_iterate_bound([1.0], -1), 'distance must be finite and >= 0'),
        (lambda: last_iterate_bound([1.0], 1, [1, 2]), 'one for each of the 1 rates'),
        (lambda: best_base_rate([1.0], 1, 0.0), 'norms must not all be 0'),
        (lambda: best_rates([1.0, 0.0]), 'norms must be numbers, finite and above 0'),
        (lambda: best_rates([1.0], math.inf), 'distance must be finite and >= 0'),
        (lambda: refined_rates([1.0]), 'norms must be two numbers or more'),
        (lambda: refined_rates([1.0, 2.0], 2), 'smoothing must be from 0 to 1'),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
