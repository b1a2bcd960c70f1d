"""Doubts about the parts of a schedule: what their arguments were meant for."""

import math

from d2l_ext.check.parts import (
    decay_of,
    is_lambda,
    is_mxnet,
    is_ours,
    is_repeated,
    leaves,
    milestones_of,
    name_of,
    number,
    peak_of,
    plain,
    points_of,
    warmup_of,
)
from d2l_ext.check.rates import CYCLES, EARLY

CUT = 0.1  # a decay with this share of its way left was meant for a longer run


def floor_above(run):
    for part in run.parts:
        floor, base = number(part, 'stop_factor_lr'), number(part, 'base_lr')
        if floor > base > 0 and number(part, 'factor', 1) != 1:
            how, remedy = 'never decays', 'name the arguments.'
            if is_mxnet(part):
                how = 'jumps up to it'
                remedy = "the floor is MXNet's third argument, so name base_lr."
            return (
                f'The floor stop_factor_lr = {floor:.4g} lies above base_lr = '
                f'{base:.4g}, the rate {how}: {remedy}'
            )
    return ''


def warmup_too_long(run):
    steps = max(map(warmup_of, run.parts))
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


def below_peak(run):
    unit = any(map(is_lambda, run.parts))  # what they multiply is a unit, not a rate
    peak = max(0 if unit and not is_ours(p) else peak_of(p) for p in run.parts)
    if run.peak >= 0.99 * peak:  # a time between two updates may hold the last percent
        return ''
    return (
        f'The peak {peak:.4g} is never reached, the highest rate is {run.peak:.4g}: '
        'let the decay begin after the warmup.'
    )


def part_too_short(run):
    """Say which part was counted in epochs, the run being in updates."""
    remedy = run.unit_remedy()
    for part in run.parts:
        if run.meant_as_epochs(warmup_of(part), True):
            return f'The warmup takes {run.share(warmup_of(part))}: {remedy}'
    for part, begin, end in leaves(run.scheduler):
        length = min(end, run.n) - begin
        if end < run.n:
            rises = length > 0 and run.rate(begin) < run.rate(end)
            if run.meant_as_epochs(length, rises):
                return f'{name_of(part)} takes {run.share(length)}: {remedy}'
        if is_ours(part) and part is not run.scheduler and length > 1:
            over = _over_at(part, math.ceil(length), run.tolerance)
            end = part.lr(length - 1)
            if over and (end < part.lr(0) or run.meant_as_epochs(over, True, length)):
                return (
                    f'{name_of(part)} is over {run.spoken(over)} after it begins, at '
                    f'{run.per} {plain(begin)}, the rest has the rate {end:.4g}: {remedy}'
                )
        steps = [] if is_repeated(part) else milestones_of(part)
        early = [s for s in steps if run.meant_as_epochs(s, False, length)]
        points = points_of(part)
        early += [
            t
            for (_, low), (t, lr) in zip(points, points[1:])
            if run.meant_as_epochs(t, low < lr, length)
        ]
        if early:
            return f'{name_of(part)} has a change after {run.share(early[0])}: {remedy}'
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


def part_too_long(run):
    """Say which part was meant for a longer run."""
    for part, begin, end in leaves(run.scheduler):
        if begin > run.n or (begin == run.n and decay_of(part)[0]):
            return (
                f'{name_of(part)} would begin after {run.spoken(begin)}, the run has '
                f'{run.n}: the rate ends at {run.lrs[-1]:.4g}; let it begin earlier.'
            )
        if end < run.n:
            continue
        left = run.n - begin
        steps = milestones_of(part)
        beyond = [s for s in steps if s > left or (s == left > 1 == len(steps))]
        if beyond:
            when = ' and '.join(str(plain(step)) for step in beyond[:3])
            return (
                f'{name_of(part)} goes down at {when}, the run leaves it '
                f'{run.spoken(left)}: the rate ends at {run.lrs[-1]:.4g}; let it go '
                'down earlier.'
            )
        length, floor = decay_of(part)
        top, last = run.peak, run.lrs[-1]
        if is_ours(part):
            top, last = max(part.lr(0), peak_of(part)), part.lr(left)
        if length > left + 1 and top > floor and last - floor > CUT * (top - floor):
            remedy = 'make it as long as the run.'
            if hasattr(part, 'lr_decay_steps'):
                remedy = 'make it as long as the run (Megatron may count samples).'
            elif run.per == 'epoch' and length > 5 * left:
                remedy = "make it as long as the run, or say per='update' if it counts "
                remedy += 'those.'
            return (
                f'The decay takes {run.spoken(length)}, the run leaves it '
                f'{plain(left)}: '
                f'the rate ends at {run.lrs[-1]:.4g}, '
                f'{100 * run.lrs[-1] / run.peak:.0f} % of its peak; {remedy}'
            )
    return ''
