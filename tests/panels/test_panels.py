"""Planned rates, and what a run really applied beside them."""

import numpy as np
import pytest

from d2l_ext import experiments
from d2l_ext.panels import applied_panel, schedule_panel
from d2l_ext.schedulers import (
    CosineScheduler,
    MultiFactorScheduler,
    SquareRootScheduler,
    warmup_cosine,
)
from d2l_ext.training import History


def history(lr, num_epochs=2, batches=3):
    return History({'num_epochs': num_epochs, 'batches_per_epoch': batches}, lr=lr)


@pytest.mark.parametrize(('steps', 'points'), [(3, 6), (1500, 4501)])
def test_a_long_staircase_keeps_its_steps(steps, points):
    values = np.linspace(1, 0, steps).repeat(4500 // steps)
    panel = schedule_panel(lambda t: values[t], 1, 'update', len(values))
    x, y = panel.lines['learning rate']
    middles = (np.arange(len(values)) + 0.5) / len(values)
    np.testing.assert_allclose(np.interp(middles, x, y), values, atol=1 / 2000)
    assert len(x) == points


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
