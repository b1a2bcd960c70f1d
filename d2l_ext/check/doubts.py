"""What a look at a schedule should tell before a run is spent on it."""

from typing import Any

from d2l_ext.check.lengths import (
    below_peak,
    floor_above,
    part_too_long,
    part_too_short,
    warmup_too_long,
)
from d2l_ext.check.objects import cannot_be_asked, used_already
from d2l_ext.check.rates import Rates, Refused
from d2l_ext.check.shape import (
    falls_little,
    jumps_late,
    over_early,
    rises_again,
    starts_at_zero,
    unstable,
    zero_at_the_end,
)
from d2l_ext.plan import BATCHES_PER_EPOCH, plan_of
from d2l_ext.schedulers import PlateauScheduler, Scheduler


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
    2 / lambda_max. The scheduler may also be an object of MXNet or GluonCV (asked from
    1, as a Trainer asks), or of PyTorch, timm, Ignite or Megatron, of which a copy is
    used up; one that cannot be asked gets a sentence, too.

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
    refused = not isinstance(scheduler, Scheduler) and cannot_be_asked(plan)
    if refused:
        return [refused]
    try:
        run = Rates(plan)
    except Refused as refusal:
        return [str(refusal)]
    used = used_already(scheduler, run)
    floor, early = floor_above(run), over_early(run)
    doubts = [used, starts_at_zero(run)]
    doubts.append(early or part_too_short(run) or zero_at_the_end(run))
    doubts.append(floor or rises_again(run) or jumps_late(run))
    doubts.append(unstable(run, stability))
    if not used:
        doubts.append(
            warmup_too_long(run)
            or below_peak(run)
            or (not floor and part_too_long(run))
            or (not early and falls_little(run))
        )
    return [sentence for sentence in doubts if sentence]
