"""Configs as plans, beside the objects that the libraries build of them."""

import argparse
import json

import pytest
from rates import close
from test_code import bare

from d2l_ext.check import check
from d2l_ext.exchange.code import code
from d2l_ext.exchange.read import schedule
from d2l_ext.families import ProductScheduler
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PolyScheduler,
    SequentialScheduler,
    WarmupScheduler,
)


def optimizer(lr=0.5):
    torch = pytest.importorskip('torch')
    return torch.optim.SGD([torch.zeros(1)], lr=lr)


# transformers' training arguments


ARGUMENTS = {
    'learning_rate': 0.5,
    'lr_scheduler_type': 'cosine',
    'num_train_epochs': 5,
    'warmup_ratio': 0.1,
    'per_device_train_batch_size': 8,
}


def test_training_arguments_of_transformers_say_the_whole_run():
    plan = schedule(ARGUMENTS, batches_per_epoch=10)
    assert (plan.num_epochs, plan.per, plan.length) == (5, 'update', 50)
    assert plan.scheduler.warmup_steps == 5 and plan.rates()[5] == 0.5
    assert (
        schedule({**ARGUMENTS, 'max_steps': 25}, batches_per_epoch=10).num_epochs == 3
    )
    shorter = schedule(ARGUMENTS, 2, batches_per_epoch=10)
    assert shorter.num_epochs == 2 and shorter.scheduler.warmup_steps == 2


def test_training_arguments_may_be_text_in_three_spellings():
    plan = schedule(ARGUMENTS, batches_per_epoch=10)
    line = ' '.join(f'--{key} {value}' for key, value in ARGUMENTS.items())
    assert schedule(f'run.py {line}', batches_per_epoch=10) == plan
    assert schedule(json.dumps(ARGUMENTS), batches_per_epoch=10) == plan
    pytest.importorskip('yaml')
    text = '\n'.join(f'{key}: {value}' for key, value in ARGUMENTS.items())
    assert schedule(text, batches_per_epoch=10) == plan
    text = 'learning_rate: 5e-5\nlr_scheduler_type: constant'  # a text to YAML 1.1
    assert schedule(text, 3).scheduler == ConstantScheduler(5e-5)


@pytest.mark.parametrize(
    ('name', 'more'),
    [
        ('constant', {}),
        ('constant_with_warmup', {}),
        ('linear', {}),
        ('cosine', {}),
        ('cosine_with_restarts', {'num_cycles': 2}),
        ('polynomial', {'power': 2.0}),
        ('cosine_with_min_lr', {'min_lr': 0.05}),
        ('warmup_stable_decay', {'num_decay_steps': 20}),
    ],
)
def test_training_arguments_give_the_rates_of_get_scheduler(name, more):
    transformers = pytest.importorskip('transformers.optimization')
    scheduler = transformers.get_scheduler(name, optimizer(), 5, 50, more)
    rates = []
    for _ in range(50):
        rates.append(scheduler.optimizer.param_groups[0]['lr'])
        scheduler.optimizer.step()
        scheduler.step()
    config = {**ARGUMENTS, 'lr_scheduler_type': name, 'lr_scheduler_kwargs': more}
    assert schedule(config, batches_per_epoch=10).rates().tolist() == close(rates)


# timm's command line


def test_a_command_line_of_timm_says_the_whole_run():
    line = (
        'train.py /data --model x --sched step --lr 0.5 --epochs 40 --decay-epochs 10'
    )
    plan = schedule(f'{line} --warmup-epochs=0')
    assert plan.scheduler == FactorScheduler(0.1, 0, 0.5, 10)
    assert (plan.num_epochs, plan.per) == (40, 'epoch')
    plan = schedule(f'{line} --warmup-epochs 5 --warmup-lr 0 --sched-on-updates')
    assert plan.per == 'update' and plan.scheduler.warmup_steps == 5 * 94
    with pytest.raises(ValueError, match='base_lr must be given'):
        schedule('--sched cosine --epochs 10')
    assert schedule('--sched none --epochs 9', base_lr=0.1).scheduler(5) == 0.1


