"""Types of `schedulers.py`, which stays plain: MicroPython runs it too."""

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Literal

class Scheduler:
    arguments: ClassVar[tuple[str, ...]]
    base_lr: float  # every scheduler has it, whoever sets it
    def __call__(self, num_update: float) -> float: ...
    def lr(self, t: float) -> float: ...
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...

class ConstantScheduler(Scheduler):
    base_lr: float
    def __init__(self, base_lr: float = 0.1) -> None: ...

class SquareRootScheduler(Scheduler):
    base_lr: float
    def __init__(self, base_lr: float = 0.1) -> None: ...

class FactorScheduler(Scheduler):
    factor: float
    stop_factor_lr: float
    base_lr: float
    step: float
    def __init__(
        self,
        factor: float = 1,
        stop_factor_lr: float = 1e-7,
        base_lr: float = 0.1,
        step: float = 1,
    ) -> None: ...

class MultiFactorScheduler(Scheduler):
    step: tuple[float, ...]
    factor: float
    base_lr: float
    def __init__(
        self, step: Sequence[float], factor: float = 1, base_lr: float = 0.1
    ) -> None: ...

class PolyScheduler(Scheduler):
    max_update: float
    base_lr: float
    pwr: float
    final_lr: float
    def __init__(
        self,
        max_update: float,
        base_lr: float = 0.1,
        pwr: float = 2,
        final_lr: float = 0,
    ) -> None: ...

class CosineScheduler(Scheduler):
    max_update: float
    base_lr: float
    final_lr: float
    def __init__(
        self, max_update: float, base_lr: float = 0.1, final_lr: float = 0
    ) -> None: ...

class CyclicScheduler(Scheduler):
    base_lr: float
    max_lr: float
    step_size: float
    shape: Literal['triangular', 'cosine']
    gamma: float
    def __init__(
        self,
        base_lr: float,
        max_lr: float,
        step_size: float,
        shape: Literal['triangular', 'cosine'] = 'triangular',
        gamma: float = 1,
    ) -> None: ...

class CosineRestartsScheduler(Scheduler):
    period: float
    base_lr: float
    final_lr: float
    multiplier: float
    decay: float
    def __init__(
        self,
        period: float,
        base_lr: float = 0.1,
        final_lr: float = 0,
        multiplier: float = 1,
        decay: float = 1,
    ) -> None: ...

class PiecewiseLinearScheduler(Scheduler):
    points: tuple[tuple[float, float], ...]
    @property
    def base_lr(self) -> float: ...  # type: ignore[override]
    def __init__(self, points: Sequence[tuple[float, float]]) -> None: ...

class LambdaScheduler(Scheduler):
    function: Callable[[float], float]
    base_lr: float
    def __init__(
        self, function: Callable[[float], float], base_lr: float = 0.1
    ) -> None: ...

class SequentialScheduler(Scheduler):
    schedulers: tuple[Scheduler, ...]
    boundaries: tuple[float, ...]
    @property
    def base_lr(self) -> float: ...  # type: ignore[override]
    def __init__(
        self, schedulers: Sequence[Scheduler], boundaries: Sequence[float]
    ) -> None: ...

class WarmupScheduler(Scheduler):
    scheduler: Scheduler
    warmup_steps: float
    warmup_begin_lr: float
    warmup_mode: Literal['linear', 'constant']
    @property
    def base_lr(self) -> float: ...  # type: ignore[override]
    def __init__(
        self,
        scheduler: Scheduler,
        warmup_steps: float,
        warmup_begin_lr: float = 0,
        warmup_mode: Literal['linear', 'constant'] = 'linear',
    ) -> None: ...

class PlateauScheduler(Scheduler):
    base_lr: float
    factor: float
    patience: float
    threshold: float
    cooldown: float
    stop_factor_lr: float
    mode: Literal['min', 'max']
    threshold_mode: Literal['rel', 'abs']
    eps: float
    warmup_steps: float
    warmup_begin_lr: float
    def __init__(
        self,
        base_lr: float = 0.1,
        factor: float = 0.1,
        patience: float = 10,
        threshold: float = 1e-4,
        cooldown: float = 0,
        stop_factor_lr: float = 0,
        mode: Literal['min', 'max'] = 'min',
        threshold_mode: Literal['rel', 'abs'] = 'rel',
        eps: float = 0,
        warmup_steps: float = 0,
        warmup_begin_lr: float = 0,
    ) -> None: ...
    def at(self, metrics: Iterable[float]) -> float: ...

def keras_plateau(
    base_lr: float = 0.1,
    factor: float = 0.1,
    patience: float = 10,
    min_delta: float = 1e-4,
    cooldown: float = 0,
    min_lr: float = 0,
    mode: Literal['min', 'max'] = 'min',
) -> PlateauScheduler: ...
def warmup_cosine(
    max_update: float,
    base_lr: float = 0.1,
    warmup_steps: float = 0,
    final_lr: float = 0,
) -> WarmupScheduler: ...
def one_cycle(
    max_update: float,
    max_lr: float,
    warmup_steps: float,
    begin_lr: float = 0,
    final_lr: float = 0,
) -> SequentialScheduler: ...
def warmup_stable_decay(
    max_update: float,
    base_lr: float,
    warmup_steps: float,
    decay_steps: float,
    final_lr: float = 0,
    pwr: float = 1,
) -> WarmupScheduler: ...
