"""The schedulers' values as numbers, their errors, their speed, and MicroPython."""

import inspect
import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from d2l_ext import families, schedulers
from d2l_ext.families import (
    CooldownScheduler,
    EpochScheduler,
    GrowthScheduler,
    InversePowerScheduler,
    LogWarmupScheduler,
    ProductScheduler,
    TriangularScheduler,
    WarmupOverScheduler,
    cosine_cycles,
    warmup_stable_cooldown,
)
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    CyclicScheduler,
    FactorScheduler,
    LambdaScheduler,
    MultiFactorScheduler,
    PiecewiseLinearScheduler,
    PlateauScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
    SquareRootScheduler,
    WarmupScheduler,
    keras_plateau,
    one_cycle,
    warmup_cosine,
    warmup_stable_decay,
)
from tests.clock import quiet_seconds

nan, inf = math.nan, math.inf
down, flat = CosineScheduler(10, 0.5, 0.1), ConstantScheduler(0.5)

# Computed by hand from the formulas; the times stand in no order on purpose
VALUES = [
    (ConstantScheduler(), {0: 0.1, 1e9: 0.1}),
    (SquareRootScheduler(1.0), {8: 1 / 3, 0: 1, 3: 0.5, 0.5625: 0.8, 1e8 - 1: 1e-4}),
    (SquareRootScheduler(), {0: 0.1}),
    # the book: base_lr first, then 0.9 times as much an epoch, not below 1e-2
    (
        FactorScheduler(0.9, 1e-2, 2.0),
        {50: 0.0103075504, 51: 0.01, 0: 2, 1: 1.8, 2: 1.62},
    ),
    (FactorScheduler(0.5, 1e-9, 1.0, step=10), {20: 0.25, 9.99: 1, 10: 0.5, 19: 0.5}),
    (FactorScheduler(0.5, 3.0, 1.0), {0: 1, 10: 1}),  # the floor lifts nothing
    (FactorScheduler(0.5), {0: 0.1, 1: 0.05, 100: 1e-7}),
    (FactorScheduler(), {0: 0.1, 9: 0.1}),
    (
        GrowthScheduler(2, 1.0, 0.125, step=10),
        {1e9: 1, 0: 0.125, 9.99: 0.125, 10: 0.25, 29: 0.5, 30: 1, 40: 1},
    ),
    (GrowthScheduler(1.5, 3.0, 1.0), {0: 1, 1: 1.5, 2: 2.25, 3: 3, 1e6: 3}),
    (
        MultiFactorScheduler([15, 30], 0.5, 0.5),
        {30: 0.125, 0: 0.5, 14: 0.5, 14.999: 0.5, 15: 0.25, 29: 0.25, 1e9: 0.125},
    ),
    (MultiFactorScheduler([1]), {0: 0.1, 1: 0.1}),
    (MultiFactorScheduler([4, 2, 2], 0.5, 1.0), {0: 1, 1.9: 1, 2: 0.25, 4: 0.125}),
    (MultiFactorScheduler([0, 3], 0.5, 1.0), {0: 0.5, 2: 0.5, 3: 0.25}),
    (
        PolyScheduler(40, 0.5, 2, 0.1),
        {41: 0.1, 1e9: 0.1, 40: 0.1, 0: 0.5, 10: 0.325, 20: 0.2, 30: 0.125},
    ),
    (PolyScheduler(10), {0: 0.1, 5: 0.025, 10: 0}),
    (PolyScheduler(10, 1.0, 0.5), {0: 1, 7.5: 0.5, 10: 0}),
    (
        CosineScheduler(40, 0.5, 0.01),
        {41: 0.01, 1e9: 0.01, 40: 0.01, 10: 0.4282411614, 20: 0.255, 0: 0.5},
    ),
    (CosineScheduler(6), {0: 0.1, 2: 0.075, 3: 0.05, 4: 0.025, 6: 0, 7: 0}),
    (
        CyclicScheduler(0.1, 0.5, 4),
        {8: 0.1, 0: 0.1, 1: 0.2, 2: 0.3, 4: 0.5, 5: 0.4, 7: 0.2, 12: 0.5},
    ),
    (CyclicScheduler(0.1, 0.5, 4, gamma=0.5), {4: 0.5, 8: 0.1, 12: 0.3, 20: 0.2}),
    (
        CyclicScheduler(0.1, 0.5, 6, 'cosine'),
        {0: 0.5, 2: 0.4, 3: 0.3, 6: 0.1, 8: 0.2, 12: 0.5, 14: 0.4, 18: 0.1},
    ),
    (
        CyclicScheduler(0.1, 0.5, 6, 'cosine', 0.5),
        {2: 0.4, 5.99: 0.1000027416, 6: 0.1, 10: 0.25, 12: 0.3, 14: 0.25, 24: 0.2},
    ),
    (
        CosineRestartsScheduler(10, 0.9, 0.1),
        {9.99: 0.1000019739, 10: 0.9, 0: 0.9, 5: 0.5, 15: 0.5, 20: 0.9, 1e6: 0.9},
    ),
    (
        CosineRestartsScheduler(10, 1.0, 0.2, multiplier=2, decay=0.5),
        {70: 0.3, 110: 0.25, 0: 1, 5: 0.6, 10: 0.6, 20: 0.4, 30: 0.4, 50: 0.3},
    ),
    (CosineRestartsScheduler(1, multiplier=3), {2.5: 0.05, 4: 0.1, 8.5: 0.05, 13: 0.1}),
    (CosineRestartsScheduler(10, decay=0.5), {0: 0.1, 5: 0.05, 10: 0.05, 15: 0.025}),
    (CosineRestartsScheduler(1, 1.0, 0, 3, decay=0.5), {121: 1 / 32, 242.5: 1 / 64}),
    (LambdaScheduler(lambda t: 0.95**t), {2: 0.09025, 0: 0.1}),
    (
        PiecewiseLinearScheduler([(5, 0.5), (10, 0.3), (30, 1.3)]),
        {10: 0.3, 0: 0.5, 4.9: 0.5, 5: 0.5, 7.5: 0.4, 20: 0.8, 30: 1.3, 1e9: 1.3},
    ),
    (PiecewiseLinearScheduler([(3, 0.2)]), {0: 0.2, 3: 0.2, 4: 0.2}),
    (
        SequentialScheduler([flat, down, ConstantScheduler(0.2)], [30, 40]),
        {40: 0.2, 29: 0.5, 30: 0.5, 35: 0.3, 39.999: 0.1000000099, 41: 0.2},
    ),
    (SequentialScheduler([down], []), {0: 0.5, 5: 0.3, 10: 0.1}),
    (WarmupScheduler(down, 4), {4: 0.5, 0: 0, 1: 0.125, 3: 0.375, 9: 0.3, 14: 0.1}),
    (WarmupScheduler(down, 4, 0.1), {0: 0.1, 1: 0.2, 3.5: 0.45, 4: 0.5, 9: 0.3}),
    (WarmupScheduler(down, 4, 0.1, 'constant'), {0: 0.1, 3.99: 0.1, 4: 0.5, 9: 0.3}),
    (WarmupScheduler(down, 0, 0.5), {0: 0.5, 5: 0.3}),
    (LogWarmupScheduler(down, 15, 0.1), {0: 0.1, 1: 0.2, 3: 0.3, 7: 0.4, 15: 0.5}),
    (LogWarmupScheduler(down, 0, 0.1), {0: 0.5, 5: 0.3}),
    (
        WarmupScheduler(WarmupScheduler(flat, 2, 0.2), 4),
        {4: 0.2, 2: 0.1, 5: 0.35, 6: 0.5},
    ),
    (
        warmup_cosine(40, 0.5, warmup_steps=5, final_lr=0.01),
        {41: 0.01, 40: 0.01, 0: 0, 1: 0.1, 5: 0.5, 22.5: 0.255, 1e9: 0.01},
    ),
    (warmup_cosine(10), {0: 0.1, 5: 0.05, 10: 0}),
    (
        one_cycle(40, 0.5, 10, begin_lr=0.1, final_lr=0.02),
        {41: 0.02, 0: 0.1, 5: 0.3, 10: 0.5, 25: 0.26, 40: 0.02, 1e9: 0.02},
    ),
    (one_cycle(10, 1.0, 5), {0: 0, 5: 1, 10: 0}),
    (
        warmup_stable_decay(40, 0.5, 5, 10, final_lr=0.1, pwr=2),
        {35: 0.2, 0: 0, 4: 0.4, 5: 0.5, 29: 0.5, 30: 0.5, 40: 0.1, 1e9: 0.1},
    ),
    (warmup_stable_decay(15, 0.5, 5, 10), {4: 0.4, 5: 0.5, 10: 0.25, 15: 0}),
    (warmup_stable_decay(16, 0.5, 5, 10), {4: 0.4, 6: 0.5, 11: 0.25, 16: 0}),
    (warmup_stable_decay(15, 0.5, 0, 10), {0: 0.5, 5: 0.5, 10: 0.25, 15: 0}),
    (WarmupOverScheduler(down, 5), {0: 0, 1: 0.1, 4: 0.4, 5: 0.3, 10: 0.1, 11: 0.1}),
    (WarmupOverScheduler(down, 5, 0.1, target='meet'), {0: 0.1, 2.5: 0.2, 5: 0.3}),
    (WarmupOverScheduler(down, 5, 0.2, 'constant'), {0: 0.2, 4.9: 0.2, 5: 0.3}),
    (WarmupOverScheduler(down, 0, 0.2), {0: 0.5, 5: 0.3}),
    (WarmupOverScheduler(down, 4, 0.9), {0: 0.9, 2: 0.7, 10: 0.1}),
    (WarmupOverScheduler(down, 20), {0: 0, 10: 0.25, 19: 0.475, 20: 0.1}),
    (ProductScheduler([down]), {0: 0.5, 5: 0.3, 10: 0.1}),
    (
        ProductScheduler([down, WarmupScheduler(ConstantScheduler(1), 4, 0.5)]),
        {0: 0.25, 5: 0.3, 2: 0.3463525492, 10: 0.1, 1e9: 0.1},
    ),
    (
        ProductScheduler([MultiFactorScheduler([3], 0.5), PolyScheduler(4, 1, 1, 0.5)]),
        {0: 0.1, 2: 0.075, 3: 0.03125, 4: 0.025},
    ),
    (EpochScheduler(down, 10), {0: 0.5, 9.9: 0.5, 50: 0.3, 59: 0.3, 100: 0.1}),
    (
        WarmupOverScheduler(EpochScheduler(MultiFactorScheduler([2], 0.1, 1), 10), 15),
        {0: 0, 3: 0.2, 14: 14 / 15, 15: 1, 19: 1, 20: 0.1, 1e9: 0.1},
    ),
    (InversePowerScheduler(1, 1.0), {8: 1 / 3, 0: 1, 3: 0.5, 0.5625: 0.8}),
    (InversePowerScheduler(10), {0: 0.1, 30: 0.05, 90: 0.0316227766}),
    (InversePowerScheduler(4, 1.0, 2, 0.04), {0: 1, 4: 0.25, 12: 0.0625, 16: 0.04}),
    (InversePowerScheduler(4, 1.0, 2, 3), {0: 1, 4: 1}),  # the floor lifts nothing
    (
        WarmupScheduler(InversePowerScheduler(100, 1.0), 100),
        {0: 0, 50: 0.5, 100: 1, 400: 0.5, 900: 1 / 3},
    ),
    (CooldownScheduler(16), {0: 0.1, 1: 0.075, 4: 0.05, 9: 0.025, 16: 0, 1e9: 0}),
    (CooldownScheduler(10, 0.5, 2, 0.1), {0: 0.5, 5: 0.4, 10: 0.1, 11: 0.1}),
    (
        TriangularScheduler(0.1, 0.5, 2, 4),
        {6: 0.1, 0: 0.1, 1: 0.3, 2: 0.5, 3: 0.4, 5: 0.2, 8: 0.5, 10: 0.3},
    ),
    (TriangularScheduler(0.1, 0.5, 2, 4, 0.5), {2: 0.5, 6: 0.1, 8: 0.3, 14: 0.2}),
    (
        TriangularScheduler(0.1, 0.5, 2, 2, 0.5, 'update'),
        {0: 0.1, 1: 0.2, 2: 0.2, 3: 0.125, 6: 0.10625},
    ),
    (
        cosine_cycles(3, 10, 1.0, 0.2, 2, 0.5),
        {0: 1, 5: 0.6, 10: 0.6, 20: 0.4, 30: 0.4, 50: 0.3, 70: 0.2, 110: 0.2},
    ),
    (
        warmup_stable_cooldown(40, 0.5, 5, 16, 0.1),
        {0: 0, 4: 0.4, 5: 0.5, 24: 0.5, 25: 0.4, 28: 0.3, 33: 0.2, 40: 0.1, 1e9: 0.1},
    ),
    (warmup_stable_cooldown(21, 0.5, 5, 16), {4: 0.4, 5: 0.5, 9: 0.25, 21: 0}),
]


