"""What is read from an object of another library gives the rates that it gives."""

import copy
import gc
import math
import weakref

import pytest
from rates import close

from d2l_ext.check import check
from d2l_ext.exchange.code import code
from d2l_ext.exchange.read import schedule
from d2l_ext.families import ProductScheduler
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    CosineScheduler,
    CyclicScheduler,
    FactorScheduler,
    PlateauScheduler,
    SequentialScheduler,
)

# a chain steps before the optimizer does
pytestmark = pytest.mark.filterwarnings('ignore:.*lr_scheduler.step')
torch = pytest.importorskip('torch')
lrs = torch.optim.lr_scheduler

N = 50


def optimizer(*rates):
    groups = [{'params': [torch.zeros(1)], 'lr': lr} for lr in rates or (0.5,)]
    return torch.optim.SGD(groups, lr=0.5)


def stepped(scheduler, n=N, group=0):
    """Return the rates that a scheduler sets, stepped after each."""
    rates = []
    for _ in range(n):
        rates.append(float(scheduler.optimizer.param_groups[group]['lr']))
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def sequential(*parts, milestones):
    def build(opt):
        return lrs.SequentialLR(opt, [part(opt) for part in parts], milestones)

    return build


def chained(*parts):
    return lambda opt: lrs.ChainedScheduler([part(opt) for part in parts], opt)


def linear(opt):
    return lrs.LinearLR(opt, 0.1, total_iters=10)


def cosine(opt):
    return lrs.CosineAnnealingLR(opt, 20, 0.01)


def steps(opt):
    return lrs.MultiStepLR(opt, [5, 15], 0.1)


def restarts(opt):
    return lrs.CosineAnnealingWarmRestarts(opt, 7, 2, 0.01)


def one_cycle(opt, n=N + 1, **settings):
    return lrs.OneCycleLR(opt, 0.5, n, cycle_momentum=False, **settings)


def cyclic(opt, *args, **settings):
    return lrs.CyclicLR(opt, 0.1, 0.5, *args, cycle_momentum=False, **settings)


CASES = {
    'LambdaLR': lambda opt: lrs.LambdaLR(opt, lambda t: 0.9**t),
    'MultiplicativeLR': lambda opt: lrs.MultiplicativeLR(opt, lambda t: 1 - 0.5 / t),
    'StepLR': lambda opt: lrs.StepLR(opt, 7, 0.3),
    'MultiStepLR': lambda opt: lrs.MultiStepLR(opt, [10, 30], 0.1),
    'MultiStepLR unsorted': lambda opt: lrs.MultiStepLR(opt, [30, 10, 2.5], 0.1),
    'MultiStepLR twice': lambda opt: lrs.MultiStepLR(opt, [10, 10, 30], 0.5),
    'MultiStepLR at 0': lambda opt: lrs.MultiStepLR(opt, [0, 10], 0.5),
    'ConstantLR': lambda opt: lrs.ConstantLR(opt, 0.25, 8),
    'ConstantLR never over': lambda opt: lrs.ConstantLR(opt, 0.25, 0),
    'LinearLR': lambda opt: lrs.LinearLR(opt, 0.1, 0.8, 12),
    'LinearLR of no length': lambda opt: lrs.LinearLR(opt, 0.1, 0.8, 0),
    'ExponentialLR': lambda opt: lrs.ExponentialLR(opt, 0.95),
    'PolynomialLR': lambda opt: lrs.PolynomialLR(opt, 30, 2),
    'PolynomialLR of power 0': lambda opt: lrs.PolynomialLR(opt, 30, 0),
    'CosineAnnealingLR': lambda opt: lrs.CosineAnnealingLR(opt, 15, 0.01),
    'CosineAnnealingLR upwards': lambda opt: lrs.CosineAnnealingLR(opt, 15, 0.9),
    'WarmRestarts': restarts,
    'WarmRestarts of one length': lambda opt: lrs.CosineAnnealingWarmRestarts(opt, 10),
    'CyclicLR': lambda opt: cyclic(opt, 6),
    'CyclicLR lower': lambda opt: cyclic(opt, 6, mode='triangular2'),
    'CyclicLR of unequal halves': lambda opt: cyclic(opt, 6, 9),
    'CyclicLR by update': lambda opt: cyclic(opt, 6, mode='exp_range', gamma=0.97),
    'CyclicLR of a function': lambda opt: cyclic(opt, 5, scale_fn=lambda k: 1 / k),
    'OneCycleLR': one_cycle,
    'OneCycleLR linear': lambda opt: one_cycle(opt, anneal_strategy='linear'),
    'OneCycleLR of three': lambda opt: one_cycle(opt, three_phase=True, pct_start=0.25),
    'OneCycleLR only down': lambda opt: one_cycle(opt, pct_start=0.0),
    'OneCycleLR only up': lambda opt: one_cycle(opt, pct_start=0.9),
    'SequentialLR': sequential(linear, cosine, milestones=[10]),
    'SequentialLR of all': sequential(
        linear, steps, restarts, cyclic, milestones=[10, 20, 35]
    ),
    'SequentialLR with one cycle': sequential(
        linear, lambda opt: one_cycle(opt, 40), milestones=[15]
    ),
    'SequentialLR of one': sequential(linear, milestones=[]),
    'SequentialLR with a chain': sequential(
        chained(linear, steps), cosine, milestones=[20]
    ),
    'ChainedScheduler': chained(linear, steps),
    'ChainedScheduler of many': chained(
        linear,
        lambda opt: lrs.PolynomialLR(opt, 60),
        lambda opt: lrs.MultiplicativeLR(opt, lambda t: 0.99),
        lambda opt: lrs.ConstantLR(opt, 0.5, 6),
    ),
    'ChainedScheduler of one': chained(cosine),
}


