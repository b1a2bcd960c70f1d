"""Does every version in constraints.txt have a wheel, on every machine and Python?

uv resolves for a platform that is not this one. Each test asks the package registry:
where none answers it is skipped, which D2L_EXT_STRICT=1, as in .ci/run, does not allow.
"""

import functools
import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHONS = '3.11', '3.12', '3.13', '3.14', '3.15'
MACHINES = {
    'Windows x86_64': 'x86_64-pc-windows-msvc',
    'macOS arm64': 'aarch64-apple-darwin',
    'macOS Intel': 'x86_64-apple-darwin',
    'Linux x86_64': 'x86_64-manylinux_2_28',
    'Linux aarch64': 'aarch64-manylinux_2_28',
}
EVERYWHERE = [(machine, python) for machine in MACHINES for python in PYTHONS]
WITHOUT_TORCH = [
    (machine, python)
    for machine, python in EVERYWHERE
    if machine == 'macOS Intel' or python == '3.15'
]


def resolve(machine, python, *extras):
    """Return '' where uv finds wheels for `extras`, and else what it says."""
    command = [sys.executable, '-m', 'uv', 'pip', 'compile', '--quiet']
    command += ['--python-platform', MACHINES[machine], '--python-version', python]
    command += ['--only-binary', ':all:', '-c', 'constraints.txt', '-o', os.devnull]
    command += [word for extra in extras for word in ('--extra', extra)]
    run = subprocess.run(
        # whichever Python is here asks for all of them
        [*command, '--no-python-downloads', 'pyproject.toml'],
        cwd=ROOT,
        env=os.environ | {'MACOSX_DEPLOYMENT_TARGET': '14.0'},
        capture_output=True,
        text=True,
        encoding='utf-8',
        check=False,
    )
    return run.stderr if run.returncode else ''


@functools.cache
def why_not():
    """Return why no registry can be asked here, or ''."""
    if importlib.util.find_spec('uv') is None:
        return 'uv is not installed'
    command = [sys.executable, '-m', 'uv', 'pip', 'compile', '--quiet', '-']
    run = subprocess.run(
        [*command, '--no-python-downloads'],
        input='tqdm',
        capture_output=True,
        text=True,
        check=False,
    )
    return 'no package registry answers' if run.returncode else ''


@pytest.fixture(autouse=True)
def registry():
    if why_not():
        pytest.skip(why_not())


@functools.cache
def answers():
    """Return {(machine, Python): what uv says}; asked at once, they wait together."""

    def ask(at):
        return resolve(*at, 'lab', 'test', *(() if at in WITHOUT_TORCH else ('torch',)))

    with ThreadPoolExecutor(8) as pool:
        return dict(zip(EVERYWHERE, pool.map(ask, EVERYWHERE)))


@pytest.mark.parametrize(('machine', 'python'), EVERYWHERE)
def test_every_pin_has_a_wheel(machine, python):
    assert answers()[machine, python] == ''


@pytest.mark.parametrize(('machine', 'python'), WITHOUT_TORCH)
def test_torch_has_none_where_the_table_says_so(machine, python):
    assert 'torch==' in resolve(machine, python, 'torch')
