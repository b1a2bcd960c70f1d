"""Who imports whom, what is installed, what is shipped, what must not be written."""

import ast
import graphlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / 'd2l_ext'
MODULES = {path.stem: ast.parse(path.read_text()) for path in PACKAGE.glob('*.py')}
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
EXTRAS = PROJECT['optional-dependencies']

# Heavy package -> the modules that may name it
OWNERS = {
    'd2l': set(),
    'ipywidgets': {'explorers', 'fields', 'live', 'stage', 'workbench'},
    'joblib': {'recorder'},
    'matplotlib': {'plots'},
    'mxnet': {
        '_mxnet_learner',
        '_mxnet_trainer',
        '_vision_mxnet',
        'bench_mxnet',
        'mxnet',
    },
    'torch': {
        '_torch_learner',
        '_torch_step',
        '_vision_torch',
        'bench_torch',
        'replicas',
        'torch',
    },
}
LIGHT = {'__init__', '_cuda11', '_mxnet_finder', 'bench', 'check', 'checkpoint', 'data'}
LIGHT |= {'_rosetta_mxnet', '_rosetta_pure', '_rosetta_torch', 'boundary', 'formula'}
LIGHT |= {'bench_table', 'rosetta'}
LIGHT |= {'curvature', 'posteriors', 'probes', 'sampling', 'swa'}
LIGHT |= {
    'experiments',
    'install',
    'loop',
    'panels',
    'progress',
    'quadratic',
    'range_finder',
    'recipes',
    'schedulers',
}
LIGHT |= {'recorder', 'recordings', 'results', 'theory', 'training', 'verdicts'}
LIGHT |= {'nodelay', 'verify'}
LIGHT |= {'dmlc', 'recordio', 'vision'}


def imported(nodes):
    """Return the dotted names that these syntax nodes import."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, 'imports are absolute here'
            names.update(f'{node.module}.{alias.name}' for alias in node.names)
    return names


def at_import(tree):
    """Yield the nodes that run when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from at_import(node)


@pytest.mark.parametrize('module', MODULES)
def test_only_its_owner_names_a_heavy_package(module):
    named = {name.partition('.')[0] for name in imported(ast.walk(MODULES[module]))}
    assert {
        heavy for heavy in OWNERS if heavy in named and module not in OWNERS[heavy]
    } == set()


@pytest.mark.parametrize('module', sorted(LIGHT.intersection(MODULES)))
def test_a_light_module_loads_nothing_heavy(module):
    name = 'd2l_ext' if module == '__init__' else f'd2l_ext.{module}'
    code = f'import sys, {name}; print(*sorted({set(OWNERS)} & set(sys.modules)))'
    run = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == []


def test_imports_go_one_way():
    graph = {
        module: {
            name.split('.')[1]
            for name in imported(at_import(tree))
            if name.startswith('d2l_ext.')
        }
        for module, tree in MODULES.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError
    assert graph['schedulers'] == set()


def test_schedulers_need_math_alone():
    assert imported(ast.walk(MODULES['schedulers'])) == {'math'}


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
        'tests/test_callbacks.py',
        'tests/test_range_finder.py',
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


def pins():
    """Return {name: requirement} of constraints.txt."""
    lines = (ROOT / 'constraints.txt').read_text().splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith('#')]
    assert len({p.name for p in pinned}) == len(pinned), 'two versions of a package'
    return {canonicalize_name(pin.name): pin for pin in pinned}


@pytest.mark.parametrize('extra', ['', *EXTRAS])
def test_constraints_fit_every_extra(extra):
    pinned = pins()
    for line in EXTRAS[extra] if extra else PROJECT['dependencies']:
        wanted = Requirement(line)
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
    assert '.venv/.test: EXTRAS = lab,test\n' in (ROOT / 'Makefile').read_text()
    python = re.search(r'python=([\d.]+)', text)[1]
    assert Requirement(f'python{PROJECT["requires-python"]}').specifier.contains(python)


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
    """Yield the text files a reader gets, those that are only made here left out."""
    made = {'__pycache__', '.ipynb_checkpoints'}
    for folder in ('.ci', '.github', 'benchmarks', 'd2l_ext', 'notebooks', 'tests'):
        for path in sorted((ROOT / folder).rglob('*')):
            if path.is_file() and not made.intersection(path.parts):
                yield path
    yield from (ROOT / name for name in ('Makefile', 'LICENSE', 'pyproject.toml'))
    for pattern in ('*.md', '*.txt', '*.yml', '.*.yaml'):
        yield from sorted(ROOT.glob(pattern))


# Hosts of package registries, and paths of one machine
UNWANTED = re.compile(
    rb'pypi\.|pythonhosted\.|anaconda\.(?:org|com)|download\.pytorch\.|index-url|'
    rb'(?<![\w.~}])/(?:root|home|Users|work|opt|tmp)/'
)


def test_no_registry_and_no_machine_is_named():
    found = {
        f'{path.relative_to(ROOT)}: {match[0].decode()}'
        for path in texts()
        if path != Path(__file__)
        for match in UNWANTED.finditer(path.read_bytes())
    }
    assert found == set()
