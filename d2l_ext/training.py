"""What every training run shares, whatever the framework: its history and its seed."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import math
import os
import threading

from d2l_ext.schedulers import PlateauScheduler, Scheduler


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What to run: LeNet on Fashion-MNIST by plain SGD, with one schedule.

    `scheduler` counts in the unit `per`. A recipe with `printed` runs the book's own
    scheduler object of that name instead, handed to the framework as the book does.

    >>> Recipe(printed='cosine', per='update').content_hash(seed=0)[:12]
    '2aa33243c298'
    """

    scheduler: Scheduler | None = None
    per: str = 'epoch'
    num_epochs: int = 30
    batch_size: int = 64
    subset: str = 'mini'
    printed: str = ''
    net: str = 'lenet'
    optimizer: str = 'sgd'
    backend: str = 'mxnet'

    def values(self, seed):
        """Return the recipe and a seed as plain values; a scheduler is its repr."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        scheduler = None if self.printed else repr(self.scheduler)
        return values | {'scheduler': scheduler, 'seed': seed}

    def content_hash(self, seed):
        """Return the SHA-256 of `values(seed)` as JSON with sorted keys, no spaces."""
        text = json.dumps(self.values(seed), sort_keys=True, separators=(',', ':'))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclasses.dataclass(eq=False)
class History:
    """What came out of a run, and from what recipe.

    `train_loss`, `train_acc` and `test_acc` hold one value per finished epoch, `lr`
    the rate really applied at every update. `status` is 'running', 'finished',
    'diverged', 'stopped' or 'out of memory'. Two histories are equal if their numbers
    are; `seconds` per epoch and the `environment` do not count.

    >>> history = History({'num_epochs': 2}, [1.2, 0.8], [0.6, 0.7], [0.5, 0.65])
    >>> History.from_json(history.to_json()) == history
    True
    """

    recipe: dict = dataclasses.field(default_factory=dict)
    train_loss: list = dataclasses.field(default_factory=list)
    train_acc: list = dataclasses.field(default_factory=list)
    test_acc: list = dataclasses.field(default_factory=list)
    lr: list = dataclasses.field(default_factory=list)
    status: str = 'running'
    seconds: list = dataclasses.field(default_factory=list)
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

    def plot(self):
        """Return the figure of loss, accuracies and applied rate against epochs."""
        from d2l_ext import plots

        return plots.figure(*plots.history_panels(self))

    def epoch_lr(self):
        """Return the applied rates of each finished or begun epoch, as lists."""
        if not self.lr:
            return []
        n = self.recipe.get('batches_per_epoch', len(self.lr))
        return [self.lr[i : i + n] for i in range(0, len(self.lr), n)]

    def to_json(self):
        """Return the history as strict JSON: equal rates in a row as (rate, count)."""
        fields = dataclasses.asdict(self)
        fields['lr'] = [[lr, len(list(run))] for lr, run in itertools.groupby(self.lr)]
        return json.dumps(_spell(fields), allow_nan=False)

    @classmethod
    def from_json(cls, text):
        """Return the history that `to_json` wrote.

        Raises ValueError if `text` is something else.
        """
        try:
            fields = json.loads(text, object_hook=_unspell)
            fields['lr'] = [lr for lr, count in fields['lr'] for _ in range(count)]
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f'this is no History in JSON: {error}') from error

    def save(self, path):
        """Write the history to `path`, whole or not at all."""
        write_whole(path, self.to_json())

    @classmethod
    def load(cls, path):
        """Return the history that `save` wrote to `path`."""
        with open(path, encoding='utf-8') as file:
            return cls.from_json(file.read())


def write_whole(path, content):
    """Write text or bytes to the file `path`, whole or not at all."""
    if isinstance(content, str):
        content = content.encode()
    temporary = f'{path}.{os.getpid()}-{threading.get_ident()}.part'
    try:
        with open(temporary, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # some disks say only here that they are full
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def whole_number(name, value, at_least=1):
    """Return `value` as an int; a slider's 40.0 will do.

    Raises ValueError unless it is a whole number >= `at_least`.

    >>> whole_number('num_epochs', 40.0)
    40
    """
    try:
        number = int(value)
        right = number == value and number >= at_least
    except (OverflowError, TypeError, ValueError):
        right = False
    if not right:
        raise ValueError(f'{name} must be a whole number >= {at_least}, got {value!r}')
    return number


def known_unit(per):
    """Return `per`, the unit that a schedule counts in.

    Raises ValueError unless it is 'epoch' or 'update'.

    >>> known_unit('epoch')
    'epoch'
    """
    if per not in ('epoch', 'update'):
        raise ValueError(f"per must be 'epoch' or 'update', got {per!r}")
    return per


def scheduled_lr(scheduler, per, epoch, update, metrics=()):
    """Return the rate of an update, in the unit that `per` names.

    `per='epoch'`: scheduler(epoch), the same for all updates of an epoch.
    `per='update'`: scheduler(update). Both count from 0. A `PlateauScheduler` is asked
    for its rate after `metrics`, the training losses so far.

    >>> scheduled_lr(lambda t: 0.5 / (t + 1), 'epoch', epoch=1, update=94)
    0.25
    """
    known_unit(per)
    if isinstance(scheduler, PlateauScheduler):
        return scheduler.at(metrics)
    lr = float(scheduler(epoch if per == 'epoch' else update))
    if not 0 <= lr < math.inf:
        t = f'{per} {epoch if per == "epoch" else update}'
        raise ValueError(
            f'{scheduler!r} gives the rate {lr} at {t}; it must be finite and >= 0'
        )
    return lr


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


def _numbers(history):
    # spelt, because a nan is not equal to itself
    fields = _spell(dataclasses.asdict(history))
    del fields['seconds'], fields['environment']
    return fields


def _spell(value):
    """Replace nan and inf by their names: strict JSON has no such numbers."""
    if isinstance(value, dict):
        return {key: _spell(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spell(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {'float': repr(value)}
    return value


def _unspell(fields):
    return float(fields['float']) if fields.keys() == {'float'} else fields
