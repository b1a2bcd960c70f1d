"""optax's functions as plans."""

import pytest

from d2l_ext.exchange.code import code
from d2l_ext.exchange.read import schedule

jax = pytest.importorskip('jax')
optax = pytest.importorskip('optax')

N = 60


@pytest.fixture(autouse=True)
def float64():
    before = jax.config.jax_enable_x64
    jax.config.update('jax_enable_x64', True)  # its default is float32
    yield
    jax.config.update('jax_enable_x64', before)


def joined():
    parts = [optax.linear_schedule(0.0, 0.5, 10), optax.constant_schedule(0.5)]
    parts += [optax.exponential_decay(0.5, 5, 0.8, staircase=True)]
    return optax.join_schedules(parts, [10, 30])


CASES = {
    'constant': lambda: optax.constant_schedule(0.5),
    'linear': lambda: optax.linear_schedule(0.1, 0.5, 20),
    'linear of no length': lambda: optax.linear_schedule(0.1, 0.5, 0),
    'linear later': lambda: optax.linear_schedule(0.1, 0.5, 20, 15),
    'polynomial': lambda: optax.polynomial_schedule(0.5, 0.1, 2, 40),
    'cosine': lambda: optax.cosine_decay_schedule(0.5, 40, 0.1),
    'exponential': lambda: optax.exponential_decay(0.5, 10, 0.5),
    'exponential in steps': lambda: optax.exponential_decay(0.5, 7, 0.5, 5, True),
    'exponential floor': lambda: optax.exponential_decay(0.5, 9, 0.5, end_value=0.1),
    'exponential below': lambda: optax.exponential_decay(0.5, 9, 0.5, end_value=0.6),
    'piecewise constant': lambda: optax.piecewise_constant_schedule(
        0.5, {20: 0.1, 40: 0.1}
    ),
    'piecewise unequal': lambda: optax.piecewise_constant_schedule(
        0.5, {0: 0.5, 9: 3.0}
    ),
    'piecewise nothing': lambda: optax.piecewise_constant_schedule(0.5),
    'linear between': lambda: optax.piecewise_interpolate_schedule(
        'linear', 0.1, {10: 5.0, 50: 0.1}
    ),
    'cosine between': lambda: optax.piecewise_interpolate_schedule(
        'cosine', 0.1, {10: 5.0, 50: 0.1}
    ),
    'linear one cycle': lambda: optax.linear_onecycle_schedule(50, 0.5),
    'linear one cycle without a start': lambda: optax.linear_onecycle_schedule(
        50, 0.5, 0.0
    ),
    'cosine one cycle': lambda: optax.cosine_onecycle_schedule(50, 0.5),
    'warmup constant': lambda: optax.warmup_constant_schedule(0.1, 0.5, 10),
    'warmup cosine': lambda: optax.warmup_cosine_decay_schedule(0.0, 0.5, 10, 50, 0.01),
    'no warmup cosine': lambda: optax.warmup_cosine_decay_schedule(0.0, 0.5, 0, 50),
    'warmup exponential': lambda: optax.warmup_exponential_decay_schedule(
        0.1, 0.5, 10, 8, 0.9, end_value=0.2
    ),
    'restarts': lambda: optax.sgdr_schedule(
        [
            {'init_value': 0.0, 'peak_value': lr, 'decay_steps': n, 'warmup_steps': 3}
            for lr, n in ((0.5, 15), (0.3, 30))
        ]
    ),
    'joined': joined,
}
CASES['growth'] = lambda: optax.exponential_decay(0.01, 10, 1.5, end_value=0.3)
CALLED = {
    'cosine power': lambda: optax.cosine_decay_schedule(0.5, 40, 0.1, 2.0),
    'joined own': lambda: optax.join_schedules(
        [optax.constant_schedule(0.5), lambda count: 0.5 / (abs(count) + 1)], [20]
    ),
}


@pytest.mark.parametrize('name', [*CASES, *CALLED])
def test_an_optax_schedule_gives_the_same_rate_at_every_update(name):
    function = (CASES | CALLED)[name]()
    plan = schedule(function, 6, batches_per_epoch=10)
    assert plan.per == 'update'
    wanted = [float(function(count)) for count in range(N)]
    assert plan.rates().tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize('name', CASES)
def test_what_optax_closes_over_is_said_by_classes(name):
    assert 'Called' not in repr(schedule(CASES[name](), N).scheduler)


@pytest.mark.parametrize(
    'name', ['polynomial', 'exponential in steps', 'warmup cosine', 'restarts']
)
def test_an_optax_schedule_read_and_written_again_gives_the_same_rates(name):
    function, space = CASES[name](), {}
    plan = schedule(function, 6, batches_per_epoch=10)
    exec(code(plan, 'optax'), space)  # noqa: S102
    assert space['rates'] == pytest.approx(
        [float(function(t)) for t in range(N)], rel=1e-9
    )
    again = schedule(space['schedule'], 6, batches_per_epoch=10)
    assert again.rates().tolist() == pytest.approx(plan.rates().tolist(), rel=1e-9)


def test_a_function_of_optax_may_be_asked_with_epochs():
    plan = schedule(CASES['cosine'](), N, 'epoch')
    assert plan.per == 'epoch' and plan.length == N


def test_an_optimizer_of_optax_is_not_a_schedule():
    with pytest.raises(ValueError, match='give the schedule'):
        schedule(optax.sgd(0.1), N)
