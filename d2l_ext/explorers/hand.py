"""A run that the reader steers while it lasts."""

from collections.abc import Callable, Iterable

import ipywidgets as widgets

from d2l_ext.explorers.beside import BY_HAND, by_hand_panels
from d2l_ext.explorers.controls import Log
from d2l_ext.explorers.explorer import Explorer
from d2l_ext.explorers.inputs import button, row
from d2l_ext.explorers.output import display_live
from d2l_ext.explorers.tasks import TrainingTask
from d2l_ext.panels.panel import Panel
from d2l_ext.training.history import History


class HandSetRate:
    """A run whose learning rate the reader sets with a slider while it goes on.

    `steps(scheduler)` starts a run and yields its `History` after every update, as
    `train_steps(..., scheduler=scheduler, per='update', queue=4)` does; the slider is
    its scheduler. Start begins or goes on, Stop holds the run where it is, Restart
    begins again from fresh weights. `history` stands in the picture until then.

    `explorer` has the slider and the picture, `task` is the `TrainingTask` of the
    kernel's own event loop, and `view` the widget of it all. `start`, `stop` and
    `restart` raise RuntimeError outside a kernel.
    """

    def __init__(
        self,
        steps: Callable[[Callable[[int], float]], Iterable[History]],
        lr: float = 0.5,
        history: History | None = None,
    ) -> None:
        self.task = TrainingTask(
            lambda: steps(lambda num_update: self.explorer.values['lr']),
            self._show,
            history,
        )
        self.message = 'Press Start to train.'
        self.explorer = Explorer(
            self.panels, lr=Log(lr, *BY_HAND, label='learning rate')
        )
        buttons = [
            button('Start', 'Train, or go on training', self.start),
            button('Stop', 'Hold the run where it is', self.stop),
            button('Restart', 'Train again from fresh weights', self.restart),
        ]
        self.view = widgets.VBox([row(buttons), self.explorer.view])

    @property
    def history(self) -> History:
        """The `History` of the run so far."""
        return self.task.history

    def start(self) -> None:
        """Begin the run, or go on with one that was stopped."""
        self.task.start()

    def stop(self) -> None:
        """Hold the run after the update it is at."""
        self.task.stop()

    def restart(self) -> None:
        """Begin again from fresh weights."""
        self.task.restart()

    def panels(self, lr: float) -> list[Panel]:
        """Return the panels of the run so far, with a mark at the slider's rate."""
        return by_hand_panels(self.history, lr, self.message)

    def _show(self, message: str) -> None:
        self.message = message
        self.explorer.refresh()

    def __repr__(self) -> str:
        return f'HandSetRate(lr={self.explorer.values["lr"]!r})'

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict, dict]:
        data, metadata = self.explorer._repr_mimebundle_()
        data['text/plain'] = repr(self)
        return data, metadata

    def _ipython_display_(self) -> None:
        display_live(self.view, *self._repr_mimebundle_())
