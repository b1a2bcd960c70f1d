"""What a page imports, compiled beforehand, by the Python that runs in the page.

Pyodide and NumPy come as sources, and compiling those took more than half of a page's
start. In their archives a module's bytecode replaces its source; beside our own modules,
whose code explorers can show, it lies in `__pycache__`. What is not imported stays as
it is; what only compilers and type checkers read is left out.
"""

import io
import pathlib
import sys
import zipfile
from collections.abc import Iterable

STDLIB = '/lib/python314.zip/'
PACKAGES = '/lib/python3.14/site-packages/'
COMPILERS = '.pyi', '.pxd', '.pyx', '.c', '.h', '.a'
CACHED = '__pycache__/{}.cpython-314.pyc'


def in_archive(data: bytes, root: str, compiled: dict[str, bytes]) -> bytes:
    """Return a zip in which bytecode replaces the sources of what lies below `root`."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(buffer, 'w') as new,
    ):
        for entry in old.infolist():
            name, content = entry.filename, old.read(entry)
            if name.endswith(COMPILERS) or '/f2py/' in name:
                continue
            if root + name in compiled:
                name, content = f'{name}c', compiled[root + name]
            # of one time, so that the same sources give the same bytes
            new.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()


def imported(files: Iterable[str]) -> list[str]:
    """Return those of our files that are imported here, by the explorers of the pages."""
    return [
        file
        for file in files
        if file.removesuffix('.py').replace('/', '.').removesuffix('.__init__')
        in sys.modules
    ]


def beside(compiled: dict[str, bytes], ours: Iterable[str]) -> dict[str, bytes]:
    """Return the bytecode of our files, by where Python looks for it first."""
    return {
        str(path.parent / CACHED.format(path.stem)): compiled[f'{PACKAGES}{path}']
        for path in map(pathlib.PurePosixPath, ours)
    }
