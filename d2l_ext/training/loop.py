"""The training loop, which both backends share: it names no framework.

A backend brings a learner, that is a net, a loss and an optimizer on a device:
`_mxnet_learner.Learner` and `_torch_learner.Learner` have the same methods.
"""

import datetime
import math
import os
import platform
import time

import numpy

from d2l_ext.plan import Plan, whole_number
from d2l_ext.training import checkpoint as checkpoints
from d2l_ext.training.history import History
from d2l_ext.training.learner import passes
from d2l_ext.training.progress import Progress

# What MXNet says on a GPU and on a CPU; PyTorch says the first two
OUT_OF_MEMORY = 'out of memory', "can't allocate memory", 'failed to allocate'


class Stop(Exception):
    """A callback has returned True."""


def train(steps, progress, on_epoch, on_update):
    """Run `steps(on_epoch=..., on_update=...)` to its end, or to Ctrl-C.

    Returns the last `History`.
    """
    shown = Progress() if progress else None
    told = [callback for callback in (shown, on_epoch) if callback]
    run = steps(
        on_epoch=lambda history: any(callback(history) for callback in told),
        on_update=on_update,
    )
    last = History(status='stopped')
    try:
        for history in run:
            last = history
    except KeyboardInterrupt:
        run.close()
    if shown:
        shown.close(last)
    return last


def steps(
    learner,
    train_iter,
    test_iter,
    num_epochs,
    scheduler,
    per,
    seed,
    queue,
    checkpoint,
    on_epoch,
    on_update,
):
    """Train `learner` and yield the growing `History` after every update.

    The other arguments are those of the backends' `train_steps`. A callback that
    returns True stops the run, and so does whoever closes it.
    """
    num_epochs = whole_number('num_epochs', num_epochs)
    seed = whole_number('seed', seed, at_least=0)
    plan = scheduler and Plan(scheduler, num_epochs, per, len(train_iter))
    own = learner.take_over(scheduler)
    rng = numpy.random.default_rng(seed)
    own_seed = int(rng.integers(2**31))
    learner.seed(own_seed)
    history = begun(learner, train_iter, num_epochs, scheduler, own, per, seed)
    try:
        saved = checkpoint and checkpoints.load(checkpoint, history.recipe)
        learner.begin(train_iter, rng)
        if saved:
            history, rng.bit_generator.state, arrays = saved
            learner.load_state(arrays)
        for epoch in range(len(history.train_loss), num_epochs):
            if history.status != 'running':
                break
            # each epoch by itself, as no framework tells where its generator stands
            learner.seed((own_seed + epoch) % 2**31)
            start, count, waiting = time.perf_counter(), 0, []
            for X, y in passes(train_iter, rng):
                lr, update = None, len(history.lr)
                if plan:
                    lr = plan.lr(epoch, update, history.train_loss)
                wait = learner.update(X, y, lr)
                history.lr.append(learner.applied_lr())
                count += len(X)
                if queue:
                    waiting.append(wait)
                    if len(waiting) > queue:
                        waiting.pop(0)()
                _tell(on_update, history)
                yield history
            test_acc = learner.accuracy(test_iter)
            train_loss, train_acc = (total / count for total in learner.totals())
            history.seconds.append(time.perf_counter() - start)
            history.test_acc.append(test_acc)
            history.train_acc.append(train_acc)
            # last, as an epoch counts as finished once it has a loss
            history.train_loss.append(train_loss)
            if not math.isfinite(train_loss):
                history.status = 'diverged'
            elif epoch + 1 == num_epochs:
                history.status = 'finished'
            if checkpoint:
                checkpoints.save(checkpoint, history, rng, learner.state())
            _tell(on_epoch, history)
    except Stop:
        _stopped(history)
    except (GeneratorExit, KeyboardInterrupt):
        _stopped(history)
        raise
    except RuntimeError as error:
        if not any(words in str(error).lower() for words in OUT_OF_MEMORY):
            raise
        history.status = 'out of memory'
    finally:
        learner.end()
    yield history


def _tell(callback, history):
    if callback and callback(history):
        raise Stop


def _stopped(history):
    if history.status == 'running':
        history.status = 'stopped'


def begun(learner, train_iter, num_epochs, scheduler, own, per, seed):
    """Return the `History` of a run that has not made an update yet.

    `own` is the schedule that the trainer follows without a `scheduler`.
    """
    return History(
        recipe={
            'scheduler': repr(scheduler or own),
            'per': per if scheduler else 'update',
            'num_epochs': num_epochs,
            'batch_size': getattr(train_iter, 'batch_size', None),
            'batches_per_epoch': len(train_iter),
            'optimizer': learner.optimizer,
            'seed': seed,
            'backend': learner.backend,
        },
        environment=learner.environment()
        | {
            'numpy': numpy.__version__,
            'python': platform.python_version(),
            'machine': platform.machine(),
            # sums over the threads come out a little different with another number
            'cores': os.cpu_count(),
            'omp_num_threads': os.environ.get('OMP_NUM_THREADS'),
            'date': datetime.date.today().isoformat(),
        },
    )
