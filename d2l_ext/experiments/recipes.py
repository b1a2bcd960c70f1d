"""The recorded experiments as values: what each name stands for.

`RECIPES` has one `Recipe` for each name; `ATLAS` arranges those that differ in one or
two settings, so that a slider can find the nearest recorded run.
"""

import itertools
import math

from d2l_ext.families import warmup_stable_cooldown
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PiecewiseLinearScheduler,
    PolyScheduler,
    SquareRootScheduler,
    WarmupScheduler,
    warmup_cosine,
    warmup_stable_decay,
)
from d2l_ext.training.recipe import Recipe


def _full(scheduler=None, printed=''):
    per = 'update' if printed else 'epoch'
    return Recipe(scheduler, per, 40, 256, 'full', printed)


# The section's schedules on the mini set, its 40 epochs scaled to 30: with the book's
# base rates, of which some runs never recover, and from 0.3, which all of them survive
MINI = {
    'constant_0.5': Recipe(ConstantScheduler(0.5)),
    'constant_0.3': Recipe(ConstantScheduler(0.3)),
    'constant_0.125': Recipe(ConstantScheduler(0.125)),
    'constant_0.1': Recipe(ConstantScheduler(0.1)),
    'constant_0.01': Recipe(ConstantScheduler(0.01)),
    'square_root_1.0': Recipe(SquareRootScheduler(1.0)),
    'square_root_0.6': Recipe(SquareRootScheduler(0.6)),
    'square_root_0.3': Recipe(SquareRootScheduler(0.3)),
    'square_root_printed': Recipe(printed='square_root', per='update'),
    'factor_2.0': Recipe(FactorScheduler(0.9, 1e-2, 2.0)),
    'factor_0.3': Recipe(FactorScheduler(0.9, 1e-2, 0.3)),
    'multi_factor_0.5': Recipe(MultiFactorScheduler([10, 20], 0.5, 0.5)),
    'multi_factor_0.3': Recipe(MultiFactorScheduler([10, 20], 0.5, 0.3)),
    'multi_factor_printed': Recipe(printed='multi_factor', per='update'),
    'cosine_0.5': Recipe(CosineScheduler(30, 0.5, 0.01)),
    'cosine_0.3': Recipe(CosineScheduler(30, 0.3, 0.01)),
    'cosine_printed': Recipe(printed='cosine', per='update'),
    'warmup_cosine_0.5': Recipe(warmup_cosine(30, 0.5, 5, 0.01)),
    'warmup_cosine_0.3': Recipe(warmup_cosine(30, 0.3, 5, 0.01)),
    'warmup_cosine_printed': Recipe(printed='warmup_cosine', per='update'),
    'warmup_square_root_1.0': Recipe(WarmupScheduler(SquareRootScheduler(1.0), 5)),
    'warmup_square_root_0.6': Recipe(WarmupScheduler(SquareRootScheduler(0.6), 5)),
    # the start alone, with many seeds: how many runs get going?
    'start_0.5': Recipe(ConstantScheduler(0.5), num_epochs=10),
    'warmup_start_0.5': Recipe(
        WarmupScheduler(ConstantScheduler(0.5), 5), num_epochs=10
    ),
}

# What a notebook trains beside: read there where no framework is
LIVE = {'warmup_cosine_0.4': Recipe(warmup_cosine(30, 0.4, 5, 0.01))}

# The section itself: all of Fashion-MNIST, 40 epochs, the book's base rates
COSINE = CosineScheduler(40, 0.5, 0.01)
# rounded, as the last digits of a sum depend on the machine and on the Python
COSINE_MEAN = round(sum(map(COSINE, range(40))) / 40, 9)
FULL = {
    'full_constant': _full(ConstantScheduler(0.5)),
    'full_square_root': _full(SquareRootScheduler(1.0)),
    'full_square_root_printed': _full(printed='square_root'),
    'full_factor': _full(FactorScheduler(0.9, 1e-2, 2.0)),
    'full_factor_printed': _full(printed='factor'),
    'full_multi_factor': _full(MultiFactorScheduler([15, 30], 0.5, 0.5)),
    'full_multi_factor_printed': _full(printed='multi_factor'),
    'full_cosine': _full(COSINE),
    'full_cosine_printed': _full(printed='cosine'),
    'full_warmup_cosine': _full(warmup_cosine(40, 0.5, 5, 0.01)),
    'full_warmup_cosine_printed': _full(printed='warmup_cosine'),
    # controls: is it the shape of the cosine, its mean or its end?
    'full_constant_mean': _full(ConstantScheduler(COSINE_MEAN)),
    'full_constant_final': _full(ConstantScheduler(0.01)),
    'full_linear': _full(PolyScheduler(40, 0.5, 1, 0.01)),
}


