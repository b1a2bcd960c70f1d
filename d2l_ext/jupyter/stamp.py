"""Write where this clone comes from into the notebooks: a setup cell, two doors.

    python -m d2l_ext.jupyter.stamp

The address is that of the git remote `origin`, and the branch the one checked out, so
that a fork's links open the fork: its web page, as `pages.yml` publishes it, and
Colab. Without a remote there is no link, and the setup cell says what to set. Nothing
is executed.
"""

import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
INDEX = 'notebooks/00_index.ipynb'

SETUP = """\
# Installs the companion on Colab; does nothing where it is installed
import importlib.util
import os

if importlib.util.find_spec('d2l_ext') is None:
    source = os.environ.get('D2L_EXT_SOURCE', {source})
    assert source, 'First run %env D2L_EXT_SOURCE=git+https://... (where d2l_ext is)'
    %pip install -q {{source}}
    print(importlib.import_module('d2l_ext.install').install_framework())"""

PAGE = '[As a living web page](https://{owner}.github.io/{name}/{page})'
BADGE = (
    '[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]'
    '(https://colab.research.google.com/github/{repository}/blob/{branch}/{path})'
)


def parts(remote: str) -> tuple[str, str] | None:
    """Return (host, repository) of a git remote, or None where others cannot reach it.

    >>> parts('git@github.com:someone/fork.git')
    ('github.com', 'someone/fork')
    >>> parts('https://token@example.org/a/b') and parts('../folder')
    """
    match = re.fullmatch(
        r'(?:https?://|ssh://|git://)?(?:[^@/]+@)?([\w-]+(?:\.[\w-]+)+)(?::\d+)?[:/]'
        r'([\w.~/-]+?)(?:\.git)?/?',
        remote,
    )
    return (match[1], match[2]) if match else None


def setup(address: tuple[str, str] | None) -> str:
    """Return the setup cell for an address, as `parts` returns it."""
    source = f"'git+https://{'/'.join(address)}'" if address else "''"
    return SETUP.format(source=source)


def badged(text: str, address: tuple[str, str] | None, branch: str, path: str) -> str:
    """Return Markdown with the links for `path` under its title, and no others."""
    text = re.sub(r'\n\n\[(?:As a living web page|!\[Open in Colab)\][^\n]*', '', text)
    if not address or address[0] != 'github.com':
        return text
    title, newline, rest = text.partition('\n')
    owner, _, name = address[1].partition('/')
    page = '' if path == INDEX else f'{Path(path).stem}.html'
    page = PAGE.format(owner=owner.lower(), name=name, page=page)
    badge = BADGE.format(repository=address[1], branch=branch, path=path)
    return f'{title}\n\n{page} · {badge}{newline}{rest}'


def git(root: Path, *arguments: str) -> str:
    """Return what `git` prints in the folder `root`, or nothing where it fails."""
    run = subprocess.run(
        ['git', *arguments],
        cwd=root,
        capture_output=True,
        encoding='utf-8',
        check=False,
    )
    return run.stdout.strip()


def stamp(root: Path = ROOT) -> str:
    """Stamp README.md and the notebooks of the clone in `root`; return the setup cell."""
    address = parts(git(root, 'remote', 'get-url', 'origin'))
    branch = git(root, 'branch', '--show-current') or 'main'
    changed = {}
    for path in sorted(root.glob('notebooks/*.ipynb')):
        notebook = json.loads(path.read_text('utf-8'))
        first, second = notebook['cells'][:2]
        name = path.relative_to(root).as_posix()
        title = badged(''.join(first['source']), address, branch, name)
        first['source'] = title.splitlines(keepends=True)
        second['source'] = setup(address).splitlines(keepends=True)
        changed[path] = json.dumps(notebook, indent=1, ensure_ascii=False) + '\n'
    readme = root / 'README.md'
    changed[readme] = badged(readme.read_text('utf-8'), address, branch, INDEX)
    for path, text in changed.items():
        temporary = path.with_suffix('.part')
        temporary.write_text(text, 'utf-8')
        temporary.replace(path)
    return setup(address)


if __name__ == '__main__':
    print(stamp())
