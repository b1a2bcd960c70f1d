"""Runs with probes in them: how sharp the loss is under way, and how far layers go.

    python -m d2l_ext.experiments.probes [NAME ...] [--seeds 5]

The run is the one that `experiments` records, bit for bit: what is measured is a copy
of its net. A run that is on disk is not run again. Loading needs no framework.
"""

import argparse
import dataclasses
import json
import math

import numpy

from d2l_ext.experiments.recipes import RECIPES
from d2l_ext.experiments.store import RUNS, seeds_in
from d2l_ext.theory.curvature import distance, largest_eigenvalue, svcca
from d2l_ext.training._files import write_whole
from d2l_ext.training.learner import xavier

NAMES = 'start_0.5', 'warmup_start_0.5'
NAMES += 'plain_0.05_0', 'plain_0.05_94', 'plain_0.08_0', 'plain_0.08_94'
EXAMPLES = 500  # of the training set: the loss whose curvature is measured
ROWS = 5_000  # about as many rows of a layer's outputs are enough
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
    """

    recipe: dict
    layers: list = dataclasses.field(default_factory=list)
    updates: list = dataclasses.field(default_factory=list)
    train_loss: list = dataclasses.field(default_factory=list)
    sharpness: list = dataclasses.field(default_factory=list)
    residual: list = dataclasses.field(default_factory=list)
    distance: list = dataclasses.field(default_factory=list)
    svcca: list = dataclasses.field(default_factory=list)
    environment: dict = dataclasses.field(default_factory=dict)

    @property
    def epochs(self):
        """The same as `updates`, in epochs."""
        return [update / self.recipe['batches_per_epoch'] for update in self.updates]


def load(name):
    """Return the `Probed` runs of the recipe `name` that are on disk, one per seed.

    Raises ValueError if there is none, or one that is of another recipe.
    """
    recipe = _recipe(name)
    found = seeds_in(_folder(name))
    if not found:
        raise ValueError(
            f'{name!r} is not probed: python -m d2l_ext.experiments.probes {name}'
        )
    runs = []
    for seed in found:
        path = RUNS / _folder(name) / f'{seed}.json'
        runs.append(Probed(**json.loads(path.read_text(encoding='utf-8'))))
        if runs[-1].recipe.get('hash') != recipe.content_hash(seed):
            raise ValueError(
                f'{path} is of another recipe: delete it and record it again'
            )
    return runs


def record(name, seed):
    """Run the recipe `name` with `seed` and keep what is measured, unless it is kept."""
    path = RUNS / _folder(name) / f'{seed}.json'
    if not path.exists():
        probed = dataclasses.asdict(run(_recipe(name), seed))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(probed, allow_nan=False))


def run(recipe, seed, last_epoch=LAST_EPOCH):
    """Train as `recipe` says, to a measurement after `last_epoch` epochs at most.

    Returns what was `Probed`. MXNet trains, PyTorch differentiates twice.
    """
    from d2l_ext import mxnet as backend

    return backend.mx.util.use_np(_run)(backend, recipe, seed, last_epoch)


def _run(backend, recipe, seed, last_epoch):
    net = backend.NETS[recipe.net]()
    probe = _Probe(recipe)
    probed = Probed(
        recipe.values(seed) | {'hash': recipe.content_hash(seed)}, probe.names
    )
    for history in backend.run_steps(recipe, seed, net=net):
        n, update = history.recipe['batches_per_epoch'], len(history.lr)
        if not probed.updates:
            probed.recipe['batches_per_epoch'] = n
            probed.environment = history.environment | {'torch': probe.version}
            probe.measure(first_weights(net, seed), 0, probed)
        due = update in IN_FIRST_EPOCH or update % n == 0
        if due and update > probed.updates[-1]:
            weights = [p.data().asnumpy() for p in net.collect_params().values()]
            if not probe.measure(weights, update, probed) or update == last_epoch * n:
                break
    return probed


class _Probe:
    """The net's twin in PyTorch, and the examples on which it is looked at."""

    def __init__(self, recipe):
        from d2l_ext import torch as twin

        self.torch, self.version = twin.torch, twin.torch.__version__
        self.net = twin.NETS[recipe.net]()
        self.loss = twin.nn.CrossEntropyLoss()
        train, test = twin.load_data_fashion_mnist(64, recipe.subset, 'cpu')
        self.X, self.y, self.seen = train.X[:EXAMPLES], train.y[:EXAMPLES], test.X
        self.parameters = list(self.net.parameters())
        self.layers = [layer for layer in self.net if list(layer.parameters())]
        self.names = [f'{layer}'.partition('(')[0] for layer in self.layers]
        self.names = [f'{i + 1} {name.lower()}' for i, name in enumerate(self.names)]
        size = sum(p.numel() for p in self.parameters)
        self.vector = numpy.random.default_rng(0).standard_normal(size)
        self.first = None

    def measure(self, weights, update, probed):
        """Add a measurement to `probed`; return False where numbers are not finite."""
        with self.torch.no_grad():
            for parameter, array in zip(self.parameters, weights, strict=True):
                parameter.copy_(self.torch.as_tensor(array))
        train_loss, product = self.curvature()
        sharpness, vector, residual = largest_eigenvalue(product, self.vector)
        if not (math.isfinite(sharpness) and math.isfinite(train_loss)):
            return False
        self.vector = vector
        kernels = [array for array in weights if array.ndim > 1]
        outputs = self.outputs()
        self.first = self.first or (kernels, outputs)
        probed.updates.append(update)
        probed.train_loss.append(train_loss)
        probed.sharpness.append(sharpness)
        probed.residual.append(residual)
        pairs = zip(self.first[0], kernels, strict=True)
        probed.distance.append([distance(*pair) for pair in pairs])
        pairs = zip(self.first[1], outputs, strict=True)
        probed.svcca.append([svcca(*pair) for pair in pairs])
        return True

    def curvature(self):
        """Return the mean loss, and the function v -> H v of its Hessian H."""
        grad = self.torch.autograd.grad
        l = self.loss(self.net(self.X), self.y)
        slopes = grad(l, self.parameters, create_graph=True)
        slope = self.torch.cat([part.reshape(-1) for part in slopes])

        def product(v):
            v = self.torch.as_tensor(v, dtype=slope.dtype)
            parts = grad(slope, self.parameters, v, retain_graph=True)
            return self.torch.cat([part.reshape(-1) for part in parts]).numpy()

        return l.item(), product

    def outputs(self):
        """Return what each layer makes of the test set, (examples or places, units)."""
        found, X = [], self.seen
        with self.torch.no_grad():
            for layer in self.net:
                X = layer(X)
                if layer in self.layers:
                    rows = X.movedim(1, -1).flatten(0, -2)
                    found.append(rows[:: len(rows) // ROWS or 1].numpy())
        return found


def first_weights(net, seed):
    """Return the weights that `train` begins with, a list of arrays."""
    rng = numpy.random.default_rng(seed)
    rng.integers(2**31)  # the seed of what the net itself draws
    return [
        xavier(parameter.shape, rng)
        if name.endswith('weight')
        else numpy.zeros(parameter.shape, dtype='float32')
        for name, parameter in net.collect_params().items()
    ]


def _recipe(name):
    if name not in NAMES:
        raise ValueError(f'{name!r} is not probed: there are {", ".join(NAMES)}')
    return RECIPES[name]


def _folder(name):
    return f'probed_{name}'


def main(arguments=None):
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
