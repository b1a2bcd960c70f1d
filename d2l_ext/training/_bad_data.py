"""What cannot be trained with is named before it is, or after its first pass."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from d2l_ext.training.batches import Batches


def first_of(train_iter: Iterable) -> tuple:
    """Return the first minibatch; raise ValueError if there is none."""
    for batch in train_iter:
        return batch
    raise ValueError('train_iter must give at least one minibatch, got none')


def at_least_one(count: int) -> int:
    """Return the number of examples tested; raise ValueError if there were none."""
    if not count:
        raise ValueError('data_iter must give at least one example, got none')
    return count


class Labels:
    """Looks at all labels of a run, once, where the loop waits for the device anyway.

    `y` are those of the first minibatch, `classes` the outputs of the net, and
    `numbered` says that its loss takes a class number for each example. Of another loss
    only what looks like class numbers is checked, and only here: what a net is
    regressed to may be anything. Each method raises what `check_labels` does.
    """

    def __init__(self, train_iter: Iterable, y, classes: int, numbered: bool):
        self.classes, self.untested = classes, numbered
        self.left: float = 0  # minibatches that nobody has looked at
        self.noted: list = []
        labels = y
        if isinstance(train_iter, Batches):
            labels = train_iter.y
        elif numbered:
            # without a length, it is for a range test, which soon ends by itself
            endless = not hasattr(train_iter, '__len__')
            self.left = math.inf if endless else len(train_iter)  # type: ignore[arg-type]
        if numbered or (labels.ndim == 1 and 'int' in str(labels.dtype)):
            check_labels(labels, classes)

    def note(self, y):
        """Keep the labels of an update for `check`, in the first pass."""
        if self.left:
            self.left -= 1
            # a copy, which the device makes in its own time: y may be filled again
            self.noted.append(y + 0)

    def check(self):
        """Look at what was noted: waits for the device."""
        noted, self.noted = self.noted, []
        for y in noted:
            check_labels(y, self.classes)

    def tested(self, test_iter: Iterable) -> Iterable:
        """Return `test_iter`, with its labels looked at in its first pass."""
        if not self.untested:
            return test_iter
        self.untested = False
        if not isinstance(test_iter, Batches):
            return self._noting(test_iter)
        check_labels(test_iter.y, self.classes)
        return test_iter

    def _noting(self, test_iter) -> Iterator[tuple]:
        for X, y in test_iter:
            self.noted.append(y + 0)
            yield X, y
        self.check()


def check_labels(labels, classes: int):
    """Raise ValueError unless an array is class numbers from 0 to `classes` - 1."""
    if labels.ndim != 1:
        raise ValueError(
            f'y must have the shape (n,), a class number for each example, got shape '
            f'{tuple(labels.shape)}: y.reshape(-1) makes (n,) of (n, 1)'
        )
    numbers = np.array(labels.tolist())
    wrong = numbers[~np.isin(numbers, np.arange(classes))]
    if wrong.size:
        raise ValueError(
            f'y must be class numbers from 0 to {classes - 1}, as many as the net '
            f'has outputs, got {wrong[0]}'
        )
