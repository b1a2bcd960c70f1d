"""What a look at a schedule should tell before a run is spent on it."""

import copy
import math
import warnings
from typing import Any

from d2l_ext.plan import BATCHES_PER_EPOCH, plan_of, rate_at
from d2l_ext.schedulers import LambdaScheduler, PlateauScheduler, Scheduler

EARLY = 0.05  # over in this share of a run: its lengths were meant for another run

CYCLES = 'Cycl', 'Restart'  # what goes up and down by design says so in its name


def check(
    schedule: Any,
    num_epochs: int | None = None,
    per: str = 'epoch',
    batches_per_epoch: int = BATCHES_PER_EPOCH,
    *,
    stability: float | None = None,
) -> list[str]:
    """Return what is doubtful about a schedule in a run, a list of sentences.

    `schedule`: a `Plan`, or a scheduler and in what follows the rest of its plan.
    `stability` is a rate above which the run is expected to diverge, such as
    2 / lambda_max. The scheduler may also be an object of MXNet (asked from 1, as its
    Trainer asks) or of PyTorch, of which a copy is used up.

    >>> from d2l_ext.schedulers import CosineScheduler
    >>> check(CosineScheduler(40, 0.5, 0.01), num_epochs=40)
    []
    >>> check(CosineScheduler(40, 0.5, 0.01), 40, 'update', 235)  # doctest: +ELLIPSIS
    ['Over after 40 of 9400 updates (0.43 % of the run), the rest has the rate 0.01:...

    Raises ValueError for a `PlateauScheduler`, which follows the losses of a run, and
    what `plan_of` does.
    """
    plan = plan_of(schedule, num_epochs, per, batches_per_epoch)
    scheduler = plan.scheduler
    if isinstance(scheduler, PlateauScheduler):
        raise ValueError(
            f'{scheduler!r} follows the losses of a run and cannot be checked before it'
        )
    run = _Run(plan)
    doubts = [
        _used(scheduler, run),
        _starts_at_zero(run),
        _over_early(run),
        _rises_again(scheduler, run),
        _unstable(run, stability),
    ]
    if not doubts[0]:
        doubts.append(_warmup_too_long(scheduler, run) or _below_peak(scheduler, run))
    return [sentence for sentence in doubts if sentence]


