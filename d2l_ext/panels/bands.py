"""Several seeds as one line and a band: the mean ± the standard deviation."""

import numpy as np

from d2l_ext.panels.panel import Panel

MEASURES = {'train_loss': 'train loss', 'test_acc': 'test accuracy'}


def band_panels(recorded, since=1, note=''):
    """Return panels of training loss and test accuracy, a mean and a band for each.

    `recorded`: {label: histories}, one history per seed. The band is the mean ± the
    standard deviation, epoch by epoch over the seeds that got so far; one seed has
    none. Drawn is what follows from epoch `since` on: the first epochs are so much
    worse that they hide the rest. `note`: what the panels say, in words.

    >>> from d2l_ext.training import History
    >>> runs = [History({}, [loss], [0.6], [0.5]) for loss in (1.0, 2.0)]
    >>> loss, accuracy = band_panels({'two seeds': runs})
    >>> [float(round(bound[0], 3)) for bound in loss.bands['two seeds']]
    [1.0, 0.793, 2.207]
    """
    panels = []
    for name, ylabel in MEASURES.items():
        lines, bands = {}, {}
        for label, histories in recorded.items():
            mean, sd = _over_seeds([getattr(history, name) for history in histories])
            epochs = np.arange(len(mean)) + 1
            shown = epochs >= since
            epochs, mean, sd = epochs[shown], mean[shown], sd[shown]
            lines[label] = epochs, mean
            if len(histories) > 1:
                bands[label] = epochs, mean - sd, mean + sd
        xlim = since - 1, max([since, *(x[-1] for x, _ in lines.values() if x.size)])
        panels.append(Panel(lines, 'epoch', ylabel, xlim, bands=bands, note=note))
        note = ''
    return panels


def _over_seeds(values):
    """Return mean and standard deviation of each epoch, from lists of any lengths."""
    rows = np.full((len(values), max(map(len, values))), np.nan)
    for row, value in zip(rows, values):
        row[: len(value)] = value
    rows[~np.isfinite(rows)] = np.nan
    n = np.isfinite(rows).sum(axis=0)
    with np.errstate(invalid='ignore'):  # 0 / 0: no seed, or one, has no spread
        mean = np.nansum(rows, axis=0) / n
        return mean, np.sqrt(np.nansum((rows - mean) ** 2, axis=0) / (n - 1))
