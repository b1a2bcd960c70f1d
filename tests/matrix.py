"""MXNet on every Python and NumPy: is what it computes the same, to the last bit?

    python tests/matrix.py [PYTHON ...]

Makes an environment for each pair under .venv-matrix, runs `matrix_cell.py` in it,
and prints a Markdown table. The first pair, Python 3.11 with the NumPy that the book
pins, is what the others are compared with. A Python that is not here is left out, and
so is a NumPy that has no wheel for it, and said so; a difference is an error.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / '.venv-matrix'
PYTHONS = ('python3.11', 'python3.12', 'python3.13', 'python3.14', 'python3.15')

BOOKS, COLABS, NEWEST = '==1.23.5', '==2.1.3', ''
# The first NumPy that came as a wheel for it
OLDEST = {
    '3.11': '==1.23.2',
    '3.12': '==1.26.0',
    '3.13': '==2.1.0',
    '3.14': '==2.3.2',
}
MXNET = 'mxnet==1.9.1'


def version(python):
    """Return '3.12' for the Python called `python`, or None where it does not run."""
    if shutil.which(python) is None:
        return None
    code = 'import sys; print("{}.{}".format(*sys.version_info))'
    run = subprocess.run(
        [python, '-c', code], capture_output=True, text=True, check=False
    )
    return run.stdout.strip() or None


def pairs(found):
    """Return (Python, version, NumPy) for each cell, the reference first.

    >>> pairs({'python3.13': '3.13'})[0]
    ('python3.13', '3.13', '==2.1.0')
    """
    cells = [
        (python, name, numpy)
        for python, name in found.items()
        for numpy in (OLDEST.get(name), COLABS, NEWEST)
        if numpy is not None
    ]
    books = [(python, name, BOOKS) for python, name in found.items() if name == '3.11']
    return books[:1] + cells


def python_of(environment):
    """Return the Python of a virtual environment, which Windows puts elsewhere."""
    here = 'Scripts/python.exe' if os.name == 'nt' else 'bin/python'
    return environment / here


class NoWheel(Exception):
    """There is no wheel of a package for a Python."""


def install(own, *arguments):
    """Let this Python's pip install into the environment of the Python `own`."""
    pip = [sys.executable, '-m', 'pip', '--python', own, 'install', '--quiet']
    run = subprocess.run(
        [*pip, *arguments], stderr=subprocess.PIPE, text=True, check=False
    )
    missing = re.search(r'No matching distribution found for (\S+)', run.stderr)
    if run.returncode and missing:
        raise NoWheel(f'{missing[1]} has no wheel')
    print(run.stderr, end='', file=sys.stderr)
    run.check_returncode()


def run(python, name, numpy):
    """Return what `matrix_cell.py` prints in an environment with this NumPy.

    Raises NoWheel where NumPy or MXNet has no wheel for this Python and machine.
    """
    folder = FOLDER / f'{name}-numpy{numpy.replace("==", "-") or "-newest"}'
    own = python_of(folder)
    if not own.exists():
        subprocess.run([python, '-m', 'venv', '--without-pip', folder], check=True)
    install(own, '--upgrade', '--only-binary=:all:', f'numpy{numpy}', 'requests')
    install(own, '--no-deps', MXNET)
    cell = subprocess.run(
        [own, '-s', ROOT / 'tests' / 'matrix_cell.py'],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return json.loads(cell.stdout) if cell.returncode == 0 else None


def row(cell, reference):
    """Return the table's row for `cell`, and the names of what is different in it."""
    different = [
        name
        for name, value in reference['values'].items()
        if cell['values'].get(name) != value
    ]
    same = len(reference['values']) - len(different)
    return (
        f'| {cell["python"]} | {cell["numpy"]} | `{cell["values"]["parameters"][:12]}` '
        f'| {same} of {len(reference["values"])} |'
    ), different


def main(pythons):
    versions = {python: version(python) for python in pythons or PYTHONS}
    found = {python: name for python, name in versions.items() if name}
    if not found:
        sys.exit(f'none of {", ".join(versions)} runs here: name one that does')
    failed, left_out, reference = [], [], None
    print('| Python | NumPy | parameters of LeNet | values equal |')
    print('|---|---|---|---|')
    for python, name, numpy in pairs(found):
        try:
            cell = run(python, name, numpy)
        except NoWheel as error:
            left_out.append(f'{error} for Python {name}')
            continue
        if cell is None:
            failed.append(f'Python {name} with numpy{numpy}: see its error above')
            continue
        reference = reference or cell
        line, different = row(cell, reference)
        print(line, flush=True)
        if different:
            failed.append(f'Python {name} with numpy{numpy}: {", ".join(different)}')
    left_out += [f'{python} is not here' for python in versions if python not in found]
    for why in left_out:
        print(f'\n{why}: left out', flush=True)
    if failed:
        sys.exit('\n'.join(['\nNot as in the first row:', *failed]))


if __name__ == '__main__':
    main(sys.argv[1:])
