"""The command line: python -m d2l_ext.vision."""

import importlib
import sys

from d2l_ext.vision.job import job_from
from d2l_ext.vision.train import train


def main(arguments=None):
    """Train as the command line says."""
    job = job_from(arguments)
    side = importlib.import_module(f'd2l_ext.vision._{job.backend}')
    with side.Worker(job) as worker:
        train(job, worker, progress=lambda history: print(history, flush=True))


if __name__ == '__main__':
    sys.exit(main())
