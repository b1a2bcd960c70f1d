"""Panels, pictures of them, and the two-layer canvas."""

import gc
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip('matplotlib')

from d2l_ext.panels import recorded_panels
from d2l_ext.panels.look import STYLES, Limits, limits, styles
from d2l_ext.plots import Panel, figure, history_panels, schedule_panel
from d2l_ext.plots.svg import Canvas
from d2l_ext.schedulers import (
    CosineScheduler,
    FactorScheduler,
    PlateauScheduler,
    WarmupScheduler,
)
from d2l_ext.training import History
from tests.clock import quiet_seconds


def panel(y=(1, 2, 3), **other):
    return Panel({'y': (range(len(y)), y)}, 'x', 'y', **other)


def points(svg):
    """Return the points of an SVG's last path, pixels of the whole picture."""
    box = re.findall(r'<svg x="([\d.]+)" y="([\d.]+)"', svg)[-1]
    found = [(0.0, 0.0)]
    for command, at in re.findall(
        r'([MLHV])([-\d,]+)', re.findall(r' d="(.*?)"', svg)[-1]
    ):
        x, y = found[-1]
        given = [float(number) / 10 for number in at.split(',')]
        found.append({'H': (given[0], y), 'V': (x, given[0])}.get(command, (*given,)))
    return np.array(found[1:]) + np.array(box, float)


def test_an_epoch_schedule_is_constant_within_each_epoch():
    x, y = schedule_panel(FactorScheduler(0.5, base_lr=2.0), 3).lines['factor']
    assert x.tolist() == [0, 1, 1, 2, 2, 3]
    assert y.tolist() == [2, 2, 1, 1, 0.5, 0.5]


def test_the_books_cosine_is_over_at_the_left_edge_when_it_counts_updates():
    shown = schedule_panel(CosineScheduler(40, 0.5, 0.01), 40, per='update')
    x, y = shown.lines['cosine']
    assert x[-1] == 40
    assert x[y == 0.01][0] == pytest.approx(40 / 94)
    assert 'after 40 of 3760 updates (1.1 % of the run)' in shown.note


@pytest.mark.parametrize(
    ('scheduler', 'note'),
    [
        (lambda t: 0.5, 'Constant at 0.5.'),
        (lambda t: [0.1, 0.4, 0.2][t], 'peaks at 0.4 in epoch 1, ends at 0.2'),
        ({'a': lambda t: 1, 'b': lambda t: 2}, 'a: constant at 1; b: constant at 2.'),
    ],
)
def test_a_note_says_what_the_curve_shows(scheduler, note):
    assert note in schedule_panel(scheduler, 3).note


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'num_epochs': 0}, 'num_epochs must be a whole number >= 1, got 0'),
        ({'num_epochs': 2.5}, 'num_epochs must be a whole number'),
        ({'num_epochs': 2, 'per': 'batch'}, "per must be 'epoch' or 'update'"),
        (
            {'num_epochs': 2, 'per': 'update', 'batches_per_epoch': -1},
            'batches_per_epoch must be a whole number',
        ),
    ],
)
def test_a_schedule_panel_refuses_what_it_cannot_draw(arguments, message):
    with pytest.raises(ValueError, match=message):
        schedule_panel(lambda t: 1, **arguments)


def test_a_plateau_scheduler_has_no_curve_before_its_run():
    with pytest.raises(ValueError, match='draw the History of the run'):
        schedule_panel(PlateauScheduler(), 3)


@pytest.mark.parametrize(
    'lines',
    [{'a': ([1, 2], [1])}, {'a': ([1], ['x'])}, {'a': 3}, {'a': ([[1]], [[1]])}],
)
def test_a_panel_names_the_line_that_is_none(lines):
    with pytest.raises(ValueError, match=r"lines\['a'\] must be 2 sequences"):
        Panel(lines, 'x', 'y')


