"""The expected loss of the noisy quadratic at the end, and its slope in every rate.

The updates of one rate are one linear map, so all maps and their derivatives are
computed side by side. One pass forwards through the maps then gives the moments on the
way, one pass back what each of them adds to the final loss (the adjoint method).
"""

import numpy as np

from d2l_ext.theory._moments import checked
from d2l_ext.theory.quadratic import CURVATURES


def loss_and_gradient(
    lrs: np.ndarray,
    updates: int = 1,
    curvatures: np.ndarray = CURVATURES,
    noise: float = 0.1,
    start: float = 1.0,
    momentum: float = 0.0,
    batch_size: int = 1,
    scale: float | np.ndarray = 1.0,
) -> tuple[float, np.ndarray]:
    """Return the expected loss at the end, and its derivative by each rate, as `lrs`.

    The arguments are those of `expected_loss`. In one direction, z = (E[x^2], E[x v],
    E[v^2], 1) turns into T_k z under the updates with rate k. The loss at the end is
    a z with a = (s h / 2, 0, 0, 0), so its derivative by lr_k is a_k (dT_k / dlr_k)
    z_k with z_k the moments before, and a_k = a T_K ... T_(k+1) from the pass back,
    the adjoint. Each direction adds its own.

    Raises ValueError as `expected_loss` does, but for a rate below 0.

    >>> loss, gradient = loss_and_gradient([0.5, 0.5], curvatures=[1.0], noise=0)
    >>> loss, gradient.round(6).tolist()
    (0.03125, [-0.125, -0.125])

    Source: Griewank and Walther (2008) for the adjoint; Squire and Trapp (1998) for
    the derivative of T from a complex step.
    """
    lrs = np.asarray(lrs, dtype=float)
    h = checked(curvatures, momentum, batch_size)
    scale = np.broadcast_to(scale_of(scale, len(lrs)), lrs.shape)
    problem = updates, h, noise**2 / batch_size, momentum, scale
    maps, derivatives = maps_of(lrs, *problem)
    before, after = passes_of(maps, h, start, scale)
    gradient = (after @ derivatives @ before).sum(axis=(1, 2, 3))
    return float((after[-1] @ maps[-1] @ before[-1]).sum()), gradient


def scale_of(scale, count):
    scale = np.asarray(scale, dtype=float)
    if scale.shape not in ((), (count,)) or not np.all(scale > 0):
        raise ValueError(
            f'scale must be a number above 0, or one for each of the {count} rates, got '
            f'{scale!r:.80}'
        )
    return scale


def maps_of(lrs, updates, h, s2, momentum, scale):
    """Return the matrix of each rate's updates in each direction, and its derivative.

    Their shape is (len(lrs), len(h), n, n). n = 4 is for (E[x^2], E[x v], E[v^2], 1),
    n = 2 for (E[x^2], 1): all that is needed without momentum. A complex step
    differentiates the power too, and is exact: what rounds is of its square.
    """
    tiny = 1e-100
    lr = lrs + 1j * tiny
    slope = np.multiply.outer(lr * scale, h)
    q = np.multiply.outer(lr**2 * scale, h * s2)
    p, b = 1 - slope, momentum
    size = 4 if b else 2
    step = np.zeros((*slope.shape, size, size), dtype=complex)
    step[..., 0, 0], step[..., -1, -1] = p**2, 1
    step[..., :-1, -1] = q[..., None]
    if b:  # v <- b v - slope x + noise, x <- x + v
        bb = np.full(slope.shape, b**2)
        rows = [
            [p**2, 2 * b * p, bb],
            [-slope * p, b * (p - slope), bb],
            [slope**2, -2 * b * slope, bb],
        ]
        step[..., :3, :3] = np.moveaxis(np.array(rows), (0, 1), (-2, -1))
    step = np.linalg.matrix_power(step, updates)
    return step.real.copy(), step.imag / tiny


def passes_of(maps, h, start, scale):
    """Return the moments before each map, and what those after it add to the loss."""
    count, directions, size, _ = maps.shape
    before = np.zeros((count, directions, size, 1))
    before[0, :, 0], before[0, :, -1] = float(start) ** 2, 1
    after = np.zeros((count, directions, 1, size))
    after[-1, :, 0, 0] = scale[-1] * h / 2
    for k in range(1, count):
        np.matmul(maps[k - 1], before[k - 1], out=before[k])
        np.matmul(after[-k], maps[-k], out=after[-k - 1])
    return before, after
