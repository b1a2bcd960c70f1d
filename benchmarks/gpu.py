"""What a GPU is worth, known in minutes, with the CPU beside it.

    python -m benchmarks --gpu [--minutes 8] [--subset mini|full] [--save benchmarks/gpu]

Each row is measured in turn, in a process of its own, the most telling first, and saved
at once: its figures to PATH-DATE-DEVICE-CONDITIONS.json, the table so far to the same
name with .md. The same command on the same day goes on with the rows that are missing.
CONDITIONS is a hash of the machine, the versions, the images and every Python file of
this folder and of d2l_ext: what differs in any of them goes to other files. A row that
fails says why, and is not tried again. None is begun that is expected to end later than
`--minutes` after the start of the call. Without `--subset` an epoch is as long as that
of the full set; where it is not found, the mini set is repeated. Nothing else should
run meanwhile. Needs PyTorch, and exits with 2 where that has no GPU.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import datetime
import hashlib
import json
import os
import re
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy

import d2l_ext
from benchmarks.measure import CORES, found_subset, framework, place, processes, tell
from d2l_ext.data import SIZES, load_fashion_mnist
from d2l_ext.install import cuda11, wheels
from d2l_ext.training._files import write_whole


@dataclasses.dataclass(frozen=True)
class Row:
    """What is measured: `train(ways, batches, epochs)` returns the figures.

    The first epoch makes ready what the others, three at least, find ready.
    """

    train: Callable[..., dict]
    epochs: int
    estimate: float  # seconds on a GPU of today, with the start of the process
    framework: str = 'torch'
    threads: int | None = None  # of the CPU; None is on the GPU


def ours(ways, batches, epochs):
    """Train as this package does: on a GPU, PyTorch's updates are a CUDA graph."""
    return finished([ways.our_run(batches, epochs)], epochs)


def bfloat16(ways, batches, epochs):
    """Train so in half the bits."""
    with ways.torch.autocast(ways.DEVICE.type, ways.torch.bfloat16):
        return ours(ways, batches, epochs)


def many(ways, batches, epochs, replicas):
    """Train many nets at once."""
    return finished(ways.many_run(batches, epochs, replicas), epochs)


def plain(ways, batches, epochs, make, **settings):
    """Train in PyTorch's manner, update by update."""
    net, seconds = getattr(ways, make)(**settings), []
    for _ in range(epochs):
        start = time.perf_counter()
        # ends with the reading of its sums, which waits for the device
        ways.plain_run(batches, lambda: net, 1)
        seconds.append(time.perf_counter() - start)
    return {'seconds': seconds, 'runs': 1}


def finished(histories, epochs):
    """Return the figures of runs; RuntimeError where none came to the end."""
    longest = max(histories, key=lambda history: len(history.seconds))
    if len(longest.seconds) < epochs:
        raise RuntimeError(f'{longest.status} after {len(longest.seconds)} epochs')
    return {
        'seconds': longest.seconds,
        'runs': len(histories),
        'test_acc': statistics.median(history.test_acc[-1] for history in histories),
    }


GRAPHS = 'reduce-overhead'  # so torch.compile calls its own CUDA graphs
ROWS = {
    'CUDA graph': Row(ours, 6, 30),
    'eager': Row(partial(plain, make='contiguous'), 6, 20),
    'CUDA graph, 40 epochs': Row(ours, 40, 30),
    '1 replica': Row(partial(many, replicas=1), 4, 20),
    '8 replicas': Row(partial(many, replicas=8), 4, 20),
    '30 replicas': Row(partial(many, replicas=30), 4, 30),
    'torch.compile': Row(partial(plain, make='compiled'), 6, 60),
    'MXNet': Row(ours, 6, 30, 'mxnet'),
    **{f'CPU, PyTorch, threads {n}': Row(ours, 4, 40, threads=n) for n in CORES},
    'CPU, MXNet': Row(ours, 4, 40, 'mxnet', threads=1),
    'CUDA graph, bfloat16': Row(bfloat16, 6, 20),
    'eager, channels_last': Row(partial(plain, make='channels_last'), 6, 20),
    'torch.compile, its graphs': Row(
        partial(plain, make='compiled', mode=GRAPHS), 6, 60
    ),
    # has the machine become slower meanwhile?
    'CUDA graph, again': Row(ours, 6, 20),
}


class NoGPU(Exception):
    """There is none that PyTorch can drive."""


def figures(row, data):
    """Return what is measured, or {'failed': a sentence}, in the process of a row."""
    try:
        gpu = not row.threads and os.environ.get('CUDA_VISIBLE_DEVICES') != ''
        if gpu and row.framework == 'mxnet':
            wheel, why = wheels.choose(cuda11.capabilities())
            if wheel == 'mxnet':
                raise RuntimeError(f'MXNet {wheels.MXNET} cannot drive it: {why}')
        ways = framework(row.framework)
        if gpu and ways.on().startswith('cpu'):
            raise RuntimeError('its wheel here is that for CPUs')
        subset, batch_size, images = data
        parts = ways.data(subset, batch_size)
        batches = [repeated(part, n) for part, n in zip(parts, images)]
        found = row.train(ways, batches, row.epochs)
        return found | {'on': ways.on(), 'peak_megabytes': ways.peak_megabytes()}
    except Exception as error:  # noqa: BLE001 - the other rows are measured
        text = ' '.join(str(error).partition('\n\n')[0].split())
        # a path of this machine says nothing to whoever reads the table
        text = re.sub(r'(?<![\w:/])(?:/[\w.+-]+)+/', '', text)
        return {'failed': f'{type(error).__name__}: {text[:300]}'}


