"""Types of `families.py`, which stays plain: MicroPython runs it too."""

from collections.abc import Sequence
from typing import Literal

from d2l_ext.schedulers import Scheduler, SequentialScheduler, WarmupScheduler

class GrowthScheduler(Scheduler):
    factor: float
    base_lr: float
    stop_lr: float
    step: float
    def __init__(
        self, factor: float, stop_lr: float, base_lr: float, step: float = 1
    ) -> None: ...

class LogWarmupScheduler(Scheduler):
    scheduler: Scheduler
    warmup_steps: float
    warmup_begin_lr: float
    @property
    def base_lr(self) -> float: ...  # type: ignore[override]
    def __init__(
        self, scheduler: Scheduler, warmup_steps: float, warmup_begin_lr: float = 0
    ) -> None: ...

class WarmupOverScheduler(Scheduler):
    scheduler: Scheduler
    warmup_steps: float
    warmup_begin_lr: float
    warmup_mode: Literal['linear', 'constant']
    target: Literal['start', 'meet']
    @property
    def base_lr(self) -> float: ...  # type: ignore[override]
    def __init__(
        self,
        scheduler: Scheduler,
        warmup_steps: float,
        warmup_begin_lr: float = 0,
        warmup_mode: Literal['linear', 'constant'] = 'linear',
        target: Literal['start', 'meet'] = 'start',
    ) -> None: ...

class ProductScheduler(Scheduler):
    schedulers: tuple[Scheduler, ...]
    @property
    def base_lr(self) -> float: ...  # type: ignore[override]
    def __init__(self, schedulers: Sequence[Scheduler]) -> None: ...

class EpochScheduler(Scheduler):
    scheduler: Scheduler
    batches_per_epoch: int
    @property
    def base_lr(self) -> float: ...  # type: ignore[override]
    def __init__(self, scheduler: Scheduler, batches_per_epoch: int) -> None: ...

class InversePowerScheduler(Scheduler):
    time_scale: float
    base_lr: float
    pwr: float
    stop_lr: float
    def __init__(
        self,
        time_scale: float,
        base_lr: float = 0.1,
        pwr: float = 0.5,
        stop_lr: float = 0,
    ) -> None: ...

class CooldownScheduler(Scheduler):
    max_update: float
    base_lr: float
    pwr: float
    final_lr: float
    def __init__(
        self,
        max_update: float,
        base_lr: float = 0.1,
        pwr: float = 0.5,
        final_lr: float = 0,
    ) -> None: ...

class TriangularScheduler(Scheduler):
    base_lr: float
    max_lr: float
    up_steps: float
    down_steps: float
    gamma: float
    gamma_per: Literal['cycle', 'update']
    def __init__(
        self,
        base_lr: float,
        max_lr: float,
        up_steps: float,
        down_steps: float,
        gamma: float = 1,
        gamma_per: Literal['cycle', 'update'] = 'cycle',
    ) -> None: ...

def cosine_cycles(
    cycles: int,
    period: float,
    base_lr: float = 0.1,
    final_lr: float = 0,
    multiplier: float = 1,
    decay: float = 1,
) -> SequentialScheduler: ...
def warmup_stable_cooldown(
    max_update: float,
    base_lr: float,
    warmup_steps: float,
    decay_steps: float,
    final_lr: float = 0,
    pwr: float = 0.5,
) -> WarmupScheduler: ...