@pytest.mark.parametrize('name', CASES)
def test_a_pytorch_schedule_gives_the_same_rate_at_every_update(name):
    scheduler = CASES[name](optimizer())
    plan = schedule(scheduler, N)
    assert isinstance(plan, Plan) and plan.per == 'epoch'
    assert plan.rates().tolist() == close(stepped(scheduler))


@pytest.mark.parametrize('name', CASES)
def test_a_stepped_pytorch_schedule_is_read_from_its_beginning(name):
    fresh, scheduler = CASES[name](optimizer()), CASES[name](optimizer())
    stepped(scheduler, 23)
    assert schedule(scheduler, N).rates().tolist() == close(stepped(fresh))


@pytest.mark.parametrize('name', CASES)
def test_a_pytorch_object_is_left_exactly_as_it_was(name, monkeypatch):
    scheduler = CASES[name](optimizer(0.5, 0.05))
    stepped(scheduler, 5)
    groups = scheduler.optimizer.param_groups
    params = [group['params'][0] for group in groups]
    before = copy.deepcopy((scheduler.state_dict(), groups))
    attributes = {key: id(value) for key, value in vars(scheduler).items()}
    monkeypatch.setattr(copy, 'deepcopy', None)  # no model is copied
    plan = schedule(scheduler, N, group=1)
    plan.rates()
    monkeypatch.undo()
    assert repr((scheduler.state_dict(), groups)) == repr(before) or 'lambda' in repr(
        before
    )
    assert {key: id(value) for key, value in vars(scheduler).items()} == attributes
    assert all(a['params'][0] is b for a, b in zip(groups, params))


def test_a_plan_keeps_no_optimizer_and_so_no_model():
    optimizers = [optimizer() for _ in CASES]
    plans = [schedule(CASES[name](opt), N) for name, opt in zip(CASES, optimizers)]
    gone = [weakref.ref(opt) for opt in optimizers]
    del optimizers
    gc.collect()
    assert [ref() for ref in gone] == [None] * len(CASES)
    assert all(plan.rates().size == N for plan in plans)


def test_every_parameter_group_is_seen():
    scheduler = lrs.StepLR(optimizer(0.5, 0.05), 7, 0.3)
    with pytest.raises(ValueError, match=r'0\.5 in group 0, 0\.05 in group 1'):
        schedule(scheduler, N)
    for group in range(2):
        rates = schedule(
            lrs.StepLR(optimizer(0.5, 0.05), 7, 0.3), N, group=group
        ).rates()
        scheduler = lrs.StepLR(optimizer(0.5, 0.05), 7, 0.3)
        assert rates.tolist() == close(stepped(scheduler, group=group))
    with pytest.raises(ValueError, match='group must be 0 to 1, got 2'):
        schedule(scheduler, N, group=2)


def test_groups_of_one_rate_need_no_choice():
    scheduler = lrs.CosineAnnealingLR(optimizer(0.5, 0.5), 20)
    assert schedule(scheduler, N).scheduler == CyclicScheduler(0, 0.5, 20, 'cosine')


def test_a_rate_that_is_a_tensor_is_read_as_a_number():
    opt = optimizer(torch.tensor(0.5))
    assert schedule(lrs.StepLR(opt, 7), N).scheduler == FactorScheduler(0.1, 0, 0.5, 7)


def test_what_is_read_has_its_unit():
    scheduler = lrs.StepLR(optimizer(), 7)
    assert schedule(scheduler, 5, 'update', 10).length == 50


