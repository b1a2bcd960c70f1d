"""The notebooks as a web site in which the explorers are alive, from what is stored.

    python site/build.py [--out FOLDER] [--lite] [NOTEBOOK ...]

writes `site/build/`: a page for each notebook, which any web server can hand out under
any path, or which opens from a folder or a USB stick with no network. Nothing is run
but the explorers' own statements, for the first picture; nothing is asked of any other
host, then or later. What it takes from others is fetched first, once: see `parts`.
"""

import argparse
import base64
import gzip
import hashlib
import html
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
from typing import Any

SITE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(SITE.parent))

import bytecode
import jinja2
import live
import mistune
import nbformat
import parts
import pygments
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from slices import Slice, slices

import d2l_ext
from d2l_ext.data.fashion_mnist import MINI
from d2l_ext.jupyter.stamp import badged

PACKAGE = pathlib.Path(d2l_ext.__file__).parent
NOTEBOOKS = SITE.parent / 'notebooks'
STATIC = SITE / 'static'
WIDE, NARROW = 700, 330  # of the pictures that are there before Python is, in pixels
INDEX = '00_index'
PYODIDE = 'pyodide.mjs', 'pyodide.asm.mjs', 'pyodide.asm.wasm', 'python_stdlib.zip'

_read: set[pathlib.Path] = set()  # every file that was opened since it was cleared


def _watch(event: str, args: tuple) -> None:
    if event == 'open' and isinstance(args[0], str):
        _read.add(pathlib.Path(args[0]))


