"""What PyTorch's schedulers do, as functions of time, where PyTorch is not there.

Written from the formulas of its documentation and source, not by way of our schedulers:
what is drawn beside those shall be able to differ from them. A test holds each to
PyTorch. In all of them t counts calls of `step()` and `lr` is the optimizer's rate.

Source: `torch.optim.lr_scheduler` of PyTorch 2.13.
"""

import bisect
import math
from collections.abc import Callable, Sequence


def lambda_lr(t: int, lr: float, lr_lambda: Callable[[int], float]) -> float:
    """Return lr lr_lambda(t)."""
    return lr * lr_lambda(t)


def step_lr(t: int, lr: float, step_size: int, gamma: float = 0.1) -> float:
    """Return lr gamma^floor(t / step_size)."""
    return lr * gamma ** (t // step_size)


def multi_step_lr(
    t: int, lr: float, milestones: Sequence[int], gamma: float = 0.1
) -> float:
    """Return lr gamma^n, with n of the `milestones` at or before t."""
    return lr * gamma ** bisect.bisect_right(sorted(milestones), t)


def exponential_lr(t: int, lr: float, gamma: float) -> float:
    """Return lr gamma^t."""
    return lr * gamma**t


def constant_lr(
    t: int, lr: float, factor: float = 1 / 3, total_iters: int = 5
) -> float:
    """Return lr factor before `total_iters`, and lr from there on."""
    return lr * (factor if t < total_iters else 1)


def linear_lr(
    t: int,
    lr: float,
    start_factor: float = 1 / 3,
    end_factor: float = 1.0,
    total_iters: int = 5,
) -> float:
    """Return lr times a factor that goes straight from start to end in `total_iters`."""
    share = min(t, total_iters) / total_iters
    return lr * (start_factor + (end_factor - start_factor) * share)


def polynomial_lr(t: int, lr: float, total_iters: int = 5, power: float = 1.0) -> float:
    """Return lr (1 - t / total_iters)^power, and 0 from `total_iters` on."""
    return lr * (1 - min(t, total_iters) / total_iters) ** power


def cosine_annealing_lr(t: int, lr: float, T_max: int, eta_min: float = 0.0) -> float:
    """Return eta_min + (lr - eta_min) (1 + cos(pi t / T_max)) / 2: beyond T_max it rises."""
    return eta_min + (lr - eta_min) * (1 + math.cos(math.pi * t / T_max)) / 2


def cosine_annealing_warm_restarts(
    t: int, lr: float, T_0: int, T_mult: int = 1, eta_min: float = 0.0
) -> float:
    """Return the cosine of a period of T_0, T_0 T_mult, T_0 T_mult^2, ... calls."""
    while t >= T_0:
        t, T_0 = t - T_0, T_0 * T_mult
    return cosine_annealing_lr(t, lr, T_0, eta_min)


def cyclic_lr(
    t: int,
    lr: float,
    base_lr: float,
    max_lr: float,
    step_size_up: int = 2000,
    mode: str = 'triangular',
    gamma: float = 1.0,
    cycle_momentum: bool = True,
) -> float:
    """Return a triangle between two rates; 'triangular2' halves its height each time."""
    cycle, within = divmod(t, 2 * step_size_up)
    height = (max_lr - base_lr) * (1 - abs(within / step_size_up - 1))
    scales = {'triangular': 1.0, 'triangular2': 0.5**cycle, 'exp_range': gamma**t}
    return base_lr + height * scales[mode]


def one_cycle_lr(
    t: int,
    lr: float,
    max_lr: float,
    total_steps: int,
    pct_start: float = 0.3,
    cycle_momentum: bool = True,
) -> float:
    """Return half a cosine from max_lr / 25 up, another down to a 10,000th of that."""
    peak, end, low = pct_start * total_steps - 1, total_steps - 1, max_lr / 25
    if t <= peak:
        return max_lr + (low - max_lr) * (1 + math.cos(math.pi * t / peak)) / 2
    share, final = (t - peak) / (end - peak), low / 1e4
    return final + (max_lr - final) * (1 + math.cos(math.pi * share)) / 2


RULES: dict[str, Callable[..., float]] = {
    'ConstantLR': constant_lr,
    'CosineAnnealingLR': cosine_annealing_lr,
    'CosineAnnealingWarmRestarts': cosine_annealing_warm_restarts,
    'CyclicLR': cyclic_lr,
    'ExponentialLR': exponential_lr,
    'LambdaLR': lambda_lr,
    'LinearLR': linear_lr,
    'MultiStepLR': multi_step_lr,
    'OneCycleLR': one_cycle_lr,
    'PolynomialLR': polynomial_lr,
    'StepLR': step_lr,
}


def rates_by_rule(
    rule: str | Callable[..., float], lr: float, num_epochs: int = 60, **arguments
) -> list[float]:
    """Return the rates of epochs 0, 1, ... of a scheduler that is stepped once in each.

    `rule`: a name of `RULES`, or a function of (t, lr) and the `arguments`.

    Raises ValueError for another name.

    >>> rates_by_rule('StepLR', 0.5, 5, step_size=2, gamma=0.5)
    [0.5, 0.5, 0.25, 0.25, 0.125]
    """
    if isinstance(rule, str):
        if rule not in RULES:
            raise ValueError(f'rule must be one of {", ".join(RULES)}, got {rule!r}')
        rule = RULES[rule]
    return [rule(t, lr, **arguments) for t in range(num_epochs)]
