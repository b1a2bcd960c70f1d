"""Sliders over recorded runs: what really came of a schedule, at once.

>>> Atlas('warmup', base_lr=0.5, warmup_steps=5)
Atlas('warmup', base_lr=0.5, warmup_steps=5)
"""

import dataclasses
import functools
from collections.abc import Callable

from d2l_ext.experiments.recipes import ATLAS, RECIPES, nearest
from d2l_ext.experiments.statistics import failed
from d2l_ext.experiments.store import load
from d2l_ext.explorers.controls import Control, Snap
from d2l_ext.explorers.explorer import Explorer
from d2l_ext.explorers.state import in_words
from d2l_ext.panels.panel import Panel
from d2l_ext.panels.runs import recorded_panels
from d2l_ext.panels.schedules import schedule_panel
from d2l_ext.training.history import History
from d2l_ext.training.recipe import Recipe

RECORDED = 'recorded'


def atlas_panels(
    family: str, load: Callable[[str], list[History]] = load, **settings: float
) -> list[Panel]:
    """Return the panels of a schedule and of the recorded runs nearest to `settings`.

    `family`: one of `recipes.ATLAS`, and `settings` those that it has; `load(name)`
    returns the histories of a recipe. One line for each seed. Raises what
    `recipes.nearest` does.

    >>> schedule, loss, accuracy = atlas_panels('constant', base_lr=0.29)
    >>> loss.note.partition(':')[0]
    'Recorded with base_lr=0.3'
    """
    near, name = nearest(family, **settings)
    recipe = RECIPES[name]
    what = ', '.join(f'{key}={value!r}' for key, value in near.items())
    try:
        runs = load(name)
    except ValueError as error:
        runs, note = [], f'Nothing to show at {what}: {error}.'
    else:
        ends = sorted(run.test_acc[-1] for run in runs)
        lost = sum(map(failed, runs))
        note = (
            f'Recorded with {what}: test accuracy {ends[0]:.3f} to {ends[-1]:.3f}, '
            f'seeds that learned nothing: {lost} of {len(runs)}.'
        )
    schedule = schedule_panel(recipe.plan)
    (line,) = schedule.lines.values()
    # one label for all schedules: another one would lay the picture out anew
    schedule = dataclasses.replace(schedule, lines={RECORDED: line})
    return [schedule, *recorded_panels({RECORDED: runs}, recipe.num_epochs, note)]


class Atlas(Explorer):
    """An explorer whose sliders go from one recorded schedule to the next.

    `family`: one of `recipes.ATLAS`; `settings` say where the sliders stand at first.
    `train` as in `Explorer`: a run begun there has the same recipe as the recorded.

    Raises ValueError for another family or another setting.
    """

    def __init__(
        self, family: str, /, *, train: Callable | None = None, **settings: float
    ) -> None:
        if family not in ATLAS:
            raise ValueError(
                f'family must be one of {", ".join(ATLAS)}, got {family!r}'
            )
        names, grid = ATLAS[family]
        controls: dict[str, Control] = {
            name: Snap({values[i] for values in grid}, settings.pop(name, None))
            for i, name in enumerate(names)
        }
        if settings:
            raise ValueError(f'{family!r} has no {", ".join(settings)}, only {names}')
        self.family, cached = family, functools.cache(load)

        def recorded(**values: float) -> list[Panel]:
            return atlas_panels(family, cached, **values)

        super().__init__(recorded, train=train, controls=controls)

    def __repr__(self) -> str:
        return f'Atlas({self.family!r}, {in_words(self.values)})'

    def recipe(self) -> Recipe:
        """Return the `Recipe` of the recorded runs that are shown."""
        _, name = nearest(self.family, **self.values)
        return RECIPES[name]
