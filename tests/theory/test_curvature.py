"""Sharpness against exact eigenvalues; distances and correlations."""

import numpy as np
import pytest

from d2l_ext.theory.curvature import distance, largest_eigenvalue, svcca


@pytest.mark.parametrize(
    'eigenvalues',
    [(5, 3, 1, 0, -1), (4, 3.9, 1, -3), (2, 1, -7), (-1, -2, -8)],
    ids=['clear', 'close', 'a larger negative one', 'all negative'],
)
def test_the_largest_eigenvalue_of_a_matrix(eigenvalues):
    rng = np.random.default_rng(3)
    Q, _ = np.linalg.qr(rng.standard_normal((len(eigenvalues),) * 2))
    H = Q @ np.diag(eigenvalues) @ Q.T
    start = rng.standard_normal(len(H))
    value, vector, residual = largest_eigenvalue(lambda v: H @ v, start, 1e-3, 2000)
    assert value == pytest.approx(max(eigenvalues), rel=1e-3)
    assert np.linalg.norm(vector) == pytest.approx(1)
    assert np.linalg.norm(H @ vector - value * vector) == pytest.approx(residual)
    assert residual <= 1e-3 * abs(value)


def test_the_residual_tells_of_a_stop_too_early():
    H = np.diag([1.0, 0.99, 0.5])
    pair = largest_eigenvalue(lambda v: H @ v, [1, 1, 1], 1e-6, max_iterations=3)
    assert 0.001 < pair.residual < 0.1
    assert np.abs(np.diag(H) - pair.value).min() <= pair.residual


def test_what_is_not_finite_is_told_not_iterated():
    calls = []

    def product(v):
        calls.append(v)
        return np.full(2, np.nan)

    assert np.isnan(largest_eigenvalue(product, [1, 1]).value)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: largest_eigenvalue(abs, [0, 0]), 'start must have .* got array'),
        (lambda: largest_eigenvalue(abs, [1], 0), 'tolerance must be above 0, got 0'),
        (lambda: distance([0], [1]), 'before must not be all 0'),
        (lambda: distance([1], [1, 2]), r'\(1,\) and \(2,\)'),
        (lambda: svcca(np.ones((3, 2)), np.ones((4, 2))), r'\(3, 2\) and \(4, 2\)'),
        (lambda: svcca(np.eye(2), np.eye(2), 0), 'share must be .*, got 0'),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_svcca_sees_through_any_change_of_basis_and_no_further():
    rng = np.random.default_rng(0)
    signal, noise, other = rng.standard_normal((3, 4000, 4))
    turned = signal @ rng.standard_normal((4, 4)) + 7
    assert svcca(signal, turned, share=1) == pytest.approx(1)
    assert svcca(signal, other) < 0.05
    # half of the directions in common; of the others, none
    assert svcca(
        np.hstack([signal, noise]), np.hstack([signal, other]), share=1
    ) == pytest.approx(0.5, abs=0.05)
    # correlation 1 / sqrt(2), as the noise is as large as the signal
    assert svcca(signal, signal + noise) == pytest.approx(0.5**0.5, abs=0.03)


def test_a_dead_layer_is_correlated_with_nothing():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((100, 3)).astype('float32')
    for dead in (np.zeros((100, 3)), np.full((100, 3), 0.1, 'float32')):
        assert svcca(signal, dead) == svcca(dead, signal) == svcca(dead, dead) == 0


def test_directions_that_hold_little_do_not_count():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((1000, 2))
    faint = [1e-3 * rng.standard_normal((1000, 1)) for _ in range(2)]
    before, after = (np.hstack([signal, each]) for each in faint)
    assert svcca(before, after) == pytest.approx(1)
    assert svcca(before, after, share=1) == pytest.approx(2 / 3, abs=0.05)
