"""Recorded runs on disk: where they are, of which recipe, and who is making which.

A file NAME/SEED.json in `RUNS` holds one `History`, and in it the recipe with its
content hash. Nothing is read that is not of the recipe it is named after.
"""

import dataclasses
import math
import os
import pathlib

from d2l_ext.experiments.recipes import RECIPES
from d2l_ext.training.history import History

RUNS = pathlib.Path(__file__).with_name('runs')
ANSWERS = RUNS.with_name('answers')  # of frameworks that not every reader has
BACKENDS = 'mxnet', 'torch'
IMAGES = {'mini': 6_000, 'full': 60_000}  # to train with


def find(name, backend='mxnet'):
    """Return the recipe `name`, for the backend of that name.

    Raises ValueError for a name that is none, and for MXNet's own objects in PyTorch.

    >>> find('cosine_0.3').scheduler
    CosineScheduler(max_update=30, base_lr=0.3, final_lr=0.01)
    """
    if name not in RECIPES:
        raise ValueError(f'no recipe {name!r}: there are {", ".join(RECIPES)}')
    if backend not in BACKENDS:
        raise ValueError(f'backend must be mxnet or torch, got {backend!r}')
    recipe = dataclasses.replace(RECIPES[name], backend=backend)
    if recipe.printed and backend != 'mxnet':
        raise ValueError(f"{name!r} runs an object of MXNet's: use backend='mxnet'")
    return recipe


def batches_per_epoch(recipe):
    """Return how many updates an epoch of `recipe` has.

    >>> batches_per_epoch(find('full_cosine'))
    235
    """
    return math.ceil(IMAGES[recipe.subset] / recipe.batch_size)


def path(name, seed, backend='mxnet'):
    """Return where the run of the recipe `name` with `seed` is kept."""
    return RUNS / _folder(name, backend) / f'{seed}.json'


def seeds(name, backend='mxnet'):
    """Return the seeds that the recipe `name` is recorded with, in order."""
    return seeds_in(_folder(name, backend))


def seeds_in(folder):
    """Return the seeds of which this folder of `RUNS` has a file, in order."""
    stems = (file.stem for file in (RUNS / folder).glob('*.json'))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def load(name, backend='mxnet'):
    """Return the recorded histories of the recipe `name`, one per seed.

    Raises ValueError if there is no such recipe, no recording of it, or one that is of
    another recipe.
    """
    recipe = find(name, backend)
    found = seeds(name, backend)
    if not found:
        option = '' if backend == 'mxnet' else f' --backend {backend}'
        raise ValueError(
            f'{name!r} is not recorded: '
            f'python -m d2l_ext.experiments record {name}{option}'
        )
    return [_read(path(name, seed, backend), recipe, seed) for seed in found]


def save(history, name, seed, backend='mxnet'):
    """Write a finished run of the recipe `name`, whole or not at all."""
    history.recipe |= _named(find(name, backend), seed)
    file = path(name, seed, backend)
    file.parent.mkdir(parents=True, exist_ok=True)
    history.save(file)


class Claims:
    """Says which runs are being made, so that no two recorders make the same.

    A claim is a lock on one byte of one file. The system drops it when the process
    ends, however it ends. Threads of one process do not exclude each other.
    """

    def __enter__(self):
        RUNS.mkdir(parents=True, exist_ok=True)
        self.file = os.open(RUNS / '.claims', os.O_RDWR | os.O_CREAT)
        return self

    def __exit__(self, *exception):
        os.close(self.file)

    def take(self, name, seed, backend='mxnet'):
        """Claim a run; tell whether it is ours now and still to be made."""
        import fcntl  # where recordings are only read, there may be none

        at = _byte(name, seed, backend)
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)
        except (BlockingIOError, PermissionError):
            return False
        if path(name, seed, backend).exists():
            fcntl.lockf(self.file, fcntl.LOCK_UN, 1, at)
            return False
        return True

    def drop(self, name, seed, backend='mxnet'):
        """Give a claim back."""
        import fcntl

        fcntl.lockf(self.file, fcntl.LOCK_UN, 1, _byte(name, seed, backend))


def _byte(name, seed, backend):
    # 60 bits of a hash: two runs that share a byte would only wait for each other
    return int(find(name, backend).content_hash(seed)[:15], 16)


def _folder(name, backend):
    return name if backend == 'mxnet' else f'{name}.{backend}'


def _read(file, recipe, seed):
    try:
        history = History.load(file)
    except ValueError as error:
        raise ValueError(f'{file}: {error}; delete it and record it again') from error
    found, expected = history.recipe, _named(recipe, seed)
    if 'hash' not in found:
        # from before there were hashes, when these went without saying
        for key in ('hash', 'net', 'subset', 'printed'):
            del expected[key]
        expected['batches_per_epoch'] = batches_per_epoch(recipe)
    for key, value in expected.items():
        if found.get(key) != value:
            raise ValueError(
                f'{file} is of another recipe: {key} is {found.get(key)!r}, and should '
                f'be {value!r}; delete it and record it again'
            )
    return history


def _named(recipe, seed):
    """Return what a history of the recipe says about it."""
    values = recipe.values(seed) | {'hash': recipe.content_hash(seed)}
    if recipe.printed:
        del values['scheduler']  # the history itself tells what object it was
    return values
