"""Stochastic weight averaging: runs, and the mean of the weights that they visit.

    python -m d2l_ext.experiments.averaged [--seeds 5] [--kernels plain]

A run that is on disk is not run again. Loading needs no framework.
"""

import argparse
import copy

from d2l_ext.experiments import store
from d2l_ext.plan import BATCHES_PER_EPOCH, whole_number
from d2l_ext.schedulers import (
    ConstantScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
)
from d2l_ext.training.history import History
from d2l_ext.training.recipe import Recipe


def saw(
    base_lr: float, final_lr: float, burn_in: int, cycle: int, cycles: int
) -> Scheduler:
    """Return `base_lr` for a while, then straight falls to `final_lr` and back up.

    lr(t) = base_lr for t < burn_in, then base_lr + (final_lr - base_lr) u / c with
    u = (t - burn_in) mod c and c = cycle, for as many `cycles`; final_lr after them.

    Raises ValueError for a rate or a length that `PolyScheduler` refuses.

    >>> [round(saw(0.3, 0.1, 4, 2, cycles=2)(t), 3) for t in range(10)]
    [0.3, 0.3, 0.3, 0.3, 0.3, 0.2, 0.3, 0.2, 0.1, 0.1]

    Source: Izmailov et al. (2018), section 3.1; there u counts from 1.
    """
    falls = [PolyScheduler(cycle, base_lr, 1, final_lr)] * cycles
    starts = [burn_in + i * cycle for i in range(cycles)]
    return SequentialScheduler([ConstantScheduler(base_lr), *falls], starts)


BURN_IN = 12  # epochs before the mean begins, of 30

# Name -> the recipe, and the epochs from one set of averaged weights to the next
RECIPES = {
    'constant_0.1': (Recipe(ConstantScheduler(0.1)), 1),
    'constant_0.3': (Recipe(ConstantScheduler(0.3)), 1),
    'cyclic_0.3': (
        Recipe(
            saw(
                0.3, 0.01, BURN_IN * BATCHES_PER_EPOCH, 3 * BATCHES_PER_EPOCH, cycles=6
            ),
            'update',
        ),
        3,
    ),
}

# For the best schedule: its mean begins after two fifths of the run, too
OTHERS = {'constant_10_0.3': (Recipe(ConstantScheduler(0.3), num_epochs=10), 1)}


def load(name: str) -> list[tuple[History, History]]:
    """Return the recorded pairs (history of the run, history of the mean), per seed.

    The mean's `train_loss`, `train_acc` and `test_acc` are those of the net with the
    mean of the weights so far, measured after each epoch; NaN before there is one.

    Raises ValueError if there is no such recipe, no recording of it, or one that is of
    another recipe.
    """
    recipe, _ = _find(name)
    folders = _folders(name)
    seeds = store.seeds_in(folders[1])  # the one that is written last
    if not seeds:
        raise ValueError(
            f'{name!r} is not recorded: python -m d2l_ext.experiments.averaged'
        )
    return [
        tuple(store.read(folder, seed, recipe) for folder in folders) for seed in seeds
    ]


def record(name: str, seed: int, kernels: str | None = None) -> None:
    """Run the recipe `name` with `seed`, unless that is on disk, and write both.

    `kernels` as for `train_averaged`. Raises ValueError if there is no such recipe.
    """
    recipe, every = _find(name)
    folders = _folders(name)
    if seed not in store.seeds_in(folders[1]):
        burn_in = BURN_IN * recipe.num_epochs // 30
        runs = train_averaged(recipe, every, seed, burn_in, kernels)
        for folder, run in zip(folders, runs):
            store.write(folder, seed, run.to_json())


def train_averaged(
    recipe: Recipe,
    every: int,
    seed: int,
    burn_in: int = BURN_IN,
    kernels: str | None = None,
) -> tuple[History, History]:
    """Train as `recipe` says; return the history, and that of the mean of the weights.

    The weights after epochs burn_in + every, burn_in + 2 every, ... count. LeNet has
    no batch normalisation, whose statistics would have to be taken anew. `kernels` as
    for `Backend.run`.

    Raises ValueError if `every` is no whole number >= 1.

    Source: Izmailov et al. (2018), algorithm 1.
    """
    from d2l_ext.experiments._mxnet import MeanNet, watch

    every = whole_number('every', every)
    mean, mean_net = History(), MeanNet(recipe)

    def look(history, net):
        epoch, within = divmod(len(history.lr), history.recipe['batches_per_epoch'])
        if within or history.status != 'running':
            return
        if epoch > burn_in and (epoch - burn_in) % every == 0:
            mean_net.add(net)
        values = mean_net.measure() if mean_net.count else [float('nan')] * 3
        for curve, value in zip(
            (mean.train_loss, mean.train_acc, mean.test_acc), values
        ):
            curve.append(value)

    history = watch(recipe, seed, look, kernels)
    history.recipe |= store.identity(recipe, seed)
    mean.recipe = history.recipe | {'mean_of_every': every, 'burn_in': burn_in}
    mean.status, mean.environment = history.status, copy.copy(history.environment)
    return history, mean


def _find(name):
    known = RECIPES | OTHERS
    if name not in known:
        raise ValueError(f'no recipe {name!r}: there are {", ".join(known)}')
    return known[name]


def _folders(name):
    return f'averaged_{name}', f'averaged_{name}_mean'


def main(arguments: list[str] | None = None) -> None:
    """Run the command line given in this module's docstring."""
    parser = argparse.ArgumentParser(prog='python -m d2l_ext.experiments.averaged')
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument(
        '--kernels', help='as for `python -m d2l_ext.experiments record`'
    )
    given = parser.parse_args(arguments)
    for seed in range(given.seeds):
        for name in RECIPES | OTHERS:
            record(name, seed, given.kernels)
            history, mean = load(name)[seed]
            print(f'{name}-{seed}: {history}; mean: test acc {mean.test_acc[-1]:.3f}')


if __name__ == '__main__':
    main()
