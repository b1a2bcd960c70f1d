"""The noisy quadratic: a problem on which every schedule's expected loss is exact.

Gradient descent meets a loss (1/2) sum_i h_i x_i^2 whose gradients carry noise. It has
what the section talks about: rates that diverge, directions that differ in
sensitivity, bouncing about the minimum, and decay that ends the bouncing.
"""

import math

import numpy as np

from d2l_ext.theory._moments import checked, second_moments

SHAPES = 'even', 'power law', 'two'


def spectrum(condition_number=100.0, shape='even', size=20):
    """Return `size` curvatures from 1 down to 1 / condition_number, float64.

    'even': each the same multiple of the one before. 'power law': h_i = i^-a for
    i = 1, 2, ...; with condition_number = size, a is 1 as in the paper. 'two': none
    in between, the section's picture of a long valley.

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
    if shape == 'two':
        return np.array([1, 1 / condition_number])
    if shape == 'power law':
        i = np.arange(1, size + 1)
        return i ** -(math.log(condition_number) / math.log(size))
    return (1 / condition_number) ** np.linspace(0, 1, size)


CURVATURES = spectrum()


def expected_loss(
    lrs,
    updates=1,
    curvatures=CURVATURES,
    noise=0.1,
    start=1.0,
    momentum=0.0,
    batch_size=1,
    scale=1.0,
):
    """Return the expected loss after each rate in `lrs`, float64, shape (len(lrs),).

    The loss is (1/2) s sum_i h_i E[x_i^2]: the arguments, the update and its noise are
    those of `second_moments`. Without momentum, and with s = 1, m_i = E[x_i^2] obeys
    m_i <- (1 - lr h_i)^2 m_i + lr^2 h_i noise^2 / batch_size. From a loss beyond 1e12
    on, a run has diverged, and its loss is inf.

    >>> expected_loss([1.0, 0.5], curvatures=np.array([1.0]), noise=0).tolist()
    [0.0, 0.0]

    Source: Schaul et al. (2013); Zhang et al. (2019); book section 11.4.
    """
    weights = np.asarray(curvatures, dtype=float) / 2
    problem = curvatures, noise, start, momentum, batch_size, scale
    return _loss(second_moments(lrs, updates, *problem, weights), scale)


def _loss(sums, scale):
    with np.errstate(over='ignore', invalid='ignore'):
        losses = sums * scale
    gone = ~(losses < 1e12)
    if gone.any():
        losses[np.argmax(gone) :] = np.inf
    return losses


def stability_line(curvatures=CURVATURES, momentum=0.0):
    """Return the rate from which on `expected_loss` grows: 2 (1 + momentum) / max h_i.

    >>> stability_line([1.0, 0.1], momentum=0.5)
    3.0

    Source: Goh (2017).
    """
    curvatures = checked(curvatures, momentum)
    return 2 * (1 + momentum) / float(curvatures.max())


def noise_floor(
    lrs, curvatures=CURVATURES, noise=0.1, momentum=0.0, batch_size=1, scale=1.0
):
    """Return the expected loss in which each rate would end if it were kept, as `lrs`.

    With s2 = noise^2 / batch_size, b = momentum and s = scale it is the sum over i of
    (1/2) s h_i lr s2 (1 + b) / ((1 - b) (2 (1 + b) - lr s h_i)), and inf from the
    stability line on: a smaller rate, a larger batch, less momentum lower it.

    >>> noise_floor(1.0, [1.0], noise=1.0).tolist()
    0.5
    """
    h = checked(curvatures, momentum, batch_size)
    slopes = np.multiply.outer(h, np.asarray(lrs, dtype=float) * scale)
    left = 2 * (1 + momentum) - slopes
    gathered = slopes * (noise**2 / batch_size * (1 + momentum) / (1 - momentum) / 2)
    with np.errstate(divide='ignore'):
        gathered /= left
    gathered[left <= 0] = np.inf
    return gathered.sum(axis=0)


def falling(epochs, sharpness, half_life=1.0):
    """Return how many times its final curvature the loss has at `epochs`: the `scale`.

    s = 1 + (sharpness - 1) 2^(-epochs / half_life): a start that is `sharpness` times
    as sharp, which warmup is for.

    >>> falling(np.array([0.0, 1.0, 2.0]), sharpness=5).tolist()
    [5.0, 3.0, 2.0]

    Source: Gilmer et al. (2022) for curvature that falls early in training.
    """
    for name, value in ('sharpness', sharpness), ('half_life', half_life):
        if not 0 < value < math.inf:
            raise ValueError(f'{name} must be finite and above 0, got {value!r}')
    return 1 + (sharpness - 1) * 2.0 ** (-np.asarray(epochs) / half_life)