def _grid(recipe, **settings):
    """Return {values: recipe(*values)} for all combinations of the settings."""
    return {values: recipe(*values) for values in itertools.product(*settings.values())}


RATES = 0.01, 0.02, 0.03, 0.05, 0.1, 0.125, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.4, 2.0

# Family -> (its settings, {their values: recipe}), all on the mini set
ATLAS = {
    'constant': (
        ('base_lr',),
        _grid(
            lambda base_lr: Recipe(ConstantScheduler(base_lr)),
            base_lr=RATES,
        ),
    ),
    'poly': (
        ('base_lr', 'pwr'),
        _grid(
            lambda base_lr, pwr: Recipe(PolyScheduler(30, base_lr, pwr, 0.01)),
            base_lr=(0.1, 0.3, 0.6),
            pwr=(0.5, 1, 2, 4),
        ),
    ),
    'warmup': (
        ('base_lr', 'warmup_steps'),
        _grid(
            lambda base_lr, steps: Recipe(
                warmup_cosine(30, base_lr, steps, 0.01)
                if steps
                else CosineScheduler(30, base_lr, 0.01)
            ),
            base_lr=(0.3, 0.5, 0.8),
            warmup_steps=(0, 1, 2, 5, 10, 15),
        ),
    ),
    # a deep net without normalisation; here warmup counts updates, 94 an epoch
    'plain': (
        ('base_lr', 'warmup_steps'),
        _grid(
            lambda base_lr, steps: Recipe(
                WarmupScheduler(ConstantScheduler(base_lr), steps)
                if steps
                else ConstantScheduler(base_lr),
                per='update',
                num_epochs=8,
                net='plain',
            ),
            base_lr=(0.05, 0.08, 0.1),
            warmup_steps=(0, 24, 94, 282, 470),
        ),
    ),
    'multi_factor': (
        ('first', 'second'),
        {
            step: Recipe(MultiFactorScheduler(list(step), 0.5, 0.3))
            for step in ((5, 10), (5, 20), (10, 20), (10, 25), (15, 25), (20, 25))
        },
    ),
    'cosine_final': (
        ('final_lr',),
        _grid(
            lambda final_lr: Recipe(CosineScheduler(30, 0.3, final_lr)),
            final_lr=(0, 0.01, 0.03, 0.1, 0.2),
        ),
    ),
    'batch': (
        ('batch_size', 'base_lr'),
        _grid(
            lambda size, base_lr: Recipe(ConstantScheduler(base_lr), batch_size=size),
            batch_size=(16, 64, 256),
            base_lr=(0.05, 0.1, 0.2, 0.4),
        ),
    ),
}

# Epochs -> the shape that `norms.refined` gives for them
REFINED = {
    10: (1.0, 0.885, 0.957, 0.787, 0.659, 0.531, 0.411, 0.299, 0.19, 0.068),
    30: (
        1.0, 0.891, 0.902, 0.909, 0.886, 0.87, 0.851, 0.829, 0.798, 0.765,
        0.724, 0.698, 0.685, 0.65, 0.592, 0.573, 0.59, 0.604, 0.583, 0.588,
        0.61, 0.676, 0.692, 0.68, 0.698, 0.712, 0.709, 0.643, 0.534, 0.2,
    ),
}  # fmt: skip


def _refined(epochs, base_lr):
    rates = (round(base_lr * share, 6) for share in REFINED[epochs])
    return PiecewiseLinearScheduler(list(enumerate(rates)))


