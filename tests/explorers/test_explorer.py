"""Explorers without a browser: move a control, see the picture change."""

import asyncio
import functools
import json
import os
import re
import selectors
import subprocess
import sys
import threading
import time
import types

import numpy as np
import pytest

widgets = pytest.importorskip('ipywidgets')
pytest.importorskip('matplotlib')

from d2l_ext.explorers import Choice, Explorer, Log, Points, Slider, Switch
from d2l_ext.explorers.cache import SIZE
from d2l_ext.explorers.inputs import NumberBox, parts
from d2l_ext.explorers.tasks import IdleWork
from d2l_ext.plots import Panel, schedule_panel
from d2l_ext.schedulers import (
    FactorScheduler,
    MultiFactorScheduler,
    PiecewiseLinearScheduler,
)
from tests.clock import quiet_seconds


def factor(base_lr, factor, num_epochs=30, per='epoch', flat=False):
    scheduler = FactorScheduler(1 if flat else factor, 1e-2, base_lr)
    return schedule_panel(scheduler, num_epochs, per, 10)


@pytest.fixture
def explorer():
    return Explorer(
        factor,
        base_lr=Log(2.0, 0.01, 10, 'starting rate'),
        factor=Slider(0.9, 0.0, 1.0),
        num_epochs=Slider(30, 1, 60),
        per=Choice(('epoch', 'update')),
        flat=Switch(),
    )


def lines(explorer):
    return explorer.svg


def below(explorer):
    """Return the layers below the lines."""
    return explorer.picture.words.value, explorer.picture.scales.value


def control(explorer, kind, label):
    """Return the widget that a reader finds by its label."""

    def walk(widget):
        yield widget
        for child in getattr(widget, 'children', ()):
            yield from walk(child)

    found = [w for w in walk(explorer.view) if getattr(w, 'description', '') == label]
    assert [type(widget) for widget in found] == [kind]
    return found[0]


def test_its_text_names_function_and_values(explorer):
    assert repr(explorer) == (
        "Explorer(factor, base_lr=2.0, factor=0.9, num_epochs=30, per='epoch', "
        'flat=False)'
    )


@pytest.mark.parametrize(
    ('kind', 'label', 'value', 'name'),
    [
        (NumberBox, 'starting rate', 1.2345, 'base_lr'),
        (NumberBox, 'factor', 0.123, 'factor'),
        (NumberBox, 'num epochs', 12, 'num_epochs'),
        (widgets.Dropdown, 'per', 'update', 'per'),
        (widgets.Checkbox, 'flat', True, 'flat'),
    ],
)
def test_each_control_moves_the_picture(explorer, kind, label, value, name):
    before = lines(explorer), explorer.sentence
    control(explorer, kind, label).value = value
    assert explorer.values[name] == value  # not rounded to the slider's steps
    for handle in explorer.widgets[name][1:]:
        assert handle.value == explorer.controls[name].position(value)
    assert (lines(explorer), explorer.sentence) != before


@pytest.mark.parametrize('name', ['base_lr', 'factor', 'num_epochs'])
def test_every_slider_position_gives_a_picture(explorer, name):
    box, slider = explorer.widgets[name]
    declared = explorer.controls[name]
    for position in range(slider.min, slider.max + 1, 3):
        slider.value = position
        assert declared.check(box.value) == declared.at(position)
        assert slider.value == position
    slider.value = slider.min
    assert box.value == declared.low
    slider.value = slider.max
    assert box.value == declared.high


def test_a_bad_value_is_a_sentence_and_a_faded_curve(explorer):
    before = lines(explorer)
    explorer.set(factor=0.0)  # FactorScheduler wants more than 0
    assert 'factor' in explorer.sentence
    assert 'opacity' in lines(explorer)
    assert before in lines(explorer)
    assert explorer.png()
    explorer.reset()
    assert lines(explorer) == before


