"""The noisy quadratic: a problem on which every schedule's expected loss is exact.

Gradient descent meets a loss (1/2) sum_i h_i x_i^2 whose gradients carry noise. It has
what the section talks about: rates that diverge, directions that differ in
sensitivity, bouncing about the minimum, and decay that ends the bouncing.
"""

import math
from collections.abc import Sequence

import numpy as np

from d2l_ext.plan import whole_number
from d2l_ext.theory._moments import checked, second_moments

Numbers = Sequence[float] | np.ndarray


def update_by_update(
    lrs: Numbers,
    curvatures: Numbers,
    noise: float = 0.1,
    start: float = 1.0,
    momentum: float = 0.0,
    batch_size: float = 1,
    scale: float | Numbers = 1.0,
) -> np.ndarray:
    """Return E[x_i^2] after each of the updates, float64, shape (len(lrs), n).

    This is the problem as it is defined; `expected_loss` computes the same many
    updates at a time. In direction i of the n, SGD is at the place x_i = start with the
    velocity v_i = 0 at first, and an update draws z, a standard normal:

        v_i <- momentum v_i - lr (s h_i x_i + sqrt(s h_i / batch_size) noise z)
        x_i <- x_i + v_i

    with h_i one of `curvatures` and s = `scale`, a number or one for each rate. So the
    moments E[x^2], E[x v] and E[v^2] after an update follow from those before it.

    >>> update_by_update([1.0, 0.5], [1.0], noise=1).tolist()
    [[1.0], [0.5]]

    Source: Schaul et al. (2013), Zhang et al. (2019) for the problem; Gluon's SGD for
    the update, which keeps the rate inside v (PyTorch's does not: the same wherever
    the rate is constant).
    """
    h, moments = np.asarray(curvatures, dtype=float), []
    xx, xv, vv = float(start) ** 2 * np.ones_like(h), 0 * h, 0 * h
    for lr, s in zip(lrs, np.broadcast_to(scale, len(lrs))):
        slope, added = lr * s * h, lr**2 * s * h * noise**2 / batch_size
        vv = momentum**2 * vv - 2 * momentum * slope * xv + slope**2 * xx + added
        xv = momentum * xv - slope * xx  # x is still the old one
        xx, xv = xx + 2 * xv + vv, xv + vv
        moments.append(xx)
    return np.reshape(moments, (len(lrs), len(h)))


SHAPES = 'even', 'power law', 'two'


def spectrum(
    condition_number: float = 100.0, shape: str = 'even', size: int = 20
) -> np.ndarray:
    """Return `size` curvatures from 1 down to 1 / condition_number, float64.

    'even': each the same multiple of the one before. 'power law': h_i = i^-a for
    i = 1, 2, ...; with condition_number = size, a is 1 as in the paper. 'two': none
    in between, the section's picture of a long valley. Raises ValueError for a
    condition number below 1, another shape, and fewer than 2 curvatures.

    >>> spectrum(4, 'power law', size=4).round(2).tolist()
    [1.0, 0.5, 0.33, 0.25]

    Source: Zhang et al. (2019) for the power law.
    """
    if not 1 <= condition_number < math.inf:
        raise ValueError(
            f'condition_number must be finite and >= 1, got {condition_number!r}'
        )
    if shape not in SHAPES:
        raise ValueError(f'shape must be one of {", ".join(SHAPES)}, got {shape!r}')
    size = whole_number('size', size, at_least=2)
    if shape == 'two':
        return np.array([1, 1 / condition_number])
    if shape == 'power law':
        i = np.arange(1, size + 1)
        return i ** -(math.log(condition_number) / math.log(size))
    return (1 / condition_number) ** np.linspace(0, 1, size)


CURVATURES = spectrum()


