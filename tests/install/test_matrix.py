"""The matrix of Pythons and NumPys leaves out what it cannot have, and says so."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture
def matrix(tmp_path, monkeypatch):
    path = Path(__file__).parents[1] / 'matrix.py'
    spec = importlib.util.spec_from_file_location('matrix', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, 'FOLDER', tmp_path)
    return module


def test_a_numpy_without_a_wheel_is_left_out_and_named(matrix, monkeypatch, capsys):
    pytest.importorskip('pip')
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.delenv('PIP_FIND_LINKS', raising=False)
    monkeypatch.setenv('PIP_CONFIG_FILE', matrix.os.devnull)
    monkeypatch.setattr(
        matrix, 'pairs', lambda found: [(sys.executable, '3.99', '==2.1.3')]
    )
    matrix.main([sys.executable, 'python3.99'])
    _, _, *rows = capsys.readouterr().out.split('\n')
    assert [line for line in rows if line] == [
        'numpy==2.1.3 has no wheel for Python 3.99: left out',
        'python3.99 is not here: left out',
    ]


def test_a_difference_is_still_an_error(matrix, monkeypatch):
    cells = iter([{'parameters': 'a'}, {'parameters': 'b'}])
    monkeypatch.setattr(
        matrix,
        'run',
        lambda python, name, numpy: {'python': '', 'numpy': '', 'values': next(cells)},
    )
    monkeypatch.setattr(matrix, 'pairs', lambda found: [('', '', '')] * 2)
    with pytest.raises(SystemExit, match='Not as in the first row'):
        matrix.main([sys.executable])
