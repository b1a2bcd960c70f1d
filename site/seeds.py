"""Where a run of multi-factor from 0.3 ends, on the mini set, seed by seed.

    python site/seeds.py page 0 10        of the page's own LeNet, in node
    python site/seeds.py mxnet 5 30       of the package's loop, or with torch

prints a seed and its test accuracy after 30 epochs, from the first seed up to, not with,
the last. The page's net begins with the package's weights and takes its minibatches.
"""

import argparse
import base64
import importlib
import pathlib
import sys

SITE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(SITE.parent))

from d2l_ext.experiments.recipes import RECIPES

RECIPE = RECIPES['multi_factor_0.3']


def of_the_page(seeds):
    """Yield the accuracy of each seed's run in node."""
    # here, for they leave no framework to whoever else is in this process
    import build
    import live

    files = {
        name: base64.b64encode(data).decode()
        for name, data in build.training_files().items()
    }
    for seed in seeds:
        begin = live.Training().begin(RECIPE.plan, seed)
        begin = {name: array.tolist() for name, array in begin.items()}
        yield build.node('seed.mjs', {'begin': begin, 'files': files})


def of_the_package(backend, seeds):
    """Yield the accuracy of each seed's run with a framework."""
    d2l = importlib.import_module(f'd2l_ext.{backend}')
    for seed in seeds:
        yield d2l.run(RECIPE, seed).test_acc[-1]


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('who', choices=['page', 'mxnet', 'torch'])
    parser.add_argument('first', type=int)
    parser.add_argument('last', type=int)
    asked = parser.parse_args()
    seeds = range(asked.first, asked.last)
    page = asked.who == 'page'
    ends = of_the_page(seeds) if page else of_the_package(asked.who, seeds)
    for seed, accuracy in zip(seeds, ends):
        print(seed, f'{accuracy:.4f}', flush=True)
