"""Which framework trains in a notebook: the book's, its stand-in, or none."""

import importlib
import importlib.util
import os
import sys
from types import ModuleType

CHOICE = 'D2L_EXT_BACKEND'  # an environment variable; the names, and their modules:
BACKENDS = {
    'mxnet': 'd2l_ext.mxnet',
    'torch': 'd2l_ext.torch',
    'none': 'd2l_ext.experiments.replay',
}
TITLES = {'mxnet': 'MXNet', 'torch': 'PyTorch'}


def backend(wanted: str | None = None) -> ModuleType:
    """Return what a notebook trains with, ready for use, and print which that is.

    MXNet, the book's framework, comes first: `d2l_ext.mxnet`. Where it is not here, or
    cannot drive a GPU that PyTorch can, it is `d2l_ext.torch`; and where that is
    missing too, `d2l_ext.experiments.replay`, which reads recorded runs. `wanted`, or
    else the environment variable D2L_EXT_BACKEND, names one: 'mxnet', 'torch' or
    'none'. MXNet's arrays become NumPy's, as by `npx.set_np()`.

    Raises ValueError for another name, ImportError, with the remedy, where the one
    that was asked for is missing.

    >>> backend('none').__name__
    Runs and answers are the recorded ones, since 'none' was asked for.
    'd2l_ext.experiments.replay'
    """
    wanted = wanted or os.environ.get(CHOICE, '')
    if wanted and wanted not in BACKENDS:
        raise ValueError(
            f'{CHOICE} must be {", ".join(BACKENDS)} or empty, got {wanted!r}'
        )
    name, why = (wanted, f'since {wanted!r} was asked for') if wanted else _choose()
    module = ready(name)
    if name == 'none':
        print(f'Runs and answers are the recorded ones, {why}.')
        return module
    print(f'{TITLES[name]} {sys.modules[name].__version__} trains here, {why}.')
    return module


def ready(name: str) -> ModuleType:
    """Return the module of a backend, imported; MXNet's arrays become NumPy's.

    Raises ImportError, with the remedy, where its framework is missing.
    """
    module = importlib.import_module(BACKENDS[name])
    if name == 'mxnet':
        module.npx.set_np()
    return module


def _choose():
    """Return the name of the first backend that can be used, and why it is that one."""
    from d2l_ext.install import cuda11, wheels  # a web page has no use for them

    gpus = cuda11.capabilities() or ()
    if gpus and not cuda11.fits(gpus[0]) and not _fault('torch'):
        return 'torch', f'since {wheels.choose(gpus)[1]}'
    why = _fault('mxnet')
    if not why:
        return 'mxnet', "the book's framework"
    if wheels.unserved():
        why = f'MXNet has no wheel for {wheels.unserved()}'
    other = _fault('torch')
    if not other:
        return 'torch', f'since {why}'
    return 'none', f'since {why} and {other} (`pip install torch` brings it)'


def _fault(name):
    """Return why a framework cannot be used, in words; '' if it can."""
    try:
        if importlib.util.find_spec(name):
            importlib.import_module(BACKENDS[name])
            return ''
    except ModuleNotFoundError:
        pass
    except (ImportError, OSError) as error:
        return f'{error}'
    return f'{TITLES[name]} is not installed'
