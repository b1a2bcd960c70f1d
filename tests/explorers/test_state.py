"""What an explorer knows, without a widget: values, cache, pins, axes, shared text."""

import subprocess
import sys

import numpy as np
import pytest

from d2l_ext.explorers.cache import Cache
from d2l_ext.explorers.controls import Choice, Slider, Switch
from d2l_ext.explorers.state import ExplorerState, explain, function_name
from d2l_ext.panels import Panel, schedule_panel
from d2l_ext.panels.look import pins
from d2l_ext.schedulers import CosineScheduler


def cosine(base_lr, per, twice=False):
    panel = schedule_panel(CosineScheduler(40, base_lr, 0.01), 40, per)
    return [panel, panel] if twice else panel


def make(**options):
    controls = {
        'base_lr': Slider(0.5, 0.0, 1.0),
        'per': Choice(('epoch', 'update')),
        'twice': Switch(),
    }
    return ExplorerState(cosine, controls, **options)


def seen(state):
    """Evaluate as a page does that shows the state."""
    state.display = state.evaluate()
    return state.display


def test_it_needs_neither_widgets_nor_matplotlib():
    code = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('ipywidgets', 'IPython', 'matplotlib', 'traitlets'):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
from d2l_ext.explorers import Slider
from d2l_ext.explorers.state import ExplorerState
from d2l_ext.panels import schedule_panel
from d2l_ext.panels.look import legend, limits, styles, x_ticks
state = ExplorerState(lambda lr: schedule_panel(lambda t: lr, 3), {'lr': Slider(1, 0, 3)})
state.move('lr', 2)
(panel,) = state.evaluate().shown
print(panel.note, state.share(), x_ticks(*limits(panel).x)[-1])
import d2l_ext.explorers
try:
    d2l_ext.explorers.Explorer
except ModuleNotFoundError as error:
    print(error)
