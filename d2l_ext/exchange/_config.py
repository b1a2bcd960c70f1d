"""A schedule that is written as a config: settings of a library, but no object yet."""

import json
import math
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from d2l_ext.exchange import _deepspeed, _mmengine, _timm, _transformers
from d2l_ext.exchange._functions import rate_of, setting
from d2l_ext.plan import Plan, plan_of, whole_number
from d2l_ext.schedulers import ConstantScheduler, Scheduler


def read(
    config: str | Mapping[str, Any] | Sequence[Any],
    num_epochs: int | None,
    per: str | None,
    batches_per_epoch: int,
    base_lr: float | None,
) -> Plan:
    """Return the plan of a config; what the arguments say comes before what it says.

    Raises ValueError for a config of no known kind, for a setting that is missing or
    cannot be read, and what `plan_of` does.
    """
    if isinstance(config, str):
        config = _parsed(config)
    batches = whole_number('batches_per_epoch', batches_per_epoch)
    kind = _kind(config)
    try:
        scheduler, epochs, unit = kind(config, batches, base_lr, num_epochs)
    except KeyError as error:
        raise ValueError(
            f'config must have the setting {error}, got {config!r:.200}'
        ) from None
    except TypeError as error:
        raise ValueError(f'config must have numbers as settings: {error}') from error
    if per not in (None, unit):
        raise ValueError(
            f'per must be {unit!r} or left out with this config, got {per!r}'
        )
    return plan_of(scheduler, num_epochs or epochs, unit, batches)


Read = tuple[Scheduler, int | None, str]


def _kind(config: Any) -> Callable[..., Read]:
    if not isinstance(config, Mapping):
        return _read_mmengine
    if 'param_scheduler' in config or str(config.get('type', '')).endswith(
        'ParamScheduler'
    ):
        return _read_mmengine
    if isinstance(config.get('scheduler'), Mapping) or 'params' in config:
        return _deepspeed.read
    if 'sched' in config or 'epochs' in config:
        return _read_timm
    if {'lr_scheduler_type', 'learning_rate', 'num_train_epochs'} & {*config}:
        return _read_transformers
    if str(config.get('type', '')).endswith('LR'):
        return _read_mmengine
    raise ValueError(
        "config must have 'param_scheduler' (mmengine), 'lr_scheduler_type' or "
        "'learning_rate' (transformers), 'sched' (timm) or 'scheduler' (DeepSpeed), got "
        f'{[*config]!r:.200}'
    )


def _parsed(text: str) -> Any:
    """Return the settings in a text: a command line, JSON or YAML."""
    if re.search(r'(^|\s)--?[a-z]', text):
        return _command_line(text)
    try:
        config = json.loads(text)
    except ValueError:
        try:
            import yaml
        except ImportError:
            raise ValueError(
                'config cannot be read as JSON, and for YAML the package PyYAML is '
                'missing: install it, or give the settings as a dict'
            ) from None
        try:
            config = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f'config is neither JSON nor YAML: {error}') from None
    if not isinstance(config, (dict, list)):
        raise ValueError(f'config must hold settings, got {text!r:.80}')
    return config


def _command_line(text: str) -> dict[str, Any]:
    """Return the options of a command line, their values as numbers where they are."""
    config: dict[str, Any] = {}
    key = ''
    for word in shlex.split(text, comments=True):
        if re.match(r'--?[a-zA-Z]', word):
            key, _, value = word.lstrip('-').partition('=')
            key = key.replace('-', '_')
            config[key] = _value(value) if value else True
        elif key and config[key] is True:
            config[key] = _value(word)
        elif key:
            several = config[key] if isinstance(config[key], list) else [config[key]]
            config[key] = [*several, _value(word)]
    return config


def _value(word: str) -> Any:
    for kind in int, float:
        try:
            return kind(word)
        except ValueError:
            pass
    return {'true': True, 'false': False}.get(word.lower(), word)


def _read_transformers(
    config: Mapping[str, Any],
    batches: int,
    base_lr: float | None,
    num_epochs: int | None,
) -> Read:
    """Read transformers' TrainingArguments, of version 5.24 and before."""
    lr = rate_of('learning_rate', config.get('learning_rate', 5e-5), base_lr)
    kind = str(config.get('lr_scheduler_type', 'linear')).split('.')[-1].lower()
    steps = int(setting('max_steps', config.get('max_steps', -1)))
    if steps <= 0:
        epochs = num_epochs or setting(
            'num_train_epochs', config.get('num_train_epochs', 3)
        )
        steps = math.ceil(epochs * batches)
    warmup = setting('warmup_steps', config.get('warmup_steps', 0) or 0)
    if not warmup:
        warmup = setting('warmup_ratio', config.get('warmup_ratio', 0) or 0)
        warmup = math.ceil(steps * warmup)
    elif warmup < 1:
        warmup = math.ceil(steps * warmup)
    more = config.get('lr_scheduler_kwargs') or {}
    more = json.loads(more) if isinstance(more, str) else more
    scheduler = _transformers.named(kind, lr, int(warmup), steps, more)
    return scheduler, math.ceil(steps / batches), 'update'


