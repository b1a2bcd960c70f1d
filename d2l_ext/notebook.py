"""What notebooks use: the framework that is here, our source, recorded answers."""

import contextlib
import functools
import importlib
import importlib.util
import inspect
import json
import os
import pathlib
import platform
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from d2l_ext.experiments.replay import Net
from d2l_ext.experiments.store import ANSWERS
from d2l_ext.training._files import write_whole

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
    module = importlib.import_module(BACKENDS[name])
    if name == 'none':
        print(f'Runs and answers are the recorded ones, {why}.')
        return module
    if name == 'mxnet':
        module.npx.set_np()
    print(f'{TITLES[name]} {sys.modules[name].__version__} trains here, {why}.')
    return module


def _choose():
    """Return the name of the first backend that can be used, and why it is that one."""
    from d2l_ext.install import cuda11, wheels  # a web page has no use for them

    gpus = cuda11.capabilities() or ()
    if gpus and not cuda11.fits(gpus[0]) and _is_here('torch'):
        return 'torch', f'since {wheels.choose(gpus)[1]}'
    if _is_here('mxnet'):
        return 'mxnet', "the book's framework"
    why = 'MXNet is not installed'
    system, machine = platform.system(), platform.machine()
    if (system, machine) not in wheels.SYSTEMS:
        why = f'MXNet has no wheel for {system} on {machine}'
    if _is_here('torch'):
        return 'torch', f'since {why}'
    return 'none', f'since {why} and PyTorch is not here: `pip install torch` brings it'


def _is_here(name):
    """Tell whether a framework can be imported."""
    try:
        if importlib.util.find_spec(name) is None:
            return False
        importlib.import_module(BACKENDS[name])
    except ImportError as error:
        print(f'{TITLES[name]} is installed, but: {error}')
        return False
    return True


def _imported(framework):
    if framework == 'mxnet':
        from d2l_ext.install import finder  # a web page has no use for it

        finder.install()
    return importlib.import_module(framework)


class Source:
    """The source of a class or function of the package, as a notebook shows it.

    Raises ValueError for what is neither, and for what was written in no file.

    >>> from d2l_ext.experiments.book import book_results
    >>> print(f'{Source(book_results)}'.partition(' ->')[0])
    def book_results()
    """

    def __init__(self, thing: type | Callable | Net):
        try:
            if isinstance(thing, Net):
                self.code = thing.code
            else:
                self.code = inspect.getsource(thing).rstrip()
        except (OSError, TypeError) as error:
            raise ValueError(
                f'thing must be a class or function that stands in a file, got {thing!r}'
            ) from error

    def __repr__(self) -> str:
        return self.code

    def _repr_markdown_(self) -> str:
        return f'```python\n{self.code}\n```'


class Recorded:
    """Answers of a framework that not every reader has: asked, or else looked up.

    Decorates functions that ask it. Where `framework` is installed they run, once for
    the same arguments; elsewhere, or where D2L_EXT_BACKEND chooses another one, they
    return what was recorded of the same call, None if that is nothing. Answers are what JSON has; a function among the arguments goes
    by its name. `module` is the framework, or None; `version` the one that answered.
    Answers are read from the file `path` and saved there.

    Raises OSError where the framework is missing and has no recorded answers;
    ValueError when a function that is called answers what JSON has not.
    """

    def __init__(self, framework: str, path: pathlib.Path | None = None):
        self.framework = framework
        self.path = path or ANSWERS / f'{framework}.json'
        self.module: Any = None
        if os.environ.get(CHOICE, '') in ('', 'mxnet', framework):
            with contextlib.suppress(ImportError, OSError):
                self.module = _imported(framework)
        if self.module:
            self.version, self.answers = self.module.__version__, {}
        else:
            self.version, self.answers = json.loads(self.path.read_text('utf-8'))

    def __repr__(self) -> str:
        how = 'asked' if self.module else 'as recorded'
        return f'{self.framework} {self.version}, {how}'

    def __call__(self, function: Callable) -> Callable:
        """Return `function`, with recorded answers where it cannot be run."""

        @functools.wraps(function)
        def answer(*args, **kwargs):
            spelt = [*map(_spelt, args)]
            spelt += [f'{name}={_spelt(value)}' for name, value in kwargs.items()]
            call = f'{function.__name__}({", ".join(spelt)})'
            if self.module and call not in self.answers:
                value = function(*args, **kwargs)
                self.answers[call] = json.loads(json.dumps(value, allow_nan=False))
            return self.answers.get(call)

        return answer

    def save(self) -> None:
        """Record all answers so far, and who gave them."""
        lines = [
            f'{json.dumps(call)}: {json.dumps(answer)}'
            for call, answer in self.answers.items()
        ]
        text = ',\n'.join(lines)
        write_whole(self.path, f'[{json.dumps(self.version)}, {{\n{text}\n}}]\n')


def _spelt(value):
    return getattr(value, '__name__', repr(value))
