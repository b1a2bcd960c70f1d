"""The page's half of an explorer: the notebook's statements in, numbers to draw out.

The same file runs in CPython, for the first picture of each page and for the tests, and
in the reader's browser. Nothing here knows a formula or a colour.
"""

import contextlib
import io
import itertools
import json
import math
import os
import sys
import types
from collections.abc import Callable, Mapping
from urllib.parse import quote

import numpy as np

from d2l_ext.data import SIZES
from d2l_ext.explorers import controls as kinds
from d2l_ext.explorers.beside import (
    BY_HAND,
    CODE,
    NOTHING,
    STEPS,
    TEXT,
    by_hand_panels,
    coded,
    openable,
    recipe_of,
    step_panels,
    with_run,
)
from d2l_ext.explorers.state import LOG, ExplorerState, explain, in_words
from d2l_ext.panels.look import (
    MARK,
    PINS,
    Limits,
    limits,
    styles,
    tick_label,
    x_ticks,
    y_ticks,
)
from d2l_ext.panels.panel import Panel
from d2l_ext.plan import Plan
from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training.history import History
from d2l_ext.training.learner import xavier
from d2l_ext.training.recipe import Recipe


class Explorer:
    """What notebooks call an `Explorer`, without widgets; `train` is the page's."""

    def __init__(
        self,
        function: Callable,
        /,
        *,
        columns: int | None = None,
        train: object = None,
        controls: Mapping[str, kinds.Control] | None = None,
        **named: kinds.Control,
    ) -> None:
        self.training = Training() if train else None
        self.state = ExplorerState(
            function,
            {**named, **(controls or {})},
            self.training and self.training.extend,
        )
        self.columns, self.opened = columns, NOTHING
        self.limits: list[Limits] = []


class HandSetRate(Explorer):
    """What notebooks call so, without widgets; the page trains, not `steps`."""

    def __init__(
        self, steps: Callable, lr: float = 0.5, history: History | None = None
    ) -> None:
        rate = kinds.Log(lr, *BY_HAND, label='learning rate')
        super().__init__(self.panels, lr=rate)
        self.training = Training(history, 'Press Start to train.')
        self.recorded = history

    def panels(self, lr: float) -> list[Panel]:
        """Return the panels of the run so far, with a mark at the slider's rate."""
        assert self.training
        history, message = self.training.history, self.training.message
        beside = None if history is self.recorded else self.recorded
        return by_hand_panels(history, lr, message, beside)


class Training:
    """A run of the page's LeNet: what it begins with, and what it has told.

    Without a schedule the reader sets the rate.
    """

    # of the weights, in the order in which the package's loop draws them
    SHAPES = (6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)

    def __init__(self, history: History | None = None, message: str = '') -> None:
        self.history, self.message = history or History(), message
        self.settings = ''

    def begin(
        self, plan: Plan | None, seed: int, settings: str = ''
    ) -> dict[str, np.ndarray]:
        """Begin a run; return its first weights, the orders of its examples, its rates.

        Raises ValueError for a plan that cannot be trained.
        """
        recipe = recipe_of(plan) if plan else Recipe(ConstantScheduler(1))
        self.settings, self.message = settings, 'Training.'
        self.history = History(
            recipe.values(seed) | {'batches_per_epoch': recipe.batches_per_epoch}
        )
        begin = drawn(seed, recipe.num_epochs)
        if plan:
            rates = recipe.plan.rates()
            again = 1 if plan.per == 'update' else recipe.batches_per_epoch
            begin['rates'] = np.repeat(rates, again)
        return begin

    def told(self, news: dict) -> None:
        """Note rates applied, an epoch that is over, or a message."""
        self.message = news.get('message', self.message)
        self.history.lr += news.get('lr', ())
        if epoch := news.get('epoch'):
            values = (epoch[name] for name in ('loss', 'hits', 'accuracy', 'seconds'))
            # a loss without end is null in JSON
            self.history.epoch_done(*(math.nan if v is None else v for v in values))
            if self.history.status != 'running':
                self.message = 'Done.'

    def extend(
        self, panels: list[Panel], plan: Plan | None
    ) -> tuple[list[Panel], list[str]]:
        """Return the panels with the curves of the run, and what is to be said of it."""
        sentence = f'{self.message} With {self.settings}: {self.history}.'
        said = [sentence] if self.settings else []
        return with_run(panels, plan, self.history), said


