"""Second moments of SGD on a noisy quadratic: exact, thousands of updates at a time.

In each direction an update multiplies the second moments by a matrix and adds some
noise: an affine map. Maps compose, so the updates need not wait for each other: long
stretches of them become one map each, all stretches side by side.
"""

import math
from typing import Any

import numpy as np

from d2l_ext.plan import whole_number

# Numbers in an array at most, where that can be chosen: a dozen of these fit into a
# cache, and into what C's allocator keeps when they are freed.
LARGEST = 9000


def second_moments(
    lrs: Any,
    updates: Any,
    curvatures: Any,
    noise: float,
    start: float = 1.0,
    momentum: float = 0.0,
    batch_size: float = 1,
    scale: Any = 1.0,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Return E[x_i^2] after each rate in `lrs`, float64, shape (len(lrs), n).

    What `quadratic.update_by_update` defines, with n directions, but each rate holds for
    `updates` updates, a number or one for each rate. What grows beyond a float is inf.
    Where only sums over i are needed, `weights` of shape (n,) or (n, k) say which, and
    save the memory: E[x^2] @ weights is returned, of shape (len(lrs),) or (len(lrs), k).
    Raises ValueError for a rate or a scale below 0, a momentum outside [0, 1), a batch
    below 1, a number of updates that is no whole one >= 1, and curvatures that are no
    list of numbers >= 0.

    >>> second_moments([1.0, 0.5], 1, [1.0], noise=1).tolist()
    [[1.0], [0.5]]
    """
    lrs = np.asarray(lrs, dtype=float)
    if lrs.ndim != 1 or not np.all(lrs >= 0):
        raise ValueError(f'lrs must be a sequence of rates >= 0, got {lrs!r:.80}')
    curvatures = checked(curvatures, momentum, batch_size)
    scale = np.asarray(scale, dtype=float)
    if scale.shape not in ((), lrs.shape) or not np.all(scale >= 0):
        raise ValueError(
            f'scale must be a number >= 0, or one for each rate, got {scale!r:.80}'
        )
    counts = np.asarray(updates)
    if counts.dtype.kind not in 'iu' or not np.all(counts >= 1):  # else they are right
        each = updates if np.ndim(updates) else [updates]
        counts = np.array([whole_number('updates', number) for number in each])
    updates = np.broadcast_to(counts, lrs.shape)
    if not lrs.size:
        return _seen(np.empty((0, curvatures.size)), weights)
    model: _Descent | _HeavyBall = _Descent()
    if momentum:
        model = (_HeavyBall if updates.max() == 1 else _Velocity)(momentum)
    state = model.at_rest(np.full(curvatures.shape, float(start) ** 2))
    each = lrs * scale, lrs**2 * scale
    per_direction = curvatures, curvatures * noise**2 / batch_size
    with np.errstate(over='ignore', invalid='ignore'):
        if updates.max() == 1:
            moments = _one_by_one(model, state, *each, *per_direction, weights)
        else:
            moments = _repeated(model, state, *each, *per_direction, updates)
            moments = _seen(moments, weights)
    # what has overflowed stays inf or becomes nan (inf - inf), so the last row tells
    if not np.isfinite(moments[-1]).all():
        moments[np.isnan(moments)] = np.inf
    return moments


def checked(
    curvatures: Any, momentum: float = 0.0, batch_size: float = 1
) -> np.ndarray:
    """Return `curvatures` as an array, float64, shape (n,).

    Raises ValueError unless they are a list of numbers >= 0, the momentum is in [0, 1)
    and the batch size at least 1.
    """
    curvatures = np.asarray(curvatures, dtype=float)
    if curvatures.ndim != 1 or not np.all(curvatures >= 0) or not curvatures.any():
        raise ValueError(
            f'curvatures must be a list of numbers >= 0, not all 0, got {curvatures!r}'
        )
    if not 0 <= momentum < 1:
        raise ValueError(f'momentum must be at least 0 and below 1, got {momentum!r}')
    if not batch_size >= 1:
        raise ValueError(f'batch_size must be at least 1, got {batch_size!r}')
    return curvatures


class _Descent:
    """No momentum: the state is (E[x^2],), and an update multiplies it by p.

    The matrix of several updates is (product of their p,).
    """

    unit, still = (1.0,), (0.0,)

    def at_rest(self, m):
        """Return the state at a place x with x^2 = m, before any update."""
        return (m,)

    def gain(self, slope):
        """Return p of an update whose rate times curvature is `slope`."""
        return (1 - slope) ** 2

    def update(self, state, p, q):
        """Return the state after an update that adds noise of variance q."""
        return (p * state[0] + q,)

    def turned(self, matrix, p):
        """Return the matrix of the same updates and one more."""
        return (p * matrix[0],)

    def times(self, second, first):
        """Return the matrix of the first updates and then the second."""
        return (second[0] * first[0],)

    def through(self, matrix, added, state):
        """Return the state after updates that from nothing lead to `added`."""
        return (matrix[0] * state[0] + added[0],)

    def carried(self, state, matrices, additions):
        """Return the states after each of a row of such updates."""
        states = []
        for matrix, added in zip(zip(*matrices), zip(*additions)):
            state = self.through(matrix, added, state)
            states.append(state)
        return states


class _HeavyBall:
    """Momentum: x <- p x - y + noise and y <- momentum x, so that y tells the x before.

    The state is (E[x^2], E[x y], E[y^2]). The matrix (x, y, u, v) of several updates
    takes (1, 0) to (x, y) and (0, 1) to (u, v). The rest is as in `_Descent`.
    """

    unit, still = (1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0)

    def __init__(self, momentum):
        self.momentum = momentum

    def at_rest(self, m):
        return m, self.momentum * m, self.momentum**2 * m

    def gain(self, slope):
        return 1 + self.momentum - slope

    def update(self, state, p, q):
        xx, xy, yy = state
        # (p * (half - xy) + yy + q, ...), but for fewer new arrays: a tenth faster
        half = p * xx
        half -= xy
        after = half - xy
        after *= p
        after += yy
        after += q
        half *= self.momentum
        return after, half, self.momentum**2 * xx

    def turned(self, matrix, p):
        x, y, u, v = matrix
        return p * x - y, self.momentum * x, p * u - v, self.momentum * u

    def carried(self, state, matrices, additions):
        x, y, u, v = matrices
        rows = np.empty((3, 3, *x.shape))
        rows[0, 0], rows[0, 1], rows[0, 2] = x * x, 2 * x * u, u * u
        rows[1, 0], rows[1, 1], rows[1, 2] = x * y, x * v + u * y, u * v
        rows[2, 0], rows[2, 1], rows[2, 2] = y * y, 2 * y * v, v * v
        # one product of matrices for each row of many small arrays: a third of the time
        state, additions = np.stack(state, -1)[..., None], np.stack(additions, -1)
        states = []
        for matrix, added in zip(rows.transpose(2, 3, 0, 1), additions[..., None]):
            state = matrix @ state + added
            states.append(state[..., 0].T)
        return states


class _Velocity(_HeavyBall):
    """Momentum, many updates of one rate: x <- x + v, as `update_by_update` has it.

    The state is (E[x^2], E[x v], E[v^2]). A matrix is (x - 1, y, u, v): where a slope is
    small x is close to 1, and if a slope were rounded there, by another unit in another
    libm, thousands of updates would add it up.
    """

    unit = (0.0, 0.0, 0.0, 1.0)

    def at_rest(self, m):
        return m, 0 * m, 0 * m

    def gain(self, slope):
        return slope

    def update(self, state, p, q):
        xx, xv, vv = state
        b = self.momentum
        ahead = b * xv - p * xx  # the old x, the new v
        vv = b * (b * vv - p * xv) - p * ahead + q
        return xx + 2 * ahead + vv, ahead + vv, vv

    def turned(self, matrix, p):
        x, y, u, v = matrix
        y, v = self.momentum * y - p * (1 + x), self.momentum * v - p * u
        return x + y, y, u + v, v

    def times(self, second, first):
        x, y, u, v = second
        a, b, c, d = first
        return (
            x + a + x * a + u * b,
            y + y * a + v * b,
            c + x * c + u * d,
            y * c + v * d,
        )

    def through(self, matrix, added, state):
        x, y, u, v = matrix
        x = 1 + x
        xx, xy, yy = state
        xa, xb = x * xx + u * xy, x * xy + u * yy
        ya, yb = y * xx + v * xy, y * xy + v * yy
        return (
            xa * x + xb * u + added[0],
            xa * y + xb * v + added[1],
            ya * y + yb * v + added[2],
        )

    def carried(self, state, matrices, additions):
        x, *rest = matrices
        return super().carried(state, (1 + x, *rest), additions)


def _seen(moments, weights):
    return moments if weights is None else moments @ weights


def _one_by_one(model, state, slopes, squares, curvatures, noises, weights):
    """Return E[x^2], or its weighted sums, after each of many single updates.

    They are cut into stretches, four times as many as each is long if the arrays do
    not get too large, for NumPy takes little longer for larger arrays. All stretches,
    side by side, go from nothing to find their maps; one map after the other then tells
    where each stretch really starts; from there all go again.
    """
    count = len(slopes)
    length = math.isqrt(count - 1) // 2 + 1
    length = max(length, math.ceil(count * len(curvatures) / LARGEST))
    stretches = -(-count // length)
    steps = np.zeros((stretches * length, 2))
    steps[:count, 0], steps[:count, 1] = slopes, squares
    steps = steps.reshape(stretches, length, 2).swapaxes(0, 1)
    # a product of such matrices takes half as long as that of a column and a row
    none = np.zeros_like(curvatures)
    to_slopes, to_noise = np.stack([curvatures, none]), np.stack([none, noises])

    def gains_and_noise():
        # anew for each pass: to keep them in between would take longer
        for step in steps:
            yield model.gain(step @ to_slopes), step @ to_noise

    matrix, added = _nothing(model, (stretches, len(curvatures)))
    for p, q in gains_and_noise():
        matrix = model.turned(matrix, p)
        added = model.update(added, p, q)
    begins = [state, *model.carried(state, matrix, added)[:-1]]
    state = np.array(begins).swapaxes(0, 1)
    seen = []
    for p, q in gains_and_noise():
        state = model.update(state, p, q)
        seen.append(_seen(state[0], weights))
    seen = np.stack(seen, axis=1)
    return seen.reshape(stretches * length, *seen.shape[2:])[:count]


def _repeated(model, state, slopes, squares, curvatures, noises, updates):
    """Return E[x^2] after each of some rates that hold for many updates: by doubling."""
    p = model.gain(slopes[:, None] * curvatures)
    q = squares[:, None] * noises

    matrix, added = _nothing(model, p.shape)
    for bit in reversed(range(int(updates.max()).bit_length())):
        added = model.through(matrix, added, added)
        matrix = model.times(matrix, matrix)
        odd = (updates >> bit & 1)[:, None]
        if odd.any():
            turned, noisier = model.turned(matrix, p), model.update(added, p, q)
            if not odd.all():
                turned = np.where(odd, turned, matrix)
                noisier = np.where(odd, noisier, added)
            matrix, added = turned, noisier
    return np.array([first for first, *_ in model.carried(state, matrix, added)])


def _nothing(model, shape):
    """Return the map of no update: its matrix and what it adds."""
    matrix = [np.full(shape, entry) for entry in model.unit]
    return matrix, [np.zeros(shape) for _ in model.still]
