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

    def data(y, dtype='int32'):
        X = arrays.zeros((len(y), 1, 28, 28))
        return X, arrays.array(y, dtype=dtype)

    def loader(X, y):
        return gluon.data.DataLoader(gluon.data.ArrayDataset(X, y), 4)

    return d2l, net, loss, trainer, device, data, loader


def torch():
    d2l = pytest.importorskip('d2l_ext.torch', exc_type=ImportError)
    import torch

    net = d2l.lenet()
    trainer = torch.optim.SGD(net.parameters(), 0.1)

    def data(y, dtype='int64'):
        return torch.zeros(len(y), 1, 28, 28), torch.as_tensor(y.astype(dtype))

    def loader(X, y):
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, y), 4)

    return d2l, net, torch.nn.CrossEntropyLoss(), trainer, 'cpu', data, loader


@pytest.fixture(params=[mxnet, torch])
def fit(request):
    d2l, net, loss, trainer, device, data, loader = request.param()

    def fit(train_iter, test_iter=None, num_epochs=1, loss=loss):
        test_iter = [data(GOOD)] if test_iter is None else test_iter
        return d2l.train(
            net, train_iter, test_iter, num_epochs, loss, trainer, device,
            progress=False,
        )  # fmt: skip

    def test(train_iter):
        return d2l.range_test(net, train_iter, loss, trainer, device, num_updates=3)

    fit.data, fit.loader, fit.net, fit.Batches = data, loader, net, d2l.Batches
    fit.range_test = test
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


@pytest.mark.parametrize('wrong', [-1, 10])
def test_a_label_of_a_later_minibatch_is_named(fit, wrong):
    named = pytest.raises(ValueError, match=f'from 0 to 9, as many .* got {wrong}')
    minibatches = [fit.data(GOOD), fit.data(np.append(GOOD, wrong))]
    with named:
        fit(minibatches)
    with named:
        fit(fit.loader(*fit.data(np.append(GOOD, wrong))))
    with named:
        fit.range_test(minibatches)
    assert fit(fit.loader(*fit.data(GOOD)), num_epochs=2).status == 'finished'


@pytest.mark.parametrize('wrong', [-1, 10])
def test_a_label_of_the_test_set_is_named(fit, wrong):
    labels = np.append(GOOD, wrong)
    for test_iter in (
        fit.Batches(*fit.data(labels), 4),
        fit.loader(*fit.data(labels)),
        [fit.data(labels, 'float32')],
    ):
        with pytest.raises(ValueError, match=f'from 0 to 9, as many .* got {wrong}'):
            fit([fit.data(GOOD)], test_iter)


@pytest.mark.parametrize('wrong', [-3, 12, 2.5, np.nan])
def test_a_float_that_is_no_class_is_named(wrong):
    d2l, net, loss, trainer, device, data, _ = mxnet()
    labels = data(np.append(GOOD, wrong), 'float32')
    for train_iter in ([labels], d2l.Batches(*labels, 4)):
        with pytest.raises(ValueError, match=f'from 0 to 9, as many .* got {wrong}'):
            d2l.train(net, train_iter, [data(GOOD)], 1, loss, trainer, device)
    good = [data(GOOD, 'float32')]
    history = d2l.train(net, good, good, 1, loss, trainer, device, progress=False)
    assert history.status == 'finished'


def test_labels_in_a_column_are_refused(fit):
    X, y = fit.data(GOOD)
    column, labels = (X, y.reshape(-1, 1)), [(X, y)]
    shape = pytest.raises(
        ValueError, match=r'y must have the shape \(n,\), .* \(8, 1\)'
    )
    with shape:
        fit([column])
    with shape:
        fit(fit.Batches(*column, 8))
    with shape:
        fit(labels, [column])


def test_what_a_net_is_regressed_to_may_be_anything(fit):
    def squares(y_hat, y):
        return ((y_hat[:, 0] - y.reshape(-1)) ** 2).mean()

    X, y = fit.data(np.linspace(-50, 50, 8), 'float32')
    for targets in (y, y.reshape(-1, 1)):
        for train_iter in ([(X, targets)] * 2, fit.Batches(X, targets, 4)):
            assert fit(train_iter, train_iter, loss=squares).status == 'finished'
    later = [fit.data(GOOD), fit.data(GOOD + 50)]
    assert fit(later, later, loss=squares).status == 'finished'


def test_gradients_that_add_up_are_refused():
    d2l, net, loss, trainer, device, data, _ = mxnet()
    net(data(GOOD)[0])
    net.collect_params().setattr('grad_req', 'add')
    batches = [data(GOOD)]
    with pytest.raises(ValueError, match=r"grad_req of .*weight must be 'write'"):
        d2l.train(net, batches, batches, 1, loss, trainer, device, progress=False)
