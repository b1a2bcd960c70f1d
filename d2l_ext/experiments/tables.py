"""What the recordings say, as tables to read.

Means are over the runs that learned, as in all of `statistics`; `failed` counts the
others.
"""

import dataclasses
import statistics
from collections.abc import Iterable, Mapping, Sequence

from d2l_ext.experiments import store
from d2l_ext.experiments.book import BOOK_RESULTS
from d2l_ext.experiments.recipes import NAMES, RECIPES
from d2l_ext.experiments.statistics import difference_of, failed
from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training.history import History

# The rate that the book's schedules are compared at
BOOK_RATE = 0.5
# Recipe -> the book's result for it: as printed what its cell ran, as meant its text
BOOK_ROWS = {
    'full_constant': 'constant',
    'full_square_root': 'square root',
    'full_square_root_printed': 'square root',
    'full_multi_factor': 'multi-factor',
    'full_multi_factor_printed': 'multi-factor',
    'full_cosine': 'cosine',
    'full_cosine_printed': 'cosine',
    'full_warmup_cosine': 'cosine with warmup',
    'full_warmup_cosine_printed': 'cosine with warmup',
}


def control(name: str) -> str | None:
    """Return the name of the constant rate to compare the recipe `name` with, or None.

    It is the schedule's own base rate where that is recorded, else the book's 0.5, with
    the same data, batch size and epochs.

    Raises ValueError if there is no such recipe.

    >>> control('cosine_0.3'), control('full_factor'), control('full_constant')
    ('constant_0.3', 'full_constant', None)
    """
    recipe = store.find(name)
    rates = [BOOK_RATE]
    if recipe.scheduler:
        rates.insert(0, recipe.scheduler.base_lr)
    for rate in rates:
        constant = dataclasses.replace(
            recipe, scheduler=ConstantScheduler(rate), per='epoch', printed=''
        )
        if constant in NAMES and constant != recipe:
            return NAMES[constant]
    return None


def table(names: Iterable[str] | Mapping[str, str] | None = None) -> str:
    """Return losses and accuracies after the last epoch, mean ± standard deviation.

    `names`: recipes, or {what to call it: recipe}; all that are recorded, if none is
    named. `seeds` counts the runs, `failed` those that learned nothing, which the
    means leave out.

    Raises ValueError for a recipe without recordings.

    >>> print(table({'from 0.3': 'constant_0.3', 'from 0.8': 'constant_0.8'}))
    schedule  seeds  train loss     train acc      test acc       failed
    from 0.3  5      0.103 ± 0.027  0.963 ± 0.010  0.845 ± 0.009
    from 0.8  3      none learned                                 3
    """
    names = names or [name for name in RECIPES if store.seeds(name)]
    called = names if isinstance(names, Mapping) else {name: name for name in names}
    head = 'recipe' if all(key == name for key, name in called.items()) else 'schedule'
    rows = [(head, 'seeds', 'train loss', 'train acc', 'test acc', 'failed')]
    rows += [(key, *_results(store.load(name))) for key, name in called.items()]
    return aligned(rows)


def comparison(names: Iterable[str] | None = None) -> str:
    """Return what `table` does, each recipe beside the book's result and a control.

    `d test acc`: the paired difference in test accuracy to the constant rate that
    `control` names, with its standard error, over the seeds with which both learned;
    `to tell`: as many of them as a difference of this size takes
    (`Paired.seeds_needed`); `book's`: its train loss, train acc and test acc. A recipe
    that is not recorded says so.

    Raises ValueError if there is no recipe of a name.
    """
    head = 'recipe', 'seeds', 'train loss', 'train acc', 'test acc', 'failed', "book's"
    rows: list[tuple[object, ...]] = [(*head, 'd test acc', 'to tell', 'from')]
    names = list(names or RECIPES)
    others = {name: control(name) for name in names}
    wanted = {*names, *filter(None, others.values())}
    runs = {name: store.load(name) for name in wanted if store.seeds(name)}
    for name in names:
        if name in runs:
            told = told_apart(runs[name], runs.get(others[name] or ''))
            row = *_results(runs[name]), _book(name), *told, others[name] or ''
        else:
            row = 0, 'not recorded', *[''] * 7
        rows.append((name, *row))
    if not set(BOOK_ROWS) & set(names):
        rows = [(*row[:6], *row[7:]) for row in rows]
    return aligned(rows)


def _results(runs):
    living = [run for run in runs if not failed(run)]
    ends = [(run.train_loss[-1], run.train_acc[-1], run.test_acc[-1]) for run in living]
    means = map(spread, zip(*ends)) if ends else ('none learned', '', '')
    return len(runs), *means, len(runs) - len(living) or ''


def _book(name):
    key = BOOK_ROWS.get(name)
    return ' '.join(f'{value:.3f}' for value in BOOK_RESULTS[key]) if key else ''


def told_apart(
    runs: Sequence[History], control: Sequence[History] | None
) -> tuple[str, str]:
    """Return the difference in test accuracy, and how many seeds it takes to tell it.

    The difference is 'none' where both learned with no seed, '' where none is shared.

    >>> told_apart(store.load('cosine_0.3'), store.load('constant_0.3'))
    ('+0.023 ± 0.005', '4')
    """
    try:
        pairs = difference_of(runs, control or ())
    except ValueError:  # they share no seed
        return '', ''
    if not pairs.n:
        return 'none', ''
    if pairs.n < 2:
        return f'{pairs.mean:+.3f}', ''
    told = str(pairs.seeds_needed()).replace('inf', '∞')
    return f'{pairs.mean:+.3f} ± {pairs.error:.3f}', told


def spread(values: Sequence[float]) -> str:
    """Return mean ± standard deviation, the mean alone of a single value.

    >>> spread([0.85, 0.87]), spread([0.85])
    ('0.860 ± 0.014', '0.850')
    """
    mean = f'{statistics.fmean(values):.3f}'
    return mean if len(values) < 2 else f'{mean} ± {statistics.stdev(values):.3f}'


def aligned(rows: Sequence[Sequence[object]]) -> str:
    """Return rows of cells as text, in columns.

    >>> print(aligned([('recipe', 'seeds'), ('sine', 5)]))
    recipe  seeds
    sine    5
    """
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    return '\n'.join(
        '  '.join(f'{cell!s:{width}}' for cell, width in zip(row, widths)).rstrip()
        for row in rows
    )
