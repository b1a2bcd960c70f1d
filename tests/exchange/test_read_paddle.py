"""PaddlePaddle's schedulers as plans."""

import gc
import math
import weakref

import pytest
from rates import close

from d2l_ext.exchange.code import code
from d2l_ext.exchange.read import schedule
from d2l_ext.families import InversePowerScheduler
from d2l_ext.schedulers import (
    ConstantScheduler,
    LambdaScheduler,
    MultiFactorScheduler,
    PlateauScheduler,
    WarmupScheduler,
)

paddle = pytest.importorskip('paddle')
pytestmark = pytest.mark.foreign('paddle')

N = 60


def stepped(scheduler, n=N):
    rates = []
    for _ in range(n):
        rates.append(float(scheduler()))
        scheduler.step()
    return rates


def of(name, *args, **settings):
    return lambda: getattr(paddle.optimizer.lr, name)(*args, **settings)


def warm(child, steps=8, start=0.05, end=0.5):
    return lambda: paddle.optimizer.lr.LinearWarmup(
        child() if callable(child) else child, steps, start, end
    )


CASES = {
    'Noam': of('NoamDecay', 64, 10, 2.0),
    'Piecewise': of('PiecewiseDecay', [10, 30], [0.5, 0.1, 0.3]),
    'Piecewise, by a factor': of('PiecewiseDecay', [10, 30], [0.5, 0.05, 0.005]),
    'Piecewise, unsorted': of('PiecewiseDecay', [0, 30, 10, 2.5], [9, 0.5, 8, 7, 0.1]),
    'NaturalExp': of('NaturalExpDecay', 0.5, 0.1),
    'InverseTime': of('InverseTimeDecay', 0.5, 0.1),
    'InverseTime of 0': of('InverseTimeDecay', 0.5, 0),
    'Polynomial': of('PolynomialDecay', 0.5, 40, 0.01, 2.0),
    'Polynomial, upwards': of('PolynomialDecay', 0.1, 40, 0.5),
    'Exponential': of('ExponentialDecay', 0.5, 0.9),
    'MultiStep': of('MultiStepDecay', 0.5, [15, 30], 0.3),
    'MultiStep from 0': of('MultiStepDecay', 0.5, [-2, 0, 30], 0.3),
    'Step': of('StepDecay', 0.5, 7, 0.3),
    'Cosine': of('CosineAnnealingDecay', 0.5, 15, 0.01),
    'Cosine, upwards': of('CosineAnnealingDecay', 0.1, 15, 0.5),
    'OneCycle': of('OneCycleLR', 0.5, N + 1),
    'OneCycle, linear': of('OneCycleLR', 0.5, N, anneal_strategy='linear'),
    'OneCycle, three phases': of(
        'OneCycleLR', 0.5, N + 1, 10.0, 0.01, 0.33, three_phase=True
    ),
    'Cyclic': of('CyclicLR', 0.1, 0.5, 6),
    'Cyclic, uneven': of('CyclicLR', 0.1, 0.5, 3, 7),
    'Cyclic, lower': of('CyclicLR', 0.1, 0.5, 6, mode='triangular2'),
    'Cyclic, by update': of('CyclicLR', 0.1, 0.5, 6, mode='exp_range', exp_gamma=0.97),
    'Linear': of('LinearLR', 0.5, 12, 0.1, 0.8),
    'Linear, level': of('LinearLR', 0.5, 12, 0.5, 0.5),
    'WarmRestarts': of('CosineAnnealingWarmRestarts', 0.5, 7, 2, 0.01),
    'WarmRestarts, by 3': of('CosineAnnealingWarmRestarts', 0.5, 3, 3),
    'Warmup': warm(0.5),
    'Warmup to another': warm(0.3),
    'Warmup of steps': warm(of('StepDecay', 0.5, 7, 0.3)),
    'Warmup of a cosine': warm(of('CosineAnnealingDecay', 0.4, 20, 0.01)),
    'Warmup of a line': warm(of('LinearLR', 0.5, 12)),
    'Warmup of restarts': warm(of('CosineAnnealingWarmRestarts', 0.5, 7, 2, 0.01)),
    'Warmup of a warmup': warm(warm(of('InverseTimeDecay', 0.5, 0.2), 5, 0.1)),
}
CALLED = {
    'OneCycle, early': of('OneCycleLR', 0.5, N, phase_pct=0.01),
    'Lambda': of('LambdaDecay', 0.5, lambda t: 0.9**t),
    'Multiplicative': of('MultiplicativeDecay', 0.5, lambda t: 1 - 0.5 / t),
    'Polynomial, ever later': of('PolynomialDecay', 0.5, 14, 0.01, 0.5, True),
    'Cyclic, of a function': of('CyclicLR', 0.1, 0.5, 5, scale_fn=lambda k: 1 / k),
    'Cyclic, downwards': of('CyclicLR', 0.5, 0.1, 6),
}


@pytest.mark.parametrize('name', [*CASES, *CALLED])
def test_a_paddle_schedule_gives_the_same_rate_at_every_update(name):
    build = (CASES | CALLED)[name]
    plan = schedule(build(), 6, 'update', 10)
    assert plan.rates().tolist() == close(stepped(build()))
    assert isinstance(plan.scheduler, LambdaScheduler) == (name in CALLED)
    assert schedule(build(), N).per == 'epoch'