def test_histories_side_by_side():
    recipe = {'num_epochs': 3, 'batches_per_epoch': 2}
    run = History(recipe, [2, 1], [0.3, 0.6], [0.4, 0.7], [0.5, 0.5, 0.25, 0.25])
    loss, accuracy, rate = history_panels(run)
    assert loss.xlim == accuracy.xlim == rate.xlim == (0, 3)
    assert loss.lines['train loss'][0].tolist() == [1, 2]
    assert list(accuracy.lines) == ['train acc', 'test acc']
    assert rate.lines['applied rate'][0][-1] == 2  # epochs, not updates
    both = history_panels({'a': run, 'b': run})
    assert [list(shown.lines) for shown in both] == [['a', 'b']] * 3


def test_an_unfinished_history_can_be_drawn():
    assert figure(*history_panels(History({'num_epochs': 3}))).png


def test_a_picture_is_a_png_and_a_deterministic_text():
    picture = figure(panel(note='It grows.'), panel(title='Again'))
    data, metadata = picture._repr_mimebundle_()
    assert data['text/plain'] == 'Figure: y against x; Again. It grows.'
    assert set(data) == {'text/plain', 'image/png'}
    assert metadata['image/png']['alt'] == data['text/plain']
    assert picture.png.startswith(b'\x89PNG')
    assert picture.png == figure(panel(note='It grows.'), panel(title='Again')).png


def test_labels_keep_their_look_across_panels_and_differ_in_dash():
    looks = styles([panel(), Panel({'z': ([], []), 'y': ([], [])}, 'x', 'y')])
    assert list(looks) == ['y', 'z']
    dashes = [style.dash for style in STYLES]
    assert len(set(dashes)) == len({style.color for style in STYLES}) == 6


def test_text_stays_inside_the_picture():
    wide = panel([1e-9, 123456], note='word ' * 90, title='Title', verticals={'end': 1})
    for panels in [wide], [wide, wide], [wide, wide, wide]:
        drawn = figure(*panels).figure
        drawn.canvas.draw()
        renderer = drawn.canvas.get_renderer()
        for text in drawn.findobj(lambda artist: hasattr(artist, 'get_text')):
            if text.get_text() and text.get_visible():
                box = text.get_window_extent(renderer)
                assert box.x0 >= 0, text
                assert box.y0 >= -1, text
                assert box.x1 <= drawn.bbox.x1, text
                assert box.y1 <= drawn.bbox.y1, text


@pytest.mark.parametrize('log', [False, True])
@pytest.mark.parametrize('repeat', [1, 2])
def test_the_moving_line_lies_where_matplotlib_would_draw_it(log, repeat):
    canvas, y = Canvas(), np.geomspace(1, 1e-3, 40).repeat(repeat)
    x = np.arange(41).repeat(repeat)[repeat - 1 :][: y.size]
    shown = Panel({'y': (x, y)}, 'x', 'y', log=log)
    seen = points(canvas.draw([shown]))
    seen = seen[np.r_[True, np.any(np.diff(seen, axis=0), axis=1)]]
    ax = canvas.figure.axes[0]
    true = ax.transData.transform(np.column_stack(shown.lines['y']))
    true[:, 1] = canvas.height - true[:, 1]
    for x, y in true:  # distance to the nearest segment, for points may be left out
        a, b = seen[:-1], seen[1:]
        along = ((x, y) - a) * (b - a)
        part = np.clip(along.sum(1) / ((b - a) ** 2).sum(1), 0, 1)[:, None]
        assert np.hypot(*(a + part * (b - a) - (x, y)).T).min() < 0.25
    assert true[0] == pytest.approx(seen[0], abs=0.25)
    assert true[-1] == pytest.approx(seen[-1], abs=0.25)


def test_zero_runs_off_a_log_axis_and_nan_is_a_gap():
    svg = Canvas().draw([panel([1, 0.1, 0, 0], log=True)])
    assert points(svg)[-1, 1] > Canvas().height
    path = re.findall(r'd="([^"]*)"', Canvas().draw([panel([1, 2, np.nan, 3, 4])]))[-1]
    assert path.count('M') == 2