def test_any_other_error_is_a_sentence_too():
    def broken(x):
        return {}[x] if x > 1 else Panel({'a': ([0, 1], [0, 1])}, 'x', 'y')

    shown = Explorer(broken, x=Slider(1, 0, 3))
    shown.set(x=2)
    assert shown.sentence == 'KeyError: 2'
    shown = Explorer(lambda x: [] if x else broken(0), x=Slider(0, 0, 3))
    shown.set(x=1)
    assert shown.sentence.startswith('TypeError: <lambda> must return a Panel')


def test_a_first_value_that_fails_is_raised():
    with pytest.raises(ValueError, match='factor'):
        Explorer(factor, base_lr=Log(1, 0.1, 2), factor=Slider(0, 0, 1))


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'lr': 1}, "'lr' is no control of .*: use base_lr, factor"),
        ({'base_lr': 11}, 'base_lr must be from 0.01 to 10, got 11'),
        ({'num_epochs': 2.5}, 'num_epochs must be a whole number, got 2.5'),
        ({'per': 'batch'}, r"per must be one of \['epoch', 'update'\], got 'batch'"),
        ({'flat': 1}, 'flat must be True or False, got 1'),
    ],
)
def test_set_refuses_what_a_reader_could_not_set(explorer, values, message):
    before = explorer.values
    with pytest.raises(ValueError, match=message):
        explorer.set(factor=0.5, **values)
    assert explorer.values == before


def panel_of(*numbers):
    return Panel({'a': (range(len(numbers)), numbers)}, 'x', 'y')


def drawn(points):
    return schedule_panel(PiecewiseLinearScheduler(points), 30)


def test_a_choice_of_lists_moves_the_picture():
    def steps(milestones, base_lr):
        return schedule_panel(MultiFactorScheduler(milestones, 0.5, base_lr), 30)

    shown = Explorer(
        steps,
        milestones=Choice({'early': [5, 10], 'late': [25]}),
        base_lr=Slider(0.5, 0.0, 1.0),
    )
    assert 'final rate reached after 10 of 30' in shown.sentence
    early = lines(shown)
    control(shown, widgets.Dropdown, 'milestones').value = [25]
    assert lines(shown) != early
    assert shown.share() == 'milestones=late&base_lr=0.5'
    shown.set(milestones=[5, 10])
    assert lines(shown) == early


class Level:
    def __call__(self, lr):
        return panel_of(lr, lr) if lr else None


@pytest.mark.parametrize(
    ('function', 'name'),
    [(functools.partial(Level.__call__, Level()), '__call__'), (Level(), 'Level')],
)
def test_a_partial_or_an_object_that_can_be_called_is_a_function_too(function, name):
    shown = Explorer(function, lr=Slider(1, 0, 3))
    assert repr(shown) == f'Explorer({name}, lr=1)'
    assert shown._repr_mimebundle_()[0]['text/plain'].startswith(repr(shown))
    shown.set(lr=0)
    assert shown.sentence == f'TypeError: {name} must return a Panel or a list of ' + (
        'them, got None'
    )
    with pytest.raises(ValueError, match=rf'\(rate\) do not fit {name}\(lr\)'):
        Explorer(function, rate=Slider(1, 0, 3))


