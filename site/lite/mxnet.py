"""What notebooks 00 to 07 call of MXNet, in JupyterLite, where nothing can train.

Nets are names, a trainer knows its rate; `lr_scheduler` beside is MXNet's own file.
"""

import types

import numpy as np


class _Part:
    """A layer, a loss: what it is called with changes nothing."""

    def __init__(self, *_, **__):
        self.layers = []

    def add(self, *layers):
        self.layers += layers

    def initialize(self, **_):
        pass

    def collect_params(self):
        return self


class Trainer:
    """The rate that an update would get, and who gives it."""

    def __init__(self, params, optimizer, settings):
        self.lr_scheduler = settings.get('lr_scheduler')
        rate = getattr(self.lr_scheduler, 'base_lr', 0.01)
        self.learning_rate = settings.get('learning_rate', rate)

    def set_learning_rate(self, lr):
        self.learning_rate = lr


class _Any(types.SimpleNamespace):
    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return _Part


nn = _Any()
gluon = types.SimpleNamespace(Trainer=Trainer, nn=nn, loss=_Any())
npx = types.SimpleNamespace(set_np=lambda: None)
__all__ = ['Trainer', 'gluon', 'nn', 'np', 'npx']
