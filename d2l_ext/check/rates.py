"""The rates of a run, asked of whichever object gives them."""

import copy
import math
import warnings

from d2l_ext.check.parts import asked_as, is_mxnet, leaves, name_of, parts_of, plain
from d2l_ext.families import TriangularScheduler
from d2l_ext.plan import rate_at
from d2l_ext.schedulers import (
    CosineRestartsScheduler,
    CyclicScheduler,
    LambdaScheduler,
    Scheduler,
)

EARLY = 0.05  # over in this share of a run: its lengths were meant for another run
CYCLES = CyclicScheduler, CosineRestartsScheduler, TriangularScheduler


class Refused(Exception):
    """What a framework's object said in place of a rate."""


class Rates:
    """The rates of a run: all of them, or enough to find every change."""

    def __init__(self, plan):
        scheduler, n = plan.scheduler, plan.length
        self.per, self.n, self.plan = plan.per, n, plan
        self.scheduler, self.parts = scheduler, [*parts_of(scheduler)]
        if isinstance(scheduler, Scheduler):
            self.rate, self.times = scheduler.lr, range(n)
            if n > 1000 and not self.winding():  # a slider waits: 400 will do
                early = (round(1.1**k) for k in range(math.ceil(math.log(n, 1.1))))
                begins = (math.ceil(begin) for _, begin, _ in leaves(scheduler))
                times = {*range(40), *range(0, n, n // 300), *early, *begins, n - 1}
                self.times = sorted(t for t in times if t < n)
            self.lrs = [*map(self.rate, self.times)]  # a look at each t would cost more
            if not (min(self.lrs) >= 0 and sum(self.lrs) < math.inf):  # one is none
                self.lrs = [rate_at(scheduler, t, plan.per) for t in self.times]
        else:
            self.times, self.lrs = range(n), list(_rates(plan))
            self.rate = self.lrs.__getitem__
        self.peak = max(self.lrs)
        self.tolerance = 1e-9 * self.peak
        self.stretches = []  # [i, j, rises]: from lrs[i] to lrs[j] it never turns
        rises = None
        for j, (a, b) in enumerate(zip(self.lrs, self.lrs[1:]), 1):
            if not -self.tolerance <= b - a <= self.tolerance:
                if rises != (b > a):
                    rises = b > a
                    self.stretches.append([j - 1, j, rises])
                self.stretches[-1][1] = j

    def winding(self):
        """Return whether a rate may change its direction more often than a few times.

        Of a reader's function or class that is not known.
        """
        ours = 'd2l_ext.'
        return any(
            isinstance(part, (*CYCLES, LambdaScheduler))
            or not type(part).__module__.startswith(ours)
            for part in self.parts
        )

    def rises_at_the_end(self):
        last = self.stretches[-1:]
        return bool(last) and last[0][1] == len(self.lrs) - 1 and last[0][2]

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
        return f'{plain(count)} {self.per}{"s" * (count != 1)}'

    def share(self, count):
        return f'{plain(count)} of {self.spoken(self.n)} ({100 * count / self.n:.2g} % of the run)'

    def unit_remedy(self):
        if self.per == 'epoch':
            return 'make its lengths longer, or the run shorter.'
        batches = self.plan.batches_per_epoch
        return f'count in epochs, or make its lengths {batches} times as long.'

    def meant_as_epochs(self, length, rising, of=None):
        """Return whether a length in updates is more likely one in epochs.

        A warmup may be short, but not as many updates as it would take epochs.
        """
        epochs = self.plan.num_epochs / (3 if rising else 1)
        return self.per == 'update' and 1 < length <= min(
            epochs, EARLY * (of or self.n)
        )


def _rates(plan):
    """Yield what a framework's object, or any function, will say in a run."""
    scheduler, given = copy_of(plan.scheduler), 0
    asked = asked_as(scheduler)
    try:
        for t in range(plan.length):
            if asked == 'timm':
                yield float(scheduler._get_lr(t)[0])  # it has no public door
            elif asked == 'ignite':
                scheduler(None)
                yield float(scheduler.optimizer_param_groups[0][scheduler.param_name])
            elif asked:
                if t:
                    with warnings.catch_warnings():
                        warnings.simplefilter('ignore')  # the optimizer takes no steps
                        scheduler.step(*([1] if asked == 'megatron' else []))
                yield float(scheduler.optimizer.param_groups[0]['lr'])
            else:
                yield rate_at(scheduler, t + first_count(scheduler), plan.per)
            given = t + 1
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        if not asked and not is_mxnet(scheduler):
            raise  # a reader's function speaks for itself
        raise Refused(
            f'{name_of(scheduler)} gives {given} of {plan.length} rates and then says '
            f'{type(error).__name__}: {error}; check its arguments for this run.'
        ) from error


def first_count(scheduler):
    """Return the first count with which the scheduler is asked."""
    return 1 if is_mxnet(scheduler) else 0


def copy_of(scheduler):
    """Return a copy to use up, which shares the model's parameters and their state."""
    shared = {}
    for part in parts_of(scheduler):
        optimizer = getattr(part, 'optimizer', None)
        for group in getattr(optimizer, 'param_groups', ()):
            shared.update((id(p), p) for p in group.get('params', ()))
        if hasattr(optimizer, 'state'):
            shared[id(optimizer.state)] = optimizer.state
    return copy.deepcopy(scheduler, shared)
