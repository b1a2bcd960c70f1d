"""The training loop: one, for both frameworks, many runs at once and many machines.

It names no framework: a `Learner` does what its framework does differently. Readers
call it as `train` of `d2l_ext.mxnet` or `d2l_ext.torch`, which `Backend` makes.
"""

import datetime
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from d2l_ext.plan import Plan
from d2l_ext.training.checkpoint import Checkpoint
from d2l_ext.training.history import History, Interrupted
from d2l_ext.training.learner import Learner

# What MXNet says on a GPU and on a CPU; PyTorch says the first two
OUT_OF_MEMORY = 'out of memory', "can't allocate memory", 'failed to allocate'

Callback = Callable[[History], object]


class Run:
    """A run under way: its growing `History`, and the `Plan` that it follows.

    Without a plan the trainer follows its own schedule. `metric` names the measure of
    the history that a `PlateauScheduler` goes by.
    """

    def __init__(self, history: History, plan: Plan | None, metric: str = 'train_loss'):
        self.history, self.plan, self.metric = history, plan, metric

    @property
    def is_over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.history.status != 'running'

    @property
    def epochs(self) -> range:
        """The epochs that are left."""
        h = self.history
        return range(len(h.train_loss), h.recipe['num_epochs'])

    def lr(self, epoch: int) -> float | None:
        """Return the rate of the next update, None for the trainer's own."""
        h = self.history
        if self.plan is None:
            return None
        return self.plan.lr(epoch, len(h.lr), getattr(h, self.metric))

    def updated(self, lr: float):
        """Note the rate of an update."""
        self.history.lr.append(lr)

    def epoch_done(self, totals: list, count: int, accuracy: float, seconds: float):
        """Note summed loss and hits of an epoch's `count` examples, and the test's."""
        loss, hits = totals
        self.history.epoch_done(loss / count, hits / count, accuracy, seconds)

    def end(self, status: str):
        """End it early."""
        if not self.is_over:
            self.history.status = status


class Stop(Exception):
    """A callback has returned True."""


def steps(
    learner: Learner,
    run: Any,
    train_iter: Iterable,
    test_iter: Iterable,
    seed: int,
    *,
    queue: int | None = None,
    checkpoint: Checkpoint | None = None,
    on_epoch: Callback | None = None,
    on_update: Callback | None = None,
) -> Iterator[History]:
    """Train `learner` and yield `run.history` after every update: the loop itself.

    `run`: a `Run`, or several that answer as one. The keywords are those of
    `Backend.train_steps`. A callback that returns True stops the run, and so does
    whoever closes the iterator. Raises ValueError for minibatches that give none in an
    epoch, and what the learner and the checkpoint do.
    """
    try:
        rng = np.random.default_rng(seed)
        own_seed = int(rng.integers(2**31))
        learner.seed(own_seed)
        saved = checkpoint and checkpoint.load(run.history.recipe)
        learner.begin(train_iter, rng)
        if saved and checkpoint:
            run.history, rng.bit_generator.state, arrays = saved
            checkpoint.compare_weights(arrays, learner.state())
            learner.load_state(arrays)
        learner.resume(run.epochs.start)
        for epoch in run.epochs:
            if run.is_over:
                break
            # each epoch by itself, as no framework tells where its generator stands
            learner.seed((own_seed + epoch) % 2**31)
            start, count, waiting = time.perf_counter(), 0, []
            for batch in learner.minibatches(train_iter, epoch, rng):
                lr = run.lr(epoch)
                wait = learner.update(*batch, lr=lr)  # type: ignore[misc]
                run.updated(learner.applied_lr())
                count += learner.examples(*batch)
                if queue:
                    waiting.append(wait)
                    if len(waiting) > queue:
                        waiting.pop(0)()
                _tell(on_update, run.history)
                yield run.history
            if not count:
                raise ValueError(
                    f'train_iter gave no minibatch in epoch {epoch}: it must begin anew '
                    'each time, as Batches, a DataLoader or a list does'
                )
            accuracy = learner.accuracy(test_iter)
            totals = learner.totals()
            run.epoch_done(totals, count, accuracy, time.perf_counter() - start)
            if checkpoint and learner.writes_files:
                checkpoint.save(run.history, rng, learner.state())
            _tell(on_epoch, run.history)
    except Stop:
        run.end('stopped')
    except GeneratorExit:
        run.end('stopped')
        raise
    except KeyboardInterrupt as error:
        run.end('stopped')
        raise Interrupted(run.history) from error
    except RuntimeError as error:
        if not any(words in str(error).lower() for words in OUT_OF_MEMORY):
            raise
        run.end('out of memory')
    finally:
        learner.end()
    yield run.history


def _tell(callback, history):
    if callback and callback(history):
        raise Stop


def begun(
    learner: Learner, plan: Plan, seed: int, batch_size: int | None = None
) -> History:
    """Return the `History` of a run by this plan that has not made an update yet."""
    return History(
        recipe={
            'scheduler': repr(plan.scheduler),
            'per': plan.per,
            'num_epochs': plan.num_epochs,
            'batch_size': batch_size,
            'batches_per_epoch': plan.batches_per_epoch,
            'optimizer': learner.optimizer,
            'seed': seed,
            'backend': learner.backend,
        },
        environment={
            'numpy': np.__version__,
            'python': platform.python_version(),
            'machine': platform.machine(),
            # sums over the threads come out a little different with another number
            'cores': os.cpu_count(),
            'omp_num_threads': os.environ.get('OMP_NUM_THREADS'),
            'date': datetime.date.today().isoformat(),
        }
        | learner.environment(),
    )
