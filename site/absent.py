"""What no browser has: frameworks, Matplotlib and widgets. Import this first.

Notebooks' imports work all the same, and nobody calls what is taken from a framework.
An explorer is the package's own, without its widgets.
"""

import importlib
import sys
import types


class _Absent(types.ModuleType):
    __path__ = ()

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return None


class _Widgets(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        # not before it is asked for: it imports its own room, which asks for this
        state = importlib.import_module('state')
        return getattr(state, name)


for _name in 'mxnet', 'd2l_ext.mxnet', 'd2l_ext.plots':
    sys.modules[_name] = _Absent(_name)
sys.modules['torch'] = None  # what is recorded of it in its place
sys.modules['d2l_ext.explorers.explorer'] = _Widgets('d2l_ext.explorers.explorer')

Explorer = importlib.import_module('d2l_ext.explorers').Explorer
