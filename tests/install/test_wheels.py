"""The installer decides, looks and repairs; pip itself is replaced here."""

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from d2l_ext.install import __main__ as program
from d2l_ext.install import cuda11, wheels


@pytest.mark.parametrize(
    ('capabilities', 'wheel'),
    [
        (None, 'mxnet'),
        ((), 'mxnet'),
        (((3, 7),), 'mxnet'),
        (((5, 0),), 'mxnet-cu117'),
        (((7, 5), (9, 0)), 'mxnet-cu117'),
        (((8, 9),), 'mxnet-cu117'),
        (((9, 0),), 'mxnet'),
        (((12, 0),), 'mxnet'),
    ],
)
def test_the_wheel_fits_the_first_gpu(capabilities, wheel):
    assert wheels.choose(capabilities)[0] == wheel


class Machine:
    """A folder of installed packages, and a pip that works on it."""

    def __init__(self, folder):
        self.folder = folder
        self.calls = []

    def put(self, name, version, text='x', folder=None):
        folder = self.folder if folder is None else folder
        stem = name.replace('-', '_')
        owned = {'mxnet_cu117': 'mxnet'}.get(stem, stem)
        (folder / owned).mkdir(parents=True, exist_ok=True)
        (folder / owned / '__init__.py').write_text(text)
        info = folder / f'{stem}-{version}.dist-info'
        info.mkdir(exist_ok=True)
        (info / 'METADATA').write_text(f'Name: {name}\nVersion: {version}\n')
        (info / 'RECORD').write_text(
            f'{owned}/__init__.py,,{len(text)}\n{info.name}/RECORD,,\n'
        )

    def pip(self, command, *arguments):
        self.calls.append((command, *arguments))
        if command == 'uninstall':
            for name in arguments[1:]:
                shutil.rmtree(self.folder / 'mxnet', ignore_errors=True)
                stem = name.replace('-', '_')
                shutil.rmtree(next(self.folder.glob(f'{stem}-*.dist-info')))
        else:
            target = None
            if '--target' in arguments:
                target = Path(arguments[arguments.index('--target') + 1])
            for pin in arguments:
                if '==' in pin:
                    self.put(*pin.split('=='), folder=target)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    machine = Machine(tmp_path / 'site-packages')
    pins = {'nvidia-cudnn-cu11': '8.5.0.96', 'nvidia-nccl-cu11': '2.14.3'}
    monkeypatch.setattr(sys, 'path', [str(machine.folder)])
    monkeypatch.setattr(wheels, '_pip', machine.pip)
    monkeypatch.setattr(wheels, '_import_mxnet', lambda: None)
    monkeypatch.setattr(wheels, '_cuda_pins', lambda: pins)
    monkeypatch.setattr(cuda11, 'FOLDER', tmp_path / 'share' / 'cuda11')
    monkeypatch.setattr(cuda11, 'capabilities', lambda: None)
    return machine


def test_it_installs_what_is_not_there_and_nothing_twice(machine):
    assert wheels.install_mxnet() == (
        'mxnet 1.9.1, because no NVIDIA driver here: installed mxnet==1.9.1, d2l==1.0.3'
    )
    assert len(machine.calls) == 1
    assert wheels.install_mxnet().endswith(': nothing to install')
    assert len(machine.calls) == 1


@pytest.mark.parametrize('damage', ['other version', 'file cut short', 'file missing'])
def test_it_repairs_what_is_not_whole(machine, damage):
    machine.put('d2l', wheels.D2L)
    machine.put('mxnet', '1.9.0' if damage == 'other version' else wheels.MXNET)
    file = machine.folder / 'mxnet' / '__init__.py'
    if damage == 'file cut short':
        file.write_text('')
    if damage == 'file missing':
        file.unlink()
    wheels.install_mxnet()
    assert machine.calls[-1][-1] == 'mxnet==1.9.1'
    assert wheels.is_whole('mxnet', wheels.MXNET)


def test_it_undoes_a_wrong_pair(machine):
    machine.put('d2l', wheels.D2L)
    machine.put('mxnet', wheels.MXNET)
    machine.put('mxnet-cu117', wheels.MXNET)
    wheels.install_mxnet()
    assert machine.calls == [
        ('uninstall', '--yes', 'mxnet', 'mxnet-cu117'),
        ('install', '--no-deps', '--force-reinstall', 'mxnet==1.9.1'),
    ]
    assert not list(machine.folder.glob('mxnet_cu117-*'))


