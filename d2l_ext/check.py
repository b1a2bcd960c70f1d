"""What a look at a schedule should tell before a run is spent on it."""

import copy
import math
import warnings
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from d2l_ext.plan import BATCHES_PER_EPOCH, plan_of, rate_at
from d2l_ext.schedulers import (
    CosineRestartsScheduler,
    CyclicScheduler,
    LambdaScheduler,
    PlateauScheduler,
    Scheduler,
)

EARLY = 0.05  # over in this share of a run: its lengths were meant for another run
LATE = 0.25  # a warmup ends before this share of a run
CUT = 0.1  # a decay with this share of its way left was meant for a longer run
NOTABLE = 1e-4  # one update in ten thousand is not worth a word
ROUNDING = 1e-12

CYCLES = CyclicScheduler, CosineRestartsScheduler
# what the libraries call the length of a decay, and the rate at its end
LENGTHS = (
    *('max_update', 'period', 'T_max', 'T_0', 'total_steps'),
    *('niters', 't_initial', 'lr_decay_steps'),
)
FLOORS = 'final_lr', 'eta_min', 'target_lr', 'lr_min', 'min_lr'
# the learning rates that MXNet's optimizers bring of their own
DEFAULTS = 0.001, 0.002, 0.01


def check(
    schedule: Any,
    num_epochs: int | None = None,
    per: str = 'epoch',
    batches_per_epoch: int = BATCHES_PER_EPOCH,
    *,
    stability: float | None = None,
) -> list[str]:
    """Return what is doubtful about a schedule in a run, a list of sentences.

    `schedule`: a `Plan`, or a scheduler and in what follows the rest of its plan.
    `stability` is a rate above which the run is expected to diverge, such as
    2 / lambda_max. The scheduler may also be an object of MXNet or GluonCV (asked from
    1, as a Trainer asks), or of PyTorch, timm, Ignite or Megatron, of which a copy is
    used up; one that cannot be asked gets a sentence, too.

    >>> from d2l_ext.schedulers import CosineScheduler
    >>> check(CosineScheduler(40, 0.5, 0.01), num_epochs=40)
    []
    >>> check(CosineScheduler(40, 0.5, 0.01), 40, 'update', 235)  # doctest: +ELLIPSIS
    ['Over after 40 of 9400 updates (0.43 % of the run), the rest has the rate 0.01:...

    Raises ValueError for a `PlateauScheduler`, which follows the losses of a run, and
    what `plan_of` does.
    """
    plan = plan_of(schedule, num_epochs, per, batches_per_epoch)
    scheduler = plan.scheduler
    if isinstance(scheduler, PlateauScheduler):
        raise ValueError(
            f'{scheduler!r} follows the losses of a run and cannot be checked before it'
        )
    refused = not isinstance(scheduler, Scheduler) and _cannot_be_asked(plan)
    if refused:
        return [refused]
    try:
        run = _Run(plan)
    except _Refused as refusal:
        return [str(refusal)]
    used = _used(scheduler, run)
    floor, early = _floor_above(run), _over_early(run)
    doubts = [used, _starts_at_zero(run)]
    doubts.append(early or _part_too_short(run) or _zero_at_the_end(run))
    doubts.append(floor or _rises_again(run) or _jumps_late(run))
    doubts.append(_unstable(run, stability))
    if not used:
        doubts.append(
            _warmup_too_long(run)
            or _below_peak(run)
            or (not floor and _part_too_long(run))
            or (not early and _falls_little(run))
        )
    return [sentence for sentence in doubts if sentence]


class _Refused(Exception):
    """What a framework's object said in place of a rate."""


