"""MXNet of 2022 beside a present NumPy, each time in a Python of its own."""

import importlib.util
import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec('mxnet') is None, reason='mxnet is not installed'
)

INSTALL = 'from d2l_ext.install import finder; finder.install()\n'


def python(code):
    """Run `code` in a new Python and return what it prints."""
    run = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


# Expression over numpy scalars -> what it gave with Python 3.11 and NumPy 1.23
FACTS = {
    'np.zeros((onp.int64(9),)).shape': (9,),
    'np.ones([onp.int32(2), 3]).shape': (2, 3),
    'np.zeros((2, 3)).reshape((onp.int64(3), onp.int64(2))).shape': (3, 2),
    'assigned(c[onp.int64(0):onp.int64(2)])': [5, 5, 0],
    'c[onp.int64(1)].item()': 1,
    'c[onp.array([2, 0])].tolist()': [2, 0],
    'c[c > 0].tolist()': [1, 2],
    'masked(c)': [0, 7, 7],
    'c[True].shape': (1, 3),
    'np.pad(c, (1, onp.int64(2))).tolist()': [0, 0, 1, 2, 0, 0],
    'mx.nd.moveaxis(mx.nd.zeros((2, 3, 4)), 0, 2).shape': (3, 4, 2),
    'np.moveaxis(np.zeros((2, 3, 4)), onp.int64(0), 2).shape': (3, 4, 2),
    'np.trapz(np.array([1, 2, 3])).item()': 4,
    'np.in1d(c, np.array([2])).tolist()': [False, False, True],
    'kernel.shape': (3, 1, 3, 3),
    'dense.shape': (2, 3),
    '[part.shape for part in parts]': [(3, 1), (3, 1)],
    'np.bool is bool': True,
    'float(c.sum())': 3.0,
    'onp.mean(c).item()': 1.0,
}

CODE = """
import json
import mxnet as mx, numpy as onp
from mxnet import gluon, np, npx
from mxnet.gluon import nn
npx.set_np()
c = np.arange(3)

def assigned(part):
    a = np.zeros(3)
    a[onp.int64(0):onp.int64(2)] = 5
    return a.tolist()

def masked(a):
    a = a.copy()
    a[a > 0] = 7
    return a.tolist()

conv = nn.Conv2D(onp.int64(3), kernel_size=onp.int64(3))
conv.initialize()
conv(np.zeros((1, 1, 8, 8)))
kernel = conv.weight.data()
net = nn.Dense(onp.int64(3))
net.initialize()
net.hybridize()
dense = net(np.zeros((2, 4)))
parts = gluon.utils.split_data(np.zeros((6, 1)), 2)
"""


@pytest.fixture(scope='module')
def facts():
    pairs = ', '.join(f'{fact!r}: {fact}' for fact in FACTS)
    return json.loads(python(f'{INSTALL}{CODE}\nprint(json.dumps({{{pairs}}}))'))


@pytest.mark.parametrize('fact', FACTS)
def test_numpy_scalars_work_as_in_2022(facts, fact):
    assert facts[fact] == json.loads(json.dumps(FACTS[fact]))


def test_numpy_and_sys_modules_stay_as_they_are():
    python(
        'import sys, numpy\n'
        'names = dict(vars(numpy))\n' + INSTALL + 'import mxnet\n'
        # submodules that NumPy itself loads on demand
        'new = {n for n in vars(numpy) if n not in names}\n'
        'assert all(f"numpy.{n}" in sys.modules for n in new), new\n'
        'assert all(vars(numpy)[n] is names[n] for n in names)\n'
        'assert sys.modules["numpy"] is numpy\n'
        'assert "distutils.version" not in sys.modules or sys.version_info < (3, 12)\n'
        'import builtins, mxnet.numpy.utils as u\n'
        'assert "PZERO" not in vars(numpy) and u.onp.PZERO == 0\n'
        'assert builtins.__import__.__module__ == "builtins"\n'
    )


def test_importing_gives_no_warning():
    code = 'import warnings\nwarnings.simplefilter("error")\n'
    assert python(code + INSTALL + 'import mxnet\nprint(mxnet.__version__)') == '1.9.1'


def test_a_failed_import_is_cleaned_up():
    python(
        'import sys\n'
        'try:\n'
        '    import mxnet\n'
        'except (AttributeError, ImportError):\n'
        '    assert [n for n in sys.modules if n.startswith("mxnet.")]\n'
        'else:\n'
        '    raise SystemExit("mxnet does without the finder here: drop it")\n'
        + INSTALL
        + 'assert not [n for n in sys.modules if n.startswith("mxnet.")]\n'
        'from mxnet import np\n'
        'assert np.pad(np.zeros(2), (1, 1)).shape == (4,)\n'
    )


def test_twice_is_once_and_it_does_nothing_after_the_import():
    python(
        'import sys\n' + INSTALL + INSTALL + 'before = list(sys.meta_path)\n'
        'assert [type(f).__name__ for f in before].count("_Finder") == 1\n'
        'import mxnet\n'
        'from mxnet import gluon\n' + INSTALL + 'assert sys.meta_path == before\n'
        'assert sys.modules["mxnet"] is mxnet and mxnet.gluon is gluon\n'
    )


def test_the_books_own_package_imports():
    pytest.importorskip('d2l')
    assert python(INSTALL + 'from d2l import mxnet as d2l\nprint(d2l.try_gpu())')


LOADER = """
import multiprocessing, sys
from mxnet import np, npx
from mxnet.gluon.data import ArrayDataset, DataLoader
npx.set_np()
multiprocessing.set_start_method(sys.argv[1])
data = ArrayDataset(np.arange(12).reshape(6, 2), np.arange(6))
loader = DataLoader(data, batch_size=2, num_workers=2, timeout=60)
print([[X.sum().item(), *y.tolist()] for X, y in loader])
"""


@pytest.mark.parametrize('method', ['fork', 'spawn', 'forkserver'])
def test_the_workers_of_a_data_loader_have_the_finder_however_they_start(method):
    run = subprocess.run(
        [sys.executable, '-c', INSTALL + LOADER, method],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert (
        run.stdout.strip() == '[[6.0, 0.0, 1.0], [22.0, 2.0, 3.0], [38.0, 4.0, 5.0]]'
    ), run.stderr
