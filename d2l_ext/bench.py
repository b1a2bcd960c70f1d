"""How long things take, beside the book's way and the frameworks', all in one run.

    python -m d2l_ext.bench [--subset mini|full] [--epochs 1] [--repeats 3]
                            [--skip NAME ...] [--save PATH]

Prints seconds per epoch of our training loops and of others, what a sweep of runs
costs, microseconds per call of our schedulers and of the frameworks', the rate of a
matrix product, and the time an import takes. A framework that is missing is left out.
With `--save benchmarks/cpu` the table goes to benchmarks/cpu.md and its figures, every
repeat by itself, to benchmarks/cpu.json.
"""

import argparse
import concurrent.futures
import datetime
import importlib
import json
import math
import multiprocessing
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
import timeit
from functools import partial

from d2l_ext import schedulers as pure
from d2l_ext.data import load_fashion_mnist
from d2l_ext.training import Recipe, write_whole

LR, CALLS = 0.5, 10_000
RUNS = 1, 2, 4, 8  # of a sweep
# Operations of an image in LeNet: forward, and twice that again for the gradients of
# weights and inputs, but for the first layer, whose input needs none
FORWARD = 2 * (25 * 6 * 28**2 + 150 * 16 * 10**2 + 400 * 120 + 120 * 84 + 84 * 10)
TRAINING = 3 * FORWARD - 2 * 25 * 6 * 28**2

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
ONE_FIGURE = {
    'gemm_gflops': 'a matrix product at its best runs at {:.0f} GFLOP/s',
    'seconds_to_compile': 'torch.compile took {:.0f} s before that',
    'peak_megabytes': 'tensors took {:.0f} MiB of the GPU at most',
}


def frameworks():
    """Return {name: its module of this benchmark} of those that can be imported."""
    found = {}
    for name in ('mxnet', 'torch'):
        try:
            found[name] = importlib.import_module(f'd2l_ext.bench_{name}')
        except ImportError as error:
            print(f'{name} is left out: {error}', file=sys.stderr)
    return found


def seconds_per_epoch(contestants, num_epochs, repeats):
    """Return {name: seconds of each repeat}, the contestants taking turns."""
    seconds = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, train in contestants.items():
            start = time.perf_counter()
            train(num_epochs)
            seconds[name].append((time.perf_counter() - start) / num_epochs)
    return seconds


def seconds_per_run(subset, num_epochs):
    """Return {processes: {runs: seconds a run}} of sweeps with MXNet."""
    seconds = {}
    for processes in sorted({1, os.cpu_count()}):
        spawn = multiprocessing.get_context('spawn')
        with concurrent.futures.ProcessPoolExecutor(processes, spawn) as pool:
            train = partial(one_run, subset, num_epochs)
            list(pool.map(train, range(processes)))  # wakes the processes
            for runs in RUNS:
                start = time.perf_counter()
                list(pool.map(train, range(runs)))
                took = (time.perf_counter() - start) / runs
                seconds.setdefault(processes, {})[runs] = took
    return seconds


def one_run(subset, num_epochs, seed):
    """Train in a process of a sweep."""
    from d2l_ext import mxnet as d2l

    scheduler = pure.ConstantScheduler(0.1)
    d2l.run(Recipe(scheduler, num_epochs=num_epochs, subset=subset), seed)


def microseconds_per_call(make, argument, repeats):
    """Return the median time of a call; each of `make()` is asked for t = 1, 2, ..."""
    calls = f'for t in range(1, {CALLS} + 1): scheduler({argument})'
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


