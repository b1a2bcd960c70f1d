"""A `gluon.Trainer`, its scheduler objects, and what it has counted."""

from collections.abc import Callable

import mxnet as mx
from mxnet import gluon

from d2l_ext.plan import whole_number
from d2l_ext.schedulers import SquareRootScheduler


def cross_entropy() -> gluon.loss.Loss:
    """Return the loss of a classifier, one value for each example.

    l = -log(softmax(y_hat)_y) for y_hat of shape (n, k) and labels y of shape (n,).
    Source: book section 4.1.
    """
    return gluon.loss.SoftmaxCrossEntropyLoss()


def sgd(
    net: gluon.Block, learning_rate: float = 0.1, device: mx.Context | None = None
) -> gluon.Trainer:
    """Return a trainer of `net` on `device`, the CPU if none is named.

    Its update is w <- w - learning_rate g, with g the gradient of the mean loss.
    Source: book section 12.4.
    """
    net.initialize(ctx=device or mx.cpu())
    settings = {'learning_rate': learning_rate}
    return gluon.Trainer(net.collect_params(), 'sgd', settings)


def lr_scheduler(
    scheduler: Callable, batches_per_epoch: int = 1
) -> mx.lr_scheduler.LRScheduler:
    """Return `scheduler` as an `mx.lr_scheduler.LRScheduler` for a `gluon.Trainer`.

    MXNet counts updates from 1; the first update here gets scheduler(0). t counts
    updates, or epochs of `batches_per_epoch` updates where that is given. The rates
    stand even where an optimizer with a rate of its own, such as Adam, prints that it
    has overwritten them.

    `Trainer.save_states` pickles it with the optimizer. Where that fails, as with a
    lambda, MXNet has already emptied the file, and with it what was saved before. The
    `checkpoint` of `train` never goes that way.
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


class Observed:
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


def printed_scheduler(name: str) -> Callable:
    """Return a scheduler object of the book's section as its training cells got it.

    `name`: 'square_root', 'factor', 'multi_factor', 'cosine' or 'warmup_cosine'. The
    arguments are those printed there, and the values of its plot are asked for first.
    'factor' is only plotted there; here it is what training would have made of it.
    Raises ValueError for another name.
    """
    schedulers = {
        'square_root': lambda: SquareRootScheduler(base_lr=1.0),
        'factor': lambda: _FactorPerCall(factor=0.9, stop_factor_lr=1e-2, base_lr=2.0),
        'multi_factor': lambda: mx.lr_scheduler.MultiFactorScheduler(
            step=[15, 30], factor=0.5, base_lr=0.5
        ),
        'cosine': lambda: mx.lr_scheduler.CosineScheduler(
            max_update=40, base_lr=0.5, final_lr=0.01
        ),
        'warmup_cosine': lambda: mx.lr_scheduler.CosineScheduler(
            max_update=40, warmup_steps=5, base_lr=0.5, final_lr=0.01
        ),
    }
    if name not in schedulers:
        raise ValueError(f'name must be one of {", ".join(schedulers)}, got {name!r}')
    scheduler = schedulers[name]()
    for t in range(50 if name == 'factor' else 40):
        scheduler(t)
    return scheduler


class _FactorPerCall:
    """The section's own class: it shrinks the rate at each call, whatever the update."""

    def __init__(self, factor, stop_factor_lr, base_lr):
        self.factor, self.stop_factor_lr = factor, stop_factor_lr
        self.base_lr = base_lr

    def __call__(self, num_update):
        self.base_lr = max(self.stop_factor_lr, self.base_lr * self.factor)
        return self.base_lr


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
    """Give a trainer back what `flat` told of it: `memory.i.j`, and `num_update`."""
    forget(trainer)
    optimizer, (updater,) = trainer.optimizer, trainer._updaters
    if not arrays['num_update']:
        return
    for i, parameter in enumerate(trainer._params):
        memory = optimizer.create_state_multi_precision(i, parameter.data())
        for j, array in enumerate(flat(memory)):
            array[:] = mx.nd.array(arrays[f'memory.{i}.{j}'], ctx=array.ctx)
        updater.states[i], updater.states_synced[i] = memory, True
        optimizer._index_update_count[i] = int(arrays['num_update'])
    optimizer.num_update = int(arrays['num_update'])


def flat(memory):
    """Return the arrays that an optimizer remembers of one weight, as a list."""
    if memory is None:
        return []
    if isinstance(memory, (list, tuple)):
        return [array for part in memory for array in flat(part)]
    return [memory]