# Shape -> its scheduler in a run of n epochs from a base rate: what is compared where
# the best schedule is asked for. All count epochs, and those that end, end at 0
SHAPES = {
    'constant': lambda n, base_lr: ConstantScheduler(base_lr),
    'square_root': lambda n, base_lr: SquareRootScheduler(base_lr),
    'cosine': lambda n, base_lr: CosineScheduler(n, base_lr),
    'linear': lambda n, base_lr: PolyScheduler(n, base_lr, 1),
    'wsd_20': lambda n, base_lr: warmup_stable_decay(n, base_lr, 0, n // 5),
    'wsd_50': lambda n, base_lr: warmup_stable_decay(n, base_lr, 0, n // 2),
    'wsd_sqrt_20': lambda n, base_lr: warmup_stable_cooldown(n, base_lr, 0, n // 5),
    'wsd_sqrt_50': lambda n, base_lr: warmup_stable_cooldown(n, base_lr, 0, n // 2),
    'refined': _refined,
}
HORIZONS = 10, 30  # epochs
BEST_RATES = 0.1, 0.2, 0.3  # from 0.4 on runs are lost, whatever shape begins there

# (shape, epochs, base rate) -> its recipe, on the mini set
BEST = {
    (shape, epochs, base_lr): Recipe(scheduler(epochs, base_lr), num_epochs=epochs)
    for epochs in HORIZONS
    for shape, scheduler in SHAPES.items()
    for base_lr in BEST_RATES
}


def _named():
    """Return {name: recipe}: a recipe that two lists share has one name."""
    recipes = MINI | FULL | LIVE
    known = set(recipes.values())
    grids = {family: grid for family, (_, grid) in ATLAS.items()} | {'best': BEST}
    for family, grid in grids.items():
        for values, recipe in grid.items():
            if recipe not in known:
                known.add(recipe)
                recipes['_'.join([family, *map(str, values)])] = recipe
    return recipes


RECIPES = _named()
NAMES = {recipe: name for name, recipe in RECIPES.items()}


# Settings that are compared by their ratio: 0.1 is as far from 0.05 as 1 from 0.5
BY_RATIO = 'base_lr', 'batch_size', 'final_lr', 'pwr'


def nearest(family: str, **settings: float) -> tuple[dict[str, float], str]:
    """Return the recipe of a family of `ATLAS` that is nearest to `settings`.

    Returns its settings, as a dict, and its name. Distances are differences, or ratios
    for rates, batch sizes and exponents, each as a share of the family's whole range;
    several settings are added as squares.

    Raises ValueError for another family, other settings, or a value that is no number
    >= 0.

    >>> nearest('warmup', base_lr=0.45, warmup_steps=7)
    ({'base_lr': 0.5, 'warmup_steps': 5}, 'warmup_cosine_0.5')
    >>> nearest('constant', base_lr=9)
    ({'base_lr': 2.0}, 'constant_2.0')
    """
    if family not in ATLAS:
        raise ValueError(f'family must be one of {", ".join(ATLAS)}, got {family!r}')
    names, grid = ATLAS[family]
    if settings.keys() != set(names):
        raise ValueError(
            f'settings of {family!r} must be {" and ".join(names)}, '
            f'got {" and ".join(settings) or "none"}'
        )
    for name, value in settings.items():
        if not 0 <= value < math.inf:
            raise ValueError(f'{name} must be a number >= 0, got {value!r}')
    distances = [
        _distances(name, [values[i] for values in grid], settings[name])
        for i, name in enumerate(names)
    ]
    _, values = min(zip(map(math.hypot, *distances), grid), key=lambda pair: pair[0])
    return dict(zip(names, values)), NAMES[grid[values]]


def _distances(name, recorded, value):
    """Return how far `value` is from each recorded one, their range being 1."""
    if name in BY_RATIO:
        # 0 has no logarithm: it counts as a third of the smallest that has one
        floor = min(filter(None, recorded)) / 3
        *recorded, value = (math.log(max(v, floor)) for v in (*recorded, value))
    return [abs(v - value) / (max(recorded) - min(recorded)) for v in recorded]