def test_a_gpu_gets_its_wheel_and_libraries_aside(machine, monkeypatch):
    monkeypatch.setattr(cuda11, 'capabilities', lambda: ((7, 5),))
    machine.put('mxnet', wheels.MXNET)
    wheels.install_mxnet()
    assert machine.calls[0] == ('uninstall', '--yes', 'mxnet')
    assert wheels.is_whole('mxnet-cu117', wheels.MXNET)
    assert not list(machine.folder.glob('nvidia*'))
    assert wheels._cuda_installed(cuda11.FOLDER) == wheels._cuda_pins()
    assert wheels.install_mxnet().endswith(': nothing to install')
    assert [path.name for path in cuda11.FOLDER.parent.iterdir()] == ['cuda11']


def test_a_missing_pip_is_a_plain_sentence(monkeypatch, capsys):
    monkeypatch.setattr(wheels.importlib.util, 'find_spec', lambda name: None)
    monkeypatch.setattr(wheels, 'is_whole', lambda name, version: False)
    monkeypatch.setattr(wheels, '_version', lambda name: None)
    with pytest.raises(
        SystemExit, match=r'pip is missing from this Python: run .* first'
    ):
        program.main([])


def test_the_command_runs():
    # a module that only defines `main` would end without a word
    command = [sys.executable, '-m', 'd2l_ext.install', 'no such thing']
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert 'usage: python -m d2l_ext.install' in run.stderr


def test_the_cuda_pins_come_from_the_extra():
    pins = wheels._cuda_pins()
    assert len(pins) == 10
    assert pins['nvidia-cudnn-cu11'] == '8.5.0.96'


def test_libraries_are_loaded_from_the_folder_in_order(tmp_path, monkeypatch):
    loaded = []

    def load(path):
        loaded.append(path)
        if 'nccl' in path:
            raise OSError(path)

    monkeypatch.setattr(ctypes, 'CDLL', load)
    cudnn = tmp_path / 'nvidia' / 'cudnn' / 'lib' / 'libcudnn.so.8'
    cudnn.parent.mkdir(parents=True)
    cudnn.touch()
    assert cuda11.preload(tmp_path) == ['libnccl.so.2']
    assert loaded[0] == 'libcudart.so.11.0'
    assert loaded[-2:] == [str(cudnn), 'libnccl.so.2']


@pytest.fixture
def system(machine, monkeypatch):
    """A function that says which system this is, and which machine."""

    def be(name, architecture):
        monkeypatch.setattr(wheels.platform, 'system', lambda: name)
        monkeypatch.setattr(wheels.platform, 'machine', lambda: architecture)

    return be


@pytest.mark.parametrize(
    ('name', 'architecture', 'megabytes'),
    [('Windows', 'AMD64', 122), ('Darwin', 'arm64', 111)],
)
def test_where_mxnet_has_no_wheel_pytorch_comes(
    machine, system, capsys, monkeypatch, name, architecture, megabytes
):
    system(name, architecture)

    def pip(*arguments):
        assert arguments == ('install', 'torch')
        machine.put('torch', '2.13.0')

    monkeypatch.setattr(wheels, '_pip', pip)
    sentence = wheels.install_framework()
    assert sentence.startswith('torch 2.13.0, because MXNet 1.9.1 has no wheel for')
    assert f'about {megabytes} MB' in capsys.readouterr().out
    monkeypatch.setattr(wheels, '_pip', None)
    assert wheels.install_framework().endswith('2.13.0, which is here, takes its place')


def test_nobody_gets_gigabytes_unasked(machine, system):
    system('Linux', 'riscv64')
    with pytest.raises(RuntimeError, match=r'read recorded runs.*gigabytes of CUDA'):
        wheels.install_framework()
    assert machine.calls == []


def test_pytorch_that_is_here_stands_in_where_mxnet_fails(machine, system, monkeypatch):
    system('Linux', 'x86_64')
    machine.put('torch', '2.9.1')

    def broken():
        raise RuntimeError('MXNet is installed but cannot be imported')

    monkeypatch.setattr(wheels, '_import_mxnet', broken)
    sentence = wheels.install_framework()
    assert 'cannot be imported' in sentence
    assert 'PyTorch 2.9.1, which is here, takes its place' in sentence


def test_the_library_that_arm_lacks_has_a_remedy_of_its_own():
    error = 'libarmpl_lp64_mp.so: cannot open shared object file'
    assert 'puts libarmpl_lp64_mp.so where MXNet looks' in wheels.remedy(error)
