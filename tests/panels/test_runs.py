"""What a run really applied beside its plan, and several seeds as means and bands."""

import math

import numpy as np
import pytest

from d2l_ext import experiments
from d2l_ext.panels import (
    applied_panel,
    band_panels,
    history_panels,
    range_panel,
    recorded_panels,
)
from d2l_ext.panels.look import along, limits
from d2l_ext.plan import Plan
from d2l_ext.plots import figure
from d2l_ext.schedulers import (
    CosineScheduler,
    MultiFactorScheduler,
    SquareRootScheduler,
    warmup_cosine,
)
from d2l_ext.theory import consequence_panels
from d2l_ext.training import History
from d2l_ext.training.range_test import RangeTest


def history(lr, num_epochs=2, batches=3):
    return History({'num_epochs': num_epochs, 'batches_per_epoch': batches}, lr=lr)


def test_a_run_as_planned_says_so():
    scheduler = SquareRootScheduler(1.0)
    run = history([scheduler(0)] * 3 + [scheduler(1)] * 3)
    panel = applied_panel(run, scheduler)
    assert panel.note == 'Applied as planned.'
    assert panel.verticals == {}


@pytest.mark.parametrize(('at', 'epoch'), [(0, 0), (2, 0), (3, 1), (5, 1)])
def test_the_first_difference_is_marked(at, epoch):
    rates = [0.5] * 6
    rates[at] = 0.25
    panel = applied_panel(history(rates), lambda t: 0.5)
    assert panel.verticals == {'first difference': at / 3}
    assert panel.note == (
        f'First differs at update {at} (epoch {epoch}): planned 0.5, applied 0.25. '
        'In all, 1 of 6 updates differ.'
    )


def test_a_plan_in_updates_is_compared_in_updates():
    run = history([1, 2, 3, 4, 5, 6])
    assert applied_panel(run, lambda t: t + 1, 'update').note == 'Applied as planned.'
    assert 'at update 1 (epoch 0)' in applied_panel(run, lambda t: t + 1).note


def test_a_plan_is_compared_in_its_own_unit_and_must_be_as_long_as_the_run():
    run = history([1, 2, 3, 4, 5, 6])
    plan = Plan(lambda t: t + 1, 2, 'update', 3)
    panel = applied_panel(run, plan)
    assert panel.note == 'Applied as planned.' and panel.plan is plan
    by_epoch = Plan(lambda t: 0.5, 2)  # whatever the updates of its epochs
    assert applied_panel(history([0.5] * 6), by_epoch).note == 'Applied as planned.'
    with pytest.raises(ValueError, match='batches_per_epoch must be 3, as in the run'):
        applied_panel(run, Plan(plan.scheduler, 2, 'update', 4))
    with pytest.raises(ValueError, match=r'num_epochs must be left out .* be its 5'):
        applied_panel(run, Plan(plan.scheduler, 5))
    with pytest.raises(ValueError, match=r"per must be left out .* its 'epoch'"):
        applied_panel(run, by_epoch, 'update')


@pytest.mark.parametrize('done', [0, 4])
def test_a_run_that_goes_on_is_compared_as_far_as_it_is(done):
    panel = applied_panel(history([0.5] * done), lambda t: 0.5)
    assert panel.note.endswith(f'the run has made {done} of 6 updates.')
    assert len(panel.lines['applied'][0]) == 2 * done


def test_a_history_that_knows_no_epochs_is_refused():
    with pytest.raises(ValueError, match="must tell 'batches_per_epoch'"):
        applied_panel(History({'num_epochs': 3}), lambda t: 0.5)


# What the book prints, with its 40 epochs scaled to 30 as the recordings are
PRINTED = {
    'square_root_printed': (SquareRootScheduler(1.0), 1, 0.707107),
    'multi_factor_printed': (MultiFactorScheduler([10, 20], 0.5, 0.5), 0.5, 0.125),
    'cosine_printed': (CosineScheduler(30, 0.5, 0.01), 0.5, 0.499245),
    'warmup_cosine_printed': (warmup_cosine(30, 0.5, 5, 0.01), 0, 0.1),
}


@pytest.mark.parametrize('name', PRINTED)
def test_the_book_s_runs_differ_from_their_plots_at_once(name):
    scheduler, planned, applied = PRINTED[name]
    for run in experiments.load(name):
        note = applied_panel(run, scheduler).note
        assert note.startswith(
            f'First differs at update 0 (epoch 0): planned {planned}, applied {applied}'
        )


def test_our_runs_apply_what_was_planned():
    for run in experiments.load('cosine_0.3'):
        panel = applied_panel(run, CosineScheduler(30, 0.3, 0.01))
        assert panel.note == 'Applied as planned.'


# Several seeds


def runs(*losses):
    return [History({}, list(loss), [0.5] * 9, [0.1] * len(loss)) for loss in losses]


