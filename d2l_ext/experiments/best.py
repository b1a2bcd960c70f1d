"""Which schedule is best: what theory says of each shape, and what the net did.

Every shape of `recipes.SHAPES` from its own best base rate, at two horizons. All here
reads recordings; nothing trains.
"""

import contextlib
import statistics
from collections.abc import Sequence

from d2l_ext.experiments import averaged, optima, store
from d2l_ext.experiments.recipes import BEST, BEST_RATES, HORIZONS, NAMES, SHAPES
from d2l_ext.experiments.statistics import Measure, Paired, difference_of, failed
from d2l_ext.experiments.tables import aligned, spread
from d2l_ext.experiments.verdicts import UNDECIDED, accuracy, train_loss
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
    if shape not in SHAPES or epochs not in HORIZONS:
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


def verdict(pairs: Paired) -> str:
    """Return 'higher' or 'lower' if the 95 % confidence interval is on one side of 0.

    >>> verdict(Paired(0.1, 0.01, 5)), verdict(Paired(0.1, 0.3, 5))
    ('higher', 'not distinguishable')
    """
    low, high = pairs.interval
    return 'higher' if low > 0 else 'lower' if high < 0 else UNDECIDED


def predictions(
    epochs: int, noise: float = 0.1, condition_number: float = 100
) -> dict[str, tuple[float, float]]:
    """Return {shape: (loss, bound)}: what theory says, each from its best base rate.

    The loss is that on a noisy quadratic over that of its best schedule, the bound that
    of SGD in the worst case over that of linear decay.

    Raises ValueError for a problem that is not one of `optima`.

    >>> loss, bound = predictions(10)['cosine']
    >>> round(loss, 2), round(bound, 2)
    (1.82, 0.97)
    """
    ahead = optima.at(epochs, noise, condition_number)
    problem = optima.problem(epochs, noise, condition_number)
    said = {}
    for shape in SHAPES:
        rates = optima.shape_rates(shape, epochs)
        loss = ahead.losses.get(shape) or optima.best_base(rates, problem)[1]
        bound = best_base_rate(rates.repeat(BATCHES_PER_EPOCH)).bound
        said[shape] = loss / ahead.loss, bound
    return {
        shape: (loss, bound / said[CONTROL][1]) for shape, (loss, bound) in said.items()
    }


def agreement(
    epochs: int, noise: float = 0.1, condition_number: float = 100
) -> tuple[float, float]:
    """Return how well a quadratic, and the bound, rank what the net did.

    Rank correlations of `predictions` with the mean training losses of the shapes that
    are recorded: 1 for the same order, -1 for the opposite one.

    Raises ValueError as `predictions` and `best` do.
    """
    said = predictions(epochs, noise, condition_number)
    shapes = [shape for shape in said if sweep(shape, epochs)]
    net = [statistics.fmean(map(train_loss, best(s, epochs)[1])) for s in shapes]
    quadratic, bound = zip(*(said[shape] for shape in shapes))
    return rank_correlation(quadratic, net), rank_correlation(bound, net)


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
    losses to linear decay, with its `verdict`.
    Shapes that are not recorded are left out.
    """
    found = {}
    for shape in (*SHAPES, AVERAGED):
        with contextlib.suppress(ValueError):
            found[shape] = best(shape, epochs)
    _, control = found.get(CONTROL, (None, []))
    rows = []
    for shape, (rate, runs) in found.items():
        losses, accuracies = ([f(run) for run in runs] for f in (train_loss, accuracy))
        told = ('', '') if shape == CONTROL else _told(runs, control)
        row = shape, rate, len(runs), spread(losses), spread(accuracies), *told
        rows.append((statistics.fmean(losses), row))
    head = 'shape', 'base lr', 'seeds', 'train loss', 'test acc', '- linear', 'which is'
    return aligned([head, *(row for _, row in sorted(rows))])


def _told(runs, control):
    try:
        pairs = difference_of(runs, control, train_loss)
    except ValueError:
        return '', 'no linear decay to compare with'
    if pairs.n == 1:
        return f'{pairs.mean:+.3f}', 'one seed tells nothing'
    return f'{pairs.mean:+.3f} ± {pairs.error:.3f}', verdict(pairs)


def _averaged(epochs):
    found = {}
    for name, (recipe, _) in (averaged.RECIPES | averaged.OTHERS).items():
        constant = isinstance(recipe.scheduler, ConstantScheduler)
        if constant and recipe.num_epochs == epochs:
            with contextlib.suppress(ValueError):  # not recorded
                runs = averaged.load(name)
                found[recipe.scheduler.base_lr] = [mean for _, mean in runs]
    return found
