"""What `bench.py` measures of MXNet: our training, and the same in the book's manner."""

import json
import os
import tempfile
from functools import partial

from d2l_ext import mxnet as d2l
from d2l_ext.data import load_fashion_mnist
from d2l_ext.mxnet import gluon, mx
from d2l_ext.schedulers import ConstantScheduler

LR, BATCH_SIZE, CALLS = 0.5, 256, 10_000
PLACE = f'MXNet {mx.__version__} on {d2l.try_gpu()}'

# Made anew for every measurement, because calls use these up
SCHEDULERS = {
    'Factor': partial(mx.lr_scheduler.FactorScheduler, 100, 0.9, 0.01, LR),
    'MultiFactor': partial(mx.lr_scheduler.MultiFactorScheduler, [3000, 6000], 0.5, LR),
    'Poly': partial(mx.lr_scheduler.PolyScheduler, CALLS, LR),
    'Cosine': partial(mx.lr_scheduler.CosineScheduler, CALLS, LR),
    'warmup_cosine': partial(mx.lr_scheduler.CosineScheduler, CALLS, LR, 0, 1000),
}


@mx.util.use_np
def contestants(subset, batch_size):
    """Return {name: function that trains for num_epochs}."""
    batches = data(subset, batch_size)
    return {
        'd2l_ext.mxnet': partial(our_run, batches),
        'book, 4 workers': partial(book_run, book_data(subset, batch_size, 4)),
        'book, no workers': partial(book_run, book_data(subset, batch_size, 0)),
    }


@mx.util.use_np
def data(subset, batch_size):
    """Return the minibatches of training and of testing."""
    return d2l.load_data_fashion_mnist(batch_size, subset)


@mx.util.use_np
def our_run(data, num_epochs):
    """Train as this package does, and return the history."""
    net, trainer, loss = made()
    return d2l.train(
        net, *data, num_epochs, loss, trainer, d2l.try_gpu(), ConstantScheduler(LR),
        progress=False,
    )  # fmt: skip


@mx.util.use_np
def book_run(data, num_epochs):
    """Train as the book does."""
    net, trainer, loss = made()
    book_train(net, *data, num_epochs, loss, trainer, d2l.try_gpu())


@mx.util.use_np
def profile():
    """Return {operator: [calls, milliseconds]} of an epoch of ours on the mini set."""
    data = d2l.load_data_fashion_mnist(BATCH_SIZE, 'mini')
    our_run(data, 1)  # what is done once does not count
    # MXNet deletes what has this name (as root even os.devnull) and writes it at the
    # end of the process: by then this folder is gone, and nothing is written
    with tempfile.TemporaryDirectory() as folder:
        mx.profiler.set_config(
            profile_symbolic=True,
            profile_imperative=True,
            aggregate_stats=True,
            filename=os.path.join(folder, 'profile.json'),
        )
    mx.profiler.set_state('run')
    our_run(data, 1)
    mx.profiler.set_state('stop')
    operators = json.loads(mx.profiler.dumps(format='json'))['Time']['operator']
    return {name: [row['Count'], row['Total']] for name, row in operators.items()}


@mx.util.use_np
def on():
    """Return the device, the kernels that suit the net there, and the threads."""
    # not above: with `--against` this file measures older packages as well
    from d2l_ext.training._mxnet_wide import fastest

    device = d2l.try_gpu()
    threads = os.environ.get('OMP_NUM_THREADS', '1')
    return f'{device}, {fastest(d2l.lenet(), device)}, threads {threads}'


def peak_megabytes():
    """Return None: MXNet does not keep the most memory that its arrays took."""


def made():
    """Return a net, its trainer and its loss."""
    net = d2l.lenet()
    net.initialize(mx.init.Xavier(), d2l.try_gpu())
    trainer = gluon.Trainer(net.collect_params(), 'sgd', {'learning_rate': LR})
    return net, trainer, gluon.loss.SoftmaxCrossEntropyLoss()


def book_train(net, train_iter, test_iter, num_epochs, loss, trainer, device):
    """Train in the manner of the book: every minibatch's sums are waited for."""
    net.hybridize()
    for _ in range(num_epochs):
        loss_sum, hits, count = 0.0, 0.0, 0
        for X, y in train_iter:
            X, y = X.as_in_ctx(device), y.as_in_ctx(device)
            with mx.autograd.record():
                y_hat = net(X)
                l = loss(y_hat, y)
            l.backward()
            trainer.step(X.shape[0])
            loss_sum += float(l.sum())
            hits += book_hits(y_hat, y)
            count += X.shape[0]
        test_hits = sum(
            book_hits(net(X.as_in_ctx(device)), y.as_in_ctx(device))
            for X, y in test_iter
        )
    return loss_sum / count, hits / count, test_hits


def book_hits(y_hat, y):
    return float((y_hat.argmax(axis=1).astype(y.dtype) == y).astype(y.dtype).sum())


def book_data(subset, batch_size, workers):
    """Return loaders that make every image a float tensor in every epoch, as there."""
    X, y, X_test, y_test = load_fashion_mnist(subset)
    to_tensor, loaders = gluon.data.vision.transforms.ToTensor(), []
    for images, labels in (X, y), (X_test, y_test):
        images = mx.np.array(images[..., None], dtype='uint8')
        data = gluon.data.ArrayDataset(images, labels).transform_first(to_tensor)
        shuffle = not loaders
        loaders.append(
            gluon.data.DataLoader(data, batch_size, shuffle, num_workers=workers)
        )
    return loaders
