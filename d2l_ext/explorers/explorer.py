"""Sliders around functions that return panels: function first, widget second.

>>> from d2l_ext.plots import schedule_panel
>>> from d2l_ext.schedulers import FactorScheduler
>>> def factor(base_lr, factor):
...     return schedule_panel(FactorScheduler(factor, 1e-2, base_lr), num_epochs=30)
>>> Explorer(factor, base_lr=Log(2.0, 0.01, 10), factor=Slider(0.9, 0.5, 1))
Explorer(factor, base_lr=2.0, factor=0.9)
"""

import contextlib
import dataclasses
import os
import threading
import time

import ipywidgets as widgets
import numpy as np
from IPython import get_ipython

from d2l_ext.check import check
from d2l_ext.experiments.store import batches_per_epoch
from d2l_ext.explorers.controls import (
    Choice,
    Log,
    Points,
    Slider,
    Snap,
    Switch,
    match,
    restored,
    share,
)
from d2l_ext.explorers.inputs import button, field, follow
from d2l_ext.explorers.picture import Stage
from d2l_ext.explorers.schedule_tools import Workbench
from d2l_ext.explorers.tasks import Beat, Idle
from d2l_ext.explorers.trainer import Training
from d2l_ext.panels.panel import Panel
from d2l_ext.training.recipe import Recipe

__all__ = ['Choice', 'Explorer', 'Log', 'Points', 'Slider', 'Snap', 'Switch']

LOG = 'log y'  # in a shared text; no parameter can be called so
KEPT = 256  # settings, as a slider has up to 201 positions
SLOW = 0.02  # seconds: what takes longer would be felt, and is not prepared


