"""What cannot be trained with is refused by name, in both backends alike."""

import numpy as np
import pytest

GOOD = np.arange(8) % 10


def mxnet():
    d2l = pytest.importorskip('d2l_ext.mxnet', exc_type=ImportError)
    from mxnet import gluon, npx
    from mxnet import np as arrays

    npx.set_np()
    net, device = d2l.lenet(), npx.cpu()
    net.initialize(ctx=device)
    trainer = gluon.Trainer(net.collect_params(), 'sgd', {'learning_rate': 0.1})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()

    def data(y):
        X = arrays.zeros((len(y), 1, 28, 28))
        return X, arrays.array(y, dtype='int32')

    return d2l, net, loss, trainer, device, data


def torch():
    d2l = pytest.importorskip('d2l_ext.torch', exc_type=ImportError)
    import torch

    net = d2l.lenet()
    trainer = torch.optim.SGD(net.parameters(), 0.1)

    def data(y):
        return torch.zeros(len(y), 1, 28, 28), torch.as_tensor(y)

    return d2l, net, torch.nn.CrossEntropyLoss(), trainer, 'cpu', data


@pytest.fixture(params=[mxnet, torch])
def fit(request):
    d2l, net, loss, trainer, device, data = request.param()

    def fit(train_iter, test_iter=None, num_epochs=1):
        test_iter = [data(GOOD)] if test_iter is None else test_iter
        return d2l.train(
            net, train_iter, test_iter, num_epochs, loss, trainer, device,
            progress=False,
        )  # fmt: skip

    fit.data, fit.net, fit.Batches = data, net, d2l.Batches
    yield fit
    if request.param is mxnet:
        from mxnet import npx

        npx.reset_np()


class Once:
    """Minibatches that can be gone through once, and say that they have a length."""

    def __init__(self, *minibatches):
        self.left = iter(minibatches)

    def __iter__(self):
        return self.left

    def __len__(self):
        return 2


def test_no_minibatch_is_named(fit):
    with pytest.raises(ValueError, match='train_iter must have a length of at least'):
        fit([])
    with pytest.raises(ValueError, match=r'train_iter must have a length .*generator'):
        fit(minibatch for minibatch in [fit.data(GOOD)])
    with pytest.raises(ValueError, match='train_iter must give at least one minibatch'):
        fit(Once())
    with pytest.raises(ValueError, match='train_iter gave no minibatch in epoch 0'):
        fit(Once(fit.data(GOOD)))
    with pytest.raises(ValueError, match='data_iter must give at least one example'):
        fit([fit.data(GOOD)], test_iter=[])


@pytest.mark.parametrize('wrong', [-1, 10])
def test_a_label_that_is_no_class_is_named(fit, wrong):
    labels = np.append(GOOD, wrong)
    with pytest.raises(ValueError, match=f'from 0 to 9, as many .* got {wrong}'):
        fit(fit.Batches(*fit.data(labels), 4))
    with pytest.raises(ValueError, match=f'from 0 to 9, as many .* got {wrong}'):
        fit([fit.data(labels)])
    assert fit([fit.data(GOOD)]).status == 'finished'


def test_gradients_that_add_up_are_refused():
    d2l, net, loss, trainer, device, data = mxnet()
    net(data(GOOD)[0])
    net.collect_params().setattr('grad_req', 'add')
    batches = [data(GOOD)]
    with pytest.raises(ValueError, match=r"grad_req of .*weight must be 'write'"):
        d2l.train(net, batches, batches, 1, loss, trainer, device, progress=False)
