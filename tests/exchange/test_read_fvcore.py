"""fvcore's schedules as plans, asked for the share of the run that is done."""

import copy

import pytest
from rates import close

from d2l_ext.exchange._fvcore import Share
from d2l_ext.exchange.code import code
from d2l_ext.exchange.read import schedule
from d2l_ext.schedulers import (
    CosineScheduler,
    LambdaScheduler,
    MultiFactorScheduler,
    PolyScheduler,
    SequentialScheduler,
)

fvcore = pytest.importorskip('fvcore.common.param_scheduler')
pytestmark = pytest.mark.foreign('fvcore')

N = 60


def asked(scheduler, n=N):
    return [scheduler(t / n) for t in range(n)]


def of(name, *args, **settings):
    return lambda: getattr(fvcore, f'{name}ParamScheduler')(*args, **settings)


def row(*parts, scaling=None):
    """Return what builds a composite of (schedule, share of the run), ..."""
    builds, lengths = zip(*parts)
    scaling = scaling or ['rescaled'] * len(parts)
    return lambda: fvcore.CompositeParamScheduler(
        [build() for build in builds], [*lengths], scaling
    )


ramp, fall = of('Linear', 0.05, 0.5), of('Cosine', 0.5, 0.01)
CASES = {
    'constant': of('Constant', 0.5),
    'cosine': fall,
    'cosine, upwards': of('Cosine', 0.0, 0.5),
    'line': of('Linear', 0.5, 0.1),
    'polynomial': of('PolynomialDecay', 0.5, 0.9),
    'exponential': of('Exponential', 0.5, 0.02),
    'exponential growth': of('Exponential', 1e-4, 1e3),
    'steps': of('Step', 120, [0.5, 0.1, 0.3]),
    'steps of a factor': of('StepWithFixedGamma', 0.5, 3, 0.1, 120),
    'steps between updates': of('StepWithFixedGamma', 0.5, 6, 0.3, 700),
    'multi-step': of('MultiStep', [1, 0.1, 0.01], 90, [30, 60]),
    'multi-step, its last the end': of('MultiStep', [1, 0.1, 0.5], None, [3, 5, 9]),
    'multi-step, even': of('MultiStep', [1, 0.1, 0.5, 0.7], 100),
    'multi-step between updates': of('MultiStep', [1, 0.1, 0.5], 97, [31, 32]),
    'ramp and cosine': row((ramp, 0.1), (fall, 0.9)),
    'ramp between updates': row((ramp, 0.123), (fall, 0.877)),
    'three': row((ramp, 0.1), (of('Constant', 0.5), 0.3), (fall, 0.6)),
    # 0.1 + 0.2 is a little more than 0.3
    'three in jumps': row(
        (of('Constant', 1), 0.1), (of('Constant', 2), 0.2), (fall, 0.7)
    ),
    'one': row((fall, 1.0)),
    'fixed': row((of('Linear', 0.5, 0.1), 0.5), (fall, 0.5), scaling=['fixed'] * 2),
    'steps in a row': row((ramp, 0.2), (of('MultiStep', [0.5, 0.1], 8, [4]), 0.8)),
    'rows in a row': row((row((ramp, 0.5), (fall, 0.5)), 0.4), (ramp, 0.6)),
}


class Own(fvcore.ParamScheduler):
    def __call__(self, where):
        return (1 - where) ** 3 + where / 9


CALLED = {
    "a reader's": Own,
    "a reader's in a row": row((ramp, 0.3), (Own, 0.7)),
    'an exponential between updates': row(
        (ramp, 0.123), (of('Exponential', 0.5, 0.1), 0.877)
    ),
    'exponential to 0': of('Exponential', 0.5, 0.0),
}


@pytest.mark.parametrize('name', [*CASES, *CALLED])
def test_an_fvcore_schedule_gives_the_same_rate_at_every_update(name):
    scheduler = (CASES | CALLED)[name]()
    before = copy.deepcopy(vars(scheduler))
    for n in N, 7, 1000:
        plan = schedule(scheduler, n)
        assert plan.rates().tolist() == close(asked(scheduler, n))
        assert schedule(scheduler, 1, 'update', n).rates().tolist() == close(
            asked(scheduler, n)
        )
    assert repr(vars(scheduler)).count(' at 0x') or vars(scheduler) == before
    function = getattr(schedule(scheduler, N).scheduler, 'function', None)
    assert isinstance(function, Share) == (name in CALLED)


def test_what_is_read_knows_the_run():
    read = schedule(CASES['ramp and cosine'](), 3, 'update', 20).scheduler
    parts = [PolyScheduler(6, 0.05, 1, 0.5), CosineScheduler(54, 0.5, 0.01)]
    assert read == SequentialScheduler(parts, [6])
    read = schedule(CASES['multi-step'](), 180, base_lr=0.02).scheduler
    assert read == MultiFactorScheduler([60, 120], 0.1, 0.02)
    with pytest.raises(ValueError, match='num_epochs must be given'):
        schedule(fall())


def test_a_step_that_the_tolerance_brings_forward_is_met():
    n = 90_001  # 1e-6 of it is 0.09 updates: a change due 0.05 after one is taken there
    scheduler = fvcore.MultiStepParamScheduler([1, 0.1], n * 20, [60_000 * 20 + 1])
    rates = schedule(scheduler, 1, 'update', n).rates()
    assert rates.tolist() == asked(scheduler, n)
    assert (rates == 1).sum() == 60_000


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('per', ['epoch', 'update'])
def test_an_fvcore_schedule_read_and_written_again_gives_the_same_rates(name, per):
    run = (N, 'epoch', 1) if per == 'epoch' else (6, 'update', 10)
    plan, space = schedule(CASES[name](), *run), {}
    exec(code(plan, 'fvcore'), space)  # noqa: S102
    assert space['rates'] == close(asked(CASES[name]()))
    again = schedule(space['scheduler'], *run)
    assert again.rates().tolist() == close(plan.rates().tolist())


class Optimizer:
    __module__ = 'fvcore.common.checkpoint'


REFUSED = {
    'Optimizer cannot be read: give one of the classes': (Optimizer, N),
    'ParamScheduler cannot be asked for the time 0 of 60: NotImpl': (of(''), N),
    # its tolerance of 1e-6 is more than an update, and there is no fourth value
    'for the time 1999999 of 2000000: IndexError': (CASES['steps'], 2_000_000),
}


@pytest.mark.parametrize('reason', REFUSED)
def test_what_cannot_be_read_from_fvcore_says_why(reason):
    build, n = REFUSED[reason]
    with pytest.raises(ValueError, match=reason):
        schedule(build(), n)


def test_a_shape_that_no_class_says_is_listed_when_it_is_written():
    plan, space = schedule(Own(), N, batches_per_epoch=1), {}
    assert isinstance(plan.scheduler, LambdaScheduler)
    exec(code(plan, 'fvcore'), space)  # noqa: S102
    assert space['rates'] == close(asked(Own()))
