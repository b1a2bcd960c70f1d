"""Many runs at once are the runs one by one."""

import itertools

import numpy
import pytest

from d2l_ext.schedulers import ConstantScheduler, CosineScheduler, SquareRootScheduler
from d2l_ext.training import Recipe

torch = pytest.importorskip('torch')

from d2l_ext import torch as d2l
from d2l_ext.training import _replicas, _torch_step

DEVICES = ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]
LOSS = torch.nn.CrossEntropyLoss()


def small(device='cpu'):
    train_iter, test_iter = d2l.load_data_fashion_mnist(64, device=device)
    return (
        d2l.Batches(train_iter.X[:500], train_iter.y[:500], 64, shuffle=True),
        d2l.Batches(test_iter.X[:300], test_iter.y[:300], 256),
    )


def alone(scheduler, seed, device='cpu', num_epochs=2, per='epoch'):
    net = d2l.lenet()
    trainer = torch.optim.SGD(net.parameters())
    return d2l.train(
        net, *small(device), num_epochs, LOSS, trainer, device, scheduler,
        per=per, seed=seed, progress=False,
    )  # fmt: skip


def check(together, schedulers, seeds, device='cpu', **others):
    pairs = [*itertools.product(schedulers, seeds)]
    for (scheduler, seed), history in zip(pairs, together, strict=True):
        one = alone(scheduler, seed, device, **others)
        assert history.train_loss == pytest.approx(one.train_loss, abs=2e-4)
        assert history.train_acc == pytest.approx(one.train_acc, abs=0.01)
        assert history.test_acc == pytest.approx(one.test_acc, abs=0.01)
        assert (history.lr, history.recipe) == (one.lr, one.recipe)
        assert history.status == one.status


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('per', ['epoch', 'update'])
def test_together_as_alone(device, per):
    schedulers, seeds = [SquareRootScheduler(0.05), CosineScheduler(2, 0.02)], [3, 4]
    together = d2l.train_many(
        d2l.lenet(), *small(device), 2, LOSS, device, schedulers, per=per, seeds=seeds
    )
    check(together, schedulers, seeds, device, per=per)


def test_replayed_as_alone(monkeypatch):
    captured = []

    def capture(step, X, y):
        captured.append(tuple(y.shape))
        return lambda: step(X, y)

    monkeypatch.setattr(_torch_step, 'capture', capture)
    monkeypatch.setattr(
        _torch_step, 'on_side_stream', lambda step, *batch: step(*batch)
    )
    make = _replicas.Replicas.__init__

    def init(self, *arguments):
        make(self, *arguments)
        self.step = _torch_step.Replayed(self._step)

    monkeypatch.setattr(_replicas.Replicas, '__init__', init)
    scheduler = SquareRootScheduler(0.03)
    together = d2l.train_many(
        d2l.lenet(), *small(), 5, LOSS, 'cpu', [scheduler], per='update', seeds=[0, 1]
    )
    assert captured == [(2, 64), (2, 52)]
    check(together, [scheduler], [0, 1], num_epochs=5, per='update')


def test_one_that_diverges_leaves_the_others_alone():
    schedulers = [ConstantScheduler(1000), ConstantScheduler(0.02)]
    together = d2l.train_many(
        d2l.lenet(), *small(), 4, LOSS, 'cpu', schedulers, seeds=[0]
    )
    assert [history.status for history in together] == ['diverged', 'finished']
    assert not numpy.isfinite(together[0].train_loss[-1])
    assert len(together[0].lr) == 8 * len(together[0].train_loss) < 32
    check(together[1:], schedulers[1:], [0], num_epochs=4)


def test_a_recipe_with_many_schedulers():
    recipe = Recipe(ConstantScheduler(0.1), num_epochs=1, batch_size=256)
    first, second = d2l.run_many(recipe, [recipe.scheduler], [0, 1])
    one = d2l.run(recipe, 0)
    assert first.train_loss == pytest.approx(one.train_loss, abs=0.02)
    assert first.recipe == one.recipe
    assert first.train_loss != second.train_loss
    with pytest.raises(ValueError, match='schedulers and seeds must have one each'):
        d2l.run_many(recipe, [], [0])
    with pytest.raises(ValueError, match=r"printed='cosine' .* use d2l_ext.mxnet.run"):
        d2l.run_many(Recipe(printed='cosine'), [None], [0])
