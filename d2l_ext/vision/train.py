"""The loop of a job: epochs, files, and what worker 0 writes."""

import dataclasses
import math
import time

import numpy

from d2l_ext.plan import Plan
from d2l_ext.training import checkpoint as checkpoints
from d2l_ext.training.history import History
from d2l_ext.vision.job import ELSEWHERE


def train(job, worker, progress=None):
    """Train as `job` says and return the `History`.

    `worker` is one of the processes that do it, all alike: `rank` of `world`. It has
    `images`, `batches(epoch)`, `update(batches, lr)`, `totals()`, `accuracy()`,
    `summed(numbers)`, `state()`, `load_state(arrays)` and `environment()`. Worker 0
    writes the files, and calls `progress` with the history after each epoch.

    Raises ValueError if only some of the workers see the checkpoint.
    """
    n = job.updates(worker.images)
    scheduler = job.scheduler(n)
    plan = Plan(scheduler, job.num_epochs, job.per, n)
    recipe = {k: v for k, v in dataclasses.asdict(job).items() if k not in ELSEWHERE}
    recipe |= {'scheduler': repr(scheduler), 'batches_per_epoch': n}
    recipe |= {'images': worker.images, 'world': worker.world}
    history = History(recipe, environment=worker.environment())
    saved = job.checkpoint and checkpoints.load(job.checkpoint, recipe)
    if saved:
        history, _, arrays = saved
        worker.load_state(arrays)
    begin = len(history.train_loss)
    if worker.summed([begin])[0] != begin * worker.world:
        raise ValueError(
            f'checkpoint {job.checkpoint} must be the same file for every worker: '
            'name one in a folder that all machines share'
        )
    for epoch in range(begin, job.num_epochs):
        if history.status == 'diverged':
            break
        start, batches = time.perf_counter(), worker.batches(epoch)
        for update in range(epoch * n, (epoch + 1) * n):
            history.lr.append(worker.update(batches, plan.lr(epoch, update)))
        loss, hits = worker.summed(worker.totals())
        history.test_acc.append(worker.accuracy())
        history.train_acc.append(hits / (n * job.batch_size))
        history.train_loss.append(loss / (n * job.batch_size))
        history.seconds.append(time.perf_counter() - start)
        history.status = 'running' if epoch + 1 < job.num_epochs else 'finished'
        if not math.isfinite(loss):
            history.status = 'diverged'
        if worker.rank == 0:
            if job.checkpoint:
                rng = numpy.random.default_rng()  # the order needs none of its own
                checkpoints.save(job.checkpoint, history, rng, worker.state())
            if job.history:
                history.save(job.history)
            if progress:
                progress(history)
    return history