def drawn(seed: int, num_epochs: int) -> dict[str, np.ndarray]:
    """Return what the package's loop draws from `seed`: weights, and orders of examples."""
    rng = np.random.default_rng(seed)
    rng.integers(2**31)  # the net's, which draws nothing
    weights = [xavier(shape, rng).ravel() for shape in Training.SHAPES]
    orders = [rng.permutation(SIZES['mini'][0]) for _ in range(num_epochs)]
    return {'weights': np.concatenate(weights), 'orders': np.concatenate(orders)}


class _Absent(types.ModuleType):
    """What draws for notebooks, and no page has; what is taken from it is not called."""

    __path__: list[str] = []  # noqa: RUF012  Python's own name for a package

    def __getattr__(self, name: str) -> Callable:
        if name.startswith('__'):
            raise AttributeError(name)
        return _absent


def _absent(*_: object, **__: object) -> None:
    raise ValueError('a page draws by itself')


explorers: dict[str, Explorer] = {}
os.environ['D2L_EXT_BACKEND'] = 'none'  # runs and answers are the recorded ones
sys.modules['d2l_ext.plots'] = _Absent('d2l_ext.plots')
sys.modules['torch'] = None  # type: ignore[assignment]  # answers are recorded
for _name, _class in ('explorer', Explorer), ('hand', HandSetRate):
    _widgets = types.ModuleType(f'd2l_ext.explorers.{_name}')
    setattr(_widgets, _class.__name__, _class)
    sys.modules[_widgets.__name__] = _widgets


def make(key: str, statements: list[str], expression: str) -> None:
    """Run an explorer's statements, as `slices` has them."""
    scope = {'__name__': '__main__'}
    with contextlib.redirect_stdout(io.StringIO()):  # a notebook has shown it already
        for statement in statements:
            exec(statement, scope)  # noqa: S102  the notebook's own
        explorers[key] = eval(expression, scope)


def controls(key: str) -> list[dict]:
    """Return what a page needs to build an explorer's controls; every value is a text."""
    return [
        _described(name, control)
        for name, control in explorers[key].state.controls.items()
    ]


def trained(key: str) -> str:
    """Return who sets the rate of an explorer's run, '' where it has none."""
    explorer = explorers[key]
    if isinstance(explorer, HandSetRate):
        return 'reader'
    return 'schedule' if explorer.training else ''


def _described(name, control):
    texts = ['off', 'on'] if isinstance(control, kinds.Switch) else None
    if isinstance(control, (kinds.Slider, kinds.Snap)):
        places = range(control.positions + 1)
        texts = [control.spell(control.at(place)) for place in places]
    elif isinstance(control, kinds.Choice):
        texts = [*control.options]
    described = {
        'name': name,
        'label': control.label or name.replace('_', ' '),
        'kind': type(control).__name__.lower(),
        'text': control.spell(control.value),
        'texts': texts,
        'at': control.position(control.value) if hasattr(control, 'position') else None,
    }
    if isinstance(control, kinds.Points):
        described['t'] = _described('t', control.t)['texts']
        described['lr'] = _described('lr', control.lr)['texts']
        described['most'] = control.most
    return described


def rehearse(key: str) -> None:
    """Read every recording that an explorer's lists can ask for, and drop it.

    Whoever watches what is read then knows what a page needs. Sliders of whole ranges
    stay where they are: what they move is computed.
    """
    state = explorers[key].state
    lists = {
        name: [control.value]
        if isinstance(control, (kinds.Slider, kinds.Points))
        else [*getattr(control, 'options', {'': False, ' ': True}).values()]
        for name, control in state.controls.items()
    }
    for values in itertools.product(*lists.values()):
        with contextlib.suppress(Exception):  # an error is for whoever gets there
            state.function(**dict(zip(lists, values)))


def act(key: str, verb: str = 'show', text: str = '') -> tuple[str, np.ndarray]:
    """Do what a reader did, and return what is to be seen then.

    `verb`: `restore` the settings of a shared text, `reset`, `pin`, `unpin`, `open`
    what the text names, `train` from the seed in the text, note what a run `told`, or
    just `show`. The answer is JSON, and in one float64 array
    every number that lines and bands consist of; the JSON says where which begin.
    """
    explorer = explorers[key]
    state = explorer.state
    numbers: list[np.ndarray] = []
    begun: dict[str, np.ndarray] = {}
    try:
        if verb == 'open':
            explorer.opened = text
        elif verb == 'restore':
            _restore(state, text)
        elif verb in ('train', 'told'):
            begun = _trained(explorer, verb, text)
        elif verb != 'show':
            getattr(state, verb)()
        if verb == 'reset':
            explorer.limits = []
        view = _view(explorer, numbers)
        for name, array in begun.items():
            begin = sum(map(len, numbers))
            numbers.append(array)
            view.setdefault('begin', {})[name] = begin, begin + len(array)
    except Exception as error:  # noqa: BLE001  a reader gets a sentence
        view = {'error': explain(error)}
    data = np.concatenate(numbers) if numbers else np.empty(0)
    return json.dumps(view, separators=(',', ':')), data


