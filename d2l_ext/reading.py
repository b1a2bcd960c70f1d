"""What notebooks read: the book's printed results, our source, recorded answers."""

import functools
import importlib.metadata
import importlib.util
import inspect
import json

from d2l_ext.recordings import RUNS
from d2l_ext.training import write_whole

# After 40 epochs, one unseeded run each: train loss, train acc, test acc
BOOK_RESULTS = {
    'constant': (0.197, 0.923, 0.823),
    'square root': (0.282, 0.898, 0.887),
    'multi-factor': (0.151, 0.943, 0.896),
    'cosine': (0.353, 0.873, 0.867),
    'cosine with warmup': (0.359, 0.869, 0.868),
}


def book_results():
    """Return the results that the book prints (section 11.11), as a table."""
    head = f'{"printed in the book":20} train loss  train acc  test acc'
    rows = [
        f'{name:20} {loss:10.3f} {train_acc:10.3f} {test_acc:9.3f}'
        for name, (loss, train_acc, test_acc) in BOOK_RESULTS.items()
    ]
    return '\n'.join([head, *rows])


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
        self.path = path or RUNS / f'{framework}.json'
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
