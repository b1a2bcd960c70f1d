"""The best schedule of a noisy quadratic: which rates end a run at the smallest loss.

The expected loss at the end is a smooth function of all the rates, and its gradient
costs little more than the loss. The updates of one rate are one linear map, so all maps
and their derivatives are computed side by side. One pass forwards through the maps then
gives the moments on the way, one pass back what each of them adds to the final loss.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from d2l_ext.plan import whole_number
from d2l_ext.theory._moments import checked
from d2l_ext.theory.quadratic import CURVATURES, expected_loss, stability_line

# More rates than this are searched for from the best schedule of so many.
FEW = 40


@dataclass(frozen=True, eq=False)
class Optimum:
    """The best rates of a problem, the loss they end at, and the problem.

    `problem` holds the arguments of `expected_loss`, but for the rates.
    """

    lrs: np.ndarray
    loss: float
    problem: dict[str, Any] = field(repr=False)

    def regret(self, lrs: np.ndarray) -> float:
        """Return how much worse other rates end, in per cent of the best loss.

        100 (L / L_best - 1), and inf where they diverge. `lrs` has one rate for each
        of the best ones, or one for each update. It may be below 0 where `lrs` do what
        the best ones were not allowed: change with every update, exceed the cap, rise.

        Raises ValueError for another number of rates, or a rate below 0.

        >>> best = optimal_rates(2, curvatures=[1.0], noise=1.0)
        >>> best.lrs.round(3).tolist(), round(best.regret([0.5, 0.5]), 1)
        ([0.5, 0.333], 12.5)
        """
        lrs, problem = np.asarray(lrs, dtype=float), dict(self.problem)
        count, updates = len(self.lrs), problem['updates']
        if lrs.shape == (count * updates,):
            scale = np.broadcast_to(problem['scale'], (count,))
            problem |= {'updates': 1, 'scale': scale.repeat(updates)}
        elif lrs.shape != (count,):
            raise ValueError(
                f'lrs must have {count} rates, or one for each of {count * updates} '
                f'updates, got shape {lrs.shape}'
            )
        loss = expected_loss(lrs, **problem)[-1]
        if self.loss == 0:
            return math.inf if loss > 0 else 0.0
        return float(100 * (loss / self.loss - 1))


def optimal_rates(
    num_rates: int,
    updates: int = 1,
    curvatures: np.ndarray = CURVATURES,
    noise: float = 0.1,
    start: float = 1.0,
    momentum: float = 0.0,
    batch_size: int = 1,
    scale: float | np.ndarray = 1.0,
    *,
    cap: float | None = None,
    non_increasing: bool = False,
) -> Optimum:
    """Return the rates with the smallest expected loss at the end, an `Optimum`.

    Minimise the last of `expected_loss(lrs, ...)` over 0 <= lr_k <= cap, where each of
    the `num_rates` rates holds for `updates` updates; the other arguments are those of
    `expected_loss`. `cap` None is the stability line at the scale of each rate: above
    it the exact optimum lets steep directions explode and takes that back later, which
    nobody would dare; `math.inf` allows it. With `non_increasing` no rate is above
    the one before, and where the cap falls the rates fall at least as fast.

    For curvatures c times as large the best rates are 1 / c times as large, if the
    noise is sqrt(c) times as large too, or `start` 1 / sqrt(c) times as far: the noise
    of a gradient has variance h noise^2.

    The search is L-BFGS in the logarithms of the rates, from several starts. What it
    returns is the lowest minimum of several; that none is lower is not proven, and
    with momentum and little noise one may be. 40 rates take half a second, thousands
    some seconds.

    Raises ValueError for an argument that is none of these.

    >>> optimal_rates(1, curvatures=[4.0], noise=0).lrs.round(6).tolist()
    [0.25]

    Source: Zhang et al. (2019), optimal schedules on the noisy quadratic; Nocedal
    (1980), L-BFGS; Bertsekas (1982), its projection.
    """
    num_rates = whole_number('num_rates', num_rates)
    for name, value in ('noise', noise), ('start', start):
        if not math.isfinite(value) or (name == 'start' and value == 0):
            raise ValueError(
                f'{name} must be finite{", and not 0" * (name == "start")}, '
                f'got {value!r}'
            )
    if cap is not None and not cap > 0:
        raise ValueError(f'cap must be above 0, or None, got {cap!r}')
    problem: dict[str, Any] = {
        'updates': whole_number('updates', updates),
        'curvatures': checked(curvatures, momentum, batch_size),
        'noise': noise,
        'start': start,
        'momentum': momentum,
        'batch_size': batch_size,
        'scale': _scale(scale, num_rates),
    }
    line = stability_line(problem['curvatures'], momentum)
    lines = np.broadcast_to(line / problem['scale'], (num_rates,))
    caps = lines if cap is None else np.full(num_rates, float(cap))
    if non_increasing:
        caps = np.minimum.accumulate(caps)

    if num_rates > FEW:
        lrs = _descent(_coarse_optimum(num_rates, problem, cap), caps, problem)
    else:
        lrs = _search(_starts(np.minimum(lines, caps), problem), caps, problem)
    if non_increasing:
        lrs = _non_increasing(lrs, caps, problem)
    return Optimum(lrs, _loss(lrs, problem), problem)


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
    scale = np.broadcast_to(_scale(scale, len(lrs)), lrs.shape)
    problem = updates, h, noise**2 / batch_size, momentum, scale
    maps, derivatives = _maps(lrs, *problem)
    before, after = _passes(maps, h, start, scale)
    gradient = (after @ derivatives @ before).sum(axis=(1, 2, 3))
    return float((after[-1] @ maps[-1] @ before[-1]).sum()), gradient


def greedy_rates(
    num_updates: int,
    curvatures: np.ndarray = CURVATURES,
    noise: float = 0.1,
    start: float = 1.0,
    batch_size: int = 1,
    scale: float | np.ndarray = 1.0,
) -> np.ndarray:
    """Return the rates each of which makes the loss right after it smallest, float64.

    lr = sum_i h_i^2 m_i / sum_i h_i^2 (s h_i m_i + s2) with m_i = E[x_i^2] before the
    update, s2 = noise^2 / batch_size, no momentum, one rate an update. With several
    directions it ends worse than `optimal_rates`: noise in the steep directions is
    what it sees first, so it falls too early for the flat ones. With one direction
    it is the optimum, since less m before means less after: 1 / m grows by h / s2 with
    each update (s = 1), and lr_k = 1 / ((k + 1) h + s2 / start^2), a harmonic decay.

    Raises ValueError for what is no such number.

    >>> greedy_rates(3, [1.0], noise=1.0).round(3).tolist()
    [0.5, 0.333, 0.25]

    Source: Schaul et al. (2013); Wu et al. (2018) for what it costs, the "short-horizon
    bias".
    """
    num_updates = whole_number('num_updates', num_updates)
    h = checked(curvatures, batch_size=batch_size)
    s2 = noise**2 / batch_size
    moments = np.full(h.shape, float(start) ** 2)
    lrs = np.zeros(num_updates)
    scales = np.broadcast_to(_scale(scale, num_updates), lrs.shape)
    for k, s in enumerate(scales):
        gain = h**2 @ moments
        if gain > 0:  # nothing is left to gain at the minimum
            lrs[k] = lr = gain / (h**2 @ (s * h * moments + s2))
            moments = (1 - lr * s * h) ** 2 * moments + lr**2 * s * h * s2
    return lrs


def averaged_loss(
    lrs: float | np.ndarray,
    num_updates: int,
    last: int,
    curvatures: np.ndarray = CURVATURES,
    noise: float = 0.1,
    start: float = 1.0,
    batch_size: int = 1,
) -> np.ndarray:
    """Return the expected loss of the mean of the `last` iterates, as `lrs`.

    Each of `lrs` is one constant rate, of a run of `num_updates` updates without
    momentum. In one direction, with S the sum of the iterates so far and p = 1 - lr h,
    an update x <- p x + noise takes E[x S] to p E[x S] + E[x^2] and E[S^2] to
    E[S^2] + 2 p E[x S] + E[x^2], the E[x^2] after it; the loss is the sum over i of
    (1/2) h_i E[S_i^2] / last^2. With last = 1 it is the `expected_loss`; with many it may
    be below that of every schedule's last iterate, for a mean is more than an iterate.

    Raises ValueError unless 1 <= last <= num_updates, and for a rate below 0.

    >>> averaged_loss([0.5], 100, 50, curvatures=[1.0]).round(6).tolist()
    [9.7e-05]

    Source: Polyak and Juditsky (1992); Jain et al. (2018) for the average of a tail.
    """
    lrs = np.asarray(lrs, dtype=float)
    if not np.all(lrs >= 0):
        raise ValueError(f'lrs must be rates >= 0, got {lrs!r:.80}')
    num_updates = whole_number('num_updates', num_updates)
    last = whole_number('last', last)
    if last > num_updates:
        raise ValueError(f'last must be at most {num_updates}, got {last!r}')
    h = checked(curvatures, batch_size=batch_size)
    p = 1 - np.multiply.outer(lrs, h)
    q = np.multiply.outer(lrs**2, h * noise**2 / batch_size)
    # takes (E[x^2], E[x S], E[S^2], 1) through one update
    step = np.zeros((*p.shape, 4, 4))
    step[..., 0, 0] = step[..., 1, 0] = step[..., 2, 0] = p**2
    step[..., 0, 3] = step[..., 1, 3] = step[..., 2, 3] = q
    step[..., 1, 1], step[..., 2, 1] = p, 2 * p
    step[..., 2, 2] = step[..., 3, 3] = 1
    plain = step.copy()
    plain[..., 1:3, :] = 0
    with np.errstate(over='ignore', invalid='ignore'):
        path = np.linalg.matrix_power(step, last)
        if last < num_updates:
            path = path @ np.linalg.matrix_power(plain, num_updates - last)
        squares = path[..., 2, 0] * float(start) ** 2 + path[..., 2, 3]
        losses = np.asarray(squares @ h / 2 / last**2)
    losses[~(losses < 1e12)] = np.inf
    return losses


def _scale(scale, count):
    scale = np.asarray(scale, dtype=float)
    if scale.shape not in ((), (count,)) or not np.all(scale > 0):
        raise ValueError(
            f'scale must be a number above 0, or one for each of the {count} rates, got '
            f'{scale!r:.80}'
        )
    return scale


def _maps(lrs, updates, h, s2, momentum, scale):
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


def _passes(maps, h, start, scale):
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


def _loss(lrs, problem):
    return float(expected_loss(lrs, **problem)[-1])


def _best(candidates, problem):
    return min(candidates, key=lambda lrs: _loss(lrs, problem))


def _starts(highest, problem):
    """Return decays to start from: linear, harmonic, and harmonic after a while.

    Flat directions call for a high rate, held for long, and a fast fall after that.
    """
    t = np.arange(len(highest))
    bases = highest.min() * np.logspace(-5, 0, 11)
    starts = [highest / (1 + t)]
    for shape in 1 - t / len(t), 1 / (1 + t), np.minimum(1 + t, len(t) - t) / len(t):
        starts.append(_best((base * shape for base in bases), problem))
    for hold in {len(t) // 4, len(t) // 2, 3 * len(t) // 4}:
        starts.append(highest / (1 + problem['updates'] * np.maximum(t - hold, 0)))
    return starts


def _coarse_optimum(count, problem, cap):
    """Return the best schedule of `FEW` rates in a run as long, drawn smoothly."""
    centers = (np.arange(FEW) + 0.5) * count / FEW
    scale = np.broadcast_to(problem['scale'], (count,))[centers.astype(int)]
    updates = max(1, round(problem['updates'] * count / FEW))
    coarse = problem | {'updates': updates, 'scale': scale}
    lrs = optimal_rates(FEW, **coarse, cap=cap).lrs
    return np.exp(np.interp(np.arange(count) + 0.5, centers, np.log(lrs)))


def _search(starts, caps, problem):
    """Return the rates where descents from the best starts, and from near them, end.

    There are several minima: rates at the cap do not feel that to fall earlier, all
    together, might be better. So the whole fall moves by a rate, or one rate jumps.
    """
    starts = [_descent(lrs, caps, problem, 15) for lrs in starts]
    starts.sort(key=lambda lrs: _loss(lrs, problem))
    tried = starts[: 4 if problem['momentum'] else 2]
    lrs = _best((_descent(lrs, caps, problem) for lrs in tried), problem)
    for _ in range(8):
        loss = _loss(lrs, problem) * (1 - 1e-6)
        moves = []
        if 0 < np.count_nonzero(lrs > 0.999 * caps) < len(lrs):
            moves = [np.append(lrs[0], lrs[:-1]), np.append(lrs[1:], lrs[-1])]
        jump = _best_jump(lrs, caps, problem)
        if _loss(jump, problem) < loss:
            moves.append(jump)
        moves = [_descent(move, caps, problem, 100) for move in moves]
        best = _best([lrs, *moves], problem)
        if not _loss(best, problem) < loss:
            break
        lrs = best
    return lrs


def _best_jump(lrs, caps, problem):
    """Return the rates with one of them changed, to the best of a range of values."""
    h, scale = problem['curvatures'], np.broadcast_to(problem['scale'], lrs.shape)
    s2 = problem['noise'] ** 2 / problem['batch_size']
    others = problem['updates'], h, s2, problem['momentum'], scale
    maps, _ = _maps(lrs, *others)
    before, after = _passes(maps, h, problem['start'], scale)
    best, jump = math.inf, lrs
    for share in np.logspace(-6, 0, 25):
        values = share * np.minimum(caps, 1e3 * lrs.max())
        with np.errstate(over='ignore', invalid='ignore'):
            maps, _ = _maps(values, *others)
            losses = (after @ maps @ before).sum(axis=(1, 2, 3))
        k = np.where(np.isfinite(losses), losses, np.inf).argmin()
        if losses[k] < best:
            best, jump = losses[k], np.where(np.arange(len(lrs)) == k, values, lrs)
    return jump


def _non_increasing(lrs, caps, problem):
    """Return the best non-increasing rates near the best of all, `lrs`."""
    level = np.minimum.accumulate(lrs)
    if np.allclose(level, lrs, rtol=1e-9, atol=0):
        return level
    return _best([level, _descent(level, caps, problem, non_increasing=True)], problem)


def _descent(lrs, caps, problem, iterations=300, non_increasing=False):
    """Return the rates at the end of a descent in their logarithms."""
    caps = np.minimum(caps, 1e3 * lrs.max())
    top = np.log(caps)
    first = np.minimum(np.log(np.maximum(lrs, 1e-12 * lrs.max())), top)
    begin, _ = loss_and_gradient(np.exp(first), **problem)

    def rates(y):
        return np.minimum(np.exp(top + np.cumsum(y) if non_increasing else y), caps)

    def objective(y):
        lrs = rates(y)
        with np.errstate(over='ignore', invalid='ignore'):
            loss, gradient = loss_and_gradient(lrs, **problem)
            gradient = gradient * lrs
        if not (math.isfinite(loss) and np.isfinite(gradient).all()):
            return math.inf, gradient
        if non_increasing:
            gradient = np.cumsum(gradient[::-1])[::-1]
        # the logarithm, or a descent from far away would end when most of it is done
        loss = max(loss, 0.0) + 1e-30 * begin
        return math.log(loss), gradient / loss

    if non_increasing:
        falls = np.minimum(np.diff(first - top, prepend=0), 0)
        return rates(_minimise(objective, falls, 0.0, iterations))
    return rates(_minimise(objective, first, top, iterations))


def _minimise(objective, y, top, iterations):
    """Return y <= top from where no step leads down: a projected L-BFGS.

    What is at its bound and would rise stays there; for the rest, the last steps and
    the changes of the gradient tell the curvature.
    """
    value, gradient = objective(y)
    steps, changes = [], []
    idle = 0
    for _ in range(iterations):
        free = (y < top) | (gradient > 0)
        direction = -np.where(free, _times_inverse(gradient * free, steps, changes), 0)
        if not direction @ gradient < 0:
            break
        direction *= min(1, 2 / np.abs(direction).max())  # at most e^2 times the rate
        for halvings in range(40):
            there = np.minimum(y + direction * 0.5**halvings, top)
            below, gradient_there = objective(there)
            step = there - y
            if below <= value + 1e-4 * min(gradient @ step, 0):
                break
        else:
            if not steps:
                break
            steps, changes = [], []
            continue
        change = gradient_there - gradient
        if step @ change > 1e-12 * np.sqrt((step @ step) * (change @ change)):
            steps, changes = [*steps[-29:], step], [*changes[-29:], change]
        idle = idle + 1 if value - below < 1e-11 else 0
        y, value, gradient = there, below, gradient_there
        if idle == 3:
            break
    return y


def _times_inverse(vector, steps, changes):
    """Return the inverse Hessian times `vector`, where `vector` is not 0."""
    free = vector != 0
    vector = vector.copy()
    shares = []
    pairs = [(s * free, c * free) for s, c in zip(steps, changes)]
    pairs = [(s, c, s @ c) for s, c in pairs if s @ c > 1e-12 * (c @ c)]
    for s, c, product in reversed(pairs):
        shares.append(s @ vector / product)
        vector -= shares[-1] * c
    if pairs:
        s, c, product = pairs[-1]
        vector *= product / (c @ c)
    for (s, c, product), share in zip(pairs, reversed(shares)):
        vector += (share - c @ vector / product) * s
    return vector
