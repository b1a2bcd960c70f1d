"""How long things take, beside the book's way and MXNet's, all in one run.

    python -m d2l_ext.bench [--subset mini|full] [--epochs 2] [--repeats 3] [--json PATH]

Prints seconds per epoch of our training loop and of a loop in the book's manner,
microseconds per call of our schedulers and of MXNet's, and the time an import takes.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
import timeit
from functools import partial

from d2l_ext import mxnet as d2l
from d2l_ext import schedulers as pure
from d2l_ext.data import load_fashion_mnist
from d2l_ext.mxnet import autograd, gluon, mx
from d2l_ext.training import write_whole

LR, BATCH_SIZE = 0.5, 256  # as in the book
CALLS = 10_000

OURS = {
    'Constant': partial(pure.ConstantScheduler, LR),
    'SquareRoot': partial(pure.SquareRootScheduler, LR),
    'Factor': partial(pure.FactorScheduler, 0.9, 0.01, LR, 100),
    'MultiFactor': partial(pure.MultiFactorScheduler, [3000, 6000], 0.5, LR),
    'Poly': partial(pure.PolyScheduler, CALLS, LR),
    'Cosine': partial(pure.CosineScheduler, CALLS, LR),
    'warmup_cosine': partial(pure.warmup_cosine, CALLS, LR, 1000),
    'Cyclic': partial(pure.CyclicScheduler, 0.1, LR, 500),
    'CosineRestarts': partial(pure.CosineRestartsScheduler, 500, LR, multiplier=2),
    'Lambda': partial(pure.LambdaScheduler, math.sqrt, LR),
    'one_cycle': partial(pure.one_cycle, CALLS, LR, 1000),
    'warmup_stable_decay': partial(pure.warmup_stable_decay, CALLS, LR, 1000, 2000),
}
# Made anew for every measurement, because calls use these up
MXNETS = {
    'Factor': partial(mx.lr_scheduler.FactorScheduler, 100, 0.9, 0.01, LR),
    'MultiFactor': partial(mx.lr_scheduler.MultiFactorScheduler, [3000, 6000], 0.5, LR),
    'Poly': partial(mx.lr_scheduler.PolyScheduler, CALLS, LR),
    'Cosine': partial(mx.lr_scheduler.CosineScheduler, CALLS, LR),
    'warmup_cosine': partial(mx.lr_scheduler.CosineScheduler, CALLS, LR, 0, 1000),
}


def book_train(net, train_iter, test_iter, num_epochs, loss, trainer, device):
    """Train in the manner of the book: every minibatch's sums are waited for."""
    net.hybridize()
    for _ in range(num_epochs):
        loss_sum, hits, count = 0.0, 0.0, 0
        for X, y in train_iter:
            X, y = X.as_in_ctx(device), y.as_in_ctx(device)
            with autograd.record():
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


def book_data(subset, workers):
    """Return loaders that make every image a float tensor in every epoch, as there."""
    X, y, X_test, y_test = load_fashion_mnist(subset)
    to_tensor, loaders = gluon.data.vision.transforms.ToTensor(), []
    for images, labels in (X, y), (X_test, y_test):
        images = mx.np.array(images[..., None], dtype='uint8')
        data = gluon.data.ArrayDataset(images, labels).transform_first(to_tensor)
        shuffle = not loaders
        loaders.append(
            gluon.data.DataLoader(data, BATCH_SIZE, shuffle, num_workers=workers)
        )
    return loaders


@mx.util.use_np
def seconds_per_epoch(subset, num_epochs, repeats):
    """Return {name: seconds of each repeat}, the contestants taking turns."""
    device, loss = d2l.try_gpu(), gluon.loss.SoftmaxCrossEntropyLoss()
    quiet_train = partial(d2l.train, progress=False)
    contestants = {
        'd2l_ext': (quiet_train, d2l.load_data_fashion_mnist(BATCH_SIZE, subset)),
        'book, 4 workers': (book_train, book_data(subset, workers=4)),
        'book, no workers': (book_train, book_data(subset, workers=0)),
    }
    seconds = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, (train, data) in contestants.items():
            net = d2l.lenet()
            net.initialize(mx.init.Xavier(), device)
            trainer = gluon.Trainer(net.collect_params(), 'sgd', {'learning_rate': LR})
            start = time.perf_counter()
            train(net, *data, num_epochs, loss, trainer, device)
            seconds[name].append((time.perf_counter() - start) / num_epochs)
    return seconds


