"""What notebooks read: the book's printed results, our source, recorded answers."""

import functools
import importlib.metadata
import importlib.util
import inspect
import json

from d2l_ext.experiments.store import ANSWERS
from d2l_ext.training._files import write_whole


class Source:
    """The source of a class or function of the package, as a notebook shows it."""

    def __init__(self, thing):
        self.code = inspect.getsource(thing).rstrip()

    def __repr__(self):
        return self.code

    def _repr_markdown_(self):
        return f'```python\n{self.code}\n```'


class Recorded:
    """Answers of a framework that not every reader has: asked, or else looked up.

    Decorates functions that ask it. Where `framework` is installed they run, once for
    the same arguments; elsewhere they return what was recorded of the same call, None
    if that is nothing. Answers are what JSON has; a function among the arguments goes
    by its name. `module` is the framework, or None; `version` the one that answered.
    """

    def __init__(self, framework, path=None):
        self.framework = framework
        self.path = path or ANSWERS / f'{framework}.json'
        self.module = None
        if importlib.util.find_spec(framework):
            self.module = importlib.import_module(framework)
            self.version, self.answers = importlib.metadata.version(framework), {}
        else:
            self.version, self.answers = json.loads(self.path.read_text('utf-8'))

    def __repr__(self):
        how = 'asked' if self.module else 'as recorded'
        return f'{self.framework} {self.version}, {how}'

    def __call__(self, function):
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

    def save(self):
        """Record all answers so far, and who gave them."""
        lines = [
            f'{json.dumps(call)}: {json.dumps(answer)}'
            for call, answer in self.answers.items()
        ]
        text = ',\n'.join(lines)
        write_whole(self.path, f'[{json.dumps(self.version)}, {{\n{text}\n}}]\n')


def _spelt(value):
    return getattr(value, '__name__', repr(value))
