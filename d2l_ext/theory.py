"""The noisy quadratic: a problem on which every schedule's expected loss is exact.

Gradient descent meets a loss (1/2) sum_i h_i x_i^2 whose gradients carry noise. It has
what the section talks about: rates that diverge, directions that differ in
sensitivity, bouncing about the minimum, and decay that ends the bouncing.
"""

import dataclasses
import math

import numpy as np

from d2l_ext.panels import Panel, Plan, name_of, planned_rates, rates_panel
from d2l_ext.quadratic import checked, second_moments
from d2l_ext.schedulers import ConstantScheduler, CosineScheduler, WarmupScheduler

SHAPES = 'even', 'power law', 'two'


def spectrum(condition_number=100.0, shape='even', size=20):
    """Return `size` curvatures from 1 down to 1 / condition_number, float64.

    'even': each the same multiple of the one before. 'power law': h_i = i^-a for
    i = 1, 2, ...; with condition_number = size, a is 1 as in the paper. 'two': none
    in between, the section's picture of a long valley.

    >>> spectrum(4, 'power law', size=4).round(2).tolist()
    [1.0, 0.5, 0.33, 0.25]

    Source: Zhang et al. (2019) for the power law.
    """
    if not 1 <= condition_number < math.inf:
        raise ValueError(
            f'condition_number must be finite and >= 1, got {condition_number!r}'
        )
    if shape not in SHAPES:
        raise ValueError(f'shape must be one of {", ".join(SHAPES)}, got {shape!r}')
    if shape == 'two':
        return np.array([1, 1 / condition_number])
    if shape == 'power law':
        i = np.arange(1, size + 1)
        return i ** -(math.log(condition_number) / math.log(size))
    return (1 / condition_number) ** np.linspace(0, 1, size)


CURVATURES = spectrum()


def expected_loss(
    lrs,
    updates=1,
    curvatures=CURVATURES,
    noise=0.1,
    start=1.0,
    momentum=0.0,
    batch_size=1,
    scale=1.0,
):
    """Return the expected loss after each rate in `lrs`, float64, shape (len(lrs),).

    The loss is (1/2) s sum_i h_i E[x_i^2]: the arguments, the update and its noise are
    those of `second_moments`. Without momentum, and with s = 1, m_i = E[x_i^2] obeys
    m_i <- (1 - lr h_i)^2 m_i + lr^2 h_i noise^2 / batch_size. From a loss beyond 1e12
    on, a run has diverged, and its loss is inf.

    >>> expected_loss([1.0, 0.5], curvatures=np.array([1.0]), noise=0).tolist()
    [0.0, 0.0]

    Source: Schaul et al. (2013); Zhang et al. (2019); book section 11.4.
    """
    weights = np.asarray(curvatures, dtype=float) / 2
    problem = curvatures, noise, start, momentum, batch_size, scale
    return _loss(second_moments(lrs, updates, *problem, weights), scale)


def _loss(sums, scale):
    with np.errstate(over='ignore', invalid='ignore'):
        losses = sums * scale
    gone = ~(losses < 1e12)
    if gone.any():
        losses[np.argmax(gone) :] = np.inf
    return losses


def stability_line(curvatures=CURVATURES, momentum=0.0):
    """Return the rate from which on `expected_loss` grows: 2 (1 + momentum) / max h_i.

    >>> stability_line([1.0, 0.1], momentum=0.5)
    3.0

    Source: Goh (2017).
    """
    curvatures = checked(curvatures, momentum)
    return 2 * (1 + momentum) / float(curvatures.max())


def noise_floor(
    lrs, curvatures=CURVATURES, noise=0.1, momentum=0.0, batch_size=1, scale=1.0
):
    """Return the expected loss in which each rate would end if it were kept, as `lrs`.

    With s2 = noise^2 / batch_size, b = momentum and s = scale it is the sum over i of
    (1/2) s h_i lr s2 (1 + b) / ((1 - b) (2 (1 + b) - lr s h_i)), and inf from the
    stability line on: a smaller rate, a larger batch, less momentum lower it.

    >>> noise_floor(1.0, [1.0], noise=1.0).tolist()
    0.5
    """
    h = checked(curvatures, momentum, batch_size)
    slopes = np.multiply.outer(h, np.asarray(lrs, dtype=float) * scale)
    left = 2 * (1 + momentum) - slopes
    gathered = slopes * (noise**2 / batch_size * (1 + momentum) / (1 - momentum) / 2)
    with np.errstate(divide='ignore'):
        gathered /= left
    gathered[left <= 0] = np.inf
    return gathered.sum(axis=0)


def falling(epochs, sharpness, half_life=1.0):
    """Return how many times its final curvature the loss has at `epochs`: the `scale`.

    s = 1 + (sharpness - 1) 2^(-epochs / half_life): a start that is `sharpness` times
    as sharp, which warmup is for.

    >>> falling(np.array([0.0, 1.0, 2.0]), sharpness=5).tolist()
    [5.0, 3.0, 2.0]

    Source: Gilmer et al. (2022) for curvature that falls early in training.
    """
    for name, value in ('sharpness', sharpness), ('half_life', half_life):
        if not 0 < value < math.inf:
            raise ValueError(f'{name} must be finite and above 0, got {value!r}')
    return 1 + (sharpness - 1) * 2.0 ** (-np.asarray(epochs) / half_life)


