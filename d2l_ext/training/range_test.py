"""The learning rate range test: raise the rate until training breaks down.

Seeded, and without a trace: the net, the trainer and the random generators go on as if
it had not been run. One test is an anecdote, so run it with several seeds.
"""

import contextlib
import math
from dataclasses import dataclass

import numpy as np

from d2l_ext.plan import whole_number
from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training.batches import passes
from d2l_ext.training.messages import Answers, kernel_here

# What the noise of minibatches may do by itself: a share of the loss, and so many
# standard errors, as the lowest of a test is the lowest of many. In a thousand tests of
# 60 updates that see noise alone, about two come out lower
SHARE, ERRORS = 0.05, 5
BETA = 0.9  # of the smoothing


@dataclass(frozen=True, eq=False)
class RangeTest:
    """What a range test saw: the loss of the minibatch before each update, by its rate.

    `status` is 'finished', or 'broke down' if the loss ran away before `high`.
    """

    lrs: np.ndarray
    losses: np.ndarray
    status: str

    def smooth(self, beta=BETA):
        """Return the losses averaged over the updates before: float64, same shape.

        s_k = (1 - beta) sum_j beta^(k-j) l_j / (1 - beta^k), j and k from 1 on.

        >>> RangeTest(np.ones(2), np.array([2.0, 2.0]), 'finished').smooth().tolist()
        [2.0, 2.0]
        """
        sums, s = np.empty(len(self.losses)), 0.0
        for k, l in enumerate(self.losses):
            s = beta * s + (1 - beta) * l
            sums[k] = s / (1 - beta ** (k + 1))
        return sums

    @property
    def doubt(self):
        """Why no rule can say anything about this test, in words; '' if they can.

        Below the mean of the first m losses, a fifth of all, a smoothed one must come to
        lie by a twentieth of it, and by five standard errors of that difference,
        s sqrt(1 / m + (1 - beta) / (1 + beta)), with s the scatter of those m:
        s^2 = sum_k (l_k - l_(k-1))^2 / (2 (m - 1)), k from 2 to m.

        >>> RangeTest(np.logspace(-8, -7, 50), np.full(50, 2.3), 'finished').doubt
        'the loss hardly falls between 1e-08 and 1e-07: test higher rates'
        """
        n, low, high = len(self.losses), self.lrs[0], self.lrs[-1]
        m = max(5, n // 5) if n >= 10 else 1  # fewer tell no scatter
        level, error = np.mean(self.losses[:m]), 0.0
        if m > 1:
            # by differences, so that a fall that has begun is not taken for scatter
            variance = np.mean(np.diff(self.losses[:m]) ** 2) / 2
            error = math.sqrt(variance * (1 / m + (1 - BETA) / (1 + BETA)))
        fall = level - self.smooth()[m:].min()
        if fall >= max(SHARE * level, ERRORS * error):
            return ''
        if fall >= SHARE * level:
            return (
                f'the loss falls no further than its noise might between {low:.2g} and '
                f'{high:.2g}: test with more updates or larger minibatches'
            )
        if self.status == 'broke down':
            return f'the loss runs away from {low:.2g} on: test lower rates'
        return (
            f'the loss hardly falls between {low:.2g} and {high:.2g}: test higher rates'
        )

    def suggestions(self):
        """Return what three rules in use make of it, as {name: rate}; {} in `doubt`.

        'steepest': where the smoothed loss falls fastest per factor of the rate;
        'minimum / 10': a tenth of where it is lowest; 'valley': two thirds of the way,
        in log rate, down its longest unbroken fall on the way there.

        Source: Smith (2017) for the test, fastai's and Lightning's finders for rules.
        """
        if self.doubt:
            return {}
        loss, logs = self.smooth(), np.log(self.lrs)
        lowest = int(np.argmin(loss))
        slopes = np.gradient(loss, logs)[: max(lowest, 1)]
        start = best = length = 0
        for k in range(1, lowest + 1):
            if loss[k] >= loss[k - 1]:
                start = k
            elif k - start > length:
                best, length = start, k - start
        return {
            'steepest': float(self.lrs[int(np.argmin(slopes))]),
            'minimum / 10': float(self.lrs[lowest] / 10),
            'valley': float(self.lrs[best + round(2 * length / 3)]),
        }


def rising(low: float, high: float, num_updates: int) -> np.ndarray:
    """Return the rates of a range test: float64, shape (num_updates,).

    lr_k = low (high / low)^(k / (num_updates - 1)), k = 0, 1, ...

    >>> rising(0.5, 2, num_updates=3).tolist()
    [0.5, 1.0, 2.0]
    """
    return low * (high / low) ** (np.arange(num_updates) / (num_updates - 1))


def range_test(learner, train_iter, low, high, num_updates, seed):
    """Train for `num_updates` at rates `rising` from `low` to `high`, then undo it all.

    Weights and the order of the minibatches come from `seed`. Ends early where the
    smoothed loss is four times its lowest, or not finite. In a notebook, widgets are
    answered between updates. Raises ValueError if not even two losses are finite, which
    is what the rules need, and for minibatches that come only once.
    """
    if not 0 < low < high < math.inf:
        raise ValueError(f'low and high must be 0 < low < high, got {low!r}, {high!r}')
    num_updates = whole_number('num_updates', num_updates, at_least=2)
    seed = whole_number('seed', seed, at_least=0)
    lrs = rising(low, high, num_updates)
    losses, status = [], 'finished'
    answer = Answers(kernel_here())
    learner.take_over(ConstantScheduler(low))
    with _undone(learner, train_iter):
        rng = np.random.default_rng(seed)
        learner.seed(int(rng.integers(2**31)))
        learner.begin(train_iter, rng)
        for lr, (X, y) in zip(lrs, _endless(train_iter, rng, num_updates)):
            learner.update(X, y, float(lr))
            losses.append(learner.totals()[0] / len(X))
            test = RangeTest(lrs[: len(losses)], np.array(losses), status)
            smooth = test.smooth()
            if not smooth[-1] < 4 * smooth.min():
                status = 'broke down'
                break
            answer()
    if not math.isfinite(losses[-1]):
        losses.pop()
    if len(losses) < 2:
        raise ValueError(
            f'the loss is not finite after {len(losses)} of {num_updates} updates '
            f'from low={low!r}: begin lower, or look at the net and the data'
        )
    return RangeTest(lrs[: len(losses)], np.array(losses), status)


@contextlib.contextmanager
def _undone(learner, train_iter):
    learner.settle(train_iter)
    # on a CPU the arrays may be the weights themselves
    arrays = {name: np.array(array) for name, array in learner.state().items()}
    with learner.keep_random():
        try:
            yield
        finally:
            learner.load_state(arrays)
            learner.end()


def _endless(train_iter, rng, num_updates):
    given, before = 0, -1
    while given > before:
        before = given
        for batch in passes(train_iter, rng):
            yield batch
            given += 1
    raise ValueError(
        f'train_iter gave no minibatch after {given} of {num_updates} updates: it must '
        'begin anew each time, as Batches, a DataLoader or a list does'
    )
