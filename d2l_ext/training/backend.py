"""What a reader calls to train: the loop, bound to one framework."""

import importlib
import os
import sys
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from d2l_ext.plan import Plan, plan_of, whole_number
from d2l_ext.schedulers import PlateauScheduler
from d2l_ext.training.checkpoint import Checkpoint
from d2l_ext.training.history import History
from d2l_ext.training.learner import Learner
from d2l_ext.training.loop import Callback, Run, begun, steps
from d2l_ext.training.progress import watched
from d2l_ext.training.range_test import RangeTest, range_test
from d2l_ext.training.recipe import Recipe

# Measures of a run, and which way each gets better
METRICS = {'train_loss': 'min', 'train_acc': 'max', 'test_acc': 'max'}


class Backend:
    """The loop with one framework's learner, nets and data: what a reader calls.

    `learner(net, loss, trainer, device)` is a `Learner`; `prepare(recipe)` returns
    (net, train_iter, test_iter, loss, trainer, device) for a `Recipe`, with `net` in
    place of a new one where that is given.
    """

    def __init__(self, learner: Callable[..., Learner], prepare: Callable[..., tuple]):
        self._learner, self._prepare = learner, prepare

    def train(
        self,
        net,
        train_iter,
        test_iter,
        num_epochs: int,
        loss,
        trainer,
        device,
        scheduler=None,
        *,
        per: str = 'epoch',
        metric: str | None = None,
        seed: int = 0,
        progress: bool = True,
        checkpoint: str | os.PathLike | None = None,
        extend: bool = False,
        on_epoch: Callback | None = None,
        on_update: Callback | None = None,
    ) -> History:
        """Train `net` from fresh weights and return the `History`.

        `scheduler` gives the learning rate at t, counted from 0 in the unit `per`
        names: 'epoch' or 'update'; a `Plan` says both by itself. Without one the
        trainer's own rate, or its own `lr_scheduler`, stands. A `PlateauScheduler`
        follows `metric`, the name of a measure of the `History`: the training loss, if
        nothing else is said. Weights (Xavier) and the
        order of `Batches` come from `seed`, and `trainer` starts anew: the same call on
        the same machine, with as many threads, gives the same history, bit for bit. Any
        other iterable of minibatches that has a length will do, in its own order.

        A loss that is not finite, Ctrl-C and a device out of memory end the run early;
        the history says so in `status` and keeps what was learned until then. With
        `checkpoint`, a path, the run is saved there after every epoch, and the same
        call again goes on from there to the very same history; with `extend`, also one
        of more epochs. `on_epoch` and `on_update` are called with the growing history
        after each epoch and each update; one that returns True stops the run.

        Raises ValueError, with the remedy, for a bad argument, for a schedule in both
        places, for a checkpoint of another run or with a schedule that is no function
        of t, and, where the loss is a cross-entropy, for labels that are no class
        numbers: at once those of `Batches`, others in the first epoch.
        """
        steps = partial(
            self.train_steps,
            *(net, train_iter, test_iter, num_epochs, loss, trainer, device, scheduler),
            per=per,
            metric=metric,
            seed=seed,
            checkpoint=checkpoint,
            extend=extend,
        )
        return watched(steps, progress, on_epoch, on_update)

    def train_steps(
        self,
        net,
        train_iter,
        test_iter,
        num_epochs: int,
        loss,
        trainer,
        device,
        scheduler=None,
        *,
        per: str = 'epoch',
        metric: str | None = None,
        seed: int = 0,
        queue: int | None = None,
        checkpoint: str | os.PathLike | None = None,
        extend: bool = False,
        kernels: str | None = None,
        on_epoch: Callback | None = None,
        on_update: Callback | None = None,
    ) -> Generator[History]:
        """Do what `train` does, but yield the growing `History` after every update.

        The device works through a queue of updates while Python is ahead of it; `queue`
        bounds its length, so that a rate set by hand takes effect within so many
        updates. Leaving the `for` loop over it stops the run, like Ctrl-C. `kernels`:
        those of a run that is to come out again bit for bit, as its environment names
        them; without it, the fastest here. Raises what `train` does.
        """
        learner = self._learner(net, loss, trainer, device)
        learner.kernels = kernels or learner.kernels
        seed = whole_number('seed', seed, at_least=0)
        num_epochs = whole_number('num_epochs', num_epochs)
        if not hasattr(train_iter, '__len__') or not len(train_iter):
            raise ValueError(
                'train_iter must have a length of at least one minibatch, as Batches, '
                f'a DataLoader or a list has, got {train_iter!r:.80}'
            )
        batches = len(train_iter)
        plan: Plan | None = None
        if scheduler is not None:
            plan = plan_of(scheduler, num_epochs, per, batches)
        measure = followed_metric(plan, metric)
        if checkpoint:
            learner.check_resumable(checkpoint)
        followed = learner.take_over(plan and plan.scheduler)
        asked = plan or Plan(followed, num_epochs, 'update', batches)
        file = None
        if checkpoint:
            settings = {'metric': measure, **learner.settings()}
            file = Checkpoint(checkpoint, asked, settings, extend=extend)
        history = begun(learner, asked, seed, getattr(train_iter, 'batch_size', None))
        yield from steps(
            learner,
            Run(history, plan, measure),
            train_iter,
            test_iter,
            seed,
            queue=queue,
            checkpoint=file,
            on_epoch=on_epoch,
            on_update=on_update,
        )

    def run(
        self,
        recipe: Recipe,
        seed: int,
        *,
        progress: bool = False,
        kernels: str | None = None,
    ) -> History:
        """Train as `recipe` says and return the `History`.

        `kernels` as for `train_steps`. Raises ValueError for a recipe of the book's
        printed objects in PyTorch: those are MXNet's.
        """
        return watched(partial(self.run_steps, recipe, seed, kernels=kernels), progress)

    def run_steps(
        self,
        recipe: Recipe,
        seed: int,
        *,
        queue: int | None = None,
        kernels: str | None = None,
        on_epoch: Callback | None = None,
        on_update: Callback | None = None,
        net=None,
    ) -> Generator[History]:
        """Do what `run` does, but yield the growing `History` as `train_steps` does.

        `net`: the net to train, which the caller can then look at; without it, a new
        one.
        """
        net, train_iter, test_iter, loss, trainer, device = self._prepare(recipe, net)
        return self.train_steps(
            net,
            train_iter,
            test_iter,
            recipe.num_epochs,
            loss,
            trainer,
            device,
            None if recipe.printed else recipe.scheduler,
            per=recipe.per,
            seed=seed,
            queue=queue,
            kernels=kernels,
            on_epoch=on_epoch,
            on_update=on_update,
        )

    def range_test(
        self,
        net,
        train_iter,
        loss,
        trainer,
        device,
        low: float = 1e-3,
        high: float = 10,
        num_updates: int = 100,
        seed: int = 0,
    ) -> RangeTest:
        """Return how the loss of `net` answers to a rate that rises from low to high.

        Weights and the order of the minibatches come from `seed`; afterwards net,
        trainer and random generators are as before. `training.range_test` says what it
        does, and when it raises ValueError.
        """
        learner = self._learner(net, loss, trainer, device)
        return range_test(learner, train_iter, low, high, num_updates, seed)


