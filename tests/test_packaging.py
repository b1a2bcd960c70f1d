"""Who imports whom, what is installed, what is shipped, what must not be written."""

import ast
import fnmatch
import graphlib
import importlib.metadata
import itertools
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / 'd2l_ext'
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
EXTRAS = PROJECT['optional-dependencies']

# The floors of the house. A room imports rooms of lower floors and its own files.
FLOORS = (
    {'schedulers', 'install', 'jupyter', '__main__'},
    {'families', 'plan'},
    {'data', 'check', 'exchange', 'panels'},
    {'theory'},
    {'plots'},
    {'training'},
    {'mxnet', 'torch'},
    {'experiments', 'vision'},
    {'explorers'},
    {'notebook'},
    {'d2l_ext'},  # the door: it hands on names, and nobody in the house uses it
)

# Library -> the files that may import it, and those that may inside functions
FRAMEWORKS = ('mxnet.py', 'torch.py', 'training/_*', 'vision/_*', 'experiments/_*')
OWNERS = {
    'd2l': ((), ('training/backend.py',)),
    'distributed': ((), ('experiments/*',)),
    'ipywidgets': (('explorers/*',), ()),
    'jax': ((), ('exchange/*',)),
    'joblib': ((), ('experiments/*',)),
    'keras': ((), ('exchange/*',)),
    'matplotlib': (('plots/*',), ()),
    'mxnet': (FRAMEWORKS, ('exchange/*', 'install/finder.py')),
    'optax': ((), ('exchange/*',)),
    'timm': ((), ('exchange/*',)),
    'torch': (FRAMEWORKS, ('exchange/*',)),
}

# Rooms that load one of these at once, as they must
HEAVY = {'explorers', 'mxnet', 'plots', 'torch'}


def dotted(path):
    """Return the name under which a file of the package is imported.

    >>> dotted(PACKAGE / 'plan.py'), dotted(PACKAGE / 'panels' / '__init__.py')
    ('d2l_ext.plan', 'd2l_ext.panels')
    """
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(part for part in parts if part != '__init__')


def room(name):
    """Return the room of an imported name.

    >>> room('d2l_ext.panels.panel'), room('d2l_ext')
    ('panels', 'd2l_ext')
    """
    return name.split('.')[1] if '.' in name else name


def imported(nodes):
    """Return the dotted names that syntax nodes import, also by `import_module`."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, 'imports are absolute here'
            names.update(f'{node.module}.{alias.name}' for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
            name = getattr(node.args[0], 'value', None)
            if called == 'import_module' and isinstance(name, str):
                names.add(name)
    return names


def at_import(tree):
    """Yield the nodes that run when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from at_import(node)


def file_of(name, files):
    """Return the file that `import name` reads: a module, or one that defines a name.

    >>> file_of('d2l_ext.plan.Plan', ['d2l_ext', 'd2l_ext.plan'])
    'd2l_ext.plan'
    """
    while name not in files:
        name = name.rpartition('.')[0]
    return name


TREES = {dotted(p): ast.parse(p.read_text()) for p in PACKAGE.rglob('*.py')}
PATHS = {dotted(p): p.relative_to(PACKAGE) for p in PACKAGE.rglob('*.py')}
IMPORTS = {
    name: {
        file_of(wanted, TREES)
        for wanted in imported(ast.walk(tree))
        if wanted.partition('.')[0] == 'd2l_ext'
    }
    for name, tree in TREES.items()
}


def faults(imports, floors=FLOORS):
    """Return what is wrong with {file: files that it imports}, as sentences."""
    floor = {name: i for i, names in enumerate(floors) for name in names}
    wrong = [
        f'{file} imports {wanted}, which is not on a lower floor'
        for file in sorted(imports)
        for wanted in sorted(imports[file])
        if room(file) != room(wanted) and floor[room(file)] <= floor[room(wanted)]
    ]
    rooms = {}
    for file, wanted in imports.items():
        rooms.setdefault(room(file), set()).update(map(room, wanted))
    between = {name: wanted - {name} for name, wanted in rooms.items()}
    for graph in imports, between:
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            wrong.append(f'a circle: {" < ".join(error.args[1])}')
    return wrong


