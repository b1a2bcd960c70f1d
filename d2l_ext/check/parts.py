"""What a scheduler, whoever made it, tells of its parts and of their lengths."""

import math
from collections.abc import Iterable
from itertools import accumulate
from numbers import Real

from d2l_ext.families import EpochScheduler, ProductScheduler
from d2l_ext.schedulers import CyclicScheduler, LambdaScheduler, Scheduler

# what the libraries call the length of a decay, and the rate at its end
LENGTHS = (
    *('max_update', 'period', 'T_max', 'T_0', 'total_steps'),
    *('niters', 't_initial', 'lr_decay_steps'),
)
FLOORS = 'final_lr', 'eta_min', 'target_lr', 'lr_min', 'min_lr'


def children(scheduler):
    """Yield each scheduler inside one, and when it begins and ends.

    None of a product, whose factors are no rates, nor of what counts in another unit.
    """
    if isinstance(scheduler, EpochScheduler | ProductScheduler):
        return
    inner = getattr(scheduler, 'scheduler', getattr(scheduler, 'lr_scheduler', None))
    if inner is not None:
        yield inner, warmup_of(scheduler), math.inf
    several = getattr(scheduler, 'schedulers', getattr(scheduler, '_schedulers', ()))
    turns = getattr(scheduler, 'boundaries', getattr(scheduler, '_milestones', ()))
    if hasattr(scheduler, 'update_sep'):
        turns = scheduler.update_sep[:-1]
    elif hasattr(scheduler, 'durations'):
        turns = [*accumulate(scheduler.durations)]
    for i, part in enumerate(several):
        begin = turns[i - 1] if i and turns else 0
        yield part, begin, turns[i] if i < len(turns) else math.inf


def parts_of(scheduler):
    """Yield a scheduler, and the schedulers inside it."""
    yield scheduler
    for part, *_ in children(scheduler):
        yield from parts_of(part)


def leaves(scheduler, begin=0, end=math.inf):
    """Yield the schedulers with none inside, and when they begin and end in the run."""
    several = [*children(scheduler)]
    if not several:
        yield scheduler, begin, end
    for part, start, stop in several:
        yield from leaves(part, begin + start, min(end, begin + stop))


def is_ours(part):
    return isinstance(part, Scheduler)


def name_of(part):
    return getattr(part, '__name__', type(part).__name__)


def is_lambda(part):
    return isinstance(part, LambdaScheduler) or hasattr(part, 'lr_lambdas')


def number(part, name, default=0):
    """Return an attribute if it is a number: libraries differ in what they keep."""
    value = getattr(part, name, default)
    return value if isinstance(value, Real) else default


def plain(count):
    """Return a count as it is written: 5 and not 5.0, 2.5, 1234567."""
    return int(count) if count == int(count) else round(count, 4)


def warmup_of(part):
    names = 'warmup_steps', 'warmup_t', 'lr_warmup_steps'
    return max(number(part, name) for name in names)


def is_repeated(part):
    """Return whether it goes down every so often, and not at times of its choice."""
    return any(number(part, name) for name in ('step', 'step_size', 'decay_t'))


def points_of(part):
    """Return the points (t, lr) of straight lines: ours, or Ignite's."""
    if hasattr(part, 'milestones') and hasattr(part, 'values'):
        return [*zip(part.milestones, part.values)]
    return getattr(part, 'points', ())


def milestones_of(part):
    """Return the times at which a scheduler of steps goes down, as its maker gave."""
    if 1 in (getattr(part, 'factor', 0), getattr(part, 'gamma', 0)):
        return []
    names = 'milestones', 'decay_t', 'step', 'step_size'
    values = (getattr(part, name, None) for name in names)
    steps = next((v for v in values if v is not None and not callable(v)), ())
    if hasattr(part, 'max_lr') or hasattr(part, 'values'):
        return []  # of a cycle, and of straight lines
    return sorted(steps) if isinstance(steps, Iterable) else [steps]


def decay_of(part):
    """Return how long a scheduler decays and to which rate, (0, 0) if unknown."""
    if points_of(part):
        return points_of(part)[-1]
    if isinstance(part, CyclicScheduler):
        return part.step_size if part.shape == 'cosine' else 0, part.base_lr
    if getattr(part, 'mode', '') == 'step':  # GluonCV's, which has no end
        return 0, 0
    names = (*LENGTHS, *(['total_iters'] if hasattr(part, 'power') else []))
    length = max(number(part, name) for name in names)
    return length, max(number(part, name) for name in FLOORS)


def is_mxnet(scheduler):
    return not isinstance(scheduler, Scheduler) and hasattr(
        scheduler, 'warmup_final_lr'
    )


def is_gluoncv(scheduler):
    return is_mxnet(scheduler) and (
        hasattr(scheduler, 'niters') or hasattr(scheduler, 'update_sep')
    )


def asked_as(scheduler):
    """Return by whose rules a scheduler is asked, '' for a function of time."""
    for library, names in {
        'timm': ('t_in_epochs', '_get_lr'),
        'ignite': ('event_index', 'param_name'),
        'megatron': ('lr_decay_steps', 'optimizer'),
        'torch': ('optimizer', 'step'),
    }.items():
        if all(hasattr(scheduler, name) for name in names):
            return library
    return ''


def peak_of(part):
    """Return the highest rate that a scheduler's arguments name, 0 if unknown."""
    if is_lambda(part) or is_gluoncv(part) or isinstance(part, ProductScheduler):
        return 0
    if hasattr(part, 'optimizer'):
        # timm's and Megatron's groups have it, too
        groups = part.optimizer.param_groups
        return float(groups[0].get('initial_lr', number(part, 'max_lr')))
    if is_mxnet(part):  # which is asked from 1: only a warmup brings it to the peak
        return part.warmup_final_lr if part.warmup_steps else 0
    points = [lr for _, lr in points_of(part)]
    return max([*points, *(number(part, n) for n in ('base_lr', 'max_lr', 'final_lr'))])
