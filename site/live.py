"""The page's half of an explorer: the notebook's statements in, numbers to draw out.

The same file runs in CPython, for the first picture of each page and for the tests, and
in the reader's browser. Nothing here knows a formula or a colour.
"""

import contextlib
import itertools
import json
import math
import sys
import types
from collections.abc import Callable, Mapping
from urllib.parse import quote

import numpy as np

from d2l_ext.exchange.code import LIBRARIES, code
from d2l_ext.explorers import controls as kinds
from d2l_ext.explorers.state import LOG, ExplorerState, explain
from d2l_ext.panels.boundary import boundary_panels
from d2l_ext.panels.look import (
    MARK,
    PINNED,
    Limits,
    limits,
    styles,
    tick_label,
    x_ticks,
    y_ticks,
)
from d2l_ext.schedulers import MultiFactorScheduler

NOTHING, TEXT, STEPS = 'nothing', 'settings as a text', 'its steps, closely'
CODE = {f'code for {library}': library for library in LIBRARIES}


class Explorer:
    """What notebooks call an `Explorer`, without widgets; `train` waits for no one."""

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
        self.state = ExplorerState(function, {**named, **(controls or {})})
        self.columns, self.opened = columns, NOTHING
        self.limits: list[Limits] = []


class _Absent(types.ModuleType):
    """A framework that no browser has: nobody calls what is taken from it."""

    __path__: list[str] = []  # noqa: RUF012  Python's own name for a package

    def __getattr__(self, name: str) -> None:
        if name.startswith('__'):
            raise AttributeError(name)


explorers: dict[str, Explorer] = {}
for _name in 'mxnet', 'd2l_ext.mxnet', 'd2l_ext.plots':
    sys.modules[_name] = _Absent(_name)
sys.modules['torch'] = None  # type: ignore[assignment]  # answers are recorded
_widgets = types.ModuleType('d2l_ext.explorers.explorer')
_widgets.__dict__.update(Explorer=Explorer)
sys.modules[_widgets.__name__] = _widgets


def make(key: str, statements: list[str], expression: str) -> None:
    """Run an explorer's statements, as `slices` has them."""
    scope = {'__name__': '__main__'}
    for statement in statements:
        exec(statement, scope)  # noqa: S102  the notebook's own
    explorers[key] = eval(expression, scope)


def controls(key: str) -> list[dict]:
    """Return what a page needs to build an explorer's controls; every value is a text."""
    return [
        _described(name, control)
        for name, control in explorers[key].state.controls.items()
    ]


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
    what the text names, or just `show`. The answer is JSON, and in one float64 array
    every number that lines and bands consist of; the JSON says where which begin.
    """
    explorer = explorers[key]
    state = explorer.state
    numbers: list[np.ndarray] = []
    try:
        if verb == 'open':
            explorer.opened = text
        elif verb == 'restore':
            _restore(state, text)
        elif verb != 'show':
            getattr(state, verb)()
        if verb == 'reset':
            explorer.limits = []
        view = _view(explorer, numbers)
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
    steps = []
    if plan and isinstance(plan.scheduler, MultiFactorScheduler):
        steps = [math.ceil(at) for at in plan.scheduler.step[:3]]
    openable = [NOTHING, TEXT, *(CODE if plan else ()), *([STEPS] if steps else ())]
    name = explorer.opened if explorer.opened in openable else NOTHING
    opened = {'name': name}
    if name == TEXT:
        opened['settings'] = explorer.state.share()
    elif name in CODE:
        try:
            opened['code'] = code(plan, CODE[name])
        except ValueError as error:
            opened['code'] = f'# {error}'
    elif name == STEPS:
        pairs = [boundary_panels(plan.scheduler, at) for at in steps]
        panels = [panel for pair in pairs for panel in pair]
        bounds = [limits(panel) for panel in panels]
        opened |= _picture(panels, bounds, 2, numbers)
        opened['sentences'] = [panel.note for panel in panels]
    return {'openable': openable, 'opened': opened}


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
        'greys': {'pinned': PINNED, 'mark': MARK},
        'columns': columns,
    }
