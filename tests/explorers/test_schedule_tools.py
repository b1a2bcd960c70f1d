"""What explorers do with a schedule: check it, share it, write it as code, train it."""

import asyncio
import time

import numpy as np
import pytest

widgets = pytest.importorskip('ipywidgets')
pytest.importorskip('matplotlib')

from d2l_ext.exchange.code import LIBRARIES, code
from d2l_ext.experiments.recipes import ATLAS, RECIPES
from d2l_ext.explorers import Choice, Explorer, Log, Points, Slider
from d2l_ext.explorers.atlas import Atlas, atlas_panels
from d2l_ext.panels import Panel, schedule_panel
from d2l_ext.schedulers import (
    CosineScheduler,
    LambdaScheduler,
    MultiFactorScheduler,
    PiecewiseLinearScheduler,
)
from d2l_ext.training import History, Recipe
from tests.clock import quiet_seconds

SHOWN = 'code for torch'


def cosine(base_lr, T, per):
    return schedule_panel(CosineScheduler(T, base_lr, 0.01), 40, per, 94)


def drawn(points):
    return schedule_panel(PiecewiseLinearScheduler(points), 30)


@pytest.fixture
def explorer():
    return Explorer(
        cosine,
        base_lr=Log(0.5, 0.01, 3),
        T=Slider(40, 1, 80),
        per=Choice(('epoch', 'update')),
    )


@pytest.fixture
def hand():
    points = Points(
        [(0, 0.1), (5, 0.5), (30, 0.01)], Slider(0, 0, 30), Log(1, 0.001, 3)
    )
    return Explorer(drawn, points=points)


def within(widget):
    yield widget
    for child in getattr(widget, 'children', ()):
        yield from within(child)


def labelled(explorer, label):
    """Return the widget that a reader finds by its label."""
    (found,) = (
        w for w in within(explorer.view) if getattr(w, 'description', '') == label
    )
    return found


def code_shown(explorer):
    (found,) = (
        w.value
        for w in within(explorer.view)
        if isinstance(w, widgets.HTML) and '<pre' in w.value
    )
    return found


def status(explorer):
    """Return all that is written in HTML round the picture."""
    return ' '.join(
        w.value for w in within(explorer.view) if isinstance(w, widgets.HTML)
    )


def test_a_schedule_is_checked_as_it_moves(explorer):
    assert 'Over after' not in explorer.sentence
    explorer.set(per='update')
    assert 'Over after 40 of 3760 updates' in explorer.sentence
    assert 'Over after' in explorer._repr_mimebundle_()[0]['text/plain']
    explorer.reset()
    assert 'Over after' not in explorer.sentence


def test_code_is_written_only_while_it_is_open(explorer, monkeypatch):
    written = []
    monkeypatch.setattr(
        'd2l_ext.explorers.beside.code',
        lambda *a: written.append(a) or code(*a),
    )
    also = labelled(explorer, 'also show')
    explorer.set(base_lr=0.2)
    assert written == []
    for library in LIBRARIES:
        also.value = f'code for {library}'
        first, *_ = code(explorer.state.display.plan, library).splitlines()
        assert first in code_shown(explorer)
    assert len(written) == len(LIBRARIES)
    also.value = SHOWN
    explorer.set(base_lr=0.3)
    assert 'lr=0.3' in code_shown(explorer)
    assert 'tabindex="0"' in code_shown(explorer)
    also.value = 'nothing'
    count = len(written)
    explorer.set(base_lr=0.4)
    assert len(written) == count


@pytest.mark.parametrize('wrap', [LambdaScheduler, lambda function: function])
def test_code_that_cannot_be_written_is_a_sentence(wrap):
    odd = Explorer(lambda x: schedule_panel(wrap(lambda t: x), 3), x=Slider(0.5, 0, 1))
    labelled(odd, 'also show').value = SHOWN
    assert '# ' in code_shown(odd)
    assert 'Traceback' not in code_shown(odd)