def repeated(part, n):
    """Return `Batches` of `n` images: all of them again and again, or the first."""
    if n == len(part.X):
        return part
    order = part.on_device(numpy.resize(numpy.arange(len(part.X)), n).astype('int32'))
    arrays = (part.rows(array, order) for array in (part.X, part.y))
    return type(part)(*arrays, part.batch_size, part.shuffle)


def asked(environment, function, *arguments):
    """Return what a function does in a new process."""
    with processes(1, **environment) as pool:
        return pool.submit(function, *arguments).result()


def machine():
    """Return the device, and the machine and the versions in words."""
    ways = framework('torch')
    return {'device': ways.GPU or 'cpu', 'place': place([ways.PLACE])}


def code():
    """Return a hash of what is measured, which needs no git."""
    found = hashlib.sha256()
    for module in (__file__, d2l_ext.__file__):
        for path in sorted(Path(module).parent.rglob('*.py')):
            found.update(path.read_bytes())
    return found.hexdigest()[:12]


def run(
    save, *, minutes=8, subset=None, images=None, batch_size=256, device='cuda',
    rows=ROWS,
):  # fmt: skip
    """Measure the rows that are missing, and return the table.

    `images`: how many to train with and to test with. With `device='cpu'` the rows of
    the GPU are trained on the CPU. Raises NoGPU where there is none, ValueError for
    `minutes` below 0 and for another subset, OSError where the subset is not here.
    """
    start = time.monotonic()
    if not minutes >= 0:
        raise ValueError(f'minutes must be a number of 0 or more, got {minutes!r}')
    here = subset or found_subset()
    load_fashion_mnist(here)
    data = here, batch_size, tuple(images or SIZES[subset or 'full'])
    hidden = {'CUDA_VISIBLE_DEVICES': ''}
    common = {} if device == 'cuda' else hidden
    report = asked(common, machine)
    if device == 'cuda' and report['device'] == 'cpu':
        raise NoGPU(f'there is no GPU that PyTorch can drive: {report["place"]}')
    today = datetime.date.today().isoformat()
    report |= {'date': today, 'code': code(), 'data': data, 'rows': {}}
    conditions = hashlib.sha256(json.dumps(report).encode()).hexdigest()[:6]
    name = '-'.join(re.findall(r'[a-z0-9]+', report['device'].lower()))
    path = f'{save}-{today}-{name}-{conditions}'
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        report = json.loads(Path(f'{path}.json').read_text('utf-8'))
    tell(f'to be found in {path}.md and .json')
    for name, row in rows.items():
        late = time.monotonic() - start + row.estimate > 60 * minutes
        if name in report['rows'] or late:
            continue
        threads = row.threads and hidden | {'OMP_NUM_THREADS': str(row.threads)}
        try:
            found = asked(threads or common, figures, row, data)
        except concurrent.futures.BrokenExecutor:
            found = {'failed': 'its process ended before it'}
        report['rows'][name] = found
        tell(line(name, found))
        write_whole(f'{path}.json', json.dumps(report, indent=2) + '\n')
        write_whole(f'{path}.md', f'```\n{table(report, rows)}\n```\n')
    return table(report, rows)


COLUMNS = '{:28}{:>7}{:>8}{:>8}{:>14}{:>8}{:>5}{:>9}{:>9}{:>7}  {}'
HEAD = COLUMNS.format(
    's an epoch', 'epochs', 'first', 'median', 'from to', 'all', 'runs', 'a run',
    'test acc', 'MiB', 'on',
)  # fmt: skip
LEGEND = """\
(first: which makes ready what the others find; median, from, to: of the others; a run:
median / runs; MiB: the most that tensors took on the GPU, all images among them)"""


def table(report, rows):
    """Return the rows of a report as text, and which are missing."""
    subset, batch_size, images = report['data']
    counts = 'an epoch trains on {:,} and tests on {:,} images'
    if [*images] != [*SIZES[subset]]:
        counts += ', the {:,} and {:,} of this set repeated or cut'
    lines = [
        f'{report["date"]}: LeNet on Fashion-MNIST ({subset}), batch size {batch_size}',
        counts.format(*images, *SIZES[subset]),
        f'{report["place"]}, code {report["code"]}\n',
        HEAD,
        *(line(name, report['rows'][name]) for name in rows if name in report['rows']),
        LEGEND,
    ]
    if missing := [name for name in rows if name not in report['rows']]:
        lines.append(f'not measured, the same command does: {"; ".join(missing)}')
    return '\n'.join(lines)


def line(name, found):
    """Return a row as text."""
    if 'failed' in found:
        return f'{name:28} no figure: {found["failed"]}'
    first, *others = found['seconds']
    median = statistics.median(others)
    accuracy, peak = found.get('test_acc'), found['peak_megabytes']
    return COLUMNS.format(
        name, 1 + len(others), f'{first:.2f}', f'{median:.3f}',
        f'{min(others):.3f} {max(others):.3f}', f'{first + sum(others):.1f}',
        found['runs'], f'{median / found["runs"]:.4f}',
        '-' if accuracy is None else f'{accuracy:.3f}',
        '-' if peak is None else f'{peak:.0f}', found['on'],
    )  # fmt: skip


def main(arguments=None):
    """Run the command line given in this module's docstring."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks')
    parser.add_argument('--gpu', action='store_true', help='measure the GPU')
    parser.add_argument('--minutes', type=float, default=8, help='begin no row later')
    parser.add_argument('--subset', choices=SIZES, help='as it is, not repeated')
    path = Path(__file__).with_name('gpu')
    parser.add_argument('--save', metavar='PATH', default=path)
    given = parser.parse_args(arguments)
    try:
        print(run(given.save, minutes=given.minutes, subset=given.subset))
    except (ImportError, NoGPU) as error:
        tell(f'nothing is measured: {error}')
        return 2
    return 0
