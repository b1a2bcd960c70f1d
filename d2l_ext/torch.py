"""The twin of `mxnet.py` in PyTorch: the same names, the same arguments.

    from d2l_ext import torch as d2l

Both draw the first weights and the order of the data by NumPy, from the seed, so that
they start from the same numbers and see the same batches. What differs: a trainer is a
`torch.optim` optimizer and keeps no scheduler, so `lr_scheduler` takes it first; the
book's printed objects are MXNet's, so there is no `printed_scheduler`.

Precision is set as PyTorch sets it: `torch.set_float32_matmul_precision('high')` for
TF32, `with torch.autocast(device.type, torch.bfloat16):` around `train` for bfloat16.
"""

import contextlib
from functools import partial

import torch
from torch import nn

from d2l_ext import loop, range_finder
from d2l_ext._torch_step import GraphStep, Step
from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training import whole_number, xavier

__all__ = [
    'Batches',
    'evaluate_accuracy',
    'lenet',
    'load_data_fashion_mnist',
    'lr_scheduler',
    'range_test',
    'run',
    'run_steps',
    'train',
    'train_steps',
    'try_gpu',
]


class Batches(loop.Batches):
    """Minibatches of tensors on one device: `loop.Batches` says how."""

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
        for X, y in loop.scaled(subset)
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
    learner = _Learner(net, loss, trainer, device)
    yield from loop.steps(
        learner, train_iter, test_iter, num_epochs, scheduler, per, seed, queue,
        checkpoint, on_epoch, on_update,
    )  # fmt: skip


def range_test(
    net, train_iter, loss, trainer, device, low=1e-3, high=10, num_updates=100, seed=0
):
    """Return the `RangeTest` of `net` and `trainer`: how the loss answers a rising rate.

    Weights and the order of the minibatches come from `seed`; afterwards net, trainer
    and random generators are as before. `range_finder.range_test` says what it does.
    """
    learner = _Learner(net, loss, trainer, device)
    return range_finder.range_test(learner, train_iter, low, high, num_updates, seed)


def evaluate_accuracy(net, data_iter, device):
    """Return the share of examples in `data_iter` that `net` gets right."""
    hits, count = torch.zeros((), device=device, dtype=torch.int64), 0
    with _evaluating(net), torch.no_grad():
        for X, y in data_iter:
            hits += (net(X.to(device)).argmax(1) == y.to(device)).sum()
            count += len(X)
    return hits.item() / count


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


def run_steps(recipe, seed, queue=None, on_epoch=None, on_update=None):
    """Do what `run` does, but yield the growing `History` as `train_steps` does."""
    if recipe.printed:
        raise ValueError(
            f'printed={recipe.printed!r} runs an object of MXNet: use d2l_ext.mxnet.run'
        )
    device, net = try_gpu(), lenet()
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


class _Learner:
    """The net, the loss and the trainer, as `loop.steps` drives them."""

    backend = 'torch'

    def __init__(self, net, loss, trainer, device):
        self.net, self.loss, self.trainer = net, loss, trainer
        self.device = torch.device(device)
        self.optimizer = type(trainer).__name__.lower()
        self.found = [{**group} for group in trainer.param_groups]

    def take_over(self, scheduler):
        """Return the schedule that the trainer follows by itself."""
        if isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler):
            raise TypeError(
                f'scheduler must be a function of t, got a {type(scheduler).__name__}, '
                f'which counts for itself: use one of d2l_ext.schedulers'
            )
        return ConstantScheduler(float(self.found[0]['lr']))

    def seed(self, seed):
        """Seed what the net itself draws, as dropout does."""
        torch.manual_seed(seed)

    def settle(self, train_iter):
        """Let lazy layers see their shapes."""
        self.net.to(self.device)
        X, _ = next(iter(train_iter))
        with torch.no_grad():
            self.net(X[:1].to(self.device))

    def begin(self, train_iter, rng):
        """Draw the first weights; make the trainer as good as new."""
        self.settle(train_iter)
        initialize(self.net, rng)
        if self.device.type == 'cpu':
            # the layout in which convolutions are fastest there
            self.net.to(memory_format=torch.channels_last)
        self.trainer.state.clear()
        self.net.train()
        plain = self.device.type != 'cuda' or self.optimizer != 'sgd'
        kind = Step if plain else GraphStep
        self.step = kind(self.net, self.loss, self.trainer, self.device)

    def update(self, X, y, lr):
        """Queue one update; return a function that waits for it."""
        if lr is not None:
            self.step.lr = lr
        self.step(X.to(self.device), y.to(self.device))
        if self.device.type != 'cuda':
            return lambda: None
        done = torch.cuda.Event()
        done.record()
        return done.synchronize

    def applied_lr(self):
        """Return the rate of the last update."""
        return self.step.lr

    def totals(self):
        """Return summed loss and hits since the last call: waits for the device."""
        totals = self.step.sums.tolist()
        self.step.sums.zero_()
        return totals

    def accuracy(self, test_iter):
        """Return the share of `test_iter` that the net gets right."""
        return evaluate_accuracy(self.net, test_iter, self.device)

    def state(self):
        """Return {name: array} of the weights and of what the trainer keeps."""
        kept = {f'weight.{name}': t for name, t in self.net.state_dict().items()}
        for i, parameter in enumerate(self._parameters()):
            for name, t in self.trainer.state[parameter].items():
                if t is not None:
                    kept[f'kept.{i}.{name}'] = torch.as_tensor(t)
        return {name: t.cpu().numpy() for name, t in kept.items()}

    def load_state(self, arrays):
        """Go back to where `state` was called."""
        self.trainer.state.clear()
        with torch.no_grad():
            for name, tensor in self.net.state_dict().items():
                tensor.copy_(torch.as_tensor(arrays[f'weight.{name}']))
        parameters = self._parameters()
        for key in arrays:
            kind, _, rest = key.partition('.')
            if kind == 'kept':
                i, name = rest.split('.')
                parameter, kept = parameters[int(i)], torch.as_tensor(arrays[key])
                # numbers such as Adam's count of steps stay off the device
                if kept.ndim:
                    kept = torch.empty_like(parameter).copy_(kept)
                self.trainer.state[parameter][name] = kept

    def keep_random(self):
        """Leave the generators, inside of this, as they are outside of it."""
        cuda = self.device.type == 'cuda'
        return torch.random.fork_rng([self.device] if cuda else [])

    def _parameters(self):
        return [p for group in self.trainer.param_groups for p in group['params']]

    def end(self):
        """Give the trainer back with the rates that it came with."""
        for group, found in zip(self.trainer.param_groups, self.found):
            group.update(found)

    def environment(self):
        """Return what the run's numbers may depend on."""
        return {'torch': torch.__version__, 'device': str(self.device)}


def initialize(net, rng):
    """Draw the weights of `net` from `rng`, layer by layer; biases are zero."""
    for layer in net.modules():
        if hasattr(layer, 'reset_parameters'):
            layer.reset_parameters()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith('bias'):
                parameter.zero_()
            elif parameter.ndim > 1:
                parameter.copy_(torch.as_tensor(xavier(parameter.shape, rng)))


@contextlib.contextmanager
def _evaluating(net):
    training = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(training)
