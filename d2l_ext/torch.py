"""The twin of `mxnet.py` in PyTorch: the same names, the same arguments.

    from d2l_ext import torch as d2l

Both draw the first weights and the order of the data by NumPy, from the seed, so that
they start from the same numbers and see the same batches. What differs: a trainer is a
`torch.optim` optimizer and keeps no scheduler, so `lr_scheduler` takes it first; `loss`
may be a mean or one value per example; the book's printed objects are MXNet's, so there
is no `printed_scheduler`.

Precision is set as PyTorch sets it: `torch.set_float32_matmul_precision('high')` for
TF32, `with torch.autocast(device.type, torch.bfloat16):` around `train` for bfloat16.
"""

from collections.abc import Callable

import numpy
import torch
from torch import nn

from d2l_ext.data import scaled
from d2l_ext.plan import whole_number
from d2l_ext.training import batches
from d2l_ext.training._replicas import train_many
from d2l_ext.training._torch import Learner, evaluate_accuracy
from d2l_ext.training.backend import Backend, from_book

__all__ = [
    'Batches',
    'cross_entropy',
    'evaluate_accuracy',
    'lenet',
    'load_data_fashion_mnist',
    'lr_scheduler',
    'plain',
    'range_test',
    'run',
    'run_many',
    'run_steps',
    'sgd',
    'train',
    'train_many',
    'train_steps',
    'try_gpu',
]


class Batches(batches.Batches):
    __doc__ = batches.Batches.__doc__

    def on_device(self, order: numpy.ndarray) -> torch.Tensor:
        return torch.as_tensor(order, device=self.X.device)

    def rows(self, array: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        return array.index_select(0, order)


def try_gpu(i: int = 0) -> torch.device:
    """Return the device `cuda:i` if PyTorch can drive it, else `cpu`."""
    return torch.device(f'cuda:{i}' if torch.cuda.device_count() > i else 'cpu')


def load_data_fashion_mnist(
    batch_size: int, subset: str = 'mini', device: torch.device | str | None = None
) -> tuple[Batches, Batches]:
    """Return train and test `Batches` of Fashion-MNIST on `device`.

    X is float32 in [0, 1] of shape (n, 1, 28, 28), y int64 of shape (n,). `subset` is
    'mini' (6,000 and 1,000 images, shipped) or 'full' (60,000 and 10,000). Raises
    ValueError for another one, OSError where the full set cannot be had.
    """
    device = device or try_gpu()
    train, test = (
        (torch.as_tensor(X, device=device), torch.as_tensor(y, device=device).long())
        for X, y in scaled(subset)
    )
    return Batches(*train, batch_size, shuffle=True), Batches(*test, batch_size)


def lenet() -> nn.Sequential:
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


def plain(depth: int = 16, width: int = 64) -> nn.Sequential:
    """Return a deep net: `depth` dense layers, no normalisation, no shortcuts.

    Takes X of shape (n, 1, 28, 28) to y_hat of shape (n, 10). Source: as in
    `mxnet.py`.
    """
    sizes = [28 * 28, *[width] * (depth - 1)]
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += nn.Linear(inputs, outputs), nn.SELU()
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 10))


NETS = {'lenet': lenet, 'plain': plain}


def cross_entropy() -> nn.Module:
    """Return the loss of a classifier, a mean over the examples.

    l = -log(softmax(y_hat)_y) for y_hat of shape (n, k) and labels y of shape (n,).
    Source: book section 4.1.
    """
    return nn.CrossEntropyLoss()


class SGD(torch.optim.SGD):
    """PyTorch's own, whose rate is read and set as that of a `gluon.Trainer`."""

    @property
    def learning_rate(self) -> float:
        """The learning rate of the first group."""
        return float(self.param_groups[0]['lr'])

    def set_learning_rate(self, lr: float) -> None:
        """Take another learning rate, for all groups."""
        for group in self.param_groups:
            group['lr'] = lr


def sgd(
    net: nn.Module,
    learning_rate: float = 0.1,
    device: torch.device | str | None = None,
) -> SGD:
    """Return a trainer of `net` on `device`, where that stands.

    Its update is w <- w - learning_rate g, with g the gradient of the mean loss.
    Source: book section 12.4.
    """
    return SGD(net.to(device).parameters(), learning_rate)


def lr_scheduler(
    optimizer: torch.optim.Optimizer, scheduler: Callable, batches_per_epoch: int = 1
) -> torch.optim.lr_scheduler.LambdaLR:
    """Return `scheduler` as a `LambdaLR` that sets the rate of `optimizer`.

    The first update gets scheduler(0). t counts calls of `step()`, or epochs of
    `batches_per_epoch` calls where that is given. The rate of the first parameter group
    is replaced; other groups keep their ratio to it. A rate that is a tensor stays one.
    Raises ValueError where the first group's rate is 0 and another's is not.
    """
    n = whole_number('batches_per_epoch', batches_per_epoch)
    rates = [
        # not what another scheduler left there
        float(group.get('initial_lr', group['lr']))
        for group in optimizer.param_groups
    ]
    if rates[0] == 0 and any(rates):
        raise ValueError(
            f'the rate of the first parameter group must be above 0, as the others keep '
            f'their ratio to it, got {rates!r}'
        )
    for group, rate in zip(optimizer.param_groups, rates):
        # the factor that LambdaLR multiplies by
        group['initial_lr'] = rate / rates[0] if rates[0] else 1.0
        if isinstance(group['lr'], torch.Tensor):
            group['lr'].fill_(group['initial_lr'])
        else:
            group['lr'] = group['initial_lr']
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: scheduler(t // n))


OPTIMIZERS = {'sgd': torch.optim.SGD, 'adam': torch.optim.Adam}


def _prepare(recipe, net=None):
    """Return what `Backend` needs to run a recipe."""
    if recipe.printed:
        raise ValueError(
            f'printed={recipe.printed!r} runs an object of MXNet: use d2l_ext.mxnet.run'
        )
    device = try_gpu()
    data = load_data_fashion_mnist(recipe.batch_size, recipe.subset, device)
    net = net or NETS[recipe.net]()
    kind = OPTIMIZERS[recipe.optimizer]
    trainer = kind(net.parameters(), recipe.scheduler.base_lr)
    return net, *data, cross_entropy(), trainer, device


def run_many(recipe, schedulers, seeds) -> list:
    """Train as `recipe` says, with each of `schedulers` in place of its own, at once.

    Returns a `History` for each scheduler and seed, in the order of
    `itertools.product`. Raises ValueError for a recipe of the book's printed objects,
    which are MXNet's, and for another optimizer than plain SGD.
    """
    if recipe.optimizer != 'sgd':
        raise ValueError(
            f"optimizer must be 'sgd' for many runs at once, got {recipe.optimizer!r}: "
            'use run for each'
        )
    net, train_iter, test_iter, loss, _, device = _prepare(recipe)
    return train_many(
        net,
        train_iter,
        test_iter,
        recipe.num_epochs,
        loss,
        device,
        schedulers,
        per=recipe.per,
        seeds=seeds,
    )


_backend = Backend(Learner, _prepare)
train = _backend.train
train_steps = _backend.train_steps
range_test = _backend.range_test
run = _backend.run
run_steps = _backend.run_steps
__getattr__ = from_book('torch')
