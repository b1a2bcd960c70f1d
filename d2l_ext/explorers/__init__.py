"""Sliders: around functions that return panels, recorded runs, a run under way.

What shows widgets is loaded when it is asked for: `explorers.state` and
`explorers.controls` need neither ipywidgets nor Matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from d2l_ext.explorers.controls import Choice, Log, Points, Slider, Snap, Switch

if TYPE_CHECKING:
    from d2l_ext.explorers.atlas import Atlas
    from d2l_ext.explorers.explorer import Explorer
    from d2l_ext.explorers.hand import HandSetRate

__all__ = [
    'Atlas',
    'Choice',
    'Explorer',
    'HandSetRate',
    'Log',
    'Points',
    'Slider',
    'Snap',
    'Switch',
]
_WIDGETS = {'Atlas': 'atlas', 'Explorer': 'explorer', 'HandSetRate': 'hand'}


def __getattr__(name: str) -> Any:
    if name not in _WIDGETS:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    module = import_module(f'{__name__}.{_WIDGETS[name]}')
    globals()[name] = getattr(module, name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
