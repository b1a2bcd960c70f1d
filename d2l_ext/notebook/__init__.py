"""What notebooks use: the framework that is here, our source, recorded answers."""

from d2l_ext.notebook.choice import BACKENDS, backend
from d2l_ext.notebook.show import Recorded, Source

__all__ = [
    'BACKENDS',
    'Recorded',
    'Source',
    'backend',
]
