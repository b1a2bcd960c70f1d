"""The twin of `mxnet.py` in PyTorch: the same names, the same arguments.

    from d2l_ext import torch as d2l

Both draw the first weights and the order of the data by NumPy, from the seed, so that
they start from the same numbers and see the same batches. What differs: a trainer is a
`torch.optim` optimizer and keeps no scheduler, so `lr_scheduler` takes it first; the
book's printed objects are MXNet's, so there is no `printed_scheduler`.

Precision is set as PyTorch sets it: `torch.set_float32_matmul_precision('high')` for
TF32, `with torch.autocast(device.type, torch.bfloat16):` around `train` for bfloat16.
"""

from functools import partial

import torch
from torch import nn

from d2l_ext.plan import whole_number
from d2l_ext.training import learner, loop
from d2l_ext.training._torch import Learner, accuracy
from d2l_ext.training.range_test import range_test as test_range

__all__ = [
    'Batches',
    'evaluate_accuracy',
    'lenet',
    'load_data_fashion_mnist',
    'lr_scheduler',
    'plain',
    'range_test',
    'run',
    'run_steps',
    'train',
    'train_steps',
    'try_gpu',
]


class Batches(learner.Batches):
    """Minibatches of tensors on one device: `learner.Batches` says how."""

    def on_device(self, order):
        """Return an order, a NumPy array of int32, as a tensor beside X."""
        return torch.as_tensor(order, device=self.X.device)

    def rows(self, array, order):
        """Return the rows of `array` that `order` names, in that order."""
        return array.index_select(0, order)


def try_gpu(i=0):
    """Return the device `cuda:i` if PyTorch can drive it, else `cpu`."""
    return torch.device(f'cuda:{i}' if torch.cuda.device_count() > i else 'cpu')


def load_data_fashion_mnist(batch_size, subset='mini', device=None):
    """Return train and test `Batches` of Fashion-MNIST on `device`.

    X is float32 in [0, 1] of shape (n, 1, 28, 28), y int64 of shape (n,). `subset` is
    'mini' (6,000 and 1,000 images, shipped) or 'full' (60,000 and 10,000).
    """
    device = device or try_gpu()
    train, test = (
        (torch.as_tensor(X, device=device), torch.as_tensor(y, device=device).long())
        for X, y in learner.scaled(subset)
    )
    return Batches(*train, batch_size, shuffle=True), Batches(*test, batch_size)


def lenet():
    """Return the book's modernised LeNet: ReLU and max-pooling, 61,706 parameters.

    Takes X of shape (n, 1, 28, 28) to y_hat of shape (n, 10). Source: section 11.11.1.
    """
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def plain(depth=16, width=64):
    """Return a deep plain net: `depth` dense layers, no normalisation, no shortcuts.

    Takes X of shape (n, 1, 28, 28) to y_hat of shape (n, 10). Source: as in `mxnet.py`.
    """
    sizes = [28 * 28, *[width] * (depth - 1)]
    layers = [nn.Flatten()]
    for ins, outs in zip(sizes, sizes[1:]):
        layers += nn.Linear(ins, outs), nn.SELU()
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 10))


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
    'epoch' or 'update'. Without one the trainer's own rate stands. Weights (Xavier) and
    the order of `Batches` come from `seed`, and `trainer` starts anew: on one CPU, with
    as many threads, the same call gives the same history, bit for bit. Any other
    iterable of minibatches that has a length will do, in its own order. `loss` may be a
    mean or one value per example.

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

    A GPU works through a queue of updates while Python is ahead of it; `queue` bounds
    its length, so that a rate set by hand takes effect within so many updates.
    Leaving the `for` loop over it stops the run, like Ctrl-C.
    """
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


def lr_scheduler(optimizer, scheduler, batches_per_epoch=1):
    """Return `scheduler` as a `LambdaLR` that sets the rate of `optimizer`.

    The first update gets scheduler(0). t counts calls of `step()`, or epochs of
    `batches_per_epoch` calls where that is given. The optimizer's own rate is replaced.
    """
    n = whole_number('batches_per_epoch', batches_per_epoch)
    for group in optimizer.param_groups:
        # the factor that LambdaLR multiplies by, whatever another scheduler left there
        group['lr'] = group['initial_lr'] = 1.0
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: scheduler(t // n))


def run(recipe, seed, progress=False):
    """Train as `recipe` says and return the `History`.

    Raises ValueError for a recipe of the book's printed objects: those are MXNet's.
    """
    return loop.train(partial(run_steps, recipe, seed), progress, None, None)


def run_steps(recipe, seed, queue=None, on_epoch=None, on_update=None, net=None):
    """Do what `run` does, but yield the growing `History` as `train_steps` does.

    `net`: the net to train, which the caller can then look at; without it, a new one.
    """
    if recipe.printed:
        raise ValueError(
            f'printed={recipe.printed!r} runs an object of MXNet: use d2l_ext.mxnet.run'
        )
    device = try_gpu()
    if net is None:
        net = NETS[recipe.net]()
    return train_steps(
        net,
        *load_data_fashion_mnist(recipe.batch_size, recipe.subset, device),
        recipe.num_epochs,
        nn.CrossEntropyLoss(),
        torch.optim.SGD(net.parameters(), recipe.scheduler.base_lr),
        device,
        recipe.scheduler,
        recipe.per,
        seed,
        queue,
        on_epoch=on_epoch,
        on_update=on_update,
    )