def _restore(state, text):
    """Restore settings; the state keeps what it showed at others, as for a slider."""
    values = kinds.restored({**state.controls, LOG: kinds.Switch()}, text)
    if values.pop(LOG, False) != state.log_y:
        state.restore(text)
    for name, value in values.items():
        if value != state.values[name]:
            state.move(name, value)


def _trained(explorer, verb, text):
    if not explorer.training:
        raise ValueError('this explorer has nothing to train')
    explorer.state.cache.clear()
    if verb == 'told':
        explorer.training.told(json.loads(text))
        return {}
    if not text.isdigit():
        raise ValueError(f'seed must be a whole number, at least 0, got {text!r}')
    if isinstance(explorer, HandSetRate):
        return explorer.training.begin(None, int(text))
    state = explorer.state
    plan = state.display and state.display.plan
    return explorer.training.begin(
        recipe_of(plan).plan, int(text), in_words(state.values)
    )


def table(key: str, most: int = 64) -> dict[str, list]:
    """Return what is seen at every setting: {texts of the values: [view, numbers]}.

    For pages to show before Python is there; empty where there are more than `most`
    settings. Numbers have the six digits that a picture can show.
    """
    names, texts = zip(*((c['name'], c['texts'] or ()) for c in controls(key)))
    seen: dict[str, list] = {}
    if math.prod(map(len, texts)) > most:
        return seen
    for _ in range(2):  # axes only grow: the second time they are all that is needed
        for values in itertools.product(*texts):
            shared = '&'.join(f'{n}={quote(v)}' for n, v in zip(names, values))
            view, numbers = act(key, 'restore', shared)
            rounded = [float(f'{number:.6g}') for number in numbers]
            seen['|'.join(values)] = [json.loads(view), rounded]
    act(key, 'reset')
    return seen


def _view(explorer, numbers):
    state = explorer.state
    display = state.display = state.evaluate()
    before = itertools.chain(explorer.limits, itertools.repeat(None))
    explorer.limits = [*map(limits, display.shown, before)]
    notes = ' '.join(dict.fromkeys(p.note for p in display.panels if p.note))
    return {
        'values': {
            name: state.controls[name].spell(value)
            for name, value in state.values.items()
        },
        'share': state.share(),
        'sentences': [line for line in (notes, *display.sentences) if line],
        'pinned': state.pinned,
        'log': state.log_y if any(p.log is None for p in display.panels) else None,
        **_opened(explorer, display.plan, numbers),
        **_picture(display.shown, explorer.limits, explorer.columns, numbers),
    }


def _opened(explorer, plan, numbers):
    """Return what can be opened below the picture, and what is open there."""
    options = openable(plan)
    name = explorer.opened if explorer.opened in options else NOTHING
    opened = {'name': name}
    if name == TEXT:
        opened['settings'] = explorer.state.share()
    elif name in CODE:
        opened['code'] = coded(plan, CODE[name])
    elif name == STEPS:
        panels = step_panels(plan)
        bounds = [limits(panel) for panel in panels]
        opened |= _picture(panels, bounds, 2, numbers)
        opened['sentences'] = [panel.note for panel in panels]
    return {'openable': options, 'opened': opened}


def _picture(panels, bounds, columns, numbers):
    begin = sum(map(len, numbers))

    def put(shown):
        nonlocal begin
        places = []
        for label, arrays in shown.items():
            place = [label]
            for array in arrays:
                numbers.append(array)
                place.append((begin, begin + len(array)))
                begin += len(array)
            places.append(place)
        return places

    return {
        'panels': [
            {
                'title': panel.title,
                'xlabel': panel.xlabel,
                'ylabel': panel.ylabel,
                'xlim': reach.x,
                'ylim': reach.y,
                'log': reach.log,
                'xticks': [(at, tick_label(at)) for at in x_ticks(*reach.x)],
                'yticks': [(at, tick_label(at)) for at in y_ticks(*reach.y, reach.log)],
                'lines': put(panel.lines),
                'bands': put(panel.bands),
                'pinned': put(panel.pinned),
                'verticals': [(text, float(x)) for text, x in panel.verticals.items()],
                'horizontals': [
                    (text, float(y)) for text, y in panel.horizontals.items()
                ],
            }
            for panel, reach in zip(panels, bounds, strict=True)
        ],
        'looks': styles(panels),
        'greys': {'pins': PINS, 'mark': MARK},
        'columns': columns,
    }
