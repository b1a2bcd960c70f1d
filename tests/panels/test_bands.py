"""Means and bands of seeds, against NumPy's own."""

import math

import numpy as np
import pytest

from d2l_ext.panels.bands import band_panels
from d2l_ext.plots import figure
from d2l_ext.training import History


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