def test_every_room_has_a_floor_and_every_floor_its_rooms():
    assert {room(name) for name in TREES} == set().union(*FLOORS)


def test_imports_go_down_and_in_no_circle():
    assert faults(IMPORTS) == []


@pytest.mark.parametrize(
    ('file', 'wanted', 'words'),
    [
        ('d2l_ext.plan', 'd2l_ext.training.loop', 'd2l_ext.plan imports d2l_ext.tr'),
        ('d2l_ext.panels.runs', 'd2l_ext.training.history', 'd2l_ext.panels.runs imp'),
        ('d2l_ext.vision.job', 'd2l_ext.experiments.store', 'd2l_ext.vision.job imp'),
        ('d2l_ext.check', 'd2l_ext', 'd2l_ext.check imports d2l_ext, which'),
        ('d2l_ext.panels.panel', 'd2l_ext.panels.runs', 'a circle: d2l_ext.panels.'),
        ('d2l_ext.panels.panel', 'd2l_ext.panels', 'a circle: d2l_ext.panels'),
        ('d2l_ext.schedulers', 'd2l_ext.plan', 'a circle: '),
    ],
)
def test_one_arrow_put_back_is_seen(file, wanted, words):
    wrong = faults(IMPORTS | {file: IMPORTS[file] | {wanted}})
    assert any(words in sentence for sentence in wrong)


def test_a_circle_between_rooms_is_seen_where_no_file_is_in_one():
    imports = {'d2l_ext.a.x': {'d2l_ext.b.x'}, 'd2l_ext.b.y': {'d2l_ext.a.y'}}
    _up, circle = faults(imports, [{'a'}, {'b'}])
    assert circle.startswith('a circle: ')


@pytest.mark.parametrize(
    'source',
    [
        'import d2l_ext.plots',
        'def f():\n    from d2l_ext.plots import figure',
        'class C:\n    def f(self):\n        from d2l_ext import plots',
        "importlib.import_module('d2l_ext.plots')",
        "f = lambda: import_module('d2l_ext.plots.figure')",
    ],
)
def test_an_import_is_seen_wherever_it_stands(source):
    (name,) = imported(ast.walk(ast.parse(source)))
    assert file_of(name, TREES).startswith('d2l_ext.plots')


@pytest.mark.parametrize('library', OWNERS)
def test_only_its_owners_name_a_library(library):
    def names(nodes):
        return library in {name.partition('.')[0] for name in imported(nodes)}

    anywhere = {n for n, tree in TREES.items() if names(ast.walk(tree))}
    at_once = {n for n, tree in TREES.items() if names(at_import(tree))}
    owners, in_functions = OWNERS[library]
    assert [name for name in at_once if not fits(name, owners)] == []
    assert [name for name in anywhere if not fits(name, owners + in_functions)] == []


def fits(name, patterns):
    path = PATHS[name].as_posix()
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def test_a_light_room_loads_nothing_heavy():
    # one after the other in one Python, since none may
    light = sorted(
        name
        for name, path in PATHS.items()
        if room(name) not in HEAVY and not path.name.startswith(('_', '__main__'))
    )
    light += sorted({'d2l_ext'} | {f'd2l_ext.{room(name)}' for name in light})
    code = f"""
import importlib, sys
for name in {light}:
    importlib.import_module(name)
    loaded = {set(OWNERS)} & set(sys.modules)
    assert not loaded, (name, loaded)
"""
    run = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_schedulers_need_math_alone():
    assert imported(ast.walk(TREES['d2l_ext.schedulers'])) == {'math'}


def test_the_first_page_of_the_package_is_short():
    assert len([path for path in PACKAGE.iterdir() if path.is_file()]) <= 10


