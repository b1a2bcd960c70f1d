"""What is recorded, and what it says. Nothing here loads a framework to read."""

from d2l_ext.experiments.recipes import RECIPES, nearest
from d2l_ext.experiments.statistics import difference, failed
from d2l_ext.experiments.store import load, seeds
from d2l_ext.experiments.tables import comparison, table
from d2l_ext.experiments.verdicts import verdict, verdicts

__all__ = [
    'RECIPES',
    'comparison',
    'difference',
    'failed',
    'load',
    'nearest',
    'seeds',
    'table',
    'verdict',
    'verdicts',
]
