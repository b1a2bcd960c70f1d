"""What a job asks of a process that trains its net, alone or with others."""

from collections.abc import Iterator, Sequence

from d2l_ext.training import learner
from d2l_ext.vision.job import Job


class Worker(learner.Learner):
    """One of the processes that train one net, all alike: `rank` of `world`.

    It has the `job`, and how many `images` there are to train with.
    """

    optimizer = 'sgd'
    job: Job
    rank: int
    world: int
    images: int

    def batches(self, epoch: int) -> Iterator:
        """Return this worker's passes in an epoch: `job.accumulate` for each update."""
        raise NotImplementedError

    def summed(self, numbers: Sequence[float]) -> list[float]:
        """Return the numbers, each summed over all workers."""
        raise NotImplementedError

    @property
    def writes_files(self):
        """Worker 0 does."""
        return self.rank == 0

    def resume(self, epoch):
        """Raise ValueError if only some of the workers see the checkpoint."""
        if self.summed([epoch])[0] != epoch * self.world:
            raise ValueError(
                f'checkpoint {self.job.checkpoint} must be the same file for every '
                'worker: name one in a folder that all machines share'
            )

    def minibatches(self, train_iter, epoch, rng):
        """Yield the passes of an epoch, whose order is its own, once per update."""
        passes = self.batches(epoch)
        for _ in range(self.job.updates(self.images)):
            yield (passes,)

    def examples(self, passes):
        """Return how many images an update has, over all workers."""
        return self.job.batch_size