@pytest.mark.foreign('timm')
@pytest.mark.parametrize(
    'line',
    [
        '--sched cosine --epochs 40 --min-lr 0.01 --cooldown-epochs 10',
        '--sched cosine --epochs 40 --warmup-epochs 3 --warmup-prefix',
        '--sched cosine --epochs 15 --warmup-epochs 0 --lr-cycle-limit 3',
        '--sched step --decay-epochs 8 --decay-rate 0.5 --epochs 40',
        '--sched constant --epochs 40',
        '--sched multistep --decay-milestones 10 25 --epochs 40',
        '--sched poly --decay-rate 2 --epochs 40',
        '--sched wsd --epochs 40',
        '--sched wsd --lr-decay-fn linear --epochs 40',
        '--sched wsd --lr-decay-fn cosine --epochs 40 --decay-epochs 15',
    ],
)
@pytest.mark.parametrize('on_updates', [False, True])
def test_a_command_line_gives_the_rates_of_timm(line, on_updates):
    bare('timm')
    factory = pytest.importorskip('timm.scheduler.scheduler_factory')
    line += ' --lr 0.5' + on_updates * ' --sched-on-updates'
    plan = schedule(line, batches_per_epoch=10)
    from d2l_ext.exchange._config import TIMM, _command_line

    settings = {**TIMM, **_command_line(line)}
    scheduler, epochs = factory.create_scheduler(
        argparse.Namespace(**settings), optimizer(), 10
    )
    assert plan.num_epochs == epochs
    rates = []
    for t in range(1, plan.length + 1):
        rates.append(scheduler.optimizer.param_groups[0]['lr'])
        scheduler.step_update(t) if on_updates else scheduler.step(t)
    assert plan.rates().tolist() == close(rates)


def test_what_timm_builds_and_a_config_cannot_say_gets_a_remedy():
    for line in '--sched tanh', '--sched cosine --lr-noise 0.4 0.9':
        with pytest.raises(ValueError, match=r'build it with timm\.scheduler'):
            schedule(f'{line} --epochs 40 --lr 0.5')


# DeepSpeed's JSON


DEEPSPEED = {
    'WarmupLR': {'warmup_max_lr': 0.5, 'warmup_num_steps': 10},
    'WarmupLR linear': {
        'warmup_min_lr': 0.1,
        'warmup_max_lr': 0.5,
        'warmup_num_steps': 10,
        'warmup_type': 'linear',
    },
    'WarmupDecayLR': {
        'warmup_max_lr': 0.5,
        'warmup_num_steps': 10,
        'total_num_steps': 50,
    },
    'WarmupCosineLR': {'warmup_num_steps': 10, 'total_num_steps': 50},
    'OneCycle': {
        'cycle_min_lr': 0.1,
        'cycle_max_lr': 0.5,
        'cycle_first_step_size': 8,
        'cycle_second_step_size': 12,
        'decay_lr_rate': 0.5,
        'decay_step_size': 5,
        'cycle_momentum': False,
    },
    'OneCycle alone': {
        'cycle_min_lr': 0.1,
        'cycle_max_lr': 0.5,
        'cycle_first_step_size': 8,
        'cycle_momentum': False,
    },
    'LRRangeTest': {
        'lr_range_test_min_lr': 0.01,
        'lr_range_test_step_size': 7,
        'lr_range_test_step_rate': 2.0,
        'lr_range_test_staircase': True,
    },
}


def deepspeed(name):
    scheduler = {'type': name.split()[0], 'params': DEEPSPEED[name]}
    return {'optimizer': {'type': 'SGD', 'params': {'lr': 0.5}}, 'scheduler': scheduler}


@pytest.mark.foreign('deepspeed')
@pytest.mark.parametrize('name', DEEPSPEED)
def test_a_deepspeed_config_gives_the_rates_of_deepspeed(name):
    library = pytest.importorskip('deepspeed.runtime.lr_schedules')
    opt = optimizer()
    scheduler = getattr(library, name.split()[0])(opt, **DEEPSPEED[name])
    rates = []
    for _ in range(60):
        rates.append(opt.param_groups[0]['lr'])
        scheduler.step()
    plan = schedule(json.dumps(deepspeed(name)), 6, batches_per_epoch=10)
    assert plan.per == 'update' and plan.rates().tolist() == close(rates)


