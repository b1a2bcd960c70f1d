"""A job's run: the training loop, with a net that several workers train together."""

import dataclasses
from collections.abc import Callable

from d2l_ext.plan import Plan
from d2l_ext.training import loop
from d2l_ext.training.checkpoint import Checkpoint
from d2l_ext.training.history import History
from d2l_ext.vision.job import ELSEWHERE, Job
from d2l_ext.vision.worker import Worker


def train(
    job: Job, worker: Worker, progress: Callable[[History], object] | None = None
) -> History:
    """Train as `job` says and return the `History`.

    Worker 0 writes the files, and calls `progress` with the history after each epoch.
    Raises ValueError if only some of the workers see the checkpoint.
    """
    n = job.updates(worker.images)
    scheduler = job.scheduler(n)
    recipe = {k: v for k, v in dataclasses.asdict(job).items() if k not in ELSEWHERE}
    recipe |= {'scheduler': repr(scheduler), 'batches_per_epoch': n}
    recipe |= {'images': worker.images, 'world': worker.world}
    plan = Plan(scheduler, job.num_epochs, job.per, n)
    run = loop.Run(History(recipe, environment=worker.environment()), plan)
    checkpoint = Checkpoint(job.checkpoint, plan) if job.checkpoint else None

    def on_epoch(history):
        if worker.rank == 0:
            if job.history:
                history.save(job.history)
            if progress:
                progress(history)

    for _ in loop.steps(
        worker, run, (), (), job.seed, checkpoint=checkpoint, on_epoch=on_epoch
    ):
        pass
    return run.history
