"""What notebooks show: our source, and recorded answers of a framework."""

import contextlib
import functools
import importlib
import inspect
import json
import os
import pathlib
import textwrap
from collections.abc import Callable
from typing import Any

from d2l_ext.experiments.replay import Net
from d2l_ext.experiments.store import ANSWERS
from d2l_ext.notebook.choice import CHOICE, ready
from d2l_ext.training._files import write_whole


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
                self.code = textwrap.dedent(inspect.getsource(thing)).rstrip()
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
    Answers are read from the file `path` and saved there. MXNet's arrays become NumPy's.

    Raises OSError where the framework is missing and has no recorded answers;
    ValueError when a function that is called answers what JSON has not.
    """

    def __init__(self, framework: str, path: pathlib.Path | None = None):
        self.framework = framework
        self.path = path or ANSWERS / f'{framework}.json'
        self.module: Any = None
        if os.environ.get(CHOICE, '') in ('', 'mxnet', framework):
            with contextlib.suppress(ImportError, OSError):
                if framework == 'mxnet':
                    ready(framework)  # it cannot be imported without help
                self.module = importlib.import_module(framework)
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