@pytest.mark.parametrize('scheduler, lrs', VALUES, ids=lambda value: repr(value)[:40])
def test_values(scheduler, lrs):
    assert {t: scheduler(t) for t in lrs} == pytest.approx(lrs, rel=1e-8, abs=1e-15)


@pytest.mark.parametrize(
    'scheduler', [s for s, _ in VALUES], ids=lambda s: repr(s)[:40]
)
def test_ten_thousand_points_take_20_ms(scheduler):
    def rates():
        for t in range(10_000):
            scheduler(t)

    seconds = []
    while len(seconds) < 20 and min(seconds, default=1) > 0.02:
        seconds.append(quiet_seconds(rates))
    assert min(seconds) <= 0.02


def test_restarts_fall_on_their_own_times():
    for multiplier in (1, 1.1, 1.5, 2, 3, 10):
        scheduler, start = CosineRestartsScheduler(7, 1.0, 0, multiplier), 0
        for cycle in range(12):
            length = 7 * multiplier**cycle
            assert scheduler(start + length * 1e-6) > 0.999
            assert scheduler(start + length / 2) == pytest.approx(0.5, rel=1e-6)
            start += length
            assert scheduler(start * (1 - 1e-6)) < 0.001


def test_base_lr_of_what_holds_others():
    scheduler = SequentialScheduler([flat, ConstantScheduler(0.2)], [30])
    assert scheduler.base_lr == WarmupScheduler(scheduler, 5).base_lr == 0.5


