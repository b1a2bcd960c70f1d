"""How PyTorch does what the training loop asks for."""

import contextlib

import torch

from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training import learner
from d2l_ext.training._bad_data import Labels, at_least_one, first_of
from d2l_ext.training._torch_step import GraphStep, Step, takes_class_numbers
from d2l_ext.training.learner import xavier


class Learner(learner.Learner):
    """A net, a loss and a `torch.optim` optimizer on a device."""

    backend = 'torch'

    def __init__(self, net, loss, trainer, device):
        self.net, self.loss, self.trainer = net, loss, trainer
        self.device = torch.device(device)
        self.optimizer = type(trainer).__name__.lower()
        self.given = [{**group} for group in trainer.param_groups]

    def take_over(self, scheduler):
        if isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler):
            raise ValueError(
                f'scheduler must be a function of t, got a {type(scheduler).__name__}, '
                f'which counts for itself: use one of d2l_ext.schedulers'
            )
        return ConstantScheduler(float(self.given[0]['lr']))

    def settings(self):
        return {
            f'{name} of group {i}': [*value] if isinstance(value, tuple) else value
            for i, group in enumerate(self.trainer.param_groups)
            for name, value in group.items()
            if isinstance(value, (bool, int, float, str, tuple))
            and name not in ('lr', 'initial_lr')
        }

    def seed(self, seed):
        torch.manual_seed(seed)

    def settle(self, train_iter):
        self.net.to(self.device)
        X, y = first_of(train_iter)
        with torch.no_grad():
            y_hat = self.net(X[:1].to(self.device))
        numbered = y_hat.ndim == 2 and takes_class_numbers(self.loss, y)
        self.labels = Labels(train_iter, y, y_hat.shape[-1], numbered)

    def begin(self, train_iter, rng):
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
        if lr is not None:
            self.step.lr = lr
        # the loss would say less of a label; one on a GPU it sees before we could
        if y.device.type == 'cpu':
            self.labels.note(y)
            self.labels.check()
        self.step(X.to(self.device), y.to(self.device))
        if self.device.type != 'cuda':
            return lambda: None
        done = torch.cuda.Event()
        done.record()
        return done.synchronize

    def applied_lr(self):
        return self.step.lr

    def totals(self):
        totals = self.step.sums.tolist()
        self.step.sums.zero_()
        return totals

    def accuracy(self, test_iter):
        return evaluate_accuracy(self.net, self.labels.tested(test_iter), self.device)

    def state(self):
        memory = {f'weight.{name}': t for name, t in self.net.state_dict().items()}
        for i, parameter in enumerate(self._parameters()):
            for name, t in self.trainer.state[parameter].items():
                if t is not None:
                    memory[f'memory.{i}.{name}'] = torch.as_tensor(t)
        return {name: t.cpu().numpy() for name, t in memory.items()}

    def load_state(self, arrays):
        self.trainer.state.clear()
        with torch.no_grad():
            for name, tensor in self.net.state_dict().items():
                tensor.copy_(torch.as_tensor(arrays[f'weight.{name}']))
        parameters = self._parameters()
        for key in arrays:
            kind, _, rest = key.partition('.')
            if kind == 'memory':
                i, name = rest.split('.')
                parameter, memory = parameters[int(i)], torch.as_tensor(arrays[key])
                # numbers such as Adam's count of steps stay off the device
                if memory.ndim:
                    memory = torch.empty_like(parameter).copy_(memory)
                self.trainer.state[parameter][name] = memory

    def keep_random(self):
        cuda = self.device.type == 'cuda'
        return torch.random.fork_rng([self.device] if cuda else [])

    def _parameters(self):
        return [p for group in self.trainer.param_groups for p in group['params']]

    def end(self):
        for group, given in zip(self.trainer.param_groups, self.given):
            group.update(given)

    def environment(self):
        return {'torch': torch.__version__, 'device': str(self.device)}


def evaluate_accuracy(net, data_iter, device) -> float:
    """Return the share of examples in `data_iter` that `net` gets right.

    It is evaluated as a net that does not learn: without dropout.
    """
    # weights that an earlier evaluation has cast to another type are not these
    torch.clear_autocast_cache()
    hits, count = torch.zeros((), device=device, dtype=torch.int64), 0
    with _evaluating(net), torch.no_grad():
        for X, y in data_iter:
            hits += (net(X.to(device)).argmax(1) == y.to(device)).sum()
            count += len(X)
    return hits.item() / at_least_one(count)


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
