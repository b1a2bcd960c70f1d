"""How long things take, beside the book's way and the frameworks', all in one run.

    python -m benchmarks [--parts PART ...] [--subset mini|full] [--epochs 1]
                            [--batch-size 256] [--repeats 3] [--threads 1 ...]
                            [--against COMMIT] [--save PATH]

The parts: `epochs`, seconds per epoch of our training loops and of others, with one
thread and with one per core where `--threads` says nothing else, and of our loop as it
was at another commit; `compile`, the same of torch.compile; `profile`, where MXNet
spends its time; `sweep`, what many runs cost; `calls`, microseconds per call of our
schedulers and of the frameworks'; `imports`. Without `--parts` it is all of them. A
framework that is missing is left out.
With `--save benchmarks/cpu` the table goes to benchmarks/cpu.md and its figures, every
repeat by itself, to benchmarks/cpu.json. Nothing else should run meanwhile.
`python -m benchmarks --gpu` measures a GPU: see `benchmarks.gpu`.
"""

import argparse
import concurrent.futures
import contextlib
import datetime
import functools
import importlib
import io
import itertools
import json
import math
import multiprocessing
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import timeit
from functools import partial

from benchmarks.table import table
from d2l_ext import schedulers as pure
from d2l_ext.data import load_fashion_mnist
from d2l_ext.training import Recipe
from d2l_ext.training._files import write_whole

PARTS = 'epochs', 'compile', 'profile', 'sweep', 'calls', 'imports'
LR, CALLS = 0.5, 10_000
SWEEPS = (1, 1), (2, 1), (2, 2), (4, 2)  # schedules and seeds
CORES = sorted({1, os.cpu_count()})
ENGINE = 'NaiveEngine'  # MXNet's, that computes where it is asked, and not beside

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


def processes(n, package=None, **environment):
    """Return a pool of `n` new processes, which read their threads when they import.

    `package`: a folder with another d2l_ext, which they take.
    """
    spawn = multiprocessing.get_context('spawn')
    start_method = multiprocessing.get_start_method()
    return concurrent.futures.ProcessPoolExecutor(
        n, spawn, settle, [environment, start_method, package]
    )


def settle(environment, start_method, package):
    """Set the variables of a new process, its package, and how it makes others.

    It ends with the process that asked for it, however that ends.
    """
    threading.Thread(target=end_with_parent, daemon=True).start()
    os.environ.update(environment)
    multiprocessing.set_start_method(start_method, force=True)
    if package:
        for name in [name for name in sys.modules if name.startswith('d2l_ext')]:
            del sys.modules[name]  # this module has imported ours
        sys.path.insert(0, package)


def end_with_parent():
    """Wait for the parent's end; what is left of a killed run disturbs the next."""
    multiprocessing.parent_process().join()
    os._exit(1)


def framework(name):
    """Return what this benchmark asks of a framework."""
    return importlib.import_module(f'benchmarks.{name}_ways')


@functools.cache
def contestants(name, data):
    """Return {name: function that trains for num_epochs} of a framework.

    `data`: the subset and the size of its minibatches.
    """
    return framework(name).contestants(*data)


def ask(name, question, *arguments):
    """Answer in a process of a framework: a constant, or what a function returns."""
    answer = getattr(framework(name), question)
    return answer(*arguments) if callable(answer) else answer


def names(name, data):
    """Return the names of a framework's contestants."""
    return [*contestants(name, data)]


def seconds_once(name, data, contestant, num_epochs):
    """Train once; return the seconds an epoch, and those of all its processors."""
    wall, cpu = time.perf_counter(), time.process_time()
    contestants(name, data)[contestant](num_epochs)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall / num_epochs, cpu / num_epochs


