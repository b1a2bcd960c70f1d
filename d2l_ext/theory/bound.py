"""The worst case: how badly SGD can end on any convex problem, for a schedule.

Where the noisy quadratic is one problem, a bound holds for all convex losses, smooth or
not, whose gradients have known norms. It rates any schedule, tells its best base rate,
and has a best schedule: linear decay to zero if all gradients may be as large.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class BestBase(NamedTuple):
    """The base rate with the smallest bound, and that bound."""

    base_lr: float
    bound: float


class BestRates(NamedTuple):
    """The rates with the smallest bound, and that bound."""

    lrs: np.ndarray
    bound: float


def last_iterate_bound(
    lrs: Sequence[float] | np.ndarray,
    distance: float = 1.0,
    norms: float | Sequence[float] | np.ndarray = 1.0,
) -> float:
    """Return how far above its minimum SGD can end, in the mean, on a convex loss.

    E f(x_T) - f* <= distance^2 / (2 S_1) + N_1 / (2 S_1)
    + (1/2) sum over k = 1, ..., T - 1 of lr_k N_k / (S_(k+1) S_k),
    with S_k = lr_k + ... + lr_T, N_k = lr_k^2 G_k^2 + ... + lr_T^2 G_T^2, G_t^2 =
    E |g_t|^2 (`norms`: one number, or one for each update) and `distance` that
    from the start x_1 to a minimum. The update is x_(t+1) = x_t - lr_t g_t, so x_T
    is the point where the last gradient is taken, and lr_T moves only what comes
    after it. Rates of 0 at the end are left out: the bound is then about the point
    before the last move.

    Raises ValueError for rates or norms below 0 or not finite, and rates all 0.

    >>> last_iterate_bound([0.5])
    1.25

    Source: Defazio et al. (2023), theorem 10; Schaipp et al. (2025), theorem 1.
    """
    drift, noise = _parts(lrs, distance, norms)
    return drift + noise


def best_base_rate(
    lrs: Sequence[float] | np.ndarray,
    distance: float = 1.0,
    norms: float | Sequence[float] | np.ndarray = 1.0,
) -> BestBase:
    """Return the factor on the rates for which `last_iterate_bound` is smallest.

    With c lr_t for lr_t the bound is A / c + B c, A = distance^2 / (2 S_1) and B the
    rest: smallest at c = sqrt(A / B), where it is 2 sqrt(A B). For rates that begin
    with 1, c is the best base rate. For linear decay, 1 - t / T for t = 0, ..., T - 1,
    c is about distance / (G sqrt(T)), and the bound 2 distance G / sqrt(T). No
    schedule has a smaller one, but for a last rate that is free to be higher: that is
    twice what `best_rates` proves of the same rates, so compare like with like. For
    a constant rate it is sqrt(1 + 1 + 1/2 + ... + 1/(T - 1)) distance G / sqrt(T).

    Raises ValueError as `last_iterate_bound` does, and where all norms are 0.

    >>> T = 1000
    >>> base_lr, bound = best_base_rate(1 - np.arange(T) / T)
    >>> round(base_lr * T**0.5, 2), round(bound * T**0.5, 2)
    (1.0, 2.01)

    Source: Schaipp et al. (2025) on theorem 1; Defazio et al. (2023), theorem 10.
    """
    drift, noise = _parts(lrs, distance, norms)
    if not noise > 0:
        raise ValueError(f'norms must not all be 0, got {norms!r:.80}')
    return BestBase(math.sqrt(drift / noise), 2 * math.sqrt(drift * noise))


def best_rates(norms: Sequence[float] | np.ndarray, distance: float = 1.0) -> BestRates:
    """Return the rates with the smallest bound for gradients of these norms.

    lr_t = c w_t (w_(t+1) + ... + w_T) / W with w_t = 1 / G_t^2, W = w_1 + ... + w_T and
    c = distance / sqrt(W); then E f(x_T) - f* <= distance / sqrt(W). If all norms are
    G, that is linear decay to 0, distance / (G sqrt(T)) (1 - t / T) for t = 1, ..., T,
    and its bound distance G / sqrt(T): on f(x) = G max_i x_i in T dimensions no rates
    do better. The last rate is 0: x_T is the last point. Why: z_(t+1) = z_t - c w_t g_t
    ends within that bound on average, and x moves as z does, each time by the share of
    weights that is still to come.

    Raises ValueError for norms that are not finite and above 0, and a `distance` < 0.

    >>> lrs, bound = best_rates([1.0] * 4)
    >>> lrs.tolist(), bound
    ([0.375, 0.25, 0.125, 0.0], 0.5)

    Source: Defazio et al. (2023), the theorem on last iterates and linear decay as its
    corollary; Drori and Teboulle (2016) for the function on which none is better.
    """
    norms = np.asarray(norms, dtype=float)
    if norms.ndim != 1 or not norms.size or not np.all((norms > 0) & (norms < np.inf)):
        raise ValueError(
            f'norms must be numbers, finite and above 0, got {norms!r:.80}'
        )
    _checked_distance(distance)
    weights = 1 / norms**2
    left = _tails(weights)
    total = left[0]
    lrs = distance / math.sqrt(total) * weights * np.append(left[1:], 0) / total
    return BestRates(lrs, distance / math.sqrt(total))


def refined_rates(
    norms: Sequence[float] | np.ndarray, smoothing: float = 0.1
) -> np.ndarray:
    """Return the shape of `best_rates` for the smoothed norms of a run, at most 1.

    G_t is the median of `norms` in a window of about `smoothing` T updates around t;
    beyond the end the window sees the last norms mirrored, before the start the first
    one repeated. Equal norms give linear decay, norms that fall early give warmup,
    norms that rise at the end a faster fall. One run's norms shape the next run's
    rates; the base rate is to be tuned.

    Raises ValueError for norms that are not finite and above 0, for fewer than two,
    and for a `smoothing` outside 0 to 1.

    >>> refined_rates([1.0] * 5).tolist()
    [1.0, 0.75, 0.5, 0.25, 0.0]

    Source: Defazio et al. (2023), the schedule refinement for SGD, and the note on its
    code for how the window meets the ends.
    """
    norms = np.asarray(norms, dtype=float)
    if norms.ndim != 1 or norms.size < 2:
        raise ValueError(f'norms must be two numbers or more, got {norms!r:.80}')
    if not 0 <= smoothing <= 1:
        raise ValueError(f'smoothing must be from 0 to 1, got {smoothing!r}')
    half = int(smoothing * norms.size) // 2
    wider = np.pad(np.pad(norms, (half, 0), mode='edge'), (0, half), mode='reflect')
    windows = np.lib.stride_tricks.sliding_window_view(wider, 2 * half + 1)
    lrs = best_rates(np.median(windows, axis=1)).lrs
    return lrs / lrs.max()


def _parts(lrs, distance, norms):
    """Return the two parts of the bound: of the distance, and of the gradients."""
    lrs = np.asarray(lrs, dtype=float)
    if lrs.ndim != 1 or not np.all((lrs >= 0) & (lrs < np.inf)) or not lrs.any():
        raise ValueError(
            f'lrs must be rates >= 0, finite and not all 0, got {lrs!r:.80}'
        )
    _checked_distance(distance)
    norms = np.asarray(norms, dtype=float)
    if norms.shape not in ((), lrs.shape) or not np.all(
        (norms >= 0) & (norms < np.inf)
    ):
        raise ValueError(
            f'norms must be a number >= 0, or one for each of the {len(lrs)} rates, '
            f'got {norms!r:.80}'
        )
    count = np.flatnonzero(lrs)[-1] + 1
    sums = _tails(lrs[:count])
    squares = _tails((lrs**2 * norms**2)[:count])
    noise = squares[0] / sums[0]
    noise += (lrs[: count - 1] * squares[:-1] / (sums[1:] * sums[:-1])).sum()
    return float(distance**2 / sums[0] / 2), float(noise / 2)


def _checked_distance(distance):
    if not 0 <= distance < math.inf:
        raise ValueError(f'distance must be finite and >= 0, got {distance!r}')


def _tails(values):
    """Return the sums from each value to the last: added from the end, none cancels."""
    return np.cumsum(values[::-1])[::-1]
