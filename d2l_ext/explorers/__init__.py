"""Sliders: around functions that return panels, recorded runs, a run under way."""

from d2l_ext.explorers.controls import Choice, Log, Points, Slider, Snap, Switch
from d2l_ext.explorers.explorer import Explorer

__all__ = [
    'Choice',
    'Explorer',
    'Log',
    'Points',
    'Slider',
    'Snap',
    'Switch',
]