def expected_loss(
    lrs: Numbers,
    updates: int = 1,
    curvatures: Numbers = CURVATURES,
    noise: float = 0.1,
    start: float = 1.0,
    momentum: float = 0.0,
    batch_size: float = 1,
    scale: float | Numbers = 1.0,
) -> np.ndarray:
    """Return the expected loss after each rate in `lrs`, float64, shape (len(lrs),).

    The loss is (1/2) s sum_i h_i E[x_i^2]: the arguments and the update are those of
    `update_by_update`, but each rate holds for `updates` updates. Without momentum,
    and with s = 1, m_i = E[x_i^2] obeys
    m_i <- (1 - lr h_i)^2 m_i + lr^2 h_i noise^2 / batch_size. From a loss beyond 1e12
    on, a run has diverged, and its loss is inf. Raises ValueError for a rate or a
    scale below 0, a momentum outside [0, 1), a batch below 1, and curvatures that are
    no list of numbers >= 0.

    >>> expected_loss([1.0, 0.5], curvatures=np.array([1.0]), noise=0).tolist()
    [0.0, 0.0]

    Source: Schaul et al. (2013); Zhang et al. (2019); book section 11.4.
    """
    weights = np.asarray(curvatures, dtype=float) / 2
    problem = curvatures, noise, start, momentum, batch_size, scale
    return loss_of(second_moments(lrs, updates, *problem, weights), scale)


def loss_of(sums: np.ndarray, scale: float | Numbers) -> np.ndarray:
    """Return the loss s m of the sums m = (1/2) sum_i h_i E[x_i^2], one for each rate.

    From the first beyond 1e12 on it is inf: the run has diverged.

    >>> loss_of(np.array([0.5, 1e13, 0.5]), scale=2).tolist()
    [1.0, inf, inf]
    """
    with np.errstate(over='ignore', invalid='ignore'):
        losses = sums * scale
    gone = ~(losses < 1e12)
    if gone.any():
        losses[np.argmax(gone) :] = np.inf
    return losses


def stability_line(curvatures: Numbers = CURVATURES, momentum: float = 0.0) -> float:
    """Return the rate from which on `expected_loss` grows: 2 (1 + momentum) / max h_i.

    Raises ValueError for a momentum or curvatures as `expected_loss` does.

    >>> stability_line([1.0, 0.1], momentum=0.5)
    3.0

    Source: Goh (2017).
    """
    curvatures = checked(curvatures, momentum)
    return 2 * (1 + momentum) / float(curvatures.max())


def noise_floor(
    lrs: float | Numbers,
    curvatures: Numbers = CURVATURES,
    noise: float = 0.1,
    momentum: float = 0.0,
    batch_size: float = 1,
    scale: float | Numbers = 1.0,
) -> np.ndarray:
    """Return the expected loss at which each rate would end if it stayed, as `lrs`.

    With s2 = noise^2 / batch_size, b = momentum and s = scale it is the sum over i of
    (1/2) s h_i lr s2 (1 + b) / ((1 - b) (2 (1 + b) - lr s h_i)), and inf from the
    stability line on: a smaller rate, a larger batch, less momentum lower it. Raises
    ValueError for a problem as `expected_loss` does.

    >>> noise_floor(1.0, [1.0], noise=1.0).tolist()
    0.5
    """
    h = checked(curvatures, momentum, batch_size)
    slopes = np.multiply.outer(h, np.asarray(lrs, dtype=float) * scale)
    left = 2 * (1 + momentum) - slopes
    losses = slopes * (noise**2 / batch_size * (1 + momentum) / (1 - momentum) / 2)
    with np.errstate(divide='ignore'):
        losses /= left
    losses[left <= 0] = np.inf
    return losses.sum(axis=0)


def falling(
    epochs: float | Numbers, sharpness: float, half_life: float = 1.0
) -> np.ndarray:
    """Return how many times its final curvature the loss has at `epochs`: the `scale`.

    s = 1 + (sharpness - 1) 2^(-epochs / half_life): a start that is `sharpness` times
    as sharp, which warmup is for. Raises ValueError unless `sharpness` and `half_life`
    are finite and above 0.

    >>> falling(np.array([0.0, 1.0, 2.0]), sharpness=5).tolist()
    [5.0, 3.0, 2.0]

    Source: Gilmer et al. (2022) for curvature that falls early in training.
    """
    for name, value in ('sharpness', sharpness), ('half_life', half_life):
        if not 0 < value < math.inf:
            raise ValueError(f'{name} must be finite and above 0, got {value!r}')
    return 1 + (sharpness - 1) * 2.0 ** (-np.asarray(epochs) / half_life)
