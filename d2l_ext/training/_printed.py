"""The book's scheduler objects, as its training cells got them."""

import mxnet as mx

from d2l_ext.schedulers import SquareRootScheduler


def printed_scheduler(name):
    """Return a scheduler object of the book's section as its training cells got it.

    `name`: 'square_root', 'factor', 'multi_factor', 'cosine' or 'warmup_cosine'. The
    arguments are those printed there, and the values of its plot are asked for first.
    'factor' is only plotted there; here it is what training would have made of it.
    """
    made = {
        'square_root': lambda: SquareRootScheduler(base_lr=1.0),
        'factor': lambda: _FactorPerCall(factor=0.9, stop_factor_lr=1e-2, base_lr=2.0),
        'multi_factor': lambda: mx.lr_scheduler.MultiFactorScheduler(
            step=[15, 30], factor=0.5, base_lr=0.5
        ),
        'cosine': lambda: mx.lr_scheduler.CosineScheduler(
            max_update=40, base_lr=0.5, final_lr=0.01
        ),
        'warmup_cosine': lambda: mx.lr_scheduler.CosineScheduler(
            max_update=40, warmup_steps=5, base_lr=0.5, final_lr=0.01
        ),
    }
    if name not in made:
        raise ValueError(f'name must be one of {", ".join(made)}, got {name!r}')
    scheduler = made[name]()
    for t in range(50 if name == 'factor' else 40):
        scheduler(t)
    return scheduler


class _FactorPerCall:
    """The section's own class: it shrinks the rate at each call, whatever the update."""

    def __init__(self, factor, stop_factor_lr, base_lr):
        self.factor, self.stop_factor_lr = factor, stop_factor_lr
        self.base_lr = base_lr

    def __call__(self, num_update):
        self.base_lr = max(self.stop_factor_lr, self.base_lr * self.factor)
        return self.base_lr
