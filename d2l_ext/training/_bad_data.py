"""What cannot be trained with is named before it is."""

from collections.abc import Iterable


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


def check_labels(train_iter: Iterable, y, classes: int):
    """Raise ValueError for labels outside 0 to classes - 1.

    Looked at are all labels of `Batches`, else those of the first minibatch, `y`, and
    only whole numbers: what a net is regressed to may be anything.
    """
    labels = getattr(train_iter, 'y', y)
    if labels.ndim == 1 and 'int' in str(labels.dtype):
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= classes:
            raise ValueError(
                f'y must be class numbers from 0 to {classes - 1}, as many as the net '
                f'has outputs, got {low if low < 0 else high}'
            )
