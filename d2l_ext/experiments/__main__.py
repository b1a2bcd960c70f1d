"""Named recipes and their recorded runs: list, record, compare and verify them.

    python -m d2l_ext.experiments list
    python -m d2l_ext.experiments show NAME
    python -m d2l_ext.experiments record [NAME ...] [--seeds 5] [--jobs 2]
    python -m d2l_ext.experiments table [NAME ...]
    python -m d2l_ext.experiments verify [NAME ...] [--sample 3] [--epochs 2]

A run that is on disk is not run again. Only `record` and `verify` need a framework.
"""

import argparse
import io
import sys

from d2l_ext.experiments import record, store
from d2l_ext.experiments.recipes import RECIPES, nearest
from d2l_ext.experiments.statistics import difference, failed
from d2l_ext.experiments.store import load, seeds
from d2l_ext.experiments.tables import comparison, table
from d2l_ext.experiments.verdicts import verdict, verdicts
from d2l_ext.experiments.verify import verify

__all__ = [
    'RECIPES',
    'comparison',
    'difference',
    'failed',
    'load',
    'main',
    'nearest',
    'seeds',
    'table',
    'verdict',
    'verdicts',
]


def main(arguments: list[str] | None = None) -> int | None:
    """Run the command line given in this module's docstring; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print(f'{error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('stopped; what was finished is kept', file=sys.stderr)
        return 130


def _parser():
    parser = argparse.ArgumentParser(prog='python -m d2l_ext.experiments')
    commands = parser.add_subparsers(required=True, metavar='COMMAND')

    def command(function, text, names='*'):
        added = commands.add_parser(function.__name__.strip('_'), help=text)
        added.set_defaults(command=function)
        if names:
            added.add_argument('names', nargs=names, metavar='NAME')
        return added

    command(_list, 'name the recipes and count their recordings', names=None)
    command(_show, 'print a recipe and its recorded runs', names=1)
    command(_table, 'print what is recorded, beside controls and the book')
    recording = command(_record, 'run what is not on disk yet')
    recording.add_argument('--seeds', type=int, default=5, help='0, 1, ... (default 5)')
    recording.add_argument('--dask', metavar='ADDRESS', help='workers of this cluster')
    recording.add_argument(
        '--kernels', help="MXNet's, as 'plain'; the fastest where nothing is said"
    )
    verifying = command(_verify, 'run a random sample again and compare')
    verifying.add_argument('--sample', type=int, default=3, help='runs (default 3)')
    verifying.add_argument('--epochs', type=int, help='compare only the first ones')
    verifying.add_argument('--seed', type=int, help='draw the same sample again')
    for parallel in (recording, verifying):
        parallel.add_argument('--jobs', type=int, default=1, help='processes at once')
        parallel.add_argument('--backend', choices=store.BACKENDS, default='mxnet')
    return parser


def _list(options):
    for name, recipe in RECIPES.items():
        what = recipe.printed and f'as printed: {recipe.printed}'
        count = len(store.seeds(name))
        print(f'{name:28} {count:3} recorded  {recipe.subset:4}  ', end='')
        print(what or repr(recipe.scheduler))


def _show(options):
    (name,) = options.names
    recipe = store.find(name)
    for key, value in recipe.values(seed=0).items():
        if key != 'seed':
            print(f'{key:11} {value}')
    if not store.seeds(name):
        print('not recorded')
        return
    for run in store.load(name):
        seed = run.recipe['seed']
        print(f'seed {seed:<6} {run}, {run.environment["date"]}')
        print(f'{"hash":11} {recipe.content_hash(seed)}')


def _record(options):
    left = record.record(
        options.names or _recipes(options.backend),
        range(options.seeds),
        options.jobs,
        options.backend,
        options.dask,
        options.kernels,
    )
    if left:
        print(f'left to another recorder: {left}')


def _table(options):
    print(comparison(options.names))
    if not options.names:
        print(f'\n{verdicts()}')


def _verify(options):
    failures = verify(
        options.names or _recipes(options.backend),
        options.sample,
        options.epochs,
        options.seed,
        options.jobs,
        options.backend,
    )
    return 1 if failures else 0


def _recipes(backend):
    """Return the names of all recipes that a backend can run."""
    return [n for n, r in RECIPES.items() if backend == 'mxnet' or not r.printed]


if __name__ == '__main__':
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding='utf-8')  # a pipe of Windows lacks ∞
    sys.exit(main())
