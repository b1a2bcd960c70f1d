"""The processor's time that a goal is compared with, on a machine with other work."""

import math
import time
from collections.abc import Callable

# what `yardstick` takes on the quiet machine that the goals were set on
QUIET = 1.9e-3


def yardstick() -> float:
    """Return the seconds of a piece of Python as schedulers are: calls and floats."""

    def rate(t):
        return max(0.1, min(math.cos(t), 0.5)) * 0.5

    start = time.thread_time()
    for t in range(5_000):
        rate(t)
    return time.thread_time() - start


def quiet_seconds(work: Callable, *arguments: object, **named: object) -> float:
    """Return the seconds that a call of `work` takes, as the quiet machine counts them.

    Another program on the same core can double what a program takes, and a thread's own
    time counts that: a yardstick right before and after is slowed as much. Where it is
    not slowed, or the machine is faster than the quiet one, this is the time as it is.
    """
    before, start = yardstick(), time.thread_time()
    work(*arguments, **named)
    took = time.thread_time() - start
    return took / max(1.0, min(before, yardstick()) / QUIET)
