"""Two commands for every system: open the notebooks, or check everything.

    python -m d2l_ext lab [ARGUMENTS OF JUPYTERLAB]
    python -m d2l_ext test [ARGUMENTS OF PYTEST]

(`py -m d2l_ext lab` on Windows.) Each first installs what it needs into `.venv`, beside
this package in its clone. `python -m d2l_ext setup lab torch` installs these extras and
starts nothing.
"""

# The standard library alone: this runs before anything is installed
import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENV = ROOT / '.venv'
PYTHON = ENV / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')
PINS = ROOT / 'pyproject.toml', ROOT / 'constraints.txt'
# JupyterLab's offer of news, which would be the first thing that a reader sees
NEWS = '@jupyterlab/apputils-extension:announcements'


def call(*command: object) -> None:
    """Run a command in the clone; leave with its exit status if it fails."""
    status = attempt(*command)
    if status:
        sys.exit(status)


def attempt(*command: object, stderr: int | None = None) -> int:
    """Run a command in the clone and return its exit status."""
    run = subprocess.run(
        [*map(str, command)],
        cwd=ROOT,
        env={**os.environ, 'PYTHONUTF8': '1'},  # files are written so on Windows, too
        stderr=stderr,
        check=False,
    )
    return run.returncode


def setup(*extras: str) -> None:
    """Install the package with these extras into `.venv`, unless that has been done.

    A file .EXTRA in it says so of the last of them. `.lab` is taken away while anything
    is being installed: a `.venv` without it is an unfinished one and is made anew.
    """
    stamp, finished = ENV / f'.{extras[-1]}', ENV / '.lab'
    changed = max(path.stat().st_mtime for path in PINS)
    if stamp.exists() and finished.exists() and stamp.stat().st_mtime >= changed:
        return
    if sys.version_info < (3, 11):  # noqa: UP036  any Python may be asked first
        sys.exit(f'This needs Python 3.11 or newer, and {sys.executable} is not.')
    if not finished.exists():
        shutil.rmtree(ENV, ignore_errors=True)
        call(sys.executable, '-m', 'venv', ENV)
    finished.unlink(missing_ok=True)
    print('Installing into .venv, which takes a minute or two.', flush=True)
    wanted = f'.[{",".join(extras)}]'
    call(PYTHON, '-m', 'pip', 'install', '-q', '-c', 'constraints.txt', '-e', wanted)
    # the notebooks open without a framework, too: they read recorded runs
    attempt(PYTHON, '-m', 'd2l_ext.install')
    disable = PYTHON, '-m', 'jupyter', 'labextension', 'disable', '--level=sys_prefix'
    attempt(*disable, NEWS, stderr=subprocess.DEVNULL)
    finished.touch()
    stamp.touch()


def lab(*arguments: str) -> None:
    """Open the first notebook in JupyterLab, with the settings of `d2l_ext.jupyter`."""
    setup('lab')
    settings = ROOT / 'd2l_ext' / 'jupyter' / 'settings'
    root = ['--allow-root'] if hasattr(os, 'getuid') and os.getuid() == 0 else []
    call(
        *(PYTHON, '-m', 'jupyter', 'lab', '--LabApp.extension_manager=readonly'),
        '--ServerApp.jpserver_extensions=d2l_ext.jupyter.nodelay=True',
        '--ServerApp.jpserver_extensions=d2l_ext.jupyter.dark=True',
        '--custom-css',
        f'--LabApp.app_settings_dir={settings}',
        *root,
        'notebooks/00_index.ipynb',
        *arguments,
    )


def test(*arguments: str) -> None:
    """Run every check, or those that the arguments of pytest choose."""
    setup('lab', 'test')
    call(PYTHON, '-m', 'ruff', 'check')
    call(PYTHON, '-m', 'ruff', 'format', '--check')
    call(PYTHON, '-m', 'mypy')
    call(PYTHON, '-m', 'pytest', *arguments)


COMMANDS = {'lab': lab, 'test': test, 'setup': setup}


def main() -> None:
    """Run the command that the arguments name."""
    name, *arguments = sys.argv[1:] or ['']
    if name not in COMMANDS or (name == 'setup' and not arguments):
        sys.exit(f'{__doc__}\nThe command must be lab, test or setup, got {name!r}.')
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C ends JupyterLab
        COMMANDS[name](*arguments)


if __name__ == '__main__':
    main()
