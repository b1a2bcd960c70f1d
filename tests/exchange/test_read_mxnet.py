"""MXNet's and GluonCV's objects as plans, asked as an MXNet optimizer asks."""

import math

import pytest
from rates import close
from test_code import gluoncv_utils

pytest.importorskip('d2l_ext.mxnet', exc_type=ImportError)

# after the finder that d2l_ext.mxnet installs
from mxnet import autograd, gluon, np, optimizer
from mxnet import lr_scheduler as mx

from d2l_ext.exchange.code import code
from d2l_ext.exchange.read import schedule
from d2l_ext.schedulers import CosineScheduler

N = 60
WARM = {'warmup_steps': 7, 'warmup_begin_lr': 0.05}
HELD = {**WARM, 'warmup_mode': 'constant'}

CASES = {
    'Factor': lambda: mx.FactorScheduler(7, 0.5, 1e-3, 0.5),
    'Factor to its floor': lambda: mx.FactorScheduler(3, 0.5, 0.1, 0.5),
    'Factor to a floor above': lambda: mx.FactorScheduler(20, 0.1, 0.8, 0.5),
    'Factor under a warmup': lambda: mx.FactorScheduler(4, 0.8, 0.1, 0.5, **WARM),
    'Factor before a warmup': lambda: mx.FactorScheduler(6, 0.8, 0.1, 0.5, **WARM),
    'MultiFactor': lambda: mx.MultiFactorScheduler([15, 40], 0.1, 0.5),
    'MultiFactor after': lambda: mx.MultiFactorScheduler([15, 40], 0.1, 0.5, **WARM),
    'MultiFactor under': lambda: mx.MultiFactorScheduler([3, 6, 40], 0.1, 0.5, **WARM),
    'MultiFactor held': lambda: mx.MultiFactorScheduler([3, 40], 0.1, 0.5, **HELD),
    'Poly': lambda: mx.PolyScheduler(50, 0.5, 2, 0.1),
    'Poly of one': lambda: mx.PolyScheduler(1, 0.5, 2, 0.1),
    'Poly after': lambda: mx.PolyScheduler(50, 0.5, 2, 0.1, **WARM),
    'Cosine': lambda: mx.CosineScheduler(50, 0.5, 0.1),
    'Cosine after': lambda: mx.CosineScheduler(50, 0.5, 0.1, **WARM),
    'Cosine held': lambda: mx.CosineScheduler(50, 0.5, 0.1, **HELD),
    'Cosine after one': lambda: mx.CosineScheduler(50, 0.5, 0.1, warmup_steps=1),
}


def asked(scheduler, n=N):
    return [scheduler(count) for count in range(1, n + 1)]


@pytest.mark.parametrize('name', CASES)
def test_an_mxnet_schedule_gives_the_same_rate_at_every_update(name):
    plan = schedule(CASES[name](), 6, 'update', 10)
    assert plan.rates().tolist() == close(asked(CASES[name]()))
    assert schedule(CASES[name](), N).rates().tolist() == plan.rates().tolist()


@pytest.mark.parametrize('count', [1, 8, 23, 100])
@pytest.mark.parametrize('name', CASES)
def test_a_used_mxnet_schedule_is_read_from_its_beginning_and_left(name, count):
    scheduler = CASES[name]()
    asked(scheduler, count)
    before = dict(vars(scheduler))
    assert schedule(scheduler, N).rates().tolist() == close(asked(CASES[name]()))
    assert vars(scheduler) == before


def test_a_rate_that_the_optimizer_has_overwritten_is_the_one_in_use():
    scheduler = mx.FactorScheduler(7, 0.5, 1e-3, 0.5, **WARM)
    optimizer.Adam(learning_rate=0.1, lr_scheduler=scheduler)
    twin = mx.FactorScheduler(7, 0.5, 1e-3, 0.5, **WARM)
    twin.base_lr = 0.1
    read = schedule(scheduler, N).rates().tolist()
    assert read[:20] == close(asked(twin, 20))
    assert schedule(twin, N).rates().tolist() == close(read)


@pytest.mark.parametrize(
    ('reason', 'scheduler'),
    [
        ('warmup_steps must be below', lambda: mx.CosineScheduler(5, 0.5, **WARM)),
        ('step must be a whole number', lambda: mx.FactorScheduler(2.5, 0.5)),
        ('LRScheduler is not one', lambda: mx.LRScheduler(0.5)),
    ],
)
def test_what_cannot_be_read_from_mxnet_says_why(reason, scheduler):
    with pytest.raises(ValueError, match=reason):
        schedule(scheduler(), N)


