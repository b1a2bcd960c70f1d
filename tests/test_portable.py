"""Windows has no fcntl, no resource, no UTF-8 in its pipes: nothing here needs them."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Standard library of Unix alone, and the framework that has no wheel for Windows
UNIX = 'fcntl', 'grp', 'mxnet', 'pty', 'pwd', 'readline', 'resource', 'termios', 'tty'

WITHOUT = f"""
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {UNIX}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Without())
for name in {UNIX}:
    sys.modules.pop(name, None)
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def test_the_suite_needs_no_module_of_unix():
    rooms = 'data', 'experiments', 'jupyter'
    arguments = ['-q', '-p', 'no:cacheprovider', '-m', 'not slow and not speed']
    run = subprocess.run(
        [sys.executable, '-c', WITHOUT, *arguments, *(f'tests/{r}' for r in rooms)],
        cwd=ROOT,
        env=os.environ | {'D2L_EXT_STRICT': '0'},
        capture_output=True,
        encoding='utf-8',
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert ' passed' in run.stdout.splitlines()[-1]


@pytest.mark.parametrize('platform', ['win32', 'darwin'])
def test_types_are_right_where_the_library_differs(platform, tmp_path):
    # os.fork, signal.SIGKILL, fcntl: the type checker knows who has them
    pytest.importorskip('mypy')
    command = [sys.executable, '-m', 'mypy', '--platform', platform]
    run = subprocess.run(
        [*command, '--cache-dir', tmp_path],
        cwd=ROOT,
        capture_output=True,
        encoding='utf-8',
        check=False,
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize('encoding', ['cp1252', 'cp437', 'ascii'])
def test_the_table_is_utf_8_in_any_pipe(encoding):
    run = subprocess.run(
        [sys.executable, '-m', 'd2l_ext.experiments', 'table'],
        env=os.environ | {'PYTHONPATH': str(ROOT), 'PYTHONIOENCODING': encoding},
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert '±' in run.stdout.decode('utf-8')


def without_encoding(source):
    """Yield the lines on which text is read or written in the machine's own encoding."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
        mode = node.args[1:2] if name == 'open' else []
        binary = [m for m in mode if 'b' in str(getattr(m, 'value', ''))]
        builtin = name == 'open' and isinstance(node.func, ast.Name)
        plain = (
            (name == 'read_text' and not node.args)
            or (name == 'write_text' and len(node.args) < 2)
            or (builtin and not binary)
        )
        if plain and 'encoding' not in {word.arg for word in node.keywords}:
            yield node.lineno


@pytest.mark.parametrize(
    ('source', 'found'),
    [
        ('path.read_text()', [1]),
        ('path.write_text(text)', [1]),
        ("open(path, 'w')", [1]),
        ("path.read_text('utf-8')", []),
        ("path.write_text(text, encoding='utf-8')", []),
        ("open(path, 'rb')", []),
    ],
)
def test_text_in_an_unnamed_encoding_is_seen(source, found):
    assert list(without_encoding(source)) == found


# What the type checker does not see: functions without types are not looked into
UNIX_CALLS = (
    r'\bos\.(chown|fork|getloadavg|getpgid|getuid|killpg|mkfifo|nice|sched_\w+|setsid'
    r'|statvfs|sysconf|uname|wait[34])\('
)


def test_what_only_unix_has_is_asked_for_before_it_is_called():
    for folder in ('d2l_ext', 'site', 'benchmarks'):
        for path in (ROOT / folder).rglob('*.py'):
            text = path.read_text('utf-8')
            for name in re.findall(UNIX_CALLS, text):
                assert f"hasattr(os, '{name}')" in text, (path, name)


def test_files_are_read_and_written_as_utf_8():
    files = [
        p for f in ('d2l_ext', 'site', 'benchmarks') for p in (ROOT / f).rglob('*')
    ]
    assert [
        f'{path.relative_to(ROOT)}:{line}'
        for path in files
        if path.suffix == '.py'
        for line in without_encoding(path.read_text('utf-8'))
    ] == []