TIMM = {
    'sched': 'cosine',
    'epochs': 300,
    'decay_epochs': None,
    'decay_milestones': [90, 180, 270],
    'decay_rate': 0.1,
    'warmup_epochs': 5,
    'warmup_lr': 1e-5,
    'warmup_prefix': False,
    'cooldown_epochs': 0,
    'min_lr': 0,
    'lr': None,
    'lr_cycle_mul': 1,
    'lr_cycle_decay': 0.5,
    'lr_cycle_limit': 1,
    'lr_k_decay': 1,
    'lr_noise': None,
    'lr_decay_fn': None,
    'sched_on_updates': False,
}  # what its train.py takes where nothing is said


def _read_timm(
    config: Mapping[str, Any],
    batches: int,
    base_lr: float | None,
    num_epochs: int | None,
) -> Read:
    """Read the settings of timm's train.py, of version 1.0.31."""
    s = SimpleNamespace(**{**TIMM, **config})
    lr = rate_of('lr', s.lr, base_lr)
    unit = batches if s.sched_on_updates else 1
    by_share = s.sched == 'wsd' and (s.decay_epochs is None or s.decay_epochs < 1)
    decay = 90 if s.decay_epochs is None else s.decay_epochs
    classes = {
        'cosine': 'CosineLRScheduler',
        'step': 'StepLRScheduler',
        'constant': 'StepLRScheduler',
        'multistep': 'MultiStepLRScheduler',
        'poly': 'PolyLRScheduler',
        'wsd': 'WSDLRScheduler',
    }
    remedy = 'build it with timm.scheduler and give the object'
    if s.sched == 'none':
        return ConstantScheduler(lr), s.epochs, 'epoch'
    if s.sched not in classes or s.lr_noise is not None:
        raise ValueError(
            f'sched must be one of {", ".join(classes)}, without lr_noise, '
            f'to be read from a config, got {s.sched!r}: {remedy}'
        )
    name, length, warmup = classes[s.sched], s.epochs * unit, s.warmup_epochs * unit
    milestones = s.decay_milestones
    if isinstance(milestones, (int, float)):
        milestones = [milestones]
    if s.sched == 'wsd':
        length -= 0 if s.warmup_prefix else warmup
        decay = (
            (0.2 if s.decay_epochs is None else decay) * length
            if by_share
            else decay * unit
        )
        decay = round(decay)
    settings: dict[str, Any] = {
        'warmup_t': warmup,
        'warmup_lr_init': s.warmup_lr,
        'warmup_prefix': s.warmup_prefix or s.sched == 'wsd',
        't_initial': length,
        'lr_min': s.min_lr,
        'k_decay': s.lr_k_decay,
        'cycle_mul': s.lr_cycle_mul,
        'cycle_decay': s.lr_cycle_decay,
        'cycle_limit': s.lr_cycle_limit,
        'decay_t': decay * (1 if s.sched == 'wsd' else unit),
        'decay_rate': s.decay_rate,
        'power': s.decay_rate,
        'stable_fn': 'constant',
        'decay_fn': s.lr_decay_fn or '1-sqrt',
        'decay_power': 0.5,
    }
    if s.sched == 'constant':
        settings |= {'decay_t': 1, 'decay_rate': 1}
    if s.sched == 'multistep':
        settings['decay_t'] = [time * unit for time in milestones]
    try:
        scheduler = _timm._READ[name](SimpleNamespace(**settings), lr, 1)
    except ZeroDivisionError:
        scheduler = None
    if scheduler is None:
        raise ValueError(f'{s.sched!r} with these settings has no class here: {remedy}')
    total = s.epochs
    if s.sched in ('cosine', 'poly', 'wsd'):
        total *= s.lr_cycle_limit if s.lr_cycle_mul == 1 and s.sched != 'wsd' else 1
        total += s.cooldown_epochs
    if s.warmup_prefix:
        total += s.warmup_epochs
    return scheduler, total, 'update' if s.sched_on_updates else 'epoch'


def _read_mmengine(
    config: Any, batches: int, base_lr: float | None, num_epochs: int | None
) -> Read:
    rules, lr, epochs = config, None, None
    if isinstance(config, Mapping):
        rules = config.get('param_scheduler', config)
        wrapper = config.get('optim_wrapper') or {}
        lr = (wrapper.get('optimizer') or config.get('optimizer') or {}).get('lr')
        cfg = config.get('train_cfg') or {}
        epochs = cfg.get('max_epochs')
        if epochs is None and cfg.get('max_iters'):
            epochs = math.ceil(cfg['max_iters'] / batches)
    if isinstance(rules, Mapping):
        rules = [rules]
    lr = rate_of("lr in 'optim_wrapper'", lr, base_lr)
    scheduler, unit = _mmengine.scheduler(rules, lr, batches)
    return scheduler, epochs, unit
