"""Recipes and their recordings: all there, all of the recipe they are named after."""

import math
import subprocess
import sys
import time

import pytest

from d2l_ext import experiments
from d2l_ext.experiments import RECIPES, load, main, nearest, record, table
from d2l_ext.recipes import ATLAS, NAMES
from d2l_ext.training import History


@pytest.mark.parametrize('name', RECIPES)
def test_every_recipe_is_recorded_with_five_seeds_or_more(name):
    recipe, runs = RECIPES[name], load(name)
    assert [run.recipe['seed'] for run in runs] == list(range(len(runs)))
    assert len(runs) >= 5
    for run in runs:
        epochs = len(run.train_loss)
        if run.status == 'finished':
            assert epochs == recipe.num_epochs
        else:
            assert run.status == 'diverged'
            assert not math.isfinite(run.train_loss[-1])
        assert run.recipe['num_epochs'] == recipe.num_epochs
        assert run.recipe['batch_size'] == recipe.batch_size
        assert len(run.lr) == epochs * run.recipe['batches_per_epoch']
        assert run.environment['mxnet']
        if not recipe.printed:
            assert run.recipe['scheduler'] == repr(recipe.scheduler)
            assert run.recipe['per'] == 'epoch'
            planned = [recipe.scheduler(epoch) for epoch in range(epochs)]
            assert [set(lrs) for lrs in run.epoch_lr()] == [{lr} for lr in planned]


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


def test_the_table_needs_no_framework_and_no_time():
    code = (
        'import sys; from d2l_ext.experiments import main; main(["table"]);'
        'assert not {"mxnet", "torch", "matplotlib"} & set(sys.modules)'
    )
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, '-c', code], check=True, capture_output=True, text=True
    )
    assert time.perf_counter() - start < 5
    assert run.stdout.count('\n') == 1 + len(RECIPES)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, 'RUNS', tmp_path)
    return tmp_path


def history(seed, loss):
    lrs = [0.5] * 2
    return History({'seed': seed, 'num_epochs': 1}, [loss], [0.6], [0.5], lrs)


def test_a_table_by_hand(folder):
    for seed, loss in enumerate([1.0, 2.0, 2.3029]):
        history(seed, loss).save(folder / f'cosine_0.5-{seed}.json')
    row = table(['cosine_0.5']).splitlines()[1]
    assert row.split() == (
        [
            'cosine_0.5',
            '3',
            '1.768',
            '±',
            '0.682',
            '0.600',
            '±',
            '0.000',
            '0.500',
            '±',
            '0.000',
            '1',
        ]
    )


def test_one_seed_and_a_diverged_one_have_no_spread(folder):
    history(0, float('nan')).save(folder / 'cosine_0.5-0.json')
    assert table(['cosine_0.5']).splitlines()[1].split()[1:] == (
        ['1', 'nan', '0.600', '0.500', '1']
    )


def test_a_run_on_disk_is_not_run_again(folder, monkeypatch):
    history(7, 1.0).save(folder / 'cosine_0.5-7.json')
    monkeypatch.setitem(sys.modules, 'd2l_ext.mxnet', None)  # any import would raise
    assert record('cosine_0.5', 7) == history(7, 1.0)


def test_what_is_missing_is_run_and_kept(folder, monkeypatch, capsys):
    backend = pytest.importorskip('d2l_ext.mxnet')
    monkeypatch.setattr(
        backend, 'run', lambda recipe, seed: history(seed, recipe.scheduler(0))
    )
    main(['record', 'constant_0.3', '--seeds', '2'])
    assert 'constant_0.3-1: epoch 1/1, train loss 0.300' in capsys.readouterr().out
    assert [run.recipe['seed'] for run in load('constant_0.3')] == [0, 1]


@pytest.mark.parametrize('call', [load, lambda name: table([name])])
def test_unknown_and_unrecorded_names_are_told_apart(call, folder):
    with pytest.raises(ValueError, match=r"no recipe 'sine': there are constant_0\.5,"):
        call('sine')
    with pytest.raises(ValueError, match=r'experiments record cosine_0\.5'):
        call('cosine_0.5')


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
