"""How many threads MXNet computes with, where nobody has said."""

import contextlib
import os
import sys
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
    # OpenMP that PyTorch has loaded before asks for OMP_NUM_THREADS no more
    name = 'MXNET_OMP_MAX_THREADS' if 'torch' in sys.modules else 'OMP_NUM_THREADS'
    unsaid = not {'OMP_NUM_THREADS', name} & os.environ.keys()
    if unsaid:
        os.environ[name] = '1'
    try:
        yield
    finally:
        if unsaid:
            del os.environ[name]
