"""The badges and the setup cell follow the git remote, and nothing else changes."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from d2l_ext.jupyter import stamp

ROOT = Path(__file__).parents[2]
PAGE = 'https://someone.github.io/fork/'
COLAB = 'https://colab.research.google.com/github/someone/fork/blob/trunk/'


@pytest.fixture
def clone(tmp_path):
    """A repository of the notebooks, without a remote."""
    (tmp_path / 'notebooks').mkdir()
    for name in ('00_index.ipynb', '03_factor.ipynb'):
        shutil.copy(ROOT / 'notebooks' / name, tmp_path / 'notebooks')
    shutil.copy(ROOT / 'README.md', tmp_path)
    subprocess.run(['git', 'init', '--quiet'], cwd=tmp_path, check=True)
    trunk = ['git', 'symbolic-ref', 'HEAD', 'refs/heads/trunk']
    subprocess.run(trunk, cwd=tmp_path, check=True)
    return tmp_path


def stamped(clone, remote=None):
    """Stamp `clone` as one of `remote`; return the bytes of its files."""
    remotes = ['git', 'remote']
    subprocess.run([*remotes, 'remove', 'origin'], cwd=clone, stderr=-3, check=False)
    if remote:
        subprocess.run([*remotes, 'add', 'origin', remote], cwd=clone, check=True)
    stamp.stamp(clone)
    assert not list(clone.rglob('*.part'))
    files = [clone / 'README.md', *sorted(clone.glob('notebooks/*.ipynb'))]
    return {path.name: path.read_bytes() for path in files}


def cells(notebook):
    return [''.join(cell['source']) for cell in json.loads(notebook)['cells']]


@pytest.mark.parametrize(
    'remote',
    [
        'https://github.com/someone/fork',
        'https://user:secret@github.com/someone/fork.git',
        'git@github.com:someone/fork.git',
        'ssh://git@github.com/someone/fork.git',
    ],
)
def test_a_fork_gets_badges_of_its_own(clone, remote):
    plain = stamped(clone)
    fork = stamped(clone, remote)
    assert stamped(clone, remote) == fork, 'twice is once'
    for name, text in fork.items():
        assert b'secret' not in text
        if name == 'README.md':
            assert f'({COLAB}notebooks/00_index.ipynb)'.encode() in text
            first = text[text.index(b'](') :].partition(b')')[0]
            assert first == f']({PAGE}'.encode()
        else:
            title, setup, *rest = cells(text)
            old_title, _, *old_rest = cells(plain[name])
            doors = title.splitlines()[2]
            assert f'({COLAB}notebooks/{name})' in doors
            page = '' if name[:2] == '00' else name.replace('ipynb', 'html')
            assert f'({PAGE}{page})' in doors
            assert title.splitlines()[:1] == old_title.splitlines()[:1]
            assert "'D2L_EXT_SOURCE', 'git+https://github.com/someone/fork')\n" in setup
            assert rest == old_rest
    assert stamped(clone) == plain, 'and it can be undone'


def test_nothing_but_the_stamp_is_touched(clone):
    for name, text in stamped(clone).items():
        if name != 'README.md':
            stored = json.loads((ROOT / 'notebooks' / name).read_bytes())
            stored['cells'][1]['source'] = json.loads(text)['cells'][1]['source']
            assert (
                text == f'{json.dumps(stored, indent=1, ensure_ascii=False)}\n'.encode()
            )


@pytest.mark.parametrize('remote', [None, '/srv/git/fork.git', '../fork'])
def test_what_others_cannot_reach_gets_no_badge(clone, remote):
    for name, text in stamped(clone, remote).items():
        assert b'colab-badge' not in text and b'github.io' not in text
        if name != 'README.md':
            assert "os.environ.get('D2L_EXT_SOURCE', '')\n" in cells(text)[1]


def test_a_host_that_colab_cannot_open_gets_an_address_alone(clone):
    for name, text in stamped(clone, 'https://example.org/someone/fork').items():
        assert b'colab-badge' not in text and b'github.io' not in text
        if name != 'README.md':
            assert "'git+https://example.org/someone/fork')\n" in cells(text)[1]


def test_a_copy_without_a_remote_asks_for_the_address_in_a_sentence(clone, monkeypatch):
    setup = cells(stamped(clone)['00_index.ipynb'])[1]
    plain = setup.replace("find_spec('d2l_ext') is None", "find_spec('math')")
    plain = plain.replace('%pip install -q {source}', 'raise SystemExit(source)')
    monkeypatch.delenv('D2L_EXT_SOURCE', raising=False)
    with pytest.raises(
        AssertionError, match=r'First run %env D2L_EXT_SOURCE=git\+http'
    ):
        exec(plain, {})  # noqa: S102 - our own cell
    monkeypatch.setenv('D2L_EXT_SOURCE', 'git+https://example.org/a/b')
    with pytest.raises(SystemExit, match=r'https://example\.org/a/b'):
        exec(plain, {})  # noqa: S102
