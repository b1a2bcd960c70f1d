"""What follows from a schedule on the noisy quadratic, as panels."""

import dataclasses
from collections.abc import Callable

import numpy as np

from d2l_ext.panels.look import down_to
from d2l_ext.panels.panel import Panel
from d2l_ext.panels.schedules import name_of, rates_panel
from d2l_ext.plan import BATCHES_PER_EPOCH, Plan, plan_of
from d2l_ext.theory._moments import second_moments
from d2l_ext.theory.quadratic import (
    falling,
    loss_of,
    noise_floor,
    spectrum,
    stability_line,
)

# Rates that hold for an epoch meet a curvature that falls in steps, by so much at most
FALL = 0.015


def consequence_panels(
    schedule: Plan | Callable[[float], float],
    num_epochs: int | None = None,
    per: str = 'epoch',
    batches_per_epoch: int = BATCHES_PER_EPOCH,
    *,
    momentum: float = 0.0,
    batch_size: float = 64,
    condition_number: float = 100.0,
    shape: str = 'even',
    sharpness: float = 1.0,
    half_life: float = 1.0,
    directions: bool = False,
) -> list[Panel]:
    """Return two panels: the rates of a run, and the expected loss under them.

    `schedule`: a `Plan`, or a scheduler and in what follows the rest of its plan. The
    other arguments are those of `expected_loss`, `spectrum` and `falling`, but between
    rates that hold for an epoch the curvature falls in steps of at most 1.5 %: below the
    stability line the loss is right to 4 % on its way, to 0.1 % at its end. The noise
    is 0.8 for one example, so 0.1 for the 64 of a batch. `directions` adds the loss
    along the most and the least sensitive direction. The notes tell how the loss ends,
    at which noise floor, how long the rates are above the stability line, and the sums
    of Robbins and Monro. Raises what these functions, `plan_of` and `Plan.rates` do,
    ValueError each.

    >>> rate, loss = consequence_panels(lambda t: 0.5, num_epochs=30)
    >>> loss.note[:66]
    'On the noisy quadratic the loss is expected to end at 0.00677, the'
    """
    plan = plan_of(schedule, num_epochs, per, batches_per_epoch)
    rates, per, batches = plan.rates(), plan.per, plan.batches_per_epoch
    rate = rates_panel({name_of(plan.scheduler): (plan, rates)}, plan)
    ((x, lr),) = rate.lines.values()
    each = batches if per == 'epoch' else 1
    in_steps = sharpness != 1 and per == 'epoch'
    if in_steps:
        ends = _steps(len(rates), batches, sharpness, half_life)
    else:
        ends = np.arange(len(rates) + 1) * each
    updates, epochs = np.diff(ends), ends / batches

    def scale(update):
        return falling(update / batches, sharpness, half_life)

    h = spectrum(condition_number, shape)
    problem = {'momentum': momentum, 'batch_size': batch_size, 'noise': 0.8}
    extremes = np.eye(len(h))[[h.argmax(), h.argmin()]]
    weights = h / 2 * np.vstack([np.ones(len(h)), extremes])
    # of the updates of a step: by Simpson's rule
    begins, middles = scale(ends - 0.5), scale((ends[:-1] + ends[1:] - 1) / 2)
    means = (begins[:-1] + 4 * middles + begins[1:]) / 6
    moments = second_moments(
        rates[ends[:-1] // each],
        updates,
        h,
        scale=means,
        weights=weights.T,
        **problem,
    )
    parts = np.vstack([weights.sum(axis=1), moments])
    before = scale(np.maximum(ends - 1, 0))  # of the update that led to a point
    losses = loss_of(parts[:, 0], before)
    x, lr = _drawable(x, lr)
    floors = noise_floor(lr, h, scale=falling(x, sharpness, half_life), **problem)
    line = stability_line(h, momentum)
    limit = line / scale(ends)
    lines = {
        'expected loss': (epochs, losses),
        'noise floor': (x, floors),
    }
    if directions:
        parts[losses == np.inf] = np.nan
        _, steepest, flattest = parts.T * before
        lines['steepest direction'] = epochs, steepest
        lines['flattest direction'] = epochs, flattest

    note = f'On the noisy quadratic the loss {_end(losses[1:], epochs, floors[-1])}'
    if in_steps:
        above = _updates_above(rates, batches, lambda update: line / scale(update))
        count, unit = plan.updates, 'update'
    else:
        above, count, unit = np.count_nonzero(rates > limit[:-1]), len(rates), per
    if above:
        note += f'; {above:,} of {count:,} {unit}s lie above the stability line'
    note += (
        f'. Over {plan.updates:,} updates the rates sum to '
        f'{_plain(each * rates.sum())}, their squares to '
        f'{_plain(each * rates @ rates)}.'
    )
    top = 10 if sharpness == 1 else 1e3
    loss = Panel(
        {label: _drawable(*line) for label, line in lines.items()},
        'epoch',
        'expected loss',
        xlim=(0, plan.num_epochs),
        ylim=(down_to(1e-4 * 64 / batch_size, losses[-1:]), top),
        log=True,
        note=note,
        verticals=_divergence(epochs, losses, top),
    )
    return [_with_line(rate, epochs, limit), loss]


def _steps(num_epochs, batches, sharpness, half_life):
    """Return the updates before which the curvature falls, and the end of the run."""
    scale = falling(np.arange(num_epochs + 1), sharpness, half_life)
    counts = np.ceil(abs(np.diff(np.log(scale))) / FALL)
    counts = np.clip(counts, 1, batches).astype(int)
    begins = [
        epoch * batches + batches * np.arange(count) // count
        for epoch, count in enumerate(counts)
    ]
    return np.append(np.concatenate(begins), num_epochs * batches)


def _updates_above(rates, batches, line):
    """Return how many updates have a rate above a line that only rises or only falls."""
    begins = batches * np.arange(len(rates))
    first, last = rates > line(begins), rates > line(begins + batches - 1)
    crossed = first != last
    inside = begins[crossed, None] + np.arange(batches)
    above = rates[crossed, None] > line(inside)
    return batches * np.count_nonzero(first & last) + np.count_nonzero(above)


def _plain(number):
    return f'{number:,.0f}' if number >= 100 else f'{number:.3g}'


def _end(losses, epochs, floor):
    if losses[-1] == np.inf:
        gone = int(epochs[np.argmax(losses == np.inf)])
        return f'is expected to diverge in epoch {gone}'
    end = f'is expected to end at {losses[-1]:.3g}'
    if floor < np.inf:
        end += f', the noise floor of the last rate is {floor:.3g}'
    return end


def _divergence(epochs, losses, top):
    """Return a mark where losses leave an axis for good: the floor below looks well."""
    inside = np.flatnonzero(losses <= top)
    if losses[-1] <= top or not inside.size:
        return {}
    return {'the loss diverges': float(epochs[inside[-1]])}


def _with_line(rate, epochs, limit):
    """Return the panel of rates with the stability line, where that is not far up."""
    ((_, lr),) = rate.lines.values()
    near = limit <= 2 * lr.max()  # from further up it would flatten the curve
    if (limit == limit[0]).all():
        marks = {'stability line': limit[0]} if near[0] else {}
        return dataclasses.replace(rate, horizontals=marks)
    line = _drawable(epochs, np.where(near, limit, np.nan))
    return dataclasses.replace(rate, lines=rate.lines | {'stability line': line})


def _drawable(x, y):
    """Return a curve with no more points, and none further up, than a plot can show."""
    if len(x) > 2000:
        every = len(x) // 1000
        x, y = np.append(x[:-1:every], x[-1]), np.append(y[:-1:every], y[-1])
    return x, np.minimum(y, 1e6)