PLATEAUS = [
    (PlateauScheduler(), [1.0] * 11, 0.1),  # the first value is the best so far
    (PlateauScheduler(), [1.0] * 12, 0.01),
    (PlateauScheduler(), [1.0] * 22, 0.01),
    (PlateauScheduler(), [1.0] * 23, 0.001),
    (PlateauScheduler(patience=0), [1, 0.99985], 0.1),
    (PlateauScheduler(patience=0), [1, 0.99995], 0.01),
    (PlateauScheduler(0.5, 0.1, 0), [], 0.5),
    (PlateauScheduler(0.5, 0.1, 0), [2, 1, 0.5], 0.5),
    (PlateauScheduler(0.5, 0.1, 1), [2, 2, 1, 1, 1], 0.05),
    (PlateauScheduler(0.5, 0.1, 0, threshold=0.1), [10, 9.01], 0.05),
    (PlateauScheduler(0.5, 0.1, 0, threshold=0.1), [10, 8.99], 0.5),
    (PlateauScheduler(0.5, 0.1, 0, threshold=0), [1, 0.9999999], 0.5),
    (PlateauScheduler(1, 0.5, 0, cooldown=2), [1, 1, 1, 1], 0.5),
    (PlateauScheduler(1, 0.5, 0, cooldown=2), [1, 1, 1, 1, 1], 0.25),
    (PlateauScheduler(1, 0.5, 1, cooldown=1), [1, 1, 1, 1, 1], 0.5),
    (PlateauScheduler(1, 0.5, 1, cooldown=1), [1, 1, 1, 1, 1, 1], 0.25),
    (PlateauScheduler(1, 0.1, 0, stop_factor_lr=0.3), [1, 1, 1], 0.3),
    (PlateauScheduler(1, 0.1, 0, stop_factor_lr=3), [1, 1], 1),
    (PlateauScheduler(1, 0.1, 0, mode='max'), [1, 2, 3], 1),
    (PlateauScheduler(1, 0.1, 0, mode='max'), [1, 0.5], 0.1),
    (PlateauScheduler(1, 0.1, 0, mode='max', threshold=0.1), [10, 10.9], 0.1),
    (PlateauScheduler(1, 0.1, 0), [-1, -2, -3], 1),
    (PlateauScheduler(1, 0.1, 0, threshold=0.1), [-10, -10.9], 0.1),
    (PlateauScheduler(1, 0.1, 0), [inf, 3, 2], 0.1),  # inf is no improvement
    (PlateauScheduler(1, 0.1, 1), [nan, 3, 2, nan], 1),
    (PlateauScheduler(1, 0.1, 1), [3, nan, nan], 0.1),
    (PlateauScheduler(1, 0.1, 0, 0.5, threshold_mode='abs'), [10, 9.6], 0.1),
    (PlateauScheduler(1, 0.1, 0, 0.5, threshold_mode='abs'), [10, 9.4], 1),
    (PlateauScheduler(1, 0.1, 0, 0.5, threshold_mode='abs'), [-10, -10.4], 0.1),
    (PlateauScheduler(1, 0.1, 0, eps=0.05), [1, 1, 1], 0.01),
    (PlateauScheduler(1, 0.1, 0, eps=0.1), [1, 1, 1], 0.1),  # 0.09 less is too little
    (PlateauScheduler(1, 0.5, 0, eps=0.5), [1, 1, 1], 1),  # nor is eps itself enough
    (PlateauScheduler(1, 0.1, 0, warmup_steps=4), [], 0),
    (PlateauScheduler(1, 0.1, 0, warmup_steps=4), [1, 1, 1], 0.75),
    (PlateauScheduler(1, 0.1, 0, warmup_steps=4), [1, 1, 1, 1], 1),
    (PlateauScheduler(1, 0.1, 0, warmup_steps=4), [1, 1, 1, 1, 2], 1),
    (PlateauScheduler(1, 0.1, 0, warmup_steps=4), [1, 1, 1, 1, 2, 2], 0.1),
    (PlateauScheduler(1, 0.1, 0, warmup_steps=2.5), [1, 1, 1, 2, 2], 0.1),
    (PlateauScheduler(1, warmup_steps=4, warmup_begin_lr=0.2), [1], 0.4),
    (PlateauScheduler(1, warmup_steps=4, warmup_begin_lr=3), [1, 1], 2),
    (keras_plateau(1, 0.1, 3), [1, 1, 1], 1),
    (keras_plateau(1, 0.1, 3), [1, 1, 1, 1], 0.1),  # PyTorch's would wait for one more
    (keras_plateau(1, 0.1, 0), [1, 1, 1], 0.01),  # as patience=1
    (keras_plateau(1, 0.5, 1, cooldown=2), [1, 1, 1], 0.5),
    (keras_plateau(1, 0.5, 1, cooldown=2), [1, 1, 1, 1], 0.25),
    (keras_plateau(1, 0.5, 1, cooldown=1), [1, 1, 1], 0.25),  # as cooldown=0
    (keras_plateau(1, 0.1, 1, min_delta=0.5), [10, 9.6], 0.1),
    (keras_plateau(1, 0.1, 1, min_lr=0.3, mode='max'), [1, 1], 0.3),
]