@pytest.mark.parametrize('name', [*CASES, *CALLED])
def test_a_stepped_paddle_object_is_read_from_its_beginning_and_left(name):
    scheduler = (CASES | CALLED)[name]()
    stepped(scheduler, 23)
    state = repr(scheduler.state_dict())
    before = {key: id(value) for key, value in vars(scheduler).items()}
    rates = schedule(scheduler, N).rates().tolist()
    assert rates == close(stepped((CASES | CALLED)[name]()))
    assert {key: id(value) for key, value in vars(scheduler).items()} == before
    assert repr(scheduler.state_dict()) == state


def test_what_is_read_keeps_nothing_of_paddle():
    built = [build() for build in CASES.values()]
    plans = [schedule(scheduler, N) for scheduler in built]
    gone = [weakref.ref(scheduler) for scheduler in built]
    del built
    gc.collect()
    assert [ref() for ref in gone] == [None] * len(CASES)
    assert all(plan.rates().size == N for plan in plans)


def test_classes_of_paddle_are_said_by_ours():
    def read(name):
        return schedule(CASES[name](), N).scheduler

    peak = 2.0 * 64**-0.5 * 10**-0.5
    assert read('Noam') == WarmupScheduler(InversePowerScheduler(10, peak), 10)
    assert read('Piecewise, by a factor') == MultiFactorScheduler([10, 30], 0.1, 0.5)
    assert read('Linear, level') == ConstantScheduler(0.25)
    assert read('Warmup') == WarmupScheduler(ConstantScheduler(0.5), 8, 0.05)


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('per', ['epoch', 'update'])
def test_a_paddle_schedule_read_and_written_again_gives_the_same_rates(name, per):
    run = (N, 'epoch', 1) if per == 'epoch' else (6, 'update', 10)
    plan, space = schedule(CASES[name](), *run), {}
    exec(code(plan, 'paddle'), space)  # noqa: S102
    assert space['rates'] == close(stepped(CASES[name]()))
    unused = {}
    exec(code(plan, 'paddle').split('\nrates = ')[0], unused)  # noqa: S102
    again = schedule(unused['scheduler'], *run)
    assert again.rates().tolist() == close(plan.rates().tolist())


@pytest.mark.parametrize('mode', ['min', 'max'])
def test_a_plateau_of_paddle_is_read(mode):
    scheduler = paddle.optimizer.lr.ReduceOnPlateau(
        0.5, mode, 0.3, 1, 0.01, 'abs', 0, 0.02
    )
    read = PlateauScheduler(0.5, 0.3, 1, 0.01, 0, 0.02, mode, 'abs', 1e-8)
    assert schedule(scheduler, N).scheduler == read
    metrics = [0.1, 0.3, 0.3, 0.2, 0.3, 0.31, 0.2, 0.2, 0.2, 0.2, 0.1, 0.1]
    for count, metric in enumerate(metrics, 1):
        scheduler.step(metric)
        assert scheduler() == pytest.approx(read.at(metrics[:count]))
    assert schedule(scheduler, N).scheduler == read


def test_a_plateau_of_paddle_that_cools_down_has_another_rule():
    settings = {'factor': 0.5, 'patience': 0, 'threshold': 0.0, 'cooldown': 1}
    theirs = paddle.optimizer.lr.ReduceOnPlateau(1.0, **settings)
    metrics = [2, 2, 1, 1.5]  # the best one comes while it cools down
    for metric in metrics:
        theirs.step(metric)
    assert theirs() == 0.5 and PlateauScheduler(1.0, **settings).at(metrics) == 0.25
    with pytest.raises(ValueError, match='cooldown must be 0 to be read, got 1'):
        schedule(theirs, N)


class Own(paddle.optimizer.lr.StepDecay):
    def get_lr(self):
        return 0.1


def moved():
    scheduler = paddle.optimizer.lr.LinearLR(0.5, 20, 0.1)
    scheduler.step(15)
    return scheduler


def optimizer():
    net = paddle.nn.Linear(1, 1)
    return paddle.optimizer.SGD(0.1, parameters=net.parameters())


REFUSED = {
    'Own is not one .* give its rate': lambda: Own(0.5, 3),
    'SGD is not one .* give the scheduler': optimizer,
    'moved in the middle; read a new one': moved,
    'over a ReduceOnPlateau: .* its metric': warm(of('ReduceOnPlateau', 0.5)),
    'T_mult must be 1 or 2 .* got 3': warm(
        of('CosineAnnealingWarmRestarts', 0.5, 1, 3)
    ),
    'gamma must be >= 0 to be read, got -0.01': of('InverseTimeDecay', 0.5, -0.01),
    'total_steps must be a whole number .* got 2.5': of('LinearLR', 0.5, 2.5),
}


@pytest.mark.parametrize('reason', REFUSED)
def test_what_cannot_be_read_from_paddle_says_why(reason):
    with pytest.raises(ValueError, match=reason):
        schedule(REFUSED[reason](), N)


def test_restarts_ever_longer_after_a_warmup_are_written_as_paddle_gives_them():
    scheduler = warm(of('CosineAnnealingWarmRestarts', 0.5, 1, 3))()
    rates = stepped(scheduler, 140)
    assert rates[8 + 121] == pytest.approx(0, abs=1e-15)  # a restart, rounded away
    plan = schedule(of('CosineAnnealingWarmRestarts', 0.5, 1, 3)(), 140)
    warmed, space = WarmupScheduler(plan.scheduler, 8, 0.05), {}
    exec(code(warmed, 'paddle', 140, 'epoch', 1), space)  # noqa: S102
    assert space['rates'] == close([warmed(t) for t in range(140)])
    assert math.isclose(warmed(8 + 121), 0.5)
