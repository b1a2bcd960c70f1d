"""What explorers answer in a browser's Python is what they answer in CPython."""

import json
import math
import pathlib
import subprocess
import sys

import pytest

from tests.site.built import built

HERE = pathlib.Path(__file__).parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def site():
    return built()


@pytest.fixture(scope='module')
def rows(site, tmp_path_factory):
    reference = tmp_path_factory.mktemp('reference') / 'reference.json'
    with reference.open('w') as file:
        command = [sys.executable, str(HERE / 'reference.py'), '12']
        subprocess.run(command, check=True, stdout=file)
    command = ['node', str(HERE / 'parity.mjs'), str(site), str(reference)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    asked = reference.read_text('utf-8')
    return [*zip(json.loads(asked), json.loads(told), strict=True)]


def same(ours, theirs):
    """Whether two answers of JSON agree: texts equal, numbers to 1e-11."""
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(
            same(ours[key], theirs[key]) for key in ours
        )
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, float):
        both = math.isnan(ours) and math.isnan(theirs)
        return both or math.isclose(ours, theirs, rel_tol=1e-11, abs_tol=1e-300)
    return ours == theirs


def test_every_explorer_answers_the_same_numbers_and_sentences(rows):
    assert len(rows) >= 30
    for asked, (key, _, controls, answers) in rows:
        assert key == asked['key']
        assert controls == asked['controls'], key
        for (verb, text, view, numbers), (view2, numbers2) in zip(
            asked['acts'], answers, strict=True
        ):
            where = f'{asked["page"]} {key} {verb} {text}'
            ours, theirs = json.loads(view), json.loads(view2)
            assert ours.get('sentences') == theirs.get('sentences'), where
            assert same(ours, theirs), where
            assert same(numbers, numbers2), where


def test_settings_of_its_own_controls_never_fail_but_for_the_readers_reasons(rows):
    errors = {
        (asked['key'], json.loads(view)['error'])
        for asked, _ in rows
        for _, _, view, _ in asked['acts']
        if 'error' in json.loads(view)
    }
    assert not {error for _, error in errors if 'Error:' in error}


def test_a_schedule_is_shown_as_code(rows):
    codes = {
        (asked['page'], asked['key']): next(
            json.loads(view)['opened']
            for verb, _, view, _ in asked['acts']
            if verb == 'open'
        )
        for asked, _ in rows
    }
    assert 'CosineAnnealingLR(' in codes['05_cosine', 'decay']['code']
    # one that follows losses has no code, and its explorer none to show
    assert codes['13_pytorch_schedulers', 'plateau'] == {'name': 'nothing'}
