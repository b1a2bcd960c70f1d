"""Many runs of one net at once, in PyTorch: seeds, schedules or both.

One update of all runs is one batched computation, meant for a GPU that one LeNet leaves
mostly idle. A CPU does better with a process for each run.
"""

import math
import time

import numpy
import torch
from torch import func, nn

from d2l_ext import torch as d2l
from d2l_ext.plan import Plan, whole_number
from d2l_ext.training import loop
from d2l_ext.training._torch import initialize
from d2l_ext.training._torch_step import Replayed


def train_many(
    net,
    train_iter,
    test_iter,
    num_epochs,
    loss,
    schedulers,
    device,
    per='epoch',
    seeds=(0,),
):
    """Train `net` once with each of `schedulers` and each of `seeds`, all at once.

    Returns a `History` for each pair, in the order of `itertools.product`. Each is that
    of `torch.train` with plain SGD, up to rounding; `seconds` are those of all runs
    together. `train_iter` is `Batches`, and `loss` a mean over its examples. A run that
    diverges ends there; the others go on.
    """
    num_epochs = whole_number('num_epochs', num_epochs)
    pairs = [
        (scheduler, whole_number('seed', seed, at_least=0))
        for scheduler in schedulers
        for seed in seeds
    ]
    if not pairs:
        raise ValueError(
            f'schedulers and seeds must have one each at least, got {schedulers!r} '
            f'and {seeds!r}'
        )
    replicas = _Replicas(net, loss, device, [seed for _, seed in pairs])
    histories = [
        loop.begun(replicas, train_iter, num_epochs, scheduler, None, per, seed)
        for scheduler, seed in pairs
    ]
    plans = [Plan(s, num_epochs, per, len(train_iter)) for s, _ in pairs]
    n, size = len(train_iter.X), train_iter.batch_size
    for epoch in range(num_epochs):
        start = time.perf_counter()
        orders = replicas.orders(n)
        for i in range(0, n, size):
            rates = [
                plan.lr(epoch, len(h.lr), h.train_loss)
                for plan, h in zip(plans, histories)
            ]
            rows = orders[:, i : i + size]
            replicas.update(train_iter.X[rows], train_iter.y[rows], rates)
            for lr, history in zip(rates, histories):
                if history.status == 'running':
                    history.lr.append(lr)
        accuracies = replicas.accuracies(test_iter)
        losses, hits = replicas.totals()
        seconds = time.perf_counter() - start
        for h, train_loss, hit, test_acc in zip(histories, losses, hits, accuracies):
            if h.status != 'running':
                continue
            h.seconds.append(seconds)
            h.test_acc.append(test_acc)
            h.train_acc.append(hit / n)
            h.train_loss.append(train_loss / n)
            if not math.isfinite(train_loss):
                h.status = 'diverged'
    for history in histories:
        if history.status == 'running':
            history.status = 'finished'
    return histories


def run_many(recipe, schedulers, seeds):
    """Train as `recipe` says, with each of `schedulers` in place of its own.

    Returns a `History` for each scheduler and seed, in the order of `itertools.product`.
    Raises ValueError for a recipe of the book's printed objects: those are MXNet's.
    """
    if recipe.printed:
        raise ValueError(
            f'printed={recipe.printed!r} runs an object of MXNet: use d2l_ext.mxnet.run'
        )
    device = d2l.try_gpu()
    return train_many(
        d2l.NETS[recipe.net](),
        *d2l.load_data_fashion_mnist(recipe.batch_size, recipe.subset, device),
        recipe.num_epochs,
        nn.CrossEntropyLoss(),
        schedulers,
        device,
        recipe.per,
        seeds,
    )


class _Replicas:
    """Copies of a net, every parameter stacked along a new first axis."""

    backend, optimizer = 'torch', 'sgd'

    def __init__(self, net, loss, device, seeds):
        self.net, self.loss, self.device = net.to(device), loss, torch.device(device)
        self.rngs, drawn = [numpy.random.default_rng(seed) for seed in seeds], []
        for rng in self.rngs:
            torch.manual_seed(int(rng.integers(2**31)))
            initialize(net, rng)
            drawn.append([p.detach().clone() for p in net.parameters()])
        names = [name for name, _ in net.named_parameters()]
        self.weights = dict(zip(names, map(torch.stack, zip(*drawn))))
        self.lr = torch.zeros(len(seeds), device=device)
        self.rates = None
        self.sums = torch.zeros(2, len(seeds), dtype=torch.float64, device=device)
        self.step = self._step
        if self.device.type == 'cuda':
            self.step = Replayed(self._step)
        each = func.grad_and_value(self._loss, has_aux=True)
        self.gradients = func.vmap(each, randomness='different')
        self.outputs = func.vmap(self._outputs, in_dims=(0, None))

    def orders(self, n):
        """Return an order of n examples for each replica."""
        orders = numpy.stack([rng.permutation(n) for rng in self.rngs])
        return torch.as_tensor(orders, device=self.device)

    def update(self, X, y, rates):
        """Queue one update of every replica, from a minibatch and a rate for each."""
        if rates != self.rates:
            self.rates = rates
            self.lr.copy_(torch.tensor(rates))
        self.step(X, y)

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
        """Return summed losses and hits since the last call, a list of each."""
        totals = self.sums.tolist()
        self.sums.zero_()
        return totals

    def accuracies(self, test_iter):
        """Return the share of `test_iter` that each replica gets right."""
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
        """Return what the runs' numbers may depend on."""
        versions = {'torch': torch.__version__, 'device': str(self.device)}
        return versions | {'replicas': len(self.rngs)}
