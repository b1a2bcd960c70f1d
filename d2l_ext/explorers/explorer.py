"""Sliders around functions that return panels: function first, widget second.

>>> from d2l_ext.explorers import Log, Slider
>>> from d2l_ext.panels import schedule_panel
>>> from d2l_ext.schedulers import FactorScheduler
>>> def factor(base_lr, factor):
...     return schedule_panel(FactorScheduler(factor, 1e-2, base_lr), num_epochs=30)
>>> Explorer(factor, base_lr=Log(2.0, 0.01, 10), factor=Slider(0.9, 0.5, 1))
Explorer(factor, base_lr=2.0, factor=0.9)
"""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
from IPython import get_ipython

from d2l_ext.explorers.beside import recipe_of
from d2l_ext.explorers.controls import CONTROLS, Control, Points
from d2l_ext.explorers.inputs import (
    button,
    dragged,
    ends,
    field,
    follow,
    moved_by_page,
    parts,
    row,
)
from d2l_ext.explorers.output import display_live
from d2l_ext.explorers.picture import PictureBox
from d2l_ext.explorers.schedule_tools import ScheduleTools
from d2l_ext.explorers.state import ExplorerState, explain, in_words
from d2l_ext.explorers.tasks import PACE, IdleWork, Throttle
from d2l_ext.explorers.trainer import Trainer
from d2l_ext.panels.panel import Panel
from d2l_ext.plots.figure import Picture
from d2l_ext.training.recipe import Recipe


