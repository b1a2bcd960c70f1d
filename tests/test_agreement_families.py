"""The rarer families against the libraries that have them, also between and after.

Run by path, this file prints a table: the family, the library, its version and the
largest relative difference. A library that is missing here is left out.
"""

import importlib
import importlib.metadata
import os
import warnings
from functools import partial

import pytest

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
from d2l_ext.install import finder
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PlateauScheduler,
    PolyScheduler,
    SequentialScheduler,
    WarmupScheduler,
)
from d2l_ext.theory.langevin import SGLDScheduler

os.environ.setdefault('KERAS_BACKEND', 'torch')
UPDATES = range(60)  # every schedule below is over by then, or has no end
BETWEEN = [0.37 * k for k in range(200)]  # for a library that is a function of time


def optimizer(base_lr=0.5):
    import torch

    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base_lr)


def stepped(make, base_lr=0.5, per_epoch=1):
    """Return the rates that schedulers of PyTorch's kind set, stepped together.

    `make`: returns the scheduler of an optimizer, or two: the second steps only after
    each epoch of `per_epoch` updates.
    """
    sgd, rates = optimizer(base_lr), []
    made = make(sgd)
    by_update, *by_epoch = made if isinstance(made, tuple) else (made,)
    for t in UPDATES:
        rates.append(sgd.param_groups[0]['lr'])
        sgd.step()
        by_update.step()
        if (t + 1) % per_epoch == 0:
            for scheduler in by_epoch:
                scheduler.step()
    return zip(UPDATES, rates)


def torch(name, *args, base_lr=0.5, **kwargs):
    """Return the rates of PyTorch's scheduler of that name."""
    lr_scheduler = importlib.import_module('torch.optim.lr_scheduler')
    kind = getattr(lr_scheduler, name)
    return stepped(lambda sgd: kind(sgd, *args, **kwargs), base_lr)


def torch_chained():
    from torch.optim import lr_scheduler

    return stepped(
        lambda sgd: lr_scheduler.ChainedScheduler(
            [
                lr_scheduler.LinearLR(sgd, 0.1, 1, 5),
                lr_scheduler.MultiStepLR(sgd, [10, 20], 0.3),
                lr_scheduler.ExponentialLR(sgd, 0.95),
            ]
        )
    )


def torch_two_units():
    from torch.optim import lr_scheduler

    def make(sgd):
        ramp = lr_scheduler.LinearLR(sgd, 0.1, 1, 7)
        return ramp, lr_scheduler.MultiStepLR(sgd, [1, 3], 0.3)

    return stepped(make, per_epoch=10)


def mmengine_two_units():
    from mmengine.optim import scheduler

    def make(sgd):
        ramp = scheduler.LinearLR(sgd, 0.1, by_epoch=False, end=7 + 1)
        return ramp, scheduler.MultiStepLR(sgd, [1, 3], 0.3)

    return stepped(make, per_epoch=10)


def mmengine_product():
    from mmengine.optim import scheduler

    def make(sgd):
        ramp = scheduler.LinearLR(sgd, 0.1, by_epoch=False, end=7 + 1)
        return ramp, scheduler.CosineAnnealingLR(sgd, 60, by_epoch=False)

    return stepped(make)


def timm(name, base_lr=0.5, **kwargs):
    """Return the rates of timm's scheduler of that name."""
    kind = getattr(importlib.import_module('timm.scheduler'), name)
    scheduler = kind(optimizer(base_lr), **kwargs)
    return [(t, scheduler._get_lr(t)[0]) for t in (*UPDATES, *BETWEEN)]


def transformers(name, *args, base_lr=0.5, **kwargs):
    """Return the rates of the schedule that transformers gives to a `LambdaLR`."""
    make = getattr(importlib.import_module('transformers.optimization'), name)
    function = make(optimizer(base_lr), *args, **kwargs).lr_lambdas[0]
    return [(t, base_lr * function(t)) for t in (*UPDATES, *BETWEEN)]


def optax(name, **kwargs):
    """Return the rates of optax's function of that name, in float64."""
    schedule = getattr(importlib.import_module('optax'), name)
    jax = importlib.import_module('jax')
    with jax.enable_x64(True):
        return [(t, float(schedule(**kwargs)(t))) for t in UPDATES]


