"""What MXNet computes on this Python and NumPy, as JSON: a name and a value a line.

Run by `matrix.py`, in an environment that holds NumPy, MXNet and nothing of ours.
"""

import hashlib
import json
import platform
import tempfile
import warnings
from pathlib import Path

import numpy

from d2l_ext import mxnet as d2l  # first: MXNet needs its help on today's Python
from d2l_ext.schedulers import CosineScheduler

import mxnet as mx  # isort: skip
from mxnet import gluon, np, npx
from mxnet.gluon import nn

EXAMPLES, BATCH_SIZE, UPDATES = 2000, 250, 8

WARMUP = {'warmup_steps': 3, 'warmup_begin_lr': 0.01}
LR_SCHEDULERS = {
    'FactorScheduler': mx.lr_scheduler.FactorScheduler(2, 0.7, base_lr=0.3),
    'MultiFactorScheduler': mx.lr_scheduler.MultiFactorScheduler([3, 6], 0.3, 0.3),
    'PolyScheduler': mx.lr_scheduler.PolyScheduler(UPDATES, 0.3, pwr=2),
    'CosineScheduler': mx.lr_scheduler.CosineScheduler(UPDATES, 0.3, 0.01),
    'linear warmup': mx.lr_scheduler.CosineScheduler(UPDATES, 0.3, **WARMUP),
    'constant warmup': mx.lr_scheduler.PolyScheduler(
        UPDATES, 0.3, **WARMUP, warmup_mode='constant'
    ),
}


def sha1(*arrays):
    """Return one SHA-1 over the bytes of all `arrays`."""
    digest = hashlib.sha1()
    for array in arrays:
        digest.update(array.asnumpy().tobytes())
    return digest.hexdigest()


def parameters(net):
    return [parameter.data() for parameter in net.collect_params().values()]


def trained(num_epochs, scheduler=None, **own):
    """Train LeNet on the first images; return the net, its trainer, the history."""
    batches = d2l.load_data_fashion_mnist(BATCH_SIZE, device=npx.cpu())
    train_iter, test_iter = (
        d2l.Batches(b.X[:EXAMPLES], b.y[:EXAMPLES], BATCH_SIZE, b.shuffle)
        for b in batches
    )
    net = d2l.lenet()
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), 'sgd', own)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    history = d2l.train(
        net, train_iter, test_iter, num_epochs, loss, trainer, npx.cpu(), scheduler,
        per='update', progress=False,
    )  # fmt: skip
    return net, trainer, history


def step(net, trainer, X):
    with mx.autograd.record():
        loss = (net(X) ** 2).mean()
    loss.backward()
    trainer.step(1)


def training():
    net, _, history = trained(2, CosineScheduler(2 * UPDATES, 0.3), momentum=0.5)
    yield 'parameters', sha1(*parameters(net))
    yield 'two epochs', [history.train_loss, history.train_acc, history.test_acc]


def lr_schedulers():
    for name, scheduler in LR_SCHEDULERS.items():
        net, _, history = trained(1, lr_scheduler=scheduler)
        yield name, [history.lr, sha1(*parameters(net))]


def files():
    net, trainer, _ = trained(1, learning_rate=0.1, momentum=0.9)
    X = np.array(numpy.random.RandomState(0).rand(4, 1, 28, 28), dtype='float32')
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, 'net'))
        net.save_parameters(path)
        again = d2l.lenet()
        again.load_parameters(path)
        yield 'load_parameters', [sha1(net(X)), bool((net(X) == again(X)).all())]
        trainer.save_states(path)
        own = {'learning_rate': 0.1, 'momentum': 0.9}
        other = gluon.Trainer(again.collect_params(), 'sgd', own)
        other.load_states(path)
        step(net, trainer, X)
        step(again, other, X)
        yield 'load_states', [sha1(*parameters(net)), sha1(*parameters(again))]
        net.export(path)
        written = f'{path}-symbol.json', ['data'], f'{path}-0000.params'
        with warnings.catch_warnings(action='ignore'):  # that it infers a dtype
            block = gluon.SymbolBlock.imports(*written)
        yield 'export', sha1(block(X))
        npx.save(path, {'X': X})
        yield 'npx.load', sha1(npx.load(path)['X'])


def data_loaders():
    X = numpy.arange(120, dtype='float32').reshape(60, 2)
    dataset = gluon.data.ArrayDataset(X, X[:, 0].astype('int32'))
    for num_workers in (0, 2):
        numpy.random.seed(7)  # what gluon shuffles by
        loader = gluon.data.DataLoader(
            dataset, 8, shuffle=True, last_batch='keep', num_workers=num_workers
        )
        arrays = [array for batch in loader for array in batch]
        yield f'DataLoader, {num_workers} workers', sha1(*arrays)


def numpy_integers():
    two, three = numpy.int64(2), numpy.int32(3)
    a = np.arange(12).reshape((three, numpy.int64(4)))
    yield 'shape', [np.zeros((two,)).shape, a.reshape((two, -1)).shape]
    a[numpy.int64(0) : two] = 5
    yield 'slice', [a.tolist(), a[two].tolist(), a[:, numpy.int64(1) : three].tolist()]
    convolution = nn.Conv2D(two, kernel_size=three, padding=(numpy.int64(1), 1))
    convolution.initialize()
    dense = nn.Dense(three)
    dense.initialize()
    dense.hybridize()
    image = np.ones((1, 1, 5, 5))
    yield 'layer arguments', [convolution(image).shape, dense(image).shape]
    yield 'pad', np.pad(a, ((two, 0), (0, three))).tolist()
    parts = gluon.utils.split_data(np.arange(10), int(two)) + gluon.utils.split_data(
        np.arange(10), 3, even_split=False
    )
    yield 'split_data', [part.tolist() for part in parts]


@mx.util.use_np
def main():
    parts = training, lr_schedulers, files, data_loaders, numpy_integers
    values = {name: value for part in parts for name, value in part()}
    print(
        json.dumps(
            {
                'python': platform.python_version(),
                'numpy': numpy.__version__,
                'values': values,
            }
        )
    )


if __name__ == '__main__':
    main()
