"""The net, the loss and the trainer in MXNet, as the training loop drives them.

Imported by `mxnet.py` alone, once that has made MXNet importable.
"""

import contextlib

import mxnet as mx
from mxnet import autograd, np

from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training._mxnet_trainer import flat, forget, recall, take_over
from d2l_ext.training.learner import xavier


class Learner:
    """The net, the loss and the trainer, as `loop.py` drives them."""

    backend = 'mxnet'

    def __init__(self, net, loss, trainer, device):
        self.net, self.loss, self.trainer, self.device = net, loss, trainer, device
        self.optimizer = type(trainer.optimizer).__name__.lower()
        self.found_lr = trainer.optimizer.lr

    def take_over(self, scheduler):
        """Return the schedule that the trainer follows by itself."""
        self.recorder = take_over(self.trainer, scheduler)
        return self.recorder or ConstantScheduler(self.trainer.learning_rate)

    def seed(self, seed):
        """Seed what the net itself draws, as dropout does."""
        mx.random.seed(seed)

    def settle(self, train_iter):
        """Let the layers see their shapes."""
        X, _ = next(iter(train_iter))
        self.net(X[:1].as_in_ctx(self.device))

    def begin(self, train_iter, rng):
        """Draw the first weights; make the trainer as good as new."""
        self.net.initialize(ctx=self.device, force_reinit=True)
        self.settle(train_iter)
        for name, parameter in self.net.collect_params().items():
            if name.endswith('weight'):
                parameter.set_data(np.array(xavier(parameter.shape, rng)))
        forget(self.trainer)
        self.net.hybridize(static_alloc=True, static_shape=True)
        self.sums = np.zeros(2, ctx=self.device)

    def update(self, X, y, lr):
        """Queue one update; return a function that waits for it."""
        if lr is not None:
            self.trainer.set_learning_rate(lr)
        X, y = X.as_in_ctx(self.device), y.as_in_ctx(self.device)
        with autograd.record():
            y_hat = self.net(X)
            l = self.loss(y_hat, y)
        l.backward()
        self.trainer.step(len(X))
        self.sums += np.stack([l.sum(), _hits(y_hat, y)])
        return l.wait_to_read

    def applied_lr(self):
        """Return the rate of the last update."""
        return self.recorder.last if self.recorder else self.trainer.learning_rate

    def totals(self):
        """Return summed loss and hits since the last call: waits for the device."""
        totals = [float(total) for total in self.sums.asnumpy()]
        self.sums[:] = 0
        return totals

    def accuracy(self, test_iter):
        """Return the share of `test_iter` that the net gets right."""
        return accuracy(self.net, test_iter, self.device)

    def state(self):
        """Return {name: array} of the weights and of what the trainer keeps."""
        arrays = {f'weight.{i}': p.data() for i, p in enumerate(self._parameters())}
        for i, kept in sorted(self.trainer._updaters[0].states.items()):
            arrays |= {f'kept.{i}.{j}': array for j, array in enumerate(flat(kept))}
        arrays = {name: array.asnumpy() for name, array in arrays.items()}
        return arrays | {'num_update': self.trainer.optimizer.num_update}

    def load_state(self, arrays):
        """Go back to where `state` was called."""
        for i, parameter in enumerate(self._parameters()):
            parameter.set_data(np.array(arrays[f'weight.{i}']))
        recall(self.trainer, arrays)

    @contextlib.contextmanager
    def keep_random(self):
        """Make what is drawn afterwards independent of what is drawn inside."""
        # MXNet does not tell where its generator stands, so draw where it goes on
        after = int(np.random.randint(0, 2**31 - 1))
        try:
            yield
        finally:
            mx.random.seed(after)

    def _parameters(self):
        return self.net.collect_params().values()

    def end(self):
        """Give the trainer back with the rate or the scheduler that it came with."""
        if self.recorder:
            self.trainer.optimizer.lr_scheduler = self.recorder.lr_scheduler
        else:
            self.trainer.set_learning_rate(self.found_lr)

    def environment(self):
        """Return what the run's numbers may depend on."""
        return {'mxnet': mx.__version__, 'device': str(self.device)}


def accuracy(net, data_iter, device):
    """Return the share of examples that `net` gets right."""
    hits, count = np.zeros((), ctx=device), 0
    for X, y in data_iter:
        hits += _hits(net(X.as_in_ctx(device)), y.as_in_ctx(device))
        count += len(X)
    return float(hits) / count


def _hits(y_hat, y):
    hits = y_hat.argmax(axis=1).astype('int32') == y.astype('int32')
    return hits.astype('float32').sum()
