"""How many threads MXNet computes with, where nobody has said."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def one() -> Iterator[None]:
    """Have MXNet, imported meanwhile, compute with one thread, or OMP_NUM_THREADS.

    Left to itself it takes one for each core. Its engine and Python are threads as
    well, and where the cores are used up, all wait for each other: `python -m
    benchmarks` shows it. With one thread, a run also has the same bits on a machine
    of any number of cores.

    >>> with one():
    ...     'MXNET_OMP_MAX_THREADS' in os.environ or 'OMP_NUM_THREADS' in os.environ
    True
    """
    # not OMP_NUM_THREADS: where PyTorch has loaded OpenMP before, nobody asks for it
    name = 'MXNET_OMP_MAX_THREADS'
    if 'OMP_NUM_THREADS' in os.environ or name in os.environ:
        yield
        return
    os.environ[name] = '1'
    try:
        yield
    finally:
        del os.environ[name]