def test_the_first_update_of_deepspeed_comes_before_the_schedule():
    scheduler = schedule(
        deepspeed('WarmupLR linear'), 6, batches_per_epoch=10
    ).scheduler
    warm = WarmupScheduler(ConstantScheduler(0.5), 10, 0.1)
    assert scheduler == SequentialScheduler([ConstantScheduler(0.1), warm], [1])
    with pytest.raises(ValueError, match=r"warmup_num_steps must be a number.*'auto'"):
        schedule({'type': 'WarmupLR', 'params': {'warmup_num_steps': 'auto'}}, 3)
    with pytest.raises(
        ValueError, match="config must have the setting 'total_num_steps'"
    ):
        schedule({'type': 'WarmupDecayLR', 'params': {}}, 3)


# mmengine's param_scheduler


RULES = {
    'steps': [{'type': 'StepLR', 'step_size': 3, 'gamma': 0.5}],
    'milestones': [{'type': 'MultiStepLR', 'milestones': [3, 7], 'end': 12}],
    'milestones twice': [{'type': 'MultiStepLR', 'milestones': [3, 3, 7]}],
    'ramp and milestones': [
        {'type': 'LinearLR', 'start_factor': 0.1, 'by_epoch': False, 'end': 15},
        {'type': 'MultiStepLR', 'milestones': [3, 7], 'begin': 0, 'end': 12},
    ],
    'ramp over a cosine': [
        {'type': 'LinearLR', 'start_factor': 0.1, 'end': 15, 'by_epoch': False},
        {'type': 'CosineAnnealingLR', 'T_max': 12},
    ],
    'ramp over milestones and a decay': [
        {'type': 'LinearLR', 'start_factor': 0.1, 'end': 35, 'by_epoch': False},
        {'type': 'MultiStepLR', 'milestones': [2, 7]},
        {'type': 'ExponentialLR', 'gamma': 0.9},
    ],
    'ramp and cosine': [
        {'type': 'LinearLR', 'start_factor': 0.1, 'end': 20, 'by_epoch': False},
        {
            'type': 'CosineAnnealingLR',
            'begin': 2,
            'end': 10,
            'eta_min': 0.01,
            'convert_to_iter_based': True,
        },
    ],
    'ramp and poly': [
        {
            'type': 'LinearLR',
            'start_factor': 0.1,
            'end': 3,
            'convert_to_iter_based': True,
        },
        {'type': 'PolyLR', 'power': 0.9, 'eta_min': 0.01, 'begin': 3, 'end': 11},
    ],
    'cosine past its end': [{'type': 'CosineAnnealingLR', 'T_max': 4, 'eta_min': 0.01}],
    'cosine ratio': [{'type': 'CosineAnnealingLR', 'end': 9, 'eta_min_ratio': 0.1}],
    'held': [{'type': 'ConstantLR', 'factor': 0.2, 'end': 4}],
    'exponential': [{'type': 'ExponentialLR', 'gamma': 0.9, 'begin': 2, 'end': 8}],
    'restarts': [
        {
            'type': 'CosineRestartLR',
            'periods': [3, 5],
            'restart_weights': [1, 0.5],
            'eta_min': 0.01,
        }
    ],
    'momentum beside': [
        {'type': 'StepLR', 'step_size': 3},
        {'type': 'StepMomentum', 'step_size': 2},
    ],
}