@pytest.mark.parametrize('scheduler, metrics, lr', PLATEAUS)
def test_plateau_values(scheduler, metrics, lr):
    assert scheduler.at(metrics) == scheduler.at(metrics) == pytest.approx(lr)
    assert eval(repr(scheduler), vars(schedulers)) == scheduler


CALLS = [
    (ConstantScheduler, {'base_lr': 0.1}),
    (SquareRootScheduler, {'base_lr': 0.1}),
    (FactorScheduler, {'factor': 1, 'stop_factor_lr': 0, 'base_lr': 1, 'step': 1}),
    (MultiFactorScheduler, {'step': [2], 'factor': 1, 'base_lr': 1}),
    (PolyScheduler, {'max_update': 5, 'base_lr': 1, 'pwr': 2, 'final_lr': 0}),
    (CosineScheduler, {'max_update': 5, 'base_lr': 1, 'final_lr': 0}),
    (CyclicScheduler, {'base_lr': 0.1, 'max_lr': 1, 'step_size': 4, 'gamma': 1}),
    (
        CosineRestartsScheduler,
        {'period': 4, 'base_lr': 1, 'final_lr': 0, 'multiplier': 2, 'decay': 1},
    ),
    (LambdaScheduler, {'function': abs, 'base_lr': 1}),
    (SequentialScheduler, {'schedulers': [flat, down], 'boundaries': [3]}),
    (WarmupScheduler, {'scheduler': flat, 'warmup_steps': 3, 'warmup_begin_lr': 0}),
    (
        PlateauScheduler,
        {'base_lr': 1, 'factor': 0.1, 'patience': 1, 'threshold': 0, 'cooldown': 0}
        | {'stop_factor_lr': 0, 'eps': 0, 'warmup_steps': 0, 'warmup_begin_lr': 0},
    ),
    (GrowthScheduler, {'factor': 2, 'stop_lr': 5, 'base_lr': 1, 'step': 1}),
    (
        LogWarmupScheduler,
        {'scheduler': flat, 'warmup_steps': 3, 'warmup_begin_lr': 0},
    ),
    (
        WarmupOverScheduler,
        {'scheduler': flat, 'warmup_steps': 3, 'warmup_begin_lr': 0},
    ),
    (ProductScheduler, {'schedulers': [flat, down]}),
    (EpochScheduler, {'scheduler': flat, 'batches_per_epoch': 3}),
    (
        InversePowerScheduler,
        {'time_scale': 1, 'base_lr': 1, 'pwr': 1, 'stop_lr': 0},
    ),
    (CooldownScheduler, {'max_update': 5, 'base_lr': 1, 'pwr': 1, 'final_lr': 0}),
    (
        TriangularScheduler,
        {'base_lr': 0.1, 'max_lr': 1, 'up_steps': 3, 'down_steps': 4, 'gamma': 1},
    ),
    (
        cosine_cycles,
        {'cycles': 2, 'period': 4, 'base_lr': 1, 'final_lr': 0, 'multiplier': 2}
        | {'decay': 1},
    ),
    (
        warmup_stable_cooldown,
        {'max_update': 9, 'base_lr': 1, 'warmup_steps': 2, 'decay_steps': 3}
        | {'final_lr': 0, 'pwr': 1},
    ),
    (warmup_cosine, {'max_update': 9, 'base_lr': 1, 'warmup_steps': 2, 'final_lr': 0}),
    (
        one_cycle,
        {'max_update': 9, 'max_lr': 1, 'warmup_steps': 2, 'begin_lr': 0, 'final_lr': 0},
    ),
    (
        warmup_stable_decay,
        {'max_update': 9, 'base_lr': 1, 'warmup_steps': 2, 'decay_steps': 3}
        | {'final_lr': 0, 'pwr': 1},
    ),
]
ABOVE_0 = {'factor', 'step', 'max_update', 'pwr', 'step_size', 'gamma', 'period'}
ABOVE_0 |= {'decay', 'decay_steps', 'boundaries', 'time_scale', 'up_steps'}
ABOVE_0 |= {'down_steps', 'cycles', 'batches_per_epoch'}
AT_MOST_1 = {'factor', 'gamma', 'decay'}
WHOLE = {'cycles', 'batches_per_epoch'}
MEANT = [(MultiFactorScheduler, 'step', 0), (GrowthScheduler, 'factor', 1.5)]