def keras(name, *args, **kwargs):
    """Return the rates of Keras's schedule of that name, in float64."""
    keras = importlib.import_module('keras')
    before = keras.config.floatx()
    keras.config.set_floatx('float64')
    try:
        schedule = getattr(keras.optimizers.schedules, name)(*args, **kwargs)
        return [(t, float(schedule(t))) for t in (*UPDATES, *BETWEEN)]
    finally:
        keras.config.set_floatx(before)


def mxnet(name, **kwargs):
    """Return the rates in training: MXNet counts from 1."""
    finder.install()
    scheduler = getattr(importlib.import_module('mxnet').lr_scheduler, name)(**kwargs)
    return [(t, scheduler(t + 1)) for t in UPDATES]


def megatron(style, warmup, end, min_lr=0.0, **kwargs):
    module = importlib.import_module('megatron.core.optimizer_param_scheduler')
    sgd = optimizer()
    scheduler = module.OptimizerParamScheduler(
        *(sgd, 0.0, 0.5, min_lr, warmup, end, style),
        *(0.0, 0.0, 1, 'constant'),
        **kwargs,
    )
    rates = []
    for t in UPDATES:
        scheduler.num_steps = t
        rates.append((t, scheduler.get_lr(sgd.param_groups[0])))
    return rates


def deepspeed(name, **kwargs):
    """Return the rates of DeepSpeed's schedulers, which set the rate in `step`."""
    lr_schedules = importlib.import_module('deepspeed.runtime.lr_schedules')
    sgd, rates = optimizer(), []
    scheduler = getattr(lr_schedules, name)(sgd, **kwargs)
    for t in UPDATES:
        scheduler.step(t)
        rates.append((t, sgd.param_groups[0]['lr']))
    return rates


def detectron2(method='linear'):
    """Return the rates of a cosine under detectron2's warmup, of fvcore's parts."""
    module = importlib.import_module('fvcore.common.param_scheduler')
    cosine = module.CosineParamScheduler(0.5, 0.0)
    ramp = module.LinearParamScheduler(0.1 * cosine(0.0), cosine(0.25))
    if method == 'constant':
        ramp = module.ConstantParamScheduler(0.1 * cosine(0.0))
    whole = module.CompositeParamScheduler(
        [ramp, cosine], [0.25, 0.75], ['rescaled', 'fixed']
    )
    return [(t, whole(t / 40)) for t in (*range(40), *BETWEEN) if t < 40]


def noam(warmup=20, width=64):
    """Return the rates of `torch.optim.lr_scheduler.LambdaLR` with Noam's formula."""

    def rate(t):
        step = t + 1
        return width**-0.5 * min(step**-0.5, step * warmup**-1.5)

    return torch('LambdaLR', rate, base_lr=1.0)


def torch_plateau(metrics, **kwargs):
    from torch.optim import lr_scheduler

    sgd = optimizer()
    scheduler, rates = lr_scheduler.ReduceLROnPlateau(sgd, **kwargs), []
    for n, metric in enumerate(metrics):
        rates.append((metrics[:n], sgd.param_groups[0]['lr']))
        scheduler.step(metric)
    return rates


def timm_plateau(metrics, **kwargs):
    module, sgd = importlib.import_module('timm.scheduler'), optimizer()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', FutureWarning)
        scheduler, rates = module.PlateauLRScheduler(sgd, **kwargs), []
    for n, metric in enumerate(metrics):
        rates.append((metrics[:n], sgd.param_groups[0]['lr']))
        scheduler.step(n + 1, metric)
    return rates


