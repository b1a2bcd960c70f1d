"""What the recordings say: means, paired differences, how many seeds it takes.

Two recipes that share a seed share the first weights and the order of the data, so
their runs are compared in pairs. One rule for all that is said of them: a run that
learned nothing is counted, and left out of means and differences. What it ends with is
that of guessing, or infinite, and would drown what schedules do to a run that learns.
Everything here reads recordings; nothing trains.
"""

import functools
import math
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from d2l_ext.experiments import store
from d2l_ext.training.history import History

Measure = Callable[[History], float]


class Paired(NamedTuple):
    """Differences of n pairs: their mean d and standard deviation s.

    `error` is the standard error s / sqrt(n), `interval` the 95 % confidence interval
    d ± t error with Student's t of n - 1 degrees of freedom.

    >>> pairs = paired([0.86, 0.87, 0.88], [0.84, 0.86, 0.85])
    >>> pairs, pairs.seeds_needed()
    (+0.020 ± 0.006 over 3 seeds, 5)
    """

    mean: float
    sd: float
    n: int

    def __repr__(self) -> str:
        if not self.n:
            return 'no seed with which both learned'
        digits = '.3f' if abs(self.mean) < 1000 else '.1e'  # a loss that ran away
        error = f' ± {self.error:{digits}}' if self.n > 1 else ''
        return f'{self.mean:+{digits}}{error} over {self.n} seed{"s" * (self.n != 1)}'

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return self.sd / math.sqrt(self.n)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the mean: all numbers for a single pair.

        >>> [round(end, 3) for end in Paired(0.1, 0.1, 4).interval]
        [-0.059, 0.259]
        """
        if self.n < 2:
            return -math.inf, math.inf
        half = student_t(self.n - 1) * self.error
        return self.mean - half, self.mean + half

    def seeds_needed(self) -> float:
        """Return how many pairs would show a true difference of this size.

        The least n >= ((t(0.975) + t(0.8)) s / d)^2, with the quantiles t of Student's
        t of n - 1 degrees of freedom: the `interval` of n pairs then leaves 0 out four
        times in five. s is itself an estimate, from few pairs a rough one. inf where
        d = 0.

        Source: Zar, "Biostatistical Analysis" (2010), 7.7; Colas, Sigaud, Oudeyer, "How
        many random seeds?" (2018).
        """
        if not self.mean or not math.isfinite(self.mean) or self.n < 2:
            return math.inf
        ratio, z = self.sd / self.mean, statistics.NormalDist().inv_cdf
        # of as many pairs as the normal quantiles ask for, which are the smaller ones
        n = max(2, math.floor(((z(0.975) + z(0.8)) * ratio) ** 2))
        while n < ((student_t(n - 1) + student_t(n - 1, 0.8)) * ratio) ** 2:
            n += 1
        return n


def paired(values: Sequence[float], control: Sequence[float]) -> Paired:
    """Return the `Paired` differences values[i] - control[i].

    Raises ValueError without any pair, or where a value has none to go with it.

    >>> paired([0.86, 0.87], [0.84, 0.86])
    +0.015 ± 0.005 over 2 seeds
    """
    if len(values) != len(control):
        raise ValueError(
            f'values and control must be pairs, got {len(values)} and {len(control)}'
        )
    differences = [value - other for value, other in zip(values, control)]
    if not differences:
        raise ValueError('values and control have no pair: record the same seeds')
    sd = 0.0
    if not all(map(math.isfinite, differences)):
        sd = math.nan
    elif len(differences) > 1:
        sd = statistics.stdev(differences)
    return Paired(statistics.fmean(differences), sd, len(differences))


def difference(name: str, control: str, measure: Measure | None = None) -> Paired:
    """Return the `Paired` difference of two recipes over the seeds they share.

    `measure` takes a `History`; without it, the last test accuracy. Only seeds count
    with which both runs learned; where there is none, n is 0 and the mean NaN.

    Raises ValueError if one of them is not recorded, or if they share no seed.

    >>> difference('cosine_0.3', 'constant_0.3').n >= 5
    True
    """
    return difference_of(store.load(name), store.load(control), measure)


def difference_of(
    runs: Sequence[History],
    control: Sequence[History],
    measure: Measure | None = None,
) -> Paired:
    """Return what `difference` does, of runs that are loaded already.

    Raises ValueError if they share no seed.
    """
    measure = measure or (lambda run: run.test_acc[-1])
    pairs = same_seed(runs, control)
    if pairs and not learned(pairs):
        return Paired(math.nan, math.nan, 0)
    values = [[measure(run) for run in pair] for pair in learned(pairs)]
    return paired(*(zip(*values) if values else ((), ())))


def same_seed(*groups: Sequence[History]) -> list[tuple[History, ...]]:
    """Return tuples of the runs, one of each group, that share a seed.

    >>> runs = [History({'seed': seed}) for seed in (0, 1, 2)]
    >>> [one.recipe['seed'] for one, other in same_seed(runs, runs[1:])]
    [1, 2]
    """
    by_seed = [{run.recipe['seed']: run for run in group} for group in groups]
    shared = sorted(set.intersection(*map(set, by_seed)))
    return [tuple(group[seed] for group in by_seed) for seed in shared]


# Not SciPy's stdtrit: to load it takes longer than all other work of the verdicts, which
# every notebook prints, also where there is NumPy alone. A test compares the two
@functools.cache
def student_t(df: int, quantile: float = 0.975) -> float:
    """Return a quantile from 0.5 to 0.975 of Student's t, `df` degrees of freedom.

    >>> [round(student_t(df), 3) for df in (1, 4, 9)]
    [12.706, 2.776, 2.262]

    Source: Abramowitz and Stegun (1964), 26.7.3 and 26.7.4, solved by bisection; 26.7.5
    where df is large.
    """
    if df > 1000:
        z = statistics.NormalDist().inv_cdf(quantile)
        return z + (z**3 + z) / (4 * df)
    low, high = 0.0, 13.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        beyond = _within(middle, df) > 2 * quantile - 1
        low, high = (low, middle) if beyond else (middle, high)
    return (low + high) / 2


def _within(t, df):
    """Return the probability of [-t, t]."""
    angle = math.atan(t / math.sqrt(df))
    cosine = math.cos(angle)
    term = total = cosine if df % 2 else 1.0
    for k in range(3 if df % 2 else 2, df - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    if df % 2:
        return 2 / math.pi * (angle + math.sin(angle) * total * (df > 1))
    return math.sin(angle) * total


def failed(history: History) -> bool:
    """Tell whether a run learned nothing: a loss of ln 10 is that of guessing.

    >>> failed(History({}, [2.3028], [0.1], [0.1]))
    True
    """
    return not history.train_loss[-1] < math.log(10) - 0.01


def learned(groups: Sequence[tuple[History, ...]]) -> list[tuple[History, ...]]:
    """Return the groups of runs, pairs say, in which no run `failed`."""
    return [runs for runs in groups if not any(map(failed, runs))]
