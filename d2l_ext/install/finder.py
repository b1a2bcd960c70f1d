"""Lets the unmodified mxnet 1.9.1 (2022) run on a present Python and NumPy.

MXNet reads two dozen names that NumPy has since removed, and `distutils.version`,
which left Python 3.12. Nothing is put back into `numpy` or `sys.modules`, where other
packages would see it. Instead a finder has the modules of mxnet, and only those, run
with an `__import__` of their own, which hands them a copy of NumPy's namespace with
the old names and a small stand-in for `distutils.version`.

A child process that is started afresh (spawn, forkserver) has no finder until it
calls `install` itself. The workers of Gluon's `DataLoader` are told to, before they
hear of mxnet; else each would die of it, and be started again without end.
"""

import builtins
import multiprocessing
import pickle
import re
import sys
import types
from importlib.machinery import PathFinder, SourceFileLoader

import numpy

from d2l_ext.install import cuda11

# The modules that write operator arguments as text, which MXNet's C++ side parses
_WRITERS = ('mxnet._ctypes.ndarray', 'mxnet._ctypes.symbol', 'mxnet.symbol.symbol')


def needed() -> bool:
    """Tell whether this Python (3.12 or newer) or NumPy (1.24 or newer) calls for it.

    >>> needed() or sys.version_info < (3, 12)
    True
    """
    release = tuple(int(part) for part in numpy.__version__.split('.')[:2])
    return sys.version_info >= (3, 12) or release >= (1, 24)


def install() -> None:
    """Make `import mxnet` work from now on; safe to call at any time, any number of times.

    Does nothing once mxnet is imported. What an earlier, failed `import mxnet` has
    left behind is removed. CUDA 11 libraries that the installer has put aside are
    loaded, since libmxnet.so asks for them by name.

    >>> install()
    >>> install()
    """
    if 'mxnet' in sys.modules:
        return
    cuda11.preload()
    if not needed():
        return
    for name in [name for name in sys.modules if name.startswith('mxnet.')]:
        del sys.modules[name]
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds mxnet and its submodules as usual, and has `_Loader` run them."""

    def __init__(self):
        numpy_of_2022 = types.ModuleType('numpy')
        numpy_of_2022.__dict__.update(vars(numpy), **_old_names())
        version = types.SimpleNamespace(LooseVersion=_Version, StrictVersion=_Version)
        real_import = builtins.__import__

        def import_(name, globals=None, locals=None, fromlist=(), level=0):
            if level == 0 and name == 'distutils.version' and fromlist:
                return version
            module = real_import(name, globals, locals, fromlist, level)
            if module is multiprocessing:
                return _MULTIPROCESSING
            return numpy_of_2022 if module is numpy else module

        self.builtins = {**vars(builtins), '__import__': import_}

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition('.')[0] != 'mxnet':
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path, self.builtins)
        return spec


class _Loader(SourceFileLoader):
    """Runs a module with the builtins given here in place of the usual ones."""

    def __init__(self, fullname, path, builtins):
        super().__init__(fullname, path)
        self.builtins = builtins

    def exec_module(self, module):
        module.__dict__['__builtins__'] = self.builtins
        if module.__name__ in _WRITERS:
            module.str = _Str
        super().exec_module(module)


class _Multiprocessing(types.ModuleType):
    """`multiprocessing`, whose pools of workers install the finder before all else."""

    def __getattr__(self, name):
        return getattr(multiprocessing, name)

    def Pool(self, processes=None, initializer=None, initargs=(), *more):
        if multiprocessing.get_start_method() == 'fork':
            return multiprocessing.Pool(processes, initializer, initargs, *more)
        later = (_Later(initializer, initargs),)
        return multiprocessing.Pool(processes, begin_worker, later, *more)


_MULTIPROCESSING = _Multiprocessing('multiprocessing')


class _Later:
    """A call that is pickled by itself, so that a worker can put off reading it."""

    def __init__(self, function, arguments):
        self.call = function, arguments

    def __reduce__(self):
        # plainly: MXNet's shared memory cannot be mapped by a process begun afresh
        return _Pickled, (pickle.dumps(self.call),)


class _Pickled:
    def __init__(self, call):
        self.call = call


def begin_worker(later: _Pickled) -> None:
    """Install the finder in a new process, and only then make the call put off."""
    install()
    from mxnet.util import np_shape  # by now it can be imported

    with np_shape(True):  # an array of mx.np cannot be read without
        function, arguments = pickle.loads(later.call)
    function(*arguments)


def _old_names():
    """Return what mxnet reads from NumPy and NumPy has dropped, or means otherwise."""
    names = {
        # read while mxnet is imported
        'NAN': numpy.nan,
        'NINF': -numpy.inf,
        'NZERO': -0.0,
        'NaN': numpy.nan,
        'Inf': numpy.inf,
        'PINF': numpy.inf,
        'PZERO': 0.0,
        'alltrue': numpy.all,
        'bool': bool,
        'in1d': _in1d,
        'msort': _msort,
        'product': numpy.prod,
        'round_': numpy.round,
        'sometrue': numpy.any,
        'trapz': numpy.trapezoid if hasattr(numpy, 'trapezoid') else numpy.trapz,
        # re-exported by mx.np, and gone even from the NumPy of 2022
        **{name: _gone(name) for name in ('mirr', 'npv', 'pmt', 'ppmt', 'pv', 'rate')},
        # read only when called, in mx.np.pad and mxnet.test_utils
        'compat': types.SimpleNamespace(basestring=str),
        'int': int,
    }
    if hasattr(numpy.lib, 'array_utils'):  # NumPy 2, whose own `core` warns
        # read only when called, in mx.nd.moveaxis
        names['core'] = types.SimpleNamespace(numeric=numpy.lib.array_utils)
    return names


def _in1d(ar1, ar2, *args, **kwargs):
    return numpy.isin(numpy.ravel(ar1), ar2, *args, **kwargs)


def _msort(a):
    return numpy.sort(a, axis=0)


def _gone(name):
    def function(*args, **kwargs):
        raise RuntimeError(
            f'numpy.{name} left NumPy in 1.20: use the package numpy-financial'
        )

    return function


class _Version(tuple):
    """As much of distutils' versions as `a >= b` needs.

    >>> _Version('1.10.1') > _Version('1.9')
    True
    """

    __slots__ = ()

    def __new__(cls, text):
        return super().__new__(cls, map(int, re.findall(r'\d+', text)[:3]))


class _StrType(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, str)


class _Str(str, metaclass=_StrType):
    """`str` that writes NumPy scalars in a tuple as NumPy 1 did.

    >>> _Str((numpy.int64(9), 2)), _Str([numpy.bool_(True), (numpy.float32(0.5),)])
    ('(9, 2)', '[True, (0.5,)]')
    """

    __slots__ = ()

    def __new__(cls, value=''):
        return str(_bare(value) if type(value) in (tuple, list) else value)


class _Bare:
    """A NumPy scalar whose repr is `9` and not `np.int64(9)`."""

    def __init__(self, scalar):
        self.scalar = scalar

    def __repr__(self):
        return str(self.scalar)


def _bare(item):
    if type(item) in (tuple, list):
        return type(item)(map(_bare, item))
    return _Bare(item) if isinstance(item, (numpy.number, numpy.bool_)) else item
