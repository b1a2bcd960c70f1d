"""The page's half of an explorer: the notebook's statements in, numbers to draw out.

The same file runs in CPython, for the first picture of each page and for the tests, and
in the reader's browser. Nothing here knows a formula or a colour.
"""

import contextlib
import itertools
import json

import numpy as np
from absent import Explorer
from d2l_ext.exchange.code import LIBRARIES, code
from d2l_ext.explorers import controls as kinds
from d2l_ext.panels.look import (
    MARK,
    PINNED,
    limits,
    styles,
    tick_label,
    x_ticks,
    y_ticks,
)

NOTHING, TEXT = 'nothing', 'settings as a text'
CODE = {f'code for {library}': library for library in LIBRARIES}
explorers: dict[str, Explorer] = {}


def make(key: str, statements: list[str], expression: str) -> None:
    """Run an explorer's statements, as `slices` has them."""
    scope = {'__name__': '__main__'}
    for statement in statements:
        exec(statement, scope)
    explorers[key] = eval(expression, scope)


def controls(key: str) -> list[dict]:
    """Return what a page needs to build an explorer's controls; every value is a text."""
    return [
        _described(name, control) for name, control in explorers[key].controls.items()
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
    explorer = explorers[key]
    lists = {
        name: [control.value]
        if isinstance(control, (kinds.Slider, kinds.Points))
        else [*getattr(control, 'options', {'': False, ' ': True}).values()]
        for name, control in explorer.controls.items()
    }
    for values in itertools.product(*lists.values()):
        with contextlib.suppress(Exception):  # an error is for whoever gets there
            explorer.function(**dict(zip(lists, values)))


def act(key: str, verb: str = 'show', text: str = '') -> tuple[str, np.ndarray]:
    """Do what a reader did, and return what is to be seen then.

    `verb`: `restore` the settings of a shared text, `reset`, `pin`, `unpin`, `open`
    what the text names, or just `show`. The answer is JSON, and in one float64 array
    every number that lines and bands consist of; the JSON says where which begin.
    """
    explorer, numbers = explorers[key], []
    try:
        if verb == 'open':
            explorer.opened = text
        elif verb == 'restore':
            explorer.restore(text)
        elif verb != 'show':
            getattr(explorer, verb)()
        view = _view(explorer, numbers)
    except Exception as error:
        plain = isinstance(error, ValueError) and str(error)
        view = {'error': plain or f'{type(error).__name__}: {error}'}
    data = np.concatenate(numbers) if numbers else np.empty(0)
    return json.dumps(view, separators=(',', ':')), data


def _view(explorer, numbers):
    panels = explorer.dressed()
    explorer.limits = [
        limits(panel, before)
        for panel, before in zip(
            panels, itertools.chain(explorer.limits, itertools.repeat(None))
        )
    ]
    plan = explorer.plan
    openable = [NOTHING, TEXT, *(CODE if plan else ())]
    if explorer.opened not in openable:
        explorer.opened = NOTHING
    opened = {'name': explorer.opened}
    if explorer.opened == TEXT:
        opened['settings'] = explorer.share()
    elif explorer.opened in CODE:
        opened['code'] = code(plan, CODE[explorer.opened])
    values = {
        name: explorer.controls[name].spell(value)
        for name, value in explorer.values.items()
    }
    return {
        'values': values,
        'share': explorer.share(),
        'sentences': explorer.sentences(),
        'pinned': bool(explorer.pinned),
        'log': explorer.log if any(p.log is None for p in explorer.panels) else None,
        'openable': openable,
        'opened': opened,
        **_picture(panels, explorer.limits, explorer.columns, numbers),
    }


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
                'yticks': [
                    (at, tick_label(at)) for at in y_ticks(*reach.y, reach.log)
                ],
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
