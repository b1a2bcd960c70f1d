"""What a plateau scheduler goes by in a run."""

import pytest

from d2l_ext.plan import Plan
from d2l_ext.schedulers import ConstantScheduler, PlateauScheduler
from d2l_ext.training import History
from d2l_ext.training.backend import followed_metric
from d2l_ext.training.loop import Run

FALLING, RISING = (
    PlateauScheduler(0.1, 0.5, 0),
    PlateauScheduler(0.1, 0.5, 0, mode='max'),
)


def test_the_rate_of_a_run_that_improves_stays():
    history = History({}, [2.0, 1.0], [0.5, 0.6], [0.5, 0.4])
    for scheduler, metric, lr in [
        (FALLING, 'train_loss', 0.1),
        (RISING, 'train_acc', 0.1),
        (RISING, 'test_acc', 0.05),
    ]:
        run = Run(
            history, Plan(scheduler, 3), followed_metric(Plan(scheduler, 3), metric)
        )
        assert run.lr(2) == lr


@pytest.mark.parametrize(
    ('scheduler', 'metric', 'message'),
    [
        (
            RISING,
            None,
            r"must be 'train_acc' or 'test_acc' .* mode='max', got 'train_l",
        ),
        (RISING, 'train_loss', "must be 'train_acc' or 'test_acc'"),
        (
            FALLING,
            'test_acc',
            r"must be 'train_loss' for a .* mode='min', got 'test_acc'",
        ),
        (
            FALLING,
            'f1',
            "metric must be one of train_loss, train_acc, test_acc, got 'f1'",
        ),
        (ConstantScheduler(), 'test_acc', 'is for a PlateauScheduler: ConstantSched'),
    ],
)
def test_a_measure_that_gets_better_the_other_way_is_refused(
    scheduler, metric, message
):
    with pytest.raises(ValueError, match=message):
        followed_metric(Plan(scheduler, 3), metric)


@pytest.mark.parametrize('framework', ['mxnet', 'torch'])
def test_both_backends_follow_it(framework):
    d2l = pytest.importorskip(f'd2l_ext.{framework}', exc_type=ImportError)
    if framework == 'mxnet':
        from mxnet import gluon, npx

        npx.set_np()
        net, device, loss = d2l.lenet(), npx.cpu(), gluon.loss.SoftmaxCrossEntropyLoss()
        net.initialize(ctx=device)
        trainer = gluon.Trainer(net.collect_params(), 'sgd', {'learning_rate': 0.1})
    else:
        import torch

        net, device, loss = d2l.lenet(), 'cpu', torch.nn.CrossEntropyLoss()
        trainer = torch.optim.SGD(net.parameters(), 0.1)
    train_iter, _ = d2l.load_data_fashion_mnist(64, device=device)
    few = d2l.Batches(train_iter.X[:256], train_iter.y[:256], 64, shuffle=True)
    history = d2l.train(
        net, few, few, 4, loss, trainer, device, RISING, metric='test_acc',
        progress=False,
    )  # fmt: skip
    for epoch, rates in enumerate(history.epoch_lr()):
        assert set(rates) == {RISING.at(history.test_acc[:epoch])}
    if framework == 'mxnet':
        npx.reset_np()