"""
    command = [sys.executable, '-c', code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stdout.splitlines() == ['Constant at 2. lr=2 3.0', 'ipywidgets'], (
        done.stderr
    )


def test_the_room_hands_on_what_shows_widgets_when_it_is_asked_for():
    pytest.importorskip('ipywidgets')
    pytest.importorskip('matplotlib')
    from d2l_ext import explorers

    for name in explorers.__all__:
        assert getattr(explorers, name).__name__ == name
        assert name in dir(explorers)
    with pytest.raises(AttributeError, match='has no attribute'):
        explorers.Exploder  # noqa: B018


def test_a_schedule_is_checked_and_its_plan_handed_on():
    state = make()
    assert seen(state).sentences == []
    assert state.display.plan.num_epochs == 40
    state.set(per='update')
    assert any('Over after 40 of' in sentence for sentence in seen(state).sentences)
    assert state.display.values == state.values == {**state.values, 'per': 'update'}


def test_values_given_out_are_a_copy():
    state = make()
    state.values['base_lr'] = 7
    assert state.values['base_lr'] == 0.5


@pytest.mark.parametrize('change', ['set', 'move'])
def test_a_value_that_is_none_of_its_control_changes_nothing(change):
    state = make()
    for name, value, message in (
        ('base_lr', 2, 'base_lr must be from 0.0 to 1.0, got 2'),
        ('lr', 1, "'lr' is no control of cosine.*: use base_lr, per, twice"),
    ):
        with pytest.raises(ValueError, match=message):
            if change == 'set':
                state.set(per='update', **{name: value})
            else:
                state.move(name, value)
        assert state.values == make().values


def test_pinned_curves_and_log_axes_are_in_what_is_shown_alone():
    state = make()
    state.pin()  # nothing was shown yet
    assert not state.pinned
    (first,) = seen(state).panels
    state.pin()
    state.log_y = True
    state.set(base_lr=0.2, twice=True)
    display = seen(state)
    assert state.pinned
    assert display.sentences[-1] == "Pinned: base_lr=0.5, per='epoch', twice=False."
    (_, y) = display.shown[0].pinned['pinned']
    assert not display.shown[1].pinned
    np.testing.assert_equal(y[:-1], *(y for _, y in first.lines.values()))
    assert [panel.log for panel in display.shown] == [True, True]
    assert all(not p.pinned and p.log is None for p in display.panels)
    state.unpin()
    state.log_y = False
    assert not any(panel.pinned or panel.log for panel in seen(state).shown)


def test_several_pins_are_labelled_by_what_tells_them_apart():
    state = make()
    for lr in 0.1, 0.2, 0.3, 0.1, 0.4, 0.25:
        state.set(base_lr=lr)
        state.display = state.evaluate()
        state.pin()
    panel = seen(state).shown[0]
    # the second 0.1 took the place of the first, and 0.2 went when a fifth came
    labels = [f'pinned: base lr {lr}' for lr in (0.3, 0.1, 0.4, 0.25)]
    assert [*panel.pinned] == labels
    assert [y[0] for _, y in panel.pinned.values()] == [0.3, 0.1, 0.4, 0.25]
    assert len({*pins(panel).values()}) == 4
    assert seen(state).sentences[-1].count('base_lr=') == 4
    state.unpin()
    state.pin()
    assert [*seen(state).shown[0].pinned] == ['pinned']


def test_a_shared_text_and_reset_bring_values_and_axes_back():
    state = make()
    state.set(base_lr=0.25, per='update')
    state.log_y = True
    text = state.share()
    assert text == 'base_lr=0.25&per=update&twice=off&log y=on'
    state.reset()
    assert (state.values, state.log_y) == (make().values, False)
    state.restore(text)
    assert (state.share(), state.log_y) == (text, True)
    with pytest.raises(ValueError, match='no control'):
        state.restore('base_lr=0.5&rate=3')
    assert state.share() == text


def test_moves_are_cached_and_other_changes_ask_again():
    asked, age = [], [0]

    def level(lr, up):
        asked.append(lr)
        return Panel({'lr': ([0, 1], [lr, lr + up])}, 'epoch', 'lr')

    controls = {'lr': Slider(0, 0, 5, step=1), 'up': Switch()}
    state = ExplorerState(level, controls, age=lambda: age[0])
    for lr in 1, 2, 1, 2:
        state.move('lr', lr)
        state.evaluate()
    assert asked == [1, 2]
    for change in (
        lambda: state.set(lr=2),
        lambda: setattr(state, 'log_y', True),
        lambda: age.__setitem__(0, 1),
        state.unpin,
        state.cache.clear,
    ):
        asked.clear()
        change()
        state.evaluate()
        state.evaluate()
        assert asked == [2]
    asked.clear()
    state.move('up', True)
    assert list(state.prepare()) == [None] * 6  # of the slider, not of the switch
    assert asked == [2, 1, 3, 0, 4, 5]


def test_without_a_slider_there_is_nothing_to_prepare():
    assert list(make().prepare()) == []


def test_the_cache_stops_at_what_is_slow_and_holds_no_more_than_its_size():
    def square(values):
        if values['x'] == 3:
            raise ZeroDivisionError
        return values['x'] ** 2

    rows = [{'x': x} for x in range(6)]
    cache = Cache(square, key=lambda values: values['x'], size=5)
    assert len([*cache.prepare(rows)]) == 4  # an error is for whoever gets there
    assert len(cache) == 3
    with pytest.raises(ZeroDivisionError):
        cache.at({'x': 3})
    for x in (4, 5, 6, 7):
        assert cache.at({'x': x}) == x**2
        assert len(cache) <= 5
    slow = Cache(square, key=lambda values: values['x'], slow=-1)
    assert [*slow.prepare(rows)] == []
    assert len(slow) == 1


def test_more_panels_and_sentences_are_added_by_extend():
    more = Panel({'a': ([0, 1], [0, 1])}, 'x', 'y')
    state = make(extend=lambda panels, plan: ([*panels, more], [f'{plan.num_epochs}']))
    assert seen(state).panels[1:] == [more]
    assert state.display.sentences == ['40']


def test_an_error_is_a_sentence():
    assert explain(ValueError('a rate must be > 0')) == 'a rate must be > 0'
    assert explain(ValueError()) == 'ValueError: '
    assert explain(KeyError('a')) == "KeyError: 'a'"


def test_what_cannot_be_called_is_refused():
    with pytest.raises(ValueError, match='function must be one that returns panels'):
        ExplorerState(3, {})
    assert function_name(lambda: 1) == '<lambda>'
