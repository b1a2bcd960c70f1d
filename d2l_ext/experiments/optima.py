"""Best schedules of many noisy quadratics, computed ahead: a slider cannot wait for one.

    python -m d2l_ext.experiments.optima

Beside the best stand the shapes of `recipes.SHAPES`, each from its own best base rate.
All rates hold for an epoch of 94 updates.
"""

import functools
import itertools
import json
from typing import Any, NamedTuple

import numpy as np

from d2l_ext.experiments.recipes import SHAPES
from d2l_ext.experiments.store import ANSWERS
from d2l_ext.plan import BATCHES_PER_EPOCH, whole_number
from d2l_ext.theory.optimal import optimal_rates
from d2l_ext.theory.quadratic import expected_loss, falling, spectrum, stability_line
from d2l_ext.training._files import write_whole

EPOCHS = 5, 10, 15, 20, 30, 40
NOISES = 0.01, 0.03, 0.1, 0.3, 1.0
CONDITION_NUMBERS = 1, 10, 100, 1000
SHARPNESSES = 1, 10
HALF_LIFE = 2  # epochs, of the curvature that falls
BESIDE = tuple(shape for shape in SHAPES if shape != 'refined')  # that needs a run
FILE = ANSWERS / 'optima.json'


class Ahead(NamedTuple):
    """The best rates of a problem and their loss, and what stands beside them.

    `bases` has the best base rate of each shape, `losses` what it ends at.
    """

    lrs: np.ndarray
    loss: float
    bases: dict[str, float]
    losses: dict[str, float]

    def regret(self, shape: str) -> float:
        """Return how much worse a shape ends, in per cent of the best loss."""
        return 100 * (self.losses[shape] / self.loss - 1)


def problem(
    epochs: int, noise: float, condition_number: float, sharpness: float = 1
) -> dict[str, Any]:
    """Return the arguments of `expected_loss`, but for the rates: one rate an epoch.

    Raises ValueError for what these are not.
    """
    epochs = whole_number('epochs', epochs)
    return {
        'updates': BATCHES_PER_EPOCH,
        'curvatures': spectrum(condition_number),
        'noise': noise,
        'scale': falling(np.arange(epochs), sharpness, HALF_LIFE),
    }


def at(
    epochs: int, noise: float, condition_number: float, sharpness: float = 1
) -> Ahead:
    """Return the `Ahead` of a problem.

    Raises ValueError for one that was not computed ahead.

    >>> ahead = at(40, noise=0.1, condition_number=100)
    >>> f'{ahead.loss:.3g}, linear decay {ahead.regret("linear"):.0f} % worse'
    '5.04e-05, linear decay 164 % worse'
    """
    key = _key(epochs, noise, condition_number, sharpness)
    if key not in _read():
        raise ValueError(
            f'epochs, noise, condition_number and sharpness must be of {EPOCHS}, '
            f'{NOISES}, {CONDITION_NUMBERS} and {SHARPNESSES}, got {key}'
        )
    lrs, loss, bases, losses = _read()[key]
    names = [dict(zip(BESIDE, column)) for column in (bases, losses)]
    return Ahead(np.array(lrs), loss, *names)


def shape_rates(shape: str, epochs: int, base_lr: float = 1.0) -> np.ndarray:
    """Return the rates of a shape of `recipes.SHAPES`, one for each epoch.

    >>> shape_rates('linear', 4).tolist()
    [1.0, 0.75, 0.5, 0.25]

    Raises ValueError for another shape.
    """
    if shape not in SHAPES:
        raise ValueError(f'shape must be one of {", ".join(SHAPES)}, got {shape!r}')
    scheduler = SHAPES[shape](epochs, base_lr)
    return np.array([scheduler(epoch) for epoch in range(epochs)])


def best_base(rates: np.ndarray, problem: dict[str, Any]) -> tuple[float, float]:
    """Return the best factor on `rates` and the loss it ends at.

    From a grid of factors, then by golden section; no rate is above the stability line.
    """

    def end(x):
        return float(expected_loss(np.exp(x) * rates, **problem)[-1])

    line = stability_line(problem['curvatures']) / problem['scale']
    with np.errstate(divide='ignore'):
        highest = (line / rates).min()
    grid = np.linspace(np.log(1e-4), np.log(highest), 60)
    k = int(np.argmin([end(x) for x in grid]))
    low, high = grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)]
    golden = (5**0.5 - 1) / 2
    for _ in range(25):
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if end(a) < end(b) else (a, high)
    x = (low + high) / 2
    return float(np.exp(x)), end(x)


def compute(
    epochs: int, noise: float, condition_number: float, sharpness: float = 1
) -> list:
    """Return what the file has of a problem, in four digits."""
    given = problem(epochs, noise, condition_number, sharpness)
    lrs = _short(optimal_rates(epochs, **given).lrs)
    found = [best_base(shape_rates(shape, epochs), given) for shape in BESIDE]
    bases, losses = map(_short, zip(*found))
    return [lrs, _short([expected_loss(lrs, **given)[-1]])[0], bases, losses]


def _short(values):
    return [float(f'{value:.4g}') for value in values]


def _key(*numbers):
    return ' '.join(f'{number:g}' for number in numbers)


@functools.cache
def _read():
    return json.loads(FILE.read_text('utf-8'))


def main() -> None:
    """Compute all of them, which takes minutes, and write the file."""
    keys = itertools.product(EPOCHS, NOISES, CONDITION_NUMBERS, SHARPNESSES)
    rows = [f'"{_key(*key)}": {json.dumps(compute(*key))}' for key in keys]
    write_whole(FILE, '{\n' + ',\n'.join(rows) + '\n}\n')


if __name__ == '__main__':
    main()