@pytest.mark.parametrize(
    'make, arguments, name',
    [(make, arguments, name) for make, arguments in CALLS for name in arguments],
)
def test_every_bad_argument_is_named_with_its_value(make, arguments, name):
    make(**arguments)
    bad = [nan, inf, -inf, -1, '3', b'3', None, [1, 2], 1j, object()]
    bad += [0] * (name in ABOVE_0) + [1.5] * (name in AT_MOST_1 | WHOLE)
    bad = [value for value in bad if (make, name, value) not in MEANT]
    several = isinstance(arguments[name], list)
    for value in [[value] for value in bad] + [3, None] if several else bad:
        with pytest.raises(ValueError) as error:
            make(**{**arguments, name: value})
        shown = value[0] if several and isinstance(value, list) else value
        assert str(error.value).startswith(name + ' must be ')
        assert str(error.value).endswith(f'got {shown!r}')


@pytest.mark.parametrize('bad', [nan, inf, -1, '3', b'3', None, [1, 2], 1j, object()])
def test_a_bad_point_is_named_with_its_value(bad):
    for points in [(bad, 0.1)], [(0, 0.1), (3, bad)]:
        with pytest.raises(ValueError) as error:
            PiecewiseLinearScheduler(points)
        assert str(error.value).startswith('points must be ')
        assert str(error.value).endswith(f'got {bad!r}')


