"""Write where this clone comes from into the notebooks: a setup cell, a Colab badge.

    python -m d2l_ext.jupyter.stamp

The address is that of the git remote `origin`, and the branch the one checked out, so
that a fork's badges open the fork. Without a remote there is no badge, and the setup
cell says what to set. Nothing is executed.
"""

import json
import pathlib
import re
import subprocess

HERE = pathlib.Path(__file__).parents[2] / 'notebooks'

SETUP = """\
# Installs the companion on Colab; does nothing where it is installed
import importlib.util
import os

if importlib.util.find_spec('d2l_ext') is None:
    source = os.environ.get('D2L_EXT_SOURCE', {source})
    assert source, 'First run %env D2L_EXT_SOURCE=git+https://... (where d2l_ext is)'
    %pip install -q {{source}}
    print(importlib.import_module('d2l_ext.install').install_mxnet())
from d2l_ext import mxnet as d2l  # first: MXNet needs its help on today's Python"""

BADGE = (
    '[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]'
    '(https://colab.research.google.com/github/{repository}/blob/{branch}/{path})'
)


def parts(remote):
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
    return match and match.groups()


def setup(found):
    """Return the setup cell for what `parts` has found."""
    source = f"'git+https://{'/'.join(found)}'" if found else "''"
    return SETUP.format(source=source)


def badged(text, found, branch, path):
    """Return Markdown with the badge for `path` under its title, and no other."""
    text = re.sub(r'\n\n\[!\[Open in Colab\][^\n]*', '', text)
    if not found or found[0] != 'github.com':
        return text
    title, newline, rest = text.partition('\n')
    badge = BADGE.format(repository=found[1], branch=branch, path=path)
    return f'{title}\n\n{badge}{newline}{rest}'


def git(*arguments):
    run = subprocess.run(
        ['git', *arguments], cwd=HERE, capture_output=True, text=True, check=False
    )
    return run.stdout.strip()


def main():
    found = parts(git('remote', 'get-url', 'origin'))
    branch = git('branch', '--show-current') or 'main'
    changed = {}
    for path in sorted(HERE.glob('*.ipynb')):
        notebook = json.loads(path.read_text('utf-8'))
        first, second = notebook['cells'][:2]
        name = f'{HERE.name}/{path.name}'
        title = badged(''.join(first['source']), found, branch, name)
        first['source'] = title.splitlines(keepends=True)
        second['source'] = setup(found).splitlines(keepends=True)
        changed[path] = json.dumps(notebook, indent=1, ensure_ascii=False) + '\n'
    readme = HERE.parent / 'README.md'
    index = f'{HERE.name}/00_index.ipynb'
    changed[readme] = badged(readme.read_text('utf-8'), found, branch, index)
    for path, text in changed.items():
        temporary = path.with_suffix('.part')
        temporary.write_text(text, 'utf-8')
        temporary.replace(path)
    print(setup(found))


if __name__ == '__main__':
    main()
