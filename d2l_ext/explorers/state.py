"""What an explorer knows, without a widget: a notebook and a web page share it.

>>> from d2l_ext.explorers.controls import Log, Slider
>>> from d2l_ext.panels import schedule_panel
>>> from d2l_ext.schedulers import FactorScheduler
>>> def factor(base_lr, factor):
...     return schedule_panel(FactorScheduler(factor, 1e-2, base_lr), num_epochs=30)
>>> controls = {'base_lr': Log(2.0, 0.01, 10), 'factor': Slider(0.9, 0.5, 1)}
>>> state = ExplorerState(factor, controls)
>>> state.move('factor', 1)
>>> state.evaluate().shown[0].note, state.share()
('Constant at 2.', 'base_lr=2.0&factor=1.0')
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from d2l_ext.check import check
from d2l_ext.explorers.cache import Cache
from d2l_ext.explorers.controls import (
    CONTROLS,
    Control,
    Switch,
    restored,
    share,
)
from d2l_ext.panels.look import PINS
from d2l_ext.panels.panel import Panel
from d2l_ext.plan import Plan

LOG = 'log y'  # in a shared text; no parameter can be called so

Extend = Callable[[list[Panel], Plan | None], tuple[list[Panel], list[str]]]


class Display(NamedTuple):
    """What is seen at `values`.

    `panels`: as the function returned them, with the curves of a run if there is one.
    `shown`: the same with the axes and the pinned curves that the reader asked for.
    `plan`: the first `Plan` that a panel carries. `sentences`: what `check` finds
    doubtful about it, how the run goes, and what is pinned.
    """

    values: dict[str, Any]
    panels: list[Panel]
    shown: list[Panel]
    plan: Plan | None
    sentences: list[str]


class ExplorerState:
    """The controls of `function(**values)`, their values, and what is seen at these.

    `controls`: {parameter: control}. `extend(panels, plan)` returns the panels with
    more on them, and sentences about that. `age()`: when its answer changes, results in
    the `cache` are out of date. `display` is what was shown last, None before.

    Raises ValueError for a control that `function` has no parameter for, a parameter
    without control or default, or a function that cannot be called.
    """

    def __init__(
        self,
        function: Callable[..., Panel | Sequence[Panel]],
        controls: dict[str, Control],
        extend: Extend | None = None,
        age: Callable[[], object] = lambda: None,
    ) -> None:
        _match(function, controls)
        self.function, self.controls, self.extend = function, controls, extend
        self.cache = Cache(self._compute, self._key, age)
        self.display: Display | None = None
        self.slider = ''  # the one that was moved last
        self._values = {name: control.value for name, control in controls.items()}
        self._log_y = False
        self._pins: list[Display] = []

    def __repr__(self) -> str:
        return f'{function_name(self.function)}, {in_words(self._values)}'

    @property
    def values(self) -> dict[str, Any]:
        """The present value of every control, {name: value}."""
        return {**self._values}

    @property
    def log_y(self) -> bool:
        """Whether y axes are logarithmic where a panel leaves that to the reader."""
        return self._log_y

    @log_y.setter
    def log_y(self, value: bool) -> None:
        self._log_y = bool(value)
        self.cache.clear()

    @property
    def pinned(self) -> bool:
        """Whether curves are pinned."""
        return bool(self._pins)

    def set(self, /, **values: Any) -> None:
        """Give controls other values, all at once.

        Raises ValueError, and changes nothing, if a name or a value is none of theirs.
        """
        checked = {name: self._checked(name, value) for name, value in values.items()}
        self._values = {**self._values, **checked}
        self.cache.clear()

    def move(self, name: str, value: Any) -> None:
        """Give one control another value, as a reader does who moves a slider.

        The cache stays as it is. Raises ValueError as `set` does.
        """
        self._values = {**self._values, name: self._checked(name, value)}
        if hasattr(self.controls[name], 'positions'):
            self.slider = name

    def _checked(self, name: str, value: Any) -> Any:
        if name not in self.controls:
            known = ', '.join(self.controls)
            raise ValueError(f'{name!r} is no control of {self!r}: use {known}')
        try:
            return self.controls[name].check(value)
        except ValueError as error:
            raise ValueError(f'{name} {error}') from error

    def reset(self) -> None:
        """Give every control its first value again, and y axes their first scale."""
        self.log_y = False
        self.set(**{name: control.value for name, control in self.controls.items()})

    def share(self) -> str:
        """Return all settings as one short text, which `restore` reads back."""
        values = {**self._values, **({LOG: True} if self.log_y else {})}
        return share({**self.controls, LOG: Switch()}, values)

    def restore(self, text: str) -> None:
        """Give every control the value that it had when `share` returned `text`.

        Raises ValueError, and changes nothing, if `text` is not from this explorer.
        """
        values = restored({**self.controls, LOG: Switch()}, text)
        self.log_y = values.pop(LOG, False)
        self.set(**values)

    def pin(self) -> None:
        """Keep the curves shown last in grey, beside at most three pinned before."""
        if self.display:
            now = self._key(self.display.values)
            kept = [pin for pin in self._pins if self._key(pin.values) != now]
            self._pins = [*kept, self.display][-len(PINS) :]
            self.cache.clear()

    def unpin(self) -> None:
        """Take the pinned curves away."""
        self._pins = []
        self.cache.clear()

    def evaluate(self) -> Display:
        """Return what is seen at the present values; raises what `function` does.

        Assign it to `display` when it has been shown.
        """
        return self.cache.at(self._values)

    def prepare(self) -> Iterator[None]:
        """Compute what the slider that was moved last shows elsewhere, nearest first.

        One result for each item that is asked for.
        """
        if not self.slider:
            return
        name, values = self.slider, self._values
        control: Any = self.controls[name]
        here = control.position(values[name])
        away = sorted(range(control.positions + 1), key=lambda at: abs(at - here))
        yield from self.cache.prepare(
            [{**values, name: control.at(position)} for position in away]
        )

    def panels_at(self, values: dict[str, Any]) -> list[Panel]:
        """Return the panels of `function(**values)`.

        Raises what `function` does, and TypeError if it returns anything else.
        """
        result = self.function(**values)
        panels = [result] if isinstance(result, Panel) else list(result or ())
        if not panels or not all(isinstance(panel, Panel) for panel in panels):
            raise TypeError(
                f'{function_name(self.function)} must return a Panel or a list of '
                f'them, got {result!r:.80}'
            )
        return panels

    def as_asked(self, panels: Sequence[Panel]) -> list[Panel]:
        """Return the panels with what the reader asked for: log axes, pinned curves."""
        asked = []
        for i, panel in enumerate(panels):
            curves = {
                label: _joined(pin.panels[i])
                for label, pin in zip(self._labels(), self._pins, strict=True)
                if i < len(pin.panels) and pin.panels[i].lines
            }
            log = self.log_y if panel.log is None else panel.log
            pinned = {**panel.pinned, **curves}
            asked.append(dataclasses.replace(panel, log=log, pinned=pinned))
        return asked

    def _labels(self) -> list[str]:
        """Return what the pins are called: by the settings that tell them apart."""
        if len(self._pins) < 2:
            return ['pinned'] * len(self._pins)
        texts = [self._key(pin.values) for pin in self._pins]
        differ = [len({*column}) > 1 for column in zip(*texts, strict=True)]
        names = [
            control.label or name.replace('_', ' ')
            for name, control in self.controls.items()
        ]
        return [
            'pinned: '
            + ', '.join(
                f'{name} {text}'
                for name, text, differs in zip(names, row, differ, strict=True)
                if differs
            )
            for row in texts
        ]

    def _key(self, values: dict[str, Any]) -> tuple[str, ...]:
        # values need not be hashable, as milestones in a list
        return tuple(self.controls[name].spell(value) for name, value in values.items())

    def _compute(self, values: dict[str, Any]) -> Display:
        panels = self.panels_at(values)
        plan = next((panel.plan for panel in panels if panel.plan), None)
        sentences = [*check(plan)] if plan else []
        if self.extend:
            panels, more = self.extend(panels, plan)
            sentences += more
        if self._pins:
            at = '; '.join(in_words(pin.values) for pin in self._pins)
            sentences.append(f'Pinned: {at}.')
        return Display(values, panels, self.as_asked(panels), plan, sentences)


def function_name(function: Callable) -> str:
    """Return what a function is called; an object that can be called, by its class.

    >>> function_name(functools.partial(max, 3))
    'max'
    """
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, '__name__', type(function).__name__)


def in_words(values: dict[str, Any]) -> str:
    """Return values as they are written in a call.

    >>> in_words({'base_lr': 0.5, 'per': 'epoch'})
    "base_lr=0.5, per='epoch'"
    """
    return ', '.join(f'{name}={value!r}' for name, value in values.items())


def explain(error: Exception) -> str:
    """Return an error as a sentence for the reader.

    >>> explain(ValueError('factor must be positive')), explain(KeyError(2))
    ('factor must be positive', 'KeyError: 2')
    """
    plain = isinstance(error, ValueError) and str(error)
    return plain or f'{type(error).__name__}: {error}'


def _match(function: Callable, controls: dict[str, Control]) -> None:
    """Raise ValueError unless `function` can be called with just these controls."""
    if not callable(function):
        raise ValueError(f'function must be one that returns panels, got {function!r}')
    for name, control in controls.items():
        if not isinstance(control, CONTROLS):
            raise ValueError(
                f'{name} must be a Slider, Log, Snap, Choice, Switch or Points, '
                f'got {control!r}'
            )
    signature = inspect.signature(function)
    try:
        signature.bind(**dict.fromkeys(controls))
    except TypeError as error:
        raise ValueError(
            f'the controls ({", ".join(controls)}) do not fit '
            f'{function_name(function)}{signature}: {error}'
        ) from error


def _joined(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Return a panel's lines as one, with gaps between them."""
    lines = [(np.r_[x, np.nan], np.r_[y, np.nan]) for x, y in panel.lines.values()]
    x, y = map(np.concatenate, zip(*lines, strict=True))
    return x, y