def test_the_words_are_drawn_again_only_when_it_must_be():
    canvas = Canvas()
    shown = [panel([1, 2, 3]), panel([1, 2, 3])]
    svg, first = canvas.draw(shown), canvas.words
    for moved in (
        panel([3, 2, 9], pinned={}),
        panel([3, 2, 1e4], log=True),
        panel([3, 2, 1], xlim=(0, 99), verticals={'here': 1}),
    ):
        assert canvas.draw([moved, replace(moved, note='else')]) != svg
        assert canvas.words is first
    for other in (
        panel(title='Title'),
        panel(pinned={'before': ([0, 1], [1, 2])}),
        Panel({'z': ([0, 1], [1, 2])}, 'x', 'y'),
    ):
        before = canvas.words
        canvas.draw([other, other])
        assert canvas.words is not before
    assert canvas.draw([panel(xlim=(0, 1)), panel(xlim=(0, 2))])


@pytest.mark.parametrize('log', [False, True])
def test_ticks_and_grid_lie_where_matplotlib_would_draw_them(log):
    canvas = Canvas(columns=1)
    canvas.draw([panel([1, 2], log=not log)] * 2)
    shown = [panel([1, 2]), panel([0.02, 700], log=log)]
    canvas.draw(shown)
    svg, drawn = canvas.scales, canvas.picture(shown).figure
    drawn.canvas.draw()
    true, grid = [], []
    for ax in drawn.axes:
        for axis in ax.xaxis, ax.yaxis:
            low, high = axis.get_view_interval()
            ticks = [t for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
            grid += [tick.gridline.get_window_extent().p0 for tick in ticks]
            for label in (tick.label1 for tick in ticks if tick.label1.get_visible()):
                box = label.get_window_extent()
                x = (box.x0 + box.x1) / 2 if axis is ax.xaxis else box.x1
                middle = canvas.height - (box.y0 + box.y1) / 2
                true.append((label.get_text(), x, middle))
    seen = re.findall(r'<text x="([\d.]+)" y="([\d.]+)">(.+?)</text>', svg)
    assert [name for *_, name in seen if name] == [name for name, *_ in true]
    assert len(true) > 12
    for (x, baseline, _), (_, *place) in zip(seen, true, strict=True):
        # a box of Matplotlib's has room for descenders below the baseline
        assert (float(x), float(baseline) - 3) == pytest.approx(place, abs=1)
    lines = ''.join(re.findall(r'<path d="([^"]+)" stroke="#e4e4e4"', svg))
    starts = np.array(re.findall(r'M([\d.]+),([\d.]+)', lines), float)
    assert len(starts) == len(grid)
    for start, (x, y) in zip(starts, grid, strict=True):
        top = start[1] - (canvas.height - y)  # grid lines of x begin at the top
        assert start[0] == pytest.approx(x, abs=0.1)
        assert top == pytest.approx(0, abs=0.1) or top < -100


def test_words_lie_where_matplotlib_would_draw_them():
    canvas = Canvas()
    shown = [panel([1, 2], title='A & B'), panel([2, 3], title='<C>')]
    canvas.draw(shown)
    written = []
    for text in ElementTree.fromstring(canvas.words).iter('text'):
        numbers = re.findall(r'-?[\d.]+', text.get('transform', ''))
        x, y = numbers[:2] or (text.get('x'), text.get('y'))
        written.append((text.text, float(x), float(y)))
    drawn, true = canvas.picture(shown).figure, []
    drawn.canvas.draw()
    for ax in drawn.axes:
        names = ax.xaxis.label, ax.yaxis.label, *ax.texts, *ax.get_legend().get_texts()
        boxes = [text.get_window_extent() for text in names]
        x, y, title, entry = ((b.x0, (b.x0 + b.x1) / 2, b.x1) for b in boxes)
        middle = canvas.height - (boxes[1].y0 + boxes[1].y1) / 2
        # a box of Matplotlib's has room for descenders below the baseline
        lines = [canvas.height - box.y0 - 3 for box in boxes]
        # the line before an entry is some pixels longer there
        places = (x[1], lines[0]), (y[2] - 3, middle), (title[0], lines[2])
        places = *places, (entry[0] - 9, lines[3])
        true += zip([text.get_text() for text in names], places, strict=True)
    assert [text for text, *_ in written] == [text for text, _ in true]
    for (_, *place), (_, expected) in zip(written, true, strict=True):
        assert place == pytest.approx(expected, abs=2)


@pytest.mark.parametrize('high', [1, 1e-3, 1.2e-3, 6e-4, 1.2e-4, 1e-10])
def test_a_ticks_label_is_its_value(high):
    drawn = figure(panel([0, high])).figure
    drawn.canvas.draw()
    ticks = drawn.axes[0].yaxis.get_major_ticks()
    for tick in ticks:
        text = tick.label1.get_text()
        assert float(text) == pytest.approx(tick.get_loc(), rel=1e-9)
        assert len(text) <= 8
    assert len(ticks) > 2  # all within the axes


def test_open_limits_grow_then_follow_and_fit_forgets():
    big, half, small = (limits(panel([0, top]))[1] for top in (10, 5, 1))
    assert limits(panel([0, 5]), Limits((0, 1), big, False))[1] == big
    assert limits(panel([0, 1]), Limits((0, 1), big, False))[1] == small
    assert limits(panel([0, 10]), Limits((0, 1), half, False))[1] == big
    canvas = Canvas()
    canvas.draw([panel([0, 10])])
    canvas.fit()
    canvas.draw([panel([0, 5])])
    assert canvas.limits[0][1] == half


def test_given_limits_are_kept():
    shown = panel([1, 100], xlim=(0, 5), ylim=(0, None))
    assert limits(shown)[:2] == ((0, 5), (0, 120))
    assert limits(replace(shown, log=True))[1][0] > 0
    with pytest.raises(ValueError, match='ylim must rise'):
        limits(panel(ylim=(5, 5)))


@pytest.mark.parametrize(
    'y',
    [[], [np.nan], [0], [0, 0], [-3, -3], [1e300, -1e300], [np.inf, 1], [1e-320, 0]],
)
@pytest.mark.parametrize('log', [False, True])
def test_whatever_the_data_there_is_a_picture(y, log):
    assert figure(panel(y, log=log)).png
    canvas = Canvas()
    assert 'nan' not in canvas.draw([panel(y, log=log)]) + canvas.scales


def test_the_second_line_is_dashed_in_the_moving_layer_too():
    lines = {name: ([0, 1], [0, 1]) for name in 'ab'}
    paths = re.findall('<path[^>]*>', Canvas().draw([Panel(lines, 'x', 'y')]))[-2:]
    assert ['stroke-dasharray="110,44"' in path for path in paths] == [False, True]


def test_a_lone_point_is_a_dot():
    assert 'h0"' in Canvas().draw([panel([2])])


def test_the_words_of_a_mark_are_read_where_lines_are_dense():
    """They lie over the lines, with a white edge, in the picture and as it moves."""
    dense = panel([1, 2] * 9, verticals={'here': 4}, horizontals={'all below': 1.5})
    svg = Canvas().draw([dense])
    words = re.findall('<text[^>]*>(?:here|all below)<', svg)
    assert all('paint-order="stroke" stroke="#fff"' in word for word in words)
    assert svg.index(words[0]) > svg.rindex('<path')
    for text in figure(dense).figure.axes[0].texts:
        (edge,) = text.get_path_effects()
        assert edge._gc['foreground'] == 'white'
        assert text.zorder > max(line.zorder for line in text.axes.lines)


def test_labels_are_escaped():
    svg = Canvas().draw([panel(title='<a & "b">', verticals={'<i>': 1})])
    assert '<a' not in svg
    assert '<i>' not in svg


def test_the_scales_are_made_again_only_when_they_must_be():
    canvas = Canvas()
    svg, first = canvas.draw([panel([1, 2, 3])]), canvas.scales
    assert canvas.draw([panel([1, 3, 2], verticals={'here': 1})]) != svg
    assert canvas.scales is first
    pinned = {'pinned': ([0, 1], [1, 2])}
    for other in panel([1, 2, 9]), panel(pinned=pinned), panel(log=True):
        before = canvas.scales
        canvas.draw([other])
        assert canvas.scales != before


def test_scales_that_were_there_before_come_back_with_their_lines():
    canvas = Canvas()
    low, high = panel([1, 2, 3], ylim=(0, 4)), panel([1, 2, 3], ylim=(0, 9), log=True)
    svg, first = canvas.draw([low]), canvas.scales
    assert canvas.draw([high]) != svg
    assert (canvas.draw([low]), canvas.scales) == (svg, first)
    assert canvas.scales is first
    canvas.draw([replace(low, title='below which all stands lower')])
    assert canvas.scales != first
    wide, wider = panel([1, 2, 3]), panel([1, 2, 9])
    svg = canvas.draw([wide])
    canvas.draw([wider])  # its limits stay
    assert canvas.draw([wide]) == canvas.draw([replace(wide)]) != svg
    del low, high, wide, wider  # the drawn goes with the panels
    canvas.draw([panel([1, 2, 3])])
    gc.collect()
    assert not canvas.cached


def test_moving_the_lines_is_quick_and_small():
    canvas = Canvas()
    shown = schedule_panel(lambda t: 0.5 / (t + 1), 250)  # 500 points
    canvas.draw([shown])
    seconds = []
    for _ in range(60):
        # a panel that was not there before
        seconds.append(quiet_seconds(canvas.draw, [replace(shown)]))
    svg = canvas.draw([replace(shown)])
    assert np.median(seconds) < 0.005
    assert len(svg) < 4000


def test_recorded_runs_are_one_thin_line_a_seed():
    runs = [History({}, [2.0, 1.0], [], [0.5, 0.6]), History({}, [2.3], [], [0.1])]
    loss, accuracy = recorded_panels({'a': runs})
    np.testing.assert_equal(loss.lines['a'][0], [1, 2, np.nan, 1, np.nan])
    np.testing.assert_equal(loss.lines['a'][1], [2, 1, np.nan, 2.3, np.nan])
    np.testing.assert_equal(accuracy.lines['a'][1], [0.5, 0.6, np.nan, 0.1, np.nan])
    assert loss.xlim == (0, 2)
    assert loss.ylim == (0, 2.6)  # a spike to 1e10 may not flatten the rest
    bold = replace(loss, thin=False)
    widths = [figure(p).figure.axes[0].lines[0].get_linewidth() for p in (loss, bold)]
    assert widths[0] < widths[1]


def test_the_scheduler_that_the_readme_writes():
    readme = (Path(__file__).parents[2] / 'README.md').read_text()
    namespace = {}
    exec(re.search(r'```python\n(.*?)```', readme, re.DOTALL)[1], namespace)  # noqa: S102
    scheduler = namespace['ExponentialScheduler'](0.1)
    assert scheduler(0) == 0.1
    assert scheduler(10) == pytest.approx(0.1 / np.e)
    assert eval(repr(scheduler), namespace) == scheduler
    assert WarmupScheduler(scheduler, 5)(5) == 0.1
    assert 'ends at 0.002024' in figure(schedule_panel(scheduler, 40)).text


def test_handles_lie_on_the_points_of_the_first_panel():
    canvas = Canvas()
    points = [(0, 1.0), (2, 0.01), (1, 0.1)]
    t, lr = zip(*sorted(points))
    shown = Panel({'y': (t, lr)}, 'x', 'y', (0, 2), (0.001, 10), log=True)
    canvas.draw([shown])
    svg = canvas.handles(points, 'data-t="0 2 1"')
    assert 'data-log="1" data-t="0 2 1"' in svg
    left, top, width, height, *ends = map(
        float, re.search('data-axes="([^"]*)"', svg)[1].split()
    )
    assert ends == [0, 2, 0.001, 10]
    places = re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="6" data-row="(\d)"', svg)
    assert [row for *_, row in places] == ['1', '2', '3']
    for (x, y, _), (t, lr) in zip(places, points, strict=True):
        assert float(x) == pytest.approx(left + t / 2 * width, abs=0.1)
        share = (1 - np.log10(lr)) / 4
        assert float(y) == pytest.approx(top + share * height, abs=0.1)
