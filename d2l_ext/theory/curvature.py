"""Three measures of what training does to a net: they take arrays and name no framework.

How sharp the loss is where the weights are, how far a layer's weights have gone, and
how much of what a layer computed it computes still.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from d2l_ext.plan import whole_number


class Eigenpair(NamedTuple):
    """An eigenvalue, its eigenvector v of length 1, and the residual |H v - value v|.

    Some eigenvalue of H is no further from `value` than `residual`.
    """

    value: float
    vector: np.ndarray
    residual: float


def largest_eigenvalue(
    product: Callable[[np.ndarray], Any],
    start: Any,
    tolerance: float = 0.05,
    max_iterations: int = 50,
) -> Eigenpair:
    """Return the largest eigenvalue of a symmetric matrix H, an `Eigenpair`.

    `product` takes v of shape (n,) to H v. Power iteration, v <- H v / |H v| from
    v = start / |start|, goes on until the residual is at most `tolerance` times
    the value, or for `max_iterations`. A good `start` is the eigenvector of a
    moment ago; a value that is not finite tells of a product that is not. Raises
    ValueError for a `start` that is 0 or has another shape, a tolerance that is
    not finite and above 0, and `max_iterations` that are no whole number >= 1.

    >>> pair = largest_eigenvalue(lambda v: np.array([4, 1]) * v, [1, 1])
    >>> round(pair.value, 1), pair.residual <= 0.05 * pair.value
    (4.0, True)

    Source: von Mises and Pollaczek-Geiringer (1929); Pearlmutter (1994) for H v
    without H.
    """
    start = np.asarray(start, dtype=float)
    if start.ndim != 1 or not start.any():
        raise ValueError(f'start must have shape (n,), not 0, got {start!r:.80}')
    if not 0 < tolerance < math.inf:
        raise ValueError(f'tolerance must be above 0, got {tolerance!r}')
    pair = _iterate(product, start, 0, tolerance, max_iterations)
    if pair.value < 0:
        # the largest in size is negative: counted from there, the largest is
        start = np.random.default_rng(0).standard_normal(start.shape)
        pair = _iterate(product, start, pair.value, tolerance, max_iterations)
    return pair


def _iterate(
    product: Callable[[np.ndarray], Any],
    v: np.ndarray,
    shift: float,
    tolerance: float,
    max_iterations: int,
) -> Eigenpair:
    v = v / np.linalg.norm(v)
    for _ in range(whole_number('max_iterations', max_iterations)):
        turned = np.asarray(product(v), dtype=float)
        value = float(v @ turned)
        residual = float(np.linalg.norm(turned - value * v))
        turned = turned - shift * v
        length = np.linalg.norm(turned)
        # a residual of nan ends it as well
        if not (residual > tolerance * abs(value) and length > 0):
            break
        v = turned / length
    return Eigenpair(value, v, residual)


def distance(before: Any, after: Any) -> float:
    """Return how far weights have gone, in units of their first length.

    |after - before| / |before|, of arrays of any one shape. Raises ValueError for
    two shapes, and for weights that were all 0 before.

    >>> distance([3, 4], [3, 14])
    2.0

    Source: Gotmare et al. (2018) for asking it layer by layer.
    """
    before, after = (np.asarray(a, dtype=float) for a in (before, after))
    if before.shape != after.shape or not before.any():
        raise ValueError(
            f'before must not be all 0, and both of one shape, got {before.shape} '
            f'and {after.shape}'
        )
    return float(np.linalg.norm(after - before) / np.linalg.norm(before))


def svcca(before: Any, after: Any, share: float = 0.99) -> float:
    """Return the mean canonical correlation of two layers' outputs: 0 to 1.

    `before` and `after` have shape (examples, units), one row per example in both. Of
    each, the principal directions that hold so large a `share` of its variance count; the
    mean is over as many correlations as the smaller number of them. A layer that
    gives the same for every example is correlated with nothing: 0. Raises ValueError
    for other shapes, and a share outside (0, 1].

    >>> X = np.random.default_rng(0).standard_normal((50, 3))
    >>> round(svcca(X, X @ [[1, 2, 3], [0, 1, 4], [0, 0, 1]], share=1), 6)
    1.0

    Source: Hotelling (1936); Raghu et al. (2017).
    """
    before, after = (np.asarray(a, dtype=float) for a in (before, after))
    if before.ndim != 2 or after.ndim != 2 or len(before) != len(after):
        raise ValueError(
            f'before and after must have shape (examples, units), as many examples '
            f'each, got {before.shape} and {after.shape}'
        )
    if not 0 < share <= 1:
        raise ValueError(f'share must be above 0 and at most 1, got {share!r}')
    bases = [_principal(array, share) for array in (before, after)]
    if not all(basis.shape[1] for basis in bases):
        return 0.0
    correlations = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)
    return float(np.minimum(correlations, 1).mean())


def _principal(array: np.ndarray, share: float) -> np.ndarray:
    """Return orthonormal columns that hold this share of the array's variance."""
    basis, lengths, _ = np.linalg.svd(array - array.mean(axis=0), full_matrices=False)
    # in float32 outputs, what is smaller is rounding
    real = lengths > 1e-6 * np.linalg.norm(array)
    variance = np.cumsum(lengths**2)
    count = np.searchsorted(variance, share * variance[-1]) + 1
    return basis[:, : min(count, real.sum())]
