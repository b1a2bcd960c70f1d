"""How panels look: the ticks are Matplotlib's own, and nothing but NumPy is needed."""

import subprocess
import sys

import numpy as np
import pytest

from d2l_ext.panels.look import (
    PINNED,
    STYLES,
    along,
    down_to,
    legend,
    limits,
    ran_away,
    styles,
    tick_label,
    x_ticks,
    y_ticks,
)
from d2l_ext.panels.panel import Panel


def panel(y, **other):
    return Panel({'y': (range(len(y)), y)}, 'x', 'y', **other)


def intervals(log):
    """Return 400 intervals such as axes have: round ones, and any others."""
    rng, some = np.random.default_rng(0), []
    for _ in range(100):
        data = 10 ** rng.uniform(-6, 5, 4) + (0 if log else rng.choice([0, 1, -100]))
        some.append(limits(panel(data, log=log)).y)
        some.append(limits(panel(10 ** rng.uniform(-1, 1, 2), log=log)).y)
        low, high = np.sort(
            10 ** rng.uniform(-30, 30, 2) if log else rng.normal(size=2)
        )
        some.append((low, high))
        low = rng.integers(1, 100) / 10
        some.append((low, low + float(rng.choice([0.1, 0.5, 1, 3, 30, 60, 235]))))
    return some


def seen(ticks, low, high, log):
    """Return those of Matplotlib's ticks that lie on the axis, and so are drawn."""
    ticks = np.array([tick for tick in ticks if tick > 0 or not log])
    return ticks[np.abs(along(ticks, (low, high), log) - 0.5) <= 0.5 + 1e-9]


@pytest.mark.parametrize('kind', ['x', 'y', 'log'])
def test_the_ticks_are_those_that_matplotlib_would_choose(kind):
    ticker = pytest.importorskip('matplotlib.ticker')
    for low, high in intervals(kind == 'log'):
        if kind == 'x':
            ours, locator = x_ticks, ticker.MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
        elif kind == 'y':
            ours, locator = y_ticks, ticker.MaxNLocator(5, steps=[1, 2, 5, 10])
        else:
            subs = (1, 2, 5) if high / low < 50 else (1,)
            locator = ticker.LogLocator(subs=subs, numticks=6)

            def ours(low, high):
                return y_ticks(low, high, log=True)

        theirs = seen(locator.tick_values(low, high), low, high, kind == 'log')
        span = 0 if kind == 'log' else high - low
        np.testing.assert_allclose(ours(low, high), theirs, 1e-9, 1e-9 * span)


@pytest.mark.parametrize('kind', ['linear', 'log'])
def test_matplotlib_draws_these_ticks_and_labels(kind):
    pytest.importorskip('matplotlib')
    from d2l_ext.plots import figure

    for low, high in intervals(kind == 'log')[:20]:
        ax = figure(
            panel([low, high], ylim=(low, high), log=kind == 'log')
        ).figure.axes[0]
        ax.figure.canvas.draw()
        ticks = y_ticks(low, high, kind == 'log')
        assert [tick.get_loc() for tick in ax.yaxis.get_major_ticks()] == ticks
        labels = [tick.label1.get_text() for tick in ax.yaxis.get_major_ticks()]
        assert labels == [*map(tick_label, ticks)]


@pytest.mark.parametrize(
    ('low', 'high'), [(-1e308, 1e308), (0, 5e-324), (1, 1 + 1e-15), (1e-300, 1e300)]
)
def test_any_limits_have_a_few_ticks_within(low, high):
    for ticks in x_ticks(low, high), y_ticks(low, high):
        assert len(ticks) <= 8
        almost = 1e-9 * (high - low)
        assert all(low - almost <= tick <= high + almost for tick in ticks)
    if low > 0:
        assert 0 < len(y_ticks(low, high, log=True)) <= 10


def test_a_legend_is_in_the_order_of_the_lines_with_what_is_pinned_last():
    line, band = ([0], [1]), ([0], [1], [2])
    shown = Panel(
        {'b': line, '': line, 'a': line}, 'x', 'y', bands={'c': band, 'b': band}
    )
    looks = styles([shown])
    labels = ['b', 'a', 'c']
    entries, rows, columns = legend(shown, looks, width=600)
    assert [label for label, _ in entries] == labels
    assert (rows, columns) == (1, 3)
    pinned = Panel(shown.lines, 'x', 'y', bands=shown.bands, pinned={'old': line})
    entries, rows, columns = legend(pinned, looks, width=130)
    assert [label for label, _ in entries] == [*labels, 'old']
    assert entries[-1][1] is PINNED
    assert (rows, columns) == (4, 1)
    assert legend(Panel({'': line}, 'x', 'y'), looks, 600).rows == 0


def test_only_the_thin_labels_are_thin():
    line = ([0], [1])
    for thin, widths in (False, (2.2, 2.2)), (True, (1.2, 1.2)), (('b',), (2.2, 1.2)):
        looks = styles([Panel({'a': line, 'b': line}, 'x', 'y', thin=thin)])
        assert tuple(look.width for look in looks.values()) == widths
        assert [look.dash for look in looks.values()] == [s.dash for s in STYLES[:2]]


def test_how_a_panel_looks_needs_numpy_alone():
    code = (
        'import sys, d2l_ext.panels.look; '
        "print([m for m in ('matplotlib', 'ipywidgets', 'IPython') if m in sys.modules])"
    )
    command = [sys.executable, '-c', code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == '[]'


def test_a_label_wider_than_its_axes_goes_on_in_the_next_row():
    panel = Panel(
        {'from 0.5, as the book prints it, twice': ([], []), 'b': ([], [])}, 'x', 'y'
    )
    entries, rows, columns = legend(panel, styles([panel]), width=200)
    assert (rows, columns) == (3, 1)
    assert max(len(line) for label, _ in entries for line in label.split('\n')) <= 21


@pytest.mark.parametrize('value', [1.5e9, -2e7, 1e5, 99999, 0.001, 2e-5, 1e-300, 1e300])
def test_a_tick_label_is_short_and_the_number(value):
    label = tick_label(value)
    assert float(label) == value
    assert len(label) <= 6


def test_an_axis_goes_down_to_where_its_curves_end_and_no_further():
    assert down_to(1e-4, [2e-4, np.inf, np.nan, 0.0]) == 1e-4
    for end in 9.9e-5, 1.12e-6, 1e-6, 3e-200:
        low = down_to(1e-4, [end, 1.0])
        assert end / 20 < low < end
        assert y_ticks(low, 10, log=True)


def test_losses_of_a_run_that_diverged_want_a_logarithmic_axis():
    assert ran_away([2.3, 2.1, 4e10, np.inf])
    for losses in [], [np.nan], [2.3, 1e-4], [90.0, 0.01], [4e9, 4e9], [0.0, 2.3]:
        assert not ran_away(losses)
