"""A schedule as code for other libraries."""

from d2l_ext.exchange.code import LIBRARIES, code

__all__ = [
    'LIBRARIES',
    'code',
]
