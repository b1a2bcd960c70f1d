"""Work beside the reader's: tasks of the kernel's own event loop."""

import asyncio
import contextlib
import time

from d2l_ext.training.history import History

REST, GAP, BEAT = 0.3, 0.01, 0.1  # seconds


def running_loop():
    """Return the event loop that runs here, as it does in a kernel, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


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
        self.loop = running_loop()

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


class Idle:
    """Small jobs for the kernel's pauses, a new row of them after each `rouse()`.

    `jobs()` returns an iterator that does a job whenever it is asked for its next item.
    They begin when nobody has called `rouse` for a while and leave the loop free in
    between. Outside a kernel nothing is done.
    """

    def __init__(self, jobs):
        self.jobs, self.loop, self.task = jobs, running_loop(), None
        self.due, self.working = 0.0, False

    def rouse(self):
        """Drop what is left of the jobs, and begin anew after a rest."""
        self.due = time.monotonic() + REST
        if self.loop and not self.working:
            self.working = True
            # a slider's handler may run in another thread than the loop
            self.loop.call_soon_threadsafe(self._begin)

    def _begin(self):
        self.task = self.loop.create_task(self._work())

    async def _work(self):
        jobs, done = None, object()
        try:
            while True:
                wait = self.due - time.monotonic()
                if wait > 0:
                    jobs = None
                    await asyncio.sleep(wait)
                    continue
                jobs = jobs or self.jobs()
                if next(jobs, done) is done:
                    break
                await asyncio.sleep(GAP)
        finally:
            self.working = False


class Beat:
    """Widgets that tell the page their news at once after a rest, then once a beat.

    Nobody reads sixty numbers and sentences a second, and the page that draws them has
    less time for the picture. `lock` is held while the news is told, that of the last
    widget first. Outside a kernel nothing is held back.
    """

    def __init__(self, lock):
        self.lock, self.held = lock, contextlib.ExitStack()
        self.told, self.waiting = 0.0, False

    def hold(self, *widgets):
        """Keep what the widgets are about to say until the next beat."""
        # the loop of this thread: a slider's handler need not run in the kernel's first
        loop, now = running_loop(), time.monotonic()
        if loop is None or now - self.told > REST:
            self.tell()
            return
        for widget in widgets:
            self.held.enter_context(widget.hold_sync())
        if not self.waiting:
            self.waiting = True
            loop.call_later(self.told + BEAT - now, self.tell)

    def tell(self):
        """Let everything that was kept be said."""
        with self.lock:
            self.told, self.waiting = time.monotonic(), False
            self.held.close()
