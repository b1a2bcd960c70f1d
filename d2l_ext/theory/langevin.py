"""Stochastic gradient Langevin dynamics: a learning rate, some noise, and SGD samples.

`theta` has shape (..., d): any number of chains move at once. Nothing
here holds a generator: the same `rng` in the same state gives the same numbers.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from d2l_ext.families import InversePowerScheduler
from d2l_ext.plan import whole_number


class Posterior(Protocol):
    """What is sampled: two of them are in `posteriors.py`."""

    size: int

    def log_density(self, theta: np.ndarray) -> np.ndarray:
        """Return the log density up to a constant, shape (...), for (..., d)."""

    def gradient(self, theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the gradient's estimate from the examples `rows`, of theta's shape."""


class SGLDScheduler(InversePowerScheduler):
    """Polynomial decay that visits `base_lr` at 0 and `final_lr` at `max_update`.

    lr(t) = a (b + t)^-gamma, with a and b such that lr(0) = base_lr and lr(T) =
    final_lr for T = max_update. It goes on falling after T. For 1/2 < gamma <= 1 the
    rates sum to infinity and their squares do not. Raises ValueError unless all are
    finite, and base_lr > final_lr > 0. It is `InversePowerScheduler` by its ends.

    >>> scheduler = SGLDScheduler(max_update=10**6)
    >>> [round(scheduler(t), 6) for t in (0, 10**4, 10**6)]
    [0.01, 0.001243, 0.0001]

    Source: Welling and Teh (2011), section 5.1.
    """

    arguments = 'max_update', 'base_lr', 'final_lr', 'gamma'

    def __init__(
        self,
        max_update: float,
        base_lr: float = 0.01,
        final_lr: float = 1e-4,
        gamma: float = 0.55,
    ) -> None:
        for name, value in (
            ('max_update', max_update),
            ('final_lr', final_lr),
            ('gamma', gamma),
        ):
            if not 0 < value < math.inf:
                raise ValueError(f'{name} must be finite and > 0, got {value!r}')
        if not final_lr < base_lr < math.inf:
            raise ValueError(
                f'base_lr must be finite and above final_lr = {final_lr!r}, '
                f'got {base_lr!r}'
            )
        self.max_update, self.base_lr = max_update, base_lr
        self.final_lr, self.gamma = final_lr, gamma

    stop_lr = 0

    @property
    def time_scale(self) -> float:  # type: ignore[override]
        """The b of the formula, as the base class calls it."""
        return self.b

    @property
    def pwr(self) -> float:  # type: ignore[override]
        """The gamma of the formula, as the base class calls it."""
        return self.gamma

    @property
    def b(self) -> float:
        """The b of the formula, in updates."""
        ratio = self.base_lr / self.final_lr
        return self.max_update / (ratio ** (1 / self.gamma) - 1)

    @property
    def a(self) -> float:
        """The a of the formula."""
        return self.base_lr * self.b**self.gamma


def langevin(
    theta: np.ndarray,
    gradient: np.ndarray,
    lr: float,
    rng: np.random.Generator,
    temperature: float | np.ndarray = 1,
) -> np.ndarray:
    """Return `theta` after one update: half a step uphill, and noise.

    theta + lr / 2 gradient + sqrt(lr temperature) z, z standard normal. `gradient`
    is that of the log density, or an unbiased estimate of it, of theta's shape, to
    which `temperature` broadcasts. Small steps at temperature T draw from
    density^(1 / T): from the posterior at 1, its maximum alone at 0. Raises
    ValueError for a negative rate or temperature.

    >>> rng = np.random.default_rng(0)
    >>> langevin(np.array([1.0]), np.array([-1.0]), 0.1, rng, temperature=0)
    array([0.95])

    Source: Welling and Teh (2011), equation 4, for temperature 1.
    """
    for name, value in ('lr', lr), ('temperature', temperature):
        if not np.all(np.greater_equal(value, 0)):
            raise ValueError(f'{name} must be >= 0, got {value!r:.80}')
    noise = rng.standard_normal(theta.shape)
    return theta + lr / 2 * gradient + np.sqrt(lr * temperature) * noise


