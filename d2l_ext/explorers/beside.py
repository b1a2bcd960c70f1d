"""What stands beside a picture, without a widget: a notebook and a web page share it.

The schedule as code, its steps closely, and the curves of a run that follows it.
"""

import dataclasses
import math

from d2l_ext.exchange.code import LIBRARIES, code
from d2l_ext.panels.boundary import boundary_panels
from d2l_ext.panels.panel import Panel
from d2l_ext.panels.runs import history_panels, recorded_panels
from d2l_ext.plan import Plan
from d2l_ext.schedulers import LambdaScheduler, MultiFactorScheduler, Scheduler
from d2l_ext.training.history import History
from d2l_ext.training.recipe import Recipe

NOTHING, TEXT, STEPS = 'nothing', 'settings as a text', 'its steps, closely'
CODE = {f'code for {library}': library for library in LIBRARIES}
TRAINED = 'trained now'
BY_HAND = 0.001, 3  # the reach of a rate that the reader sets


def openable(plan: Plan | None) -> tuple[str, ...]:
    """Return what a reader may open below the picture of `plan`, a `Plan` or None."""
    options = NOTHING, TEXT, *(CODE if plan else ())
    scheduler = plan.scheduler if plan else None
    if isinstance(scheduler, MultiFactorScheduler) and scheduler.step:
        return *options, STEPS
    return options


def coded(plan: Plan | None, library: str) -> str:
    """Return `plan` as code for a library; a comment says why where it cannot be."""
    try:
        return code(plan, library) if plan else ''
    except (TypeError, ValueError) as error:
        return f'# {error}'


def step_panels(plan: Plan | None) -> list[Panel]:
    """Return two panels for each of the first three steps of a schedule that has some."""
    scheduler = plan.scheduler if plan else None
    if not isinstance(scheduler, MultiFactorScheduler):
        return []
    # a step between two counts is seen at the next one
    times = map(math.ceil, scheduler.step[:3])
    return [panel for at in times for panel in boundary_panels(scheduler, at)]


def recipe_of(plan: Plan | None) -> Recipe:
    """Return the `Recipe` that trains as `plan` says.

    Raises ValueError without a plan, and what `Recipe.of` does.

    >>> recipe_of(Plan(lambda t: 0.5, num_epochs=3)).num_epochs
    3
    """
    if not plan:
        raise ValueError('no panel here carries a schedule: nothing to train')
    if not isinstance(plan.scheduler, Scheduler):  # a function of the reader's
        scheduler = LambdaScheduler(plan.scheduler, base_lr=1)
        plan = dataclasses.replace(plan, scheduler=scheduler)
    return Recipe.of(plan)


def with_run(panels: list[Panel], plan: Plan | None, history: History) -> list[Panel]:
    """Return the panels with the curves of the run that `history` tells of.

    Where no panel has the axes for a curve, it gets one of its own. `plan`: the `Plan`
    shown, if any.

    >>> from d2l_ext.panels import schedule_panel
    >>> plan = Plan(lambda t: 0.5, num_epochs=2)
    >>> run = History({'num_epochs': 2}, [1.2], [0.6], [0.5], [0.5] * 94)
    >>> [panel.ylabel for panel in with_run([schedule_panel(plan)], plan, run)]
    ['learning rate', 'train loss', 'test accuracy']
    """
    panels = [*panels]
    if not history.lr:
        return panels
    epochs = plan.num_epochs if plan else history.recipe.get('num_epochs', 1)
    # a copy: a slider's handler may draw while the run adds to the lists
    losses, accuracies = [*history.train_loss], [*history.test_acc]
    so_far = History(train_loss=losses, test_acc=accuracies[: len(losses)])
    for curve in recorded_panels({TRAINED: [so_far]}, epochs):
        for i, panel in enumerate(panels):
            if (panel.xlabel, panel.ylabel) == (curve.xlabel, curve.ylabel):
                thin = tuple(panel.lines) if panel.thin is True else panel.thin
                lines = {**panel.lines, **curve.lines}
                panels[i] = dataclasses.replace(panel, lines=lines, thin=thin)
                break
        else:
            panels.append(dataclasses.replace(curve, thin=False))
    return panels


def by_hand_panels(
    history: History, lr: float, message: str, recorded: History | None = None
) -> list[Panel]:
    """Return the panels of a run that the reader steers, with a mark at the rate `lr`.

    Beside its curves stand those of a `recorded` run, if there is one.

    >>> run = History({'batches_per_epoch': 2}, [1.2], [0.6], [0.5], [0.5, 0.4])
    >>> by_hand_panels(run, 0.3, 'Training.')[-1].horizontals
    {'slider': 0.3}
    """
    # a copy: a slider's handler may draw while the run adds to the list
    history = dataclasses.replace(history, lr=[*history.lr])
    first, *others = history_panels(history)
    first = dataclasses.replace(first, note=f'{message} {history}.')
    if others and others[-1].ylabel == 'learning rate':
        mark = {'slider': lr}
        others[-1] = dataclasses.replace(
            others[-1], ylim=BY_HAND, log=True, horizontals=mark
        )
    panels = [first, *others]
    beside = history_panels(recorded)[:2] if recorded else []
    for i, panel in enumerate(beside):
        label, line = [*panel.lines.items()][-1]
        lines = {**panels[i].lines, f'recorded {label}': line}
        panels[i] = dataclasses.replace(panels[i], lines=lines)
    return panels
