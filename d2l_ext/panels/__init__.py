"""What a picture shows, as values that can be called, read and tested."""

from d2l_ext.panels.boundary import boundary_panels
from d2l_ext.panels.panel import Panel
from d2l_ext.panels.runs import (
    applied_panel,
    band_panels,
    history_panels,
    range_panel,
    recorded_panels,
)
from d2l_ext.panels.schedules import name_of, rates_panel, schedule_panel
from d2l_ext.plan import Plan

__all__ = [
    'Panel',
    'Plan',
    'applied_panel',
    'band_panels',
    'boundary_panels',
    'history_panels',
    'name_of',
    'range_panel',
    'rates_panel',
    'recorded_panels',
    'schedule_panel',
]
