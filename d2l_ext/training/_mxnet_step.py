"""What an update needs of a minibatch, in one call of MXNet's."""

import mxnet as mx
from mxnet.gluon import HybridBlock
from mxnet.gluon.loss import SoftmaxCrossEntropyLoss

from d2l_ext.training._mxnet_wide import Wide, in_a_row


def measured(net, loss):
    """Return a function of (X, y): losses, and their sum beside the hits.

    It is one call of MXNet's where `net` and `loss` are known to be of one piece.
    """
    if not _in_one_piece(net, loss):
        return lambda X, y: _measure(mx, net, loss, X, y)
    block = Measured(net, loss)
    block.hybridize(static_alloc=True, static_shape=True)
    return block


def hits(y_hat, y):
    """Return how many of the labels `y` are where `y_hat` is largest."""
    right = y_hat.argmax(axis=1).astype('int32') == y.astype('int32')
    return right.astype('float32').sum()


def takes_class_numbers(loss):
    """Tell whether the labels of this loss are class numbers, one for each example."""
    return isinstance(loss, SoftmaxCrossEntropyLoss) and loss._sparse_label


class Measured(HybridBlock):
    """A net and its loss: what an update needs of a minibatch, in one call."""

    def __init__(self, net, loss):
        super().__init__()
        # as a block within, the reader's own loss would be hybridized with it
        self.net, self.loss = net, loss.forward

    def hybrid_forward(self, F, X, y):
        return _measure(F, self.net, self.loss, X, y)


def _measure(F, net, loss, X, y):
    y_hat = net(X)
    l = loss(y_hat, y)
    return l, F.np.stack([l.sum(), hits(y_hat, y)])


def _in_one_piece(net, loss):
    """Tell whether MXNet can trace them: layers in a row, a loss of its own."""
    known = type(net) is Wide or in_a_row(net)
    return known and type(loss).__module__ == 'mxnet.gluon.loss'