def seconds_per_epoch(pools, data, num_epochs, repeats, compiles):
    """Return [{name, threads, wall, cpu}] of all contestants, who take turns.

    `pools`: {(framework, threads, way): a process}, where `way` is '' or says what else
    than usual our loop is trained with.
    """
    rows = []
    for (name, threads, way), pool in pools.items():
        # what is done once in a process does not count
        pool.submit(seconds_once, name, ('mini', 256), f'd2l_ext.{name}', 1).result()
        for contestant in pool.submit(names, name, data).result():
            if way and not contestant.startswith('d2l_ext'):
                continue
            if compiles or contestant != 'torch.compile':
                figures = {
                    'name': f'{contestant}, {way}' if way else contestant,
                    'threads': threads,
                    'wall': [],
                    'cpu': [],
                }
                train = pool.submit, seconds_once, name, data, contestant, num_epochs
                rows.append((figures, partial(*train)))
    for _ in range(repeats):
        for figures, train in rows:
            wall, cpu = train().result()
            figures['wall'].append(wall)
            figures['cpu'].append(cpu)
            tell('{name}, threads {threads}: {0:.2f} s'.format(wall, **figures))
    return [figures for figures, _ in rows]


def seconds_per_run(subset, num_epochs):
    """Return {processes: {runs: seconds a run}} of sweeps with MXNet."""
    seconds = {}
    for n in CORES:
        with processes(n, OMP_NUM_THREADS='1') as pool:
            list(pool.map(partial(one_run, 'mini', 1), [(LR, 0)] * n))  # wakes them
            seconds[n] = {}
            for schedules, seeds in SWEEPS:
                pairs = [
                    *itertools.product(
                        [LR / 2**i for i in range(schedules)], range(seeds)
                    )
                ]
                start = time.perf_counter()
                list(pool.map(partial(one_run, subset, num_epochs), pairs))
                seconds[n][len(pairs)] = (time.perf_counter() - start) / len(pairs)
    return seconds


def one_run(subset, num_epochs, pair):
    """Train in a process of a sweep."""
    from d2l_ext import mxnet as d2l

    lr, seed = pair
    scheduler = pure.CosineScheduler(num_epochs, lr)
    d2l.run(Recipe(scheduler, 'epoch', num_epochs, 256, subset), seed)


def microseconds_per_call(made, argument, repeats):
    """Return {name: median time of a call}, each asked for t = 1, 2, ..."""
    calls, found = f'for t in range(1, {CALLS} + 1): scheduler({argument})', {}
    for name, make in made.items():
        runs = timeit.repeat(
            calls,
            'scheduler = make()',
            number=1,
            repeat=repeats,
            globals={'make': make},
        )
        found[name] = 1e6 * statistics.median(runs) / CALLS
    return found


def calls_of(name, repeats):
    """Return the same of a framework's schedulers; PyTorch's count for themselves."""
    argument = {'mxnet': 't', 'torch': ''}[name]
    return microseconds_per_call(framework(name).SCHEDULERS, argument, repeats)


def import_milliseconds(module, repeats):
    """Return the median time that importing `module` takes a fresh interpreter."""
    timed = f"import timeit; print(1000 * timeit.timeit('import {module}', number=1))"
    command = [sys.executable, '-c', timed]
    runs = [subprocess.check_output(command) for _ in range(repeats)]
    return statistics.median(map(float, runs))


def found_frameworks(stack, threads, against=None):
    """Return {(name, threads, way): a process}, and what each framework says it is.

    The ways beside the usual one, '', are MXNet's: its other engine, and our package as
    it was at the commit `against`.
    """
    package = stack.enter_context(tempfile.TemporaryDirectory())
    ways = [('mxnet', '', {}), ('mxnet', ENGINE, {'MXNET_ENGINE_TYPE': ENGINE})]
    if against:
        unpack(against, package)
        ways.append(('mxnet', f'at {against}', {'package': package}))
    pools, places = {}, {}
    for (name, way, how), n in itertools.product([*ways, ('torch', '', {})], threads):
        pool = stack.enter_context(processes(1, OMP_NUM_THREADS=str(n), **how))
        try:
            places[name] = pool.submit(ask, name, 'PLACE').result()
            pools[name, n, way] = pool
        except ImportError as error:
            tell(f'{name} is left out: {error}')
    return pools, places


def unpack(commit, folder):
    """Write the package as it was at a commit of this repository into `folder`."""
    command = ['git', 'archive', commit, 'd2l_ext']
    archive = io.BytesIO(subprocess.check_output(command))
    with tarfile.open(fileobj=archive) as files:
        files.extractall(folder, filter='data')