def measure(subset, num_epochs, repeats, skip):
    """Return every figure, as the JSON file holds them."""
    found, contestants, kinds = frameworks(), {}, {'d2l_ext': (OURS, 't')}
    for name, framework in found.items():
        contestants |= framework.contestants(subset)
        # PyTorch's count for themselves
        kinds[name] = framework.SCHEDULERS, {'mxnet': 't', 'torch': ''}[name]
    places = [framework.PLACE for framework in found.values()]
    report = {
        'date': datetime.date.today().isoformat(),
        'subset': subset,
        'num_epochs': num_epochs,
        'repeats': repeats,
        'place': f'{platform.machine()}, {os.cpu_count()} CPU cores, '
        + ', '.join([f'Python {platform.python_version()}', *places]),
        'omp_num_threads': os.environ.get('OMP_NUM_THREADS'),
        'images': [len(part) for part in load_fashion_mnist(subset)[1::2]],
    }
    if 'torch' in found and 'torch.compile' not in skip:
        report['seconds_to_compile'] = found['torch'].seconds_to_compile(subset)
    report['seconds_per_epoch'] = seconds_per_epoch(
        {name: run for name, run in contestants.items() if name not in skip},
        num_epochs,
        repeats,
    )
    if 'torch' in found:
        report['gemm_gflops'] = found['torch'].gemm_gflops()
        report['peak_megabytes'] = found['torch'].peak_megabytes()
    report['microseconds_per_call'] = {
        kind: {
            name: microseconds_per_call(make, argument, repeats)
            for name, make in made.items()
        }
        for kind, (made, argument) in kinds.items()
    }
    report['import_milliseconds'] = {
        f'd2l_ext.{module}': import_milliseconds(f'd2l_ext.{module}', repeats)
        for module in ('schedulers', *found)
    }
    if 'mxnet' in found and 'sweep' not in skip:
        report['seconds_per_run'] = seconds_per_run('mini', num_epochs)
    return report


def table(report):
    """Return the figures as text."""
    lines = [
        '{date}: LeNet on Fashion-MNIST ({subset}), batch size 256, medians of '
        '{repeats} runs, epochs a run: {num_epochs}\n{place}, '
        'OMP_NUM_THREADS={omp_num_threads}\n'.format_map(report),
        f'{"":20}{"s an epoch":>12}{"ratio":>8}{"GFLOP/s":>10}',
    ]
    images, test_images = report['images']
    gflop = 1e-9 * (images * TRAINING + test_images * FORWARD)
    first = None
    for name, runs in report['seconds_per_epoch'].items():
        seconds = statistics.median(runs)
        first = first or seconds
        lines.append(
            f'{name:20}{seconds:12.2f}{seconds / first:8.2f}{gflop / seconds:10.1f}'
            f'  ({min(runs):.2f} to {max(runs):.2f} s)'
        )
    lines += [
        text.format(report[key]) for key, text in ONE_FIGURE.items() if report.get(key)
    ]
    kinds = report['microseconds_per_call']
    lines += ['', f'{"us a call":20}' + ''.join(f'{kind:>9}' for kind in kinds)]
    for name in kinds['d2l_ext']:
        times = (made.get(name, math.nan) for made in kinds.values())
        lines.append(f'{name:20}' + ''.join(f'{us:9.2f}' for us in times))
    lines += ['', f'{"import":20}{"ms":>9}']
    for module, ms in report['import_milliseconds'].items():
        lines.append(f'{module:20}{ms:9.1f}')
    for processes, sweep in report.get('seconds_per_run', {}).items():
        costs = ', '.join(f'{s:.2f} with {runs}' for runs, s in sweep.items())
        lines += ['', f'seconds a run of a sweep, processes {processes}: {costs}']
    return '\n'.join(lines).replace('nan', '  -')


def found_subset():
    """Return 'full' where the full set is on this machine, else 'mini'."""
    try:
        load_fashion_mnist('full', mirrors=())
    except OSError:
        return 'mini'
    return 'full'


def main(arguments=None):
    """Run the command line given in this module's docstring."""
    parser = argparse.ArgumentParser(prog='python -m d2l_ext.bench')
    parser.add_argument('--subset', choices=('mini', 'full'), help='full if found here')
    parser.add_argument('--epochs', type=int, default=1)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--skip', nargs='*', default=(), metavar='NAME')
    parser.add_argument('--save', metavar='PATH', help='write PATH.md and PATH.json')
    given = parser.parse_args(arguments)
    subset = given.subset or found_subset()
    report = measure(subset, given.epochs, given.repeats, given.skip)
    text = table(report)
    print(text)
    if given.save:
        pathlib.Path(given.save).parent.mkdir(parents=True, exist_ok=True)
        write_whole(f'{given.save}.md', f'```\n{text}\n```\n')
        write_whole(f'{given.save}.json', json.dumps(report, indent=2))


if __name__ == '__main__':
    main()