class Output:
    """The folder that is written; files in `assets` are named after their content."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        (folder / 'assets').mkdir(parents=True)

    def asset(self, name: str, data: bytes) -> str:
        """Write a file and return its address, from a page."""
        stem, dot, kind = name.rpartition('.')
        path = f'assets/{stem}-{_hash(data)}{dot}{kind}'
        (self.folder / path).write_bytes(data)
        return path


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:10]


def build(folder: pathlib.Path, chosen: list[str]) -> None:
    """Write the site to `folder`, of all notebooks or those whose names begin so.

    Raises ValueError where a part is missing or another one than it should be.
    """
    parts.fetch()
    sys.addaudithook(_watch)
    out = Output(folder)
    notebooks = {
        path.stem: nbformat.read(path, 4)
        for path in sorted(NOTEBOOKS.glob('*.ipynb'))
        if not chosen or path.stem.startswith(tuple(chosen))
    }
    pages = [
        {'title': _title(notebook), 'href': _address(stem)}
        for stem, notebook in notebooks.items()
    ]
    training = out.asset('training.js', _packed(training_files()))
    training_size = (folder / training).stat().st_size
    offline: dict[str, bytes] = {}
    explorers = {
        stem: _explorers(out, stem, notebook, offline, training_size)
        for stem, notebook in notebooks.items()
    }
    shared = _engine(out, offline) | {'training': training}
    shared['offline'] = out.asset('offline.js', _packed(offline))
    css = out.asset('page.css', (STATIC / 'page.css').read_bytes())
    js = out.asset('page.js', _script('draw', 'training', 'page'))
    licences = out.asset('licences.txt', (STATIC / 'licences.txt').read_bytes())
    formulas = _formulas(notebooks)
    template = _templates().get_template('page.html')
    for i, (stem, notebook) in enumerate(notebooks.items()):
        boxes, specs, archives = explorers[stem]
        body = Page(out, stem, formulas).html(notebook, boxes)
        spec = {
            **shared,
            'archives': [*shared['archives'], *archives],
            'explorers': specs,
        }
        page = template.render(
            **pages[i],
            pages=pages,
            before=pages[i - 1] if i else None,
            after=pages[i + 1] if i + 1 < len(pages) else None,
            body=body,
            css=css,
            js=js,
            licences=licences,
            live=specs and _json(spec),
        )
        (folder / pages[i]['href']).write_text(page, 'utf-8')


def _title(notebook: nbformat.NotebookNode) -> str:
    return notebook.cells[0].source.partition('\n')[0].lstrip('# ')


def _address(stem: str) -> str:
    return 'index.html' if stem == INDEX else f'{stem}.html'


def _json(value: object) -> str:
    """Return JSON that JavaScript reads; a gap in a line is null there."""
    text = json.dumps(value, separators=(',', ':')).replace('</', r'<\/')
    return re.sub(r'\bNaN\b', 'null', re.sub(r'\bInfinity\b', '1e999', text))


def _templates() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(STATIC)
    return jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )


# What the browser runs


def _engine(out: Output, offline: dict[str, bytes]) -> dict:
    """Write Python, the package and the worker; return where, note all their bytes.

    Afterwards: what the explorers have imported by now comes as bytecode.
    """
    sources = {
        f'd2l_ext/{path.relative_to(PACKAGE).as_posix()}': path.read_bytes()
        for path in PACKAGE.rglob('*.py')
    }
    sources['live.py'] = (SITE / 'live.py').read_bytes()
    ours = bytecode.imported(sources)
    archive = base64.b64encode(_archive(sources)).decode()
    told = node('bytecode.mjs', [archive, ours])
    compiled = {path: base64.b64decode(code) for path, code in told.items()}
    files = _python(compiled)
    python = f'assets/python-{_hash(b"".join(files.values()))}'
    (out.folder / python).mkdir()
    for name, data in files.items():
        (out.folder / python / name).write_bytes(data)
    package = out.asset(
        'package.txz', _archive(sources | bytecode.beside(compiled, ours))
    )
    worker = out.asset('worker.js', (STATIC / 'worker.js').read_bytes())
    offline |= files
    for path in package, worker:
        offline[pathlib.Path(path).name] = (out.folder / path).read_bytes()
    return {'python': f'{python}/', 'worker': worker, 'archives': [package]}


def _python(compiled: dict[str, bytes]) -> dict[str, bytes]:
    """Return Pyodide's files, its lock with NumPy alone and the hash of that as it is."""
    files = {name: (parts.FOLDER / name).read_bytes() for name in PYODIDE}
    stdlib, wheel = 'python_stdlib.zip', parts.numpy_wheel()
    files[stdlib] = bytecode.in_archive(files[stdlib], bytecode.STDLIB, compiled)
    numpy = bytecode.in_archive(wheel.read_bytes(), bytecode.PACKAGES, compiled)
    lock = json.loads((parts.FOLDER / 'pyodide-lock.json').read_bytes())
    entry = lock['packages']['numpy'] | {'sha256': hashlib.sha256(numpy).hexdigest()}
    lock['packages'] = {'numpy': entry}
    return {
        **files,
        wheel.name: numpy,
        'pyodide-lock.json': json.dumps(lock).encode(),
    }


