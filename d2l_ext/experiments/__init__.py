"""What is recorded, and what it says. Reading needs NumPy alone.

`store` reads recordings and `record` adds what is missing; `recipes` says what each
name stands for, `statistics`, `tables` and `verdicts` what the runs say, `book` what
the book does. `averaged`, `probes` and `norms` record more than a history. `best` asks
which schedule is; `optima` holds best schedules that are computed.
"""

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
