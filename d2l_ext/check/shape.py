"""Doubts about the rates of a run, whatever scheduler gives them."""

from d2l_ext.check.parts import asked_as, is_lambda, is_ours
from d2l_ext.check.rates import CYCLES, EARLY

LATE = 0.25  # a warmup ends before this share of a run
NOTABLE = 1e-4  # one update in ten thousand is not worth a word
LITTLE = 0.1  # a schedule that falls by less was meant for a longer run


def starts_at_zero(run):
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


def over_early(run):
    end = run.lrs[-1]

    def at_rest(lr):
        return abs(lr - end) <= run.tolerance

    last = _last_without(at_rest, run.lrs)
    if last < 0 or last + 1 == len(run.lrs):
        return ''
    count = run.change(at_rest, last + 1)
    falls = end < run.peak - run.tolerance
    if not (count <= EARLY * run.n if falls else run.meant_as_epochs(count, True)):
        return ''
    return (
        f'Over after {run.share(count)}, the rest has the rate {end:.4g}: '
        f'{run.unit_remedy()}'
    )


def zero_at_the_end(run):
    # what PyTorch keeps multiplying comes near 0 but for rounding
    rounding = 1e-15 * run.peak if asked_as(run.scheduler) else 0

    def zero(lr):
        return lr <= rounding

    last = _last_without(zero, run.lrs)
    if not 0 <= last < len(run.lrs) - 1:
        return ''
    begin = run.change(zero, last + 1)
    count = run.n - begin
    return count > max(1, EARLY * run.n) and (
        f'The rate of the last {run.share(count)} is 0, nothing is learned in them: '
        f'make its lengths {run.n / begin:.3g} times as long, or end above 0.'
    )


def _last_without(holds, lrs):
    """Return the place of the last rate for which `holds` does not hold, -1 for none."""
    return next((i for i in reversed(range(len(lrs))) if not holds(lrs[i])), -1)


def rises_again(run):
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
        if (
            isinstance(part, CYCLES)
            or hasattr(part, 'T_mult')
            or hasattr(part, 'step_ratio')
        ):
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
    return (
        bool(ratios)
        and min(lengths) > 1
        and all(
            0.8 < ratio < 4 and abs(ratio - ratios[0]) <= 0.2 * ratio
            for ratio in ratios
        )
    )


def _jump(run, i):
    """Return when the rise to times[i] begins, and whether it is a single step."""
    low, high = run.lrs[i - 1], run.lrs[i]
    t = run.change(lambda lr: lr > (low + high) / 2, i)
    return t, run.rate(t) - run.rate(t - 1) > 0.9 * (high - low)


def jumps_late(run):
    if not run.stretches or not run.stretches[0][2]:
        return ''
    i = run.stretches[0][0] + 1
    t, _ = _jump(run, i)
    low, high = run.rate(t - 1), run.rate(t)
    if t <= LATE * run.n or not 0 < 2 * low <= high:
        return ''
    return (
        f'Jumps up after {run.share(t)}, from {low:.4g} to {high:.4g}: end a warmup '
        'earlier, or hold the rate.'
    )


def falls_little(run):
    known = is_ours(run.scheduler) and not any(map(is_lambda, run.parts))
    if known or [s[2] for s in run.stretches[-2:]] not in (
        [False],
        [True, False],
    ):
        return ''
    end = run.lrs[-1]
    return end > (1 - LITTLE) * run.peak and (
        f'The rate falls by {100 * (1 - end / run.peak):.2g} % only, from '
        f'{run.peak:.4g} to {end:.4g}: a decay meant for a longer run should be made as '
        'long as this one.'
    )


def unstable(run, stability):
    if stability is None or run.peak <= stability:
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
