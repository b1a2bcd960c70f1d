"""Lets a notebook's sliders move while a cell trains: between updates, it answers them.

A kernel runs one thing at a time, and what a reader does to a widget waits until the
cell is done. Some front ends have such messages handled in a thread, some kernels undo
that (ipykernel 7.4), and older ones know nothing of it (Colab's).
"""

import contextvars
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

EVERY = 0.01  # seconds between two looks: an update may take less
ANSWERING = contextvars.ContextVar('ANSWERING', default=False)


def kernel_here() -> Any:
    """Return the kernel that runs this, or None, without importing IPython."""
    ipython = sys.modules.get('IPython')
    return getattr(ipython and ipython.get_ipython(), 'kernel', None)


def answering() -> bool:
    """Tell whether this is called for a message, while the kernel's loop is held up."""
    return ANSWERING.get()


class Answers:
    """Handles what widgets have sent to `kernel` whenever it is called.

    Other messages keep their order and wait for the end of the cell. Where there is no
    kernel that is known how to ask, nothing happens. Raises KeyboardInterrupt if one
    came in the meantime.
    """

    def __init__(self, kernel: Any) -> None:
        self.kernel, self.stream = kernel, _incoming(kernel)
        self.looked = 0.0
        self.interrupted: KeyboardInterrupt | None = None

    def __call__(self) -> None:
        """Handle what waits."""
        now = time.perf_counter()
        if self.stream is None or now - self.looked < EVERY:
            return
        import zmq  # a kernel is there, so this is too

        self.others: Callable = self.stream._recv_callback
        self.stream.on_recv(self._received, copy=False)
        try:
            self.stream.flush(zmq.POLLIN)
        finally:
            self.stream.on_recv(self.others, copy=False)
            self.looked = time.perf_counter()
        if self.interrupted:
            error, self.interrupted = self.interrupted, None
            raise error

    def _received(self, frames: list) -> Awaitable | None:
        session = self.kernel.session
        idents, rest = session.feed_identities(frames, copy=False)
        # a look alone: a message that is unpacked twice is taken for a forged one
        header = session.deserialize(rest, content=False, copy=False)['header']
        if header['msg_type'] != 'comm_msg':
            return self.others(frames)  # it may have to be awaited, by the stream
        message = session.deserialize(rest, copy=False)
        token = ANSWERING.set(True)
        try:
            self.kernel.shell_handlers['comm_msg'](self.stream, idents, message)
        except KeyboardInterrupt as error:
            # raised here, it would leave the stream deaf to what came meanwhile
            self.interrupted = error
        finally:
            ANSWERING.reset(token)
            # the page sends the next move when this one is done; the cell goes on
            self._say('idle', message)
            self._say('busy', self.kernel.get_parent())
        return None

    def _say(self, state: str, parent: dict) -> None:
        self.kernel.session.send(
            self.kernel.iopub_socket,
            'status',
            {'execution_state': state},
            parent=parent,
            ident=f'kernel.{self.kernel.ident}.status'.encode(),
        )


def _incoming(kernel: Any) -> Any:
    """Return the stream that brings messages to the thread of cells, None elsewhere."""
    if threading.current_thread() is not threading.main_thread():
        return None
    try:
        thread = getattr(kernel, 'shell_channel_thread', None)
        if thread is None:
            stream = kernel.shell_stream
        else:
            pair = thread.manager.get_shell_channel_to_subshell_pair(None)
            stream = pair.to_stream
    except AttributeError:
        return None
    return stream if hasattr(stream, '_recv_callback') else None
