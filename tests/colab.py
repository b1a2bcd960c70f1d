"""Every notebook as a reader meets it in Colab: alone, with nothing of ours installed.

    python tests/colab.py [PYTHON ...]

Makes an environment with Colab's versions under .venv-colab, and a wheel of the
package. Each notebook is copied into an empty folder and run there, strictly compared
with its stored outputs. Its own setup cell installs the companion from the wheel, and
what that has brought is taken away again before the next. Prints a Markdown table with
the seconds that a reader waits.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from matrix import python_of, version

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / '.venv-colab'

# Of googlecolab/backend-info, 2026-08-19, what the notebooks come upon
VERSIONS = [
    'ipykernel==6.17.1',
    'ipython==7.34.0',
    'ipywidgets==7.7.1',
    'matplotlib==3.10.0',
    'matplotlib-inline==0.2.2',
    'numpy==2.1.3',
    'pandas==2.2.3',
    'requests==2.32.4',
    'scikit-learn==1.6.1',
    'setuptools==75.2.0',
    'widgetsnbextension==3.6.10',
]
PYTHONS = ('python3.13', 'python3.12', 'python3.11')
OURS = ('d2l_ext', 'mxnet', 'd2l')


def environment(python):
    """Make Colab's environment where it is not yet made; return its Python."""
    environment = FOLDER / version(python)
    own = python_of(environment)
    if not own.exists():
        subprocess.run([python, '-m', 'venv', environment], check=True)
    subprocess.run([own, '-m', 'pip', 'install', '--quiet', *VERSIONS], check=True)
    return own


def wheel(folder):
    """Build the package's wheel, from a copy that holds nothing else."""
    source = folder / 'source'
    for name in ('pyproject.toml', 'LICENSE', 'README.md', 'd2l_ext'):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(ROOT / name, source / name)
    pip = [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps']
    subprocess.run(
        [*pip, '--no-build-isolation', '--wheel-dir', folder, source], check=True
    )
    return next(folder.glob('*.whl'))


def kernel(own, folder):
    """Write a kernel `python3` that runs in Colab's environment."""
    spec = folder / 'kernels' / 'python3'
    spec.mkdir(parents=True)
    argv = [str(own), '-m', 'ipykernel_launcher', '-f', '{connection_file}']
    spec.joinpath('kernel.json').write_text(
        json.dumps({'argv': argv, 'display_name': 'Colab', 'language': 'python'})
    )


def run(path, folder, settings):
    """Run the notebook at `path` in the empty `folder`: whether it passes, and times."""
    notebook = nbformat.read(path, as_version=4)
    setup = notebook.cells[1]
    setup.metadata['tags'] = ['nbval-ignore-output']  # here it has something to say
    nbformat.write(notebook, folder / path.name)
    nbval = ['--nbval', '--junit-xml=report.xml', '-p', 'no:cacheprovider', '-q']
    tests = subprocess.run(
        [sys.executable, '-m', 'pytest', '--rootdir=.', *nbval, path.name],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if tests.returncode:
        print(tests.stdout, tests.stderr, file=sys.stderr)
    report = ElementTree.parse(folder / 'report.xml')
    seconds = [float(cell.get('time')) for cell in report.iter('testcase')]
    return tests.returncode == 0, seconds, first_curve(notebook)


def first_curve(notebook):
    """Return how many code cells there are up to the first with a picture."""
    code = [cell for cell in notebook.cells if cell.cell_type == 'code']
    shown = [any('image/png' in o.get('data', {}) for o in c.outputs) for c in code]
    return shown.index(True) + 1 if True in shown else len(code)


def main(pythons):
    found = {version(python): python for python in pythons or PYTHONS}
    python = found.get('3.13') or found.get('3.12') or found.get('3.11')
    if python is None:
        sys.exit('none of the Pythons that Colab offers, 3.11 to 3.13, is here')
    own = environment(python)
    versions = ', '.join(VERSIONS).replace('==', ' ')
    print(f'Python {version(python)}, {versions}\n')
    print('| notebook | as stored | setup cell | until the first curve | all cells |')
    print('|---|---|---|---|---|', flush=True)
    failed = []
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        settings = {
            'D2L_EXT_SOURCE': str(wheel(temporary)),
            'JUPYTER_PATH': str(temporary),
        }
        kernel(own, temporary)
        for path in sorted(ROOT.glob('notebooks/*.ipynb')):
            pip = [own, '-m', 'pip', '--quiet', 'uninstall', '--yes', *OURS]
            subprocess.run(pip, check=True, stderr=subprocess.DEVNULL)
            folder = temporary / path.stem
            folder.mkdir()
            passed, seconds, cells = run(path, folder, settings)
            failed += [] if passed else [path.name]
            waits = [seconds[0], sum(seconds[:cells]), sum(seconds)]
            columns = [path.stem, 'yes' if passed else 'no']
            columns += [f'{wait:.0f} s' for wait in waits]
            print(f'| {" | ".join(columns)} |', flush=True)
    if failed:
        sys.exit(f'\nNot as stored: {", ".join(failed)}')


if __name__ == '__main__':
    main(sys.argv[1:])
