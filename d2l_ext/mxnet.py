"""The book's framework as a backend: data on the device, LeNet, and `train`.

    from d2l_ext import mxnet as d2l
    from mxnet import npx
    npx.set_np()

(in this order: the first line makes MXNet of 2022 run on a present NumPy)

The schedule is asked by the training loop, which sets the trainer's rate; the net runs
hybridized, and losses and hits are read from the device once an epoch.
"""

import warnings

import numpy

from d2l_ext.data import scaled
from d2l_ext.install import cuda11, finder, threads, wheels
from d2l_ext.training import batches
from d2l_ext.training.backend import Backend, from_book

finder.install()
try:
    with threads.one():
        import mxnet as mx
        from mxnet import gluon, np, npx
        from mxnet.gluon import nn
except (ImportError, OSError) as error:
    raise ImportError(
        f'MXNet cannot be imported ({error}): {wheels.remedy(error)}'
    ) from error

from d2l_ext.training._mxnet import Learner, check_np, evaluate_accuracy
from d2l_ext.training._mxnet_trainer import (
    cross_entropy,
    lr_scheduler,
    printed_scheduler,
    sgd,
)

__all__ = [
    'Batches',
    'cross_entropy',
    'evaluate_accuracy',
    'lenet',
    'load_data_fashion_mnist',
    'lr_scheduler',
    'plain',
    'printed_scheduler',
    'range_test',
    'run',
    'run_steps',
    'sgd',
    'train',
    'train_steps',
    'try_gpu',
]


class Batches(batches.Batches):
    __doc__ = batches.Batches.__doc__

    def on_device(self, order: numpy.ndarray) -> np.ndarray:
        return np.array(order, dtype='int32', ctx=self.X.ctx)

    def rows(self, array: np.ndarray, order: np.ndarray) -> np.ndarray:
        return array.take(order, 0)


def try_gpu(i: int = 0) -> mx.Context:
    """Return `gpu(i)` if MXNet can drive it, else `cpu()`.

    Warns, and says why, where the machine has that GPU all the same.
    """
    capabilities = (cuda11.capabilities() or ())[i:]
    wheel, why = wheels.choose(capabilities)
    if wheel == 'mxnet-cu117' and npx.num_gpus() > i:
        return npx.gpu(i)
    if capabilities:
        if wheel == 'mxnet-cu117':
            why += f', but this is the wheel for CPUs: {wheels.remedy("")}'
        warnings.warn(f'MXNet computes on the CPU: {why}', stacklevel=2)
    return npx.cpu()


def load_data_fashion_mnist(
    batch_size: int, subset: str = 'mini', device: mx.Context | None = None
) -> tuple[Batches, Batches]:
    """Return train and test `Batches` of Fashion-MNIST on `device`.

    X is float32 in [0, 1] of shape (n, 1, 28, 28), y int32 of shape (n,). `subset` is
    'mini' (6,000 and 1,000 images, shipped) or 'full' (60,000 and 10,000). Raises
    ValueError for another one, OSError where the full set cannot be had, RuntimeError
    without `npx.set_np()`.
    """
    check_np()
    device = device or try_gpu()
    train, test = (
        (np.array(X, ctx=device), np.array(y, dtype='int32', ctx=device))
        for X, y in scaled(subset)
    )
    return Batches(*train, batch_size, shuffle=True), Batches(*test, batch_size)


def lenet() -> nn.HybridSequential:
    """Return the book's modernised LeNet: ReLU and max-pooling, 61,706 parameters.

    Takes X of shape (n, 1, 28, 28) to y_hat of shape (n, 10). Raises RuntimeError
    without `npx.set_np()`. Source: section 11.11.1.
    """
    check_np()
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(6, kernel_size=5, padding=2, activation='relu'),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Conv2D(16, kernel_size=5, activation='relu'),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Dense(120, activation='relu'),
        nn.Dense(84, activation='relu'),
        nn.Dense(10),
    )
    return net


def plain(depth: int = 16, width: int = 64) -> nn.HybridSequential:
    """Return a deep net: `depth` dense layers, no normalisation, no shortcuts.

    Takes X of shape (n, 1, 28, 28) to y_hat of shape (n, 10). Its SELU keeps the
    size of a signal from layer to layer; through ReLU, with these first weights,
    it would lose half of its square in each. Raises RuntimeError without
    `npx.set_np()`. Source: Klambauer et al. (2017).
    """
    check_np()
    net = nn.HybridSequential()
    for _ in range(depth - 1):
        net.add(nn.Dense(width), nn.SELU())
    net.add(nn.Dense(10))
    return net


NETS = {'lenet': lenet, 'plain': plain}


def _prepare(recipe, net=None):
    """Return what `Backend` needs to run a recipe."""
    device = try_gpu()
    data = load_data_fashion_mnist(recipe.batch_size, recipe.subset, device)
    net = net or NETS[recipe.net]()
    net.initialize(ctx=device)
    if recipe.printed:
        settings = {'lr_scheduler': printed_scheduler(recipe.printed)}
    else:
        settings = {'learning_rate': recipe.scheduler.base_lr}
    trainer = gluon.Trainer(net.collect_params(), recipe.optimizer, settings)
    return net, *data, cross_entropy(), trainer, device


_backend = Backend(Learner, _prepare)
train = _backend.train
train_steps = _backend.train_steps
range_test = _backend.range_test
run_steps = _backend.run_steps
run = mx.util.use_np(_backend.run)
__getattr__ = from_book('mxnet')
