"""ResNets on ImageNet, or on any image set, with one schedule: python -m d2l_ext.vision.

One command line for both frameworks and for any number of workers:

    python -m d2l_ext.vision --backend mxnet --train train.rec --test val.rec
    torchrun --nproc-per-node 8 -m d2l_ext.vision --backend torch --train ... --test ...
    python -m d2l_ext.vision.launch --workers 2 -- \\
        python -m d2l_ext.vision --kvstore dist_sync ...

A job names no framework: `_mxnet.py` and `_torch.py` each bring a `Worker` to it.
"""

import argparse
import dataclasses

import numpy

from d2l_ext.plan import whole_number
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineScheduler,
    MultiFactorScheduler,
    PolyScheduler,
    WarmupScheduler,
)

SCHEDULES = 'constant', 'cosine', 'linear', 'multi-factor'
CHOICES = {
    'backend': ('mxnet', 'torch'),
    'net': ('resnet18', 'resnet50'),
    'schedule': SCHEDULES,
    'per': ('epoch', 'update'),
    'precision': ('float32', 'bfloat16', 'float16'),
    'kvstore': ('local', 'device', 'dist_sync'),
}
ELSEWHERE = 'train', 'test', 'checkpoint', 'history', 'num_workers'
# Of ImageNet's channels, in the units of a byte
MEAN, STD = (123.68, 116.779, 103.939), (58.393, 57.12, 57.375)


def schedule(
    name, base_lr, num_epochs, batch_size=256, warmup_epochs=0, updates_per_epoch=1
):
    """Return the scheduler of a run, counted in updates, `updates_per_epoch` an epoch.

    Its peak is base_lr batch_size / 256, the linear scaling rule. After a linear warmup
    from 0 it is one of `SCHEDULES`: 'cosine' and 'linear' end at 0 with the run;
    'multi-factor' takes a tenth at 1/3, 2/3 and 8/9 of it, which is 30, 60 and 80 of
    90 epochs.

    >>> scheduler = schedule('multi-factor', 0.1, 90, batch_size=8192, warmup_epochs=5)
    >>> [round(scheduler(t), 4) for t in (0, 5, 29, 30, 60, 80)]
    [0.0, 3.2, 3.2, 0.32, 0.032, 0.0032]

    Raises ValueError for another schedule, or a warmup of a third of the run and more.

    Source: Goyal et al. (2017); He et al. (2019); Loshchilov and Hutter (2017).
    """
    if name not in SCHEDULES:
        raise ValueError(f'schedule must be one of {SCHEDULES}, got {name!r}')
    if not 0 <= warmup_epochs < num_epochs / 3:
        raise ValueError(
            'warmup_epochs must be >= 0 and below a third of the '
            f'{num_epochs} epochs, got {warmup_epochs!r}'
        )
    peak = base_lr * batch_size / 256
    total, warmup = num_epochs * updates_per_epoch, warmup_epochs * updates_per_epoch
    scheduler = {
        'constant': lambda: ConstantScheduler(peak),
        'cosine': lambda: CosineScheduler(total - warmup, peak),
        'linear': lambda: PolyScheduler(total - warmup, peak, pwr=1),
        'multi-factor': lambda: MultiFactorScheduler(
            [total * ninths / 9 - warmup for ninths in (3, 6, 8)], 0.1, peak
        ),
    }[name]()
    return WarmupScheduler(scheduler, warmup) if warmup else scheduler


@dataclasses.dataclass(frozen=True)
class Job:
    """What to train, on what and how.

    `train`, `test`: a RecordIO file, or for PyTorch a folder too. `batch_size` counts
    the images of an update over all workers and devices, in `accumulate` passes each.
    `width`: channels of the first stage, 64 in the paper. `min_area`: the least share
    of an image that a crop shows. `num_workers` threads or processes unpack images.
    `checkpoint` and `history` are written after each epoch; a run whose checkpoint is
    there goes on from it. In bfloat16 and float16 the weights stay float32.

    Raises ValueError for what cannot be.
    """

    train: str
    test: str
    backend: str = 'mxnet'
    classes: int = 1000
    net: str = 'resnet50'
    width: int = 64
    size: int = 224
    min_area: float = 0.08
    num_epochs: int = 90
    batch_size: int = 256
    accumulate: int = 1
    schedule: str = 'cosine'
    base_lr: float = 0.1
    warmup_epochs: float = 0.0
    per: str = 'update'
    momentum: float = 0.9
    wd: float = 1e-4
    precision: str = 'float32'
    kvstore: str = 'device'
    seed: int = 0
    num_workers: int = 4
    checkpoint: str = ''
    history: str = ''

    def __post_init__(self):
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                got = getattr(self, name)
                raise ValueError(f'{name} must be one of {choices}, got {got!r}')
        for name in (
            'classes', 'width', 'size', 'num_epochs', 'batch_size', 'accumulate'
        ):  # fmt: skip
            whole_number(name, getattr(self, name))
        if not 0 < self.min_area <= 1:
            raise ValueError(f'min_area must be in (0, 1], got {self.min_area!r}')
        self.scheduler(1)

    def scheduler(self, updates_per_epoch):
        """Return the schedule, in the unit `per`."""
        return schedule(
            self.schedule,
            self.base_lr,
            self.num_epochs,
            self.batch_size,
            self.warmup_epochs,
            updates_per_epoch if self.per == 'update' else 1,
        )

    def share(self, parts):
        """Return how many images each of `parts` workers or devices has in one pass.

        Raises ValueError where the batch cannot be shared evenly.
        """
        if self.batch_size % (parts * self.accumulate):
            raise ValueError(
                f'batch_size must be a multiple of {parts} x {self.accumulate} '
                f'(devices x accumulate), got {self.batch_size}'
            )
        return self.batch_size // (parts * self.accumulate)

    def updates(self, images):
        """Return how many updates an epoch of so many images has.

        Raises ValueError where a batch takes more images than there are.
        """
        if images < self.batch_size:
            raise ValueError(
                f'batch_size must be at most {images}, the images of {self.train}, '
                f'got {self.batch_size}'
            )
        return images // self.batch_size


def order(job, epoch, images, rank, world):
    """Return the images of one worker's passes in `epoch`, shape (passes, n).

    A permutation of all, from the seed and the epoch alone, of which each update takes
    the next `batch_size`; its passes are dealt out to the workers in turn. So what two
    workers do is what one does in two passes.

    >>> job = Job('', '', batch_size=4)
    >>> order(job, epoch=0, images=9, rank=0, world=2).shape
    (2, 2)
    """
    n = job.updates(images)
    shuffled = numpy.random.default_rng([job.seed, epoch]).permutation(images)
    dealt = shuffled[: n * job.batch_size].reshape(n, job.accumulate, world, -1)
    return dealt[:, :, rank].reshape(n * job.accumulate, -1)


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
