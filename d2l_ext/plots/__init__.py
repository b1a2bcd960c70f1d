"""Pictures of panels: values in, picture out, without pyplot."""

from d2l_ext.panels.panel import Panel
from d2l_ext.panels.runs import history_panels
from d2l_ext.panels.schedules import schedule_panel
from d2l_ext.plots.figure import Picture, figure, images

__all__ = [
    'Panel',
    'Picture',
    'figure',
    'history_panels',
    'images',
    'schedule_panel',
]
