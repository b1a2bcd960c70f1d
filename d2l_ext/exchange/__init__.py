"""A schedule as code for other libraries, and their objects and configs as schedules."""

from d2l_ext.exchange.code import LIBRARIES, code
from d2l_ext.exchange.read import schedule

__all__ = [
    'LIBRARIES',
    'code',
    'schedule',
]
