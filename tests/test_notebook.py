"""What notebooks show: our source, and answers of a framework that is not here."""

import json

import pytest

from d2l_ext.notebook import Recorded, Source
from d2l_ext.plan import Plan
from d2l_ext.schedulers import CosineScheduler


def test_a_source_is_shown_as_code():
    source = Source(CosineScheduler)
    assert repr(source).startswith('class CosineScheduler(')
    assert source._repr_markdown_() == f'```python\n{source}\n```'


def test_a_method_begins_at_the_margin_and_so_fits_a_narrow_page():
    source = Source(Plan.rates).code
    assert source.startswith('def rates(self')
    assert '\n    """' in source


@pytest.mark.parametrize('thing', [3, 'CosineScheduler', len, CosineScheduler(30, 0.3)])
def test_what_has_no_source_is_refused(thing):
    with pytest.raises(ValueError, match='thing must be a class or function'):
        Source(thing)


def test_answers_of_a_missing_framework_are_looked_up(tmp_path):
    path = tmp_path / 'answers.json'
    path.write_text(json.dumps(['1.0', {"ask('a', b=2)": [1, 2]}]))
    recorded = Recorded('no_such_framework', path)
    assert recorded.module is None
    assert repr(recorded) == 'no_such_framework 1.0, as recorded'

    @recorded
    def ask(*args, **kwargs):
        raise AssertionError('the framework is not here')

    assert ask('a', b=2) == [1, 2]
    assert ask('a') is None


def test_a_framework_that_is_here_is_asked_once(tmp_path):
    path, calls = tmp_path / 'answers.json', []
    recorded = Recorded('numpy', path)

    @recorded
    def ask(t):
        calls.append(t)
        return recorded.module.sqrt(t).item()

    assert [ask(4), ask(4)] == [2.0, 2.0]
    assert calls == [4]
    recorded.save()
    assert json.loads(path.read_text()) == [recorded.version, {'ask(4)': 2.0}]