def followed_metric(plan: Plan | None, metric: str | None) -> str:
    """Return the name of the measure that a plan's `PlateauScheduler` follows.

    Raises ValueError for a measure that the loop has not, and for one that gets better
    in the other direction than the scheduler's `mode` says.
    """
    chosen = metric or 'train_loss'
    if chosen not in METRICS:
        raise ValueError(f'metric must be one of {", ".join(METRICS)}, got {metric!r}')
    scheduler = plan and plan.scheduler
    if isinstance(scheduler, PlateauScheduler):
        right = [name for name, mode in METRICS.items() if mode == scheduler.mode]
        if chosen not in right:
            raise ValueError(
                f'metric must be {" or ".join(map(repr, right))} for a PlateauScheduler '
                f'with mode={scheduler.mode!r}, got {chosen!r}'
            )
    elif metric:
        raise ValueError(
            f'metric={metric!r} is for a PlateauScheduler: {scheduler!r:.80} follows none'
        )
    return chosen


def from_book(framework: str) -> Callable[[str], Any]:
    """Return a module's `__getattr__`: names it lacks are those of the book's `d2l`.

    The book's is imported when a name is first asked for, since not everybody has it.
    What it returns raises AttributeError, and says where the book's is, without it or
    where it has no such name either.
    """

    def attribute(name: str) -> Any:
        lacks = f'd2l_ext.{framework} has no {name!r}'
        if name.startswith('_'):  # asked by tools, not by readers
            raise AttributeError(lacks)
        book = f'd2l.{framework}'
        try:
            return getattr(importlib.import_module(book), name)
        # its requirements are old, and fail to load in more ways than one
        except (ImportError, OSError, AttributeError) as error:
            if book in sys.modules:
                said = f"{lacks}, nor has the book's {book}"
            else:
                said = (
                    f"{lacks}; the book's own package may, but {book} cannot be "
                    f'imported ({error}): run `{sys.executable} -m d2l_ext.install`, '
                    'and install what it names'
                )
            raise AttributeError(said) from error

    return attribute
