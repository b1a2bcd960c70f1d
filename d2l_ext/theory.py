"""The noisy quadratic: a problem on which every schedule's expected loss is exact.

Gradient descent meets a loss (1/2) sum_i h_i x_i^2 whose gradients carry noise. It has
what the section talks about: rates that diverge, directions that differ in
sensitivity, bouncing about the minimum, and decay that ends the bouncing.
"""

import numpy as np

from d2l_ext.panels import Panel, schedule_panel
from d2l_ext.training import scheduled_lr

CURVATURES = 0.01 ** np.linspace(0, 1, 20)  # from 1 down to 0.01: condition number 100


def expected_loss(lrs, updates=1, curvatures=CURVATURES, noise=0.1, start=1.0):
    """Return the expected loss after each rate in `lrs`, float64, shape (len(lrs),).

    x_i <- x_i - lr (h_i x_i + sqrt(h_i) noise z) with z a standard normal, h_i in
    `curvatures` and x_i = start at first, so that m_i = E[x_i^2] obeys
    m_i <- (1 - lr h_i)^2 m_i + lr^2 h_i noise^2, and the loss is (1/2) sum_i h_i m_i.
    Each rate holds for `updates` updates. Above lr = 2 / max h_i it diverges; a loss
    beyond 1e12 is given as inf.

    >>> expected_loss([1.0, 0.5], curvatures=np.array([1.0]), noise=0).tolist()
    [0.0, 0.0]

    Source: Schaul et al. (2013); Zhang et al. (2019); book section 11.4.
    """
    lrs = np.asarray(lrs, dtype=float)
    if lrs.ndim != 1 or not np.all(lrs >= 0):
        raise ValueError(f'lrs must be a sequence of rates >= 0, got {lrs!r:.80}')
    curvatures = np.asarray(curvatures, dtype=float)
    shrink = (1 - lrs[:, None] * curvatures) ** 2
    added = lrs[:, None] ** 2 * curvatures * noise**2
    with np.errstate(over='ignore', invalid='ignore', divide='ignore'):
        # `updates` equal updates in one go: a geometric series, n terms if it is flat
        power = shrink**updates
        flat = np.isclose(shrink, 1, rtol=0, atol=1e-12)
        series = np.where(flat, updates, (1 - power) / np.where(flat, 1, 1 - shrink))
        moments = added * series
        last = np.full(curvatures.shape, float(start) ** 2)
        for gain, row in zip(power, moments, strict=True):
            row += gain * last
            last = row
        losses = moments @ curvatures / 2
    return np.where(losses < 1e12, losses, np.inf)


def consequence_panels(scheduler, num_epochs, per='epoch', batches_per_epoch=94):
    """Return two panels: the rates of a run, and the expected loss under them.

    Arguments as in `schedule_panel`; the loss is `expected_loss` with its defaults.

    >>> rate, loss = consequence_panels(lambda t: 0.5, num_epochs=30)
    >>> loss.note
    'On the noisy quadratic the loss is expected to end at 0.00677.'
    """
    rate = schedule_panel(scheduler, num_epochs, per, batches_per_epoch)
    count = int(num_epochs) * (1 if per == 'epoch' else batches_per_epoch)
    lrs = [scheduled_lr(scheduler, per, t, t) for t in range(count)]
    losses = expected_loss(lrs, batches_per_epoch if per == 'epoch' else 1)
    epochs = np.linspace(0, num_epochs, count + 1)
    unstable = sum(lr * CURVATURES.max() > 2 for lr in lrs)
    note = f'On the noisy quadratic the loss is expected to end at {losses[-1]:.3g}'
    if unstable:
        note += f'; {unstable} of {count} {per}s lie above the stability line'
    start = CURVATURES.sum() / 2
    loss = Panel(
        {'expected loss': (epochs, np.append(start, np.minimum(losses, 1e3)))},
        'epoch',
        'expected loss',
        xlim=(0, num_epochs),
        ylim=(1e-4, 10),
        log=True,
        note=f'{note}.',
    )
    return [rate, loss]
