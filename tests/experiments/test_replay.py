"""Recorded runs in place of training: a backend's names, and what they answer."""

import inspect

import pytest

from d2l_ext.experiments import load, replay
from d2l_ext.notebook import Source
from d2l_ext.schedulers import ConstantScheduler, FactorScheduler, warmup_cosine
from d2l_ext.training import Recipe


@pytest.fixture
def setting():
    train_iter, test_iter = replay.load_data_fashion_mnist(batch_size=64)
    net, loss, device = replay.lenet(), replay.cross_entropy(), replay.try_gpu()
    trainer = replay.sgd(net, 0.3, device)
    return net, train_iter, test_iter, 30, loss, trainer, device


def test_the_data_are_those_that_train(setting):
    _, train_iter, test_iter, *_ = setting
    assert (len(train_iter.X), len(test_iter.X), len(train_iter)) == (6000, 1000, 94)
    X, y = next(iter(train_iter))
    assert X.shape == (64, 1, 28, 28)
    assert y.shape == (64,)


@pytest.mark.parametrize(
    ('scheduler', 'name'),
    [
        (None, 'constant_0.3'),
        (FactorScheduler(0.9, 1e-2, 0.3), 'factor_0.3'),
        (warmup_cosine(30, 0.4, 5, 0.01), 'warmup_cosine_0.4'),
    ],
)
def test_training_reads_the_run_of_the_same_recipe(setting, scheduler, name):
    for seed in 0, 3:
        assert replay.train(*setting, scheduler, seed=seed) == load(name)[seed]


def test_what_is_not_recorded_says_how_to_train_it(setting):
    for settings in ({'seed': 9999}, {'scheduler': ConstantScheduler(0.31)}):
        with pytest.raises(ValueError, match=r'is recorded: .*pip install torch'):
            replay.train(*setting, **settings)
    with pytest.raises(RuntimeError, match='no framework is here'):
        replay.train_steps(*setting)


def test_a_recipe_is_looked_up():
    recipe = Recipe(ConstantScheduler(0.3))
    assert replay.run(recipe, 1) == [*replay.run_steps(recipe, 1)][-1]


def test_the_trainer_keeps_its_rate(setting):
    trainer = setting[5]
    trainer.set_learning_rate(0.1)
    assert trainer.learning_rate == 0.1


def test_range_tests_are_the_recorded_ones(setting):
    net, train_iter, _, _, loss, trainer, device = setting
    test = replay.range_test(net, train_iter, loss, trainer, device, 1e-3, 3, 120, 4)
    assert test.suggestions().keys() == {'steepest', 'minimum / 10', 'valley'}
    with pytest.raises(ValueError, match=r'range_test\(lenet, .*, seed=5\) is not rec'):
        replay.range_test(net, train_iter, loss, trainer, device, 1e-3, 3, 120, 5)


@pytest.mark.parametrize('name', ['lenet', 'plain'])
def test_the_code_of_a_net_is_shown_all_the_same(name):
    assert f'{Source(getattr(replay, name))}'.startswith(f'def {name}(')


@pytest.mark.parametrize('backend', ['mxnet', 'torch'])
def test_the_names_and_arguments_are_those_of_a_backend(backend):
    module = pytest.importorskip(f'd2l_ext.{backend}')
    assert {*replay.__all__} <= {*module.__all__}
    for name in 'load_data_fashion_mnist', 'sgd', 'cross_entropy', 'range_test':
        mine, theirs = (
            list(inspect.signature(getattr(m, name)).parameters)
            for m in (replay, module)
        )
        assert mine == theirs, name
    taken = list(inspect.signature(module.train).parameters)
    assert list(inspect.signature(replay.train).parameters)[:8] == taken[:8]
