"""The way to a GPU: the driver asked, its libraries loaded, and what is said if not.

No test here needs a GPU. Where there is one that MXNet can drive, the last ones use it.
"""

import _ctypes
import ctypes
import shutil
import subprocess
import sys
import warnings

import pytest

from d2l_ext import install
from d2l_ext.install import cuda11


class Driver:
    """As much of libcuda as the probe asks, with GPUs of these capabilities."""

    def __init__(self, *gpus, broken=False):
        self.gpus, self.broken = gpus, broken

    def cuInit(self, flags):
        return 999 if self.broken else 0

    def cuDeviceGetCount(self, count):
        count._obj.value = len(self.gpus)
        return 0

    def cuDeviceGet(self, device, index):
        device._obj.value = index + 40  # a handle, not the index
        return 0

    def cuDeviceGetAttribute(self, value, attribute, device):
        value._obj.value = self.gpus[device.value - 40][attribute - 75]
        return 0


@pytest.mark.parametrize(
    ('driver', 'answer'),
    [
        (Driver((7, 5), broken=True), ()),
        (Driver(), ()),
        (Driver((7, 5)), ((7, 5),)),
        (Driver((8, 9), (12, 0)), ((8, 9), (12, 0))),
    ],
    ids=['a driver that fails', 'no GPU', 'a GPU', 'two GPUs'],
)
def test_the_driver_is_asked(monkeypatch, driver, answer):
    monkeypatch.setattr(ctypes, 'CDLL', lambda name: driver)
    assert cuda11.capabilities() == answer


def test_no_driver():
    assert cuda11.capabilities('libcuda-missing.so.1') is None


def preloaded(folder):
    """Return what could not be loaded from a folder, and what of it is in memory."""
    code = (
        'import sys, pathlib\n'
        'from d2l_ext.install import cuda11\n'
        'print(*cuda11.preload(pathlib.Path(sys.argv[1])))\n'
        'loaded = open("/proc/self/maps").read()\n'
        'print(*(n for n in cuda11.SONAMES if f"/lib/{n}\\n" in loaded))'
    )
    command = [sys.executable, '-c', code, str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split() for line in run.stdout.splitlines()]


def test_every_library_in_the_folder_is_loaded_and_one_that_is_not_is_named(tmp_path):
    for i, soname in enumerate(cuda11.SONAMES):  # each by a library that is here
        place = tmp_path / 'nvidia' / f'wheel{i}' / 'lib'
        place.mkdir(parents=True)
        shutil.copy(_ctypes.__file__, place / soname)
    assert preloaded(tmp_path) == [[], [*cuda11.SONAMES]]
    first, *others = cuda11.SONAMES
    (tmp_path / 'nvidia' / 'wheel0' / 'lib' / first).write_bytes(b'no library')
    assert preloaded(tmp_path) == [[first], others]
    if cuda11.FOLDER.is_dir():  # where the installer has chosen the wheel for GPUs
        assert preloaded(cuda11.FOLDER) == [[], [*cuda11.SONAMES]]


THIS = f'run `{sys.executable} -m d2l_ext.install`'


@pytest.mark.parametrize(
    ('error', 'words'),
    [
        ("No module named 'mxnet'", THIS),
        ('libcuda.so.1: cannot open shared object file: No such', 'NVIDIA driver'),
        ('libcuda.so.1: cannot open shared object file: No such', THIS),
        ('libcudnn.so.8: cannot open shared object file: No such', 'CUDA 11'),
        ('libcudnn.so.8: cannot open shared object file: No such', THIS),
        ('OSError: libquadmath.so.0: cannot open shared obj', 'apt-get install'),
    ],
)
def test_an_import_that_fails_says_what_to_do(error, words):
    assert words in install.remedy(OSError(error))


@pytest.mark.parametrize(
    ('body', 'words'),
    [
        ('raise ModuleNotFoundError("No module named mxnet")', THIS),
        ('raise OSError("libcuda.so.1: cannot open shared")', 'install the driver, or'),
    ],
    ids=['no mxnet', 'no driver'],
)
def test_the_backend_says_it(tmp_path, body, words):
    (tmp_path / 'mxnet.py').write_text(body)
    code = f'import sys; sys.path.insert(0, {str(tmp_path)!r}); import d2l_ext.mxnet'
    run = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False
    )
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith('ImportError: MXNet cannot be imported (')
    assert words in last


@pytest.fixture
def d2l():
    return pytest.importorskip('d2l_ext.mxnet', exc_type=ImportError)


@pytest.mark.parametrize(
    ('driver', 'seen', 'device', 'words'),
    [
        (None, 0, 'cpu(0)', None),
        ((), 0, 'cpu(0)', None),
        (((7, 5),), 1, 'gpu(0)', None),
        (((9, 0),), 1, 'cpu(0)', 'MXNet computes on the CPU: .* 9.0, MXNet knows'),
        (((7, 5),), 0, 'cpu(0)', 'has compute capability 7.5, but .* run `'),
    ],
    ids=['no driver', 'no GPU', 'a GPU', 'too new a GPU', 'the wheel for CPUs'],
)
def test_try_gpu(d2l, monkeypatch, driver, seen, device, words):
    monkeypatch.setattr(cuda11, 'capabilities', lambda: driver)
    monkeypatch.setattr(d2l.npx, 'num_gpus', lambda: seen)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        assert str(d2l.try_gpu()) == device
    assert len(caught) == bool(words)
    if words:
        assert caught[0].filename == __file__
        with pytest.warns(UserWarning, match=words):
            d2l.try_gpu()


def test_the_second_gpu_is_judged_by_itself(d2l, monkeypatch):
    monkeypatch.setattr(cuda11, 'capabilities', lambda: ((9, 0), (8, 0)))
    monkeypatch.setattr(d2l.npx, 'num_gpus', lambda: 2)
    assert str(d2l.try_gpu(1)) == 'gpu(1)'
    with pytest.warns(UserWarning, match='9.0'):
        assert str(d2l.try_gpu(0)) == 'cpu(0)'


@pytest.mark.filterwarnings('ignore:MXNet computes on the CPU')
def test_it_computes_where_try_gpu_says(d2l):
    device = d2l.try_gpu()
    array = d2l.np.ones((2, 3), ctx=device)
    assert array.ctx == device
    assert (array @ array.T).tolist() == [[3, 3], [3, 3]]
