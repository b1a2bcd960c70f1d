"""Work beside the reader's: tasks of the kernel's own event loop."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from d2l_ext.training.history import History
from d2l_ext.training.messages import answering

REST, GAP, INTERVAL = 0.3, 0.01, 0.1  # seconds
# seconds between two sendings, for each widget that a program may move in a loop: one
# sends up to two messages then, and Jupyter Server drops what is beyond a thousand a
# second, for good, and the last value may be among it
PACE = 0.004


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs here, as it does in a kernel, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class TrainingTask:
    """A training run that can be held, taken up again and begun anew at any time.

    `begin()` returns an iterator that yields the growing `History` after every update;
    `show(message)` is called about twice a second and when the run ends or is stopped,
    then with the message `held`. After every update the loop gets its turn: the kernel
    stays free to answer. `history` is what the run has reached, `running` whether it
    goes on, `task` the asyncio task of it, None before the first.

    Outside a kernel there is no such loop, and `start`, `stop` and `restart` raise
    RuntimeError.
    """

    def __init__(
        self,
        begin: Callable[[], Iterable[History]],
        show: Callable[[str], None],
        history: History | None = None,
        held: str = 'Held: Start goes on.',
    ) -> None:
        self.begin, self.show, self.held = begin, show, held
        self.history = history or History()
        self.running = False
        self.task: asyncio.Task | None = None
        self._iterator: Iterator[History] | None = None
        self._loop = running_loop()

    def start(self) -> None:
        """Begin the run, or go on with one that was stopped."""
        self._call(self._go_on)

    def stop(self) -> None:
        """Hold the run after the update it is at."""
        self._call(self._hold)

    def restart(self) -> None:
        """Begin again from fresh weights."""
        self._call(self._begin_anew)

    def _call(self, action: Callable[[], None]) -> None:
        if self._loop is None:
            raise RuntimeError('no event loop runs here: training takes a notebook')
        # a button's handler may run in another thread than the loop and the run
        self._loop.call_soon_threadsafe(action)

    def _hold(self) -> None:
        self.running = False

    def _begin_anew(self) -> None:
        self._iterator = None
        self._go_on()

    def _go_on(self) -> None:
        self.running = True
        if self.task is None or self.task.done():
            self.task = asyncio.ensure_future(self._train())

    async def _train(self) -> None:
        shown = 0.0
        try:
            while self.running:
                if self._iterator is None:
                    self._iterator = iter(self.begin())
                self.history = next(self._iterator)
                if self.history.status != 'running':
                    self._iterator, self.running = None, False
                if time.monotonic() - shown > 0.5:
                    self.show('Training.')
                    shown = time.monotonic()
                await asyncio.sleep(0)
            self.show(self.held if self._iterator else 'Done.')
        except Exception as error:  # noqa: BLE001  a reader gets a sentence, not a traceback
            self._iterator, self.running = None, False
            self.show(f'{type(error).__name__}: {error}.')


class IdleWork:
    """Small jobs for the kernel's pauses, a new row of them after each `restart()`.

    `jobs()` returns an iterator that does a job whenever it is asked for its next item.
    They begin when nobody has called `restart` for a while and leave the loop free in
    between. Outside a kernel nothing is done.
    """

    def __init__(self, jobs: Callable[[], Iterator[None]]) -> None:
        self.jobs, self.loop = jobs, running_loop()
        self.task: asyncio.Task | None = None
        self.due, self.working = 0.0, False

    def restart(self) -> None:
        """Drop what is left of the jobs, and begin anew after a rest."""
        self.due = time.monotonic() + REST
        if self.loop and not self.working:
            self.working = True
            # a slider's handler may run in another thread than the loop
            self.loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self.task = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        end = object()
        jobs: Iterator[None] | None = None
        try:
            while True:
                wait = self.due - time.monotonic()
                if wait > 0:
                    jobs = None
                    await asyncio.sleep(wait)
                    continue
                jobs = jobs or self.jobs()
                if next(jobs, end) is end:
                    break
                await asyncio.sleep(GAP)
        finally:
            self.working = False


class Throttle:
    """Widgets that send their news at once after a rest, then at intervals.

    Nobody reads sixty numbers and sentences a second, and the page that draws them has
    less time for the picture. `lock` is held while the news is sent, that of the last
    widget first. Outside a kernel nothing is delayed.
    """

    def __init__(self, lock: contextlib.AbstractContextManager) -> None:
        self.lock = lock
        self._delayed = contextlib.ExitStack()
        self._sent_at, self._waiting = 0.0, False

    def delay(self, *widgets: Any, rest: float = REST) -> None:
        """Let what the widgets are about to send wait until the interval is over.

        `rest`: after so many seconds without news it is sent at once.
        """
        # the loop of this thread: a slider's handler need not run in the kernel's first
        loop, now = running_loop(), time.monotonic()
        if loop is None or answering() or now - self._sent_at > rest:
            self.send()
            return
        for widget in widgets:
            self._delayed.enter_context(widget.hold_sync())
        if not self._waiting:
            self._waiting = True
            loop.call_later(self._sent_at + INTERVAL - now, self.send)

    def send(self) -> None:
        """Send everything that waits."""
        with self.lock:
            self._sent_at, self._waiting = time.monotonic(), False
            self._delayed.close()
