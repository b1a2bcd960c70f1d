"""What to run: a schedule, a net, data and how long."""

import dataclasses
import hashlib
import json
import math

from d2l_ext.data import SIZES
from d2l_ext.plan import Plan, whole_number
from d2l_ext.schedulers import Scheduler

PRINTED = 'square_root', 'factor', 'multi_factor', 'cosine', 'warmup_cosine'
CHOICES = {
    'per': ('epoch', 'update'),
    'subset': tuple(SIZES),
    'printed': ('', *PRINTED),
    'net': ('lenet', 'plain'),
    'optimizer': ('sgd', 'adam'),
    'backend': ('mxnet', 'torch'),
}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What to run: a net on Fashion-MNIST, with one schedule.

    `scheduler`, one of `d2l_ext.schedulers`, counts in the unit `per`. A recipe with
    `printed` runs the book's own scheduler object of that name instead, handed to the
    framework as the book does. `optimizer` has its framework's settings but for the
    rate. Raises ValueError, with the remedy, for what cannot be run.

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

    def __post_init__(self):
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f'{name} must be one of {", ".join(map(repr, choices))}, '
                    f'got {getattr(self, name)!r}'
                )
        for name in 'num_epochs', 'batch_size':
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        if not self.printed and not isinstance(self.scheduler, Scheduler):
            raise ValueError(
                'scheduler must be one of d2l_ext.schedulers, or printed the name of '
                f"the book's own object, got {self.scheduler!r}"
            )

    @classmethod
    def of(cls, plan: Plan, **settings) -> 'Recipe':
        """Return the recipe that follows `plan`; `settings`: the other fields.

        Raises ValueError where an epoch of that run has another number of updates.

        >>> from d2l_ext.schedulers import ConstantScheduler
        >>> Recipe.of(Plan(ConstantScheduler(0.3), 10)).num_epochs
        10
        """
        recipe = cls(plan.scheduler, plan.per, plan.num_epochs, **settings)
        batches = recipe.batches_per_epoch
        if plan.per == 'update' and plan.batches_per_epoch != batches:
            raise ValueError(
                f'batches_per_epoch must be {batches}, the updates of an epoch of this '
                f'run, got a Plan with {plan.batches_per_epoch}'
            )
        return recipe

    @property
    def batches_per_epoch(self) -> int:
        """How many updates an epoch has.

        >>> from d2l_ext.schedulers import ConstantScheduler
        >>> Recipe(ConstantScheduler(0.5), batch_size=256).batches_per_epoch
        24
        """
        return math.ceil(SIZES[self.subset][0] / self.batch_size)

    @property
    def plan(self) -> Plan:
        """The schedule in this run, a `Plan`.

        Raises ValueError for a recipe of a `printed` object, which is no function.
        """
        if self.printed:
            raise ValueError(
                f'printed={self.printed!r} is an object that changes while it is used: '
                'it has no plan'
            )
        return Plan(self.scheduler, self.num_epochs, self.per, self.batches_per_epoch)

    def values(self, seed: int) -> dict:
        """Return the recipe and a seed as plain values; a scheduler is its repr."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        scheduler = None if self.printed else repr(self.scheduler)
        return values | {'scheduler': scheduler, 'seed': seed}

    def content_hash(self, seed: int) -> str:
        """Return the SHA-256 of `values(seed)` as JSON with sorted keys, no spaces."""
        text = json.dumps(self.values(seed), sort_keys=True, separators=(',', ':'))
        return hashlib.sha256(text.encode()).hexdigest()