def test_a_parameter_may_be_called_as_an_option_is():
    def share(train, columns, controls=1, self=1):
        return panel_of(train, columns, controls, self)

    names = 'train', 'columns', 'controls', 'self'
    shown = Explorer(
        share, controls={name: Slider(i, 0, 9) for i, name in enumerate(names)}
    )
    shown.set(train=5, self=7)
    assert shown.values == {'train': 5, 'columns': 1, 'controls': 2, 'self': 7}
    mixed = Explorer(
        lambda a, train: panel_of(a, train),
        a=Slider(1, 0, 3),
        controls={'train': Slider(2, 0, 3)},
    )
    assert list(mixed.values) == ['a', 'train']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'train': Slider(1, 0, 3)}, "write controls={'train': ...}"),
        ({'columns': Slider(1, 0, 3)}, "write controls={'columns': ...}"),
        ({'controls': Slider(1, 0, 3)}, "write controls={'controls': ...}"),
        ({'controls': [Slider(1, 0, 3)]}, 'controls must be {name: control}'),
        ({'train': 3}, 'train must be a function such as run_steps, got 3'),
        ({'columns': 0}, 'columns must be a whole number >= 1, got 0'),
        ({'controls': {'base_lr': Switch()}}, 'controls must not name base_lr again'),
    ],
)
def test_an_option_that_is_none_says_what_to_write(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Explorer(factor, base_lr=Log(1, 0.1, 2), factor=Slider(0.5, 0.1, 1), **options)


@pytest.mark.parametrize(
    'make',
    [
        lambda: Slider(2, 0, 1),
        lambda: Slider(0, 1, 1),
        lambda: Slider(0, 0, 1, step=-1),
        lambda: Log(1, 0, 2),
        lambda: Choice(()),
        lambda: Choice((1, 2), 3),
        lambda: Switch('yes'),
        lambda: Explorer(factor, base_lr=Log(1, 0.1, 2)),
        lambda: Explorer(factor, base_lr=1, factor=Slider(0.5, 0, 1)),
        lambda: Explorer(
            factor, base_lr=Log(1, 0.1, 2), factor=Slider(0.5, 0, 1), lr=Switch()
        ),
    ],
)
def test_a_bad_declaration_is_refused_at_once(make):
    with pytest.raises(ValueError, match=r'must|do not fit'):
        make()


def test_the_picture_is_sent_before_the_number_beside_the_slider(explorer, monkeypatch):
    sent = []
    box, handle = explorer.widgets['base_lr']
    monkeypatch.setattr(
        widgets.Widget, '_send', lambda self, *_, **__: sent.append(self)
    )
    handle.set_state({'value': handle.value + 1})
    lines = explorer.picture.lines
    order = [widget for widget in sent if widget in (lines, box)]
    assert order == [lines, box]


def test_what_a_slider_comes_by_again_is_kept_until_a_cell_is_run(monkeypatch):
    asked, shell = [], types.SimpleNamespace(execution_count=1)
    monkeypatch.setattr('d2l_ext.explorers.explorer.get_ipython', lambda: shell)

    def level(lr):
        asked.append(lr)
        if lr == 3:
            raise ValueError('no 3')
        lr += shell.execution_count / 10
        return Panel({'lr': ([0, 1], [lr, lr])}, 'epoch', 'lr', ylim=(0, 9))

    explorer = Explorer(level, lr=Slider(0, 0, 5, step=1))
    box, handle = explorer.widgets['lr']
    seen = {}

    def move(*positions):
        asked.clear()
        for position in positions:
            handle.value = position
            seen.setdefault(position, lines(explorer))
            assert lines(explorer) == seen[position]
            assert box.value == explorer.values['lr'] == position
        return asked

    assert move(1, 2, 0, 1, 2, 0) == [1, 2]
    assert move(3, 0, 3, 0) == [3, 3]
    explorer.pin()  # and what is not a slider's move asks again
    assert move(1, 2, 1) == [1, 2]
    explorer.refresh()
    assert asked == [1, 2, 1]

    shell.execution_count += 1
    before, seen = seen, {}
    assert move(2, 1, 2) == [2, 1]
    assert seen[1] != before[1] and seen[2] != before[2]

    explorer.state.cache.size = 3
    assert move(4, 5, 1, 2) == [4, 5, 1, 2]
    assert len(explorer.state.cache) <= 3


class Leaping(selectors.DefaultSelector):
    """Where a loop would wait, its clock leaps: no load makes a pause longer."""

    now = 0.0

    def select(self, timeout=None):
        ready = super().select(0 if timeout else timeout)
        if not ready and timeout:
            self.now += timeout
        return ready


def in_leaps(monkeypatch, main):
    """Run a coroutine in a loop whose clock, that of `tasks` too, goes in leaps."""
    selector = Leaping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now
    clock = types.SimpleNamespace(monotonic=lambda: 1000 + selector.now)
    monkeypatch.setattr('d2l_ext.explorers.tasks.time', clock)
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()


async def rested(idle):
    for _ in range(500):
        await asyncio.sleep(0.01)
        if not idle.working:
            return
    raise AssertionError('no end of the jobs')


def test_a_call_drops_the_jobs_that_are_left(monkeypatch):
    monkeypatch.setattr('d2l_ext.explorers.tasks.REST', 0.1)
    done = []

    def jobs():
        for i in range(4):
            done.append(i)
            if done == [0, 1]:
                idle.restart()
            yield

    idle = IdleWork(jobs)
    idle.restart()  # outside a kernel
    assert not idle.working

    async def kernel():
        nonlocal idle
        idle = IdleWork(jobs)
        idle.restart()
        idle.restart()
        assert done == []
        await rested(idle)
        assert done == [0, 1, 0, 1, 2, 3]
        idle.restart()
        await rested(idle)
        assert done[6:] == [0, 1, 2, 3]

    in_leaps(monkeypatch, kernel())


def test_a_slider_at_rest_has_what_stands_beside_it_made_ahead(monkeypatch):
    monkeypatch.setattr('d2l_ext.explorers.tasks.REST', 0.01)
    asked = []

    def level(lr, up):
        asked.append(lr)
        if lr == 3:
            raise ValueError('no 3')
        return Panel({'lr': ([0, 1], [lr, lr + up])}, 'epoch', 'lr', ylim=(0, 9))

    async def kernel():
        explorer = Explorer(level, lr=Slider(0, 0, 5, step=1), up=Switch())
        (_, handle), (switch,) = explorer.widgets.values()
        explorer.state.cache.slow = np.inf  # on a busy machine, too

        async def made(widget, value):
            asked.clear()
            widget.value = value
            now = len(asked)
            shown, below = lines(explorer), explorer.sentence
            await rested(explorer.idle)
            assert (lines(explorer), explorer.sentence) == (shown, below)
            return now, asked

        await rested(explorer.idle)
        assert asked == [0]
        assert await made(switch, True) == (1, [0])  # no slider was moved yet
        assert await made(handle, 2) == (1, [2, 1, 3, 4, 5])
        explorer.state.cache.size = 8
        assert await made(handle, 4) == (0, [3])
        explorer.state.cache.size = SIZE
        assert await made(handle, 3) == (1, [3, 3])
        assert explorer.sentence == 'no 3'
        handle.value = 4
        assert await made(switch, False) == (1, [4, 3, 5, 2, 1])

        explorer.refresh()
        explorer.state.cache.size = 4
        handle.value = 0
        assert await made(handle, 5) == (1, [5, 5, 4, 3])
        assert len(explorer.state.cache) <= 4
        explorer.refresh()
        explorer.state.cache.slow = -1
        assert await made(handle, 1) == (1, [1, 1])

    in_leaps(monkeypatch, kernel())


def test_numbers_and_sentences_follow_a_drag_once_a_beat(explorer, monkeypatch):
    sent = []
    monkeypatch.setattr(
        widgets.Widget,
        '_send',
        lambda self, message, **_: sent.append((self, message.get('state'))),
    )
    (box, handle), picture = explorer.widgets['num_epochs'], explorer.picture
    names = {box: 'box', picture.status: 'status', picture.lines: 'lines'}

    def told():
        said = [(names[widget], state) for widget, state in sent if widget in names]
        sent.clear()
        return said

    def drag(position):
        handle.set_state({'value': position})  # as a page does

    def news():
        status, number = {'value': picture.status.value}, {'value': str(box.value)}
        return [('box', number), ('status', status)]

    async def kernel():
        drag(31)  # at once after a rest, and the picture before it
        assert [name for name, _ in told()] == ['lines', 'status', 'box']
        for position in 32, 33, 34:
            drag(position)
            assert (box.value, explorer.values['num_epochs']) == (position + 1,) * 2
            assert [name for name, _ in told()] == ['lines']
        await asyncio.sleep(0.15)
        assert told() == news()
        drag(35)
        explorer.reset()  # while news is kept
        assert [name for name, _ in told()] == ['lines', 'lines']
        await asyncio.sleep(0.15)
        assert told() == news() and box.value == 30
        await asyncio.sleep(0.5)
        assert told() == []
        drag(36)
        assert [name for name, _ in told()] == ['lines', 'status', 'box']
        drag(37)

    in_leaps(monkeypatch, kernel())
    # that loop has ended before the beat; the next move, in any loop or none, tells
    told()
    drag(38)
    assert [name for name, _ in told()][-1] == 'box'
    assert box.value == 39


def test_what_is_kept_is_what_would_be_drawn():
    def level(lr, num_epochs, high):
        line = {'lr': ([0, num_epochs], [lr, lr**2])}
        return Panel(line, 'epoch', 'lr', xlim=(0, num_epochs) if high else None)

    def make():
        some = {'lr': Log(0.1, 0.01, 1), 'num_epochs': Slider(3, 1, 5)}
        return Explorer(level, **some, high=Switch())

    rng, kept, anew = np.random.default_rng(0), make(), make()
    for _ in range(300):
        name = rng.choice(['lr', 'num_epochs', 'high'], p=[0.6, 0.3, 0.1])
        values = (False, True) if name == 'high' else range(5)
        value = rng.choice(values).item()
        anew.state.cache.clear()
        for explorer in kept, anew:
            explorer.widgets[name][-1].value = value
        assert lines(kept) == lines(anew)
        assert below(kept) == below(anew)
        assert kept.sentence == anew.sentence
    assert len(kept.state.cache) == kept.picture.canvas.cached == 51


def test_reset_restores_values_limits_and_axes(explorer):
    before = lines(explorer), below(explorer), explorer.values
    for log in False, True:
        explorer.set(base_lr=8, num_epochs=50)
        control(explorer, widgets.Checkbox, 'log y').value = log
        assert lines(explorer) != before[0]
        control(explorer, widgets.Button, 'Reset').click()
        assert (lines(explorer), below(explorer), explorer.values) == before


def test_log_y_changes_the_ticks(explorer):
    assert '>1.5<' in below(explorer)[1]
    control(explorer, widgets.Checkbox, 'log y').value = True
    assert '>1.5<' not in below(explorer)[1]
    assert '>0.1<' in below(explorer)[1]


def test_a_panel_with_its_own_scale_has_no_log_box():
    fixed = Explorer(
        lambda x: Panel({'a': ([0, 1], [1, x])}, 'x', 'y', log=False), x=Slider(1, 0, 3)
    )
    with pytest.raises(AssertionError):
        control(fixed, widgets.Checkbox, 'log y')


def test_a_pinned_curve_stays_until_unpinned(explorer):
    pin = control(explorer, widgets.Button, 'Pin this curve')
    unpin = control(explorer, widgets.Button, 'Unpin')
    before = below(explorer), explorer.sentence
    assert unpin.disabled
    pin.click()
    explorer.set(factor=0.5)
    assert below(explorer) != before[0]
    assert 'Pinned: base_lr=2.0, factor=0.9' in explorer.sentence
    assert not unpin.disabled
    unpin.click()
    explorer.set(factor=0.9)
    assert (below(explorer), explorer.sentence) == before
    assert unpin.disabled


def test_the_ends_of_a_slider_are_printed_beside_it(explorer):
    rows = [
        [part.value for part in line.children if isinstance(part, widgets.HTML)]
        for line in explorer.view.children[:2]
    ]
    assert rows == [['<small>0.01 to 10</small>'], ['<small>0 to 1</small>']]


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('0,5', "starting rate must be written with a point, as 0.5, got '0,5'"),
        ('1e9', 'starting rate must be from 0.01 to 10, got 1000000000.0'),
        ('nan', 'starting rate must be from 0.01 to 10, got nan'),
        ('fast', "starting rate must be a number, as 0.5 or 1e-3, got 'fast'"),
    ],
)
def test_a_number_that_is_none_is_refused_in_a_sentence(
    explorer, monkeypatch, text, said
):
    box, slider = explorer.widgets['base_lr']
    before, usual = (lines(explorer), slider.value), explorer.sentence
    page = {}  # what stands in the box there
    monkeypatch.setattr(
        widgets.Widget,
        '_send',
        lambda self, message, buffers=None: self is box and page.update(message),
    )
    for accepted in '2', '', ' ':
        box.set_state({'value': text})
        assert explorer.sentence == f'{said}; it stays 2.0.'
        assert (page['method'], page['state']) == ('update', {'value': '2.0'})
        box.set_state({'value': accepted})
        assert explorer.sentence == usual
    assert page['state'] == {'value': '2.0'}
    assert (lines(explorer), slider.value, box.value) == (*before, 2.0)
    assert explorer.values['base_lr'] == 2.0
    box.set_state({'value': ' 1e-1 '})
    assert explorer.values['base_lr'] == 0.1
    assert box.get_state('value') == {'value': '0.1'}
    assert 'stays' not in explorer.sentence