@pytest.mark.parametrize(
    'make, message',
    [
        (lambda: PiecewiseLinearScheduler([]), r'points must be one pair .* got \[\]'),
        (lambda: PiecewiseLinearScheduler(3), 'points must be a list, got 3'),
        (lambda: PiecewiseLinearScheduler([3, 4]), r'points .* pairs \(t, lr\), got 3'),
        (lambda: PiecewiseLinearScheduler(['ab']), "points .* pairs .* got 'ab'"),
        (lambda: PiecewiseLinearScheduler([(1, 2, 3)]), r'pairs .* got \(1, 2, 3\)'),
        (lambda: PiecewiseLinearScheduler([(3, 1), (3, 0)]), r'time.* got \[\(3, 1\),'),
        (lambda: GrowthScheduler(0.5, 1, 1), 'factor must be .* >= 1, got 0.5'),
        (lambda: GrowthScheduler(2, 1, 0), 'base_lr must be .* > 0, got 0'),
        (lambda: GrowthScheduler(2, 1, 3), 'stop_lr must be .* >= 3, got 1'),
        # MXNet's order of arguments: step, factor, the floor
        (lambda: FactorScheduler(2000, 0.001, 0.5), 'factor must be .* <= 1, got 2000'),
        (lambda: WarmupScheduler(flat, 3, 0.6), 'warmup_begin_lr .* <= 0.5, got 0.6'),
        (lambda: SequentialScheduler([flat] * 3, [3, 3]), 'boundaries must increase'),
        (lambda: CyclicScheduler(0.2, 0.1, 3), 'max_lr must be .* >= 0.2, got 0.1'),
        (lambda: CyclicScheduler(0, 1, 3, 'sine'), "shape must be .*, got 'sine'"),
        (lambda: CosineRestartsScheduler(3, multiplier=0.5), 'multiplier .* >= 1, got'),
        (lambda: SequentialScheduler([flat], [1]), r'boundaries .* 1 sched.* \(1,\)'),
        (lambda: SequentialScheduler([], []), r'boundaries .* the 0 .* got \(\)'),
        (lambda: WarmupOverScheduler(flat, 3, 0, 'log'), "warmup_mode must .*'log'"),
        (lambda: WarmupOverScheduler(flat, 3, target=3), "target must be 'start' or "),
        (lambda: WarmupOverScheduler(PlateauScheduler(), 3), 'scheduler .* Plateau'),
        (lambda: ProductScheduler([]), r'schedulers must be one or more, got \(\)'),
        (lambda: ProductScheduler([abs]), 'schedulers must be .* LambdaScheduler'),
        (lambda: TriangularScheduler(2, 1, 3, 3), 'max_lr must be .* >= 2, got 1'),
        (lambda: TriangularScheduler(0, 1, 3, 3, 1, 3), "gamma_per must be 'cycle' or"),
        (lambda: warmup_stable_cooldown(5, 1, 3, 3), 'warmup_steps .* <= 2, got 3'),
        (lambda: WarmupScheduler(flat, 3, 0, 'x'), "warmup_mode must .*, got 'x'"),
        (lambda: WarmupScheduler(PlateauScheduler(), 3), 'scheduler .* Plateau'),
        (lambda: PlateauScheduler(mode='x'), "mode must be 'min' or 'max', got 'x'"),
        (lambda: PlateauScheduler(threshold_mode='x'), "threshold_mode must be 'rel'"),
        (lambda: keras_plateau(patience=-1), 'patience must be .* >= 0, got -1'),
        (lambda: keras_plateau(cooldown=-1), 'cooldown must be .* >= 0, got -1'),
        (lambda: PlateauScheduler()(3), r'PlateauScheduler .* use at\(metrics\)'),
        (lambda: warmup_cosine(5, 1, 5), 'warmup_steps .* below max_update = 5, got 5'),
        (lambda: one_cycle(5, 1, 0), 'warmup_steps must be finite and > 0, got 0'),
        (lambda: one_cycle(5, 1, 3, 2), 'begin_lr must be .* <= 1, got 2'),
        (lambda: one_cycle(5, 1, 3, 0, 2), 'final_lr must be .* <= 1, got 2'),
        (lambda: warmup_stable_decay(5, 1, 3, 3), 'warmup_steps .* <= 2, got 3'),
        (lambda: warmup_stable_decay(5, 1, 0, 5), 'decay_steps must be below .* got 5'),
    ],
)
def test_arguments_that_do_not_fit_together(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize('scheduler', [flat, down, WarmupScheduler(down, 5)])
@pytest.mark.parametrize('t', [-1, -1e-9, nan, inf, -inf, '3', None, [1, 2], {}])
def test_a_time_that_is_none(scheduler, t):
    with pytest.raises(ValueError) as error:
        scheduler(t)
    assert str(error.value).startswith('num_update must be ')
    assert str(error.value).endswith(f'got {t!r}')


CLASSES = {type(scheduler) for scheduler, _ in VALUES} | {PlateauScheduler}


@pytest.mark.parametrize('kind', CLASSES, ids=lambda kind: kind.__name__)
def test_arguments_are_those_of_the_constructor_in_its_order(kind):
    assert kind.arguments == tuple(inspect.signature(kind).parameters)


class Exponential(Scheduler):
    """A reader's scheduler, which lists no names."""

    def __init__(self, decay, base_lr=0.1):
        self.decay, self.base_lr = decay, base_lr

    def lr(self, t):
        return self.base_lr * math.exp(-self.decay * t)


class Stopped(CosineScheduler):
    """A reader's scheduler with one argument more than the class it extends."""

    def __init__(self, max_update, base_lr, stop):
        super().__init__(max_update, base_lr)
        self.stop = stop


def test_a_readers_scheduler_need_not_list_its_arguments():
    assert repr(Exponential(0.5)) == 'Exponential(decay=0.5, base_lr=0.1)'
    text = 'Stopped(max_update=9, base_lr=1, final_lr=0, stop=3)'
    assert repr(Stopped(9, 1, stop=3)) == text


def test_neither_hash_nor_equality_nor_repr_goes_by_the_order_of_a_dict():
    scheduler, other = CosineScheduler(40, 0.5), CosineScheduler(40, 0.5)
    other.__dict__ = dict(reversed(vars(scheduler).items()))
    assert list(vars(other)) != list(vars(scheduler))
    assert other == scheduler and hash(other) == hash(scheduler)
    assert repr(other) == repr(scheduler)


def test_milestones_in_another_order_are_the_same_scheduler():
    scheduler, other = (MultiFactorScheduler(s, 0.5) for s in ([3, 9, 9], [9, 3, 9]))
    assert scheduler == other and hash(scheduler) == hash(other)
    assert repr(scheduler) == repr(other)


def test_a_setting_left_out_of_a_plateau_changes_neither_its_text_nor_its_hash():
    scheduler = PlateauScheduler(0.5, eps=0, warmup_steps=0)
    text = "threshold=0.0001, cooldown=0, stop_factor_lr=0, mode='min'"
    assert repr(scheduler) == (
        f'PlateauScheduler(base_lr=0.5, factor=0.1, patience=10, {text}, '
        "threshold_mode='rel')"
    )
    assert scheduler == PlateauScheduler(0.5)
    assert hash(scheduler) == hash(PlateauScheduler(0.5))
    later = PlateauScheduler(0.5, eps=1e-8, warmup_steps=3)
    assert repr(later).endswith("threshold_mode='rel', eps=1e-08, warmup_steps=3)")
    assert later != scheduler and later.warmup_begin_lr == 0


# MicroPython, whose dicts have no order: a program is run in it and here

MICROPYTHON = Path(__file__).parent / 'micropython'
PROGRAM = """
def halving(t):
    return 0.5 ** (t / 10)


class Exponential(Scheduler):
    def __init__(self, decay):
        self.decay = decay

    def lr(self, t):
        return math.exp(-self.decay * t)


def answers(text):
    scheduler = eval(text)
    twin = eval(repr(scheduler))
    assert twin == scheduler and hash(twin) == hash(scheduler)
    if isinstance(scheduler, PlateauScheduler):
        return repr(scheduler), [scheduler.at(metrics) for metrics in METRICS]
    return repr(scheduler), [scheduler(t) for t in TIMES]


def refusal(call):
    try:
        eval(call)
    except ValueError as error:
        return str(error)
"""
TIMES = [*range(50), *(0.37 * k for k in range(150)), 242.5, 9399, 10**6]
METRICS = [metrics for _, metrics, _ in PLATEAUS if all(map(math.isfinite, metrics))]
TEXTS = [repr(s) for s, _ in VALUES if not isinstance(s, LambdaScheduler)]
TEXTS += [repr(s) for s, *_ in PLATEAUS]
TEXTS += ['LambdaScheduler(halving, 0.3)', 'WarmupScheduler(Exponential(0.1), 5)']
REFUSED = [
    "CosineScheduler('3')",
    'WarmupScheduler(3, 5)',
    'LambdaScheduler(0.5)',
    'MultiFactorScheduler(3)',
    'ConstantScheduler(0.5)(-1)',
    'PlateauScheduler()(3)',
]


@pytest.fixture
def micropython():
    """Return a function that runs a program in MicroPython and returns its lines."""
    node, npm = shutil.which('node'), shutil.which('npm')
    if not node or not npm:
        pytest.skip('MicroPython runs in node, and node or npm is missing')
    for command in ('ls', 'ci'):  # fetch it unless this version is there
        done = subprocess.run(
            [npm, command], cwd=MICROPYTHON, capture_output=True, check=False
        )
        if done.returncode == 0:
            break
    else:
        pytest.skip(f'npm could not fetch MicroPython: {done.stderr[-300:]!r}')

    def run(program):
        command = [node, MICROPYTHON / 'run.mjs']
        done = subprocess.run(
            command, input=program, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.splitlines()

    return run


def test_micropython_gives_the_same_rates_texts_and_errors(micropython):
    source = Path(schedulers.__file__).read_text(encoding='utf-8')
    rarer = Path(families.__file__).read_text(encoding='utf-8')
    source += re.sub(r'(?m)^from d2l_ext[^)]*\)', '', rarer)
    asked = f"""
import json, sys
TIMES, METRICS = {TIMES!r}, {METRICS!r}
print(sys.implementation.name)
for text in {TEXTS!r}:
    print(json.dumps(answers(text)))
for call in {REFUSED!r}:
    print(json.dumps(refusal(call)))
"""
    name, *lines = micropython(source + PROGRAM + asked)
    assert name == 'micropython'
    lines = [json.loads(line) for line in lines]
    here = {'TIMES': TIMES, 'METRICS': METRICS}
    exec(source + PROGRAM, here)  # noqa: S102
    for text, (their_text, their_rates) in zip(TEXTS, lines):
        our_text, our_rates = here['answers'](text)
        assert their_text == our_text
        assert their_rates == pytest.approx(our_rates, rel=1e-12, abs=1e-300), text
    refusals = [here['refusal'](call) for call in REFUSED]
    assert all(refusals) and lines[len(TEXTS) :] == refusals


def test_the_stubs_say_what_the_modules_do():
    pytest.importorskip('mypy')
    names = schedulers.__name__, families.__name__
    command = [sys.executable, '-m', 'mypy.stubtest', *names]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
