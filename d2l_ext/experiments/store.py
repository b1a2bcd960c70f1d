"""Recorded runs on disk: where they are, of which recipe, and who works on which.

A file FOLDER/SEED.json in `RUNS` holds one run, and in it the recipe with its content
hash. Nothing is read that is not of the recipe it was asked for. `averaged` and
`probes` write and read their runs by the same functions, in other folders.
"""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any, Self

from d2l_ext.experiments.recipes import RECIPES
from d2l_ext.training._files import write_whole
from d2l_ext.training.history import History
from d2l_ext.training.recipe import Recipe

RUNS = pathlib.Path(__file__).with_name('runs')
ANSWERS = RUNS.with_name('answers')  # of frameworks that not every reader has
BACKENDS = 'mxnet', 'torch'


def find(name: str, backend: str = 'mxnet') -> Recipe:
    """Return the recipe `name`, for the backend of that name.

    Raises ValueError for a name or a backend that is none, and for MXNet's own objects
    in PyTorch.

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


def path(name: str, seed: int, backend: str = 'mxnet') -> pathlib.Path:
    """Return the file of the run of the recipe `name` with `seed`, there or not.

    >>> path('cosine_0.3', 2, 'torch').parts[-2:]
    ('cosine_0.3.torch', '2.json')
    """
    return _file(_folder(name, backend), seed)


def seeds(name: str, backend: str = 'mxnet') -> list[int]:
    """Return the seeds that the recipe `name` is recorded with, in order."""
    return seeds_in(_folder(name, backend))


def seeds_in(folder: str) -> list[int]:
    """Return the seeds of which this folder of `RUNS` has a file, in order."""
    stems = (file.stem for file in (RUNS / folder).glob('*.json'))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def load(name: str, backend: str = 'mxnet') -> list[History]:
    """Return the recorded histories of the recipe `name`, one per seed.

    Raises ValueError if there is no such recipe, no recording of it, or one that is of
    another recipe.
    """
    recipe, folder = find(name, backend), _folder(name, backend)
    recorded = seeds_in(folder)
    if not recorded:
        option = '' if backend == 'mxnet' else f' --backend {backend}'
        raise ValueError(
            f'{name!r} is not recorded: '
            f'python -m d2l_ext.experiments record {name}{option}'
        )
    return [read(folder, seed, recipe) for seed in recorded]


def save(history: History, name: str, seed: int, backend: str = 'mxnet') -> None:
    """Write a finished run of the recipe `name`, whole or not at all.

    Raises ValueError for a run that says of itself that it is another one.
    """
    said = identity(find(name, backend), seed)
    for key, value in said.items():
        if history.recipe.get(key, value) != value:
            raise ValueError(
                f'{name} with seed {seed} must have {key} {value!r}, and the run has '
                f'{history.recipe[key]!r}: it is not recorded'
            )
    history.recipe |= said
    write(_folder(name, backend), seed, history.to_json())


def read(
    folder: str,
    seed: int,
    recipe: Recipe,
    parse: Callable[[str], Any] = History.from_json,
) -> Any:
    """Return `parse(text)` of the run with `seed` in this folder of `RUNS`.

    Raises ValueError if the file is damaged, or its `recipe` is another one.
    """
    file = _file(folder, seed)
    try:
        run = parse(file.read_text(encoding='utf-8'))
    except (TypeError, ValueError) as error:
        raise ValueError(f'{file}: {error}; delete it and record it again') from error
    for key, value in identity(recipe, seed).items():
        if run.recipe.get(key) != value:
            raise ValueError(
                f'{file} is of another recipe: {key} is {run.recipe.get(key)!r}, and '
                f'should be {value!r}; delete it and record it again'
            )
    return run


def write(folder: str, seed: int, text: str) -> None:
    """Write the run with `seed` to this folder of `RUNS`, whole or not at all."""
    file = _file(folder, seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, text)


def identity(recipe: Recipe, seed: int) -> dict[str, Any]:
    """Return what a recorded run of `recipe` with `seed` says of itself."""
    values = recipe.values(seed)
    if recipe.printed:
        del values['scheduler']  # the run itself tells what object it was
    return values | {
        'batches_per_epoch': recipe.batches_per_epoch,
        'hash': recipe.content_hash(seed),
    }


class Claims:
    """Says which runs are worked on, so that no two recorders make the same.

    A claim is a lock on a file in RUNS/.claims. The system drops it when the process
    ends, however it ends. The files stay: a lock on a removed one would guard nothing.
    """

    def __enter__(self) -> Self:
        self.folder = RUNS / '.claims'
        self.folder.mkdir(parents=True, exist_ok=True)
        self.locks: dict[pathlib.Path, Any] = {}
        return self

    def __exit__(self, *exception: object) -> None:
        for lock in self.locks.values():
            lock.release()

    def take(self, name: str, seed: int, backend: str = 'mxnet') -> bool:
        """Claim a run; tell whether it is ours now and still to be recorded."""
        import filelock  # where recordings are only read, there may be none

        file = path(name, seed, backend)
        # joblib's own thread claims what the main thread gives back
        lock = filelock.FileLock(
            self.folder / f'{file.parent.name}-{seed}', thread_local=False
        )
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            return False
        if file.exists():
            lock.release()
            return False
        self.locks[file] = lock
        return True

    def drop(self, name: str, seed: int, backend: str = 'mxnet') -> None:
        """Give a claim back."""
        self.locks.pop(path(name, seed, backend)).release()


def _folder(name, backend):
    return name if backend == 'mxnet' else f'{name}.{backend}'


def _file(folder, seed):
    return RUNS / folder / f'{seed}.json'