class _Run:
    """The rates of a run: all of them, or enough to find every change."""

    def __init__(self, plan):
        scheduler, n = plan.scheduler, plan.length
        self.per, self.n, self.plan = plan.per, n, plan
        self.scheduler, self.parts = scheduler, [*_parts(scheduler)]
        if isinstance(scheduler, Scheduler):
            self.rate, self.times = scheduler.lr, range(n)
            if n > 1000 and not self.winding():  # a slider waits: 400 will do
                early = (round(1.1**k) for k in range(math.ceil(math.log(n, 1.1))))
                times = {*range(40), *range(0, n, n // 300), *early, n - 1}
                self.times = sorted(t for t in times if t < n)
            self.lrs = [*map(self.rate, self.times)]  # a look at each t would cost more
            if not all(0 <= lr < math.inf for lr in self.lrs):
                self.lrs = [rate_at(scheduler, t, plan.per) for t in self.times]
        else:
            self.times, self.lrs = range(n), list(_rates(plan))
            self.rate = self.lrs.__getitem__
        self.peak = max(self.lrs)
        self.tolerance = 1e-9 * self.peak
        self.stretches = []  # [i, j, rises]: from lrs[i] to lrs[j] it never turns
        for i, (a, b) in enumerate(zip(self.lrs, self.lrs[1:])):
            if abs(b - a) > self.tolerance:
                if not self.stretches or self.stretches[-1][2] != (b > a):
                    self.stretches.append([i, i + 1, b > a])
                self.stretches[-1][1] = i + 1

    def winding(self):
        """Return whether a rate may change its direction more often than a few times.

        Of a reader's function or class that is not known.
        """
        ours = 'd2l_ext.'
        return any(
            isinstance(part, (*CYCLES, LambdaScheduler))
            or not type(part).__module__.startswith(ours)
            for part in self.parts
        )

    def rises_at_the_end(self):
        last = self.stretches[-1:]
        return bool(last) and last[0][1] == len(self.lrs) - 1 and last[0][2]

    def change(self, holds, i):
        """Return the first time after times[i - 1] for which `holds` holds, as at i."""
        if i == 0:
            return 0
        low, high = self.times[i - 1], self.times[i]
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(self.rate(middle)) else (middle, high)
        return high

    def spoken(self, count):
        return f'{count:.6g} {self.per}{"s" * (count != 1)}'

    def share(self, count):
        return f'{count:.6g} of {self.spoken(self.n)} ({100 * count / self.n:.2g} % of the run)'

    def unit_remedy(self):
        if self.per == 'epoch':
            return 'make its lengths longer, or the run shorter.'
        batches = self.plan.batches_per_epoch
        return f'count in epochs, or make its lengths {batches} times as long.'

    def meant_as_epochs(self, length, rising, of=None):
        """Return whether a length in updates is more likely one in epochs.

        A warmup may be short, but not as many updates as it would take epochs.
        """
        epochs = self.plan.num_epochs / (3 if rising else 1)
        return self.per == 'update' and 1 < length <= min(
            epochs, EARLY * (of or self.n)
        )


# What a framework's object is asked for


def _rates(plan):
    """Yield what a framework's object, or any function, will say in a run."""
    scheduler, t = _copy(plan.scheduler), 0
    asked = _asked_as(scheduler)
    try:
        for t in range(plan.length):
            if asked == 'timm':
                yield float(scheduler._get_lr(t)[0])  # it has no public door
            elif asked == 'ignite':
                scheduler(None)
                yield float(scheduler.optimizer_param_groups[0][scheduler.param_name])
            elif asked:
                yield float(scheduler.optimizer.param_groups[0]['lr'])
                with warnings.catch_warnings():
                    warnings.simplefilter('ignore')  # the optimizer takes no steps here
                    if t + 1 < plan.length:
                        scheduler.step(*([1] if asked == 'megatron' else []))
            else:
                yield rate_at(scheduler, t + _first(scheduler), plan.per)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        if not asked and not _of_mxnet(scheduler):
            raise  # a reader's function speaks for itself
        raise _Refused(
            f'{_name(scheduler)} gives {t} of {plan.length} rates and then says '
            f'{type(error).__name__}: {error}; check its arguments for this run.'
        ) from error


def _asked_as(scheduler):
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


def _of_mxnet(scheduler):
    return not isinstance(scheduler, Scheduler) and hasattr(
        scheduler, 'warmup_final_lr'
    )


def _of_gluoncv(scheduler):
    return _of_mxnet(scheduler) and (
        hasattr(scheduler, 'niters') or hasattr(scheduler, 'update_sep')
    )


def _first(scheduler):
    """Return the first count with which the scheduler is asked."""
    return 1 if _of_mxnet(scheduler) else 0


def _copy(scheduler):
    """Return a copy to use up, which shares the model's parameters and their state."""
    shared = {}
    for part in _parts(scheduler):
        optimizer = getattr(part, 'optimizer', None)
        for group in getattr(optimizer, 'param_groups', ()):
            shared.update((id(p), p) for p in group.get('params', ()))
        if hasattr(optimizer, 'state'):
            shared[id(optimizer.state)] = optimizer.state
    return copy.deepcopy(scheduler, shared)


def _cannot_be_asked(plan):
    scheduler, n = plan.scheduler, plan.length
    name = _name(scheduler)
    if any(hasattr(p, 'patience') and hasattr(p, 'factor') for p in _parts(scheduler)):
        return (
            f'{name} follows the losses of a run and cannot be checked before it: '
            'draw the History of the run.'
        )
    if _asked_as(scheduler) == 'timm' and scheduler.t_in_epochs != (
        plan.per == 'epoch'
    ):
        unit = 'epoch' if scheduler.t_in_epochs else 'update'
        return f'{name} counts {unit}s, the plan {plan.per}s: say per={unit!r}.'
    if _number(scheduler, 'max_steps', 1) <= 0:
        return (
            f'{name} has no time for its decay: its max_update = '
            f'{scheduler.max_update} includes the warmup of {scheduler.warmup_steps}; '
            'make max_update larger, or the warmup shorter.'
        )
    steps = _number(scheduler, 'total_steps', n)
    if _asked_as(scheduler) == 'torch' and steps < n:
        return (
            f'{name} has {steps} steps, the run {n} {plan.per}s: PyTorch raises an '
            f'error after the last of them; give it total_steps={n}.'
        )
    return ''


def _used(scheduler, run):
    if isinstance(scheduler, Scheduler):
        return ''
    if _asked_as(scheduler):
        counts = 'last_epoch', 'event_index', 'num_steps'
        steps = max(_number(part, name) for part in run.parts for name in counts)
        return steps > 0 and (
            f'Used already: it was stepped {steps} times and starts at '
            f'{run.lrs[0]:.4g}; make a new optimizer and scheduler for each run.'
        )
    # MXNet's Factor and MultiFactor keep the decayed rate as base_lr; the others keep
    # the original beside it
    if _of_mxnet(scheduler) and not hasattr(scheduler, 'base_lr_orig'):
        begin, left = scheduler.warmup_final_lr, scheduler.base_lr
        if left != begin and not _of_gluoncv(scheduler):
            if _number(scheduler, 'count'):
                return (
                    f'Used already: of its {begin:.4g} there is {left:.4g} left, and '
                    'it cannot go back; make a new one for each plot and each run.'
                )
            # 0.01 is the base_lr that nobody chose
            if scheduler.warmup_steps or (left in DEFAULTS and begin != 0.01):
                return (
                    f'An optimizer has overwritten its base_lr {begin:.4g} by '
                    f'{left:.4g}, as Adam and others of MXNet do with a learning_rate '
                    f'of their own: give the optimizer learning_rate={begin:.4g} too, '
                    'and a new scheduler.'
                )
    twin, t = copy.deepcopy(scheduler), _first(scheduler)
    once, twice = (rate_at(twin, t, run.per) for _ in range(2))
    return once != twice and (
        f'Every call changes it, whatever the time: asked twice for {t}, it answers '
        f'{once:.4g} and then {twice:.4g}; use a function of time.'
    )


# What the rates show


def _starts_at_zero(run):
    i = next((i for i, lr in enumerate(run.lrs) if lr > 0), None)
    if i is None:
        return 'The rate is 0 throughout: nothing is learned.'
    count = run.change(lambda lr: lr > 0, i)
    if count <= NOTABLE * run.n:
        return ''
    which = f'first {run.per}' if count == 1 else f'first {run.spoken(count)}'
    updates = count * run.plan.batches_per_epoch
    lost = f' ({updates} update{"s" * (updates != 1)})' if run.per == 'epoch' else ''
    return (
        f'The rate of the {which} is 0, nothing is learned{lost}: let the warmup '
        f'begin higher, at {run.rate(count):.4g} say.'
    )


def _over_early(run):
    end = run.lrs[-1]

    def at_rest(lr):
        return abs(lr - end) <= run.tolerance

    moving = [i for i, lr in enumerate(run.lrs) if not at_rest(lr)]
    if not moving or moving[-1] + 1 == len(run.lrs):
        return ''
    count = run.change(at_rest, moving[-1] + 1)
    falls = end < run.peak - run.tolerance
    if not (count <= EARLY * run.n if falls else run.meant_as_epochs(count, True)):
        return ''
    return (
        f'Over after {run.share(count)}, the rest has the rate {end:.4g}: '
        f'{run.unit_remedy()}'
    )


def _zero_at_the_end(run):
    def zero(lr):
        return lr <= ROUNDING * run.peak

    last = max((i for i, lr in enumerate(run.lrs) if not zero(lr)), default=-1)
    if not 0 <= last < len(run.lrs) - 1:
        return ''
    begin = run.change(zero, last + 1)
    count = run.n - begin
    return count > max(1, EARLY * run.n) and (
        f'The rate of the last {run.share(count)} is 0, nothing is learned in them: '
        f'make its lengths {run.n / begin:.3g} times as long, or end above 0.'
    )


def _rises_again(run):
    after = run.stretches  # from the first fall on
    if after and after[0][2]:
        after = after[1:]
    if len(after) < 2 or _goes_round(run, after):
        return ''
    i = after[1][0]
    # the turn lies beside the lowest of the times looked at
    around = range(run.times[max(i - 1, 0)], run.times[i + 1] + 1)
    low = min(around, key=lambda t: (run.rate(t), -t))  # the last of the lowest
    return (
        f'Rises again after {run.per} {low}, from {run.rate(low):.4g} to '
        f'{max(run.lrs[i + 1 :]):.4g}: stop there, or hold the final rate.'
    )


def _goes_round(run, after):
    """Return whether the rates restart, or swing, by design; `after` begins to fall."""
    for part in run.parts:
        if isinstance(part, CYCLES) or hasattr(part, 'T_mult'):
            return True
    falls = [(run.times[i], run.times[j]) for i, j, rises in after if not rises]
    rises = [(i, j) for i, j, rises in after if rises]
    # a restart is a jump from which it falls as soon as it did at first
    waits = [b[0] - a[1] for a, b in zip(after[1::2], after[2::2])]
    falls_at_once = not after[-1][2] and max(waits) <= after[0][0]
    if falls_at_once and all(j == i + 1 and _jump(run, j)[1] for i, j in rises):
        return True
    # a swing falls for as long each time, or so many times longer than the last
    lengths = [end - begin for begin, end in falls]
    if len(lengths) > 2 and not after[-1][2] and lengths[-1] < lengths[-2]:
        lengths.pop()  # the run cuts the last
    ratios = [b / a for a, b in zip(lengths, lengths[1:])]
    return bool(ratios) and all(
        0.9 < ratio < 4 and abs(ratio - ratios[0]) <= 0.1 * ratio for ratio in ratios
    )


def _jump(run, i):
    """Return when the rise to times[i] begins, and whether it is a single step."""
    low, high = run.lrs[i - 1], run.lrs[i]
    t = run.change(lambda lr: lr > (low + high) / 2, i)
    return t, run.rate(t) - run.rate(t - 1) > 0.9 * (high - low)


def _jumps_late(run):
    if not run.stretches or not run.stretches[0][2]:
        return ''
    i = run.stretches[0][0] + 1
    t, single = _jump(run, i)
    low, high = run.rate(t - 1), run.rate(t)
    if not single or t <= LATE * run.n or not 0 < 2 * low <= high:
        return ''
    return (
        f'Jumps up after {run.share(t)}, from {low:.4g} to {high:.4g}: end a warmup '
        'earlier, or hold the rate.'
    )


def _falls_little(run):
    known = _ours(run.scheduler) and not any(map(_lambda, run.parts))
    if known or [s[2] for s in run.stretches[-2:]] not in (
        [False],
        [True, False],
    ):
        return ''
    end = run.lrs[-1]
    return end > (1 - CUT) * run.peak and (
        f'The rate falls by {100 * (1 - end / run.peak):.2g} % only, from '
        f'{run.peak:.4g} to {end:.4g}: a decay meant for a longer run should be made as '
        'long as this one.'
    )


def _unstable(run, stability):
    if stability is None:
        return ''
    over = [lr > stability for lr in run.lrs]
    # each stretch above the line ends where the next one below begins
    starts = [i for i, high in enumerate(over) if high and not (i and over[i - 1])]
    ends = [i for i, high in enumerate(over) if not high and i and over[i - 1]]
    count = sum(run.change(lambda lr: lr <= stability, i) for i in ends)
    count += run.n * (len(starts) > len(ends))
    count -= sum(run.change(lambda lr: lr > stability, i) for i in starts)
    return count and (
        f'Above the stability line {stability:.4g} for {count} of '
        f'{run.spoken(run.n)}: keep the rate below it.'
    )


# What the arguments were meant for


def _floor_above(run):
    for part in run.parts:
        floor, base = _number(part, 'stop_factor_lr'), _number(part, 'base_lr')
        if floor > base > 0 and _number(part, 'factor', 1) != 1:
            how = 'jumps up to it' if _of_mxnet(part) else 'never decays'
            return (
                f'The floor stop_factor_lr = {floor:.4g} lies above base_lr = '
                f'{base:.4g}, the rate {how}: name the arguments, whose order differs '
                'between libraries.'
            )
    return ''


def _warmup_too_long(run):
    steps = max(map(_warmup, run.parts))
    if steps >= run.n:
        return (
            f'The warmup takes {run.spoken(steps)}, the run {run.n}: the rate ends at '
            f'{run.lrs[-1]:.4g}; shorten the warmup.'
        )
    if not run.rises_at_the_end() or any(not rises for *_, rises in run.stretches):
        return ''
    ramps = 'start_factor', 'total_steps', 'schedulers', '_schedulers'
    if steps or any(hasattr(part, name) for part in run.parts for name in ramps):
        return (
            f'The warmup is not over when the run ends: the rate still rises, to '
            f'{run.lrs[-1]:.4g}; shorten the warmup.'
        )
    return (
        f'The rate never falls and still rises when the run ends, to '
        f'{run.lrs[-1]:.4g}: hold it, or let it fall.'
    )


def _below_peak(run):
    unit = any(map(_lambda, run.parts))  # what they multiply is a unit, not a rate
    peak = max(0 if unit and not _ours(p) else _peak(p) for p in run.parts)
    if run.peak >= 0.99 * peak:  # a time between two updates may hold the last percent
        return ''
    return (
        f'The peak {peak:.4g} is never reached, the highest rate is {run.peak:.4g}: '
        'let the decay begin after the warmup.'
    )


def _part_too_short(run):
    """Say which part was counted in epochs, the run being in updates."""
    remedy = run.unit_remedy()
    for part in run.parts:
        if run.meant_as_epochs(_warmup(part), True):
            return f'The warmup takes {run.share(_warmup(part))}: {remedy}'
        for child, begin, end in _inside(part):
            rises = end < run.n and run.rate(begin) < run.rate(end)
            if end < run.n and run.meant_as_epochs(end - begin, rises):
                return f'{_name(child)} takes {run.share(end - begin)}: {remedy}'
    for part, begin, end in _leaves(run.scheduler):
        length = min(end, run.n) - begin
        if _ours(part) and part is not run.scheduler and length > 1:
            over = _over_at(part, math.ceil(length), run.tolerance)
            end = part.lr(length - 1)
            if over and (end < part.lr(0) or run.meant_as_epochs(over, True, length)):
                return (
                    f'{_name(part)} is over {run.spoken(over)} after its begin, at '
                    f'{run.per} {begin:.6g}, the rest has the rate {end:.4g}: {remedy}'
                )
        early = [s for s in _milestones(part) if run.meant_as_epochs(s, False, length)]
        points = getattr(part, 'points', ())
        early += [
            t
            for (_, low), (t, lr) in zip(points, points[1:])
            if run.meant_as_epochs(t, low < lr, length)
        ]
        if early:
            return f'{_name(part)} has a change after {run.share(early[0])}: {remedy}'
    return ''


def _over_at(part, length, tolerance):
    """Return when a part has come to rest, 0 if that is not early in its length."""

    def at_rest(t):
        return abs(part.lr(t) - part.lr(length - 1)) <= tolerance

    low, high = 0, math.floor(EARLY * length)
    later = range(high, length, max(1, (length - high) // 7))
    if isinstance(part, CYCLES) or at_rest(0) or not all(map(at_rest, later)):
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if at_rest(middle) else (middle, high)
    return high


def _part_too_long(run):
    """Say which part was meant for a longer run."""
    for part, begin, end in _leaves(run.scheduler):
        if begin > run.n:
            return (
                f'{_name(part)} would begin after {run.spoken(begin)}, the run has '
                f'{run.n}: the rate ends at {run.lrs[-1]:.4g}; let it begin earlier.'
            )
        if end < run.n:
            continue
        left = run.n - begin
        steps = _milestones(part)
        beyond = [s for s in steps if s > left or (s == left > 1 == len(steps))]
        if beyond:
            several = len(beyond) > 1
            return (
                f'{_name(part)} has its change{"s" * several} at '
                f'{" and ".join(f"{s:.6g}" for s in beyond[:3])} beyond its '
                f'{run.spoken(left)}: the rate ends at {run.lrs[-1]:.4g}; let '
                f'{"them" if several else "it"} come earlier.'
            )
        length, floor = _length(part)
        top, last = run.peak, run.lrs[-1]
        if _ours(part):
            top, last = part.lr(0), part.lr(left)
        if length > left + 1 and top > floor and last - floor > CUT * (top - floor):
            samples = hasattr(part, 'lr_decay_steps')
            return (
                f'The decay takes {run.spoken(length)}, the run leaves it {left:.6g}: '
                f'the rate ends at {run.lrs[-1]:.4g}, {100 * last / top:.2g} % of its '
                'peak; make it as long as the run'
                + (', in updates' if length > 5 * left and run.per == 'epoch' else '')
                + (" (Megatron's lengths count samples)." if samples else '.')
            )
    return ''


def _inside(scheduler):
    """Yield each scheduler inside one, and when it begins and ends."""
    inner = getattr(scheduler, 'scheduler', getattr(scheduler, 'lr_scheduler', None))
    if inner is not None:
        yield inner, _warmup(scheduler), math.inf
    several = getattr(scheduler, 'schedulers', getattr(scheduler, '_schedulers', ()))
    turns = getattr(scheduler, 'boundaries', getattr(scheduler, '_milestones', ()))
    if hasattr(scheduler, 'update_sep'):
        turns = scheduler.update_sep[:-1]
    elif hasattr(scheduler, 'durations'):
        turns = [*accumulate(scheduler.durations)]
    for i, part in enumerate(several):
        begin = turns[i - 1] if i and turns else 0
        yield part, begin, turns[i] if i < len(turns) else math.inf


def _parts(scheduler):
    """Yield a scheduler, and the schedulers inside it."""
    yield scheduler
    for part, *_ in _inside(scheduler):
        yield from _parts(part)


def _leaves(scheduler, begin=0, end=math.inf):
    """Yield the schedulers with none inside, and when they begin and end in the run."""
    several = [*_inside(scheduler)]
    if not several:
        yield scheduler, begin, end
    for part, start, stop in several:
        yield from _leaves(part, begin + start, min(end, begin + stop))


def _ours(part):
    return isinstance(part, Scheduler)


def _name(part):
    return getattr(part, '__name__', type(part).__name__)


def _lambda(part):
    return isinstance(part, LambdaScheduler) or hasattr(part, 'lr_lambdas')


def _number(part, name, default=0):
    """Return an attribute if it is a number: libraries differ in what they keep."""
    value = getattr(part, name, default)
    return value if isinstance(value, (int, float)) else default


def _warmup(part):
    names = 'warmup_steps', 'warmup_t', 'lr_warmup_steps'
    return max(_number(part, name) for name in names)


def _milestones(part):
    """Return the times at which a scheduler of steps goes down, as its maker gave."""
    if 1 in (getattr(part, 'factor', 0), getattr(part, 'gamma', 0)):
        return []
    names = 'milestones', 'decay_t', 'step', 'step_size'
    values = (getattr(part, name, None) for name in names)
    steps = next((v for v in values if v is not None and not callable(v)), ())
    if hasattr(part, 'max_lr') or isinstance(steps, str):
        return []  # of a cycle
    return sorted(steps) if isinstance(steps, Iterable) else [steps]


def _length(part):
    """Return how long a scheduler decays and to which rate, (0, 0) if unknown."""
    if hasattr(part, 'points'):
        return part.points[-1]
    if isinstance(part, CyclicScheduler):
        return part.step_size if part.shape == 'cosine' else 0, part.base_lr
    if getattr(part, 'mode', '') == 'step':  # GluonCV's, which has no end
        return 0, 0
    names = (*LENGTHS, *(['total_iters'] if hasattr(part, 'power') else []))
    length = max(_number(part, name) for name in names)
    return length, max(_number(part, name) for name in FLOORS)


def _peak(part):
    """Return the highest rate that a scheduler's arguments name, 0 if unknown."""
    if _lambda(part) or _of_gluoncv(part):
        return 0
    if hasattr(part, 'optimizer'):
        # timm's and Megatron's groups have it, too
        return float(part.optimizer.param_groups[0].get('initial_lr', 0))
    if _of_mxnet(part):  # which is asked from 1: only a warmup brings it to the peak
        return part.warmup_final_lr if part.warmup_steps else 0
    points = [lr for _, lr in getattr(part, 'points', ())]
    return max(
        [*points, *(_number(part, n) for n in ('base_lr', 'max_lr', 'final_lr'))]
    )
