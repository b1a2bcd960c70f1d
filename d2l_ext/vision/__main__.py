"""The command line: python -m d2l_ext.vision."""

import argparse
import dataclasses
import importlib

from d2l_ext.vision.job import (
    CHOICES,
    Job,
)
from d2l_ext.vision.train import train


def job_from(arguments=None):
    """Return the `Job` that a command line asks for."""
    parser = argparse.ArgumentParser(
        prog='python -m d2l_ext.vision',
        description=__doc__,
        epilog=Job.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for field in dataclasses.fields(Job):
        needed = field.default is dataclasses.MISSING
        parser.add_argument(
            f'--{field.name.replace("_", "-")}',
            type=field.type,
            choices=CHOICES.get(field.name),
            required=needed,
            help=None if needed else f'{field.default!r} if it is left out',
            **({} if needed else {'default': field.default}),
        )
    try:
        return Job(**vars(parser.parse_args(arguments)))
    except ValueError as error:
        parser.error(str(error))


def main(arguments=None):
    """Train as the command line says."""
    job = job_from(arguments)
    side = importlib.import_module(f'd2l_ext.vision._{job.backend}')
    with side.Worker(job) as worker:
        train(job, worker, progress=lambda history: print(history, flush=True))
