"""Keras's schedules and callbacks as plans."""

import os

import pytest

os.environ.setdefault('KERAS_BACKEND', 'torch')
keras = pytest.importorskip('keras')

from d2l_ext.exchange.code import code
from d2l_ext.exchange.read import schedule
from d2l_ext.schedulers import WarmupScheduler, keras_plateau

ks = keras.optimizers.schedules
N = 60


@pytest.fixture(autouse=True)
def float64():
    before = keras.config.floatx()
    keras.config.set_floatx('float64')  # its default is float32
    yield
    keras.config.set_floatx(before)


CASES = {
    'exponential': lambda: ks.ExponentialDecay(0.5, 10, 0.5),
    'exponential in steps': lambda: ks.ExponentialDecay(0.5, 7, 0.5, staircase=True),
    'piecewise': lambda: ks.PiecewiseConstantDecay([10, 30], [0.5, 0.1, 0.2]),
    'polynomial': lambda: ks.PolynomialDecay(0.5, 40, 0.1, 2.0),
    'cosine': lambda: ks.CosineDecay(0.5, 40, 0.1),
    'warmup cosine': lambda: ks.CosineDecay(
        0.0, 40, 0.1, warmup_target=0.5, warmup_steps=10
    ),
    'warmup from above': lambda: ks.CosineDecay(
        0.9, 40, 0.1, warmup_target=0.5, warmup_steps=10
    ),
    'restarts': lambda: ks.CosineDecayRestarts(0.5, 7, 2.0, 0.8, 0.1),
    'restarts of one length': lambda: ks.CosineDecayRestarts(0.5, 10, 1.0, 0.8, 0.1),
}


class Own(ks.LearningRateSchedule):
    def __call__(self, step):
        return 0.5 / (step + 1)


CALLED = {
    'growth': lambda: ks.ExponentialDecay(0.01, 10, 1.5),
    'polynomial cycle': lambda: ks.PolynomialDecay(0.5, 15, 0.1, 2.0, cycle=True),
    'inverse time': lambda: ks.InverseTimeDecay(0.5, 10, 0.5),
    'own': Own,
}


@pytest.mark.parametrize('name', [*CASES, *CALLED])
def test_a_keras_schedule_gives_the_same_rate_at_every_update(name):
    obj = (CASES | CALLED)[name]()
    plan = schedule(obj, 6, batches_per_epoch=10)
    assert plan.per == 'update'
    # its default is float32, whatever floatx says, where a Python number is converted
    wanted = [float(obj(step)) for step in range(N)]
    assert plan.rates().tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize('name', CASES)
def test_the_settings_of_keras_are_said_by_classes(name):
    assert 'Called' not in repr(schedule(CASES[name](), N).scheduler)


@pytest.mark.parametrize(
    'name', ['exponential in steps', 'polynomial', 'warmup cosine']
)
def test_a_keras_schedule_read_and_written_again_gives_the_same_rates(name):
    obj, space = CASES[name](), {}
    plan = schedule(obj, 6, batches_per_epoch=10)
    exec(code(plan, 'keras'), space)  # noqa: S102
    wanted = [float(obj(step)) for step in range(N)]
    assert space['rates'] == pytest.approx(wanted, rel=1e-7)
    again = schedule(space['schedule'], 6, batches_per_epoch=10)
    assert again.rates().tolist() == pytest.approx(plan.rates().tolist(), rel=1e-7)


def test_a_callback_counts_epochs():
    callback = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1))
    plan = schedule(callback, 3)
    assert plan.per == 'epoch' and plan.rates().tolist() == [0.5, 0.25, 0.5 / 3]
    with pytest.raises(ValueError, match="per must be 'epoch' or left out"):
        schedule(callback, 3, 'update')
    both = keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr * 0.9)
    with pytest.raises(ValueError, match='answers to the rate before'):
        schedule(both, 3)


def test_a_plateau_of_keras_is_read_with_the_rate_it_begins_with():
    callback = keras.callbacks.ReduceLROnPlateau(
        'val_accuracy', 0.5, 3, min_delta=0.01, cooldown=2, min_lr=0.001
    )
    with pytest.raises(ValueError, match='base_lr must be given'):
        schedule(callback, N)
    read = schedule(callback, N, base_lr=0.5).scheduler
    assert read == keras_plateau(0.5, 0.5, 3, 0.01, 2, 0.001, 'max')


def test_an_optimizer_of_keras_is_not_a_schedule():
    with pytest.raises(ValueError, match='give a LearningRateSchedule'):
        schedule(keras.optimizers.SGD(0.1), N)
    assert isinstance(schedule(CASES['warmup cosine'](), N).scheduler, WarmupScheduler)
