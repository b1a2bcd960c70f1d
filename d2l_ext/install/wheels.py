"""Install what pip cannot: MXNet 1.9.1 and d2l 1.0.3, without their pins of 2022.

Run `python -m d2l_ext.install`. It looks first and installs only what is not there or
not whole, so that it is quick and safe to repeat. Where the NVIDIA driver offers a GPU
that MXNet's last release knows, it takes the GPU wheel and its CUDA 11 libraries. Where
MXNet has no wheel at all, PyTorch takes its place.
"""

import csv
import importlib.metadata
import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from d2l_ext.install import arm, cuda11

MXNET = '1.9.1'
D2L = '1.0.3'
WHEELS = ('mxnet', 'mxnet-cu117')
# Systems and machines that MXNet's last release has a wheel for
SYSTEMS = ('Linux', 'x86_64'), ('Linux', 'aarch64'), ('Darwin', 'x86_64')
# Where PyTorch's wheel is one for CPUs, and what it weighs in MB (torch 2.13.0)
TORCH_MB = {'Windows': 122, 'Darwin': 111}


def choose(capabilities: Sequence[tuple[int, int]] | None) -> tuple[str, str]:
    """Return which MXNet wheel fits the GPUs, and why.

    `capabilities` is what `cuda11.capabilities` answers; the first GPU decides.

    >>> choose(None)
    ('mxnet', 'no NVIDIA driver here')
    >>> choose(((7, 5),))
    ('mxnet-cu117', 'the GPU has compute capability 7.5')
    >>> choose(((9, 0),))
    ('mxnet', 'the GPU has compute capability 9.0, MXNet knows 5.0 to 8.9')
    """
    if capabilities is None:
        return 'mxnet', 'no NVIDIA driver here'
    if not capabilities:
        return 'mxnet', 'the NVIDIA driver offers no GPU'
    major, minor = capabilities[0]
    why = f'the GPU has compute capability {major}.{minor}'
    if cuda11.fits((major, minor)):
        return 'mxnet-cu117', why
    return 'mxnet', f'{why}, MXNet knows 5.0 to 8.9'


def unserved() -> str:
    """Return this system and machine in words if MXNet's last release has no wheel.

    Returns '' where it has one.
    """
    system, machine = platform.system(), platform.machine()
    return '' if (system, machine) in SYSTEMS else f'{system} on {machine}'


def remedy(error: str | Exception) -> str:
    """Return what to do about `error`, text or exception, from `import mxnet`.

    >>> 'the NVIDIA driver' in remedy('libcuda.so.1: cannot open shared object file')
    True
    """
    command = f'run `{shlex.quote(sys.executable)} -m d2l_ext.install`'
    library = re.match(r'.*?(lib[\w+-]+\.so[.\d]*): cannot open', str(error), re.DOTALL)
    if library is None:
        return command
    if library[1] == 'libcuda.so.1':
        return (
            "this is MXNet's wheel for GPUs, which needs the NVIDIA driver: install the"
            f' driver, or {command} for the CPU wheel'
        )
    if library[1] in cuda11.SONAMES:
        return (
            "this is MXNet's wheel for GPUs, without its CUDA 11 libraries: "
            f'{command}, which adds them or takes the CPU wheel'
        )
    if library[1] in arm.LINKS:
        return f'{command}, which puts {library[1]} where MXNet looks for it'
    return (
        f'the system has {library[1]}: on Debian and Ubuntu,'
        ' apt-get install libgomp1 libquadmath0'
    )


def is_whole(name: str, version: str) -> bool:
    """Tell whether `name` is installed in `version` with every file as long as it was.

    `mxnet` and `mxnet-cu117` own the same folder: installing both, or uninstalling
    one, damages the other while pip still lists it.

    >>> is_whole('no-such-package', '1.0')
    False
    """
    try:
        package = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    # RECORD itself, since `package.files` leaves out what is missing
    record = csv.reader((package.read_text('RECORD') or '').splitlines())
    files = [(str(package.locate_file(f)), size) for f, _, size in record if size]
    return package.version == version and all(
        os.path.exists(path) and os.path.getsize(path) == int(size)
        for path, size in files
    )


