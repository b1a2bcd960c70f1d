"""The backend of JupyterLite: it trains nothing, and answers with recorded runs.

The same names and arguments as elsewhere. Whoever wants another run than the recorded
ones finds the commands that install a framework in the README.
"""

import dataclasses
from functools import partial

import numpy as np
from mxnet import gluon, nn, npx

from d2l_ext.data import scaled
from d2l_ext.experiments.recipes import RECIPES
from d2l_ext.experiments.store import load
from d2l_ext.plan import plan_of
from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training import batches
from d2l_ext.training.history import History
from d2l_ext.training.progress import watched
from d2l_ext.training.recipe import Recipe

__all__ = [
    'Batches',
    'gluon',
    'load_data_fashion_mnist',
    'nn',
    'npx',
    'run_steps',
    'train',
    'train_steps',
    'try_gpu',
]  # and the package's own `lenet`, which is added below


class _Array(np.ndarray):
    def asnumpy(self):
        return np.asarray(self)


class Batches(batches.Batches):
    __doc__ = batches.Batches.__doc__

    def on_device(self, order):
        return order

    def rows(self, array, order):
        return array[order]


def try_gpu():
    """Return the name of a device: there is none."""
    return 'cpu(0)'


def load_data_fashion_mnist(batch_size, subset='mini', device=None):
    """Return train and test `Batches` of Fashion-MNIST."""
    train, test = ([a.view(_Array) for a in arrays] for arrays in scaled(subset))
    return Batches(*train, batch_size, shuffle=True), Batches(*test, batch_size)


def check_np():
    """Nothing here is MXNet's."""


def run_steps(recipe, seed, **_):
    """Yield the recorded `History` of a recipe.

    Raises ValueError, with the remedy, where none is recorded.
    """
    for name, known in RECIPES.items():
        if known == recipe:
            for history in load(name):
                if history.recipe['seed'] == seed:
                    yield dataclasses.replace(history)
                    return
    raise ValueError(
        'JupyterLite cannot train, and of this schedule with this seed no run is '
        'recorded: install the companion, or use its web page, to train it'
    )


def train_steps(
    net, train_iter, test_iter, num_epochs, loss, trainer, device, scheduler=None,
    per='epoch', *, seed=0, **_,
):  # fmt: skip
    """Yield the recorded `History` of what these arguments train.

    Raises what `run_steps` does.
    """
    own = trainer.lr_scheduler
    if scheduler is None and own is not None:
        yield _asked(own, num_epochs, len(train_iter))
        return
    scheduler = scheduler or ConstantScheduler(trainer.learning_rate)
    plan = plan_of(scheduler, num_epochs, per, len(train_iter))
    yield from run_steps(Recipe.of(plan), seed)


def train(*arguments, progress=True, **settings):
    """Return the recorded `History`, and show it as training would."""
    steps = partial(train_steps, *arguments, **settings)
    return watched(lambda **_: steps(), progress)


def _asked(scheduler, num_epochs, batches_per_epoch):
    """Return a run of which only the rates are known: MXNet asks once a group of arrays.

    Its optimizer takes four arrays at a time, and LeNet has ten.
    """
    history = History(
        {'num_epochs': num_epochs, 'batches_per_epoch': batches_per_epoch}
    )
    for num_update in range(1, num_epochs * batches_per_epoch + 1):
        rates = [scheduler(num_update) for _ in range(3)]
        history.lr.append(float(rates[0]))
    history.status = 'stopped'
    return history
