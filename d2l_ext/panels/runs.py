"""Panels of runs: what was planned, applied and reached, alone and over several seeds.

A run is a `History` of `d2l_ext.training`, or what has its attributes.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from d2l_ext.panels.look import ran_away
from d2l_ext.panels.panel import Panel
from d2l_ext.panels.schedules import sentence, staircase
from d2l_ext.plan import Plan, plan_of

MEASURES = {'train_loss': 'train loss', 'test_acc': 'test accuracy'}
LOSSES = (0, 2.6)  # 2.3 is guessing; a spike leaves above
ACCURACIES = (0.6, 0.95)  # what learns is in a narrow band: on 0 to 1 all look alike


def history_panels(history: Any) -> list[Panel]:
    """Return the panels of loss, accuracy and applied learning rate, one per epoch axis.

    `history`: one `History`, or {label: history} to compare several. Losses and
    accuracies of epoch e = 0, 1, ... stand at e + 1, where the epoch ends. The axis of
    losses is logarithmic where a run diverged (`look.ran_away`), and a mark tells from
    which epoch on a loss is no finite number.

    >>> from d2l_ext.training import History
    >>> loss, accuracy = history_panels(History({}, [1.2, 0.8], [0.6, 0.7], [0.5, 0.65]))
    >>> loss.note
    'Epoch 2/?, train loss 0.800, train acc 0.700, test acc 0.650.'
    """
    alone = not isinstance(history, dict)
    histories = {'': history} if alone else history
    if alone:
        loss = {'train loss': history.train_loss}
        accuracy = {'train acc': history.train_acc, 'test acc': history.test_acc}
    else:
        loss = {label: run.train_loss for label, run in histories.items()}
        accuracy = {label: run.test_acc for label, run in histories.items()}
    ends = [
        run.recipe.get('num_epochs', len(run.test_acc)) for run in histories.values()
    ]
    shared: dict[str, Any] = {'xlabel': 'epoch', 'xlim': (0, max([1, *ends]))}
    panels = [
        Panel(
            {label: (np.arange(len(ys)) + 1, ys) for label, ys in loss.items()},
            ylabel='loss' if alone else 'train loss',
            log=ran_away([y for ys in loss.values() for y in ys]) or None,
            verticals=_divergences(histories),
            note=sentence(
                {label: ' '.join(repr(run).split()) for label, run in histories.items()}
            ),
            **shared,
        ),
        Panel(
            {label: (np.arange(len(ys)) + 1, ys) for label, ys in accuracy.items()},
            ylabel='accuracy' if alone else 'test accuracy',
            log=False,
            **shared,
        ),
    ]
    rates = {
        label or 'applied rate': staircase(run.lr, run.recipe['batches_per_epoch'])
        for label, run in histories.items()
        if run.lr and run.recipe.get('batches_per_epoch')
    }
    if rates:
        panels.append(Panel(rates, ylabel='learning rate', ylim=(0, None), **shared))
    return panels


def _divergences(histories: Mapping[str, Any]) -> dict[str, float]:
    marks = {}
    for label, run in histories.items():
        lost = np.flatnonzero(~np.isfinite(run.train_loss))
        if lost.size:
            marks[f'{label or "the loss"} diverges'] = float(lost[0] + 1)
    return marks


def applied_panel(
    history: Any,
    schedule: Plan | Callable[[float], float],
    per: str = 'epoch',
    rtol: float = 1e-9,
) -> Panel:
    """Return the panel of the rates that a run applied, over those that were planned.

    `history`: a `History`, whose recipe tells how long the run was. `schedule`: a `Plan`,
    or a scheduler that counts in the unit `per`, in which it was planned, whatever the
    unit of the run. Marked is the first update whose rate is off by more than `rtol`
    times the planned one. Raises ValueError for a recipe that does not tell, or a plan
    of another length, and what `Plan.rates` does.

    >>> from d2l_ext.training import History
    >>> run = History({'num_epochs': 2, 'batches_per_epoch': 2}, lr=[0.5, 0.25, 0.25])
    >>> applied_panel(run, lambda t: 0.5 / (t + 1)).note[:62]
    'First differs at update 1 (epoch 0): planned 0.5, applied 0.25'
    """
    try:
        num_epochs = history.recipe['num_epochs']
        batches = history.recipe['batches_per_epoch']
    except KeyError as missing:
        raise ValueError(
            f'the recipe of the history must tell {missing}, got {history.recipe!r:.80}'
        ) from missing
    if isinstance(schedule, Plan):
        plan = plan_of(schedule, num_epochs, per)
    else:
        plan = Plan(schedule, num_epochs, per, batches)
    if plan.per == 'update' and plan.batches_per_epoch != batches:
        raise ValueError(
            f'batches_per_epoch must be {batches}, as in the run, got {plan!r:.80}'
        )
    planned = plan.rates()
    applied = np.asarray(history.lr, dtype=float)
    done, total = len(applied), num_epochs * batches
    due = (planned if plan.per == 'update' else planned.repeat(batches))[:done]
    off = np.flatnonzero(~(np.abs(applied - due) <= rtol * due))
    note, verticals = 'Applied as planned', {}
    if off.size:
        first = int(off[0])
        verticals = {'first difference': first / batches}
        note = (
            f'First differs at update {first} (epoch {first // batches}): planned '
            f'{due[first]:.6g}, applied {applied[first]:.6g}. In all, {off.size} of '
            f'{done} updates differ'
        )
    if done < total:
        note += f'; the run has made {done} of {total} updates'
    return Panel(
        {
            'planned': staircase(planned, plan.length // num_epochs),
            'applied': staircase(applied, batches),
        },
        'epoch',
        'learning rate',
        ylim=(0, None),
        note=f'{note}.',
        verticals=verticals,
        plan=plan,
    )


def recorded_panels(
    recorded: Mapping[str, Sequence[Any]],
    num_epochs: int | None = None,
    note: str = '',
) -> list[Panel]:
    """Return panels of training loss and test accuracy, one line for each seed.

    `recorded`: {label: histories}, one history per seed. The x axis ends at
    `num_epochs`, or with the longest of them. `note`: what they say, in words. The axis
    of the accuracy begins at 0.6, and a mark tells how many runs end below, unless all
    are below.

    >>> from d2l_ext.training import History
    >>> runs = [History({}, [loss, 1.0], [0.6] * 2, [0.5] * 2) for loss in (2.0, 1.5)]
    >>> loss, accuracy = recorded_panels({'two seeds': runs})
    >>> loss.lines['two seeds'][1].tolist()
    [2.0, 1.0, nan, 1.5, 1.0, nan]
    """
    panels = []
    below, accuracies = _below([run for runs in recorded.values() for run in runs])
    for (name, ylabel), ylim, marks in zip(
        MEASURES.items(), (LOSSES, accuracies), ({}, below)
    ):
        lines: dict = {}
        for label, histories in recorded.items():
            values = [getattr(history, name) for history in histories]
            # a label is one line to a panel: NaN lifts the pen between two seeds
            x = [[*range(1, len(value) + 1), np.nan] for value in values]
            y = [[*value, np.nan] for value in values]
            lines[label] = np.concatenate([[], *x]), np.concatenate([[], *y])
        xlim = 0, num_epochs or max(np.nanmax(x) for x, _ in lines.values())
        panel = Panel(lines, 'epoch', ylabel, xlim, ylim, note=note, thin=True)
        panels.append(dataclasses.replace(panel, horizontals=marks))
    return panels


def _below(runs: list) -> tuple[dict[str, float], tuple[float, float]]:
    """Return a mark for the runs that end below an axis of accuracies, and the axis."""
    low, ended = ACCURACIES[0], [run.test_acc for run in runs if run.test_acc]
    below = sum(not accuracies[-1] >= low for accuracies in ended)
    if not any(max(accuracies) > low for accuracies in ended):
        return {}, (0, 1)
    return ({f'{below} of {len(runs)} end below': low} if below else {}), ACCURACIES


def band_panels(
    recorded: Mapping[str, Sequence[Any]], since: int = 1, note: str = ''
) -> list[Panel]:
    """Return panels of training loss and test accuracy, as a mean and a band over seeds.

    `recorded`: {label: histories}, one history per seed. The band is the mean ± the
    standard deviation, epoch by epoch over the seeds that got so far; one seed has
    none. Drawn is what follows from epoch `since` on: the first epochs are so much
    worse that they hide the rest. `note`: what the panels say, in words.

    >>> from d2l_ext.training import History
    >>> runs = [History({}, [loss], [0.6], [0.5]) for loss in (1.0, 2.0)]
    >>> loss, accuracy = band_panels({'two seeds': runs})
    >>> [float(round(bound[0], 3)) for bound in loss.bands['two seeds']]
    [1.0, 0.793, 2.207]
    """
    panels = []
    for name, ylabel in MEASURES.items():
        lines, bands = {}, {}
        for label, histories in recorded.items():
            mean, sd = _over_seeds([getattr(history, name) for history in histories])
            epochs = np.arange(len(mean)) + 1
            shown = epochs >= since
            epochs, mean, sd = epochs[shown], mean[shown], sd[shown]
            lines[label] = epochs, mean
            if len(histories) > 1:
                bands[label] = epochs, mean - sd, mean + sd
        xlim = since - 1, max([since, *(x[-1] for x, _ in lines.values() if x.size)])
        panels.append(Panel(lines, 'epoch', ylabel, xlim, bands=bands, note=note))
        note = ''
    return panels


def range_panel(tests: Sequence[Any]) -> Panel:
    """Return a panel of smoothed losses against the rate, one line for each test.

    `tests`: range tests of `d2l_ext.training`, one for each seed. The note tells the
    interval of each rule's suggestions over the tests, and marks tell their medians.
    The axis of the loss begins less than 0.5 below the lowest: few updates fall little.
    Raises ValueError for no tests.

    >>> from d2l_ext.training.range_test import RangeTest
    >>> losses = np.linspace(2.3, 0.3, 100)
    >>> test = RangeTest(np.logspace(-3, 1, 100), losses, 'finished')
    >>> range_panel([test, test]).note[:13]
    'Over 2 seeds:'
    """
    if not tests:
        raise ValueError(f'tests must be one range test or more, got {tests!r}')
    lines = [
        (np.append(np.log10(t.lrs), np.nan), np.append(t.smooth(), np.nan))
        for t in tests
    ]
    x, y = map(np.concatenate, zip(*lines))
    suggestions = [test.suggestions() for test in tests]
    spans, marks = [], {}
    for rule in dict.fromkeys(rule for rates in suggestions for rule in rates):
        rates = [by_rule[rule] for by_rule in suggestions if rule in by_rule]
        spans.append(f'{rule} {min(rates):.2g} to {max(rates):.2g}')
        marks[rule] = float(np.log10(np.median(rates)))
    seeds, updates = f'Over {len(tests)} seeds', max(len(test.lrs) for test in tests)
    without = sum(not rates for rates in suggestions)
    reason = next((test.doubt for test in tests if test.doubt), '')
    note = f'{seeds}: {", ".join(spans)}.' if spans else f'{seeds}: no suggestion.'
    if without:
        note += f' {without} of {len(tests)} suggest nothing: {reason}.'
    return Panel(
        {'smoothed loss': (x, y)},
        'log10 of the learning rate',
        'train loss',
        ylim=(min(2, np.floor(2 * np.nanmin(y)) / 2), 3),
        thin=True,
        note=f'{note} A test of {updates} updates: a longer one suggests lower rates.',
        verticals=marks,
    )


def _over_seeds(values: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each epoch, from lists of any lengths."""
    rows = np.full((len(values), max(map(len, values))), np.nan)
    for row, value in zip(rows, values):
        row[: len(value)] = value
    rows[~np.isfinite(rows)] = np.nan
    n = np.isfinite(rows).sum(axis=0)
    with np.errstate(invalid='ignore'):  # 0 / 0: no seed, or one, has no spread
        mean = np.nansum(rows, axis=0) / n
        return mean, np.sqrt(np.nansum((rows - mean) ** 2, axis=0) / (n - 1))
