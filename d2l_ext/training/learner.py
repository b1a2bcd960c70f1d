"""What the training loop drives, and the minibatches that it takes."""

import math

import numpy

from d2l_ext.data.fashion_mnist import load_fashion_mnist
from d2l_ext.plan import whole_number


def xavier(shape, rng):
    """Return a float32 weight drawn uniformly from [-a, a] by NumPy's generator `rng`.

    a = sqrt(6 / (fan_in + fan_out)) with fan_in = shape[1] r, fan_out = shape[0] r
    and r the product of shape[2:]. Both backends begin from these same numbers.

    >>> import numpy
    >>> xavier((120, 400), numpy.random.default_rng(0)).shape
    (120, 400)

    Source: Glorot and Bengio (2010); book section 4.8.
    """
    receptive_field = math.prod(shape[2:])
    bound = math.sqrt(6 / ((shape[0] + shape[1]) * receptive_field))
    return rng.uniform(-bound, bound, shape).astype('float32')


class Batches:
    """Minibatches of arrays that live on one device.

    Iterating gives `(X, y)` with X of shape (batch_size, ...) and y of shape
    (batch_size,); the last batch holds what is left. With `shuffle` the order is new
    in each pass: from `rng` in `shuffled(rng)`, from the operating system otherwise.
    A backend adds `on_device(order)` and `rows(array, order)`.
    """

    def __init__(self, X, y, batch_size, shuffle=False):
        if len(X) != len(y):
            raise ValueError(f'X and y must be of one length, got {len(X)}, {len(y)}')
        self.X, self.y, self.shuffle = X, y, shuffle
        self.batch_size = whole_number('batch_size', batch_size)
        if self.batch_size > len(X):
            raise ValueError(
                f'batch_size must be at most {len(X)}, the number of examples, '
                f'got {batch_size!r}'
            )

    def __len__(self):
        return math.ceil(len(self.X) / self.batch_size)

    def __iter__(self):
        if self.shuffle:
            return self.shuffled(numpy.random.default_rng())
        return self._take(None)

    def shuffled(self, rng):
        """Iterate in an order drawn from `rng`, a NumPy generator."""
        return self._take(self.on_device(rng.permutation(len(self.X)).astype('int32')))

    def _take(self, order):
        for i in range(0, len(self.X), self.batch_size):
            rows = slice(i, min(i + self.batch_size, len(self.X)))
            if order is None:
                yield self.X[rows], self.y[rows]
            else:
                yield self.rows(self.X, order[rows]), self.rows(self.y, order[rows])


def scaled(subset):
    """Yield (X, y) of training and of testing, as NumPy arrays.

    X is float32 in [0, 1] of shape (n, 1, 28, 28), y int32 of shape (n,).
    """
    arrays = load_fashion_mnist(subset)
    for images, labels in (arrays[:2], arrays[2:]):
        X = images.reshape(-1, 1, 28, 28).astype('float32') / 255
        yield X, labels.astype('int32')


def passes(train_iter, rng):
    """Iterate once over the minibatches, in an order from `rng` if they have none."""
    if getattr(train_iter, 'shuffle', False):
        return train_iter.shuffled(rng)
    return iter(train_iter)
