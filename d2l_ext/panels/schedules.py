"""Panels of schedules: the rates of a run before it is run."""

import numpy as np

from d2l_ext.panels.panel import Panel
from d2l_ext.plan import BATCHES_PER_EPOCH, plan_of


def schedule_panel(
    schedules, num_epochs=None, per='epoch', batches_per_epoch=BATCHES_PER_EPOCH
):
    """Return the panel of the learning rates that a run would use.

    `schedules`: a `Plan`, or a scheduler and in what follows the rest of its plan; the
    panel's `plan` holds it. Or {label: one of these}, of one unit. The x axis counts
    epochs of the run, in either unit. Raises what `plan_of` and `Plan.rates` do.

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


def rates_panel(runs, plan=None):
    """Return the panel of {label: (its plan, its rates)}; `plan` is kept in it."""
    lines, notes = {}, {}
    for label, (of, rates) in runs.items():
        lines[label] = staircase(rates, of.length // of.num_epochs)
        notes[label] = _describe(rates, of.per)
    note = sentence(notes)
    return Panel(lines, 'epoch', 'learning rate', ylim=(0, None), note=note, plan=plan)


def staircase(rates, an_epoch):
    """Return x, in epochs, and y of rates of which each epoch has as many."""
    rates, begins = np.asarray(rates), np.arange(len(rates))
    edges = np.arange(len(rates) + 1) / an_epoch
    if len(rates) > 1000:
        begins = np.flatnonzero(np.r_[True, rates[1:] != rates[:-1]])
    if len(begins) > 1000:  # steps narrower than a pixel: a point each will do
        return edges, np.append(rates, rates[-1])
    edges = edges[np.append(begins, len(rates))]
    return edges.repeat(2)[1:-1], rates[begins].repeat(2)


def sentence(notes):
    """Return {label: note} as one sentence, a single note without its label."""
    if len(notes) != 1:
        return '; '.join(f'{label}: {note}' for label, note in notes.items()) + '.'
    (note,) = notes.values()
    return f'{note[:1].upper()}{note[1:]}.'


def name_of(scheduler):
    """Return what a legend calls a scheduler: its class, or its function's name."""
    name = getattr(scheduler, '__name__', type(scheduler).__name__)
    return 'learning rate' if name == '<lambda>' else name


def _describe(rates, unit):
    start, end = rates[0], rates[-1]
    if (rates == start).all():
        return f'constant at {start:.4g}'
    peak = int(np.argmax(rates))
    parts = [f'starts at {start:.4g}', f'ends at {end:.4g}', f'mean {rates.mean():.4g}']
    if rates[peak] > start:
        parts.insert(1, f'peaks at {rates[peak]:.4g} in {unit} {peak}')
    changes = int(np.flatnonzero(rates != end)[-1]) + 1
    if changes < len(rates) - 1:
        share = f'{100 * changes / len(rates):.2g} %'
        parts.append(f'final rate reached after {changes} of {len(rates)} {unit}s')
        parts[-1] += f' ({share} of the run)'
    return ', '.join(parts)
