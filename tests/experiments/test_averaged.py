"""Averages of weights: the recorded ones, and how they come about."""

import math

import numpy as np
import pytest

from d2l_ext import experiments
from d2l_ext.experiments import averaged, store
from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training import Recipe


@pytest.mark.parametrize('name', averaged.RECIPES)
def test_the_recorded_means_belong_to_their_runs(name):
    recipe, every = averaged.RECIPES[name]
    pairs = averaged.load(name)
    assert len(pairs) >= 3
    for seed, (history, mean) in enumerate(pairs):
        assert history.recipe['seed'] == seed
        assert history.recipe['scheduler'] == repr(recipe.scheduler)
        assert history.status == mean.status == 'finished'
        assert mean.recipe == history.recipe | {'mean_of_every': every, 'burn_in': 12}
        assert len(mean.test_acc) == len(history.test_acc) == 30
        known = np.isfinite(mean.train_loss)
        assert known.tolist() == [epoch >= 12 + every for epoch in range(1, 31)]
        # between two ends of a cycle the mean stands still
        told = mean.train_loss[11 + every :]
        assert told == np.repeat(told[::every], every)[: len(told)].tolist()
        assert (np.diff(told[::every]) != 0).all()
        if recipe.per == 'epoch':
            recorded = experiments.load(name)[seed]
            for what in ('train_loss', 'train_acc', 'test_acc', 'lr'):
                assert getattr(history, what) == getattr(recorded, what)
        else:
            assert history.lr == [recipe.scheduler(t) for t in range(30 * 94)]


def test_the_mean_of_one_set_of_weights_is_that_set():
    pytest.importorskip('d2l_ext.mxnet')
    recipe = Recipe(ConstantScheduler(0.1), num_epochs=2)
    history, mean = averaged.train_averaged(recipe, every=1, seed=0, burn_in=1)
    assert mean.test_acc[1] == history.test_acc[1]
    assert math.isnan(mean.test_acc[0])
    assert mean.train_loss[1] < history.train_loss[1]  # after the epoch, not during it


def test_the_mean_moves_by_one_over_n_of_the_way():
    mxnet = pytest.importorskip('d2l_ext.mxnet')
    from d2l_ext.experiments._mxnet import MeanNet

    @mxnet.mx.util.use_np
    def means():
        mean_net, net = MeanNet(Recipe(ConstantScheduler(0.1))), mxnet.lenet()
        net.initialize()
        net(mean_net.test.X[:1])
        bias, seen = net[-1].bias, []
        for value in (1, 3, 8):
            bias.set_data(mxnet.np.full(bias.shape, value))
            mean_net.add(net)
            seen.append(mean_net.net[-1].bias.data().asnumpy().tolist())
        return seen

    assert means() == [pytest.approx([value] * 10) for value in (1, 2, 4)]


def test_what_is_no_recording_is_said(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="no recipe 'sine': there are constant"):
        averaged.load('sine')
    monkeypatch.setattr(store, 'RUNS', tmp_path)
    with pytest.raises(
        ValueError, match=r'is not recorded: python -m d2l_ext\.experiments\.averaged'
    ):
        averaged.load('cyclic_0.3')
