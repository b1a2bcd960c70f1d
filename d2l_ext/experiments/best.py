"""Which schedule is best: what theory says of each shape, and what the net did.

Every shape of `recipes.SHAPES` from its own best base rate, at two horizons. All here
reads recordings; nothing trains.
"""

import statistics
from collections.abc import Sequence

from d2l_ext.experiments import averaged, optima, store
from d2l_ext.experiments.recipes import BEST, BEST_RATES, NAMES, SHAPES
from d2l_ext.experiments.statistics import Measure, Paired, difference_of, failed
from d2l_ext.experiments.tables import aligned
from d2l_ext.experiments.verdicts import (
    CONFIRMED,
    REFUTED,
    UNDECIDED,
    accuracy,
    train_loss,
)
from d2l_ext.plan import BATCHES_PER_EPOCH
from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.theory.bound import best_base_rate
from d2l_ext.training.history import History

CONTROL = 'linear'
AVERAGED = 'averaged'  # a constant rate, and the mean of its weights


def sweep(shape: str, epochs: int) -> dict[float, list[History]]:
    """Return {base rate: its recorded runs} of a shape, of the rates that have any.

    Of 'averaged', the constant rate with the mean of its weights, the histories are
    those of the mean.

    Raises ValueError for another shape or number of epochs.
    """
    if shape == AVERAGED:
        return _averaged(epochs)
    if (shape, epochs, BEST_RATES[0]) not in BEST:
        raise ValueError(
            f'shape must be one of {", ".join([*SHAPES, AVERAGED])}, and epochs one '
            f'that is recorded, got {shape!r} and {epochs!r}'
        )
    names = {rate: NAMES[BEST[shape, epochs, rate]] for rate in BEST_RATES}
    return {rate: store.load(name) for rate, name in names.items() if store.seeds(name)}


def best(shape: str, epochs: int) -> tuple[float, list[History]]:
    """Return a shape's best base rate and the runs from it.

    It is the rate with the lowest training loss of the last epoch, on average over the
    seeds that all its rates share, among those that no run was lost at.

    Raises ValueError where nothing is recorded, and what `sweep` does.
    """
    runs = {
        rate: group
        for rate, group in sweep(shape, epochs).items()
        if not any(map(failed, group))
    }
    if not runs:
        raise ValueError(f'{shape!r} over {epochs} epochs is not recorded')
    count = min(map(len, runs.values()))  # seeds are 0, 1, ...

    def loss(rate):
        return statistics.fmean(map(train_loss, runs[rate][:count]))

    rate = min(runs, key=loss)
    return rate, runs[rate]


def beside(
    shape: str,
    epochs: int,
    measure: Measure = train_loss,
    control: str = CONTROL,
) -> Paired:
    """Return the `Paired` difference of two shapes, each from its best base rate.

    Raises ValueError as `best` does, and where they share no seed.
    """
    return difference_of(best(shape, epochs)[1], best(control, epochs)[1], measure)


def answer(pairs: Paired, sign: int) -> str:
    """Return the verdict on the claim that a mean difference has this sign.

    >>> answer(Paired(0.1, 0.01, 5), +1), answer(Paired(0.1, 0.3, 5), +1)
    ('confirmed', 'not distinguishable')
    """
    low, high = sorted(sign * end for end in pairs.interval)
    return CONFIRMED if low > 0 else REFUTED if high < 0 else UNDECIDED


def predictions(epochs: int) -> dict[str, tuple[float, float]]:
    """Return {shape: (loss, bound)}: what theory says, each from its best base rate.

    The loss is that on the noisy quadratic (noise 0.1, condition number 100) over that
    of its best schedule, the bound that of SGD in the worst case over that of linear
    decay.

    Raises ValueError for a number of epochs that is not of `optima.EPOCHS`.

    >>> loss, bound = predictions(10)['cosine']
    >>> round(loss, 2), round(bound, 2)
    (1.79, 1.02)
    """
    least = optima.at(epochs, 0.1, 100).loss
    problem = optima.problem(epochs, 0.1, 100)
    said = {}
    for shape in SHAPES:
        rates = optima.shape_rates(shape, epochs)
        bound = best_base_rate(rates.repeat(BATCHES_PER_EPOCH)).bound
        said[shape] = optima.best_base(rates, problem)[1] / least, bound
    return {
        shape: (loss, bound / said[CONTROL][1]) for shape, (loss, bound) in said.items()
    }


def rank_correlation(values: Sequence[float], others: Sequence[float]) -> float:
    """Return Spearman's: the correlation of the ranks of two lists without ties.

    >>> rank_correlation([1, 2, 3, 4], [0.1, 0.4, 0.2, 0.9])
    0.8

    Source: Spearman (1904).
    """
    ranks = [
        [sorted(column).index(value) for value in column] for column in (values, others)
    ]
    return round(statistics.correlation(*ranks), 12)


def table(epochs: int) -> str:
    """Return what each shape ends at from its best base rate, the lowest loss first.

    Mean and standard deviation over the seeds, and the paired difference of training
    losses to linear decay with its verdict. Shapes without recordings are left out.
    """
    rows = []
    for shape in (*SHAPES, AVERAGED):
        try:
            rate, runs = best(shape, epochs)
        except ValueError:
            continue
        pairs = beside(shape, epochs)
        told = '' if shape == CONTROL else f'{pairs.mean:+.3f} ± {pairs.error:.3f}'
        verdict = '' if shape == CONTROL else answer(pairs, +1)
        ends = [[measure(run) for run in runs] for measure in (train_loss, accuracy)]
        rows.append(
            (ends[0], (shape, rate, len(runs), *map(_spread, ends), told, verdict))
        )
    rows.sort(key=lambda row: statistics.fmean(row[0]))
    head = (
        'shape',
        'base rate',
        'seeds',
        'train loss',
        'test acc',
        'less linear',
        'worse?',
    )
    return aligned([head, *(row for _, row in rows)])


def _averaged(epochs):
    names = averaged.RECIPES | averaged.OTHERS
    found = {}
    for name, (recipe, _) in names.items():
        if (
            isinstance(recipe.scheduler, ConstantScheduler)
            and recipe.num_epochs == epochs
        ):
            try:
                found[recipe.scheduler.base_lr] = [
                    mean for _, mean in averaged.load(name)
                ]
            except ValueError:
                continue
    return found


def _spread(values):
    sd = f' ± {statistics.stdev(values):.3f}' if len(values) > 1 else ''
    return f'{statistics.fmean(values):.3f}{sd}'