def install_framework() -> str:
    """Install MXNet, or PyTorch where MXNet cannot be had; return a sentence about it.

    PyTorch that is here already stays as it is. It is not installed where that would
    bring gigabytes of CUDA unasked. Raises RuntimeError, with the remedy, where there
    is no framework in the end: the notebooks then read recorded runs.
    """
    why = f'MXNet {MXNET} has no wheel for {unserved()}'
    if not unserved():
        try:
            return install_mxnet()
        except RuntimeError as error:
            why = str(error)
    if _version('torch') is not None:
        return f'{why}: PyTorch {_version("torch")}, which is here, takes its place'
    pip = f'{shlex.quote(sys.executable)} -m pip install'
    megabytes = TORCH_MB.get(platform.system())
    if megabytes is None:
        raise RuntimeError(
            f'{why}\nThe notebooks open and read recorded runs. To train in them, '
            f'install PyTorch, which may bring gigabytes of CUDA: {pip} torch'
        )
    print(f'{why}: taking PyTorch instead, about {megabytes} MB', flush=True)
    try:
        _pip('install', 'torch')
    except RuntimeError as error:
        raise RuntimeError(
            f'{error}\nThe notebooks open and read recorded runs. To train in them: '
            f'{pip} torch'
        ) from error
    return f'torch {_version("torch")}, because {why}'


def install_mxnet() -> str:
    """Install the fitting MXNet wheel and d2l; return what was done, as a sentence.

    Raises RuntimeError, with the remedy, where pip is missing or fails, or where what
    it installed cannot be imported.
    """
    wheel, why = choose(cuda11.capabilities())
    present = [name for name in WHEELS if _version(name) is not None]
    if present and present != [wheel]:
        _pip('uninstall', '--yes', *present)
    wanted = {wheel: MXNET, 'd2l': D2L}
    pins = [
        f'{name}=={version}'
        for name, version in wanted.items()
        if not is_whole(name, version)
    ]
    if pins:
        _pip('install', '--no-deps', '--force-reinstall', *pins)
    if wheel == 'mxnet-cu117' and _cuda_pins() != _cuda_installed(cuda11.FOLDER):
        _install_cuda(cuda11.FOLDER)
        pins.append('its CUDA 11 libraries')
    arm.link()
    if pins:
        _import_mxnet()
    done = f'installed {", ".join(pins)}' if pins else 'nothing to install'
    return f'{wheel} {MXNET}, because {why}: {done}'


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pip(*arguments):
    if importlib.util.find_spec('pip') is None:
        raise RuntimeError(
            f'pip is missing from this Python: run {sys.executable} -m ensurepip first'
        )
    command = [sys.executable, '-m', 'pip', *arguments, '--quiet']
    if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
        raise RuntimeError(f'pip {" ".join(arguments)} failed, see above')


def _import_mxnet():
    code = 'from d2l_ext.install import finder; finder.install(); import mxnet'
    run = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False
    )
    if run.returncode:
        error = run.stderr.strip().splitlines()[-1]
        raise RuntimeError(
            f'MXNet is installed but cannot be imported: {error}\n'
            f'What to do: {remedy(error)}'
        )


def _cuda_pins():
    """Return {name: version} of the extra `cu117`."""
    required = [
        line.split(';') for line in importlib.metadata.requires('d2l_ext') or ()
    ]
    return dict(
        pin.strip().split('==') for pin, *marker in required if 'cu117' in str(marker)
    )


def _cuda_installed(folder):
    packages = importlib.metadata.distributions(path=[str(folder)])
    return {p.name.replace('_', '-').lower(): p.version for p in packages}


def _install_cuda(folder):
    """Fill a new folder beside `folder` and put it there when it is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    pins = [f'{name}=={version}' for name, version in _cuda_pins().items()]
    with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
        new = Path(parent, 'cuda11')
        _pip('install', '--no-deps', '--target', str(new), *pins)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(new, folder)
