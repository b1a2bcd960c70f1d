"""A JupyterLab of its own on loopback, as `make lab` starts it, for tests in a browser."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which('chromium') or shutil.which('google-chrome')
FLAGS = ['--no-sandbox', '--disable-gpu']
NODELAY = '--ServerApp.jpserver_extensions=d2l_ext.jupyter.nodelay=True'
DARK = NODELAY.replace('nodelay', 'dark')
SETTINGS = f'--LabApp.app_settings_dir={ROOT / "d2l_ext" / "jupyter" / "settings"}'


@contextlib.contextmanager
def serve(*arguments):
    """Start JupyterLab with more arguments: its address and the folder it serves."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    url = f'http://127.0.0.1:{port}'
    command = [sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root']
    command += [f'--port={port}', '--ip=127.0.0.1', '--IdentityProvider.token=']
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder, settings = Path(name, 'notebooks'), Path(name, 'settings')
        news = '@jupyterlab/apputils-extension/notification.jupyterlab-settings'
        (settings / news).parent.mkdir(parents=True)
        (settings / news).write_text('{"fetchNews": "false", "checkForUpdates": false}')
        folder.mkdir()
        command += [f'--ServerApp.root_dir={folder}', *arguments]
        command += ['--LabApp.expose_app_in_browser=True']
        env = {
            **os.environ,
            'PYTHONPATH': os.pathsep.join(
                [str(ROOT), os.environ.get('PYTHONPATH', '')]
            ),
            'JUPYTER_CONFIG_DIR': str(settings / 'config'),
            'JUPYTERLAB_SETTINGS_DIR': str(settings),
            'JUPYTERLAB_WORKSPACES_DIR': str(settings / 'workspaces'),
            'D2L_EXT_STATIC': '',
        }
        with open(Path(name, 'log'), 'w') as log:
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        try:
            end = time.monotonic() + 300  # a busy machine takes minutes to start it
            while True:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f'{url}/api', timeout=10).close()
                    break
                late = time.monotonic() > end
                assert process.poll() is None and not late, Path(
                    name, 'log'
                ).read_text()
                time.sleep(0.1)
            yield url, folder
        finally:
            process.terminate()
            try:  # it ends its kernels first, which takes a busy machine a while
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def scratch(folder, *cells):
    """Write a notebook of code cells into `folder` and return its name."""
    kernel = {'name': 'python3', 'display_name': 'Python 3'}
    cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={'kernelspec': kernel})
    path = Path(tempfile.mkstemp('.ipynb', dir=folder)[1])
    nbformat.write(notebook, path)
    return path.name
