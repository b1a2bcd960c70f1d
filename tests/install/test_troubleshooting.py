"""Each failure of TROUBLESHOOTING.md is provoked, and says what is written there."""

import importlib.util
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from d2l_ext.data import load_fashion_mnist
from d2l_ext.install import cuda11, wheels

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / 'TROUBLESHOOTING.md').read_text('utf-8')
WORDS = re.findall(r'^### `+ ?(.+?) ?`+$', TEXT, re.MULTILINE)


def python(*arguments, **environment):
    """Return what a new Python says on its standard error, or else prints."""
    run = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | environment,
        capture_output=True,
        encoding='utf-8',
        check=False,
    )
    return run.stderr or run.stdout


def old_python(monkeypatch, tmp_path):
    pytest.importorskip('d2l_ext.__main__')
    path = ROOT / 'd2l_ext' / '__main__.py'
    monkeypatch.setattr(sys, 'version_info', (3, 10, 0))
    monkeypatch.setattr(sys, 'argv', [str(path), 'setup', 'no such extra'])
    with pytest.raises(SystemExit) as error:
        runpy.run_path(str(path), run_name='__main__')
    return str(error.value)


def another_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('PYTHONPATH', raising=False)
    return python('-S', '-m', 'd2l_ext', 'lab')


def no_pip(monkeypatch, tmp_path):
    monkeypatch.setattr(wheels.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(RuntimeError) as error:
        wheels._pip('install', 'mxnet')
    return str(error.value)


def no_wheel(monkeypatch, tmp_path):
    pytest.importorskip('d2l_ext.__main__')
    monkeypatch.setattr(wheels.platform, 'system', lambda: 'Windows')
    monkeypatch.setattr(wheels.platform, 'machine', lambda: 'AMD64')
    monkeypatch.setattr(wheels, '_version', lambda name: None)
    said = []
    monkeypatch.setattr(wheels, 'print', lambda *a, **k: said.extend(a), raising=False)
    monkeypatch.setattr(wheels, '_pip', lambda *arguments: None)
    wheels.install_framework()
    return said[0]


def a_library_is_missing(monkeypatch, tmp_path):
    stub = tmp_path / 'mxnet'
    stub.mkdir()
    text = 'libgomp.so.1: cannot open shared object file: No such file or directory'
    (stub / '__init__.py').write_text(f'raise OSError({text!r})', 'utf-8')
    path = f'{tmp_path}{os.pathsep}{ROOT}'
    return python('-c', 'import d2l_ext.mxnet', PYTHONPATH=path)


def a_new_gpu(monkeypatch, tmp_path):
    d2l = pytest.importorskip('d2l_ext.mxnet', exc_type=ImportError)
    monkeypatch.setattr(cuda11, 'capabilities', lambda: ((9, 0),))
    with pytest.warns(UserWarning) as warned:
        d2l.try_gpu()
    return str(warned[0].message)


def pins_of_2022(monkeypatch, tmp_path):
    pytest.importorskip('pip')
    pytest.importorskip('d2l_ext.mxnet', exc_type=ImportError)
    return python('-m', 'pip', 'check')


def mxnet_alone(monkeypatch, tmp_path):
    pytest.importorskip('d2l_ext.mxnet', exc_type=ImportError)
    return python('-c', 'import mxnet')


def no_data(monkeypatch, tmp_path):
    monkeypatch.setenv('D2L_EXT_DATA', str(tmp_path))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setenv('MXNET_HOME', str(tmp_path))
    monkeypatch.setattr('d2l_ext.data.fashion_mnist.DEBIAN', tmp_path)
    with pytest.raises(OSError) as error:
        load_fashion_mnist('full', mirrors=[])
    return str(error.value)


def another_kernel(monkeypatch, tmp_path):
    notebook = json.loads((ROOT / 'notebooks' / '00_index.ipynb').read_bytes())
    setup = ''.join(notebook['cells'][1]['source'])
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    monkeypatch.setenv('D2L_EXT_SOURCE', '')
    with pytest.raises(AssertionError) as error:
        exec(re.sub('^( *)%pip.*', r'\1pass', setup, flags=re.MULTILINE), {})  # noqa: S102
    return str(error.value)


PROVOKED = [
    old_python,
    another_folder,
    no_pip,
    no_wheel,
    a_library_is_missing,
    a_new_gpu,
    pins_of_2022,
    mxnet_alone,
    no_data,
    another_kernel,
]


def test_every_failure_is_provoked():
    assert len(WORDS) == len(PROVOKED) == 10


@pytest.mark.parametrize(
    ('words', 'provoke'), list(zip(WORDS, PROVOKED)), ids=[f.__name__ for f in PROVOKED]
)
def test_it_says_what_is_written(words, provoke, monkeypatch, tmp_path):
    said = provoke(monkeypatch, tmp_path)
    monkeypatch.undo()
    assert re.search(re.escape(words).replace('…', '.*'), said), said