def test_what_a_row_of_points_refuses_is_said_each_time():
    points = Points([(0, 0.1), (30, 0.3)], Slider(0, 0, 30), Log(1, 0.001, 3))
    explorer = Explorer(drawn, points=points)
    usual, rate = explorer.sentence, control(explorer, NumberBox, 'rate 2')
    for _ in range(2):
        rate.set_state({'value': '0,5'})
        assert explorer.sentence.startswith('rate 2 must be written with a point')
        explorer.refresh()
        assert explorer.sentence == usual
    rate.set_state({'value': '0,5'})
    rate.set_state({'value': '0.3'})
    assert explorer.sentence == usual


def test_png_follows_the_values(explorer):
    before = explorer.png()
    explorer.set(factor=0.5)
    assert explorer.png() != before
    explorer.reset()
    assert explorer.png() == before


def test_the_output_holds_text_and_picture(explorer):
    data, metadata = explorer._repr_mimebundle_()
    assert set(data) == {'text/plain', 'image/png'}
    assert data['text/plain'] == f'{explorer!r}\n{explorer.sentence}'
    assert metadata['image/png']['alt'].startswith('Figure: learning rate against')


def test_what_is_heard_and_read(explorer):
    assert 'role="img" aria-label="learning rate against epoch"' in lines(explorer)
    status = explorer.picture.status.value
    assert 'role="status" aria-live="polite"' in status
    assert explorer.sentence in status