def test_a_band_is_the_mean_and_a_standard_deviation():
    loss, accuracy = band_panels({'a': runs((3, 2, 1), (5, 2, 2), (4, 2, 6))})
    x, low, high = loss.bands['a']
    assert x.tolist() == loss.lines['a'][0].tolist() == [1, 2, 3]
    assert loss.lines['a'][1].tolist() == [4, 2, 3]
    sd = np.std([[3, 2, 1], [5, 2, 2], [4, 2, 6]], axis=0, ddof=1)
    assert low == pytest.approx(np.array([4, 2, 3]) - sd)
    assert high == pytest.approx(np.array([4, 2, 3]) + sd)
    assert loss.xlim == accuracy.xlim == (0, 3)


def test_seeds_that_ended_early_leave_the_others():
    (loss, _) = band_panels({'a': runs((3, 2, 1), (5, 4), (4, math.nan))})
    assert loss.lines['a'][1].tolist() == [4, 3, 1]
    assert np.isnan(loss.bands['a'][1]).tolist() == [False, False, True]


def test_one_seed_has_no_band_and_late_epochs_can_be_shown_alone():
    panels = band_panels({'a': runs((9, 2, 1)), 'b': runs((8, 1))}, since=2, note='x')
    assert panels[0].bands == {}
    assert panels[0].lines['a'][1].tolist() == [2, 1]
    assert panels[0].lines['b'][0].tolist() == [2]
    assert panels[0].xlim == (1, 3)
    assert [panel.note for panel in panels] == ['x', '']
    assert 'x' in repr(figure(*panels))
    assert band_panels({'a': runs((9, 2, 1))}, since=7)[0].lines['a'][0].size == 0


def test_a_range_panel_needs_a_test():
    with pytest.raises(ValueError, match=r'tests must be one range test .* got \[\]'):
        range_panel([])


@pytest.mark.parametrize(
    ('end', 'ylim'), [(0.3, (0, 3)), (1.9, (1.5, 3)), (2.3, (2, 3)), (9.0, (2, 3))]
)
def test_the_axis_of_a_range_test_begins_a_little_below_its_lowest_loss(end, ylim):
    test = RangeTest(np.logspace(-3, 0, 50), np.full(50, end), 'finished')
    assert range_panel([test]).ylim == ylim


def test_recorded_accuracies_fill_their_axis_and_failed_runs_are_marked():
    learned = History({}, [1.0, 0.5], [0.8, 0.9], [0.7, 0.85])
    failed = History({}, [2.3, 2.3], [0.1, 0.1], [0.1, 0.1])
    _, accuracy = recorded_panels({'a': [learned, learned], 'b': [failed]})
    assert accuracy.ylim == (0.6, 0.95)
    assert accuracy.horizontals == {'1 of 3 end below': 0.6}
    _, accuracy = recorded_panels({'a': [learned]})
    assert accuracy.horizontals == {}
    _, accuracy = recorded_panels({'b': [failed]})
    assert (accuracy.ylim, accuracy.horizontals) == ((0, 1), {})


def test_where_the_expected_loss_leaves_its_axis_is_marked():
    _, loss = consequence_panels(lambda t: 9.69, num_epochs=30)
    ((text, at),) = loss.verticals.items()
    assert 'diverges' in text and 0 <= at < 3
    _, loss = consequence_panels(lambda t: 0.5, num_epochs=30)
    assert loss.verticals == {}


@pytest.mark.parametrize('alone', [True, False])
def test_a_run_that_diverged_does_not_press_the_others_onto_the_axis(alone):
    """By hand at rate 3 in notebook 02: one linear axis up to 1.5e9."""
    losses = [1.1, 0.8, 1.5e9, 2.3, 2.3]
    run = History({'num_epochs': 5}, losses, [0.1] * 5, [0.1] * 5)
    loss, accuracy = history_panels(run if alone else {'a': run})
    assert loss.log is True and accuracy.log is False
    low, high = limits(loss).y
    assert low < 0.8 and high > 1.5e9
    assert np.diff(along([0.8, 2.3], (low, high), log=True)) > 0.04
    loss, _ = history_panels(History({}, losses[:2], [0.1] * 2, [0.1] * 2))
    assert loss.log is None


def test_where_a_runs_loss_is_no_number_any_more_is_marked():
    run = History({'num_epochs': 5}, [1.1, np.inf, np.nan], [0.1] * 3, [0.1] * 3)
    good = History({'num_epochs': 5}, [1.1, 0.9], [0.1] * 2, [0.1] * 2)
    loss, accuracy = history_panels(run)
    assert (loss.verticals, accuracy.verticals) == ({'the loss diverges': 2}, {})
    assert history_panels(good)[0].verticals == {}
    loss, _ = history_panels({'rate 3': run, 'rate 1': good})
    assert loss.verticals == {'rate 3 diverges': 2}


def test_the_end_of_a_long_cosine_is_on_the_axis_of_the_expected_loss():
    """At ImageNet's length it ends at 1.1e-6, and the axis began at 2.5e-5."""
    plan = Plan(CosineScheduler(90, 0.1, 3e-5), 90, 'epoch', 5004)
    _, loss = consequence_panels(
        plan, momentum=0.9, batch_size=256, condition_number=1e5
    )
    low, _ = limits(loss).y
    _, y = loss.lines['expected loss']
    assert y[-1] < 2.5e-5
    assert low < y[-1] < 20 * low
    _, loss = consequence_panels(lambda t: 0.5, num_epochs=30)
    assert limits(loss).y[0] == 1e-4
