"""Minibatches of arrays that live on one device."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from d2l_ext.plan import whole_number

if TYPE_CHECKING:
    import numpy as np


class Batches:
    """Minibatches of arrays that live on one device.

    Iterating gives `(X, y)` with X of shape (batch_size, ...) and y of shape
    (batch_size,); the last batch holds what is left. With `shuffle` the order is new
    in each pass: from `rng` in `shuffled(rng)`, from the operating system otherwise.
    A backend adds `on_device(order)` and `rows(array, order)`.

    Raises ValueError for arrays of two lengths, or a `batch_size` beyond them.
    """

    def __init__(self, X, y, batch_size: int, shuffle: bool = False):
        if len(X) != len(y):
            raise ValueError(f'X and y must be of one length, got {len(X)}, {len(y)}')
        self.X, self.y, self.shuffle = X, y, shuffle
        self.batch_size = whole_number('batch_size', batch_size)
        if self.batch_size > len(X):
            raise ValueError(
                f'batch_size must be at most {len(X)}, the number of examples, '
                f'got {batch_size!r}'
            )

    def on_device(self, order: np.ndarray):
        """Return an order, an array of int32, as an array beside X."""
        raise NotImplementedError

    def rows(self, array, order):
        """Return the rows of `array` that `order` names, in that order."""
        raise NotImplementedError

    def __len__(self):
        return math.ceil(len(self.X) / self.batch_size)

    def __iter__(self):
        if self.shuffle:
            import numpy as np  # reading recordings needs none of it

            return self.shuffled(np.random.default_rng())
        return self._take(None)

    def shuffled(self, rng: np.random.Generator) -> Iterator[tuple]:
        """Iterate in an order drawn from `rng`."""
        return self._take(self.on_device(rng.permutation(len(self.X)).astype('int32')))

    def _take(self, order):
        for i in range(0, len(self.X), self.batch_size):
            rows = slice(i, min(i + self.batch_size, len(self.X)))
            if order is None:
                yield self.X[rows], self.y[rows]
            else:
                yield self.rows(self.X, order[rows]), self.rows(self.y, order[rows])


def passes(train_iter: Any, rng: np.random.Generator) -> Iterator[tuple]:
    """Iterate once over the minibatches, in an order from `rng` if they have none."""
    if getattr(train_iter, 'shuffle', False):
        return train_iter.shuffled(rng)
    return iter(train_iter)