def sample(
    posterior: Posterior,
    theta: Sequence | np.ndarray,
    scheduler: Callable[[float], float],
    num_updates: int,
    rng: np.random.Generator,
    batch_size: int = 1,
    temperature: float | np.ndarray = 1,
) -> Iterator[np.ndarray]:
    """Yield theta after each update, from the start `theta` of shape (..., d).

    Update t = 0, 1, ... takes the rate scheduler(t), and for every chain another
    minibatch, drawn with replacement. Raises ValueError, at the first step, for counts
    that are no whole numbers >= 1, and a negative rate or temperature.

    >>> from d2l_ext.theory.posteriors import Mixture
    >>> start, rng = np.zeros((4, 2)), np.random.default_rng(0)
    >>> steps = sample(Mixture([0.0, 1.0]), start, SGLDScheduler(10), 10, rng)
    >>> [theta.shape for theta in steps] == [(4, 2)] * 10
    True

    Source: Welling and Teh (2011).
    """
    batch_size = whole_number('batch_size', batch_size)
    theta = np.array(theta, dtype=float)
    for t in range(whole_number('num_updates', num_updates)):
        rows = rng.integers(posterior.size, size=(*theta.shape[:-1], batch_size))
        gradient = posterior.gradient(theta, rows)
        theta = langevin(theta, gradient, scheduler(t), rng, temperature)
        yield theta


def rejection_rate(
    posterior: Posterior,
    theta: np.ndarray,
    lr: float,
    rng: np.random.Generator,
    batch_size: int = 1,
) -> float:
    """Return the share of updates from `theta` that a Metropolis test would reject.

    Averaged over theta's shape (..., d). The test asks for the density at both ends,
    so for all examples; the minibatch is the same on the way back. SGLD leaves the
    test out. Raises ValueError for a negative rate, and a batch that is no whole number
    >= 1.

    >>> from d2l_ext.theory.posteriors import Mixture
    >>> rng = np.random.default_rng(0)
    >>> rejection_rate(Mixture([0.0, 1.0]), np.zeros((100, 2)), 1e-9, rng) < 1e-3
    True

    Source: Welling and Teh (2011), figure 2.
    """
    batch_size = whole_number('batch_size', batch_size)
    rows = rng.integers(posterior.size, size=(*theta.shape[:-1], batch_size))
    there = posterior.gradient(theta, rows)
    proposed = langevin(theta, there, lr, rng)
    back = posterior.gradient(proposed, rows)
    log_ratio = posterior.log_density(proposed) - posterior.log_density(theta)
    # the two normal densities: their exponents, the squared step itself cancelled
    step = proposed - theta
    log_ratio -= (step * (there + back)).sum(axis=-1) / 2
    log_ratio += lr / 8 * (there**2 - back**2).sum(axis=-1)
    return float(1 - np.exp(np.minimum(log_ratio, 0)).mean())


def importance_sample(
    posterior: Posterior,
    mean: Sequence[float] | np.ndarray,
    covariance: Sequence | np.ndarray,
    size: int,
    rng: np.random.Generator,
    freedom: float = 15,
) -> tuple[np.ndarray, np.ndarray]:
    """Return draws of shape (size, d) from near the posterior, and their weights.

    The draws are from a multivariate t of this mean, scale and degrees of freedom;
    weighted they are the posterior's, up to Monte-Carlo error as of 1 / sum weights^2
    draws. Nothing but the densities enters: a reference for any sampler.

    >>> from d2l_ext.theory.posteriors import Mixture
    >>> rng = np.random.default_rng(0)
    >>> draws = importance_sample(Mixture([1.0]), [0, 0], np.eye(2), 50, rng)
    >>> [array.shape for array in draws]
    [(50, 2), (50,)]

    Source: Robert and Casella, Monte Carlo Statistical Methods (2004), section 3.3.
    """
    mean = np.asarray(mean, dtype=float)
    z = rng.standard_normal((size, len(mean)))
    z *= np.sqrt(freedom / rng.chisquare(freedom, (size, 1)))
    theta = mean + z @ np.linalg.cholesky(covariance).T
    log_weight = np.log1p((z**2).sum(axis=-1) / freedom) * (freedom + len(mean)) / 2
    log_weight += posterior.log_density(theta)
    weights = np.exp(log_weight - log_weight.max())
    return theta, weights / weights.sum()
