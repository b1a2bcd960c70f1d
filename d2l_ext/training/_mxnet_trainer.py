"""What a `gluon.Trainer` brings along: a scheduler of its own, and what it counted.

Imported once `mxnet.py` has made MXNet importable.
"""

import mxnet as mx

from d2l_ext.plan import whole_number


def lr_scheduler(scheduler, batches_per_epoch=1):
    """Return `scheduler` as an `mx.lr_scheduler.LRScheduler` for a `gluon.Trainer`.

    MXNet counts updates from 1; the first update here gets scheduler(0). t counts
    updates, or epochs of `batches_per_epoch` updates where that is given. The rates
    stand even where an optimizer with a rate of its own, such as Adam, prints that it
    has overwritten them.
    """
    return _LRScheduler(scheduler, whole_number('batches_per_epoch', batches_per_epoch))


class _LRScheduler(mx.lr_scheduler.LRScheduler):
    def __init__(self, scheduler, batches_per_epoch):
        super().__init__(base_lr=getattr(scheduler, 'base_lr', scheduler(0)))
        self.scheduler, self.batches_per_epoch = scheduler, batches_per_epoch

    def __call__(self, num_update):
        return self.scheduler(max(num_update - 1, 0) // self.batches_per_epoch)

    def __repr__(self):
        return f'lr_scheduler({self.scheduler!r}, {self.batches_per_epoch})'


class Recorder:
    """Stands before a trainer's own scheduler and notes what it answers."""

    def __init__(self, lr_scheduler):
        self.lr_scheduler, self.num_update, self.last = lr_scheduler, None, None

    def __call__(self, num_update):
        lr = self.lr_scheduler(num_update)
        # MXNet asks once per group of arrays; the first answer stands for the update
        if num_update != self.num_update:
            self.num_update, self.last = num_update, float(lr)
        return lr

    def __repr__(self):
        # Python's own repr has an address in it, which no two runs share
        named = type(self.lr_scheduler).__repr__ is not object.__repr__
        return repr(self.lr_scheduler) if named else type(self.lr_scheduler).__name__


def take_over(trainer, scheduler):
    """Return a recorder of the trainer's own scheduler, None if it has none."""
    own = trainer.optimizer.lr_scheduler
    if own is None:
        return None
    if scheduler is not None:
        raise ValueError(
            f'trainer already has the lr_scheduler {Recorder(own)!r}: give a schedule '
            f'to the trainer or to train, not to both'
        )
    trainer.optimizer.lr_scheduler = Recorder(own)
    return trainer.optimizer.lr_scheduler


def forget(trainer):
    """Make a used trainer as good as new: no momentum, no update counted."""
    optimizer = trainer.optimizer
    optimizer.num_update = optimizer.begin_num_update
    for counts in optimizer._all_index_update_counts.values():
        counts.clear()
    for updater in trainer._updaters:
        updater.states.clear()
        updater.states_synced.clear()


def recall(trainer, arrays):
    """Give a trainer back what `flat` told of it: `kept.i.j`, and `num_update`."""
    forget(trainer)
    optimizer, (updater,) = trainer.optimizer, trainer._updaters
    if not arrays['num_update']:
        return
    for i, parameter in enumerate(trainer._params):
        kept = optimizer.create_state_multi_precision(i, parameter.data())
        for j, array in enumerate(flat(kept)):
            array[:] = mx.nd.array(arrays[f'kept.{i}.{j}'], ctx=array.ctx)
        updater.states[i], updater.states_synced[i] = kept, True
        optimizer._index_update_count[i] = int(arrays['num_update'])
    optimizer.num_update = int(arrays['num_update'])


def flat(kept):
    """Return the arrays that an optimizer keeps for one weight, as a list."""
    if kept is None:
        return []
    if isinstance(kept, (list, tuple)):
        return [array for part in kept for array in flat(part)]
    return [kept]
