"""The book's framework as a backend: data on the device, LeNet, and `train`.

    from d2l_ext import mxnet as d2l
    from mxnet import npx
    npx.set_np()

(in this order: the first line makes MXNet of 2022 run on a present NumPy)

The schedule is asked by the training loop, which sets the trainer's rate; the net runs
hybridized, and losses and hits are read from the device once an epoch.
"""

import warnings
from functools import partial

from d2l_ext.install import cuda11, finder, wheels
from d2l_ext.training import learner, loop
from d2l_ext.training.range_test import range_test as test_range

finder.install()
try:
    import mxnet as mx
    from mxnet import gluon, np, npx
    from mxnet.gluon import nn
except (ImportError, OSError) as error:
    raise ImportError(
        f'MXNet cannot be imported ({error}): {wheels.remedy(error)}'
    ) from error

from d2l_ext.training._mxnet import Learner, accuracy
from d2l_ext.training._mxnet_trainer import lr_scheduler
from d2l_ext.training._printed import printed_scheduler

__all__ = [
    'Batches',
    'evaluate_accuracy',
    'lenet',
    'load_data_fashion_mnist',
    'lr_scheduler',
    'plain',
    'printed_scheduler',
    'range_test',
    'run',
    'run_steps',
    'train',
    'train_steps',
    'try_gpu',
]


class Batches(learner.Batches):
    """Minibatches of MXNet arrays on one device: `learner.Batches` says how."""

    def on_device(self, order):
        """Return an order, a NumPy array of int32, as an array beside X."""
        return np.array(order, dtype='int32', ctx=self.X.ctx)

    def rows(self, array, order):
        """Return the rows of `array` that `order` names, in that order."""
        return array.take(order, 0)


def try_gpu(i=0):
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


def load_data_fashion_mnist(batch_size, subset='mini', device=None):
    """Return train and test `Batches` of Fashion-MNIST on `device`.

    X is float32 in [0, 1] of shape (n, 1, 28, 28), y int32 of shape (n,). `subset` is
    'mini' (6,000 and 1,000 images, shipped) or 'full' (60,000 and 10,000).
    """
    _check_np()
    device = device or try_gpu()
    train, test = (
        (np.array(X, ctx=device), np.array(y, dtype='int32', ctx=device))
        for X, y in learner.scaled(subset)
    )
    return Batches(*train, batch_size, shuffle=True), Batches(*test, batch_size)


def lenet():
    """Return the book's modernised LeNet: ReLU and max-pooling, 61,706 parameters.

    Takes X of shape (n, 1, 28, 28) to y_hat of shape (n, 10). Source: section 11.11.1.
    """
    _check_np()
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


def plain(depth=16, width=64):
    """Return a deep plain net: `depth` dense layers, no normalisation, no shortcuts.

    Takes X of shape (n, 1, 28, 28) to y_hat of shape (n, 10). Its SELU keeps the size
    of a signal from layer to layer; through ReLU, with these first weights, it would
    lose half of its square in each. Source: Klambauer et al. (2017).
    """
    _check_np()
    net = nn.HybridSequential()
    for _ in range(depth - 1):
        net.add(nn.Dense(width), nn.SELU())
    net.add(nn.Dense(10))
    return net


NETS = {'lenet': lenet, 'plain': plain}


