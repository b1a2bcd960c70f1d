"""The net, the loss and the optimizer in PyTorch, as the training loop drives them.

Imported by `torch.py` and `replicas.py`.
"""

import contextlib

import torch

from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training._torch_step import GraphStep, Step
from d2l_ext.training.learner import xavier


class Learner:
    """The net, the loss and the trainer, as `loop.py` drives them."""

    backend = 'torch'

    def __init__(self, net, loss, trainer, device):
        self.net, self.loss, self.trainer = net, loss, trainer
        self.device = torch.device(device)
        self.optimizer = type(trainer).__name__.lower()
        self.found = [{**group} for group in trainer.param_groups]

    def take_over(self, scheduler):
        """Return the schedule that the trainer follows by itself."""
        if isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler):
            raise TypeError(
                f'scheduler must be a function of t, got a {type(scheduler).__name__}, '
                f'which counts for itself: use one of d2l_ext.schedulers'
            )
        return ConstantScheduler(float(self.found[0]['lr']))

    def seed(self, seed):
        """Seed what the net itself draws, as dropout does."""
        torch.manual_seed(seed)

    def settle(self, train_iter):
        """Let lazy layers see their shapes."""
        self.net.to(self.device)
        X, _ = next(iter(train_iter))
        with torch.no_grad():
            self.net(X[:1].to(self.device))

    def begin(self, train_iter, rng):
        """Draw the first weights; make the trainer as good as new."""
        self.settle(train_iter)
        initialize(self.net, rng)
        if self.device.type == 'cpu':
            # the layout in which convolutions are fastest there
            self.net.to(memory_format=torch.channels_last)
        self.trainer.state.clear()
        self.net.train()
        plain = self.device.type != 'cuda' or self.optimizer != 'sgd'
        kind = Step if plain else GraphStep
        self.step = kind(self.net, self.loss, self.trainer, self.device)

    def update(self, X, y, lr):
        """Queue one update; return a function that waits for it."""
        if lr is not None:
            self.step.lr = lr
        self.step(X.to(self.device), y.to(self.device))
        if self.device.type != 'cuda':
            return lambda: None
        done = torch.cuda.Event()
        done.record()
        return done.synchronize

    def applied_lr(self):
        """Return the rate of the last update."""
        return self.step.lr

    def totals(self):
        """Return summed loss and hits since the last call: waits for the device."""
        totals = self.step.sums.tolist()
        self.step.sums.zero_()
        return totals

    def accuracy(self, test_iter):
        """Return the share of `test_iter` that the net gets right."""
        return accuracy(self.net, test_iter, self.device)

    def state(self):
        """Return {name: array} of the weights and of what the trainer keeps."""
        kept = {f'weight.{name}': t for name, t in self.net.state_dict().items()}
        for i, parameter in enumerate(self._parameters()):
            for name, t in self.trainer.state[parameter].items():
                if t is not None:
                    kept[f'kept.{i}.{name}'] = torch.as_tensor(t)
        return {name: t.cpu().numpy() for name, t in kept.items()}

    def load_state(self, arrays):
        """Go back to where `state` was called."""
        self.trainer.state.clear()
        with torch.no_grad():
            for name, tensor in self.net.state_dict().items():
                tensor.copy_(torch.as_tensor(arrays[f'weight.{name}']))
        parameters = self._parameters()
        for key in arrays:
            kind, _, rest = key.partition('.')
            if kind == 'kept':
                i, name = rest.split('.')
                parameter, kept = parameters[int(i)], torch.as_tensor(arrays[key])
                # numbers such as Adam's count of steps stay off the device
                if kept.ndim:
                    kept = torch.empty_like(parameter).copy_(kept)
                self.trainer.state[parameter][name] = kept

    def keep_random(self):
        """Leave the generators, inside of this, as they are outside of it."""
        cuda = self.device.type == 'cuda'
        return torch.random.fork_rng([self.device] if cuda else [])

    def _parameters(self):
        return [p for group in self.trainer.param_groups for p in group['params']]

    def end(self):
        """Give the trainer back with the rates that it came with."""
        for group, found in zip(self.trainer.param_groups, self.found):
            group.update(found)

    def environment(self):
        """Return what the run's numbers may depend on."""
        return {'torch': torch.__version__, 'device': str(self.device)}


def accuracy(net, data_iter, device):
    """Return the share of examples that `net` gets right, as one that does not learn."""
    hits, count = torch.zeros((), device=device, dtype=torch.int64), 0
    with _evaluating(net), torch.no_grad():
        for X, y in data_iter:
            hits += (net(X.to(device)).argmax(1) == y.to(device)).sum()
            count += len(X)
    return hits.item() / count


def initialize(net, rng):
    """Draw the weights of `net` from `rng`, layer by layer; biases are zero."""
    for layer in net.modules():
        if hasattr(layer, 'reset_parameters'):
            layer.reset_parameters()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith('bias'):
                parameter.zero_()
            elif parameter.ndim > 1:
                parameter.copy_(torch.as_tensor(xavier(parameter.shape, rng)))


@contextlib.contextmanager
def _evaluating(net):
    training = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(training)
