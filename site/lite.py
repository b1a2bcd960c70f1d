"""JupyterLite as the second door: notebooks 00 to 07 to be edited, nothing installed.

`python site/build.py --lite` writes it beside the pages. Its kernel is Pyodide too, of
the same version; here it gets Matplotlib, IPython and widgets beside NumPy. There is
no framework, so that what trains answers with recorded runs, as everywhere without one.
"""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile

import parts

SITE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(SITE.parent))
NOTEBOOKS = SITE.parent / 'notebooks'
FOLDER = parts.FOLDER / 'lite'
BUILDERS = (
    'jupyterlite-core==0.8.6',
    'jupyterlite-pyodide-kernel==0.8.6',
    'jupyter_server==2.21.1',
    'ipywidgets==8.1.9',
)
PYODIDE = (*parts.ARCHIVES['pyodide@314.0.3'][1].values(),)
WANTED = 'matplotlib', 'ipython', 'jedi', 'micropip'  # with all that they need
# Of the Python index, in place of the same versions that Pyodide has packed anew
PURE = {
    'asttokens==3.0.1': 'asttokens',
    'decorator==5.2.1': 'decorator',
    'executing==2.2.1': 'executing',
    'ipython==9.12.0': 'IPython',
    'jedi==0.19.2': 'jedi',
    'matplotlib-inline==0.2.1': 'matplotlib_inline',
    'parso==0.8.6': 'parso',
    'pure-eval==0.2.3': 'pure_eval',
    'pygments==2.20.0': 'pygments',
    'stack-data==0.6.3': 'stack_data',
    'traitlets==5.14.3': 'traitlets',
    'wcwidth==0.6.0': 'wcwidth',
    'prompt-toolkit==3.0.53': 'prompt_toolkit',
    'comm==0.2.3': 'comm',
    'ipywidgets==8.1.9': 'ipywidgets',
    'jupyterlab-widgets==3.0.17': 'jupyterlab_widgets',
    'widgetsnbextension==4.0.15': 'widgetsnbextension',
}
DEPENDS = {
    'ipywidgets': [
        'comm',
        'ipython',
        'traitlets',
        'jupyterlab-widgets',
        'widgetsnbextension',
    ],
    'd2l-ext': ['numpy', 'matplotlib', 'ipywidgets'],
}


def build(folder: pathlib.Path) -> None:
    """Write the JupyterLite site to `folder`.

    Raises ValueError for a part with another hash.
    """
    jupyter_lite = _builders()
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        _pyodide(work / 'static/pyodide')
        contents = work / 'contents'
        contents.mkdir()
        for path in sorted(NOTEBOOKS.glob('0[0-7]_*.ipynb')):
            shutil.copy(path, contents)
        # at once: the first cell of a notebook looks for it, before any imports it
        environment = {'D2L_EXT_BACKEND': 'none'}
        options = {'packages': ['d2l-ext'], 'env': environment}
        kernel = {'disablePyPIFallback': True, 'loadPyodideOptions': options}
        settings = {'litePluginSettings': {KERNEL: kernel}}
        config = {'jupyter-lite-schema-version': 0, 'jupyter-config-data': settings}
        (work / 'jupyter-lite.json').write_text(json.dumps(config), 'utf-8')
        command = [str(jupyter_lite), 'build']
        command += ['--lite-dir', str(work), '--contents', str(contents)]
        command += ['--output-dir', str(folder), '--no-sourcemaps']
        subprocess.run(command, check=True, cwd=work, stdout=subprocess.DEVNULL)


KERNEL = '@jupyterlite/pyodide-kernel-extension:kernel'


def _builders() -> pathlib.Path:
    """Return the command that builds JupyterLite, from an environment of its own."""
    home = FOLDER / 'venv'
    python = home / 'bin/python'
    stamp = home / '.done'
    if not stamp.is_file() or stamp.read_text('utf-8') != repr(BUILDERS):
        venv.create(home, clear=True, with_pip=True)
        command = [str(python), '-m', 'pip', 'install', '--quiet', *BUILDERS]
        subprocess.run(command, check=True)
        stamp.write_text(repr(BUILDERS), 'utf-8')
    return home / 'bin/jupyter-lite'


def _pyodide(folder: pathlib.Path) -> None:
    """Write Pyodide with all wheels to `folder`, and a lock that has ours as well."""
    folder.mkdir(parents=True)
    for name in PYODIDE:
        shutil.copy(parts.FOLDER / name, folder)
    lock = json.loads((folder / 'pyodide-lock.json').read_text('utf-8'))
    packages = lock['packages']
    pure = {spec.partition('==')[0]: spec for spec in PURE}
    needed: dict[str, dict] = {}
    todo = [*WANTED]
    while todo:
        name = todo.pop()
        if name not in needed and name in packages:
            needed[name] = packages[name]
            todo += packages[name]['depends']
    carried = [entry for name, entry in needed.items() if name not in pure]
    parts.carried(FOLDER, {entry['file_name']: entry['sha256'] for entry in carried})
    for entry in carried:
        shutil.copy(FOLDER / entry['file_name'], folder)
    for path in _pure():
        name = path.name.partition('-')[0].replace('_', '-').lower()
        shutil.copy(path, folder)
        spec = pure[name]
        depends = DEPENDS.get(name, needed.get(name, {}).get('depends', []))
        needed[name] = _entry(
            folder / path.name, name, spec.partition('==')[2], [PURE[spec]], depends
        )
    ours = folder / 'd2l_ext-0-py3-none-any.whl'
    _wheel(ours)
    needed['d2l-ext'] = _entry(ours, 'd2l-ext', '0', ['d2l_ext'], DEPENDS['d2l-ext'])
    for entry in needed.values():
        depends = (name.replace('_', '-').lower() for name in entry['depends'])
        entry['depends'] = [name for name in depends if name in needed]
    lock['packages'] = needed
    (folder / 'pyodide-lock.json').write_text(json.dumps(lock), 'utf-8')


def _entry(path, name, version, imports, depends):
    return {
        'name': name,
        'version': version,
        'file_name': path.name,
        'install_dir': 'site',
        'sha256': hashlib.sha256(path.read_bytes()).hexdigest(),
        'package_type': 'package',
        'imports': imports,
        'depends': depends,
        'unvendored_tests': False,
    }


def _pure() -> list[pathlib.Path]:
    """Return the wheels of the Python index, which are fetched once."""
    folder = FOLDER / 'pure'
    if len([*folder.glob('*.whl')]) != len(PURE):
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps']
        command += ['--only-binary=:all:', '--ignore-requires-python']
        command += ['-d', str(folder), *PURE]
        subprocess.run(command, check=True)
    return sorted(folder.glob('*.whl'))


def _wheel(path: pathlib.Path) -> None:
    """Write the package as a wheel."""
    package = SITE.parent / 'd2l_ext'
    files = {
        f'd2l_ext/{file.relative_to(package).as_posix()}': file.read_bytes()
        for file in package.rglob('*')
        if file.is_file() and '__pycache__' not in file.parts
    }
    about = 'd2l_ext-0.dist-info'
    files[f'{about}/METADATA'] = b'Metadata-Version: 2.1\nName: d2l-ext\nVersion: 0\n'
    files[f'{about}/WHEEL'] = (
        b'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n'
    )
    files[f'{about}/RECORD'] = ''.join(f'{name},,\n' for name in files).encode()
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(name, files[name])


if __name__ == '__main__':
    build(pathlib.Path(sys.argv[1]) / 'lite')
