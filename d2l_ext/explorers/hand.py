"""A run that the reader steers while it lasts."""

import dataclasses

import ipywidgets as widgets

from d2l_ext.explorers.explorer import Explorer, Log
from d2l_ext.explorers.inputs import button
from d2l_ext.explorers.tasks import Run
from d2l_ext.panels.runs import history_panels


class HandSetRate(Run):
    """A run whose learning rate the reader sets with a slider while it goes on.

    `steps(scheduler)` starts a run and yields its `History` after every update, as
    `train_steps(..., scheduler=scheduler, per='update', queue=4)` does; the slider is
    its scheduler. Start begins or goes on, Stop holds the run where it is, Restart
    begins again from fresh weights. `history` stands in the picture until then.

    It is a `Run`: a task of the kernel's own event loop.
    """

    def __init__(self, steps, lr=0.5, history=None):
        super().__init__(
            lambda: steps(lambda num_update: self.explorer.values['lr']),
            self._show,
            history,
        )
        self.message = 'Press Start to train.'
        self.explorer = Explorer(
            self.panels, lr=Log(lr, 0.001, 3, label='learning rate')
        )
        buttons = [
            button('Start', 'Train, or go on training', self.start),
            button('Stop', 'Hold the run where it is', self.stop),
            button('Restart', 'Train again from fresh weights', self.restart),
        ]
        self.view = widgets.VBox([widgets.HBox(buttons), self.explorer.view])

    def panels(self, lr):
        """Return the panels of the run so far, with a mark at the slider's rate."""
        # a copy: a slider's handler may draw while the run adds to the list
        history = dataclasses.replace(self.history, lr=[*self.history.lr])
        first, *others = history_panels(history)
        first = dataclasses.replace(first, note=f'{self.message} {history}.')
        if others and others[-1].ylabel == 'learning rate':
            mark = {'slider': lr}
            others[-1] = dataclasses.replace(
                others[-1], ylim=(0.001, 3), log=True, horizontals=mark
            )
        return [first, *others]

    def _show(self, message):
        self.message = message
        self.explorer.set()

    def __repr__(self):
        return f'HandSetRate(lr={self.explorer.values["lr"]!r})'

    def _repr_mimebundle_(self, include=None, exclude=None):
        data, metadata = self.explorer._repr_mimebundle_()
        data['text/plain'] = repr(self)
        kind = 'application/vnd.jupyter.widget-view+json'
        if kind in data:
            data[kind]['model_id'] = self.view.model_id
        return data, metadata