class Explorer:
    """A live view of `function(**values)`, a `Panel` or several, moved by controls.

    Each keyword is a parameter of `function` and its `Slider`, `Log`, `Snap`, `Choice`,
    `Switch` or `Points`; parameters called `columns`, `train` or `controls` stand in
    `controls`, as {name: control}. Where `function` raises, the error's message stands
    below the picture. Panels are cached while sliders go to and fro, and prepared in
    the kernel's pauses for the slider that was moved last, until a cell is run or
    `set()` or `refresh()` called. Numbers and sentences follow a drag ten times a
    second, the picture at once. Keep line labels the same at every value: a new label
    lays the picture out anew. `columns`: how many panels stand side by side, as
    `figure` has it if None. A panel that carries its schedule (`schedule_panel`) is
    checked, and can be shown as code; with `train`, a backend's `run_steps` or another
    function of a `Recipe`, a seed and a `queue` that yields the growing `History`, it
    can be trained.

    `function` and `controls` are as given. `state` is the `ExplorerState` that is
    shown, `picture` the `PictureBox`, `widgets` the inputs of each control, {name:
    (box, slider)}, `tools` the `ScheduleTools`, `trainer` the `Trainer`, None without
    `train`, and `view` the widget of them all.

    Raises ValueError for a control that `function` has no parameter for, a parameter
    without control or default, or an option that is none.
    """

    def __init__(
        self,
        function: Callable[..., Panel | Sequence[Panel]],
        /,
        *,
        columns: int | None = None,
        train: Callable | None = None,
        controls: Mapping[str, Control] | None = None,
        **named: Control,
    ) -> None:
        every = _declared(named, columns=columns, train=train, controls=controls)
        # JupyterLab runs handlers in a thread of their own, beside running cells
        self._lock = threading.RLock()
        self._held = False
        self.trainer = Trainer(train, self._asked, self.refresh) if train else None
        extend = self.trainer.extend if self.trainer else None
        self.state = ExplorerState(function, every, extend, age=_cells_run)
        self.function, self.controls = function, every
        self.picture, self.idle = PictureBox(columns), IdleWork(self._prepare)
        self.tools = ScheduleTools(self.share, self._typed)
        self._throttle, self._pace = Throttle(self._lock), Throttle(self._lock)
        self.widgets = self._inputs()
        self._log = widgets.Checkbox(description='log y', indent=False)
        self._log.layout = widgets.Layout(width='90px', margin='2px 2px 2px 16px')
        self._log.observe(self._log_moved, 'value')
        reset = button('Reset', 'Put every control back to its first value', self.reset)
        pin = button('Pin this curve', 'Keep the present curve in grey', self.pin)
        self._unpin = button('Unpin', 'Take the grey curves away', self.unpin)
        self._unpin.disabled = True
        # a first value that fails is for its author to see: no sentence here
        self._show()
        buttons: list[widgets.Widget] = [reset, pin, self._unpin]
        if any(panel.log is None for panel in self._panels):
            buttons.append(self._log)
        rows = [
            row([*inputs, *ends(self.controls[name])])
            for name, inputs in self.widgets.items()
        ]
        rows.append(row(buttons))
        rows += [self.trainer.view] if self.trainer else []
        self.view = widgets.VBox([*rows, self.picture.view, self.tools.view])

    def __repr__(self) -> str:
        return f'Explorer({self.state!r})'

    @property
    def values(self) -> dict[str, Any]:
        """The present value of every control, {name: value}."""
        return self.state.values

    @property
    def sentence(self) -> str:
        """What stands below the picture."""
        return self.picture.sentence

    @property
    def svg(self) -> str:
        """The lines of the picture as SVG, faded where the function has failed."""
        return self.picture.lines.value

    def set(self, /, **values: Any) -> None:
        """Move controls, all at once, as a reader would.

        Raises ValueError, and moves nothing, if a name or a value is none of theirs.
        """
        with self._changing():
            self.state.set(**values)

    def refresh(self) -> None:
        """Draw anew: what the function looks up may have changed."""
        with self._lock:
            self.state.cache.clear()
            self._draw()

    def share(self) -> str:
        """Return all settings as one short text, which `restore` reads back."""
        return self.state.share()

    def restore(self, text: str) -> None:
        """Put every control to where it was when `share` returned `text`.

        Raises ValueError, and moves nothing, if `text` is not from this explorer.
        """
        with self._changing():
            self.state.restore(text)

    def reset(self) -> None:
        """Put every control back to its first value, and fit the axes to it."""
        with self._changing():
            self.picture.canvas.fit()
            self.state.reset()

    def pin(self) -> None:
        """Keep the present curves in grey, beside at most three pinned before."""
        with self._changing():
            self.state.pin()

    def unpin(self) -> None:
        """Take the pinned curves away."""
        with self._changing():
            self.state.unpin()

    def recipe(self) -> Recipe:
        """Return the `Recipe` of the schedule that is shown.

        Raises ValueError as `beside.recipe_of` does.
        """
        return recipe_of(self.state.display and self.state.display.plan)

    def png(self) -> bytes:
        """Return the picture as bytes in PNG format."""
        with self._lock:
            return self._still().png

    @property
    def _panels(self) -> list[Panel]:
        return self.state.display.panels if self.state.display else []

    def _inputs(self) -> dict[str, tuple]:
        """Return the inputs of each control, all labels as wide as the widest."""
        labels = {
            name: control.label or name.replace('_', ' ')
            for name, control in self.controls.items()
        }
        width = 20 + max([7 * len(label) for label in labels.values()], default=0)
        inputs = {}
        for name, control in self.controls.items():
            inputs[name] = field(control, labels[name], f'{width}px')
            for widget in inputs[name]:
                widget.observe(
                    lambda change, name=name: self._moved(name, change), 'value'
                )
            if inputs[name][0].has_trait('sentence'):
                inputs[name][0].observe(
                    lambda change, name=name: self._refused(name, change), 'sentence'
                )
        return inputs

    @contextlib.contextmanager
    def _holding(self) -> Iterator[None]:
        """Let widgets follow one another, none of them taken for a reader's move."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Change the state, then let the widgets and the picture follow."""
        with self._lock:
            before = self.values
            yield
            self._slow_down()
            with self._holding():
                for name, value in self.values.items():
                    if value != before[name]:
                        control: Any = self.controls[name]
                        box, *handle = self.widgets[name]
                        box.value = value
                        for slider in handle:
                            slider.value = control.position(value)
                self._log.value = self.state.log_y
                self._unpin.disabled = not self.state.pinned
            self._draw()

    def _slow_down(self) -> None:
        """Let what a program changes wait, as it may do so in a loop."""
        inputs = [part for pair in self.widgets.values() for part in parts(pair)]
        changed = *self.picture.parts, *self.tools.parts, *inputs
        self._pace.delay(*changed, rest=PACE * len(changed))

    def _moved(self, name: str, change: dict) -> None:
        """Keep a slider's box and handle together, and draw."""
        with self._lock:
            if self._held:
                return
            control: Any = self.controls[name]
            box, *handle = self.widgets[name]
            if moved_by_page(self.widgets[name]):
                self._throttle.delay(self.picture.status, box)
            else:
                self._slow_down()
            with box.hold_sync():  # what the box says can wait for the picture
                with self._holding():
                    for slider in handle:
                        moved, value = change['owner'], change['new']
                        follow(control, box, slider, moved, value)
                self.state.move(name, box.value)
                self._draw()
            if self.state.slider:
                self.idle.restart()

    def _refused(self, name: str, change: dict) -> None:
        """Say why a number that was typed is not taken, until one is."""
        with self._lock:
            if change['new']:
                self.picture.say(change['new'])
            elif self.widgets[name][0].value == self.values[name]:
                self._draw()  # a move to another value draws by itself

    def _log_moved(self, change: dict) -> None:
        with self._lock:
            if not self._held:
                self.state.log_y = change['new']
                self._draw()

    def _asked(self) -> tuple[Recipe, str]:
        """Return what is to be trained, and its settings in words."""
        return self.recipe(), in_words(self.values)

    def _typed(self, text: str) -> None:
        """Do what a text that the reader typed says, or say why not."""
        try:
            self.restore(text)
        except ValueError as error:
            self.picture.say(str(error))

    def _prepare(self) -> Iterator[None]:
        """Prepare one result after the other; handlers get their turn between them."""
        work, end = self.state.prepare(), object()
        while True:
            with self._lock:
                if next(work, end) is end:
                    return
            yield

    def _draw(self) -> None:
        try:
            self._show()
        except Exception as error:  # noqa: BLE001 - a reader gets a sentence
            self.picture.fade()
            self.picture.say(explain(error))

    def _show(self) -> None:
        display = self.state.evaluate()
        self.picture.show(*display.shown, also=display.sentences)
        for name, control in self.controls.items():
            if isinstance(control, Points):
                rows = self.widgets[name][0].points()
                self.picture.show_handles(rows, dragged(control))
        self.tools.show(display.plan)
        self.state.display = display

    def _still(self) -> Picture:
        first, *others = self.state.as_asked(self._panels)
        first = dataclasses.replace(first, note=self.sentence)
        others = [dataclasses.replace(panel, note='') for panel in others]
        return self.picture.canvas.picture([first, *others])

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict, dict]:
        with self._lock:
            data, metadata = self._still()._repr_mimebundle_()
        data['text/plain'] = f'{self!r}\n{self.sentence}'.strip()
        return data, metadata

    def _ipython_display_(self) -> None:
        display_live(self.view, *self._repr_mimebundle_())


def _cells_run() -> int:
    """Return how many cells were run: one may change what a function looks up."""
    return getattr(get_ipython(), 'execution_count', 0)


def _declared(named: dict[str, Control], **options: Any) -> dict[str, Control]:
    """Return all controls, those of keywords and those of the option `controls`."""
    for name, value in options.items():
        if isinstance(value, CONTROLS):
            raise ValueError(
                f'{name} must be an option of Explorer, not a control: for a parameter '
                f'called {name}, write controls={{{name!r}: ...}}'
            )
    train, more = options['train'], options['controls'] or {}
    if train is not None and not callable(train):
        raise ValueError(f'train must be a function such as run_steps, got {train!r}')
    if not isinstance(more, Mapping):
        raise ValueError(f'controls must be {{name: control}}, got {more!r:.80}')
    twice = ', '.join(name for name in named if name in more)
    if twice:
        raise ValueError(f'controls must not name {twice} again, a keyword already')
    return {**named, **more}