def test_a_plateau_is_read_with_the_rate_that_it_began_with():
    opt = optimizer()
    scheduler = lrs.ReduceLROnPlateau(opt, 'max', 0.3, 2, 0.01, 'abs', 1, 0.001)
    read = PlateauScheduler(0.5, 0.3, 2, 0.01, 1, 0.001, 'max', 'abs', 1e-8)
    assert schedule(scheduler, N).scheduler == read
    metrics = [0.1, 0.3, 0.3, 0.2, 0.3, 0.31, 0.2, 0.2, 0.2, 0.2]
    for count, metric in enumerate(metrics, 1):
        scheduler.step(metric)
        assert opt.param_groups[0]['lr'] == pytest.approx(read.at(metrics[:count]))
    with pytest.raises(ValueError, match=r'base_lr must be given.*stepped 10 times'):
        schedule(scheduler, N)
    assert schedule(scheduler, N, base_lr=0.5).scheduler == read


def two_on_one(opt):
    linear(opt)
    return cosine(opt)


def set_by_hand(opt):
    scheduler = cosine(opt)
    stepped(scheduler, 3)
    opt.param_groups[0]['lr'] = 0.3
    scheduler.step()
    return scheduler


class Own(lrs.StepLR):
    def get_lr(self):
        return [0.1]


REFUSED = {
    'something else sets the rate': two_on_one,
    'of this optimizer too': set_by_hand,
    'Own is not one that can be read': lambda opt: Own(opt, 3),
    'SWALR .* begins at': lambda opt: torch.optim.swa_utils.SWALR(opt, 0.05),
    'LambdaLR is part 0 of a Chained': chained(CASES['LambdaLR'], linear),
    'CosineAnnealingLR is part 1': chained(linear, cosine),
    'Multiplicative.* part 1 of a Seq': sequential(
        linear, CASES['MultiplicativeLR'], milestones=[5]
    ),
    'milestones must be whole': sequential(linear, cosine, milestones=[2.5]),
}


@pytest.mark.parametrize('reason', REFUSED)
def test_what_cannot_be_read_from_pytorch_says_why(reason):
    with pytest.raises(ValueError, match=reason):
        schedule(REFUSED[reason](optimizer()), N)


@pytest.mark.parametrize(
    'name',
    [
        'StepLR',
        'MultiStepLR twice',
        'LinearLR',
        'PolynomialLR',
        'CosineAnnealingLR',
        'WarmRestarts',
        'CyclicLR lower',
        'OneCycleLR',
        'SequentialLR',
    ],
)
@pytest.mark.parametrize('per', ['epoch', 'update'])
def test_a_pytorch_schedule_read_and_written_again_gives_the_same_rates(name, per):
    batches = 1 if per == 'epoch' else N // 5
    plan = schedule(CASES[name](optimizer()), N // batches, per, batches)
    space = {}
    exec(code(plan, 'torch'), space)  # noqa: S102
    assert space['rates'] == close(stepped(CASES[name](optimizer())))
    again = schedule(space['scheduler'], N // batches, per, batches)
    assert again.rates().tolist() == close(plan.rates().tolist())


def test_a_function_of_time_is_a_schedule():
    assert schedule(lambda t: 0.5 / (t + 1), 3).rates().tolist() == [0.5, 0.25, 0.5 / 3]
    assert schedule(math.sqrt, 2).rates().tolist() == [0, 1]


class Counting:
    base_lr = 0.5

    def __call__(self, t):
        self.base_lr *= 0.9
        return self.base_lr


class Dividing:
    def __call__(self, t):
        return 0.5 / (t + 1)


def test_an_object_that_each_call_changes_is_refused_and_left():
    scheduler = Counting()
    with pytest.raises(ValueError, match='every call changes Counting'):
        schedule(scheduler, 3)
    assert scheduler.base_lr == 0.5
    assert schedule(Dividing(), 2).rates().tolist() == [0.5, 0.25]


def test_an_optimizer_is_not_a_schedule():
    with pytest.raises(ValueError, match='SGD cannot be read: give the scheduler'):
        schedule(optimizer(), N)


@pytest.mark.parametrize('obj', [3, None, object(), lrs.StepLR])
def test_what_is_no_schedule_is_refused(obj):
    with pytest.raises(ValueError, match='obj must be a scheduler'):
        schedule(obj, 3)


def test_a_chain_is_read_as_a_product_and_written_again():
    plan = schedule(CASES['ChainedScheduler'](optimizer()), N)
    assert isinstance(plan.scheduler, ProductScheduler)
    assert plan == schedule(CASES['ChainedScheduler'](optimizer()), N)
    assert 'def rate(t):' in code(plan, 'torch')
    assert check(plan)[0].startswith('Rises')


def test_a_schedule_of_ours_is_its_plan():
    plan = Plan(CosineScheduler(40), 40)
    assert schedule(plan) is plan
    assert schedule(CosineScheduler(40), 40) == plan
    assert isinstance(
        schedule(CASES['OneCycleLR'](optimizer()), N).scheduler, SequentialScheduler
    )


def test_the_length_of_the_run_is_asked_for():
    with pytest.raises(ValueError, match='num_epochs must be given'):
        schedule(lrs.StepLR(optimizer(), 7))
