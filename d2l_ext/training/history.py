"""What came out of a run."""

import dataclasses
import itertools
import json
import math
import os

from d2l_ext.training._files import from_strict, to_strict, write_whole


@dataclasses.dataclass(eq=False)
class History:
    """What came out of a run, and from what recipe.

    `train_loss`, `train_acc` and `test_acc` hold one value per finished epoch, `lr`
    the rate really applied at every update. `status` is 'running', 'finished',
    'diverged', 'stopped' or 'out of memory'. Two histories are equal if their numbers
    are; `seconds` per epoch, the `environment` and how a schedule is printed do not
    count.

    >>> history = History({'num_epochs': 2}, [1.2, 0.8], [0.6, 0.7], [0.5, 0.65])
    >>> History.from_json(history.to_json()) == history
    True
    """

    recipe: dict = dataclasses.field(default_factory=dict)
    train_loss: list[float] = dataclasses.field(default_factory=list)
    train_acc: list[float] = dataclasses.field(default_factory=list)
    test_acc: list[float] = dataclasses.field(default_factory=list)
    lr: list[float] = dataclasses.field(default_factory=list)
    status: str = 'running'
    seconds: list[float] = dataclasses.field(default_factory=list)
    environment: dict = dataclasses.field(default_factory=dict)

    def __eq__(self, other):
        if not isinstance(other, History):
            return NotImplemented
        return _numbers(self) == _numbers(other)

    def __repr__(self):
        if not self.train_loss:
            return f'History: no epoch finished, {self.status}'
        epochs = f'{len(self.train_loss)}/{self.recipe.get("num_epochs", "?")}'
        return (
            f'epoch {epochs}, train loss {self.train_loss[-1]:.3f}, '
            f'train acc {self.train_acc[-1]:.3f}, test acc {self.test_acc[-1]:.3f}'
            + ('' if self.status in ('running', 'finished') else f', {self.status}')
        )

    def epoch_done(
        self, train_loss: float, train_acc: float, test_acc: float, seconds: float
    ):
        """Add a finished epoch; the run has ended if it is the last, or diverged."""
        self.seconds.append(seconds)
        self.test_acc.append(test_acc)
        self.train_acc.append(train_acc)
        # last, as an epoch counts as finished once it has a loss
        self.train_loss.append(train_loss)
        if not math.isfinite(train_loss):
            self.status = 'diverged'
        elif len(self.train_loss) == self.recipe.get('num_epochs'):
            self.status = 'finished'

    def epoch_lr(self) -> list[list[float]]:
        """Return the applied rates of each finished or begun epoch, as lists."""
        if not self.lr:
            return []
        n = self.recipe.get('batches_per_epoch', len(self.lr))
        return [self.lr[i : i + n] for i in range(0, len(self.lr), n)]

    def to_json(self) -> str:
        """Return the history as strict JSON: equal rates in a row as (rate, count)."""
        fields = dataclasses.asdict(self)
        fields['lr'] = [[lr, len(list(run))] for lr, run in itertools.groupby(self.lr)]
        return json.dumps(to_strict(fields), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> 'History':
        """Return the history that `to_json` wrote.

        Raises ValueError if `text` is something else.
        """
        try:
            fields = json.loads(text, object_hook=from_strict)
            fields['lr'] = [lr for lr, count in fields['lr'] for _ in range(count)]
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f'this is no History in JSON: {error}') from error

    def save(self, path: str | os.PathLike):
        """Write the history to `path`, whole or not at all."""
        write_whole(path, self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike) -> 'History':
        """Return the history that `save` wrote to `path`.

        Raises ValueError if the file holds something else, OSError if it cannot be read.
        """
        with open(path, encoding='utf-8') as file:
            return cls.from_json(file.read())


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with the history of the run that it stopped, which may be yet to begin."""

    def __init__(self, history: History):
        super().__init__(history)
        self.history = history


def _numbers(history):
    # spelt, because a nan is not equal to itself
    fields = to_strict(dataclasses.asdict(history))
    del fields['seconds'], fields['environment']
    # the rates tell what the schedule was; a function prints as its address
    fields['recipe'].pop('scheduler', None)
    return fields
