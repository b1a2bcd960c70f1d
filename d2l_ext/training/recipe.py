"""What to run: a schedule, a net, data and how long."""

import dataclasses
import hashlib
import json

from d2l_ext.schedulers import Scheduler


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