def test_steps_are_shown_closely():
    def steps(first):
        return schedule_panel(MultiFactorScheduler([first, 30], 0.5, 0.5), 40)

    shown = Explorer(steps, first=Slider(15, 1, 29))
    assert '14 (timm), 15 (PyTorch), 16 (MXNet)' not in status(shown)
    labelled(shown, 'also show').value = 'its steps, closely'
    assert 'comes at 14 (timm), 15 (PyTorch), 16 (MXNet)' in status(shown)
    assert 'comes at 29 (timm), 30 (PyTorch), 31 (MXNet)' in status(shown)
    shown.set(first=20)
    assert 'comes at 19 (timm), 20 (PyTorch), 21 (MXNet)' in status(shown)
    assert 'its steps, closely' not in labelled(Atlas('constant'), 'also show').options


def test_a_step_between_two_counts_comes_at_the_next_and_none_leaves_nothing_open():
    def steps(first):
        return schedule_panel(MultiFactorScheduler([first] if first else [], 0.5), 40)

    shown = Explorer(steps, first=Slider(14.5, 0, 29, step=0.5))
    labelled(shown, 'also show').value = 'its steps, closely'
    assert 'comes at 14 (timm), 15 (PyTorch), 16 (MXNet)' in status(shown)
    shown.set(first=0)
    assert shown.sentence.startswith('Constant at 0.1')
    assert labelled(shown, 'also show').value == 'nothing'


def test_what_carries_no_schedule_has_no_code():
    plain = Explorer(
        lambda x: Panel({'a': ([0, 1], [0, x])}, 'x', 'y'), x=Slider(1, 0, 3)
    )
    assert labelled(plain, 'also show').options == ('nothing', 'settings as a text')


def test_a_shared_text_restores_another_explorer(explorer):
    labelled(explorer, 'log y').value = True
    explorer.set(base_lr=0.123, T=17, per='update')
    text = explorer.share()
    assert text == 'base_lr=0.123&T=17&per=update&log y=on'
    other = Explorer(cosine, **explorer.controls)
    other.restore(text)
    assert (other.values, other.sentence) == (explorer.values, explorer.sentence)
    assert labelled(other, 'log y').value
    other.restore('T=3')
    assert other.values == {'base_lr': 0.123, 'T': 3, 'per': 'update'}
    assert not labelled(other, 'log y').value
    with pytest.raises(ValueError, match='no control'):
        other.restore('T=5&rate=3')
    assert other.values['T'] == 3


def test_the_text_box_follows_and_is_followed(explorer):
    labelled(explorer, 'also show').value = 'settings as a text'
    box = labelled(explorer, 'settings')
    explorer.set(T=20)
    assert box.value == explorer.share() == 'base_lr=0.5&T=20&per=epoch'
    box.value = ' base_lr=0.1&T=10&per=update '
    assert explorer.values == {'base_lr': 0.1, 'T': 10, 'per': 'update'}
    assert box.value == explorer.share()
    for wrong in 'import os', 'T=0', '<b>&lt;', '':
        box.value = wrong
        assert explorer.values['T'] == 10
        assert 'T=0: must be from 1' in explorer.sentence or (
            'no setting' in explorer.sentence or 'no control' in explorer.sentence
        )
    explorer.set(T=11)
    assert box.value == explorer.share()


def test_points_are_moved_added_and_taken_away(hand):
    time_2, rate_2 = labelled(hand, 'time 2'), labelled(hand, 'rate 2')
    rate_2.value = 0.7
    assert hand.values['points'] == ((0, 0.1), (5, 0.7), (30, 0.01))
    time_2.value = 0  # on top of the first
    assert 'each at a time of its own' in hand.sentence
    time_2.value = 10
    assert 'peaks at 0.7 in epoch 10' in hand.sentence
    labelled(hand, 'time 1').value = 15  # past the second: it stays the same point
    assert hand.values['points'] == ((10, 0.7), (15, 0.1), (30, 0.01))
    assert labelled(hand, 'rate 2').value == 0.7
    hand.reset()
    before = hand.sentence
    labelled(hand, 'Add a point').click()
    assert len(hand.values['points']) == 4
    assert labelled(hand, 'time 3').value in (17, 18)
    # on the curve, to three digits
    rates = np.interp(np.arange(30), *zip(*hand.values['points'], strict=True))
    wanted = np.interp(np.arange(30), [0, 5, 30], [0.1, 0.5, 0.01])
    assert np.abs(rates - wanted).max() < 1e-3
    for _ in range(20):
        labelled(hand, 'Add a point').click()
    assert len(hand.values['points']) == 12
    assert labelled(hand, 'Add a point').disabled
    text = hand.share()
    while len(hand.values['points']) > 1:
        away = [
            w for w in within(hand.view) if 'Remove' in getattr(w, 'description', '')
        ]
        away[-1].click()
    assert away[0].disabled
    away[0].click()
    assert len(hand.values['points']) == 1
    hand.reset()
    assert hand.sentence == before
    assert len(hand.widgets['points'][0].children) == 5
    hand.restore(text)
    assert hand.share() == text


