"""Planned rates as a staircase, of a scheduler or of a Plan."""

import numpy as np
import pytest

from d2l_ext.panels import schedule_panel
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    SquareRootScheduler,
    WarmupScheduler,
    warmup_cosine,
)


@pytest.mark.parametrize(('steps', 'points'), [(3, 6), (1500, 4501)])
def test_a_long_staircase_keeps_its_steps(steps, points):
    values = np.linspace(1, 0, steps).repeat(4500 // steps)
    panel = schedule_panel(lambda t: values[t], 1, 'update', len(values))
    x, y = panel.lines['learning rate']
    middles = (np.arange(len(values)) + 0.5) / len(values)
    np.testing.assert_allclose(np.interp(middles, x, y), values, atol=1 / 2000)
    assert len(x) == points


@pytest.mark.parametrize('run', [(4,), (4, 'update', 5)])
def test_a_plan_is_shown_as_its_scheduler_with_the_rest_of_it(run):
    plan = Plan(SquareRootScheduler(1.0), *run)
    ours, theirs = schedule_panel(plan), schedule_panel(plan.scheduler, *run)
    assert ours.plan is plan and theirs.plan == plan
    assert ours.note == theirs.note
    for a, b in zip(ours.lines['square root'], theirs.lines.popitem()[1]):
        np.testing.assert_array_equal(a, b)


def test_plans_of_both_units_share_an_axis_of_epochs():
    plans = {
        'epochs': Plan(CosineScheduler(40, 0.5), 40),
        'updates': Plan(CosineScheduler(40, 0.5), 40, 'update', 2),
    }
    panel = schedule_panel(plans)
    assert panel.plan is None
    assert [panel.lines[label][0][-1] for label in plans] == [40, 40]
    assert 'updates: starts at 0.5' in panel.note
    assert 'reached after 40 of 80 updates (50 % of the run)' in panel.note


def test_a_scheduler_without_its_run_and_a_plan_with_another_are_refused():
    with pytest.raises(ValueError, match='num_epochs must be given with a scheduler'):
        schedule_panel(SquareRootScheduler())
    with pytest.raises(ValueError, match=r"per must be left out .* got 'update'"):
        schedule_panel(Plan(SquareRootScheduler(), 3), per='update')


def test_rounding_is_neither_a_peak_nor_a_change():
    """Between two equal rates a schedule is flat, but for the last digit."""
    note = schedule_panel(warmup_cosine(40, 0.01, 5, 0.01), 40).note
    assert 'peaks at 0.01 in epoch 5,' in note
    assert 'final rate reached after 5 of 40 epochs (12 % of the run)' in note
    for scheduler in CosineScheduler(40, 0.3, 0.3), CosineScheduler(40, 0.07, 0.07):
        assert schedule_panel(scheduler, 40).note == f'Constant at {scheduler(0)}.'


def test_a_small_change_is_a_change():
    tiny = FactorScheduler(0.1, 0, 1.0)
    assert 'final rate' not in schedule_panel(tiny, 40).note
    rising = schedule_panel(lambda t: 0.5 + 1e-9 * (t == 7), 10).note
    assert 'peaks at 0.5 in epoch 7' in rising


def test_a_legend_says_words_not_classes():
    scheduler = WarmupScheduler(CosineScheduler(30, 0.5), 5)
    assert [*schedule_panel(scheduler, 30).lines] == ['warmup + cosine']
    assert [*schedule_panel(MultiFactorScheduler([5], 0.5), 30).lines] == [
        'multi factor'
    ]
