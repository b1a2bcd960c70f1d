"""timm's schedulers as plans."""

import pytest
from rates import close
from test_code import bare

from d2l_ext.exchange.code import code
from d2l_ext.exchange.read import schedule
from d2l_ext.schedulers import PlateauScheduler

torch = pytest.importorskip('torch')
bare('timm')
timm = pytest.importorskip('timm.scheduler')
pytestmark = pytest.mark.foreign('timm')

N = 60
WARM = {'warmup_t': 8, 'warmup_lr_init': 0.05}
OVER = {**WARM, 'warmup_prefix': False}
BEFORE = {**WARM, 'warmup_prefix': True}


def optimizer(*groups):
    groups = groups or ({'lr': 0.5},)
    groups = [{'params': [torch.zeros(1)], **group} for group in groups]
    return torch.optim.SGD(groups, lr=0.1)


def stepped(scheduler, n=N, group=0):
    rates = []
    for t in range(1, n + 1):
        rates.append(float(scheduler.optimizer.param_groups[group]['lr']))
        scheduler.step_update(t)
        scheduler.step(t)
    return rates


def of(name, *args, **settings):
    return lambda opt=None: getattr(timm, f'{name}LRScheduler')(
        opt or optimizer(), *args, **settings
    )


CASES = {
    'cosine': of('Cosine', 40, 0.01),
    'cosine over': of('Cosine', 40, 0.01, **OVER),
    'cosine before': of('Cosine', 40, 0.01, **BEFORE),
    'cosine from above': of('Cosine', 40, 0.01, warmup_t=8, warmup_lr_init=0.9),
    'cosine cycles': of('Cosine', 15, cycle_limit=3, cycle_decay=0.5),
    'cosine cycles before': of('Cosine', 15, cycle_limit=2, cycle_decay=0.5, **BEFORE),
    'step': of('Step', 10, 0.5),
    'step before': of('Step', 10, 0.5, **WARM),
    'step over': of('Step', 10, 0.5, **OVER),
    'constant': of('Step', 1, 1.0, **WARM),
    'multi-step': of('MultiStep', [15, 30], 0.5),
    'multi-step at 1': of('MultiStep', [1, 2, 30], 0.5),
    'multi-step at 1 before': of('MultiStep', [1, 30], 0.5, **WARM),
    'multi-step over': of('MultiStep', [5, 30], 0.5, **OVER),
    'poly': of('Poly', 40, 0.9, 0.01),
    'poly over': of('Poly', 40, 2.0, 0.01, **OVER),
    'wsd linear': of('WSD', 50, 10, 0.01, decay_fn='linear'),
    'wsd cosine': of('WSD', 40, 40, 0.01, decay_fn='cosine', **WARM),
    'wsd linear before': of('WSD', 40, 10, decay_fn='linear', **WARM),
}
CASES |= {
    'cosine cycles longer': of('Cosine', 8, 0.0, 2.0, 0.7, 3),
    'poly k, a line': of('Poly', 40, 1.0, 0.01, k_decay=2.0),
    'wsd 1-sqrt': of('WSD', 50, 10, 0.01, **WARM),
    'wsd power': of('WSD', 50, 10, 0.01, decay_fn='power', decay_power=2.0, **WARM),
}
CALLED = {
    'cosine cycles longer and higher': of('Cosine', 8, 0.01, 2.0, 0.7, 3),
    'cosine cycles higher': of('Cosine', 12, 0.01, cycle_limit=3, cycle_decay=0.5),
    'cosine k': of('Cosine', 40, 0.01, k_decay=1.5),
    'cosine with noise': of('Cosine', 40, noise_range_t=[5, 30], noise_pct=0.1),
    'step of 2.5': of('Step', 2.5, 0.8),
    'step of 0.1': of('Step', 0.1, 0.99),
    'growth': of('Step', 20, 1.2),
    'tanh': of('Tanh', 40, lr_min=0.01),
    'tanh over': of('Tanh', 40, **OVER),
    'poly k': of('Poly', 40, k_decay=2.0),
    'wsd rsqrt': of('WSD', 50, 10, stable_fn='rsqrt', **WARM),
}


