"""Panels of schedules: the rates of a run before it is run."""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from d2l_ext.panels.panel import Panel
from d2l_ext.plan import BATCHES_PER_EPOCH, Plan, plan_of
from d2l_ext.schedulers import Scheduler, WarmupScheduler

Schedule = Plan | Callable[[float], float]


def schedule_panel(
    schedules: Schedule | dict[str, Schedule],
    num_epochs: int | None = None,
    per: str = 'epoch',
    batches_per_epoch: int = BATCHES_PER_EPOCH,
) -> Panel:
    """Return the panel of the learning rates that a run would use.

    `schedules`: a `Plan`, or a scheduler and in what follows the rest of its plan; the
    panel's `plan` holds it. Or {label: one of these}, of one unit. The x axis counts
    epochs of the run, in either unit. Raises what `plan_of` and `Plan.rates` do, ValueError each.

    >>> schedule_panel(lambda t: 0.5 / (t + 1), num_epochs=2).lines['learning rate']
    (array([0., 1., 1., 2.]), array([0.5 , 0.5 , 0.25, 0.25]))
    """
    run = num_epochs, per, batches_per_epoch
    if isinstance(schedules, dict):
        plans = {
            label: plan_of(schedule, *run) for label, schedule in schedules.items()
        }
        return rates_panel(
            {label: (plan, plan.rates()) for label, plan in plans.items()}
        )
    plan = plan_of(schedules, *run)
    return rates_panel({name_of(plan.scheduler): (plan, plan.rates())}, plan)


def rates_panel(
    runs: Mapping[str, tuple[Plan, np.ndarray]], plan: Plan | None = None
) -> Panel:
    """Return the panel of {label: (its plan, its rates)}; `plan` becomes the panel's.

    >>> plan = Plan(lambda t: 0.5, num_epochs=2)
    >>> rates_panel({'half': (plan, plan.rates())}).note
    'Constant at 0.5.'
    """
    lines, notes = {}, {}
    for label, (run, rates) in runs.items():
        lines[label] = staircase(rates, run.length // run.num_epochs)
        notes[label] = _describe(rates, run.per)
    note = sentence(notes)
    return Panel(lines, 'epoch', 'learning rate', ylim=(0, None), note=note, plan=plan)


def staircase(
    rates: Sequence[float] | np.ndarray, per_epoch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return x, in epochs, and y of a line that holds each of the rates for its time.

    `per_epoch`: how many of the rates an epoch has.

    >>> staircase([0.5, 0.1], per_epoch=2)
    (array([0. , 0.5, 0.5, 1. ]), array([0.5, 0.5, 0.1, 0.1]))
    """
    rates, begins = np.asarray(rates), np.arange(len(rates))
    edges = np.arange(len(rates) + 1) / per_epoch
    if len(rates) > 1000:
        begins = np.flatnonzero(np.r_[True, rates[1:] != rates[:-1]])
    if len(begins) > 1000:  # steps narrower than a pixel: a point each will do
        return edges, np.append(rates, rates[-1])
    edges = edges[np.append(begins, len(rates))]
    return edges.repeat(2)[1:-1], rates[begins].repeat(2)


def sentence(notes: Mapping[str, str]) -> str:
    """Return {label: note} as one sentence, a single note without its label.

    >>> sentence({'first': 'ends at 0.1', 'second': 'ends at 0'})
    'first: ends at 0.1; second: ends at 0.'
    """
    if len(notes) != 1:
        return '; '.join(f'{label}: {note}' for label, note in notes.items()) + '.'
    (note,) = notes.values()
    return f'{note[:1].upper()}{note[1:]}.'


def name_of(scheduler: object) -> str:
    """Return what a legend calls a scheduler: the words of its class, or a function's.

    >>> from d2l_ext.schedulers import CosineScheduler, WarmupScheduler
    >>> name_of(WarmupScheduler(CosineScheduler(30, 0.3), 5)), name_of(abs)
    ('warmup + cosine', 'abs')
    >>> name_of(lambda t: 0.5)
    'learning rate'
    """
    if isinstance(scheduler, WarmupScheduler):
        return f'warmup + {name_of(scheduler.scheduler)}'
    if isinstance(scheduler, Scheduler):
        kind = type(scheduler).__name__.removesuffix('Scheduler')
        return re.sub('(?<=[a-z])(?=[A-Z])', ' ', kind).lower() or 'learning rate'
    name = getattr(scheduler, '__name__', type(scheduler).__name__)
    return 'learning rate' if name == '<lambda>' else name


def _describe(rates: np.ndarray, unit: str) -> str:
    start, end = rates[0], rates[-1]
    # a mix of two equal rates may differ from them in the last digit
    if _equal(rates, start).all():
        return f'constant at {start:.4g}'
    highest = rates.max()
    peak = int(np.argmax(_equal(rates, highest)))
    parts = [f'starts at {start:.4g}', f'ends at {end:.4g}', f'mean {rates.mean():.4g}']
    if peak:
        parts.insert(1, f'peaks at {highest:.4g} in {unit} {peak}')
    changes = int(np.flatnonzero(~_equal(rates, end))[-1]) + 1
    if changes < len(rates) - 1:
        share = f'{100 * changes / len(rates):.2g} %'
        parts.append(f'final rate reached after {changes} of {len(rates)} {unit}s')
        parts[-1] += f' ({share} of the run)'
    return ', '.join(parts)


def _equal(rates: np.ndarray, lr: float) -> np.ndarray:
    return np.abs(rates - lr) <= 1e-12 * lr