def test_threads_take_turns_and_end_on_the_final_value():
    running, together = [], []

    def slow(a, b):
        running.append(1)
        together.append(len(running))
        time.sleep(0.002)
        running.pop()
        return Panel({'a': ([0, 1], [a, b])}, 'x', 'y', (0, 1), (0, 9), note=f'{a} {b}')

    explorer = Explorer(slow, a=Log(1.0, 0.1, 9), b=Slider(1.0, 0.0, 9.0))

    def hammer(seed):
        rng = np.random.default_rng(seed)
        for _ in range(20):
            explorer.set(a=float(rng.uniform(0.1, 9)))
            explorer.widgets['b'][1].value = int(rng.integers(1, 90))

    threads = [threading.Thread(target=hammer, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(together) == 1
    shown = lines(explorer)
    assert explorer.sentence == '{a} {b}'.format(**explorer.values)
    explorer.refresh()
    assert lines(explorer) == shown
    for name, (box, slider) in explorer.widgets.items():
        assert slider.value == explorer.controls[name].position(box.value)


def test_a_move_is_quick_and_small_and_leaves_the_words():
    def steps(base_lr):
        x = np.arange(500) / 10
        return Panel({'lr': (x, base_lr * (x + 1) ** -0.5)}, 'epoch', 'lr', ylim=(0, 2))

    shown = Explorer(steps, base_lr=Slider(1.0, 0.0, 2.0))
    still, slider = below(shown), shown.widgets['base_lr'][1]
    seconds = []
    for position in range(1, 101):
        seconds.append(quiet_seconds(slider.set_trait, 'value', position))
    assert np.median(seconds) < 0.005
    assert len(lines(shown)) < 4000
    assert all(a is b for a, b in zip(below(shown), still, strict=True))


def test_a_choice_that_changes_the_legend_is_quick_too():
    def steps(shape):
        return [Panel({shape: ([0, 1], [1, 2])}, 'epoch', y) for y in ('lr', 'loss')]

    shown = Explorer(steps, shape=Choice([f'shape {i}' for i in range(30)]))
    [choice], seconds = shown.widgets['shape'], []
    for i in range(1, 30):
        seconds.append(quiet_seconds(choice.set_trait, 'value', f'shape {i}'))
        assert f'>shape {i}<' in below(shown)[0]
    assert np.median(seconds) < 0.03


def test_strict_nbval_takes_a_live_run_for_a_static_one_and_sees_a_change(
    tmp_path, monkeypatch
):
    nbclient = pytest.importorskip('nbclient')
    nbformat = pytest.importorskip('nbformat')
    pytest.importorskip('nbval')
    code = """
from d2l_ext.explorers import Explorer, Slider
from d2l_ext.plots import figure, schedule_panel
def constant(lr):
    return schedule_panel(lambda t: lr, 3)
figure(constant(0.1))
---
Explorer(constant, lr=Slider(0.1, 0.0, 1.0))
---
%matplotlib inline
%config InlineBackend.figure_formats = ['svg']
figure(constant(0.1))
---
figure(constant(0.2))
"""
    cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in code.split('---')]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata['kernelspec'] = {'name': 'python3', 'display_name': 'Python 3'}
    path = tmp_path / 'scratch.ipynb'

    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setenv('D2L_EXT_STATIC', '1')
    nbformat.write(nbclient.NotebookClient(notebook).execute(), path)
    outputs = [cell['outputs'] for cell in json.loads(path.read_text())['cells']]
    for [output] in outputs:
        assert set(output['data']) == {'text/plain', 'image/png'}
    # as if the last cell had shown something else when it was committed
    path.write_text(path.read_text().replace('Constant at 0.2', 'Constant at 0.3'))
    monkeypatch.setenv('D2L_EXT_STATIC', '')
    check = [sys.executable, '-m', 'pytest', '-q', '--nbval', '--nbval-current-env']
    done = subprocess.run(
        [*check, path], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert '1 failed, 3 passed' in done.stdout
    assert 'Cell 3' in done.stdout


def by_set(explorer, i):
    explorer.set(base_lr=0.5 + i / 500)


def by_points(explorer, i):
    points = [(t, 0.1 + i / 500) for t in range(0, 35, 5)]  # as many as in notebook 02
    explorer.set(points=points)


def by_slider(explorer, i):
    explorer.widgets['base_lr'][1].value = i % 200


@pytest.mark.parametrize('move', [by_set, by_points, by_slider])
def test_a_slider_set_in_a_loop_ends_at_its_last_value_and_floods_no_server(
    explorer, monkeypatch, move
):
    if move is by_points:
        points = Points([(0, 0.1)], Slider(0, 0, 30), Log(1, 0.001, 3))
        explorer = Explorer(drawn, points=points)
        move(explorer, 0)
    control(explorer, widgets.Dropdown, 'also show').value = 'settings as a text'
    [inputs, *_], sent = explorer.widgets.values(), []
    before = {box: box.value for box in parts(inputs) if isinstance(box, NumberBox)}
    monkeypatch.setattr(
        widgets.Widget,
        '_send',
        lambda self, message, buffers=None: sent.append((self, message['state'])),
    )

    async def program():
        start = time.perf_counter()
        for i in range(1, 500):
            move(explorer, i)
        seconds = time.perf_counter() - start
        assert len(sent) < 500 * (seconds + 0.1)
        await asyncio.sleep(0.3)  # the cell is done

    asyncio.run(program())
    last = {}
    for widget, state in sent:
        last.setdefault(widget, {}).update(state)
    for widget, state in last.items():
        assert state == widget.get_state(state)
    assert last[explorer.picture.lines]['value'] == explorer.svg
    assert {*last} >= {box for box, value in before.items() if box.value != value}