def test_the_slider_of_a_point_moves_its_box(hand):
    row = next(
        w
        for w in within(hand.view)
        if isinstance(w, widgets.HBox)
        and getattr(w.children[0], 'description', '') == 'time 2'
    )
    row.children[1].value = 12
    assert row.children[0].value == 12
    row.children[2].value = 1.0
    assert row.children[3].value == Log(1, 0.001, 3).position(1.0)


class Fake:
    """A backend's `run_steps`, which computes nothing."""

    def __init__(self, epochs=None, error=None):
        self.calls, self.epochs, self.error = [], epochs, error

    def __call__(self, recipe, seed, queue):
        self.calls.append((recipe, seed))
        epochs = self.epochs or recipe.num_epochs
        history = History({'num_epochs': epochs, 'batches_per_epoch': 2})
        for epoch in range(epochs):
            if self.error and epoch:
                raise self.error
            for _ in range(2):
                history.lr.append(recipe.scheduler(epoch))
                yield history
            history.train_acc.append(0.5)
            history.test_acc.append(0.4)
            history.train_loss.append(2.0 / (epoch + 1))
        history.status = 'finished'
        yield history


async def until(condition):
    """Give the loop back until `condition()` holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, 'waited in vain'
        await asyncio.sleep(0.005)


def test_what_is_shown_is_trained_and_its_curve_stays(explorer):
    async def read():
        fake = Fake(epochs=3)
        shown = Explorer(cosine, train=fake, **explorer.controls)
        assert [panel.ylabel for panel in shown.state.display.panels] == [
            'learning rate'
        ]
        shown.set(base_lr=0.2)
        labelled(shown, 'seed').value = 4
        labelled(shown, 'Train this now').click()
        await until(lambda: 'Done.' in shown.sentence)
        ((recipe, seed),) = fake.calls
        assert (recipe.scheduler, seed) == (CosineScheduler(40, 0.2, 0.01), 4)
        assert (recipe.num_epochs, recipe.per) == (40, 'epoch')
        assert [panel.ylabel for panel in shown.state.display.panels] == [
            'learning rate',
            'train loss',
            'test accuracy',
        ]
        _, losses = shown.state.display.panels[1].lines['trained now']
        assert losses[:3].tolist() == [2.0, 1.0, 2 / 3]
        bar = labelled(shown, 'progress')
        assert 'value="6" max="6"' in bar.value
        shown.set(base_lr=0.3)
        assert 'With base_lr=0.2, T=40' in shown.sentence
        assert 'trained now' in shown.state.display.panels[1].lines
        assert 'test acc 0.400' in shown._repr_mimebundle_()[0]['text/plain']

    asyncio.run(read())


def test_a_run_is_stopped_and_begun_anew():
    async def read():
        fake = Fake(epochs=10**6)
        shown = Atlas('constant', train=fake, base_lr=0.1)
        labelled(shown, 'Train this now').click()
        await until(lambda: 'train loss' in shown.sentence)
        labelled(shown, 'Stop').click()
        await until(lambda: 'Stopped.' in shown.sentence)
        held = len(shown.trainer.task.history.lr)
        await asyncio.sleep(0.05)
        assert len(shown.trainer.task.history.lr) == held
        shown.set(base_lr=1.0)
        labelled(shown, 'Train this now').click()
        await until(
            lambda: len(fake.calls) == 2 and 'With base_lr=1.0' in shown.sentence
        )
        assert fake.calls[1][0] is RECIPES['constant_1.0']
        labelled(shown, 'Stop').click()
        await until(lambda: 'Stopped.' in shown.sentence)

    asyncio.run(read())


def test_a_run_that_fails_is_a_sentence():
    async def read():
        fake = Fake(error=RuntimeError('no such device'))
        shown = Atlas('constant', train=fake)
        labelled(shown, 'Train this now').click()
        await until(lambda: 'RuntimeError: no such device' in shown.sentence)

    asyncio.run(read())


def test_a_schedule_in_updates_is_trained_in_epochs_of_its_own_length():
    def drawn(batches):
        return schedule_panel(CosineScheduler(940), 10, 'update', batches)

    explorer = Explorer(drawn, batches=Slider(94, 90, 240))
    assert explorer.recipe() == Recipe(CosineScheduler(940), 'update', 10)
    explorer.set(batches=235)
    with pytest.raises(
        ValueError, match=r'batches_per_epoch must be 94, .* got a Plan with 235'
    ):
        explorer.recipe()


def test_a_schedule_in_updates_with_every_default_is_trained():
    async def read():
        fake = Fake(epochs=2)
        shown = Explorer(
            lambda lr: schedule_panel(CosineScheduler(940, lr), 10, 'update'),
            train=fake,
            lr=Log(0.5, 0.01, 3),
        )
        labelled(shown, 'Train this now').click()
        await until(lambda: 'Done.' in shown.sentence)
        assert fake.calls == [(Recipe(CosineScheduler(940, 0.5), 'update', 10), 10)]

    asyncio.run(read())


def test_without_a_schedule_there_is_nothing_to_train():
    plain = Explorer(
        lambda x: Panel({'a': ([0, 1], [0, x])}, 'x', 'y'), x=Slider(1, 0, 3)
    )
    with pytest.raises(ValueError, match='no panel here carries a schedule'):
        plain.recipe()


def test_without_an_event_loop_the_button_says_so():
    shown = Atlas('constant', train=Fake())
    labelled(shown, 'Train this now').click()
    assert 'no event loop runs here' in shown.sentence


def test_the_atlas_snaps_to_recorded_runs():
    atlas = Atlas('warmup', base_lr=0.5, warmup_steps=5)
    assert repr(atlas) == "Atlas('warmup', base_lr=0.5, warmup_steps=5)"
    assert atlas.recipe() is RECIPES['warmup_cosine_0.5']
    accuracy = atlas.state.display.panels[2]
    runs = accuracy.lines['recorded'][1]
    assert np.isnan(runs).sum() >= 10  # one line a seed
    assert np.nanmax(runs) > 0.85
    assert 'learned nothing: 2 of ' in atlas.sentence
    assert 'The rate of the first epoch is 0, nothing is learned (94' in atlas.sentence
    handle = atlas.widgets['warmup_steps'][1]
    handle.value = 0
    assert atlas.values == {'base_lr': 0.5, 'warmup_steps': 0}
    assert atlas.recipe() is RECIPES['cosine_0.5']
    atlas.set(base_lr=0.33)
    assert atlas.values['base_lr'] == 0.3
    atlas.restore('base_lr=0.4999&warmup_steps=6')
    assert atlas.values == {'base_lr': 0.5, 'warmup_steps': 5}


@pytest.mark.parametrize('family', ATLAS)
def test_every_family_has_an_atlas(family):
    names, grid = ATLAS[family]
    for values in grid:
        panels = atlas_panels(family, **dict(zip(names, values, strict=True)))
        assert len(panels) == 3
    assert list(Atlas(family).values) == list(names)


def test_what_is_not_recorded_is_a_sentence_beside_the_schedule():
    def load(name):
        raise ValueError(f'{name!r} is not recorded: record it')

    schedule, loss, accuracy = atlas_panels('constant', load, base_lr=0.3)
    assert schedule.lines['recorded'][1].tolist() == [0.3] * 60
    assert loss.lines['recorded'][0].size == accuracy.lines['recorded'][0].size == 0
    assert loss.note == (
        "Nothing to show at base_lr=0.3: 'constant_0.3' is not recorded: record it."
    )


def test_an_unknown_family_or_setting_is_refused():
    with pytest.raises(ValueError, match='family must be one of constant'):
        Atlas('circle')
    with pytest.raises(ValueError, match="'constant' has no pwr"):
        Atlas('constant', pwr=2)


def test_a_move_stays_quick(explorer):
    slider = explorer.widgets['T'][1]
    seconds = []
    for position in range(1, 61):
        seconds.append(quiet_seconds(slider.set_trait, 'value', position))
    print(f'{1e3 * np.median(seconds):.2f} ms a move')
    assert np.median(seconds) < 0.01
