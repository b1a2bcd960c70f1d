"""The best schedule of a noisy quadratic: which rates end a run at the smallest loss.

The expected loss at the end is a smooth function of all the rates, and its gradient
costs little more than the loss (`_adjoint`): so the best rates are searched for downhill.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from d2l_ext.plan import whole_number
from d2l_ext.theory._adjoint import loss_and_gradient, maps_of, passes_of, scale_of
from d2l_ext.theory._minimise import minimise
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
        'scale': scale_of(scale, num_rates),
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
    scales = np.broadcast_to(scale_of(scale, num_updates), lrs.shape)
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
    maps, _ = maps_of(lrs, *others)
    before, after = passes_of(maps, h, problem['start'], scale)
    best, jump = math.inf, lrs
    for share in np.logspace(-6, 0, 25):
        values = share * np.minimum(caps, 1e3 * lrs.max())
        with np.errstate(over='ignore', invalid='ignore'):
            maps, _ = maps_of(values, *others)
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
        return rates(minimise(objective, falls, 0.0, iterations))
    return rates(minimise(objective, first, top, iterations))