@pytest.mark.parametrize(
    'name',
    ['Factor', 'Factor under a warmup', 'MultiFactor after', 'Poly', 'Cosine after'],
)
def test_an_mxnet_schedule_read_and_written_again_gives_the_same_rates(name):
    space = {}
    plan = schedule(CASES[name](), 6, 'update', 10)
    exec(code(plan, 'mxnet'), space)  # noqa: S102
    assert [float(rate) for rate in space['rates']] == close(asked(CASES[name]()))
    if hasattr(space['scheduler'], 'warmup_steps'):
        again = schedule(space['scheduler'], 6, 'update', 10)
        assert again.rates().tolist() == close(plan.rates().tolist())


def test_a_trainer_asks_as_the_plan_says():
    net = gluon.nn.Dense(1, in_units=1)
    net.initialize()
    scheduler = mx.CosineScheduler(5, 0.5)
    trainer = gluon.Trainer(net.collect_params(), 'sgd', {'lr_scheduler': scheduler})
    rates = []
    for _ in range(5):
        with autograd.record():
            loss = net(np.ones((1, 1)))
        loss.backward()
        trainer.step(1)
        rates.append(trainer.learning_rate)
    assert schedule(scheduler, 5).rates().tolist() == close(rates)
    assert rates[0] != CosineScheduler(5, 0.5)(0)


class LRScheduler(mx.LRScheduler):
    """The attributes of GluonCV's class, and its rule in a few words."""

    def __init__(self, mode, base_lr, niters, target_lr=0, step=None):
        super().__init__()
        self.mode, self.base_lr, self.target_lr = mode, base_lr, target_lr
        self.niters, self.offset, self.power = niters, 0, 2
        self.step, self.step_factor = step, 0.1

    def __call__(self, num_update):
        last = self.niters - 1
        t = min(max(0, num_update - self.offset), last)
        if self.mode == 'step':
            return self.base_lr * self.step_factor ** sum(s <= t for s in self.step)
        height = {
            'constant': 1,
            'linear': 1 - t / last,
            'poly': (1 - t / last) ** 2,
            'cosine': (1 + math.cos(math.pi * t / last)) / 2,
        }[self.mode]
        return self.target_lr + (self.base_lr - self.target_lr) * height


class LRSequential(mx.LRScheduler):
    def __init__(self, schedulers):
        super().__init__()
        self.schedulers, self.count, self.learning_rate = schedulers, 0, 0
        for part in schedulers:
            part.offset, self.count = self.count, self.count + part.niters

    def __call__(self, num_update):
        t = min(num_update, self.count - 1)
        return next(s for s in self.schedulers if t < s.offset + s.niters)(t)


for cls in LRScheduler, LRSequential:
    cls.__module__ = 'gluoncv.utils.lr_scheduler'

GLUONCV = {
    'constant': lambda cls: cls('constant', base_lr=0.5, niters=30),
    'linear': lambda cls: cls('linear', base_lr=0.1, target_lr=0.5, niters=30),
    'poly': lambda cls: cls('poly', base_lr=0.5, target_lr=0.1, niters=30),
    'cosine': lambda cls: cls('cosine', base_lr=0.5, target_lr=0.1, niters=30),
}


def sequence(part, join):
    ramp = part('linear', base_lr=0.0, target_lr=0.5, niters=10)
    return join([ramp, part('cosine', base_lr=0.5, target_lr=0.01, niters=40)])


@pytest.mark.parametrize('mode', GLUONCV)
def test_a_gluoncv_schedule_gives_the_same_rate_at_every_update(mode):
    read = schedule(GLUONCV[mode](LRScheduler), 6, 'update', 10).rates()
    assert read.tolist() == close(asked(GLUONCV[mode](LRScheduler)))


def test_gluoncv_schedules_in_a_row_give_the_same_rate_at_every_update():
    whole = sequence(LRScheduler, LRSequential)
    assert schedule(whole, N).rates().tolist() == close(asked(whole))
    steps = LRScheduler('step', 0.5, 40, step=[10, 20])
    assert schedule(steps, N).rates().tolist() == close(asked(steps))


@pytest.mark.foreign('gluoncv')
def test_gluoncv_itself_is_read_where_it_is_installed():
    gluoncv_utils()
    from gluoncv import utils as gluoncv

    for build in GLUONCV.values():
        scheduler = build(gluoncv.LRScheduler)
        assert schedule(scheduler, N).rates().tolist() == close(asked(scheduler))
    whole = sequence(gluoncv.LRScheduler, gluoncv.LRSequential)
    assert schedule(whole, N).rates().tolist() == close(asked(whole))
    steps = gluoncv.LRScheduler('step', 0.5, niters=40, step_iter=[10, 20])
    assert schedule(steps, N).rates().tolist() == close(asked(steps))