def test_what_has_no_torch_is_skipped_and_nothing_else():
    # doctests are looked for first, in d2l_ext/torch.py too: no half of it may stay
    code = (
        'import sys, pytest\n'
        'class Without:\n'
        '    def find_spec(self, name, path=None, target=None):\n'
        '        if name.partition(".")[0] == "torch":\n'
        '            raise ModuleNotFoundError(f"No module named {name!r}", name=name)\n'
        'sys.meta_path.insert(0, Without())\n'
        'sys.exit(pytest.main(sys.argv[1:]))\n'
    )
    arguments = (
        '--ignore-glob=*mxnet*',
        'd2l_ext',
        'tests/training/test_callbacks.py',
        'tests/training/test_range_test.py',
    )
    run = subprocess.run(
        [sys.executable, '-c', code, '-q', '-k', 'torch', *arguments],
        cwd=ROOT,
        env=os.environ | {'D2L_EXT_STRICT': '0'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert re.search(r'^\d+ skipped', run.stdout.splitlines()[-1]), run.stdout


API = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('mxnet', 'torch'):
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Without())
from pdoc.__main__ import cli
cli(sys.argv[1:])
"""


needs_make = pytest.mark.skipif(shutil.which('make') is None, reason='needs make')


@needs_make
def test_the_pages_of_the_package_need_no_framework(tmp_path):
    pytest.importorskip('pdoc')
    asked = subprocess.run(
        ['make', '--dry-run', 'api'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    modules = re.search(r'-m pdoc -o build/api ([\w. ]*)', asked.stdout)[1].split()
    public = {
        name
        for name in TREES
        if not re.search(r'\._', name) and PATHS[name].name != '__init__.py'
    }
    assert {'d2l_ext', *public} == set(modules)
    left_out = ['!d2l_ext.mxnet', '!d2l_ext.torch']
    run = subprocess.run(
        [sys.executable, '-c', API, '-o', str(tmp_path), *modules, *left_out],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    pages = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob('*.html')}
    wanted = {f'{name.replace(".", "/")}.html' for name in modules}
    assert wanted - pages == {'d2l_ext/mxnet.html', 'd2l_ext/torch.html'}
    assert 'warmup_steps' in (tmp_path / 'd2l_ext' / 'schedulers.html').read_text()


def test_no_test_is_left_out_unless_its_library_is_missing():
    marks = runpy.run_path(str(ROOT / 'tests' / 'conftest.py'))
    ignored = [ROOT / 'tests' / name for name in marks['collect_ignore']]
    left_out = {
        path.name
        for path in (ROOT / 'tests').rglob('test_*.py')
        if any(path == other or other in path.parents for other in ignored)
    }
    foreign = 'fvcore', 'paddle', 'timm'
    assert left_out <= {f'test_read_{library}.py' for library in foreign}


def test_every_test_that_is_marked_by_name_is_there():
    marks = runpy.run_path(str(ROOT / 'tests' / 'conftest.py'))
    paths = list((ROOT / 'tests').rglob('test_*.py'))
    tests = {n for p in paths for n in re.findall(r'def (test_\w+)', p.read_text())}
    assert (marks['SLOW'] | marks['SPEED']) - tests == set()
    assert marks['SLOW_FILES'] - {path.name for path in paths} == set()


# What the markers of constraints.txt may ask for: Pythons, and machines
PYTHONS = '3.11', '3.12', '3.13', '3.14', '3.15'
MACHINES = [
    {'sys_platform': 'linux', 'os_name': 'posix', 'platform_machine': 'x86_64'},
    {'sys_platform': 'linux', 'os_name': 'posix', 'platform_machine': 'aarch64'},
    {'sys_platform': 'darwin', 'os_name': 'posix', 'platform_machine': 'x86_64'},
    {'sys_platform': 'darwin', 'os_name': 'posix', 'platform_machine': 'arm64'},
    {'sys_platform': 'win32', 'os_name': 'nt', 'platform_machine': 'AMD64'},
]
ENVIRONMENTS = [
    machine | {'python_version': python, 'python_full_version': f'{python}.0'}
    for python in PYTHONS
    for machine in MACHINES
]


def pins(environment=None):
    """Return {name: requirement} of constraints.txt in an environment: here, or there."""
    lines = (ROOT / 'constraints.txt').read_text().splitlines()
    every = [Requirement(line) for line in lines if line and not line.startswith('#')]
    pinned = [p for p in every if not p.marker or p.marker.evaluate(environment)]
    assert len({p.name for p in pinned}) == len(pinned), 'two versions of a package'
    several = {name for name, n in Counter(p.name for p in every).items() if n > 1}
    assert several <= {p.name for p in pinned}, 'no version of a package'
    return {canonicalize_name(pin.name): pin for pin in pinned}


def test_the_pythons_are_those_that_the_project_names():
    trove = 'Programming Language :: Python :: '
    named = {c.removeprefix(trove) for c in PROJECT['classifiers'] if trove in c}
    assert named - {'3 :: Only'} == set(PYTHONS)
    wanted = Requirement(f'python{PROJECT["requires-python"]}').specifier
    assert [python for python in PYTHONS if not wanted.contains(python)] == []
    assert not wanted.contains('3.10')
    readme = (ROOT / 'README.md').read_text('utf-8')
    assert f'Python {PYTHONS[0]} to {PYTHONS[-1]}' in readme


@pytest.mark.parametrize(
    'environment', ENVIRONMENTS, ids=lambda e: '-'.join(e.values())
)
def test_constraints_fit_every_extra(environment):
    pinned = pins(environment)
    for line in itertools.chain(PROJECT['dependencies'], *EXTRAS.values()):
        wanted = Requirement(line)
        if wanted.marker and not wanted.marker.evaluate(environment):
            continue
        version = str(pinned[canonicalize_name(wanted.name)].specifier)
        assert version.startswith('=='), line
        assert wanted.specifier.contains(version[2:]), f'{line} against {version}'


def test_constraints_are_complete():
    pinned, todo = pins(), [Requirement(r) for r in EXTRAS['lab'] + EXTRAS['test']]
    seen = set()
    while todo:
        wanted = todo.pop()
        key = (canonicalize_name(wanted.name), *sorted(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        assert key[0] in pinned, f'{wanted.name} is not in constraints.txt'
        for line in importlib.metadata.requires(wanted.name) or ():
            need = Requirement(line)
            extras = wanted.extras or {''}
            if not need.marker or any(
                need.marker.evaluate({'extra': e}) for e in extras
            ):
                todo.append(need)


def test_the_conda_environment_is_the_same_set():
    text = (ROOT / 'environment.yml').read_text()
    listed = re.search(r'- pip:\n((?: +- .*\n)+)', text)[1].split('\n')
    assert [line.strip() for line in listed if line] == [
        '- -c constraints.txt',
        '- -e .[lab,test]',
    ]
    assert '.venv/.test: EXTRAS = lab test\n' in (ROOT / 'Makefile').read_text()
    python = re.search(r'python=([\d.]+)', text)[1]
    assert Requirement(f'python{PROJECT["requires-python"]}').specifier.contains(python)


@needs_make
@pytest.mark.parametrize('there', [False, True])
def test_make_conda_makes_the_environment_once_and_runs_the_installer(tmp_path, there):
    conda, log = tmp_path / 'conda', tmp_path / 'log'
    listed = 'd2l_ext   *  /somewhere' if there else 'd2l_ext_old  /somewhere'
    conda.write_text(f'#!/bin/sh\necho "$@" >> {log}\necho "{listed}"\n')
    conda.chmod(0o755)
    subprocess.run(['make', '-s', 'conda', f'CONDA={conda}'], cwd=ROOT, check=True)
    create = ['env create -f environment.yml']
    assert log.read_text().splitlines() == [
        'env list',
        *(create if not there else []),
        'run -n d2l_ext python -m d2l_ext.install',
    ]


def test_the_wheel_carries_modules_and_data(tmp_path):
    source = tmp_path / 'source'
    shutil.copytree(
        PACKAGE,
        source / 'd2l_ext',
        # what recorders at work leave beside the recordings
        ignore=shutil.ignore_patterns('__pycache__', '.claims', '*.part'),
    )
    for name in ('pyproject.toml', 'LICENSE', 'README.md'):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps']
    subprocess.run(
        [*command, '--no-build-isolation', '--wheel-dir', tmp_path, source], check=True
    )
    with zipfile.ZipFile(next(tmp_path.glob('*.whl'))) as wheel:
        shipped = set(wheel.namelist())
    ours = {
        path.relative_to(source).as_posix()
        for path in (source / 'd2l_ext').rglob('*')
        if path.is_file()
    }
    assert ours - shipped == set()
    assert {name for name in shipped if name.startswith('d2l_ext/')} == ours
    assert any(name.endswith('licenses/LICENSE') for name in shipped)


def texts():
    """Yield the text files of the repository, not what programs leave among them."""
    left = {'__pycache__', '.ipynb_checkpoints', 'node_modules', '.parts', 'build'}
    hidden = '.ci', '.devcontainer', '.github'
    folders = (
        'benchmarks',
        'binder',
        'd2l_ext',
        'findings',
        'notebooks',
        'site',
        'tests',
    )
    for folder in (*hidden, *folders):
        for path in sorted((ROOT / folder).rglob('*')):
            if path.is_file() and not left.intersection(path.parts):
                yield path
    for name in ('Dockerfile', 'Makefile', 'LICENSE', 'pyproject.toml'):
        yield ROOT / name
    for pattern in ('*.md', '*.txt', '*.yml', '.*.yaml', '.git[ai]*'):
        yield from sorted(ROOT.glob(pattern))


# Hosts of package registries, and paths of one machine
UNWANTED = re.compile(
    rb'pypi\.|pythonhosted\.|anaconda\.(?:org|com)|download\.pytorch\.|index-url|'
    rb'(?<![\w.~}])/(?:root|home|Users|work|opt|tmp)/'
)


@pytest.mark.parametrize(
    'path', sorted((ROOT / 'findings').glob('*')), ids=lambda path: path.stem
)
def test_a_finding_runs_by_itself_from_pins_in_a_folder_that_goes(path):
    text = path.read_text('utf-8')
    assert path.suffix == '.sh' and 15 <= len(text.splitlines()) <= 45
    # a system without that bit keeps it in git all the same
    mode = subprocess.run(
        ['git', 'ls-files', '--stage', path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert not mode or mode.startswith('100755 ')
    assert 'set -eu\nfolder=$(mktemp -d)\n' in text
    assert 'trap \'rm -rf "$folder"\' EXIT\n' in text
    assert re.search(r"'[\w-]+(?:==|@)[\w.]+'", text)  # of Python's index, or npm's
    assert 'd2l_ext' not in text


def test_no_registry_and_no_machine_is_named():
    unwanted = {
        f'{path.relative_to(ROOT)}: {match[0].decode()}'
        for path in texts()
        if path != Path(__file__)
        for match in UNWANTED.finditer(path.read_bytes())
    }
    assert unwanted == set()


def test_the_doors_lead_to_the_same_room():
    container = json.loads((ROOT / '.devcontainer' / 'devcontainer.json').read_text())
    dockerfile = (ROOT / 'Dockerfile').read_text()
    build = container['build']
    at = ROOT / '.devcontainer'
    assert (at / build['dockerfile']).resolve() == ROOT / 'Dockerfile'
    assert (at / build['context']).resolve() == ROOT
    assert f' AS {build["target"]}\n' in dockerfile
    # the image has what its steps name, in what the steps before have left there
    copied = re.findall(r'^COPY \S+ (.*) \S+$', dockerfile, re.MULTILINE)
    there = {name for names in copied for name in names.split()}
    assert {'pyproject.toml', 'constraints.txt', 'd2l_ext', 'notebooks'} <= there
    assert all((ROOT / name).exists() for name in there)
    assert {PROJECT['readme'], *PROJECT['license-files']} <= there
    after = dockerfile.partition('USER 1000')[2]
    assert 'CMD ["python", "-m", "d2l_ext", "lab", ' in after
    assert 'USER' not in after
    pythons = re.findall(r'python[:-](3\.\d+)', dockerfile)
    pythons += re.findall(r'python-(.*)', (ROOT / 'binder' / 'runtime.txt').read_text())
    assert len(pythons) == 2 and set(pythons) <= set(PYTHONS)
    assert os.access(ROOT / 'binder' / 'postBuild', os.X_OK) or os.name == 'nt'


def test_what_uv_lifts_is_what_mxnet_pins():
    tool = tomllib.loads((ROOT / 'pyproject.toml').read_text())['tool']['uv']
    lifted = {Requirement(line).name for line in tool['override-dependencies']}
    try:
        pinned = importlib.metadata.requires('mxnet') or ()
    except importlib.metadata.PackageNotFoundError:
        pytest.skip('needs MXNet')
    assert lifted == {Requirement(line).name for line in pinned}