class _Run:
    """The rates of a run: all of them, or enough to find every change."""

    def __init__(self, plan):
        scheduler, n = plan.scheduler, plan.length
        self.per, self.n, self.plan = plan.per, n, plan
        if isinstance(scheduler, Scheduler):
            self.rate, self.times = scheduler.lr, range(n)
            if n > 1000 and not _winding(scheduler):  # a slider waits: 400 will do
                early = (round(1.1**k) for k in range(math.ceil(math.log(n, 1.1))))
                times = {*range(40), *range(0, n, n // 300), *early, n - 1}
                self.times = sorted(t for t in times if t < n)
            self.lrs = [*map(self.rate, self.times)]  # a look at each t would cost more
            if not all(0 <= lr < math.inf for lr in self.lrs):
                self.lrs = [rate_at(scheduler, t, plan.per) for t in self.times]
        else:
            self.times, self.lrs = range(n), list(_rates(plan))
            self.rate = self.lrs.__getitem__
        self.peak = max(self.lrs)
        self.tolerance = 1e-9 * self.peak

    def change(self, holds, i):
        """Return the first time after times[i - 1] for which `holds` holds, as at i."""
        if i == 0:
            return 0
        low, high = self.times[i - 1], self.times[i]
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(self.rate(middle)) else (middle, high)
        return high

    def spoken(self, count):
        return f'{count} {self.per}{"s" * (count != 1)}'


def _rates(plan):
    """Yield what a framework's object, or any function, will say in a run."""
    scheduler, n = copy.deepcopy(plan.scheduler), plan.length
    if _of_torch(scheduler):
        for _ in range(n):
            yield float(scheduler.optimizer.param_groups[0]['lr'])
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # the optimizer takes no steps here
                scheduler.step()
    else:
        first = _first(scheduler)
        for t in range(first, first + n):
            yield rate_at(scheduler, t, plan.per)


def _winding(scheduler):
    """Return whether a rate may change its direction more often than a few times."""
    return any(word in n for n in _names(scheduler) for word in (*CYCLES, 'Lambda'))


def _of_torch(scheduler):
    return hasattr(scheduler, 'optimizer') and callable(getattr(scheduler, 'step', 0))


def _of_mxnet(scheduler):
    return not isinstance(scheduler, Scheduler) and hasattr(
        scheduler, 'warmup_final_lr'
    )


def _first(scheduler):
    """Return the first count with which the scheduler is asked."""
    return 1 if _of_mxnet(scheduler) else 0


def _used(scheduler, run):
    if isinstance(scheduler, Scheduler):
        return ''
    if _of_torch(scheduler):
        steps = max(getattr(part, 'last_epoch', 0) for part in _parts(scheduler))
        return steps > 0 and (
            f'Used already: it was stepped {steps} times and starts at '
            f'{run.lrs[0]:.4g}; make a new optimizer and scheduler for each run.'
        )
    # MXNet's Factor and MultiFactor keep the decayed rate as base_lr; the others keep
    # the original beside it
    if _of_mxnet(scheduler) and not hasattr(scheduler, 'base_lr_orig'):
        begin, left = scheduler.warmup_final_lr, scheduler.base_lr
        if left != begin:
            return (
                f'Used already: of its {begin:.4g} there is {left:.4g} left, and it '
                'cannot go back; make a new one for each plot and each run.'
            )
    twin, t = copy.deepcopy(scheduler), _first(scheduler)
    once, twice = (rate_at(twin, t, run.per) for _ in range(2))
    return once != twice and (
        f'Every call changes it, whatever the time: asked twice for {t}, it answers '
        f'{once:.4g} and then {twice:.4g}; use a function of time.'
    )


def _starts_at_zero(run):
    i = next((i for i, lr in enumerate(run.lrs) if lr > 0), None)
    if i is None:
        return 'The rate is 0 throughout: nothing is learned.'
    count = run.change(lambda lr: lr > 0, i)
    if not count:
        return ''
    which = f'first {run.per}' if count == 1 else f'first {run.spoken(count)}'
    lost = (
        f' ({count * run.plan.batches_per_epoch} updates)' if run.per == 'epoch' else ''
    )
    return (
        f'The rate of the {which} is 0, nothing is learned{lost}: let the warmup '
        f'begin higher, at {run.rate(count):.4g} say.'
    )


def _over_early(run):
    end, batches = run.lrs[-1], run.plan.batches_per_epoch

    def at_rest(lr):
        return abs(lr - end) <= run.tolerance

    moving = [i for i, lr in enumerate(run.lrs) if not at_rest(lr)]
    if not moving or moving[-1] + 1 == len(run.lrs):
        return ''
    count = run.change(at_rest, moving[-1] + 1)
    # a warmup may be short, but not as many updates as the run has epochs
    longest = EARLY * run.n if end < run.peak - run.tolerance else run.plan.num_epochs
    if count > min(longest, EARLY * run.n):
        return ''
    remedy = 'make its lengths longer, or the run shorter.'
    if run.per == 'update':
        remedy = f'count in epochs, or make its lengths {batches} times as long.'
    return (
        f'Over after {count} of {run.spoken(run.n)} ({100 * count / run.n:.2g} % of '
        f'the run), the rest has the rate {end:.4g}: {remedy}'
    )


def _rises_again(scheduler, run):
    if any(word in name for name in _names(scheduler) for word in CYCLES):
        return ''
    pairs = [*enumerate(zip(run.lrs, run.lrs[1:]))]
    falls = [i for i, (a, b) in pairs if b < a - run.tolerance]
    rises = [
        i for i, (a, b) in pairs if falls and i > falls[0] and b > a + run.tolerance
    ]
    if not rises:
        return ''
    i = rises[0]
    # the turn lies beside the lowest of the times looked at
    around = range(run.times[max(i - 1, 0)], run.times[i + 1] + 1)
    low = min(around, key=lambda t: (run.rate(t), -t))  # the last of the lowest
    return (
        f'Rises again after {run.per} {low}, from {run.rate(low):.4g} to '
        f'{max(run.lrs[i + 1 :]):.4g}: stop there, or hold the final rate.'
    )


def _unstable(run, stability):
    if stability is None:
        return ''
    over = [lr > stability for lr in run.lrs]
    # each stretch above the line ends where the next one below begins
    starts = [i for i, high in enumerate(over) if high and not (i and over[i - 1])]
    ends = [i for i, high in enumerate(over) if not high and i and over[i - 1]]
    count = sum(run.change(lambda lr: lr <= stability, i) for i in ends)
    count += run.n * (len(starts) > len(ends))
    count -= sum(run.change(lambda lr: lr > stability, i) for i in starts)
    return count and (
        f'Above the stability line {stability:.4g} for {count} of '
        f'{run.spoken(run.n)}: keep the rate below it.'
    )


def _warmup_too_long(scheduler, run):
    steps = max((getattr(s, 'warmup_steps', 0) for s in _parts(scheduler)), default=0)
    if steps >= run.n:
        return (
            f'The warmup takes {run.spoken(steps)}, the run {run.n}: the rate ends at '
            f'{run.lrs[-1]:.4g}; shorten the warmup.'
        )
    pairs = [*zip(run.lrs, run.lrs[1:])]
    rising = pairs and pairs[-1][1] > pairs[-1][0] + run.tolerance
    if rising and all(b >= a - run.tolerance for a, b in pairs):
        return (
            f'The warmup is not over when the run ends: the rate still rises, to '
            f'{run.lrs[-1]:.4g}; shorten the warmup.'
        )
    return ''


def _below_peak(scheduler, run):
    peak = max((_peak(part) for part in _parts(scheduler)), default=0)
    if run.peak >= 0.99 * peak:  # a time between two updates may hold the last percent
        return ''
    return (
        f'The peak {peak:.4g} is never reached, the highest rate is {run.peak:.4g}: '
        'let the decay begin after the warmup.'
    )


def _parts(scheduler):
    """Yield a scheduler, and the schedulers inside it."""
    yield scheduler
    inner = getattr(scheduler, 'scheduler', None)
    several = getattr(scheduler, 'schedulers', getattr(scheduler, '_schedulers', ()))
    for part in (*([inner] if inner is not None else []), *several):
        yield from _parts(part)


def _names(scheduler):
    return [type(part).__name__ for part in _parts(scheduler)]


def _peak(part):
    """Return the highest rate that a scheduler's arguments name, 0 if unknown."""
    if isinstance(part, LambdaScheduler) or 'Lambda' in type(part).__name__:
        return 0  # what it multiplies is a unit, not a rate
    if _of_torch(part):
        return part.optimizer.param_groups[0].get('initial_lr', 0)
    if _of_mxnet(part):
        return part.warmup_final_lr
    points = [lr for _, lr in getattr(part, 'points', ())]
    rates = (getattr(part, name, 0) for name in ('base_lr', 'max_lr', 'final_lr'))
    return max([*points, *rates])