def place(frameworks):
    """Return the machine and the versions in words."""
    machine = f'{platform.machine()}, {os.cpu_count()} CPU cores'
    return ', '.join([machine, f'Python {platform.python_version()}', *frameworks])


def tell(line):
    """Say how far it has come."""
    print(line, file=sys.stderr, flush=True)


def measure(parts, subset, num_epochs, repeats, threads, batch_size, against):
    """Return every figure, as the JSON file holds them."""
    with contextlib.ExitStack() as stack:
        pools, places = found_frameworks(stack, threads, against)
        one = {
            name: pool
            for (name, n, way), pool in pools.items()
            if n == threads[0] and not way
        }
        report = {
            'date': datetime.date.today().isoformat(),
            'subset': subset,
            'batch_size': batch_size,
            'num_epochs': num_epochs,
            'repeats': repeats,
            'place': place(places.values()),
            'images': [len(part) for part in load_fashion_mnist(subset)[1::2]],
        }
        if 'compile' in parts and 'torch' in one:
            report['seconds_to_compile'] = {
                threads: pool.submit(ask, name, 'seconds_to_compile', subset).result()
                for (name, threads, _), pool in pools.items()
                if name == 'torch'
            }
        if 'epochs' in parts:
            report['seconds_per_epoch'] = seconds_per_epoch(
                pools, (subset, batch_size), num_epochs, repeats, 'compile' in parts
            )
            for figure in ('gemm_gflops', 'peak_megabytes'):
                report[figure] = {
                    threads: pool.submit(ask, name, figure).result()
                    for (name, threads, _), pool in pools.items()
                    if name == 'torch'
                }
        if 'calls' in parts:
            report['microseconds_per_call'] = {
                'd2l_ext': microseconds_per_call(OURS, 't', repeats)
            } | {
                name: pool.submit(calls_of, name, repeats).result()
                for name, pool in one.items()
            }
    if 'profile' in parts and 'mxnet' in places:
        # operator by operator, not in bulks
        with processes(
            1, OMP_NUM_THREADS='1', MXNET_EXEC_BULK_EXEC_TRAIN='0',
            MXNET_EXEC_BULK_EXEC_INFERENCE='0',
        ) as pool:  # fmt: skip
            report['profile'] = pool.submit(ask, 'mxnet', 'profile').result()
    if 'imports' in parts:
        report['import_milliseconds'] = {
            f'd2l_ext.{module}': import_milliseconds(f'd2l_ext.{module}', repeats)
            for module in ('schedulers', *places)
        }
    if 'sweep' in parts and 'mxnet' in places:
        report['seconds_per_run'] = {
            which: seconds_per_run(which, num_epochs)
            for which in sorted({'mini', subset}, reverse=True)
        }
    # as it will be read again: the keys of JSON are strings
    return json.loads(json.dumps(report))


def found_subset():
    """Return 'full' where the full set is on this machine, else 'mini'."""
    try:
        load_fashion_mnist('full', mirrors=())
    except OSError:
        return 'mini'
    return 'full'


def main(arguments=None):
    """Run the command line given in this module's docstring."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks', epilog='of a GPU: see --gpu --help'
    )
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=PARTS)
    parser.add_argument('--subset', choices=('mini', 'full'), help='full if found here')
    parser.add_argument('--epochs', type=int, default=1)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--save', metavar='PATH', help='write PATH.md and PATH.json')
    parser.add_argument('--threads', nargs='+', type=int, default=CORES)
    parser.add_argument('--batch-size', type=int, default=256)
    parser.add_argument('--against', metavar='COMMIT', help='our loop as it was there')
    given = parser.parse_args(arguments)
    subset = given.subset or found_subset()
    report = measure(
        given.parts, subset, given.epochs, given.repeats, given.threads,
        given.batch_size, given.against,
    )  # fmt: skip
    text = table(report)
    print(text)
    if given.save:
        pathlib.Path(given.save).parent.mkdir(parents=True, exist_ok=True)
        write_whole(f'{given.save}.md', f'```\n{text}\n```\n')
        write_whole(f'{given.save}.json', json.dumps(report, indent=2) + '\n')
