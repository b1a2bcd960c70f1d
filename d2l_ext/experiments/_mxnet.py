"""What the experiments need of MXNet: a run that is looked at, a net of mean weights."""

from d2l_ext import mxnet as d2l

# isort: split
# second, as the line above makes MXNet of 2022 run on a present NumPy
import mxnet as mx
from mxnet import gluon


@mx.util.use_np
def watch(recipe, seed, look, kernels=None):
    """Train as `recipe` says and return the last `History`.

    `look(history, net)` is called after every update and at the end; the run ends where
    it returns True.
    """
    net = d2l.NETS[recipe.net]()
    for history in d2l.run_steps(recipe, seed, net=net, kernels=kernels):
        if look(history, net):
            break
    return history


def gradient_norm(net) -> float:
    """Return the norm of the gradient of all of the net's parameters together."""
    grads = (p.grad() for p in net.collect_params().values() if p.grad_req != 'null')
    return float(sum((grad**2).sum() for grad in grads)) ** 0.5


class MeanNet:
    """A net whose weights are the mean of those added, and the data to measure it."""

    @mx.util.use_np
    def __init__(self, recipe):
        self.device = d2l.try_gpu()
        train, self.test = d2l.load_data_fashion_mnist(
            recipe.batch_size, recipe.subset, self.device
        )
        self.train = d2l.Batches(train.X, train.y, 1000)  # in order
        self.loss = gluon.loss.SoftmaxCrossEntropyLoss()
        self.net, self.count = d2l.NETS[recipe.net](), 0
        self.net.initialize(ctx=self.device)
        self.net(self.test.X[:1])  # tells the layers their shapes

    def add(self, net):
        """Count the weights of `net` in: mean += (new - mean) / n for the n-th."""
        self.count += 1
        pairs = zip(self.net.collect_params().values(), net.collect_params().values())
        for mean, new in pairs:
            step = 1 / self.count * (new.data() - mean.data())
            mean.set_data(mean.data() + step)

    def measure(self):
        """Return training loss, training accuracy and test accuracy."""
        total = sum(float(self.loss(self.net(X), y).sum()) for X, y in self.train)
        accuracies = (
            d2l.evaluate_accuracy(self.net, data, self.device)
            for data in (self.train, self.test)
        )
        return total / len(self.train.X), *accuracies