def _archive(files: dict[str, bytes]) -> bytes:
    """Return a .tar.xz of {name: content}, the same bytes for the same files.

    Runs of one schedule have the same rates, too far apart for a zip to see it.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w:xz', preset=9) as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            archive.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()


def training_files() -> dict[str, bytes]:
    """Return what a page takes to train: the net, its kernel and the images."""
    (wasm,) = node('wasm.mjs', [(STATIC / 'lenet.wat').read_text('utf-8')])
    files = {
        'lenet.wasm': base64.b64decode(wasm),
        'trainer.js': _script('lenet', 'trainer'),
    }
    for path in sorted(MINI.glob('*.gz')):
        files[path.stem] = gzip.decompress(path.read_bytes())
    return files


def _packed(files: dict[str, bytes]) -> bytes:
    """Return a script with all files in it: a page on a disk may read no other kind."""
    packed = {
        name: base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()
        for name, data in files.items()
    }
    return f'window.packed = {json.dumps(packed)};'.encode()


def _script(*names: str) -> bytes:
    """Return modules as one classic script, which opens from a disk too."""
    text = ''.join((STATIC / f'{name}.js').read_text('utf-8') for name in names)
    text = re.sub(r'^import .*\n', '', text, flags=re.MULTILINE)
    text = re.sub(r'^export ', '', text, flags=re.MULTILINE)
    return f'(() => {{\n{text}}})();\n'.encode()


# Explorers, and what they show before Python is there


def _explorers(
    out: Output,
    stem: str,
    notebook: nbformat.NotebookNode,
    offline: dict[str, bytes],
    training_size: int,
) -> tuple[dict[int, str], list[dict], list[str]]:
    """Return {cell: its HTML}, what the worker is told, and the page's recordings."""
    boxes, specs, stills = {}, [], []
    found = slices(notebook)
    _read.clear()
    for item in found:
        live.make(item.key, item.statements, item.expression)
        view, numbers = live.act(item.key)
        stills.append({**json.loads(view), 'data': numbers.tolist()})
        live.rehearse(item.key)
    read = {path for path in _read if path.is_relative_to(PACKAGE)}
    recordings = {
        f'd2l_ext/{path.relative_to(PACKAGE).as_posix()}': path.read_bytes()
        for path in read
        if path.suffix not in ('.py', '.pyc')
    }
    archives = []
    if recordings:
        archives.append(out.asset(f'recordings-{stem}.txz', _archive(recordings)))
        offline[pathlib.Path(archives[0]).name] = (
            out.folder / archives[0]
        ).read_bytes()
    pictures = node('still.mjs', [[still, WIDE, NARROW] for still in stills])
    template = _templates().get_template('explorer.html')
    for item, still, (wide, narrow) in zip(found, stills, pictures, strict=True):
        controls = live.controls(item.key)
        boxes[item.cell] = template.render(
            key=item.key,
            name=item.key.replace('_', ' '),
            controls=controls,
            view=still,
            wide=wide,
            narrow=narrow,
            train=live.trained(item.key),
            megabytes=f'{training_size / 1e6:.1f}',
        )
        specs.append(_spec(item, controls))
    return boxes, specs, archives


def _spec(item: Slice, controls: list[dict]) -> dict:
    named = {c['name']: {k: c[k] for k in c if k != 'name'} for c in controls}
    table = live.table(item.key)
    return {
        **({'table': table} if table else {}),
        'key': item.key,
        'statements': item.statements,
        'expression': item.expression,
        'train': live.trained(item.key),
        'controls': named,
    }


def node(script: str, value: object) -> Any:
    """Return what a script answers to `value`, NaN and infinity included."""
    if not shutil.which('node'):
        raise ValueError('node must be installed to draw the pages, as npm is')
    command = ['node', str(STATIC / script), str(parts.FOLDER)]
    done = subprocess.run(
        command, check=False, input=_json(value), capture_output=True, text=True
    )
    if done.returncode:
        raise ValueError(f'{script} must not fail, got {done.stderr[-2000:]}')
    return json.loads(done.stdout)


# A notebook's cells


def _formulas(notebooks: dict[str, nbformat.NotebookNode]) -> dict[tuple, str]:
    """Return {(TeX, displayed): MathML} for all formulas of the notebooks."""
    seen: dict[tuple, None] = {}

    def collect(tex, displayed):
        seen[tex, displayed] = None
        return ''

    markdown = _markdown(collect)
    for notebook in notebooks.values():
        for cell in notebook.cells:
            if cell.cell_type == 'markdown':
                markdown(cell.source)
    return dict(zip(seen, node('formulas.mjs', [*seen]), strict=True))