cosine, constant = CosineScheduler(40, 0.5, 0.02), ConstantScheduler(0.5)
ramp = WarmupScheduler(ConstantScheduler(1), 7, 0.1)
two_units = ProductScheduler(
    [EpochScheduler(MultiFactorScheduler([1, 3], 0.3, 0.5), 10), ramp]
)
METRICS = [3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6]
wsd_timm = partial(
    timm, 'WSDLRScheduler', t_initial=35, decay_t=16, lr_min=0.1, warmup_t=5
)
cyclic = partial(torch, 'CyclicLR', 0.1, 0.5, cycle_momentum=False)
CASES = [
    (
        WarmupOverScheduler(cosine, 7, 0.1),
        partial(timm, 'CosineLRScheduler', t_initial=40, lr_min=0.02),
        {'warmup_t': 7, 'warmup_lr_init': 0.1},
    ),
    (
        WarmupOverScheduler(PolyScheduler(40, 0.5, 2), 7),
        partial(timm, 'PolyLRScheduler', t_initial=40, power=2.0, warmup_t=7),
    ),
    (
        WarmupOverScheduler(FactorScheduler(0.5, 0, 0.5, 5), 12),
        partial(timm, 'StepLRScheduler', decay_t=5, decay_rate=0.5, warmup_t=12),
        {'warmup_prefix': False},
    ),
    (
        WarmupOverScheduler(CosineScheduler(40, 0.5), 10, 0.05, target='meet'),
        detectron2,
    ),
    (
        WarmupOverScheduler(CosineScheduler(40, 0.5), 10, 0.05, 'constant'),
        partial(detectron2, 'constant'),
    ),
    # MXNet's decay runs underneath its warmup; it counts from 1, a step up the ramp
    (
        WarmupOverScheduler(FactorScheduler(0.5, 0.5 / 16, 0.5, 5), 11, 0.5 / 12),
        partial(mxnet, 'FactorScheduler', step=5, factor=0.5, base_lr=0.5),
        {'warmup_steps': 12, 'stop_factor_lr': 0.5 / 16},
    ),
    (
        ProductScheduler(
            [
                WarmupScheduler(constant, 5, 0.05),
                MultiFactorScheduler([10, 20], 0.3, 1),
                FactorScheduler(0.95, 0, 1),
            ]
        ),
        torch_chained,
    ),
    (ProductScheduler([CosineScheduler(60, 0.5), ramp]), mmengine_product),
    (
        InversePowerScheduler(4, 0.5, 1),
        partial(keras, 'InverseTimeDecay', 0.5, decay_steps=10, decay_rate=2.5),
    ),
    (
        InversePowerScheduler(1, 0.5),
        partial(torch, 'LambdaLR', lambda t: (t + 1) ** -0.5),
    ),
    (
        WarmupScheduler(InversePowerScheduler(9, 0.5), 5),
        partial(transformers, 'get_inverse_sqrt_schedule', 5, timescale=9),
    ),
    (
        WarmupScheduler(InversePowerScheduler(10, 0.5, stop_lr=0.3), 10),
        partial(megatron, 'inverse-square-root', 10, 1000, 0.3),
    ),
    (
        WarmupScheduler(InversePowerScheduler(20, 1280**-0.5), 19, 1280**-0.5 / 20),
        noam,
    ),
    (
        warmup_stable_cooldown(40, 0.5, 5, 16),
        partial(transformers, 'get_wsd_schedule', 5, 16, num_training_steps=40),
        {'decay_type': '1-sqrt'},
    ),
    (warmup_stable_cooldown(40, 0.5, 5, 16, 0.1), wsd_timm),
    (
        warmup_stable_cooldown(40, 0.5, 5, 16, 0.1, pwr=2),
        partial(wsd_timm, decay_fn='power', decay_power=2.0),
    ),
    (
        CooldownScheduler(40, 0.5, 1.5, 0.1),
        partial(timm, 'PolyLRScheduler', t_initial=40, power=1.0, lr_min=0.1),
        {'k_decay': 1.5},
    ),
    (
        warmup_stable_cooldown(40, 0.5, 5, 16, 0.1),
        partial(megatron, 'WSD', 5, 40, 0.1, wsd_decay_steps=16),
        {'lr_wsd_decay_style': 'minus_sqrt'},
    ),
    (
        GrowthScheduler(1.5, 1e9, 1e-3, step=5),
        partial(torch, 'StepLR', 5, 1.5, base_lr=1e-3),
    ),
    (
        GrowthScheduler(1.2, 1e9, 1e-3),
        partial(torch, 'ExponentialLR', 1.2, base_lr=1e-3),
    ),
    (
        GrowthScheduler(1.2, 0.5, 1e-3),
        partial(optax, 'exponential_decay', init_value=1e-3, transition_steps=1),
        {'decay_rate': 1.2, 'end_value': 0.5},
    ),
    (
        GrowthScheduler(1.5, 1e9, 1e-3, step=5),
        partial(keras, 'ExponentialDecay', 1e-3, 5, 1.5, staircase=True),
    ),
    (
        MultiFactorScheduler([30, 10, 10], 0.3, 0.5),
        partial(torch, 'MultiStepLR', [30, 10, 10], 0.3),
    ),
    (
        MultiFactorScheduler([0, 10], 0.3, 0.5),
        partial(torch, 'MultiStepLR', [0, 10], 0.3),
    ),
    (TriangularScheduler(0.1, 0.5, 3, 7), partial(cyclic, 3, 7)),
    (TriangularScheduler(0.1, 0.5, 3, 7, 0.5), partial(cyclic, 3, 7, 'triangular2')),
    (
        TriangularScheduler(0.1, 0.5, 4, 4, 0.97, 'update'),
        partial(cyclic, 4, 4, 'exp_range', 0.97),
    ),
    (
        cosine_cycles(3, 5, 0.5, 0.02, 2),
        partial(timm, 'CosineLRScheduler', t_initial=5, lr_min=0.02, cycle_mul=2.0),
        {'cycle_limit': 3},
    ),
    (
        cosine_cycles(3, 10, 0.5, decay=0.5),
        partial(timm, 'CosineLRScheduler', t_initial=10, cycle_decay=0.5),
        {'cycle_limit': 3},
    ),
    (
        WarmupScheduler(cosine_cycles(4, 10, 0.5), 5),
        partial(transformers, 'get_cosine_with_hard_restarts_schedule_with_warmup'),
        {'num_warmup_steps': 5, 'num_training_steps': 45, 'num_cycles': 4},
    ),
    (
        LogWarmupScheduler(constant, 19, 0.01),
        partial(deepspeed, 'WarmupLR', warmup_num_steps=20),
        {'warmup_min_lr': 0.01, 'warmup_max_lr': 0.5},
    ),
    (
        LogWarmupScheduler(
            SequentialScheduler([constant, PolyScheduler(30, 0.5, 1)], [1]), 19
        ),
        partial(deepspeed, 'WarmupDecayLR', total_num_steps=50, warmup_num_steps=20),
        {'warmup_max_lr': 0.5},
    ),
    (
        WarmupOverScheduler(constant, 8, 0.9),
        partial(timm, 'StepLRScheduler', decay_t=10, decay_rate=1.0, warmup_t=8),
        {'warmup_lr_init': 0.9},
    ),
    (two_units, torch_two_units),
    (two_units, mmengine_two_units),
    (
        PlateauScheduler(0.5, 0.5, 1, eps=0.1),
        partial(torch_plateau, METRICS, factor=0.5, patience=1, eps=0.1),
    ),
    (
        PlateauScheduler(0.5, 0.5, 1, warmup_steps=4, warmup_begin_lr=0.1),
        partial(timm_plateau, METRICS, decay_rate=0.5, patience_t=1, warmup_t=4),
        {'warmup_lr_init': 0.1, 'mode': 'min'},
    ),
]


