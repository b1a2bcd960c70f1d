"""ResNets on ImageNet: outside the core, and not yet run on a GPU."""

from d2l_ext.vision.job import SCHEDULES, Job, job_from, order, schedule
from d2l_ext.vision.train import train

__all__ = [
    'SCHEDULES',
    'Job',
    'job_from',
    'order',
    'schedule',
    'train',
]
