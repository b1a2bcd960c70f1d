"""A schedule in its run: who answers, for how long, and what the answers count.

A scheduler is a function of t. Whether t is an epoch or an update, and where the run
ends, belongs to the schedule as much as its shape does: the book's own fault is a
schedule drawn in epochs and consumed in updates. A `Plan` says both, once.
"""

import math
from dataclasses import dataclass

import numpy as np

from d2l_ext.schedulers import PlateauScheduler, Scheduler

BATCHES_PER_EPOCH = 94  # of the mini set, 6,000 images, in minibatches of 64


@dataclass(frozen=True)
class Plan:
    """A scheduler in a run of `num_epochs`, `batches_per_epoch` updates each.

    With `per='epoch'` the rate of all updates of epoch e = 0, 1, ... is scheduler(e);
    with `per='update'` that of update t = 0, 1, ... is scheduler(t). `scheduler` is one
    of `d2l_ext.schedulers`, any function of t, or a framework's own object.

    Raises ValueError, with the remedy, for an argument that is none of these.

    >>> Plan(lambda t: 0.5 / (t + 1), num_epochs=2).rates()
    array([0.5 , 0.25])
    """

    scheduler: object
    num_epochs: int
    per: str = 'epoch'
    batches_per_epoch: int = BATCHES_PER_EPOCH

    def __post_init__(self):
        if not callable(self.scheduler) and not hasattr(self.scheduler, 'step'):
            raise ValueError(
                f'scheduler must be a function of t, such as one of '
                f'd2l_ext.schedulers, got {self.scheduler!r}'
            )
        known_unit(self.per)
        for name in 'num_epochs', 'batches_per_epoch':
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))

    @property
    def updates(self):
        """How many updates the run has."""
        return self.num_epochs * self.batches_per_epoch

    @property
    def length(self):
        """How many rates the run has: epochs or updates, as `per` says."""
        return self.num_epochs if self.per == 'epoch' else self.updates

    def lr(self, epoch, update, losses=()):
        """Return the rate of an update, both counts from 0.

        A `PlateauScheduler` is asked for its rate after `losses`, the training losses
        of the epochs so far. Raises ValueError for a rate that is not finite and >= 0.

        >>> Plan(lambda t: 0.5 / (t + 1), num_epochs=2).lr(epoch=1, update=94)
        0.25
        """
        if isinstance(self.scheduler, PlateauScheduler):
            return self.scheduler.at(losses)
        t = epoch if self.per == 'epoch' else update
        return rate_at(self.scheduler, t, self.per)

    def rates(self):
        """Return the rates of the run: float64, shape (length,).

        Raises ValueError for a `PlateauScheduler`, which has no rates before the run,
        and for a rate that is not finite and >= 0.
        """
        if isinstance(self.scheduler, PlateauScheduler):
            raise ValueError(
                f'{self.scheduler!r} follows the losses of a run and cannot be drawn '
                'before it: draw the History of the run'
            )
        # a slider waits for thousands of calls, and these t need no check
        checked = isinstance(self.scheduler, Scheduler)
        rate = self.scheduler.lr if checked else self.scheduler
        rates = np.fromiter(map(rate, range(self.length)), float, self.length)
        wrong = np.flatnonzero(~((rates >= 0) & (rates < np.inf)))
        if wrong.size:
            _checked(rates[wrong[0]], self.scheduler, wrong[0], self.per)
        return rates


def plan_of(
    schedule, num_epochs=None, per='epoch', batches_per_epoch=BATCHES_PER_EPOCH
):
    """Return `schedule` if it is a `Plan`, else the plan of this scheduler.

    Raises ValueError where a scheduler comes without the length of its run, or a plan
    with another one.

    >>> plan = plan_of(lambda t: 0.5, num_epochs=3)
    >>> plan_of(plan) is plan
    True
    """
    if not isinstance(schedule, Plan):
        if num_epochs is None:
            raise ValueError(
                f'num_epochs must be given with a scheduler, or a Plan in place of '
                f'both, got {schedule!r} alone'
            )
        return Plan(schedule, num_epochs, per, batches_per_epoch)
    if num_epochs not in (None, schedule.num_epochs):
        raise ValueError(
            f'num_epochs must be left out with a Plan, or be its '
            f'{schedule.num_epochs}, got {num_epochs!r}'
        )
    return schedule


def rate_at(scheduler, t, unit='update'):
    """Return scheduler(t) as a float; `unit` says in an error what t counts.

    Raises ValueError where the rate is not finite and >= 0.

    >>> rate_at(lambda t: 0.5 / (t + 1), 4)
    0.1
    """
    return _checked(float(scheduler(t)), scheduler, t, unit)


def known_unit(per):
    """Return `per`, the unit that a schedule counts in.

    Raises ValueError unless it is 'epoch' or 'update'.

    >>> known_unit('epoch')
    'epoch'
    """
    if per not in ('epoch', 'update'):
        raise ValueError(f"per must be 'epoch' or 'update', got {per!r}")
    return per


def whole_number(name, value, at_least=1):
    """Return `value` as an int; a slider's 40.0 will do.

    Raises ValueError unless it is a whole number >= `at_least`.

    >>> whole_number('num_epochs', 40.0)
    40
    """
    try:
        number = int(value)
        right = number == value and number >= at_least
    except (OverflowError, TypeError, ValueError):
        right = False
    if not right:
        raise ValueError(f'{name} must be a whole number >= {at_least}, got {value!r}')
    return number


def _checked(lr, scheduler, t, unit):
    if not 0 <= lr < math.inf:
        raise ValueError(
            f'{scheduler!r} gives the rate {lr} at {unit} {t}; '
            'it must be finite and >= 0'
        )
    return lr
