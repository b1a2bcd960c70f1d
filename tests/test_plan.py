"""A schedule in its run: what is asked, in which unit, and what is refused."""

import pytest

from d2l_ext.plan import BATCHES_PER_EPOCH, Plan, plan_of, rate_at
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineScheduler,
    LambdaScheduler,
    PlateauScheduler,
    SquareRootScheduler,
)
from d2l_ext.training import Recipe

NAN, INF = float('nan'), float('inf')


def test_the_unit_names_what_the_scheduler_counts():
    scheduler = CosineScheduler(40, 0.5, 0.01)
    assert Plan(scheduler, 40).lr(3, 300) == scheduler(3)
    assert Plan(scheduler, 40, 'update').lr(3, 30) == scheduler(30)
    with pytest.raises(ValueError, match="per must be 'epoch' or 'update', got 'step'"):
        Plan(scheduler, 40, 'step')


@pytest.mark.parametrize('lr', [NAN, INF, -0.1])
def test_a_rate_that_cannot_be_is_refused(lr):
    with pytest.raises(ValueError, match=rf'gives the rate {lr} at update 7'):
        Plan(LambdaScheduler(lambda t: lr, 1.0), 3, 'update').lr(0, 7)


def test_plateau_goes_by_the_losses_so_far():
    scheduler = PlateauScheduler(0.5, factor=0.1, patience=0)
    assert Plan(scheduler, 3).lr(2, 188, [1.0, 1.0]) == scheduler.at([1, 1])
    assert Plan(scheduler, 3).lr(0, 0) == 0.5


@pytest.mark.parametrize('per', ['epoch', 'update'])
def test_planned_rates_are_the_scheduler_s_own(per):
    scheduler = SquareRootScheduler(1.0)
    rates = Plan(scheduler, 4, per, batches_per_epoch=5).rates()
    count = 4 if per == 'epoch' else 20
    assert rates.tolist() == [scheduler(t) for t in range(count)]


@pytest.mark.parametrize('lr', [-0.1, float('inf'), float('nan')])
def test_a_rate_that_is_none_is_named_with_its_time(lr):
    with pytest.raises(ValueError, match=rf'gives the rate {lr} at update 7; it must'):
        Plan(lambda t: lr if t == 7 else 0.1, 3, 'update', 4).rates()


def test_what_has_no_plan_is_refused():
    with pytest.raises(ValueError, match='follows the losses of a run'):
        Plan(PlateauScheduler(0.5), 3).rates()
    with pytest.raises(ValueError, match="per must be 'epoch' or 'update'"):
        Plan(SquareRootScheduler(), 3, 'batch')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'scheduler': 0.5}, 'scheduler must be a function of t'),
        ({'scheduler': CosineScheduler}, 'scheduler must be a function of t'),
        ({'num_epochs': 'x'}, "num_epochs must be a whole number >= 1, got 'x'"),
        ({'num_epochs': None}, 'num_epochs must be a whole number >= 1, got None'),
        ({'num_epochs': 0}, 'num_epochs must be a whole number >= 1, got 0'),
        ({'batches_per_epoch': 94.5}, 'batches_per_epoch must be a whole number'),
        ({'batches_per_epoch': 'x'}, 'batches_per_epoch must be a whole number'),
        ({'per': 'batch'}, "per must be 'epoch' or 'update', got 'batch'"),
    ],
)
def test_a_plan_is_refused_at_once(change, message):
    with pytest.raises(ValueError, match=message):
        Plan(**{'scheduler': ConstantScheduler(), 'num_epochs': 3} | change)


def test_a_slider_s_whole_floats_do():
    plan = Plan(ConstantScheduler(), 3.0, 'update', 94.0)
    assert plan == Plan(ConstantScheduler(), 3, 'update', 94)
    assert (plan.updates, plan.length) == (282, 282)
    assert Plan(ConstantScheduler(), 3).length == 3


def test_a_plan_stands_for_a_scheduler_and_the_length_of_its_run():
    plan = Plan(ConstantScheduler(), 3)
    assert plan_of(plan) is plan_of(plan, 3) is plan
    assert plan_of(ConstantScheduler(), 3) == plan
    for name, value in ('num_epochs', 4), ('per', 'update'), ('batches_per_epoch', 9):
        with pytest.raises(ValueError, match=rf'{name} must be left .*, got {value!r}'):
            plan_of(plan, **{name: value})
    with pytest.raises(ValueError, match='num_epochs must be given with a scheduler'):
        plan_of(ConstantScheduler())


@pytest.mark.parametrize('answer', [None, 'high', [0.5, 0.1], 1j])
@pytest.mark.parametrize('per', ['epoch', 'update'])
def test_what_is_no_number_is_named_with_its_time(answer, per):
    def scheduler(t):
        return answer if t == 2 else 0.5

    plan = Plan(scheduler, 3, per, 1)
    for asked in plan.rates, lambda: plan.lr(2, 2), lambda: rate_at(scheduler, 2, per):
        with pytest.raises(ValueError, match=rf' at {per} 2; it must be finite and'):
            asked()


def test_a_reader_s_scheduler_that_gives_no_number_is_named():
    class Unfinished(ConstantScheduler):
        def lr(self, t):
            pass

    with pytest.raises(ValueError, match=r'^Unfinished\(base_lr=0.1\) gives .* None'):
        Plan(Unfinished(), 3).rates()


def test_a_framework_s_object_that_steps_by_itself_cannot_be_asked():
    class Stepped:
        def step(self):
            pass

    plan = Plan(Stepped(), 3)
    for asked in plan.rates, lambda: plan.lr(0, 0):
        with pytest.raises(ValueError, match='steps by itself and cannot be asked'):
            asked()


def test_an_error_of_a_reader_s_function_comes_through():
    with pytest.raises(TypeError, match='unsupported operand'):
        Plan(lambda t: 0.5 / None, 3).rates()


def test_the_default_is_an_epoch_of_the_mini_set():
    assert Recipe(ConstantScheduler()).batches_per_epoch == BATCHES_PER_EPOCH