def _markdown(formula) -> mistune.Markdown:
    class Renderer(mistune.HTMLRenderer):
        def inline_math(self, text):
            return formula(text, False)

        def block_math(self, text):
            return formula(text, True)

        def link(self, text, url, title=None):
            own = re.fullmatch(r'(\w+)\.ipynb(#.*)?', url)
            return super().link(
                text, _address(own[1]) + (own[2] or '') if own else url, title
            )

        def block_code(self, code, info=None):
            if info == 'python':
                return _highlighted(code)
            return f'<pre tabindex="0"><code>{html.escape(code)}</code></pre>\n'

        def heading(self, text, level, **attrs):
            name = re.sub(r'[^\w]+', '-', re.sub('<.*?>', '', text)).strip('-').lower()
            # not what an explorer is called: that is the name of a function
            return f'<h{level} id="section-{name}">{text}</h{level}>\n'

        def table(self, text):
            return f'<div class="table" tabindex="0"><table>{text}</table></div>\n'

    return mistune.create_markdown(
        renderer=Renderer(escape=False), plugins=['table', 'math']
    )


def _highlighted(code: str) -> str:
    return (
        '<pre tabindex="0"><code>'
        + pygments.highlight(code, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip()
        + '</code></pre>\n'
    )


def _is_code(notebook: nbformat.NotebookNode, i: int) -> bool:
    return notebook.cells[i : i + 1] != [] and notebook.cells[i].cell_type == 'code'


class Page:
    """The HTML of one notebook's cells; pictures become files of `out`."""

    def __init__(self, out: Output, stem: str, formulas: dict[tuple, str]):
        self.out, self.stem = out, stem
        self.markdown = _markdown(lambda tex, displayed: formulas[tex, displayed])

    def html(self, notebook: nbformat.NotebookNode, boxes: dict[int, str]) -> str:
        """Return all cells; `boxes` stand in for the outputs of those explorers."""
        parts: list[str] = []
        code: list[str] = []  # of cells that show nothing: one fold for all
        for i, cell in enumerate(notebook.cells):
            if cell.cell_type == 'markdown':
                # a stamp leads here, and its badge to another host
                text = cell.source if i else badged(cell.source, None, '', '')
                parts.append(str(self.markdown(text)))
                continue
            code.append(_highlighted(cell.source))
            if i not in boxes and not cell.outputs and _is_code(notebook, i + 1):
                continue
            folded = ''.join(code)
            code.clear()
            parts.append(
                f'<details class="code"><summary>Code</summary>{folded}</details>\n'
            )
            if i in boxes:
                parts.append(boxes[i])
            else:
                parts += map(self._output, cell.outputs)
        return ''.join(parts)

    def _output(self, output: nbformat.NotebookNode) -> str:
        if output.output_type == 'stream':
            return self._text(output.text) if output.name == 'stdout' else ''
        if output.output_type == 'error':
            return self._text(f'{output.ename}: {output.evalue}')
        data = output.data
        if 'image/png' in data:
            return self._image(data, output.metadata.get('image/png', {}))
        if 'text/markdown' in data:
            return str(self.markdown(data['text/markdown']))
        if 'text/html' in data:
            return data['text/html']
        return self._text(data.get('text/plain', ''))

    def _text(self, text: str) -> str:
        return f'<pre tabindex="0">{html.escape(text.rstrip())}</pre>\n' if text else ''

    def _image(self, data: dict, size: dict) -> str:
        png = base64.b64decode(data['image/png'])
        alt = size.get('alt') or data.get('text/plain', '')
        sizes = ''.join(f' {k}="{size[k]}"' for k in ('width', 'height') if k in size)
        path = self.out.asset(f'{self.stem}.png', png)
        picture = f'<img src="{path}" loading="lazy" alt="{html.escape(alt)}"{sizes}>'
        return f'<p class="still" tabindex="0">{picture}</p>\n'


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--out', type=pathlib.Path, default=SITE / 'build')
    parser.add_argument('notebook', nargs='*', help='03, say; all without it')
    parser.add_argument('--lite', action='store_true', help='JupyterLite beside them')
    asked = parser.parse_args()
    build(asked.out.resolve(), asked.notebook)
    if asked.lite:
        # in a process of its own: in this one the pages' stand-in has MXNet's place
        command = [sys.executable, str(SITE / 'lite.py'), str(asked.out.resolve())]
        subprocess.run(command, check=True)
