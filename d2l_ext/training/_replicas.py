"""Many runs of one net at once, in PyTorch: seeds, schedules or both.

One update of all runs is one batched computation, meant for a GPU that one LeNet leaves
mostly idle. A CPU does better with a process for each run.
"""

import itertools

import numpy
import torch
from torch import func

from d2l_ext.plan import plan_of, whole_number
from d2l_ext.training import learner, loop
from d2l_ext.training._torch import initialize
from d2l_ext.training._torch_step import Replayed
from d2l_ext.training.history import History


def train_many(
    net,
    train_iter,
    test_iter,
    num_epochs: int,
    loss,
    device,
    schedulers,
    *,
    per: str = 'epoch',
    seeds=(0,),
) -> list[History]:
    """Train `net` once with each of `schedulers` and each of `seeds`, all at once.

    Returns a `History` for each pair, in the order of `itertools.product`. Each is that
    of `torch.train` with plain SGD, up to rounding; `seconds` are those of all runs
    together. `train_iter` is `Batches`, and `loss` a mean over its examples. A run that
    diverges ends there; the others go on. Raises ValueError without any pair, and for
    what is no schedule or no seed.
    """
    batches = len(train_iter)
    plans = [plan_of(s, num_epochs, per, batches) for s in schedulers]
    seeds = [whole_number('seed', seed, at_least=0) for seed in seeds]
    pairs = [*itertools.product(plans, seeds)]
    if not pairs:
        raise ValueError(
            f'schedulers and seeds must have one each at least, got {schedulers!r} '
            f'and {seeds!r}'
        )
    replicas = Replicas(net, loss, device, [seed for _, seed in pairs])
    size = train_iter.batch_size
    runs = Runs(
        loop.Run(loop.begun(replicas, plan, seed, size), plan) for plan, seed in pairs
    )
    for _ in loop.steps(replicas, runs, train_iter, test_iter, seed=0):
        pass
    return runs.history


class Runs:
    """Several `loop.Run`s under way together: what is one number there, is a list."""

    def __init__(self, runs):
        self.runs = [*runs]

    @property
    def history(self):
        return [run.history for run in self.runs]

    @property
    def is_over(self):
        return all(run.is_over for run in self.runs)

    @property
    def epochs(self):
        return self.runs[0].epochs

    def lr(self, epoch):
        return [run.lr(epoch) for run in self.runs]

    def updated(self, rates):
        for run, lr in zip(self.runs, rates):
            if not run.is_over:
                run.updated(lr)

    def epoch_done(self, totals, count, accuracies, seconds):
        for run, *ours, accuracy in zip(self.runs, *totals, accuracies):
            if not run.is_over:
                run.epoch_done(ours, count, accuracy, seconds)

    def end(self, status):
        for run in self.runs:
            run.end(status)


class Replicas(learner.Learner):
    """Copies of a net, every parameter stacked along a new first axis.

    Rates, losses, hits and accuracies are lists with one number for each.
    """

    backend, optimizer = 'torch', 'sgd'

    def __init__(self, net, loss, device, seeds):
        self.net, self.loss, self.device = net.to(device), loss, torch.device(device)
        self.rngs, first = [numpy.random.default_rng(seed) for seed in seeds], []
        for rng in self.rngs:
            torch.manual_seed(int(rng.integers(2**31)))
            initialize(net, rng)
            first.append([p.detach().clone() for p in net.parameters()])
        names = [name for name, _ in net.named_parameters()]
        self.weights = dict(zip(names, map(torch.stack, zip(*first))))
        self.lr = torch.zeros(len(seeds), device=device)
        self.rates = None
        self.sums = torch.zeros(2, len(seeds), dtype=torch.float64, device=device)
        self.step = self._step
        if self.device.type == 'cuda':
            self.step = Replayed(self._step)
        each = func.grad_and_value(self._loss, has_aux=True)
        self.gradients = func.vmap(each, randomness='different')
        self.outputs = func.vmap(self._outputs, in_dims=(0, None))

    def minibatches(self, train_iter, epoch, rng):
        """Yield minibatches of shape (replicas, n, ...), each replica in its order."""
        orders = [rng.permutation(len(train_iter.X)) for rng in self.rngs]
        orders = torch.as_tensor(numpy.stack(orders), device=self.device)
        for rows in orders.split(train_iter.batch_size, dim=1):
            yield train_iter.X[rows], train_iter.y[rows]

    def examples(self, X, y=None):
        return X.shape[1]

    def update(self, X, y, lr):
        if lr != self.rates:
            self.rates = lr
            self.lr.copy_(torch.tensor(lr))
        self.step(X, y)

    def applied_lr(self):
        return self.rates

    def _step(self, X, y):
        gradients, (losses, hits) = self.gradients(self.weights, X, y)
        for name, weight in self.weights.items():
            lr = self.lr.view(-1, *[1] * (weight.ndim - 1))
            weight -= lr * gradients[name]
        self.sums += torch.stack([losses * X.shape[1], hits])

    def _outputs(self, weights, X):
        return func.functional_call(self.net, weights, (X,))

    def _loss(self, weights, X, y):
        y_hat = self._outputs(weights, X)
        return self.loss(y_hat, y), (y_hat.argmax(1) == y).sum()

    def totals(self):
        totals = self.sums.tolist()
        self.sums.zero_()
        return totals

    def accuracy(self, test_iter):
        hits, count = 0, 0
        self.net.eval()
        with torch.no_grad():
            for X, y in test_iter:
                y_hat = self.outputs(self.weights, X.to(self.device))
                hits += (y_hat.argmax(2) == y.to(self.device)).sum(1)
                count += len(X)
        self.net.train()
        return (hits.double() / count).tolist()

    def environment(self):
        versions = {'torch': torch.__version__, 'device': str(self.device)}
        return versions | {'replicas': len(self.rngs)}