def consequence_panels(
    scheduler,
    num_epochs,
    per='epoch',
    batches_per_epoch=94,
    momentum=0.0,
    batch_size=64,
    condition_number=100.0,
    shape='even',
    sharpness=1.0,
    half_life=1.0,
    directions=False,
):
    """Return two panels: the rates of a run, and the expected loss under them.

    The first four arguments are those of `schedule_panel`, the others those of
    `expected_loss`, `spectrum` and `falling`. The noise is 0.8 for one example, so 0.1
    for the 64 of a batch. `directions` adds the loss along the most and the least
    sensitive direction. The notes tell how the loss ends, at which noise floor, how
    long the rates are above the stability line, and the sums of Robbins and Monro.

    >>> rate, loss = consequence_panels(lambda t: 0.5, num_epochs=30)
    >>> loss.note[:66]
    'On the noisy quadratic the loss is expected to end at 0.00677, the'
    """
    rates = planned_rates(scheduler, num_epochs, per, batches_per_epoch)
    num_epochs, batches = int(num_epochs), int(batches_per_epoch)
    plan = Plan(scheduler, num_epochs, per, batches)
    rate = rates_panel({name_of(scheduler): rates}, per, batches, plan)
    ((x, lr),) = rate.lines.values()
    if sharpness != 1 and per == 'epoch':  # the curvature falls with every update
        rates, per = rates.repeat(batches), 'update'
    updates = batches if per == 'epoch' else 1
    epochs = np.arange(len(rates) + 1) * updates / batches
    scale = falling(epochs, sharpness, half_life)

    h = spectrum(condition_number, shape)
    problem = {'momentum': momentum, 'batch_size': batch_size, 'noise': 0.8}
    ends = np.eye(len(h))[[h.argmax(), h.argmin()]]
    weights = h / 2 * np.vstack([np.ones(len(h)), ends])
    moments = second_moments(
        rates, updates, h, scale=scale[:-1], weights=weights.T, **problem
    )
    parts = np.vstack([weights.sum(axis=1), moments])
    met = np.append(scale[0], scale[:-1])  # the scale behind each point
    losses = _loss(parts[:, 0], met)
    x, lr = _drawable(x, lr)
    floors = noise_floor(lr, h, scale=falling(x, sharpness, half_life), **problem)
    limit = stability_line(h, momentum) / scale
    lines = {
        'expected loss': (epochs, losses),
        'noise floor': (x, floors),
    }
    if directions:
        parts[losses == np.inf] = np.nan
        _, steepest, flattest = parts.T * met
        lines['steepest direction'] = epochs, steepest
        lines['flattest direction'] = epochs, flattest

    note = f'On the noisy quadratic the loss {_end(losses[1:], epochs, floors[-1])}'
    unstable = np.count_nonzero(rates > limit[:-1])
    if unstable:
        note += f'; {unstable:,} of {len(rates):,} {per}s lie above the stability line'
    note += (
        f'. Over {num_epochs * batches:,} updates the rates sum to '
        f'{_plain(updates * rates.sum())}, their squares to '
        f'{_plain(updates * rates @ rates)}.'
    )
    loss = Panel(
        {label: _drawable(*line) for label, line in lines.items()},
        'epoch',
        'expected loss',
        xlim=(0, num_epochs),
        ylim=(1e-4 * 64 / batch_size, 10 if sharpness == 1 else 1e3),
        log=True,
        note=note,
    )
    return [_with_line(rate, epochs, limit), loss]


def quadratic_panels(
    base_lr=0.5,
    decay='cosine',
    warmup=0,
    momentum=0.0,
    batch_size=64,
    condition_number=100.0,
    shape='even',
    sharpness=1.0,
    half_life=1.0,
    num_epochs=40,
    directions=False,
):
    """Return `consequence_panels` of a schedule that its own numbers make: to explore.

    A 'constant' or 'cosine' `decay` from `base_lr` after `warmup` epochs, on the 6,000
    examples of the mini set: a larger batch has less noise, and fewer updates.

    >>> quadratic_panels(2.5, 'constant')[1].note[:60]
    'On the noisy quadratic the loss is expected to diverge in ep'
    """
    if decay not in ('constant', 'cosine'):
        raise ValueError(f"decay must be 'constant' or 'cosine', got {decay!r}")
    scheduler = (
        ConstantScheduler(base_lr)
        if decay == 'constant'
        else CosineScheduler(max(1, num_epochs - warmup), base_lr)
    )
    if warmup:
        scheduler = WarmupScheduler(scheduler, warmup)
    return consequence_panels(
        scheduler,
        num_epochs,
        batches_per_epoch=math.ceil(6000 / batch_size),
        momentum=momentum,
        batch_size=batch_size,
        condition_number=condition_number,
        shape=shape,
        sharpness=sharpness,
        half_life=half_life,
        directions=directions,
    )


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
