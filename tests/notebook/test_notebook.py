"""What notebooks show: our source, and answers of a framework that is not here."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from d2l_ext.notebook import BACKENDS, Recorded, Source, backend
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


# Frameworks that are taken away from a new Python
WITHOUT = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {gone}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Without())
"""


def chosen(gone=(), choice='', more=''):
    """Return what a new Python prints that asks `backend`, and the module's name."""
    code = WITHOUT.format(gone=gone) + more
    code += 'from d2l_ext.notebook import backend\nprint(backend().__name__)'
    run = subprocess.run(
        [sys.executable, '-c', code],
        env=os.environ | {'D2L_EXT_BACKEND': choice},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    *_, sentence, name = run.stdout.splitlines()
    return sentence, name


def need(*frameworks):
    for name in frameworks:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f'{name} is not installed')


def test_the_books_framework_comes_first():
    need('mxnet')
    assert chosen() == (
        "MXNet 1.9.1 trains here, the book's framework.",
        'd2l_ext.mxnet',
    )


def test_pytorch_stands_in_and_says_why(tmp_path):
    need('torch')
    sentence, name = chosen(gone=('mxnet',))
    assert name == 'd2l_ext.torch'
    assert sentence.endswith(' trains here, since MXNet is not installed.')
    # one that is there and cannot be loaded, as on a system without its libraries
    package = tmp_path / 'mxnet'
    package.mkdir()
    error = 'libquadmath.so.0: cannot open shared object file'
    (package / '__init__.py').write_text(f'raise OSError({error!r})')
    sentence, name = chosen(more=f'sys.path.insert(0, {str(tmp_path)!r})\n')
    assert name == 'd2l_ext.torch'
    assert f'since MXNet cannot be imported ({error}): the system' in sentence


def test_a_system_without_a_wheel_is_named():
    need('torch')
    more = 'import platform\nplatform.system = lambda: "Windows"\n'
    sentence, name = chosen(gone=('mxnet',), more=more)
    assert name == 'd2l_ext.torch'
    assert 'since MXNet has no wheel for Windows on ' in sentence


def test_pytorch_drives_a_gpu_that_mxnet_does_not_know():
    need('torch')
    more = (
        'from d2l_ext.install import cuda11\ncuda11.capabilities = lambda: ((9, 0),)\n'
    )
    sentence, name = chosen(more=more)
    assert name == 'd2l_ext.torch'
    assert 'since the GPU has compute capability 9.0, MXNet knows 5.0' in sentence


def test_without_either_what_is_recorded_is_read():
    sentence, name = chosen(gone=('mxnet', 'torch'))
    assert name == 'd2l_ext.experiments.replay'
    assert 'since MXNet is not installed and PyTorch is not installed (`pip' in sentence


@pytest.mark.parametrize('choice', ['mxnet', 'torch', 'none'])
def test_an_environment_variable_chooses(choice):
    need(*{choice} - {'none'})
    sentence, name = chosen(choice=choice)
    assert name == BACKENDS[choice]
    assert f'since {choice!r} was asked for' in sentence


def test_another_choice_is_refused():
    with pytest.raises(
        ValueError, match="must be mxnet, torch, none or empty, got 'jax'"
    ):
        backend('jax')


@pytest.mark.parametrize(
    ('choice', 'asked'), [('', True), ('mxnet', True), ('numpy', True), ('none', False)]
)
def test_a_choice_holds_for_recorded_answers_too(tmp_path, monkeypatch, choice, asked):
    path = tmp_path / 'answers.json'
    path.write_text(json.dumps(['1.0', {}]))
    monkeypatch.setenv('D2L_EXT_BACKEND', choice)
    assert bool(Recorded('numpy', path).module) == asked
