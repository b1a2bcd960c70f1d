"""What runs have in common, without a framework: histories, rates, first weights."""

import json
import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d2l_ext.training import History, whole_number, xavier

NAN, INF = float('nan'), float('inf')
RECIPE = {'scheduler': 'ConstantScheduler(base_lr=0.1)', 'num_epochs': 3}

lists = st.lists(st.floats())
histories = st.builds(
    History,
    recipe=st.dictionaries(st.text(), st.none() | st.integers() | st.floats()),
    train_loss=lists,
    train_acc=lists,
    test_acc=lists,
    lr=st.lists(st.sampled_from([0.5, 0.25, 0.1, 1e-300])),
    status=st.sampled_from(['running', 'finished', 'diverged']),
    seconds=lists,
)


def history(**changed):
    fields = {
        'recipe': RECIPE,
        'train_loss': [1.5, NAN],
        'train_acc': [0.5, 0.1],
        'test_acc': [0.4, 0.1],
        'lr': [0.1] * 5 + [0.05] * 5,
        'status': 'diverged',
        'seconds': [0.5, 0.5],
        'environment': {'machine': 'x86_64'},
    }
    return History(**fields | changed)


def refuse(name):
    raise ValueError(f'{name} is no number in strict JSON')


@settings(deadline=None, derandomize=True)
@given(histories)
def test_json_is_strict_and_lossless(run):
    text = run.to_json()
    json.loads(text, parse_constant=refuse)
    again = History.from_json(text)
    assert again == run
    assert repr(again.seconds) == repr(run.seconds)
    assert again.lr == run.lr


def test_json_has_a_pair_per_stretch_of_equal_rates():
    assert json.loads(history().to_json())['lr'] == [[0.1, 5], [0.05, 5]]


@pytest.mark.parametrize(
    'text', ['', '[]', 'null', '3', '{}', '{"lr": 1}', '{"lr": [], "loss": []}']
)
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match='no History in JSON'):
        History.from_json(text)


@pytest.mark.parametrize(
    'changed',
    [
        {'recipe': RECIPE | {'num_epochs': 4}},
        {'train_loss': [1.5, 1.5]},
        {'train_acc': [0.5, 0.2]},
        {'test_acc': [0.4, 0.2]},
        {'lr': [0.1] * 10},
        {'status': 'finished'},
    ],
)
def test_histories_differ_by_any_number(changed):
    assert history(**changed) != history()


def test_time_and_place_do_not_tell_histories_apart():
    assert history(seconds=[9.0], environment={}) == history()
    assert history() != 'a history'


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / 'run.json'
    history().save(path)
    before = path.read_text()
    assert History.load(path) == history()

    monkeypatch.setattr(os, 'replace', refuse)
    with pytest.raises(TypeError):
        history(status='finished').save(path)
    with pytest.raises(TypeError):
        History({'seed': object()}).save(path)
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_text() == before


def test_prints_as_a_row():
    row = 'epoch 2/3, train loss nan, train acc 0.100, test acc 0.100'
    assert repr(history()) == f'{row}, diverged'
    assert repr(history(status='finished')) == row
    assert repr(History(status='stopped')) == 'History: no epoch finished, stopped'


def test_rates_by_epoch():
    run = history(recipe={'batches_per_epoch': 4})
    assert run.epoch_lr() == [[0.1] * 4, [0.1] + [0.05] * 3, [0.05] * 2]
    assert History().epoch_lr() == []


@pytest.mark.parametrize('value', [1, 40.0, np.int64(3), True])
def test_whole_numbers(value):
    number = whole_number('n', value)
    assert number == value
    assert type(number) is int


@pytest.mark.parametrize('value', [0, -1, 1.5, NAN, INF, '3', None, [3]])
def test_other_numbers_are_refused(value):
    with pytest.raises(ValueError, match=r'num_epochs must be a whole number >= 1'):
        whole_number('num_epochs', value)


@pytest.mark.parametrize('shape', [(120, 400), (16, 6, 5, 5)])
def test_xavier_fills_its_interval(shape):
    weight = xavier(shape, np.random.default_rng(0))
    r = math.prod(shape[2:])
    bound = math.sqrt(6 / (shape[1] * r + shape[0] * r))
    assert weight.shape == shape
    assert weight.dtype == np.float32
    assert 0.99 * bound < np.abs(weight).max() <= bound * (1 + 1e-6)
    assert np.var(weight) == pytest.approx(bound**2 / 3, rel=0.05)
    assert (weight == xavier(shape, np.random.default_rng(0))).all()
    assert (weight != xavier(shape, np.random.default_rng(1))).any()
