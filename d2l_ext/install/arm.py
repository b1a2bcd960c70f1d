"""The three libraries that MXNet's wheel for Linux on ARM asks for and does not bring.

They are Arm's performance libraries, under names that no distribution has. What MXNet
calls in them are LAPACK, the C and the mathematical library, which every system has or
can have: a link in MXNet's own folder, where its loader looks first, is enough.
"""

import importlib.util
import os
import platform
from collections.abc import Iterable
from pathlib import Path

# The name that the wheel asks for, and the library that does its work
LINKS = {
    'libarmpl_lp64_mp.so': 'liblapacke.so.3',
    'libamath.so': 'libm.so.6',
    'libastring.so': 'libc.so.6',
}
FOLDERS = '/usr/lib/aarch64-linux-gnu', '/lib/aarch64-linux-gnu', '/usr/lib64', '/lib64'


def link(
    folder: Path | None = None,
    machine: str = f'{platform.system()} {platform.machine()}',
    libraries: Iterable[str] = FOLDERS,
) -> list[str]:
    """Link what is missing into MXNet's `folder`; return the names of the new links.

    `libraries` are the folders to look in. Does nothing on another machine than Linux
    on ARM, or without MXNet. Raises RuntimeError, with the packages to install, where
    the system has not the library to link to.

    >>> link(machine='Linux x86_64')
    []
    """
    if folder is None:
        mxnet = importlib.util.find_spec('mxnet')
        folder = Path(mxnet.origin).parent if mxnet and mxnet.origin else None
    if machine != 'Linux aarch64' or folder is None:
        return []
    new = []
    for name, library in LINKS.items():
        if os.path.lexists(folder / name):
            continue
        paths = (Path(at, library) for at in libraries)
        path = next((path for path in paths if path.exists()), None)
        if path is None:
            raise RuntimeError(
                f'MXNet on ARM needs {library}: on Debian and Ubuntu, apt-get install '
                'liblapacke libopenblas0-pthread libgomp1, then run this again'
            )
        os.symlink(path, folder / name)
        new.append(name)
    return new
