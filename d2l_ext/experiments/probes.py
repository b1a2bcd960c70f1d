"""Runs with probes in them: how sharp the loss is under way, and how far layers go.

    python -m d2l_ext.experiments.probes [NAME ...] [--seeds 5]

The run is the one that `experiments` records, bit for bit: what is measured is a copy
of its net. A run that is on disk is not run again. Loading needs no framework.
"""

import argparse
import dataclasses
import json
import math
from typing import Any

import numpy as np

from d2l_ext.experiments import store
from d2l_ext.experiments.recipes import RECIPES
from d2l_ext.theory.curvature import distance, largest_eigenvalue, svcca
from d2l_ext.training.learner import xavier
from d2l_ext.training.recipe import Recipe

NAMES = (
    'start_0.5', 'warmup_start_0.5',
    'plain_0.05_0', 'plain_0.05_94', 'plain_0.08_0', 'plain_0.08_94',
)  # fmt: skip
EXAMPLES = 500  # of the training set: the loss whose curvature is measured
IN_FIRST_EPOCH = 12, 24, 47  # updates; then at the end of every epoch
LAST_EPOCH = 7


@dataclasses.dataclass
class Probed:
    """What was measured in a run of `recipe` after some of its `updates`.

    `train_loss` and `sharpness`, the largest eigenvalue of its Hessian, are those of
    the same 500 training examples every time; `residual` is that of `Eigenpair`. For
    each of `layers`, `distance` and `svcca` compare its weights and its outputs for the
    test set with the first ones: lists of one value per layer. A run whose numbers are
    no longer finite has no measurements from there on.

    >>> Probed({'batches_per_epoch': 94}, updates=[0, 47, 94]).epochs
    [0.0, 0.5, 1.0]
    """

    recipe: dict[str, Any]
    layers: list[str] = dataclasses.field(default_factory=list)
    updates: list[int] = dataclasses.field(default_factory=list)
    train_loss: list[float] = dataclasses.field(default_factory=list)
    sharpness: list[float] = dataclasses.field(default_factory=list)
    residual: list[float] = dataclasses.field(default_factory=list)
    distance: list[list[float]] = dataclasses.field(default_factory=list)
    svcca: list[list[float]] = dataclasses.field(default_factory=list)
    environment: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def epochs(self) -> list[float]:
        """The same as `updates`, in epochs."""
        return [update / self.recipe['batches_per_epoch'] for update in self.updates]


def load(name: str) -> list[Probed]:
    """Return the `Probed` runs of the recipe `name` that are on disk, one per seed.

    Raises ValueError if there is none, or one that is of another recipe.
    """
    recipe, folder = _find(name), _folder(name)
    seeds = store.seeds_in(folder)
    if not seeds:
        raise ValueError(
            f'{name!r} is not probed: python -m d2l_ext.experiments.probes {name}'
        )
    return [
        store.read(folder, seed, recipe, lambda text: Probed(**json.loads(text)))
        for seed in seeds
    ]


def record(name: str, seed: int) -> None:
    """Run the recipe `name` with `seed`, unless that is on disk; write what is measured.

    Raises ValueError if no such recipe is probed.
    """
    recipe, folder = _find(name), _folder(name)
    if seed not in store.seeds_in(folder):
        probed = dataclasses.asdict(train_probed(recipe, seed))
        store.write(folder, seed, json.dumps(probed, allow_nan=False))


def train_probed(recipe: Recipe, seed: int, last_epoch: int = LAST_EPOCH) -> Probed:
    """Train as `recipe` says, to a measurement after `last_epoch` epochs at most.

    Returns what was `Probed`. MXNet trains, PyTorch differentiates twice.
    """
    from d2l_ext.experiments._mxnet import watch
    from d2l_ext.experiments._probe_torch import Twin

    twin = Twin(recipe, EXAMPLES)
    probed = Probed(store.identity(recipe, seed), twin.layer_names)
    probe = _Probe(twin, probed)

    def look(history, net):
        n, update = history.recipe['batches_per_epoch'], len(history.lr)
        if not probed.updates:
            probed.environment = history.environment | {'torch': twin.version}
            probe.measure(first_weights(net, seed), 0)
        due = update in IN_FIRST_EPOCH or update % n == 0
        if due and update > probed.updates[-1]:
            weights = [p.data().asnumpy() for p in net.collect_params().values()]
            return not probe.measure(weights, update) or update == last_epoch * n

    watch(recipe, seed, look)
    return probed


class _Probe:
    """Adds measurements of the weights that a run passes to `probed`."""

    def __init__(self, twin, probed):
        self.twin, self.probed = twin, probed
        self.vector = np.random.default_rng(0).standard_normal(twin.size)
        self.first = None

    def measure(self, weights, update):
        """Add a measurement; return False, and add none, where it is not finite."""
        self.twin.set_weights(weights)
        train_loss, product = self.twin.curvature()
        sharpness, vector, residual = largest_eigenvalue(product, self.vector)
        if not (math.isfinite(sharpness) and math.isfinite(train_loss)):
            return False
        self.vector = vector
        layers = [array for array in weights if array.ndim > 1], self.twin.outputs()
        self.first = self.first or layers
        distances, correlations = (
            [compare(*pair) for pair in zip(before, after, strict=True)]
            for compare, before, after in zip((distance, svcca), self.first, layers)
        )
        probed = self.probed
        probed.updates.append(update)
        probed.train_loss.append(train_loss)
        probed.sharpness.append(sharpness)
        probed.residual.append(residual)
        probed.distance.append(distances)
        probed.svcca.append(correlations)
        return True


def first_weights(net: Any, seed: int) -> list[np.ndarray]:
    """Return the weights that `train` begins with, float32, in the order of `net`'s.

    `net` is one of `d2l_ext.mxnet`, whose layers know their shapes.
    """
    rng = np.random.default_rng(seed)
    rng.integers(2**31)  # the seed of what the net itself draws
    return [
        xavier(parameter.shape, rng)
        if name.endswith('weight')
        else np.zeros(parameter.shape, dtype='float32')
        for name, parameter in net.collect_params().items()
    ]


def _find(name):
    if name not in NAMES:
        raise ValueError(f'{name!r} is not probed: there are {", ".join(NAMES)}')
    return RECIPES[name]


def _folder(name):
    return f'probed_{name}'


def main(arguments: list[str] | None = None) -> None:
    """Run the command line given in this module's docstring."""
    parser = argparse.ArgumentParser(prog='python -m d2l_ext.experiments.probes')
    parser.add_argument('names', nargs='*', metavar='NAME')
    parser.add_argument('--seeds', type=int, default=5)
    options = parser.parse_args(arguments)
    for seed in range(options.seeds):
        for name in options.names or NAMES:
            record(name, seed)
            print(f'{name}-{seed}: measured', flush=True)


if __name__ == '__main__':
    main()
