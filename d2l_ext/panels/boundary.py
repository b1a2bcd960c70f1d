"""A boundary under the microscope: from which count on is the rate the new one?"""

from collections.abc import Callable

import numpy as np

from d2l_ext.panels.panel import Panel
from d2l_ext.plan import rate_at, whole_number

# library -> how many counts after t its answer for t belongs to
AHEAD = {'timm': 1, 'PyTorch': 0, 'MXNet': -1}
# library -> the count for which a training asks first
FIRST_COUNT = {'timm': 0, 'PyTorch': 0, 'MXNet': 1}


def boundary_panels(
    scheduler: Callable[[float], float], at: int, around: int = 3
) -> list[Panel]:
    """Return two panels of the rates `around` a time `at` at which the rate steps.

    The same milestone, given to each library: the first panel shows what it answers
    when asked for the count t, the second the rate of epoch, or update, t = 0, 1, ...
    of a training with it. timm changes the rate one count before the milestone, MXNet
    one after; but MXNet counts from 1, and so its training agrees with PyTorch's.
    This package and optax do as PyTorch; Keras' piecewise schedule answers as MXNet
    and counts from 0, one late in training too.

    >>> from d2l_ext.schedulers import MultiFactorScheduler
    >>> asked, trained = boundary_panels(MultiFactorScheduler([15], 0.5, 0.5), at=15)
    >>> print(asked.note, trained.note, sep='\\n')
    Asked for t, the new rate comes at 14 (timm), 15 (PyTorch), 16 (MXNet).
    In training, the new rate comes at 14 (timm), 15 (PyTorch), 15 (MXNet).

    Source: `MultiStepLRScheduler` of timm, `MultiStepLR` of PyTorch,
    `MultiFactorScheduler` of MXNet. Raises ValueError unless `at` and `around` are whole
    numbers >= 1, and for a rate that is not finite and >= 0.
    """
    at, around = whole_number('at', at), whole_number('around', around)
    times = np.arange(max(at - around, 0), at + around + 1)
    x = np.repeat(times, 2) + np.tile([-0.5, 0.5], len(times))  # a count is 1 wide
    panels = []
    for title in 'asked for t', 'in training':
        lines, firsts = {}, []
        for name, ahead in AHEAD.items():
            shift = ahead + (FIRST_COUNT[name] if title == 'in training' else 0)
            counts = np.maximum(times + shift, 0).tolist()
            lrs = [rate_at(scheduler, t) for t in counts]
            lines[name] = x, np.repeat(lrs, 2)
            firsts.append(f'{at - shift} ({name})')
        note = f'{title.capitalize()}, the new rate comes at {", ".join(firsts)}.'
        panels.append(
            Panel(
                lines,
                't',
                'learning rate',
                ylim=(0, None),
                title=title,
                note=note,
                verticals={'milestone': at},
            )
        )
    return panels