class Explorer:
    """A live view of `function(**values)`, a `Panel` or several, moved by controls.

    Each keyword is a parameter of `function` and its `Slider`, `Log`, `Snap`, `Choice`,
    `Switch` or `Points`. Where `function` raises, the error's message stands below the
    picture. Panels are kept while sliders go to and fro, and made ahead in the kernel's
    pauses for the slider that was moved last, until a cell is run or `set()` called.
    Numbers and sentences follow a drag ten times a second, the picture at once.
    Keep line labels the same at every value: a new label draws the background anew.
    `columns`: how many panels stand side by side, as `figure` has it if None.
    A panel that carries its schedule (`schedule_panel`) is checked, and can be shown as
    code; with `train`, a function of a `Recipe`, a seed and a `queue` that yields the
    growing `History`, it can be trained.

    Raises ValueError for a control that `function` has no parameter for, or a
    parameter without control or default.
    """

    def __init__(self, function, /, *, columns=None, train=None, **controls):
        match(function, controls)
        self.function, self.controls = function, controls
        # JupyterLab runs handlers in a thread of their own, beside running cells
        self._lock = threading.RLock()
        self._held = False
        self._panels, self._pinned = [], []
        self._shown, self._pinned_at = {}, {}
        self._known, self._cells = {}, 0
        self._slider, self._idle = None, Idle(self._prepared)
        self._stage, self._beat = Stage(columns), Beat(self._lock)
        self._widgets = {}
        labels = {
            name: c.label or name.replace('_', ' ') for name, c in controls.items()
        }
        width = 20 + max([7 * len(label) for label in labels.values()], default=0)
        for name, control in controls.items():
            self._widgets[name] = field(control, labels[name], f'{width}px')
            for widget in self._widgets[name]:
                widget.observe(
                    lambda change, name=name: self._moved(name, change), 'value'
                )
        self._log = widgets.Checkbox(description='log y', indent=False)
        self._log.layout = widgets.Layout(width='90px', margin='2px 2px 2px 16px')
        self._log.observe(lambda _: self._draw(), 'value')
        reset = button('Reset', 'Put every control back to its first value', self.reset)
        pin = button('Pin this curve', 'Keep the present curve in grey', self.pin)
        self._unpin = button('Unpin', 'Take the grey curve away', self.unpin)
        self._unpin.disabled = True
        self._training = train and Training(train, self._asked, self._draw)
        self._workbench = Workbench(self.share, self._restore)
        # a first value that fails is for its author to see: no sentence here
        self._show()
        tools = [reset, pin, self._unpin]
        if any(panel.log is None for panel in self._panels):
            tools.append(self._log)
        rows = [*map(widgets.HBox, self._widgets.values()), widgets.HBox(tools)]
        rows += [self._training.view] if train else []
        self.view = widgets.VBox([*rows, self._stage.view, self._workbench.view])

    def __repr__(self):
        return f'Explorer({self.function.__name__}, {_spelt(self.values)})'

    @property
    def values(self):
        """The present value of every control, {name: value}."""
        return {name: box.value for name, (box, *_) in self._widgets.items()}

    @property
    def sentence(self):
        """What stands below the picture."""
        return self._stage.sentence

    def set(self, **values):
        """Move controls, all at once, as a reader would.

        Raises ValueError, and moves nothing, if a name or a value is none of theirs.
        """
        for name, value in values.items():
            if name not in self.controls:
                known = ', '.join(self.controls)
                raise ValueError(f'{name!r} is no control of {self!r}: use {known}')
            try:
                values[name] = self.controls[name].check(value)
            except ValueError as error:
                raise ValueError(f'{name} {error}') from error
        with self._lock:
            self._held = True
            try:
                for name, value in values.items():
                    box, *handle = self._widgets[name]
                    box.value = value
                    if handle:
                        handle[0].value = self.controls[name].position(value)
            finally:
                self._held = False
            self._draw()

    def share(self):
        """Return all settings as one short text, from which `restore` makes them."""
        values = self.values
        more = {LOG: True} if self._log.value else {}
        return share({**self.controls, LOG: Switch()}, {**values, **more})

    def restore(self, text):
        """Put every control to where it was when `share` returned `text`.

        Raises ValueError, and moves nothing, if `text` is none of this explorer's.
        """
        values = restored({**self.controls, LOG: Switch()}, text)
        with self._lock:
            log, before = values.pop(LOG, False), self._held
            self._held = True
            try:
                self._log.value = log
            finally:
                self._held = before
            self.set(**values)

    def reset(self):
        """Put every control back to its first value, and fit the axes to it."""
        with self._lock:
            self._held = True
            self._log.value = False
            self._stage.canvas.fit()
            self.set(**{name: c.value for name, c in self.controls.items()})

    def pin(self):
        """Keep the present curves in grey, in place of those pinned before."""
        with self._lock:
            self._pinned = [_joined(panel) for panel in self._panels]
            self._pinned_at = self._shown
            self._unpin.disabled = False
            self._draw()

    def unpin(self):
        """Take the pinned curves away."""
        with self._lock:
            self._pinned = []
            self._unpin.disabled = True
            self._draw()

    def recipe(self):
        """Return the `Recipe` of the schedule that is shown.

        Raises ValueError if none of the panels carries one, or one of longer or shorter
        epochs, in updates, than a run here has.
        """
        plan = next((panel.plan for panel in self._panels if panel.plan), None)
        if not plan:
            raise ValueError('no panel here carries a schedule: nothing to train')
        recipe = Recipe(plan.scheduler, plan.per, plan.num_epochs)
        batches = batches_per_epoch(recipe)
        if plan.per == 'update' and plan.batches_per_epoch != batches:
            raise ValueError(
                f'batches_per_epoch={plan.batches_per_epoch} in the picture, but an '
                f'epoch of a run here has {batches} updates: draw it with {batches}'
            )
        return recipe

    def png(self):
        """Return the picture as bytes in PNG format."""
        with self._lock:
            return self._picture().png

    def _moved(self, name, change):
        """Keep a slider's box and handle together, and draw."""
        with self._lock:
            if self._held:
                return
            moved, value = change['owner'], change['new']
            box, *handle = self._widgets[name]
            self._beat.hold(self._stage.status, box)
            with box.hold_sync():  # what the box says can wait for the picture
                self._held = True
                try:
                    if handle:
                        follow(self.controls[name], box, *handle, moved, value)
                finally:
                    self._held = False
                self._draw(moved=True)
            if hasattr(self.controls[name], 'positions'):
                self._slider = name
            if self._slider:
                self._idle.rouse()

    def _asked(self):
        """Return what is to be trained, and its settings in words."""
        return self.recipe(), _spelt(self.values)

    def _restore(self, text):
        """Do what a text that the reader typed says, or say why not."""
        try:
            self.restore(text)
        except ValueError as error:
            self._stage.say(str(error))

    def _call(self, values):
        result = self.function(**values)
        panels = [result] if isinstance(result, Panel) else list(result or ())
        if not panels or not all(isinstance(panel, Panel) for panel in panels):
            raise TypeError(
                f'{self.function.__name__} must return a Panel or a list of them, '
                f'got {result!r:.80}'
            )
        return panels

    def _shown_at(self, values):
        """Return what is shown at `values`: panels, these as dressed, plan, sentences.

        All is kept, for a slider comes by again, but not for long: a cell that is run
        may change what the function looks up.
        """
        cells = getattr(get_ipython(), 'execution_count', 0)
        if cells != self._cells or len(self._known) >= KEPT:
            self._known, self._cells = {}, cells
        key = tuple(values.values())
        if key not in self._known:
            panels = self._call(values)
            plan = next((panel.plan for panel in panels if panel.plan), None)
            said = check(plan) if plan else []
            if self._training:
                panels = self._training.added(panels, plan)
                said.append(self._training.sentence)
            if self._pinned:
                said.append(f'Pinned: {_spelt(self._pinned_at)}.')
            self._known[key] = panels, self._dressed(panels), plan, said
        return self._known[key]

    def _prepared(self):
        """Make what the slider that was moved last shows elsewhere, nearest first."""
        with self._lock:
            name, values = self._slider, self.values
            control = self.controls[name]
            here = control.position(values[name])
            away = sorted(range(control.positions + 1), key=lambda at: abs(at - here))
            rows = [{**values, name: control.at(at)} for at in away[: KEPT - 1]]
            new = [row for row in rows if tuple(row.values()) not in self._known]
            if len(self._known) + len(new) >= KEPT:
                self._known.clear()
                new = rows
        for row in new:
            begin = time.perf_counter()
            # an error is for whoever gets there
            with self._lock, contextlib.suppress(Exception):
                self._shown_at(row)
            if time.perf_counter() - begin > SLOW:
                return
            yield

    def _draw(self, moved=False):
        with self._lock:
            if self._held:
                return
            if not moved:  # something else may have changed, as in a run
                self._known.clear()
            try:
                self._show()
            except Exception as error:  # noqa: BLE001 - a reader gets a sentence
                plain = isinstance(error, ValueError) and str(error)
                self._stage.fade()
                self._stage.say(plain or f'{type(error).__name__}: {error}')

    def _show(self):
        values = self.values
        panels, dressed, plan, said = self._shown_at(values)
        self._stage.show(*dressed, also=said)
        self._workbench.show(plan)
        self._panels, self._shown = panels, values

    def _dressed(self, panels):
        """Return the panels with what the reader added: log axes, pinned curves."""
        log, pinned = self._log.value, [*self._pinned, *({} for _ in panels)]
        return [
            dataclasses.replace(
                panel,
                log=log if panel.log is None else panel.log,
                pinned={**panel.pinned, **kept},
            )
            for panel, kept in zip(panels, pinned, strict=False)
        ]

    def _picture(self):
        first, *others = self._dressed(self._panels)
        first = dataclasses.replace(first, note=self.sentence)
        others = [dataclasses.replace(panel, note='') for panel in others]
        return self._stage.canvas.picture([first, *others])

    def _repr_mimebundle_(self, include=None, exclude=None):
        with self._lock:
            data, metadata = self._picture()._repr_mimebundle_()
        data['text/plain'] = f'{self!r}\n{self.sentence}'.strip()
        if not os.environ.get('D2L_EXT_STATIC'):
            data['application/vnd.jupyter.widget-view+json'] = {
                'version_major': 2,
                'version_minor': 0,
                'model_id': self.view.model_id,
            }
        return data, metadata


def _spelt(values):
    return ', '.join(f'{name}={value!r}' for name, value in values.items())


def _joined(panel):
    """Return a panel's lines as one, with gaps between them."""
    gap = [np.nan]
    lines = [(np.r_[x, gap], np.r_[y, gap]) for x, y in panel.lines.values()]
    return (
        {'pinned': tuple(map(np.concatenate, zip(*lines, strict=True)))}
        if lines
        else {}
    )