def difference(scheduler, theirs, more=None):
    """Return the largest relative difference over the times they were asked for."""
    rate = scheduler.at if isinstance(scheduler, PlateauScheduler) else scheduler
    pairs = [(rate(t), lr) for t, lr in theirs(**(more or {}))]
    assert len(pairs) > 15 and any(lr > 0 for _, lr in pairs)
    assert all(lr == pytest.approx(ours, abs=1e-15) for ours, lr in pairs if lr == 0)
    return max(abs(ours - lr) / lr for ours, lr in pairs if lr > 0)


def library(theirs):
    """Return the name of the library whose rates a case asks for."""
    name = getattr(theirs, 'func', theirs).__name__.split('_')[0]
    return {'noam': 'torch', 'detectron2': 'fvcore'}.get(name, name)


def named(case):
    """Return a case as a parameter; what no extra installs is foreign."""
    name = library(case[1])
    here = name in ('mxnet', 'torch', 'keras', 'optax', 'transformers')
    marks = () if here else pytest.mark.foreign(name)
    return pytest.param(case, id=f'{name} {case[0]!r}'[:60], marks=marks)


@pytest.mark.parametrize('case', [*map(named, CASES)])
def test_the_rates_are_those_of_the_library_that_has_the_family(case):
    if library(case[1]) == 'mxnet':
        finder.install()
    pytest.importorskip(library(case[1]))
    assert difference(*case) <= 1e-9


def test_the_decay_of_langevin_sampling_is_an_inverse_power():
    sgld = SGLDScheduler(1000, base_lr=0.02, final_lr=1e-4, gamma=0.6)
    ours = InversePowerScheduler(sgld.b, sgld.base_lr, sgld.gamma)
    for t in (*UPDATES, *BETWEEN, 999, 1000, 5000):
        assert ours(t) == pytest.approx(sgld(t), rel=1e-12)


if __name__ == '__main__':
    for case in CASES:
        name = library(case[1])
        try:
            version = importlib.metadata.version(
                {'megatron': 'megatron-core'}.get(name, name)
            )
            print(f'{name} {version} {difference(*case):.1e} {case[0]!r}')
        except ImportError:
            print(f'{name} is not installed')
