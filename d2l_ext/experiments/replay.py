"""Recorded runs in place of training, where no framework is: a backend's names.

    from d2l_ext.experiments import replay as d2l

`train` answers with the recorded run of the same recipe and seed. A net is the name of
one, a trainer the rate it was given; nothing here computes.
"""

import ast
import json
import pathlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from d2l_ext.data import scaled
from d2l_ext.experiments import store
from d2l_ext.experiments.recipes import NAMES
from d2l_ext.plan import Plan, plan_of
from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training import batches
from d2l_ext.training.history import History
from d2l_ext.training.progress import watched
from d2l_ext.training.range_test import RangeTest, rising
from d2l_ext.training.recipe import Recipe

__all__ = [
    'Batches',
    'cross_entropy',
    'lenet',
    'load_data_fashion_mnist',
    'plain',
    'range_test',
    'run',
    'run_steps',
    'sgd',
    'train',
    'train_steps',
    'try_gpu',
]

RANGE_TESTS = store.ANSWERS / 'range_tests.json'
REMEDY = 'to train here, install PyTorch (`pip install torch`) and restart the kernel'


class Batches(batches.Batches):
    __doc__ = batches.Batches.__doc__

    def on_device(self, order):
        return order

    def rows(self, array, order):
        return array[order]


def load_data_fashion_mnist(
    batch_size: int, subset: str = 'mini', device: object = None
) -> tuple[Batches, Batches]:
    """Return train and test `Batches` of Fashion-MNIST as NumPy arrays.

    X is float32 in [0, 1] of shape (n, 1, 28, 28), y of shape (n,). `subset` is 'mini'
    (6,000 and 1,000 images, shipped) or 'full' (60,000 and 10,000). Raises ValueError
    for another one, OSError where the full set cannot be had.
    """
    train, test = scaled(subset)
    return Batches(*train, batch_size, shuffle=True), Batches(*test, batch_size)


class Net:
    """Stands for a net: its name, and the code that makes it in MXNet."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self) -> 'Net':
        return self

    def __repr__(self) -> str:
        return f'{self.name}, which takes a framework: its runs are recorded'

    @property
    def code(self) -> str:
        """The source text of the function that makes it."""
        text = pathlib.Path(__file__).parents[1].joinpath('mxnet.py').read_text('utf-8')
        tree = ast.parse(text)
        named = (n for n in tree.body if getattr(n, 'name', '') == self.name)
        return ast.get_source_segment(text, next(named)) or ''


lenet, plain = Net('lenet'), Net('plain')


def try_gpu() -> None:
    """Return no device: nothing here computes."""


def cross_entropy() -> None:
    """Return no loss: nothing here computes."""


@dataclass
class Rate:
    """Stands for a trainer: the learning rate that it was given."""

    learning_rate: float

    def set_learning_rate(self, lr: float) -> None:
        """Take another rate."""
        self.learning_rate = lr


def sgd(net: Net, learning_rate: float = 0.1, device: object = None) -> Rate:
    """Return what stands for a trainer of plain SGD at this rate."""
    return Rate(learning_rate)


def recorded(recipe: Recipe, seed: int) -> History:
    """Return the recorded run of a recipe with this seed.

    Raises ValueError, with the remedy, where there is none.

    >>> recorded(Recipe(ConstantScheduler(0.3)), seed=0).status
    'finished'
    """
    name = NAMES.get(recipe)
    if name is None or seed not in store.seeds(name):
        raise ValueError(
            f'no run of {recipe.scheduler!r} over {recipe.num_epochs} epochs with seed '
            f'{seed} is recorded: {REMEDY}'
        )
    return store.read(name, seed, recipe)


def train(
    net: Net,
    train_iter: Batches,
    test_iter: Batches,
    num_epochs: int,
    loss: object,
    trainer: Rate,
    device: object,
    scheduler: Plan | Callable[[float], float] | None = None,
    *,
    per: str = 'epoch',
    seed: int = 0,
    **others: Any,
) -> History:
    """Return the recorded `History` of the run that a framework would train; show it.

    The arguments are those of `Backend.train`, whose others change no number. Raises
    ValueError, with the remedy, for a run that is not recorded.
    """
    if scheduler is None:
        scheduler = ConstantScheduler(trainer.learning_rate)
    plan = plan_of(scheduler, num_epochs, per, len(train_iter))
    settings = {'batch_size': train_iter.batch_size, 'net': net.name}
    recipe = Recipe.of(plan, **settings)
    return watched(lambda **_: run_steps(recipe, seed), others.get('progress', True))


def range_test_call(
    net: str,
    batch_size: int,
    low: float = 1e-3,
    high: float = 10,
    num_updates: int = 100,
    seed: int = 0,
) -> str:
    """Return a range test's arguments as the text that its recording goes by.

    >>> range_test_call('lenet', 64, high=3.0)
    'range_test(lenet, batch_size=64, 0.001, 3, 100, seed=0)'
    """
    rates = f'{low:g}, {high:g}, {num_updates}'
    return f'range_test({net}, batch_size={batch_size}, {rates}, seed={seed})'


def range_test(
    net: Net,
    train_iter: Batches,
    loss: object,
    trainer: Rate,
    device: object,
    low: float = 1e-3,
    high: float = 10,
    num_updates: int = 100,
    seed: int = 0,
) -> RangeTest:
    """Return the recorded range test with these arguments.

    Raises ValueError, with the remedy, for one that is not recorded.
    """
    how = low, high, num_updates, seed
    call = range_test_call(net.name, train_iter.batch_size, *how)
    tests = json.loads(RANGE_TESTS.read_text('utf-8'))
    if call not in tests:
        raise ValueError(f'{call} is not recorded: {REMEDY}')
    losses, status = tests[call]
    lrs = rising(low, high, num_updates)[: len(losses)]
    return RangeTest(lrs, np.array(losses), status)


def train_steps(*args: Any, **kwargs: Any) -> Iterator[History]:
    """Raise RuntimeError, with the remedy: a run under way takes a framework."""
    raise RuntimeError(f'no framework is here to train: {REMEDY}')


def run(recipe: Recipe, seed: int, **others: Any) -> History:
    """Return the recorded `History` of `recipe` with `seed`.

    Raises ValueError, with the remedy, for a run that is not recorded.
    """
    return recorded(recipe, seed)


def run_steps(recipe: Recipe, seed: int, **others: Any) -> Generator[History]:
    """Yield the recorded `History` of `recipe` with `seed`, whole at once.

    Raises ValueError, with the remedy, for a run that is not recorded.
    """
    yield recorded(recipe, seed)
