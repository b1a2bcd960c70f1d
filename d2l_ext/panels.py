"""What a plot shows, as plain values: lines, labels and a sentence, no drawing.

`plots.py` draws panels, `explorers.py` moves them; a function that returns panels can
be called, read and tested without either.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from d2l_ext.schedulers import PlateauScheduler, Scheduler
from d2l_ext.training import known_unit


class Plan(NamedTuple):
    """The schedule that a panel shows, and the run that it is for.

    `scheduler` counts in the unit `per`; see `schedule_panel`.
    """

    scheduler: object
    num_epochs: int
    per: str = 'epoch'
    batches_per_epoch: int = 235


@dataclass(frozen=True, eq=False)
class Panel:
    """One set of axes, as a value.

    `lines` and `pinned`: {label: (x, y)}, `bands`: {label: (x, low, high)}, with
    sequences of equal length; a gap is a NaN, a label '' stays out of the legend.
    `verticals` and `horizontals`: {text: position}. A label has one look in all
    panels drawn together; `pinned` lines are grey.
    `xlim`, `ylim`: (low, high), None where the data decide. `log`: a logarithmic y
    axis; None lets the reader choose. `note`: what the panel says, in words. `thin`:
    the labels of finer lines, where one stands for many; True for all. `plan`: the
    `Plan` shown, if it is one.

    >>> panel = Panel({'lr': ([0, 1, 2], [0.5, 0.25, 0.125])}, 'epoch', 'learning rate')
    >>> panel.name
    'learning rate against epoch'
    """

    lines: dict
    xlabel: str
    ylabel: str
    xlim: tuple | None = None
    ylim: tuple | None = None
    log: bool | None = None
    title: str = ''
    note: str = ''
    bands: dict = field(default_factory=dict)
    pinned: dict = field(default_factory=dict)
    verticals: dict = field(default_factory=dict)
    horizontals: dict = field(default_factory=dict)
    thin: bool | tuple = False
    plan: Plan | None = None

    def __post_init__(self):
        for name, length in ('lines', 2), ('pinned', 2), ('bands', 3):
            given = getattr(self, name)
            object.__setattr__(
                self, name, {k: _columns(name, k, v, length) for k, v in given.items()}
            )

    @property
    def name(self):
        """The title, or what the axes say."""
        return self.title or f'{self.ylabel} against {self.xlabel}'

    @property
    def x(self):
        """Every x shown, float64, shape (n,)."""
        drawn = (*self.lines.values(), *self.bands.values(), *self.pinned.values())
        return np.concatenate([[], *(x for x, *_ in drawn), [*self.verticals.values()]])

    @property
    def y(self):
        """Every y shown, float64, shape (n,)."""
        drawn = (*self.lines.values(), *self.bands.values(), *self.pinned.values())
        columns = [y for _, *ys in drawn for y in ys]
        return np.concatenate([[], *columns, [*self.horizontals.values()]])


def _columns(name, label, columns, length):
    try:
        arrays = tuple(np.asarray(column, dtype=float) for column in columns)
    except (TypeError, ValueError):
        arrays = ()
    shapes = {array.shape for array in arrays}
    if len(arrays) != length or len(shapes) != 1 or arrays[0].ndim != 1:
        raise ValueError(
            f'{name}[{label!r}] must be {length} sequences of numbers of one length, '
            f'got {columns!r:.80}'
        )
    return arrays


def schedule_panel(schedulers, num_epochs, per='epoch', batches_per_epoch=235):
    """Return the panel of the learning rates that a run of `num_epochs` would use.

    `schedulers`: one scheduler, which the panel's `plan` then holds, or {label:
    scheduler}. With `per='epoch'` the rate of epoch e = 0, 1, ... is scheduler(e),
    constant within the epoch; with `per='update'` that of update t = 0, 1, ... is
    scheduler(t), `batches_per_epoch` of them an epoch. The x axis counts epochs of the
    run in both. Raises what `planned_rates` does.

    >>> schedule_panel(lambda t: 0.5 / (t + 1), num_epochs=2).lines['learning rate']
    (array([0., 1., 1., 2.]), array([0.5 , 0.5 , 0.25, 0.25]))
    """
    run = num_epochs, per, batches_per_epoch
    if isinstance(schedulers, dict):
        rates = {name: planned_rates(s, *run) for name, s in schedulers.items()}
        return rates_panel(rates, per, batches_per_epoch)
    rates = {name_of(schedulers): planned_rates(schedulers, *run)}
    plan = Plan(schedulers, int(num_epochs), per, int(batches_per_epoch))
    return rates_panel(rates, per, batches_per_epoch, plan)


def planned_rates(scheduler, num_epochs, per='epoch', batches_per_epoch=235):
    """Return the rates of a run, one per epoch or update as `per` says, float64.

    Arguments as in `schedule_panel`. Raises TypeError for a `PlateauScheduler`, which
    has no rates before the run, and ValueError for a rate that is none.

    >>> planned_rates(lambda t: 0.5 / (t + 1), num_epochs=2)
    array([0.5 , 0.25])
    """
    if isinstance(scheduler, PlateauScheduler):
        raise TypeError(
            f'{scheduler!r} follows the losses of a run and cannot be drawn '
            'before it: draw the History of the run'
        )
    known_unit(per)
    count = _count('num_epochs', num_epochs)
    if per == 'update':
        count *= _count('batches_per_epoch', batches_per_epoch)
    # a slider waits for thousands of calls, and these t need no check
    rate = scheduler.lr if isinstance(scheduler, Scheduler) else scheduler
    rates = np.fromiter(map(rate, range(count)), float, count)
    wrong = np.flatnonzero(~((rates >= 0) & (rates < np.inf)))
    if wrong.size:
        t = wrong[0]
        raise ValueError(
            f'{scheduler!r} gives the rate {rates[t]} at {per} {t}; '
            'it must be finite and >= 0'
        )
    return rates


def rates_panel(rates, per='epoch', batches_per_epoch=235, plan=None):
    """Return the panel of `schedule_panel` from {label: rates}, one per `per`."""
    batches = int(batches_per_epoch) if per == 'update' else 1
    lines = {label: _staircase(values, batches) for label, values in rates.items()}
    note = _sentence({label: _describe(values, per) for label, values in rates.items()})
    return Panel(lines, 'epoch', 'learning rate', ylim=(0, None), note=note, plan=plan)


def history_panels(history):
    """Return the panels of loss, accuracy and applied learning rate, one per epoch axis.

    `history`: one `History`, or {label: history} to compare several. Losses and
    accuracies of epoch e = 0, 1, ... stand at e + 1, where the epoch ends.

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
    shared = {'xlabel': 'epoch', 'xlim': (0, max([1, *ends]))}
    panels = [
        Panel(
            {label: (np.arange(len(ys)) + 1, ys) for label, ys in loss.items()},
            ylabel='loss' if alone else 'train loss',
            note=_sentence(
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
        label or 'applied rate': _staircase(run.lr, run.recipe['batches_per_epoch'])
        for label, run in histories.items()
        if run.lr and run.recipe.get('batches_per_epoch')
    }
    if rates:
        panels.append(Panel(rates, ylabel='learning rate', ylim=(0, None), **shared))
    return panels


def applied_panel(history, scheduler, per='epoch', rtol=1e-9):
    """Return the panel of the rates that a run applied, over those that were planned.

    `history`: a `History`, whose recipe tells how long the run was. `scheduler` counts
    in the unit `per`, in which the plan was made, whatever the unit of the run. Marked
    is the first update whose rate is off by more than `rtol` times the planned one.
    Raises ValueError for a recipe that does not tell, and what `planned_rates` does.

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
    planned = planned_rates(scheduler, num_epochs, per, batches)
    applied = np.asarray(history.lr, dtype=float)
    done, total = len(applied), num_epochs * batches
    due = (planned if per == 'update' else planned.repeat(batches))[:done]
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
            'planned': _staircase(planned, batches if per == 'update' else 1),
            'applied': _staircase(applied, batches),
        },
        'epoch',
        'learning rate',
        ylim=(0, None),
        note=f'{note}.',
        verticals=verticals,
        plan=Plan(scheduler, num_epochs, per, batches),
    )


def recorded_panels(recorded, num_epochs=None, note=''):
    """Return panels of training loss and test accuracy, one line for each seed.

    `recorded`: {label: histories}, one history per seed. The x axis ends at
    `num_epochs`, or with the longest of them. `note`: what they say, in words.
    """
    panels = []
    for name, ylabel, ylim in (
        ('train_loss', 'train loss', (0, 2.6)),  # 2.3 is guessing; a spike leaves above
        ('test_acc', 'test accuracy', (0, 1)),
    ):
        lines = {}
        for label, histories in recorded.items():
            values = [getattr(history, name) for history in histories]
            # a label is one line to a panel: NaN lifts the pen between two seeds
            x = [[*range(1, len(value) + 1), np.nan] for value in values]
            y = [[*value, np.nan] for value in values]
            lines[label] = np.concatenate([[], *x]), np.concatenate([[], *y])
        xlim = 0, num_epochs or max(np.nanmax(x) for x, _ in lines.values())
        panels.append(Panel(lines, 'epoch', ylabel, xlim, ylim, note=note, thin=True))
    return panels


def _staircase(rates, batches_per_epoch):
    """Return x, in epochs, and y of rates that last one update each."""
    rates, begins = np.asarray(rates), np.arange(len(rates))
    edges = np.arange(len(rates) + 1) / batches_per_epoch
    if len(rates) > 1000:
        begins = np.flatnonzero(np.r_[True, rates[1:] != rates[:-1]])
    if len(begins) > 1000:  # steps narrower than a pixel: a point each will do
        return edges, np.append(rates, rates[-1])
    edges = edges[np.append(begins, len(rates))]
    return edges.repeat(2)[1:-1], rates[begins].repeat(2)


def _sentence(notes):
    if len(notes) != 1:
        return '; '.join(f'{label}: {note}' for label, note in notes.items()) + '.'
    (note,) = notes.values()
    return f'{note[:1].upper()}{note[1:]}.'


def _count(name, value):
    if not float(value).is_integer() or value < 1:
        raise ValueError(f'{name} must be a whole number >= 1, got {value!r}')
    return int(value)


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
