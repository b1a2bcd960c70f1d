"""The site, built once for all tests, where there is what it takes."""

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.append(str(ROOT / 'site'))


@pytest.fixture(scope='session')
def site(tmp_path_factory):
    """The folder of the whole site."""
    parts = pytest.importorskip('parts')
    if not shutil.which('node'):
        pytest.skip('node is not installed')
    if missing := parts.missing():
        pytest.skip(f'python site/parts.py would fetch {", ".join(missing)}')
    folder = tmp_path_factory.mktemp('site')
    command = [sys.executable, str(ROOT / 'site/build.py'), '--out', str(folder)]
    subprocess.run(command, check=True, cwd=folder)
    return folder
