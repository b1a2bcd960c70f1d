"""The book's framework as a backend: data on the device, LeNet, and `train`.

    from d2l_ext import mxnet as d2l
    from mxnet import npx
    npx.set_np()

(in this order: the first line makes MXNet of 2022 run on a present NumPy)

The schedule is asked by the training loop, which sets the trainer's rate; the net runs
hybridized, and losses and hits are read from the device once an epoch.
"""

import datetime
import math
import platform
import time

import numpy

from d2l_ext import _mxnet_finder
from d2l_ext.data import load_fashion_mnist
from d2l_ext.progress import Progress
from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training import History, scheduled_lr, whole_number, xavier

_mxnet_finder.install()
try:
    import mxnet as mx
    from mxnet import autograd, gluon, np, npx
    from mxnet.gluon import nn
except (ImportError, OSError) as error:
    raise ImportError(
        f'MXNet cannot be imported ({error}): run `python -m d2l_ext.install`'
    ) from error

from d2l_ext._mxnet_trainer import forget, lr_scheduler, printed_scheduler, take_over

__all__ = [
    'Batches',
    'evaluate_accuracy',
    'lenet',
    'load_data_fashion_mnist',
    'lr_scheduler',
    'printed_scheduler',
    'run',
    'train',
    'train_steps',
    'try_gpu',
]

# What MXNet says on a GPU, and on a CPU
OUT_OF_MEMORY = 'out of memory', 'failed to allocate'


class Batches:
    """Minibatches of arrays that live on one device.

    Iterating gives `(X, y)` with X of shape (batch_size, ...) and y of shape
    (batch_size,); the last batch holds what is left. With `shuffle` the order is new
    in each pass: from `rng` in `shuffled(rng)`, from the operating system otherwise.
    """

    def __init__(self, X, y, batch_size, shuffle=False):
        if len(X) != len(y):
            raise ValueError(f'X and y must be of one length, got {len(X)}, {len(y)}')
        self.X, self.y, self.shuffle = X, y, shuffle
        self.batch_size = whole_number('batch_size', batch_size)
        if self.batch_size > len(X):
            raise ValueError(
                f'batch_size must be at most {len(X)}, the number of examples, '
                f'got {batch_size!r}'
            )

    def __len__(self):
        return math.ceil(len(self.X) / self.batch_size)

    def __iter__(self):
        if self.shuffle:
            return self.shuffled(numpy.random.default_rng())
        return self._take(None)

    def shuffled(self, rng):
        """Iterate in an order drawn from `rng`, a NumPy generator."""
        order = rng.permutation(len(self.X)).astype('int32')
        return self._take(np.array(order, dtype='int32', ctx=self.X.ctx))

    def _take(self, order):
        for i in range(0, len(self.X), self.batch_size):
            rows = slice(i, min(i + self.batch_size, len(self.X)))
            if order is None:
                yield self.X[rows], self.y[rows]
            else:
                yield self.X.take(order[rows], 0), self.y.take(order[rows], 0)


def try_gpu(i=0):
    """Return `gpu(i)` if MXNet can drive one, else `cpu()`."""
    return npx.gpu(i) if npx.num_gpus() > i else npx.cpu()


