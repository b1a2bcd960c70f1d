"""The site, built once for all tests, where there is what it takes.

D2L_EXT_SITE names a folder of a site that is built already.
"""

import atexit
import functools
import importlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.append(str(ROOT / 'site'))
parts, slices = map(importlib.import_module, ('parts', 'slices'))


@functools.cache
def built():
    """Return the folder of the whole site, or skip."""
    if folder := os.environ.get('D2L_EXT_SITE'):
        return pathlib.Path(folder).resolve()
    if not shutil.which('node'):
        pytest.skip('node is not installed')
    if missing := parts.missing():
        pytest.skip(f'python site/parts.py would fetch {", ".join(missing)}')
    folder = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = [sys.executable, str(ROOT / 'site/build.py'), '--out', str(folder)]
    subprocess.run(command, check=True)
    return folder
