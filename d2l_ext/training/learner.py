"""What the training loop drives."""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from d2l_ext.training.batches import passes

if TYPE_CHECKING:
    import numpy as np


class Learner(ABC):
    """A net, a loss and an optimizer on a device: what `loop.run` asks of a framework.

    A backend's learner says how its framework does each of these; the loop says when.
    What a backend leaves out does nothing.
    """

    backend: str  # 'mxnet' or 'torch'
    optimizer: str  # its name in small letters, as 'sgd'
    kernels: str | None = None  # those that compute it, where it has a choice
    writes_files: bool = True  # one of several processes that train one net does

    def take_over(self, scheduler: Any):
        """Return the schedule that the trainer follows by itself, without `scheduler`.

        Raises ValueError where the trainer would follow one beside `scheduler`.
        """

    def check_resumable(self, checkpoint: Any):
        """Raise ValueError where a checkpoint could not hold all that training keeps."""

    def settings(self) -> dict:
        """Return what updates depend on beside the rate, as {'momentum': 0.9}."""
        return {}

    def seed(self, seed: int):
        """Seed what the net itself draws, as dropout does."""

    def settle(self, train_iter: Iterable):
        """Let the layers see their shapes."""

    def begin(self, train_iter: Iterable, rng: np.random.Generator):
        """Draw the first weights; make the trainer as good as new."""

    def resume(self, epoch: int):
        """Note that `epoch` epochs are behind, in a checkpoint or none."""

    def minibatches(
        self, train_iter: Iterable, epoch: int, rng: np.random.Generator
    ) -> Iterator[Any]:
        """Return the minibatches of an epoch, in an order from `rng` or their own."""
        return passes(train_iter, rng)

    def examples(self, X, y=None) -> int:
        """Return how many examples a minibatch has."""
        return len(X)

    @abstractmethod
    def update(self, X, y, lr: float | None) -> Callable[[], object]:
        """Queue one update with the rate `lr`, None for the trainer's own.

        Returns a function that waits for it.
        """

    @abstractmethod
    def applied_lr(self) -> float:
        """Return the rate of the last update."""

    @abstractmethod
    def totals(self) -> list:
        """Return summed loss and hits since the last call: waits for the device."""

    @abstractmethod
    def accuracy(self, test_iter: Iterable) -> float:
        """Return the share of `test_iter` that the net gets right."""

    def state(self) -> dict[str, np.ndarray]:
        """Return {name: array} of the weights and of what the trainer remembers."""
        raise NotImplementedError

    def load_state(self, arrays: dict[str, np.ndarray]):
        """Go back to where `state` was called."""
        raise NotImplementedError

    def keep_random(self) -> contextlib.AbstractContextManager:
        """Make what is drawn afterwards independent of what is drawn inside."""
        return contextlib.nullcontext()

    def end(self):
        """Give the trainer back with the rate or the scheduler that it came with."""

    @abstractmethod
    def environment(self) -> dict:
        """Return what the run's numbers may depend on: versions, the device."""


def xavier(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return a float32 weight drawn uniformly from [-a, a].

    a = sqrt(6 / (fan_in + fan_out)) with fan_in = shape[1] r, fan_out = shape[0] r
    and r the product of shape[2:]. Both backends begin from these same numbers.

    >>> import numpy as np
    >>> xavier((120, 400), np.random.default_rng(0)).shape
    (120, 400)

    Source: Glorot and Bengio (2010); book section 4.8.
    """
    receptive_field = math.prod(shape[2:])
    bound = math.sqrt(6 / ((shape[0] + shape[1]) * receptive_field))
    return rng.uniform(-bound, bound, shape).astype('float32')
