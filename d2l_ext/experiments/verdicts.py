"""The section's claims: each with a measure, a control, and a verdict from recordings.

A claim is about the sign of a mean over the seeds with which its runs learned. It is *confirmed* if the mean's 95 %
confidence interval is on the claimed side of 0, *refuted* if it is on the other side,
and *not distinguishable* if it holds 0. Chance alone would confirm or refute about one
claim in twenty.
"""

import statistics
from typing import NamedTuple

from d2l_ext.experiments import store
from d2l_ext.experiments.statistics import (
    Measure,
    Paired,
    learned,
    paired,
    same_seed,
)
from d2l_ext.experiments.tables import aligned
from d2l_ext.training.history import History

CONFIRMED, REFUTED = 'confirmed', 'refuted'
UNDECIDED, UNRECORDED = 'not distinguishable', 'not recorded yet'


def train_loss(history: History) -> float:
    """Return the training loss of the last epoch."""
    return history.train_loss[-1]


def accuracy(history: History) -> float:
    """Return the test accuracy after the last epoch."""
    return history.test_acc[-1]


def gap(history: History) -> float:
    """Return train_acc - test_acc after the last epoch: the overfitting."""
    return history.train_acc[-1] - history.test_acc[-1]


def roughness(history: History) -> float:
    """Return how far the curve of test accuracy is from smooth; 0 is a straight line.

    The mean of |a[e + 1] - 2 a[e] + a[e - 1]|, a[e] being the accuracy after epoch e.

    >>> roughness(History(test_acc=[0.5, 0.75, 0.5]))
    0.5
    """
    a = history.test_acc
    bends = [abs(a[e + 1] - 2 * a[e] + a[e - 1]) for e in range(1, len(a) - 1)]
    return statistics.fmean(bends) if bends else 0.0


def early_loss(history: History) -> float:
    """Return the training loss of the fifth epoch, the last of the book's warmup."""
    return history.train_loss[:5][-1]


class Claim(NamedTuple):
    """A claim of the section: `measure` of the runs has this `sign` beside a control.

    `runs`: {(data, variant): (recipe, control)}; without a control the measure itself
    is looked at.
    """

    text: str
    measure: Measure
    sign: int
    runs: dict[tuple[str, str], tuple[str, str | None]]


class Verdict(NamedTuple):
    """What the recordings say to a claim: an answer, and the `Paired` it rests on."""

    answer: str
    pairs: Paired | None = None

    def __repr__(self) -> str:
        return f'{self.answer}: {self.pairs}' if self.pairs else self.answer


def _beside(schedule, control):
    """Return the runs of a claim that one schedule does better than another."""
    printed = 'constant_0.5', 'full_constant'
    if control != 'constant':
        printed = f'{control}_printed', f'full_{control}_printed'
    return {
        ('full', 'as meant'): (f'full_{schedule}', f'full_{control}'),
        ('full', 'as printed'): (f'full_{schedule}_printed', printed[1]),
        ('mini', 'as meant'): (f'{schedule}_0.3', f'{control}_0.3'),
        ('mini', 'as printed'): (f'{schedule}_printed', printed[0]),
    }


# On the mini set, as meant, from a base rate that all runs survive
CLAIMS = {
    'overfitting': Claim(
        'a constant rate overfits: train acc above test acc',
        gap,
        +1,
        {
            ('full', 'as meant'): ('full_constant', None),
            ('mini', 'as meant'): ('constant_0.3', None),
        },
    ),
    'less overfitting': Claim(
        'square root: less overfitting than a constant rate',
        gap,
        -1,
        _beside('square_root', 'constant'),
    ),
    'smoother': Claim(
        'square root: a smoother curve than a constant rate',
        roughness,
        -1,
        _beside('square_root', 'constant'),
    ),
    'better minimum': Claim(
        'multi-factor: a lower train loss than a constant rate',
        train_loss,
        -1,
        _beside('multi_factor', 'constant'),
    ),
    'better solution': Claim(
        'multi-factor: a higher test acc than a constant rate',
        accuracy,
        +1,
        _beside('multi_factor', 'constant'),
    ),
    'no improvement': Claim(
        'cosine: no higher test acc than a constant rate',
        accuracy,
        -1,
        _beside('cosine', 'constant'),
    ),
    'initially': Claim(
        'warmup: a lower train loss than cosine alone, after 5 epochs',
        early_loss,
        -1,
        _beside('warmup_cosine', 'cosine'),
    ),
}


def verdict(claim: str, data: str = 'full', variant: str = 'as meant') -> Verdict:
    """Return the `Verdict` of the recordings on a claim of `CLAIMS`.

    `data`: 'full' or 'mini'; `variant`: 'as meant' or 'as printed'.

    Raises ValueError if there is no such claim, or none of this data and variant.

    >>> verdict('overfitting').answer
    'confirmed'
    """
    _, measure, sign, runs = _claim(claim)
    if (data, variant) not in runs:
        there = ', '.join(map(' '.join, runs))
        raise ValueError(f'{claim!r} is looked at {there}, got {data!r}, {variant!r}')
    names = filter(None, runs[data, variant])
    pairs = same_seed(*(store.load(n) if store.seeds(n) else () for n in names))
    if len(pairs) < 2:
        return Verdict(UNRECORDED)
    pairs = learned(pairs)
    if not pairs:
        return Verdict(f'{UNDECIDED}: a run of each pair learned nothing')
    values = [measure(pair[0]) for pair in pairs]
    others = [measure(pair[1]) if len(pair) > 1 else 0 for pair in pairs]
    differences = paired(values, others)
    low, high = sorted(sign * end for end in differences.interval)
    answer = CONFIRMED if low > 0 else REFUTED if high < 0 else UNDECIDED
    return Verdict(answer, differences)


def verdicts(*names: str) -> str:
    """Return the verdicts on the claims of these names, or on all, as text.

    Below a claim stands a line for each set of data and each variant.

    Raises ValueError if there is no such claim.
    """
    blocks = []
    for name in names or CLAIMS:
        claim = _claim(name)
        rows = [
            (f'  {data} set, {variant}', verdict(name, data, variant))
            for data, variant in claim.runs
        ]
        blocks.append(f'{claim.text}\n{aligned(rows)}')
    return '\n'.join(blocks)


def _claim(name):
    if name not in CLAIMS:
        raise ValueError(f'claim must be one of {", ".join(CLAIMS)}, got {name!r}')
    return CLAIMS[name]
