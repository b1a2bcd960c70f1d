"""Records what is missing, in parallel, each run once.

Workers compute runs, in processes of this machine or of a Dask cluster. This process
alone claims them and writes them, so a worker needs no disk, and whatever ends this
process leaves finished runs behind and no half ones.
"""

import contextlib
import errno
import importlib
import itertools
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator

from d2l_ext.data.fashion_mnist import SIZES
from d2l_ext.experiments import store
from d2l_ext.training.history import History
from d2l_ext.training.recipe import Recipe

Batch = list[tuple[str, int, Recipe]]  # name, seed, recipe

# A full disk is tried again after so many seconds
PATIENCE = 10


def record(
    names: Iterable[str],
    seeds: Iterable[int],
    jobs: int = 1,
    backend: str = 'mxnet',
    dask: str | None = None,
    kernels: str | None = None,
) -> int:
    """Run the recipes `names` with each of `seeds`, where that is not on disk yet.

    `jobs` processes at once, or those of the Dask cluster at the address `dask`, with
    MXNet's fastest kernels or the `kernels` of recordings to be paired with. Prints
    what is done and how long the rest may take. Returns the number of runs that another
    recorder is still at.

    Raises ValueError for a name or a backend that is none, RuntimeError if a run ends
    by anything but its last epoch or divergence. A full disk is waited for.
    """
    recipes = {name: store.find(name, backend) for name in names}
    missing = [
        (name, seed)
        for seed, name in itertools.product(seeds, recipes)
        if not store.path(name, seed, backend).exists()
    ]
    # what a run costs, about: images seen
    cost = {
        name: recipe.num_epochs * SIZES[recipe.subset][0]
        for name, recipe in recipes.items()
    }
    progress = _Progress({(name, seed): cost[name] for name, seed in missing})
    with progress.bar, store.Claims() as claims:

        def claimed():
            for batch in _batches(missing, recipes, backend):
                free = [run for run in batch if claims.take(*run, backend)]
                progress.leave(run for run in batch if run not in free)
                if free:
                    yield [(name, seed, recipes[name]) for name, seed in free]

        which = dict.fromkeys(missing, kernels) if kernels else None
        for batch, histories in compute(claimed(), jobs, backend, dask, which):
            for (name, seed, _), history in zip(batch, histories):
                _save(history, name, seed, backend)
                claims.drop(name, seed, backend)
                progress.show((name, seed), history)
    return sum(
        not store.path(name, seed, backend).exists() for name, seed in progress.left
    )


def compute(
    batches: Iterable[Batch],
    jobs: int = 1,
    backend: str = 'mxnet',
    dask: str | None = None,
    kernels: dict[tuple[str, int], str] | None = None,
) -> Iterator[tuple[Batch, list[History]]]:
    """Yield (batch, its histories) in the order in which they are done.

    A batch is a list of (name, seed, recipe). Batches are asked for as workers become
    free. `kernels` has those of MXNet for some (name, seed); others take the fastest.
    """
    import joblib

    # joblib must ask for no more than is worked on: who is asked claims it
    options = {'batch_size': 1, 'pre_dispatch': 'n_jobs'}
    where = {'backend': 'loky', 'n_jobs': jobs}
    if dask:
        where = {'backend': 'dask', 'n_jobs': -1, 'scheduler_host': dask}
    with joblib.parallel_config(**where):
        parallel = joblib.Parallel(return_as='generator_unordered', **options)
        yield from parallel(
            joblib.delayed(_computed)(
                batch,
                f'd2l_ext.{backend}',
                os.getpid(),
                (kernels or {}).get(batch[0][:2]),
            )
            for batch in batches
        )


def _computed(batch, backend, recorder, kernels=None):
    """Return the batch and its histories: what a worker does."""
    if backend not in sys.modules:
        # read when the framework is imported; one thread gives the same bits everywhere
        os.environ['OMP_NUM_THREADS'] = '1'
    _, seed, recipe = batch[0]
    with _ended_with(recorder):
        if len(batch) == 1:
            run = importlib.import_module(backend).run
            return batch, [run(recipe, seed, kernels=kernels)]
        many = importlib.import_module('d2l_ext.torch').run_many
        return batch, many(recipe, [recipe.scheduler for *_, recipe in batch], [seed])


@contextlib.contextmanager
def _ended_with(recorder):
    """End this process when its parent, the process `recorder`, is gone.

    A worker of a killed recorder would otherwise compute on for nobody.
    """
    done = threading.Event()

    def watch():
        while not done.wait(1):
            if os.getppid() != recorder:
                os._exit(1)

    if os.getppid() == recorder:
        threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _batches(missing, recipes, backend):
    """Return lists of runs to be computed together: of one run each but on a GPU.

    There, runs are computed together if they differ in the schedule alone.
    """
    if backend == 'torch':
        device = importlib.import_module('d2l_ext.torch').try_gpu()
        if device.type == 'cuda':
            alike = {}
            for name, seed in missing:
                values = recipes[name].values(seed) | {'scheduler': ''}
                alike.setdefault(tuple(values.values()), []).append((name, seed))
            return list(alike.values())
    return [[run] for run in missing]


def _save(history, name, seed, backend):
    if history.status == 'stopped':
        raise KeyboardInterrupt
    if history.status not in ('finished', 'diverged'):
        raise RuntimeError(f'{name} with seed {seed}: {history.status}, not recorded')
    while True:
        try:
            return store.save(history, name, seed, backend)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            print(f'{error}: make room, tried again in {PATIENCE} s', flush=True)
            time.sleep(PATIENCE)


class _Progress:
    """Prints a line for each finished run, above a bar of the time the rest may take."""

    def __init__(self, work):
        from tqdm import tqdm

        self.work = work
        self.done, self.left = [], []
        print(f'runs to make: {len(work)}', flush=True)
        self.bar = tqdm(
            total=sum(work.values()),
            bar_format='{percentage:3.0f}% |{bar:20}| {desc}{remaining} left',
            smoothing=0,  # the mean speed of all runs so far
            disable=not work,
        )

    def leave(self, runs):
        """Leave `runs` to another recorder; joblib's own thread may be the one to."""
        for run in runs:
            self.left.append(run)
            self.bar.total -= self.work[run]

    def show(self, run, history):
        """Print that `run` is done, and what came out."""
        name, seed = run
        self.done.append(run)
        self.bar.write(f'{name} {seed}: {history}')
        count = len(self.work) - len(self.left)
        self.bar.set_description_str(f'{len(self.done)}/{count}, ', refresh=False)
        self.bar.update(self.work[run])
        self.bar.refresh()
