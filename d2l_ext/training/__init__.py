"""How a run goes, whatever the framework: its recipe, its loop and its history."""

from d2l_ext.plan import whole_number
from d2l_ext.training.history import History
from d2l_ext.training.learner import xavier
from d2l_ext.training.recipe import Recipe

__all__ = [
    'History',
    'Recipe',
    'whole_number',
    'xavier',
]
