"""A run beside the reader's work: a task of the kernel's own event loop."""

import asyncio
import time

from d2l_ext.training import History


class Run:
    """A training run that can be held, taken up again and begun anew at any time.

    `begin()` returns an iterator that yields the growing `History` after every update;
    `show(message)` is called about twice a second and when the run ends or is `held`.
    After every update the loop gets its turn: the kernel stays free to answer. Outside
    a kernel there is no such loop, and `start` raises RuntimeError.
    """

    def __init__(self, begin, show, history=None, held='Held: Start goes on.'):
        self.begin, self.show, self.history = begin, show, history or History()
        self.held = held
        self.iterator, self.running, self.task = None, False, None
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError:
            self.loop = None

    def start(self):
        """Begin the run, or go on with one that was stopped."""
        self._set(running=True)

    def stop(self):
        """Hold the run after the update it is at."""
        self._set(running=False)

    def restart(self):
        """Begin again from fresh weights."""
        self._set(running=True, iterator=None)

    def _set(self, **state):
        if self.loop is None:
            raise RuntimeError('no event loop runs here: training takes a notebook')
        # a button's handler may run in another thread than the loop and the run
        self.loop.call_soon_threadsafe(self._go_on, state)

    def _go_on(self, state):
        self.__dict__.update(state)
        if self.running and (self.task is None or self.task.done()):
            self.task = self.loop.create_task(self._train())

    async def _train(self):
        shown = 0.0
        try:
            while self.running:
                if self.iterator is None:
                    self.iterator = iter(self.begin())
                self.history = next(self.iterator)
                if self.history.status != 'running':
                    self.iterator, self.running = None, False
                if time.monotonic() - shown > 0.5:
                    self.show('Training.')
                    shown = time.monotonic()
                await asyncio.sleep(0)
            self.show(self.held if self.iterator else 'Done.')
        except Exception as error:  # noqa: BLE001  a reader gets a sentence, not a traceback
            self.iterator, self.running = None, False
            self.show(f'{type(error).__name__}: {error}.')
