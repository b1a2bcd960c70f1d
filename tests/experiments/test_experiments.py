"""Recipes and their recordings: of the recipe they are named after, loaded, listed."""

import dataclasses
import json
import math
import pathlib
import re

import nbformat
import pytest

from d2l_ext.experiments import RECIPES, load, nearest, store
from d2l_ext.experiments.__main__ import main
from d2l_ext.experiments.recipes import ATLAS, FULL, MINI, NAMES
from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training import History, Recipe

ROOT = pathlib.Path(__file__).parents[2]
RECORDED = [name for name in RECIPES if store.seeds(name)]


@pytest.mark.parametrize('name', RECORDED)
def test_what_is_recorded_is_a_whole_run_of_its_recipe(name):
    recipe, runs = RECIPES[name], load(name)
    assert [run.recipe['seed'] for run in runs] == list(range(len(runs)))
    for run in runs:
        epochs = len(run.train_loss)
        if run.status == 'finished':
            assert epochs == recipe.num_epochs
        else:
            assert run.status == 'diverged'
            assert not math.isfinite(run.train_loss[-1])
        assert len(run.lr) == epochs * run.recipe['batches_per_epoch']
        assert run.environment['mxnet']
        if not recipe.printed:
            n = run.recipe['batches_per_epoch'] if recipe.per == 'epoch' else 1
            assert run.lr == [recipe.scheduler(t // n) for t in range(len(run.lr))]


@pytest.mark.parametrize('name', [*MINI, *FULL])
def test_what_is_compared_is_recorded_with_five_seeds_or_more(name):
    assert len(store.seeds(name)) >= 5


@pytest.mark.parametrize('family', ATLAS)
def test_what_sliders_snap_to_is_recorded_with_three_seeds_or_more(family):
    _, grid = ATLAS[family]
    assert min(len(store.seeds(NAMES[r])) for r in grid.values()) >= 3


def test_what_the_notebooks_name_is_recorded():
    """In code, or, put together there, in the first column of a printed table."""
    named = set()
    for path in (ROOT / 'notebooks').glob('*.ipynb'):
        for cell in nbformat.read(path, 4).cells:
            if cell.cell_type == 'code':
                named.update(re.findall(r"'([\w.]+)'", cell.source))
                for out in cell.outputs:
                    named.update(
                        re.findall(r'^(\S+)', out.get('text', ''), re.MULTILINE)
                    )
    named &= RECIPES.keys()
    assert len(named) > 20
    assert {name for name in named if not store.seeds(name)} == set()


def test_as_printed_means_what_the_book_ran():
    assert set(load('multi_factor_printed')[0].lr) == {0.125}
    cosine = load('cosine_printed')[0].lr
    assert cosine[0] < 0.5  # MXNet's first update is t = 1
    assert set(cosine[39:]) == {0.01}
    warmup = load('warmup_cosine_printed')[0].lr
    assert warmup[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert load('square_root_printed')[0].lr[8] == pytest.approx(1 / 10**0.5)


def test_the_used_up_object_is_a_constant_rate_bit_for_bit():
    pairs = zip(load('multi_factor_printed'), load('constant_0.125'), strict=True)
    assert all(a.train_loss == b.train_loss and a.lr == b.lr for a, b in pairs)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for recordings, with one for those of cosine_0.3 in it."""
    monkeypatch.setattr(store, 'RUNS', tmp_path)
    (tmp_path / 'cosine_0.3').mkdir()
    return tmp_path


def history(name, seed=0, loss=1.0):
    """Return a history as the training loop leaves it, which does not say all."""
    recipe = RECIPES[name].values(seed)
    for key in ('net', 'subset', 'printed'):
        del recipe[key]
    recipe['batches_per_epoch'] = 94
    return History(recipe, [loss], [0.6], [0.5], [0.5] * 2, environment={'date': ''})


def test_a_content_hash_is_of_the_content():
    """The same numbers on every Python: written down here once and for all."""
    printed = Recipe(printed='cosine', per='update')
    assert printed.content_hash(0).startswith('2aa33243c298')
    hashes = {recipe.content_hash(s) for recipe in RECIPES.values() for s in (0, 1)}
    assert len(hashes) == 2 * len(RECIPES)
    for change in ({'net': 'plain'}, {'backend': 'torch'}, {'subset': 'full'}):
        other = dataclasses.replace(Recipe(ConstantScheduler(0.7)), **change)
        assert other.content_hash(0) not in hashes
    assert json.loads(json.dumps(RECIPES['cosine_0.3'].values(1))) == {
        'scheduler': 'CosineScheduler(max_update=30, base_lr=0.3, final_lr=0.01)',
        'per': 'epoch',
        'num_epochs': 30,
        'batch_size': 64,
        'subset': 'mini',
        'printed': '',
        'net': 'lenet',
        'optimizer': 'sgd',
        'backend': 'mxnet',
        'seed': 1,
    }


def test_what_is_saved_carries_its_recipe_and_its_hash(folder):
    store.save(history('cosine_0.3', 2), 'cosine_0.3', 2)
    (found,) = load('cosine_0.3')
    values = RECIPES['cosine_0.3'].values(2)
    assert values.items() <= found.recipe.items()
    assert found.recipe['hash'] == RECIPES['cosine_0.3'].content_hash(2)
    store.save(history('cosine_printed', 0), 'cosine_printed', 0)
    assert load('cosine_printed')[0].recipe['printed'] == 'cosine'


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('scheduler', 'ConstantScheduler(base_lr=0.3)'),
        ('per', 'update'),
        ('seed', 1),
        ('batch_size', 32),
        ('batches_per_epoch', 938),
        ('num_epochs', 40),
        ('subset', 'full'),
        ('net', 'mlp'),
        ('backend', 'torch'),
        ('hash', 64 * '0'),
        ('hash', None),
    ],
)
def test_a_recording_of_another_recipe_is_refused(folder, key, value):
    other = history('cosine_0.3')
    store.save(other, 'cosine_0.3', 0)
    other.recipe[key] = value
    other.save(folder / 'cosine_0.3/0.json')
    with pytest.raises(
        ValueError, match=f'another recipe: {key} is .* record it again'
    ):
        load('cosine_0.3')


def test_a_recording_that_does_not_say_all_is_refused(folder):
    history('cosine_0.3').save(folder / 'cosine_0.3/0.json')
    with pytest.raises(ValueError, match=r'another recipe: subset is None, .* again'):
        load('cosine_0.3')


def test_a_damaged_file_is_named(folder):
    (folder / 'cosine_0.3/0.json').write_text('{"recipe": {}, "lr": [')
    with pytest.raises(ValueError, match=r'cosine_0\.3.0\.json: .*record it again'):
        load('cosine_0.3')


def test_seeds_come_in_order_and_names_do_not_mix(folder):
    for seed in (10, 2, 0):
        store.save(history('cosine_0.3', seed), 'cosine_0.3', seed)
    torch = history('cosine_0.3', 1)
    torch.recipe['backend'] = 'torch'
    store.save(torch, 'cosine_0.3', 1, 'torch')
    (folder / 'cosine_0.3/1.json.123-4.part').write_text('{')
    (folder / 'warmup_cosine_0.3').mkdir()
    (folder / 'warmup_cosine_0.3/7.json').write_text('{')
    assert [run.recipe['seed'] for run in load('cosine_0.3')] == [0, 2, 10]
    assert [run.recipe['backend'] for run in load('cosine_0.3', 'torch')] == ['torch']


def test_unknown_and_unrecorded_names_are_told_apart(folder):
    with pytest.raises(ValueError, match=r"no recipe 'sine': there are constant_0\.5,"):
        load('sine')
    with pytest.raises(ValueError, match=r'experiments record cosine_0\.5$'):
        load('cosine_0.5')
    with pytest.raises(ValueError, match=r'record cosine_0\.5 --backend torch'):
        load('cosine_0.5', 'torch')
    with pytest.raises(ValueError, match="object of MXNet's: use backend='mxnet'"):
        load('cosine_printed', 'torch')
    with pytest.raises(ValueError, match="must be mxnet or torch, got 'jax'"):
        load('cosine_0.5', 'jax')


def test_the_command_line_lists_and_shows(folder, capsys):
    store.save(history('cosine_0.3', 2), 'cosine_0.3', 2)
    assert main(['list']) is None
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(RECIPES)
    assert any(re.match(r'cosine_0\.3 +1 recorded  mini  Cosine', ln) for ln in lines)
    assert main(['show', 'cosine_0.3']) is None
    shown = capsys.readouterr().out
    assert RECIPES['cosine_0.3'].content_hash(2) in shown
    assert 'seed 2      epoch 1/30, train loss 1.000' in shown
    assert main(['show', 'cosine_0.5']) is None
    assert 'not recorded' in capsys.readouterr().out
    assert main(['show', 'sine']) == 1
    assert "no recipe 'sine'" in capsys.readouterr().err


@pytest.mark.parametrize('family', ATLAS)
def test_every_recipe_of_the_atlas_is_nearest_to_itself(family):
    names, grid = ATLAS[family]
    for values, recipe in grid.items():
        settings = dict(zip(names, values))
        assert nearest(family, **settings) == (settings, NAMES[recipe])


def test_rates_are_near_by_their_ratio_and_epochs_by_their_difference():
    assert nearest('constant', base_lr=0.145)[0] == {'base_lr': 0.125}
    assert nearest('constant', base_lr=0.0)[0] == {'base_lr': 0.01}
    assert nearest('cosine_final', final_lr=0.001)[0] == {'final_lr': 0}
    assert nearest('cosine_final', final_lr=0.006)[0] == {'final_lr': 0.01}
    assert nearest('warmup', base_lr=0.7, warmup_steps=7.4)[0] == (
        {'base_lr': 0.8, 'warmup_steps': 5}
    )
    assert nearest('batch', batch_size=33, base_lr=0.06)[0]['batch_size'] == 64
    assert nearest('multi_factor', first=9, second=26)[1] == 'multi_factor_10_25'


@pytest.mark.parametrize(
    ('family', 'settings', 'message'),
    [
        ('sine', {}, "family must be one of constant, .* got 'sine'"),
        ('poly', {'pwr': 1}, "'poly' must be base_lr and pwr, got pwr"),
        ('constant', {}, 'must be base_lr, got none'),
        ('constant', {'base_lr': math.nan}, 'base_lr must be a number >= 0, got nan'),
        ('constant', {'base_lr': -1}, 'base_lr must be a number >= 0, got -1'),
    ],
)
def test_what_has_no_neighbour_says_why(family, settings, message):
    with pytest.raises(ValueError, match=message):
        nearest(family, **settings)
