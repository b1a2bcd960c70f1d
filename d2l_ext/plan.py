"""A schedule in its run: who answers, for how long, and what the answers count.

A scheduler is a function of t. Whether t is an epoch or an update, and where the run
ends, belongs to the schedule as much as its shape does: the book's own fault is a
schedule drawn in epochs and consumed in updates. A `Plan` says both, once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from d2l_ext.schedulers import PlateauScheduler, Scheduler

if TYPE_CHECKING:
    import numpy as np

BATCHES_PER_EPOCH = 94  # of the mini set, 6,000 images, in minibatches of 64


@dataclass(frozen=True)
class Plan:
    """A scheduler in a run of `num_epochs`, `batches_per_epoch` updates each.

    With `per='epoch'` the rate of all updates of epoch e = 0, 1, ... is scheduler(e);
    with `per='update'` that of update t = 0, 1, ... is scheduler(t). `scheduler` is one
    of `d2l_ext.schedulers`, any function of t, or a framework's own object.

    Raises ValueError, with the remedy, for an argument that is none of these: for
    `per`, and for lengths that are not whole numbers >= 1.

    >>> Plan(lambda t: 0.5 / (t + 1), num_epochs=2).rates()
    array([0.5 , 0.25])
    """

    scheduler: Any
    num_epochs: int
    per: str = 'epoch'
    batches_per_epoch: int = BATCHES_PER_EPOCH

    def __post_init__(self) -> None:
        called = callable(self.scheduler) and not isinstance(self.scheduler, type)
        if not called and not hasattr(self.scheduler, 'step'):
            raise ValueError(
                f'scheduler must be a function of t, such as one of '
                f'd2l_ext.schedulers, got {self.scheduler!r}'
            )
        if self.per not in ('epoch', 'update'):
            raise ValueError(f"per must be 'epoch' or 'update', got {self.per!r}")
        for name in 'num_epochs', 'batches_per_epoch':
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))

    @property
    def updates(self) -> int:
        """How many updates the run has."""
        return self.num_epochs * self.batches_per_epoch

    @property
    def length(self) -> int:
        """How many rates the run has: epochs or updates, as `per` says."""
        return self.num_epochs if self.per == 'epoch' else self.updates

    def lr(self, epoch: int, update: int, losses: Sequence[float] = ()) -> float:
        """Return the rate of an update, both counts from 0.

        A `PlateauScheduler` is asked for its rate after `losses`, the training losses
        of the epochs so far. Raises ValueError for a rate that is not a number,
        finite and >= 0, and for a framework's object that cannot be asked for a time.

        >>> Plan(lambda t: 0.5 / (t + 1), num_epochs=2).lr(epoch=1, update=94)
        0.25
        """
        if isinstance(self.scheduler, PlateauScheduler):
            return self.scheduler.at(losses)
        return rate_at(self._rate, epoch if self.per == 'epoch' else update, self.per)

    def rates(self) -> np.ndarray:
        """Return the rates of the run: float64, shape (length,).

        Raises ValueError for a `PlateauScheduler`, which has no rates before the run,
        and what `lr` does.
        """
        if isinstance(self.scheduler, PlateauScheduler):
            raise ValueError(
                f'{self.scheduler!r} follows the losses of a run and cannot be drawn '
                'before it: draw the History of the run'
            )
        import numpy as np  # reading recordings needs none of it

        # a slider waits for thousands of calls, and these t need no check
        rate = self._rate.lr if isinstance(self._rate, Scheduler) else self._rate
        times = range(self.length)
        try:
            rates = np.fromiter(map(rate, times), float, len(times))
            right = bool(((rates >= 0) & (rates < math.inf)).all())
        except (TypeError, ValueError):
            right = False
        if not right:  # one by one, to say which is none
            rates = np.array([rate_at(self._rate, t, self.per) for t in times])
        return rates

    @property
    def _rate(self) -> Callable[[float], float]:
        if not callable(self.scheduler):
            raise ValueError(
                f'{self.scheduler!r:.80} steps by itself and cannot be asked for a '
                'time: check takes it as it is, all else one of d2l_ext.schedulers'
            )
        return self.scheduler


def plan_of(
    schedule: Plan | Callable[[float], float],
    num_epochs: int | None = None,
    per: str = 'epoch',
    batches_per_epoch: int = BATCHES_PER_EPOCH,
) -> Plan:
    """Return `schedule` if it is a `Plan`, else the plan of this scheduler.

    Raises ValueError where a scheduler comes without the length of its run, or a plan
    with another length or unit than its own, and what `Plan` does.

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
    for name, value, left_out in (
        ('num_epochs', num_epochs, None),
        ('per', per, 'epoch'),
        ('batches_per_epoch', batches_per_epoch, BATCHES_PER_EPOCH),
    ):
        if value not in (left_out, getattr(schedule, name)):
            raise ValueError(
                f'{name} must be left out with a Plan, or be its '
                f'{getattr(schedule, name)!r}, got {value!r}'
            )
    return schedule


def rate_at(
    scheduler: Callable[[float], float], t: float, unit: str = 'update'
) -> float:
    """Return scheduler(t) as a float; `unit` says in an error what t counts.

    Raises ValueError where the rate is not a number, finite and >= 0.

    >>> rate_at(lambda t: 0.5 / (t + 1), 4)
    0.1
    """
    rate = scheduler(t)
    try:
        lr = float(rate)
    except (TypeError, ValueError):
        lr = math.nan
    if not 0 <= lr < math.inf:
        raise ValueError(
            f'{scheduler!r} gives the rate {rate} at {unit} {t}; '
            'it must be finite and >= 0'
        )
    return lr


def whole_number(name: str, value: Any, at_least: int = 1) -> int:
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
