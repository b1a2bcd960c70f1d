"""The two commands of every system; what they start is noted here, and not started."""

import subprocess
import sys
from pathlib import Path

import pytest

from d2l_ext import __main__ as program

ROOT = Path(__file__).parents[1]


class Clone:
    """A clone in a folder of its own, in which commands are only noted."""

    def __init__(self, folder, failing=()):
        self.folder, self.failing, self.commands = folder, failing, []
        for name in 'pyproject.toml', 'constraints.txt':
            (folder / name).touch()

    def run(self, command, cwd, env, stderr, check):
        assert cwd == self.folder
        assert env['PYTHONUTF8'] == '1'
        self.commands.append(' '.join(command))
        if '-m venv' in self.commands[-1]:
            (self.folder / '.venv').mkdir()
        failed = any(words in self.commands[-1] for words in self.failing)
        return subprocess.CompletedProcess(command, int(failed))

    def said(self, *words):
        """Return the commands that have all these words."""
        return [line for line in self.commands if all(word in line for word in words)]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    clone = Clone(tmp_path)
    environment = tmp_path / '.venv'
    monkeypatch.setattr(program, 'ROOT', tmp_path)
    monkeypatch.setattr(program, 'ENV', environment)
    monkeypatch.setattr(program, 'PYTHON', environment / 'bin' / 'python')
    pins = [tmp_path / path.name for path in program.PINS]
    monkeypatch.setattr(program, 'PINS', pins)
    monkeypatch.setattr(program.subprocess, 'run', clone.run)
    return clone


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['d2l_ext', *arguments])
    program.main()


def test_lab_installs_once_and_hands_on_its_arguments(clone, monkeypatch):
    for _ in range(2):
        call(monkeypatch, 'lab', '--port', '8899')
    assert len(clone.said('-m venv')) == 1
    assert len(clone.said('pip install', '-c constraints.txt', '-e .[lab]')) == 1
    assert len(clone.said('-m d2l_ext.install')) == 1
    opened = clone.said('-m jupyter lab', 'notebooks/00_index.ipynb', '--port 8899')
    assert len(opened) == 2
    for asked in ('jupyter.nodelay=True', 'jupyter.dark=True', '--custom-css'):
        assert asked in opened[0]


def test_test_adds_its_tools_to_what_is_there(clone, monkeypatch):
    program.setup('lab')
    call(monkeypatch, 'test', '-m', 'not slow')
    assert len(clone.said('-m venv')) == 1
    assert clone.said('pip install', '-e .[lab,test]')
    assert clone.commands[-4:] == [
        f'{program.PYTHON} -m {what}'
        for what in ('ruff check', 'ruff format --check', 'mypy', 'pytest -m not slow')
    ]


def test_new_pins_are_installed_and_an_unfinished_environment_begun_anew(clone):
    program.setup('lab')
    (clone.folder / '.venv' / '.lab').unlink()
    program.setup('lab')
    assert len(clone.said('-m venv')) == 2


def test_without_a_framework_the_set_up_goes_on(clone):
    clone.failing = ('d2l_ext.install', 'labextension')
    program.setup('lab')
    assert (clone.folder / '.venv' / '.lab').exists()


@pytest.mark.parametrize('failing', ['-m venv', 'pip install', 'ruff check', 'mypy'])
def test_any_other_failure_is_the_commands_own(clone, monkeypatch, failing):
    clone.failing = (failing,)
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, 'test')
    assert stopped.value.code == 1
    assert failing in clone.commands[-1]
    if failing in ('-m venv', 'pip install'):
        assert not (clone.folder / '.venv' / '.lab').exists()


def test_an_old_python_gets_a_sentence(clone, monkeypatch):
    monkeypatch.setattr(sys, 'version_info', (3, 10, 13))
    with pytest.raises(SystemExit, match=r'needs Python 3\.11 or newer, and .* is not'):
        program.setup('lab')
    assert not clone.commands


@pytest.mark.parametrize('arguments', [[], ['lap'], ['setup']])
def test_it_says_what_there_is(arguments):
    # without site-packages, as before anything is installed
    command = [sys.executable, '-S', '-m', 'd2l_ext', *arguments]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert 'python -m d2l_ext lab' in run.stderr
    assert 'must be lab, test or setup' in run.stderr
