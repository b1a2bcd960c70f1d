"""One update of a PyTorch net, and the same captured once in a CUDA graph."""

import collections

import torch
from torch import nn


def takes_class_numbers(loss, y):
    """Tell whether labels such as y are class numbers to this loss, one an example."""
    shares = y.ndim > 1 and y.is_floating_point()
    return isinstance(loss, (nn.CrossEntropyLoss, nn.NLLLoss)) and not shares


class Step:
    """Forward, loss, backward and optimizer; losses and hits are summed on the device.

    `lr` is the rate of the next update, as a float; `sums` what was summed.
    """

    def __init__(self, net, loss, trainer, device):
        self.net, self.loss, self.trainer = net, loss, trainer
        self.sums = torch.zeros(2, dtype=torch.float64, device=device)

    @property
    def lr(self):
        return float(self.trainer.param_groups[0]['lr'])

    @lr.setter
    def lr(self, lr):
        for group in self.trainer.param_groups:
            group['lr'] = lr

    def __call__(self, X, y):
        self.trainer.zero_grad()
        y_hat = self.net(X)
        l = self.loss(y_hat, y)
        l_sum = l.sum() if l.ndim else l * len(X)
        (l_sum / len(X)).backward()
        self.trainer.step()
        hits = (y_hat.detach().argmax(1) == y).sum()
        self.sums += torch.stack([l_sum.detach(), hits])
        # the next update must not find this one's weights, cast to another type
        torch.clear_autocast_cache()


class GraphStep(Step):
    """The same for SGD, replayed from CUDA graphs, which read the rate from a tensor."""

    def __init__(self, net, loss, trainer, device):
        super().__init__(net, loss, trainer, device)
        self.rates = [float(group['lr']) for group in trainer.param_groups]
        self.tensors = [torch.tensor(lr, device=device) for lr in self.rates]
        for group, tensor in zip(trainer.param_groups, self.tensors):
            # the one kind of update that reads its rate from a tensor
            group.update(lr=tensor, fused=True, foreach=False)
        self.replayed = Replayed(super().__call__)

    @property
    def lr(self):
        return self.rates[0]

    @lr.setter
    def lr(self, lr):
        for i, tensor in enumerate(self.tensors):
            if self.rates[i] != lr:
                self.rates[i] = lr
                tensor.fill_(lr)

    def __call__(self, X, y):
        self.replayed(X, y)


class Replayed:
    """`step(X, y)` in one launch: a CUDA graph for each shape of minibatch.

    The first `EAGER` calls of a shape run as they are, on a stream of their own, as
    CUDA asks of what is to be captured.
    """

    EAGER = 3

    def __init__(self, step):
        self.step, self.seen, self.graphs = step, collections.Counter(), {}

    def __call__(self, X, y):
        shapes = X.shape, y.shape
        if self.seen[shapes] < self.EAGER:
            self.seen[shapes] += 1
            on_side_stream(self.step, X, y)
            return
        if shapes not in self.graphs:
            inputs = X.clone(), y.clone()
            self.graphs[shapes] = *inputs, capture(self.step, *inputs)
        X_read, y_read, replay = self.graphs[shapes]
        X_read.copy_(X)
        y_read.copy_(y)
        replay()


def on_side_stream(step, X, y):
    """Run `step(X, y)` on a new stream, between all work before it and after it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step(X, y)
    torch.cuda.current_stream().wait_stream(stream)


def capture(step, X, y):
    """Return a function that does `step` again, on what X and y hold by then."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(X, y)
    return graph.replay