def load_data_fashion_mnist(batch_size, subset='mini', device=None):
    """Return train and test `Batches` of Fashion-MNIST on `device`.

    X is float32 in [0, 1] of shape (n, 1, 28, 28), y int32 of shape (n,). `subset` is
    'mini' (6,000 and 1,000 images, shipped) or 'full' (60,000 and 10,000).
    """
    _check_np()
    device = device or try_gpu()
    arrays = load_fashion_mnist(subset)
    batches = []
    for images, labels in (arrays[:2], arrays[2:]):
        X = images.reshape(-1, 1, 28, 28).astype('float32') / 255
        X = np.array(X, dtype='float32', ctx=device)
        y = np.array(labels, dtype='int32', ctx=device)
        batches.append(Batches(X, y, batch_size, shuffle=not batches))
    return tuple(batches)


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
):
    """Train `net` from fresh weights and return the `History`.

    `scheduler` gives the learning rate at t, counted from 0 in the unit `per` names:
    'epoch' or 'update'. Without one the trainer's own rate, or its own `lr_scheduler`,
    stands. Weights (Xavier) and the order of `Batches` come from `seed`, and `trainer`
    starts anew: the same call on the same machine gives the same history, bit for bit.
    Any other iterable of minibatches that has a length will do, in its own order.

    A loss that is not finite, Ctrl-C and a device out of memory end the run early; the
    history says so in `status` and keeps what was learned until then.
    """
    steps = train_steps(
        net, train_iter, test_iter, num_epochs, loss, trainer, device, scheduler, per,
        seed,
    )  # fmt: skip
    history, shown = History(), Progress() if progress else None
    try:
        for history in steps:
            if shown:
                shown.update(history)
    except KeyboardInterrupt:
        history.status = 'stopped'
    if shown:
        shown.close(history)
    return history


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
):
    """Do what `train` does, but yield the growing `History` after every update.

    The device works through a queue of updates while Python is ahead of it; `queue`
    bounds its length, so that a rate set by hand takes effect within so many updates.
    """
    _check_np()
    num_epochs = whole_number('num_epochs', num_epochs)
    seed = whole_number('seed', seed, at_least=0)
    found_lr, recorder = trainer.optimizer.lr, take_over(trainer, scheduler)
    followed = scheduler or recorder or ConstantScheduler(trainer.learning_rate)
    rng = numpy.random.default_rng(seed)
    mx.random.seed(int(rng.integers(2**31)))  # for nets with dropout
    history = History(
        recipe={
            'scheduler': repr(followed),
            'per': per if scheduler else 'update',
            'num_epochs': num_epochs,
            'batch_size': getattr(train_iter, 'batch_size', None),
            'batches_per_epoch': len(train_iter),
            'optimizer': type(trainer.optimizer).__name__.lower(),
            'seed': seed,
            'backend': 'mxnet',
        },
        environment=_environment(device),
    )
    try:
        _initialize(net, train_iter, device, rng)
        forget(trainer)
        net.hybridize(static_alloc=True, static_shape=True)
        for epoch in range(num_epochs):
            start = time.perf_counter()
            sums, count, waiting = np.zeros(2, ctx=device), 0, []
            for X, y in _passes(train_iter, rng):
                if scheduler is not None:
                    update = len(history.lr)
                    lr = scheduled_lr(scheduler, per, epoch, update, history.train_loss)
                    trainer.set_learning_rate(lr)
                X, y = X.as_in_ctx(device), y.as_in_ctx(device)
                with autograd.record():
                    y_hat = net(X)
                    l = loss(y_hat, y)
                l.backward()
                trainer.step(len(X))
                history.lr.append(recorder.last if recorder else trainer.learning_rate)
                sums += np.stack([l.sum(), _hits(y_hat, y)])
                count += len(X)
                if queue:
                    waiting.append(l)
                    if len(waiting) > queue:
                        waiting.pop(0).wait_to_read()
                yield history
            test_acc = evaluate_accuracy(net, test_iter, device)
            train_loss, train_acc = (float(total) / count for total in sums.asnumpy())
            history.seconds.append(time.perf_counter() - start)
            history.test_acc.append(test_acc)
            history.train_acc.append(train_acc)
            # last, as an epoch counts as finished once it has a loss
            history.train_loss.append(train_loss)
            if not math.isfinite(train_loss):
                history.status = 'diverged'
                break
        else:
            history.status = 'finished'
    except mx.base.MXNetError as error:
        if not any(words in str(error).lower() for words in OUT_OF_MEMORY):
            raise
        history.status = 'out of memory'
    finally:
        if recorder:
            trainer.optimizer.lr_scheduler = recorder.lr_scheduler
        else:
            trainer.set_learning_rate(found_lr)
    yield history


def evaluate_accuracy(net, data_iter, device):
    """Return the share of examples in `data_iter` that `net` gets right."""
    hits, count = np.zeros((), ctx=device), 0
    for X, y in data_iter:
        hits += _hits(net(X.as_in_ctx(device)), y.as_in_ctx(device))
        count += len(X)
    return float(hits) / count


@mx.util.use_np
def run(recipe, seed, progress=False):
    """Train as `recipe` says and return the `History`."""
    device = try_gpu()
    train_iter, test_iter = load_data_fashion_mnist(
        recipe.batch_size, recipe.subset, device
    )
    net = lenet()
    net.initialize(ctx=device)
    if recipe.printed:
        own = {'lr_scheduler': printed_scheduler(recipe.printed)}
    else:
        own = {'learning_rate': recipe.scheduler.base_lr}
    return train(
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
        progress,
    )


def _initialize(net, train_iter, device, rng):
    net.initialize(ctx=device, force_reinit=True)
    X, _ = next(iter(train_iter))
    net(X[:1].as_in_ctx(device))  # tells the layers their shapes
    for name, parameter in net.collect_params().items():
        if name.endswith('weight'):
            parameter.set_data(np.array(xavier(parameter.shape, rng)))


def _passes(train_iter, rng):
    if getattr(train_iter, 'shuffle', False):
        return train_iter.shuffled(rng)
    return iter(train_iter)


def _hits(y_hat, y):
    hits = y_hat.argmax(axis=1).astype('int32') == y.astype('int32')
    return hits.astype('float32').sum()


def _check_np():
    if not mx.util.is_np_array():
        raise RuntimeError(
            'call npx.set_np() first: d2l_ext uses MXNet arrays as NumPy'
        )


def _environment(device):
    return {
        'mxnet': mx.__version__,
        'numpy': numpy.__version__,
        'python': platform.python_version(),
        'machine': platform.machine(),
        'device': str(device),
        'date': datetime.date.today().isoformat(),
    }
