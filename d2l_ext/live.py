"""A run that the reader steers while it lasts."""

import asyncio
import dataclasses
import time

import ipywidgets as widgets

from d2l_ext.explorers import Explorer, Log
from d2l_ext.panels import history_panels
from d2l_ext.training import History


class HandSetRate:
    """A run whose learning rate the reader sets with a slider while it goes on.

    `steps(scheduler)` starts a run and yields its `History` after every update, as
    `train_steps(..., scheduler=scheduler, per='update', queue=4)` does; the slider is
    its scheduler. Start begins or goes on, Stop holds the run where it is, Restart
    begins again from fresh weights. `history` stands in the picture until then.

    The run is a task of the kernel's own event loop, which it gives back after every
    update: the kernel stays free to answer. Outside a kernel there is no such loop, and
    `start` raises RuntimeError.
    """

    def __init__(self, steps, lr=0.5, history=None):
        self.steps, self.history = steps, history or History()
        self.run, self.running, self.task = None, False, None
        self.message = 'Press Start to train.'
        self.explorer = Explorer(
            self.panels, lr=Log(lr, 0.001, 3, label='learning rate')
        )
        buttons = [
            _button('Start', 'Train, or go on training', self.start),
            _button('Stop', 'Hold the run where it is', self.stop),
            _button('Restart', 'Train again from fresh weights', self.restart),
        ]
        self.view = widgets.VBox([widgets.HBox(buttons), self.explorer.view])
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError:
            self.loop = None

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

    def start(self):
        """Begin the run, or go on with one that was stopped."""
        self._set(running=True)

    def stop(self):
        """Hold the run after the update it is at."""
        self._set(running=False)

    def restart(self):
        """Begin again from fresh weights."""
        self._set(running=True, run=None)

    def _set(self, **state):
        if self.loop is None:
            raise RuntimeError(
                'HandSetRate trains in a notebook: no event loop runs here'
            )
        # a button's handler may run in another thread than the loop and the run
        self.loop.call_soon_threadsafe(self._go_on, state)

    def _go_on(self, state):
        self.__dict__.update(state)
        if self.running and (self.task is None or self.task.done()):
            self.task = self.loop.create_task(self._train())

    async def _train(self):
        drawn = 0.0
        try:
            while self.running:
                if self.run is None:
                    self.run = self.steps(lambda num_update: self.explorer.values['lr'])
                self.history = next(self.run)
                if self.history.status != 'running':
                    self.run, self.running = None, False
                if time.monotonic() - drawn > 0.5:
                    self._show('Training.')
                    drawn = time.monotonic()
                await asyncio.sleep(0)
            self._show('Held: Start goes on.' if self.run else 'Done.')
        except Exception as error:  # noqa: BLE001  a reader gets a sentence, not a traceback
            self.run, self.running = None, False
            self._show(f'{type(error).__name__}: {error}')

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


def _button(word, hint, act):
    button = widgets.Button(description=word, tooltip=hint)
    button.on_click(lambda _: act())
    return button
