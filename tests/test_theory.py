"""The noisy quadratic's exact loss, against simulation and by hand."""

import numpy as np
import pytest

from d2l_ext.schedulers import ConstantScheduler, CosineScheduler
from d2l_ext.theory import CURVATURES, consequence_panels, expected_loss


def simulated(lrs, updates, curvatures, noise, runs, rng):
    """Return the loss after each rate, shape (runs, len(lrs)), by running SGD."""
    x = np.ones((runs, len(curvatures)))
    losses = []
    for lr in lrs:
        for _ in range(updates):
            z = rng.standard_normal(x.shape)
            x = x - lr * (curvatures * x + np.sqrt(curvatures) * noise * z)
        losses.append((curvatures * x**2).sum(axis=1) / 2)
    return np.array(losses).T


def test_one_curvature_one_update_by_hand():
    # m = (1 - 0.5 * 2)^2 + 0.5^2 * 2 * 0.3^2 = 0.045 and the loss is 2 m / 2
    loss = expected_loss([0.5], curvatures=[2.0], noise=0.3)
    np.testing.assert_allclose(loss, [0.045], rtol=1e-12)


def test_agrees_with_simulated_sgd_within_its_error():
    lrs = [CosineScheduler(8, 1.2, 0.05)(t) for t in range(8)]
    curvatures, runs = np.array([1.0, 0.3, 0.05]), 20_000
    losses = simulated(lrs, 5, curvatures, 0.4, runs, np.random.default_rng(0))
    mean, error = losses.mean(axis=0), losses.std(axis=0) / np.sqrt(runs)
    exact = expected_loss(lrs, updates=5, curvatures=curvatures, noise=0.4)
    assert (np.abs(exact - mean) < 4 * error).all()
    assert (4 * error < 0.06 * exact).all()  # or the line above would prove nothing


@pytest.mark.parametrize('lr', [0.0, 0.3, 1.0, 1.9, 2.0])
def test_equal_updates_in_one_go_are_updates_one_by_one(lr):
    at_once = expected_loss([lr, lr / 2], updates=7)
    singly = expected_loss([lr] * 7 + [lr / 2] * 7)
    np.testing.assert_allclose(at_once, singly[[6, 13]], rtol=1e-9)


def test_diverges_above_two_over_the_largest_curvature_only():
    assert expected_loss([1.99] * 5000)[-1] < 10
    assert expected_loss([2.01] * 5000)[-1] == np.inf


def test_a_smaller_rate_has_the_lower_floor():
    high, low = (expected_loss([lr] * 40, updates=1000)[-1] for lr in (0.5, 0.1))
    assert low < high / 4


@pytest.mark.parametrize('lrs', [[-0.1], [float('nan')], 0.5])
def test_bad_rates_are_refused(lrs):
    with pytest.raises(ValueError, match='lrs must be'):
        expected_loss(lrs)


@pytest.mark.parametrize('per', ['epoch', 'update'])
def test_both_units_count_the_same_run(per):
    constant = ConstantScheduler(0.5)
    _, panel = consequence_panels(constant, 10, per, batches_per_epoch=20)
    epochs, losses = panel.lines['expected loss']
    assert (epochs[0], epochs[-1]) == (0, 10)
    assert losses[0] == CURVATURES.sum() / 2
    np.testing.assert_allclose(losses[-1], expected_loss([0.5], updates=200)[-1])


def test_the_stability_line_is_counted_in_words():
    panel = consequence_panels(ConstantScheduler(2.5), num_epochs=3)[1]
    assert '3 of 3 epochs lie above the stability line' in panel.note
