"""Named recipes and their recorded runs: record them, load them, print their table.

    python -m d2l_ext.experiments record [NAME ...] [--seeds 5]
    python -m d2l_ext.experiments table

A run that is on disk is not run again. Loading needs no framework.
"""

import argparse
import math
import pathlib
import statistics

from d2l_ext.recipes import RECIPES, nearest
from d2l_ext.training import History

__all__ = ['RECIPES', 'failed', 'load', 'nearest', 'record', 'table']
RUNS = pathlib.Path(__file__).with_name('runs')


def record(name, seed):
    """Run the recipe `name` with `seed`, unless that is on disk; return its History."""
    path = _path(name, seed)
    if not path.exists():
        from d2l_ext import mxnet as backend

        RUNS.mkdir(exist_ok=True)
        backend.run(_recipe(name), seed).save(path)
    return History.load(path)


def load(name):
    """Return the recorded histories of the recipe `name`, one per seed.

    Raises ValueError if there is no such recipe, or no recording of it.
    """
    _recipe(name)
    paths = RUNS.glob(f'{name}-[0-9]*.json')
    paths = sorted(paths, key=lambda path: int(path.stem.removeprefix(f'{name}-')))
    if not paths:
        raise ValueError(
            f'{name!r} is not recorded: python -m d2l_ext.experiments record {name}'
        )
    return [History.load(path) for path in paths]


def table(names=None):
    """Return losses and accuracies after the last epoch, mean ± standard deviation.

    The last column counts the runs that `failed`; their numbers count all the same.
    """
    rows = [('recipe', 'seeds', 'train loss', 'train acc', 'test acc', 'failed')]
    for name in names or RECIPES:
        runs = load(name)
        columns = zip(
            *((h.train_loss[-1], h.train_acc[-1], h.test_acc[-1]) for h in runs)
        )
        rows.append(
            (
                name,
                len(runs),
                *(_spread(column) for column in columns),
                sum(map(failed, runs)) or '',
            )
        )
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    return '\n'.join(
        '  '.join(f'{cell!s:{width}}' for cell, width in zip(row, widths)).rstrip()
        for row in rows
    )


def failed(history):
    """Tell whether a run learned nothing: a loss of ln 10 is that of guessing.

    >>> failed(History({}, [2.3028], [0.1], [0.1]))
    True
    """
    return not history.train_loss[-1] < math.log(10) - 0.01


def _spread(values):
    mean = f'{statistics.fmean(values):.3f}'
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return mean
    return f'{mean} ± {statistics.stdev(values):.3f}'


def _recipe(name):
    if name not in RECIPES:
        raise ValueError(f'no recipe {name!r}: there are {", ".join(RECIPES)}')
    return RECIPES[name]


def _path(name, seed):
    return RUNS / f'{name}-{seed}.json'


def main(arguments=None):
    """Run the command line given in this module's docstring."""
    parser = argparse.ArgumentParser(prog='python -m d2l_ext.experiments')
    commands = parser.add_subparsers(dest='command', required=True)
    recording = commands.add_parser('record', help='run what is not on disk yet')
    recording.add_argument('names', nargs='*', metavar='NAME')
    recording.add_argument('--seeds', type=int, default=5)
    commands.add_parser('table', help='print what is recorded')
    options = parser.parse_args(arguments)
    if options.command == 'table':
        print(table())
        return
    for seed in range(options.seeds):
        for name in options.names or RECIPES:
            print(f'{name}-{seed}: {record(name, seed)}', flush=True)


if __name__ == '__main__':
    main()
