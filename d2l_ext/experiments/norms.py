"""Gradient norms of a run, and the schedule that they refine.

    python -m d2l_ext.experiments.norms

The run is the one that `experiments` records, bit for bit. A run that is on disk is not
run again. Loading needs no framework.
"""

import argparse
import dataclasses
import json
from typing import Any

from d2l_ext.data import SIZES
from d2l_ext.experiments import store
from d2l_ext.experiments.recipes import BEST, HORIZONS, NAMES
from d2l_ext.theory.bound import refined_rates
from d2l_ext.training.recipe import Recipe

MEASURED_AT = 0.3  # the base rate of the linear decay that is measured


@dataclasses.dataclass
class Norms:
    """The norms of all minibatch gradients in a run of `recipe`, in four digits."""

    recipe: dict[str, Any]
    norms: list[float] = dataclasses.field(default_factory=list)
    environment: dict[str, Any] = dataclasses.field(default_factory=dict)


def load(epochs: int) -> Norms:
    """Return the `Norms` recorded over so many `epochs` of linear decay, of seed 0.

    Raises ValueError if there is no recording, or one of another recipe.
    """
    recipe, folder = _find(epochs)
    if not store.seeds_in(folder):
        raise ValueError(
            f'norms over {epochs} epochs are not recorded: '
            'python -m d2l_ext.experiments.norms'
        )
    return store.read(folder, 0, recipe, lambda text: Norms(**json.loads(text)))


def refined(epochs: int) -> list[float]:
    """Return the means over each epoch of the `refined_rates` of these norms, at most 1.

    In three digits: `recipes.REFINED` holds them, so that a recipe is known without its
    recording. Raises ValueError as `load` does.

    Source: Defazio et al. (2023).
    """
    shape = refined_rates(load(epochs).norms).reshape(epochs, -1).mean(axis=1)
    return [round(float(lr), 3) for lr in shape / shape.max()]


def record(epochs: int) -> None:
    """Measure the norms over so many epochs, unless that is on disk, and write them.

    Raises ValueError for a number of epochs that no recipe has.
    """
    recipe, folder = _find(epochs)
    if not store.seeds_in(folder):
        measured = dataclasses.asdict(train_measured(recipe, seed=0))
        store.write(folder, 0, json.dumps(measured, allow_nan=False))


def train_measured(recipe: Recipe, seed: int) -> Norms:
    """Train as `recipe` says; return the norm of each minibatch's mean gradient."""
    from d2l_ext.experiments._mxnet import gradient_norm, watch

    measured = Norms(store.identity(recipe, seed))

    def look(history, net):
        k = len(measured.norms)
        if len(history.lr) > k:
            begin = k % recipe.batches_per_epoch * recipe.batch_size
            examples = min(recipe.batch_size, SIZES[recipe.subset][0] - begin)
            # MXNet's gradient is the sum over the examples
            norm = gradient_norm(net) / examples
            measured.norms.append(float(f'{norm:.4g}'))
            measured.environment = history.environment

    watch(recipe, seed, look)
    return measured


def _find(epochs):
    if epochs not in HORIZONS:
        raise ValueError(f'epochs must be one of {HORIZONS}, got {epochs!r}')
    recipe = BEST['linear', epochs, MEASURED_AT]
    return recipe, f'norms_{NAMES[recipe]}'


def main(arguments: list[str] | None = None) -> None:
    """Run the command line given in this module's docstring."""
    argparse.ArgumentParser(prog='python -m d2l_ext.experiments.norms').parse_args(
        arguments
    )
    for epochs in HORIZONS:
        record(epochs)
        print(f'{epochs} epochs: refined to {refined(epochs)}')


if __name__ == '__main__':
    main()
