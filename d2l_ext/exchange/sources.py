"""A reader's functions in code that runs by itself: imported, written out, or listed."""

import ast
import copy
import inspect
import re
import sys
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any

from d2l_ext.exchange._functions import Called
from d2l_ext.exchange.formula import CannotExpressError
from d2l_ext.families import InversePowerScheduler
from d2l_ext.plan import Plan
from d2l_ext.schedulers import LambdaScheduler, Scheduler

LISTED = 1000  # rates at most in a list: no reader turns pages of numbers
# what the code of the libraries is called itself
TAKEN = {
    *('rate', 'rates', 'RATES', 'PLANNED', 'listed', 'Rate'),
    *('schedule', 'scheduler', 'Schedule'),
    *('net', 'optimizer', 'trainer', 'update', 'epoch', 'batch', 'loss', 'callback'),
    *('values', 'count', 'counts', 'torch', 'optax', 'jax', 'jnp', 'keras', 'ops'),
    *('paddle', 'gluon', 'autograd', 'npx', 'lr_scheduler', 'get_scheduler'),
}


class Named:
    """A function under the name by which the code calls it."""

    def __init__(self, function: Callable[[float], float], name: str) -> None:
        self.function, self.__name__ = function, name

    def __call__(self, t: float) -> float:
        return self.function(t)


def brought(plan: Plan, taken: set[str]) -> tuple[Scheduler, list[str], str]:
    """Return a plan's scheduler for which all functions have names of their own.

    With it come the lines that import functions, and the code that defines others: that
    of a notebook with all it uses, where it has a source. Where one has none the whole
    schedule becomes the list of its rates. `taken`: names that the code uses itself.

    Raises CannotExpressError where that list would be longer than `LISTED`.
    """
    space = _Space(TAKEN | taken)
    try:
        scheduler = space.named(plan.scheduler)
    except LookupError as error:
        if plan.length > LISTED:
            raise CannotExpressError(
                f'{error}, and {plan.length} rates are too many to list; write it as a '
                'def in a file, and import it'
            ) from None
        return _listed(plan, str(error))
    return scheduler, sorted(space.imports), '\n\n\n'.join(space.definitions)


class _Space:
    """What the code has defined so far: each name, and what it stands for."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.values: dict[str, Any] = {}
        self.imports: list[str] = []
        self.definitions: list[str] = []

    def named(self, scheduler: Scheduler) -> Scheduler:
        """Return the scheduler with its functions renamed, and bring these."""
        s = copy.copy(scheduler)
        if isinstance(s, InversePowerScheduler):  # its cases by other names
            s = InversePowerScheduler(s.time_scale, s.base_lr, s.pwr, s.stop_lr)
        elif isinstance(s, LambdaScheduler):
            function = s.function
            if isinstance(function, Called) and inspect.isfunction(function.function):
                function = function.function
            s.function = Named(s.function, self.bring(function))
        elif hasattr(s, 'schedulers'):
            s.schedulers = tuple(self.named(part) for part in s.schedulers)
        elif hasattr(s, 'scheduler'):
            s.scheduler = self.named(s.scheduler)
        return s

    def bring(self, function: Any, wanted: str = '') -> str:
        """Return the name under which a function is now there.

        `wanted`: the only name that will do. Raises LookupError, with the reason, for
        one that can neither be imported nor written out.
        """
        for name, value in self.values.items():
            if value is function and wanted in ('', name):
                return name
        own = getattr(function, '__qualname__', '')
        short = getattr(function, '__name__', '')
        if not short.isidentifier():
            raise LookupError('its function has no name that could be imported')
        name = wanted or self._free(short)
        module = getattr(function, '__module__', None) or ''
        home = sys.modules.get(module)
        self._take(name, function)
        if module != '__main__' and getattr(home, own, None) is function:
            alias = '' if name == own else f' as {name}'
            self.imports.append(f'from {module} import {own}{alias}')
            return name
        self.definitions.append(self._definition(function, name))
        return name

    def _free(self, name: str) -> str:
        number, free = 1, name
        while free in self.taken or free in self.values:
            number += 1
            free = f'{name}_{number}'
        return free

    def _take(self, name: str, value: Any) -> None:
        if name in self.values and self.values[name] is value:
            return
        if name in self.values or name in self.taken:
            raise LookupError(f'its function uses a name, {name}, that is taken here')
        self.values[name] = value

    def _definition(self, function: Any, name: str) -> str:
        """Return the source of a function, once what it uses is there too."""
        short = function.__name__
        try:
            text = textwrap.dedent(inspect.getsource(function)).rstrip()
            (node,) = ast.parse(text).body
        except (OSError, SyntaxError, TypeError, ValueError):
            raise LookupError('the source of its function cannot be read') from None
        if not isinstance(node, ast.FunctionDef) or node.decorator_list:
            raise LookupError('its function is no plain def')
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        around = function.__globals__ | inspect.getclosurevars(function).nonlocals
        within = {*function.__code__.co_varnames, *function.__code__.co_cellvars}
        for used in sorted((names & {*around}) - within):
            if around[used] is function and used == name:
                continue
            self._use(used, around[used])
        return re.sub(rf'^def\s+{short}\b', f'def {name}', text, count=1)

    def _use(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType):
            dotted = value.__name__
            line = f'import {dotted}' + f' as {name}' * (name != dotted)
            if line not in self.imports:
                self._take(name, value)
                self.imports.append(line)
        elif _plain(value):
            if name not in self.values:
                self._take(name, value)
                self.definitions.append(f'{name} = {value!r}')
            elif self.values[name] != value:
                raise LookupError(f'two functions use two values of {name}')
        else:
            self.bring(value, wanted=name)


def _plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_plain, value))
    if isinstance(value, float):
        return value - value == 0  # repr of no other can be read again
    return value is None or isinstance(value, (bool, int, str))


def _listed(plan: Plan, reason: str) -> tuple[Scheduler, list[str], str]:
    """Return the rates of a plan as a function that looks them up."""
    rates = [plan.scheduler(t) for t in range(plan.length)]
    numbers = textwrap.fill(
        ', '.join(f'{rate!r}' for rate in map(float, rates)),
        width=88,
        initial_indent='    ',
        subsequent_indent='    ',
    )
    why = textwrap.fill(
        f'As {reason}, these are its rates in this run; the last one goes on after it.',
        width=88,
        initial_indent='# ',
        subsequent_indent='# ',
    )
    text = f"""{why}
PLANNED = [
{numbers},
]


def listed(t):
    return PLANNED[min(int(t), len(PLANNED) - 1)]"""
    return LambdaScheduler(Named(plan.scheduler, 'listed'), 1.0), [], text