def microseconds_per_call(make, repeats):
    """Return the median time of a call; each of `make()` is asked for t = 1, 2, ..."""
    calls = f'for t in range(1, {CALLS} + 1): scheduler(t)'
    runs = timeit.repeat(
        calls, 'scheduler = make()', number=1, repeat=repeats, globals={'make': make}
    )
    return 1e6 * statistics.median(runs) / CALLS


def import_milliseconds(module, repeats):
    """Return the median time that importing `module` takes a fresh interpreter."""
    timed = f"import timeit; print(1000 * timeit.timeit('import {module}', number=1))"
    command = [sys.executable, '-c', timed]
    runs = [subprocess.check_output(command) for _ in range(repeats)]
    return statistics.median(map(float, runs))


def measure(subset, num_epochs, repeats):
    """Return every figure, as the JSON file holds them."""
    return {
        'subset': subset,
        'num_epochs': num_epochs,
        'repeats': repeats,
        'place': f'{platform.machine()}, {os.cpu_count()} CPU cores, {d2l.try_gpu()}, '
        f'Python {platform.python_version()}, MXNet {mx.__version__}',
        'seconds_per_epoch': seconds_per_epoch(subset, num_epochs, repeats),
        'microseconds_per_call': {
            name: [
                microseconds_per_call(kinds[name], repeats) if name in kinds else None
                for kinds in (OURS, MXNETS)
            ]
            for name in OURS
        },
        'import_milliseconds': {
            module: import_milliseconds(module, repeats)
            for module in ('d2l_ext.schedulers', 'd2l_ext.mxnet')
        },
    }


def table(report):
    """Return the figures as text."""
    lines = [
        'LeNet on Fashion-MNIST ({subset}), medians of {repeats} runs of '
        '{num_epochs} epochs\n{place}\n'.format_map(report),
        f'{"":20}{"s an epoch":>12}{"ratio":>8}',
    ]
    ours = statistics.median(report['seconds_per_epoch']['d2l_ext'])
    for name, runs in report['seconds_per_epoch'].items():
        seconds = statistics.median(runs)
        spread = f'({min(runs):.2f} to {max(runs):.2f} s)'
        lines.append(f'{name:20}{seconds:12.2f}{seconds / ours:8.2f}  {spread}')
    lines += ['', f'{"us a call":20}{"d2l_ext":>12}{"MXNet":>8}']
    for name, pair in report['microseconds_per_call'].items():
        ours, mxnet = ('-' if us is None else f'{us:.2f}' for us in pair)
        lines.append(f'{name:20}{ours:>12}{mxnet:>8}')
    lines += ['', f'{"import":20}{"ms":>12}']
    for module, ms in report['import_milliseconds'].items():
        lines.append(f'{module:20}{ms:12.1f}')
    return '\n'.join(lines)


def found_subset():
    """Return 'full' where the full set is on this machine, else 'mini'."""
    try:
        load_fashion_mnist('full', mirrors=())
    except OSError:
        return 'mini'
    return 'full'


def main(arguments=None):
    parser = argparse.ArgumentParser(prog='python -m d2l_ext.bench')
    parser.add_argument('--subset', choices=('mini', 'full'), help='full if found here')
    parser.add_argument('--epochs', type=int, default=2)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--json', metavar='PATH', help='write the figures there too')
    given = parser.parse_args(arguments)
    report = measure(given.subset or found_subset(), given.epochs, given.repeats)
    print(table(report))
    if given.json:
        write_whole(given.json, json.dumps(report, indent=2))


if __name__ == '__main__':
    main()
