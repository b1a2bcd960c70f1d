"""How MXNet, made importable by `d2l_ext.mxnet`, does what the training loop asks."""

import contextlib
import os

import mxnet as mx
from mxnet import autograd, np

from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training import learner
from d2l_ext.training._bad_data import Labels, at_least_one, first_of
from d2l_ext.training._mxnet_step import hits, measured, takes_class_numbers
from d2l_ext.training._mxnet_trainer import Observed, flat, forget, recall
from d2l_ext.training._mxnet_wide import fastest, with_kernels
from d2l_ext.training.learner import xavier


class Learner(learner.Learner):
    """A Gluon net, a loss and a `gluon.Trainer` on a device."""

    backend = 'mxnet'

    def __init__(self, net, loss, trainer, device):
        check_np()
        self.net, self.loss, self.trainer, self.device = net, loss, trainer, device
        self.optimizer = type(trainer.optimizer).__name__.lower()
        self.given_lr = trainer.optimizer.lr
        self.kernels = fastest(net, device)

    def take_over(self, scheduler):
        own, self.observed = self.trainer.optimizer.lr_scheduler, None
        if own is None:
            return ConstantScheduler(self.trainer.learning_rate)
        if scheduler is not None:
            raise ValueError(
                f'trainer already has the lr_scheduler {Observed(own)!r}: give a '
                f'schedule to the trainer or to train, not to both'
            )
        self.observed = self.trainer.optimizer.lr_scheduler = Observed(own)
        return self.observed

    def check_resumable(self, checkpoint):
        if self.trainer.optimizer.lr_scheduler is not None:
            raise ValueError(
                f'checkpoint={checkpoint!r} cannot keep what the lr_scheduler of '
                f'trainer has counted: give the schedule to train instead'
            )

    def settings(self):
        # what it counts and what it is told goes elsewhere
        left_out = 'num_update', 'begin_num_update', 'lr', 'rescale_grad'
        return {
            name: value
            for name, value in vars(self.trainer.optimizer).items()
            if isinstance(value, (bool, int, float, str)) and name not in left_out
        }

    def seed(self, seed):
        mx.random.seed(seed)

    def settle(self, train_iter):
        X, y = first_of(train_iter)
        y_hat = self.net(X[:1].as_in_ctx(self.device))
        numbered = y_hat.ndim == 2 and takes_class_numbers(self.loss)
        self.labels = Labels(train_iter, y, y_hat.shape[-1], numbered)
        for name, parameter in self.net.collect_params().items():
            if parameter.grad_req == 'add':
                raise ValueError(
                    f"grad_req of {name} must be 'write' or 'null', got 'add': nobody "
                    'would set its gradient back to 0 after an update'
                )

    def begin(self, train_iter, rng):
        self.net.initialize(ctx=self.device, force_reinit=True)
        self.settle(train_iter)
        for name, parameter in self.net.collect_params().items():
            if name.endswith('weight'):
                parameter.set_data(np.array(xavier(parameter.shape, rng)))
        forget(self.trainer)
        self.net.hybridize(static_alloc=True, static_shape=True)
        self.fast = with_kernels(self.net, self.kernels)
        self.measured = measured(self.fast, self.loss)
        self.sums = np.zeros(2, ctx=self.device)

    def update(self, X, y, lr):
        if lr is not None:
            self.trainer.set_learning_rate(lr)
        self.labels.note(y)
        X, y = X.as_in_ctx(self.device), y.as_in_ctx(self.device)
        with autograd.record():
            l, sums = self.measured(X, y)
        l.backward()
        self.trainer.step(len(X))
        self.sums += sums
        return l.wait_to_read

    def applied_lr(self):
        return self.observed.last if self.observed else self.trainer.learning_rate

    def totals(self):
        self.labels.check()
        totals = [float(total) for total in self.sums.asnumpy()]
        self.sums[:] = 0
        return totals

    def accuracy(self, test_iter):
        return evaluate_accuracy(self.fast, self.labels.tested(test_iter), self.device)

    def state(self):
        arrays = {f'weight.{i}': p.data() for i, p in enumerate(self._parameters())}
        for i, memory in sorted(self.trainer._updaters[0].states.items()):
            arrays |= {f'memory.{i}.{j}': array for j, array in enumerate(flat(memory))}
        arrays = {name: array.asnumpy() for name, array in arrays.items()}
        return arrays | {'num_update': self.trainer.optimizer.num_update}

    def load_state(self, arrays):
        for i, parameter in enumerate(self._parameters()):
            parameter.set_data(np.array(arrays[f'weight.{i}']))
        recall(self.trainer, arrays)

    @contextlib.contextmanager
    def keep_random(self):
        # MXNet does not tell where its generator stands, so draw where it goes on
        after = int(np.random.randint(0, 2**31 - 1))
        try:
            yield
        finally:
            mx.random.seed(after)

    def _parameters(self):
        return self.net.collect_params().values()

    def end(self):
        if self.observed:
            self.trainer.optimizer.lr_scheduler = self.observed.lr_scheduler
        else:
            self.trainer.set_learning_rate(self.given_lr)

    def environment(self):
        said = {'mxnet': mx.__version__, 'device': str(self.device)}
        threads = os.environ.get('OMP_NUM_THREADS', '1')
        return said | {'kernels': self.kernels, 'omp_num_threads': threads}


def evaluate_accuracy(net, data_iter, device) -> float:
    """Return the share of examples in `data_iter` that `net` gets right."""
    right, count = np.zeros((), ctx=device), 0
    for X, y in data_iter:
        right += hits(net(X.as_in_ctx(device)), y.as_in_ctx(device))
        count += len(X)
    return float(right) / at_least_one(count)


def check_np():
    """Raise RuntimeError, with the remedy, unless MXNet's arrays are NumPy's."""
    if not mx.util.is_np_array():
        raise RuntimeError(
            'call npx.set_np() first: d2l_ext uses MXNet arrays as NumPy'
        )