def train(
    net,
    train_iter,
    test_iter,
    num_epochs,
    loss,
    trainer,
    device,
    scheduler=None,
    per='epoch',
    seed=0,
    progress=True,
    checkpoint=None,
    on_epoch=None,
    on_update=None,
):
    """Train `net` from fresh weights and return the `History`.

    `scheduler` gives the learning rate at t, counted from 0 in the unit `per` names:
    'epoch' or 'update'. Without one the trainer's own rate, or its own `lr_scheduler`,
    stands. Weights (Xavier) and the order of `Batches` come from `seed`, and `trainer`
    starts anew: the same call on the same machine gives the same history, bit for bit,
    as long as MXNet was imported with the same OMP_NUM_THREADS.
    Any other iterable of minibatches that has a length will do, in its own order.

    A loss that is not finite, Ctrl-C and a device out of memory end the run early; the
    history says so in `status` and keeps what was learned until then. With
    `checkpoint`, a path, the run is saved there after every epoch, and the same call
    made again goes on from there to the very same history. `on_epoch` and `on_update`
    are called with the growing history after each epoch and each update; one that
    returns True stops the run.
    """
    steps = partial(
        train_steps, net, train_iter, test_iter, num_epochs, loss, trainer, device,
        scheduler, per, seed, checkpoint=checkpoint,
    )  # fmt: skip
    return loop.train(steps, progress, on_epoch, on_update)


def train_steps(
    net,
    train_iter,
    test_iter,
    num_epochs,
    loss,
    trainer,
    device,
    scheduler=None,
    per='epoch',
    seed=0,
    queue=None,
    checkpoint=None,
    on_epoch=None,
    on_update=None,
):
    """Do what `train` does, but yield the growing `History` after every update.

    The device works through a queue of updates while Python is ahead of it; `queue`
    bounds its length, so that a rate set by hand takes effect within so many updates.
    Leaving the `for` loop over it stops the run, like Ctrl-C.
    """
    _check_np()
    if checkpoint and trainer.optimizer.lr_scheduler is not None:
        raise ValueError(
            f'checkpoint={checkpoint!r} cannot keep what the lr_scheduler of trainer '
            f'has counted: give the schedule to train instead'
        )
    learning = Learner(net, loss, trainer, device)
    yield from loop.steps(
        learning, train_iter, test_iter, num_epochs, scheduler, per, seed, queue,
        checkpoint, on_epoch, on_update,
    )  # fmt: skip


def range_test(
    net, train_iter, loss, trainer, device, low=1e-3, high=10, num_updates=100, seed=0
):
    """Return the `RangeTest` of `net` and `trainer`: how the loss answers a rising rate.

    Weights and the order of the minibatches come from `seed`; afterwards net, trainer
    and random generators are as before. `range_test.range_test` says what it does.
    """
    learning = Learner(net, loss, trainer, device)
    return test_range(learning, train_iter, low, high, num_updates, seed)


def evaluate_accuracy(net, data_iter, device):
    """Return the share of examples in `data_iter` that `net` gets right."""
    return accuracy(net, data_iter, device)


@mx.util.use_np
def run(recipe, seed, progress=False):
    """Train as `recipe` says and return the `History`."""
    return loop.train(partial(run_steps, recipe, seed), progress, None, None)


def run_steps(recipe, seed, queue=None, on_epoch=None, on_update=None, net=None):
    """Do what `run` does, but yield the growing `History` as `train_steps` does.

    `net`: the net to train, which the caller can then look at; without it, a new one.
    """
    device = try_gpu()
    train_iter, test_iter = load_data_fashion_mnist(
        recipe.batch_size, recipe.subset, device
    )
    if net is None:
        net = NETS[recipe.net]()
    net.initialize(ctx=device)
    if recipe.printed:
        own = {'lr_scheduler': printed_scheduler(recipe.printed)}
    else:
        own = {'learning_rate': recipe.scheduler.base_lr}
    return train_steps(
        net,
        train_iter,
        test_iter,
        recipe.num_epochs,
        gluon.loss.SoftmaxCrossEntropyLoss(),
        gluon.Trainer(net.collect_params(), 'sgd', own),
        device,
        None if recipe.printed else recipe.scheduler,
        recipe.per,
        seed,
        queue,
        on_epoch=on_epoch,
        on_update=on_update,
    )


def _check_np():
    if not mx.util.is_np_array():
        raise RuntimeError(
            'call npx.set_np() first: d2l_ext uses MXNet arrays as NumPy'
        )
