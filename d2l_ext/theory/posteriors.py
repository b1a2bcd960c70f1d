"""Posteriors to sample from: the log density, and its gradient from some examples.

`theta` has shape (..., d): any number of chains side by side, each with other `rows`,
shape (..., batch_size), or all with the same, shape (batch_size,).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


class Mixture:
    """The posterior of Welling and Teh's toy: two Gaussians with tied means.

    theta_1 ~ N(0, 10), theta_2 ~ N(0, 1), and each x in X, shape (n,), is drawn from
    1/2 N(theta_1, 2) + 1/2 N(theta_1 + theta_2, 2); the second numbers are variances.
    Raises ValueError unless X is a sequence of finite numbers.

    >>> float(Mixture([0.0]).log_density(np.zeros(2)))  # unnormalised
    0.0

    Source: Welling and Teh (2011), section 5.1.
    """

    def __init__(self, X: Any) -> None:
        self.X = np.asarray(X, dtype=float)
        if self.X.ndim != 1 or not self.X.size or not np.isfinite(self.X).all():
            raise ValueError(f'X must be a sequence of finite numbers, got {X!r:.80}')
        self.size = len(self.X)

    @classmethod
    def drawn(
        cls, seed: int, size: int = 100, theta: Sequence[float] = (0, 1)
    ) -> 'Mixture':
        """Return the posterior given `size` examples drawn at random, with this theta.

        >>> Mixture.drawn(seed=6, size=5).X.shape
        (5,)
        """
        rng = np.random.default_rng(seed)
        means = theta[0] + theta[1] * (rng.random(size) < 0.5)
        return cls(means + math.sqrt(2) * rng.standard_normal(size))

    def log_density(self, theta: np.ndarray) -> np.ndarray:
        """Return the log density up to a constant, shape (...), for (..., 2)."""
        theta_1, theta_2 = theta[..., 0, None], theta[..., 1, None]
        first = -((self.X - theta_1) ** 2) / 4
        second = -((self.X - theta_1 - theta_2) ** 2) / 4
        prior = -(theta[..., 0] ** 2) / 20 - theta[..., 1] ** 2 / 2
        return prior + (np.logaddexp(first, second) - math.log(2)).sum(axis=-1)

    def scores(
        self, theta: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return each example's part of the gradient, two arrays of rows' shape."""
        first = self.X[rows] - theta[..., 0, None]
        second = first - theta[..., 1, None]
        with np.errstate(over='ignore'):  # 1 / inf is the 0 that is meant
            share = 1 / (1 + np.exp((second**2 - first**2) / 4))
        pull = share * second / 2
        return (1 - share) * first / 2 + pull, pull

    def gradient(self, theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the estimate of the log density's gradient, of theta's shape."""
        scale = self.size / rows.shape[-1]
        sums = np.stack([part.sum(axis=-1) for part in self.scores(theta, rows)], -1)
        return scale * sums - theta / (10, 1)

    def gradient_variance(self, theta: np.ndarray) -> np.ndarray:
        """Return the variance of `gradient` from a single example, of theta's shape."""
        scores = self.scores(theta, np.arange(self.size))
        return self.size**2 * np.stack([part.var(axis=-1) for part in scores], -1)

    def on_grid(self, theta_1: np.ndarray, theta_2: np.ndarray) -> np.ndarray:
        """Return the share of the posterior at each point of an even grid.

        Shape (len(theta_1), len(theta_2)); wherever the posterior has fallen to
        nothing at the edges, sums over it are integrals, to many digits.
        """
        points = np.stack(np.meshgrid(theta_1, theta_2, indexing='ij'), axis=-1)
        log_density = np.stack([self.log_density(row) for row in points])
        density = np.exp(log_density - log_density.max())
        return density / density.sum()

    def moments(
        self, theta: np.ndarray, mean: Sequence[float] | np.ndarray = (0, 0)
    ) -> np.ndarray:
        """Return what the posterior's mean, covariance and weight of a hill average.

        Shape (..., 6) for theta of shape (..., 2): theta_1, theta_2, the squares of
        their distances from `mean`, the product of these, and 1 where theta_2 > 0, on
        one side of the valley between the hills, half of it at 0.

        >>> Mixture([0.0]).moments(np.array([2.0, -1.0]), mean=(1, 1)).tolist()
        [2.0, -1.0, 1.0, 4.0, -2.0, 0.0]
        """
        d = theta - np.asarray(mean)
        products = [d[..., 0] ** 2, d[..., 1] ** 2, d[..., 0] * d[..., 1]]
        side = np.heaviside(theta[..., 1], 0.5)
        return np.stack([theta[..., 0], theta[..., 1], *products, side], axis=-1)

    def long_run(
        self,
        lrs: Sequence[float] | np.ndarray,
        rng: np.random.Generator,
        theta: Sequence[float] = (0, 0),
        block: int = 10_000,
    ) -> np.ndarray:
        """Return the path of one chain with batches of one, shape (len(lrs), 2).

        What `langevin.sample` does, a rate for each update, in plain floats: of a
        single chain NumPy makes but a thirtieth of the updates per second.
        """
        (theta_1, theta_2), path = map(float, theta), np.empty((len(lrs), 2))
        exp, half = math.exp, self.size / 2
        for start in range(0, len(lrs), block):
            steps = np.asarray(lrs[start : start + block])
            X = self.X[rng.integers(self.size, size=len(steps))]
            noise = rng.standard_normal((len(steps), 2)) * np.sqrt(steps)[:, None]
            columns = (X, steps / 2, *noise.T)
            ones, twos = [], []
            for x, step, z_1, z_2 in zip(*(column.tolist() for column in columns)):
                first = x - theta_1
                second = first - theta_2
                share = 1 / (1 + exp((second * second - first * first) / 4))
                pull = share * second
                total = (1 - share) * first + pull
                theta_1 += step * (half * total - theta_1 / 10) + z_1
                theta_2 += step * (half * pull - theta_2) + z_2
                ones.append(theta_1)
                twos.append(theta_2)
            path[start : start + block] = np.column_stack([ones, twos])
        return path


class Logistic:
    """The posterior of logistic regression with the prior theta ~ N(0, 1).

    P(y = 1) = 1 / (1 + exp(-X theta)), X of shape (n, d) with a column of ones if
    there is to be an intercept, y of shape (n,) in {0, 1}. Raises ValueError for other
    shapes and other y.

    >>> posterior = Logistic([[1.0], [1.0]], [0, 1])
    >>> posterior.gradient(np.array([0.0]), np.array([0, 1]))
    array([0.])

    Source: Welling and Teh (2011), section 5.2, there with a Laplace prior.
    """

    def __init__(self, X: Any, y: Any) -> None:
        self.X, self.y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
        if self.X.ndim != 2 or self.y.shape != self.X.shape[:1]:
            raise ValueError(
                'X must be of shape (n, d) and y of shape (n,), '
                f'got {self.X.shape} and {self.y.shape}'
            )
        if not np.isin(self.y, (0, 1)).all():
            raise ValueError(f'y must hold 0 and 1 alone, got {np.unique(y)!r:.80}')
        self.size = len(self.y)

    def log_density(self, theta: np.ndarray) -> np.ndarray:
        """Return the log density up to a constant, shape (...), for (..., d)."""
        signed = (1 - 2 * self.y) * (theta @ self.X.T)
        return -(theta**2).sum(axis=-1) / 2 - np.logaddexp(0, signed).sum(axis=-1)

    def gradient(self, theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the estimate of the log density's gradient, of theta's shape."""
        X = self.X[rows]
        with np.errstate(over='ignore'):  # 1 / inf is the 0 that is meant
            y_hat = 1 / (1 + np.exp(-(X @ theta[..., None])[..., 0]))
        errors = (self.y[rows] - y_hat)[..., None, :]
        return self.size / rows.shape[-1] * (errors @ X)[..., 0, :] - theta


def contours(
    x: np.ndarray, y: np.ndarray, density: np.ndarray, masses: Sequence[float]
) -> dict[float, tuple]:
    """Return {mass: line}: the smallest regions that hold so much of `density`.

    `density` has shape (len(x), len(y)) and is given up to a factor; a line is
    (xs, ys), with NaN between its closed parts.

    >>> x = np.linspace(-4, 4, 201)
    >>> normal = np.exp(-(x[:, None] ** 2 + x**2) / 2)
    >>> xs, ys = contours(x, x, normal, [0.5])[0.5]  # a circle of radius 1.177
    >>> bool(np.nanmax(np.abs(np.hypot(xs, ys) - 1.177)) < 0.01)
    True
    """
    from contourpy import contour_generator  # comes with Matplotlib, for one function

    ordered = np.sort(density, axis=None)[::-1]
    held = np.cumsum(ordered) / ordered.sum()
    generator = contour_generator(x, y, np.transpose(density))
    lines = {}
    for mass in masses:
        level = ordered[min(int(np.searchsorted(held, mass)), len(ordered) - 1)]
        gap = np.full((1, 2), math.nan)
        parts = [np.vstack([np.asarray(part), gap]) for part in generator.lines(level)]
        lines[mass] = tuple(np.concatenate([np.empty((0, 2)), *parts]).T)
    return lines