@pytest.mark.parametrize('name', [*CASES, *CALLED])
def test_a_timm_schedule_gives_the_same_rate_at_every_update(name):
    build = (CASES | CALLED)[name]
    plan = schedule(build(), N)
    assert plan.per == 'epoch'
    scheduler = build()
    assert plan.rates().tolist() == close(stepped(scheduler))
    assert schedule(scheduler, N).rates().tolist() == plan.rates().tolist()
    assert 'Rate(' in repr(plan.scheduler) or name in CASES


@pytest.mark.parametrize('name', CASES)
def test_the_settings_of_timm_are_said_by_classes(name):
    assert 'Rate(' not in repr(schedule(CASES[name](), N).scheduler)


def test_timm_knows_its_unit():
    scheduler = of('Cosine', 40, t_in_epochs=False)()
    assert schedule(scheduler, 6, batches_per_epoch=10).per == 'update'
    with pytest.raises(ValueError, match="per must be 'update' or left out"):
        schedule(scheduler, 6, 'epoch')


@pytest.mark.parametrize('name', ['cosine over', 'tanh', 'cosine with noise'])
def test_every_group_of_timm_is_seen_with_its_scale(name):
    def build():
        groups = {'lr': 0.5, 'lr_scale': 0.1}, {'lr': 0.5, 'lr_scale': 0.2}, {'lr': 0.5}
        return (CASES | CALLED)[name](optimizer(*groups))

    with pytest.raises(ValueError, match='3 parameter groups have different rates'):
        schedule(build(), N)
    for group in range(3):
        rates = schedule(build(), N, group=group).rates().tolist()
        assert rates == close(stepped(build(), group=group))


def test_a_timm_object_is_left_exactly_as_it_was():
    scheduler = CALLED['tanh over']()
    stepped(scheduler, 5)
    before = {key: id(value) for key, value in vars(scheduler).items()}
    state = repr((scheduler.state_dict(), scheduler.optimizer.param_groups))
    plan = schedule(scheduler, N)
    plan.rates()
    assert {key: id(value) for key, value in vars(scheduler).items()} == before
    assert repr((scheduler.state_dict(), scheduler.optimizer.param_groups)) == state
    assert plan.scheduler.function.scheduler.optimizer is None  # holds no model


@pytest.mark.filterwarnings('ignore::FutureWarning')
@pytest.mark.parametrize('warm', [{}, WARM])
def test_a_plateau_of_timm_is_read_with_its_warmup(warm):
    scheduler = of('Plateau', 0.5, 1, lr_min=0.02, mode='min', **warm)()
    read = schedule(scheduler, N).scheduler
    wanted = PlateauScheduler(0.5, 0.5, 1, 1e-4, 0, 0.02, 'min', 'rel', 1e-8)
    if warm:
        wanted = PlateauScheduler(
            0.5, 0.5, 1, 1e-4, 0, 0.02, 'min', 'rel', 1e-8, 8, 0.05
        )
    assert read == wanted
    metrics = [0.1, *([3.0] * 8), 2, 1, 2, 2, 0.5, 1, 1, 1, 1, 1, 1, 1, 1]
    for t in range(len(metrics)):
        lr = scheduler.optimizer.param_groups[0]['lr']
        assert lr == pytest.approx(read.at(metrics[:t]), rel=1e-9)
        scheduler.step(t + 1, metrics[t])
    with pytest.raises(ValueError, match='without noise_range_t'):
        schedule(of('Plateau', 0.5, 1, noise_range_t=3)(), N)


@pytest.mark.parametrize('name', ['cosine before', 'step', 'multi-step', 'wsd linear'])
def test_a_timm_schedule_read_and_written_again_gives_the_same_rates(name):
    plan, space = schedule(CASES[name](), N, batches_per_epoch=1), {}
    exec(code(plan, 'timm'), space)  # noqa: S102
    assert space['rates'] == close(stepped(CASES[name]()))
    again = schedule(space['schedule'], N).rates().tolist()
    assert again == close(plan.rates().tolist())