def by_mmengine(rules, epochs, batches):
    """Return the rates that the hook of mmengine's runner sets, update by update."""
    library = pytest.importorskip('mmengine.optim.scheduler')
    opt = optimizer()
    schedulers = []
    for rule in rules:
        settings = dict(rule)
        cls = getattr(library, settings.pop('type'))
        if 'Momentum' in cls.__name__:
            continue
        if settings.pop('convert_to_iter_based', False):
            settings = {'epoch_length': batches, 'by_epoch': True, **settings}
            schedulers.append(cls.build_iter_from_epoch(opt, **settings))
        else:
            schedulers.append(cls(opt, **settings))
    rates = []
    for t in range(1, epochs * batches + 1):
        rates.append(opt.param_groups[0]['lr'])
        opt.step()
        for scheduler in schedulers:
            if not scheduler.by_epoch:
                scheduler.step()
        for scheduler in schedulers:
            if scheduler.by_epoch and t % batches == 0:
                scheduler.step()
    return rates


@pytest.mark.foreign('mmengine')
@pytest.mark.parametrize('name', RULES)
def test_rules_of_mmengine_give_its_rates_at_every_update(name):
    plan = schedule(RULES[name], 14, batches_per_epoch=10, base_lr=0.5)
    rates = [plan.lr(t // 10, t) for t in range(plan.updates)]
    assert rates == close(by_mmengine(RULES[name], 14, 10))


def test_common_rules_of_mmengine_are_said_by_classes():
    plan = schedule(RULES['milestones'], 14, base_lr=0.5)
    assert plan.scheduler == MultiFactorScheduler([3, 7], 0.1, 0.5)
    assert plan.per == 'epoch'
    plan = schedule(RULES['ramp and milestones'], 14, batches_per_epoch=10, base_lr=0.5)
    assert plan.per == 'update'
    ramp = PolyScheduler(14, 0.05, 1, 0.5)
    steps = MultiFactorScheduler([16, 56], 0.1, 0.5)
    assert plan.scheduler == SequentialScheduler([ramp, steps], [14])
    assert 'SequentialLR' in code(plan, 'torch')
    for name, rules in RULES.items():
        plan = schedule(rules, 14, batches_per_epoch=10, base_lr=0.5)
        assert isinstance(plan.scheduler, ProductScheduler) == (' over ' in name), name


def test_a_config_of_mmengine_says_its_rate_and_its_length():
    config = {
        'param_scheduler': RULES['steps'],
        'optim_wrapper': {
            'type': 'OptimWrapper',
            'optimizer': {'type': 'SGD', 'lr': 0.2},
        },
        'train_cfg': {'by_epoch': True, 'max_epochs': 12},
    }
    plan = schedule(config)
    assert plan.num_epochs == 12
    assert plan.scheduler == FactorScheduler(0.5, 0, 0.2, 3)
    assert check(plan) == []
    assert schedule({**config, 'train_cfg': {'max_iters': 200}}).num_epochs == 3
    yaml = pytest.importorskip('yaml')
    assert schedule(yaml.safe_dump(config)) == plan


@pytest.mark.parametrize(
    ('config', 'reason'),
    [
        ({}, "config must have 'param_scheduler'"),
        ({'model': 'resnet'}, r"got \['model'\]"),
        ('just words', 'config must hold settings'),
        ('{"a": [}', 'neither JSON nor YAML'),
        ([{'type': 'ReduceOnPlateauLR'}], 'param_scheduler must be made of StepLR'),
        ([3], 'param_scheduler must be made of'),
        (RULES['steps'], 'base_lr must be given'),
        ({**ARGUMENTS, 'learning_rate': 'auto'}, 'learning_rate must be a number'),
        ({**ARGUMENTS, 'lr_scheduler_type': 'greedy'}, 'build it with get_scheduler'),
        (
            {'scheduler': {'type': 'StepLR', 'params': {}}},
            'type must be one of WarmupLR',
        ),
        ('--sched cosine --epochs many --lr 0.1', 'must be'),
    ],
)
def test_a_config_that_cannot_be_read_says_why(config, reason):
    with pytest.raises(ValueError, match=reason):
        schedule(
            config,
            3,
            base_lr=0.5 if 'Plateau' in str(config) or config == [3] else None,
        )


def test_a_config_with_a_unit_of_its_own_is_not_read_in_another():
    with pytest.raises(ValueError, match="per must be 'update' or left out"):
        schedule(ARGUMENTS, per='epoch')
    assert schedule(CosineScheduler(40), 40).per == 'epoch'
