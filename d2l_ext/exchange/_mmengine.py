"""mmengine's `param_scheduler`: rules that change the rate they meet, one after another.

Each rule is active from its `begin` up to its `end`, in its unit, and multiplies or
moves whatever rate it meets; between rules the last rate stays. So the rates are those
of a replay, update by update.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from d2l_ext.exchange._functions import number
from d2l_ext.families import EpochScheduler, ProductScheduler
from d2l_ext.schedulers import (
    ConstantScheduler,
    CyclicScheduler,
    FactorScheduler,
    LambdaScheduler,
    MultiFactorScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
    WarmupScheduler,
)

END = int(1e9)  # of a rule that has none


@dataclass(frozen=True)
class Rule:
    """One rule: `kind`, its settings, and when it is active."""

    kind: str
    settings: tuple[tuple[str, Any], ...]
    begin: int
    end: int
    by_epoch: bool

    def __getitem__(self, name: str) -> Any:
        return dict(self.settings)[name]

    def get(self, name: str, value: Any = None) -> Any:
        return dict(self.settings).get(name, value)

    @property
    def length(self) -> int:
        return self.end - self.begin


@dataclass(frozen=True)
class Replay:
    """The factor of the base rate after t updates, or epochs, of these rules.

    Source: mmengine 0.10.7, `ParamSchedulerHook`.
    """

    rules: tuple[Rule, ...]
    base_lr: float
    batches: int  # 1 where all count epochs
    _cache: list = field(default_factory=list, compare=False, repr=False)

    def __call__(self, t: float) -> float:
        rates = self._cache
        lr = rates[-1] if rates else self.base_lr
        for now in range(len(rates), int(t) + 1):
            # rules by update are asked first, at the end of an epoch the others too
            for by_epoch in (False, True) if now else (None,):
                for rule in self.rules:
                    if by_epoch is None:
                        lr = self._after(rule, 0, lr)
                    elif rule.by_epoch != by_epoch:
                        continue
                    elif not by_epoch:
                        lr = self._after(rule, now, lr)
                    elif now % self.batches == 0:
                        lr = self._after(rule, now // self.batches, lr)
            rates.append(lr)
        return rates[int(t)]

    def _after(self, rule: Rule, now: int, lr: float) -> float:
        if not rule.begin <= now < rule.end:
            return lr
        return _KINDS[rule.kind](rule, now - rule.begin, lr, self.base_lr)


def _step(rule: Rule, k: int, lr: float, base_lr: float) -> float:
    return lr * rule.get('gamma', 0.1) if k and k % rule['step_size'] == 0 else lr


def _multi_step(rule: Rule, k: int, lr: float, base_lr: float) -> float:
    return lr * rule.get('gamma', 0.1) ** rule['milestones'].count(k)


def _constant(rule: Rule, k: int, lr: float, base_lr: float) -> float:
    factor = rule.get('factor', 1 / 3)
    if k == 0:
        return lr * factor
    return lr / factor if k == rule.length - 1 else lr


def _exponential(rule: Rule, k: int, lr: float, base_lr: float) -> float:
    return lr * rule['gamma'] if k else lr


def _linear(rule: Rule, k: int, lr: float, base_lr: float) -> float:
    start, end = rule.get('start_factor', 1 / 3), rule.get('end_factor', 1.0)
    if k == 0:
        return lr * start
    n = rule.length - 1
    return lr * (1 + (end - start) / (n * start + (k - 1) * (end - start)))


def _lowest(rule: Rule, base_lr: float) -> float:
    ratio = rule.get('eta_min_ratio')
    return rule.get('eta_min', 0) or 0 if ratio is None else base_lr * ratio


def _cosine(rule: Rule, k: int, lr: float, base_lr: float) -> float:
    length, low = rule.get('T_max') or rule.length, _lowest(rule, base_lr)
    if k == 0:
        return lr
    if (k - 1 - length) % (2 * length) == 0:
        return lr + (base_lr - low) * (1 - math.cos(math.pi / length)) / 2
    return low + (lr - low) * _fall(k, length)


def _fall(k: int, length: int) -> float:
    """Return by how much half a cosine falls from k - 1 to k."""
    now, before = (1 + math.cos(math.pi * x / length) for x in (k, k - 1))
    return now / before


def _poly(rule: Rule, k: int, lr: float, base_lr: float) -> float:
    if k == 0:
        return lr
    low, left = rule.get('eta_min', 0), rule.length - k
    return low + (lr - low) * (1 - 1 / left) ** rule.get('power', 1.0)


def _restarts(rule: Rule, k: int, lr: float, base_lr: float) -> float:
    low = _lowest(rule, base_lr)
    weights = rule.get('restart_weights', (1,))
    for period, weight in zip(rule['periods'], weights):
        if k < period:
            return low + (lr - low) * _fall(k, period) if k else base_lr * weight
        k -= period
    return lr


_KINDS = {
    'Step': _step,
    'MultiStep': _multi_step,
    'Constant': _constant,
    'Exponential': _exponential,
    'Linear': _linear,
    'CosineAnnealing': _cosine,
    'Poly': _poly,
    'CosineRestart': _restarts,
}
LENGTHS = {
    'Step': 'step_size',
    'MultiStep': 'milestones',
    'CosineAnnealing': 'T_max',
    'CosineRestart': 'periods',
}


def scheduler(rules: Sequence[Any], lr: float, batches: int) -> tuple[Scheduler, str]:
    """Return the schedule of a list of rules, and 'update' where one of them counts these.

    Raises ValueError for a rule without a class of mmengine's that is known here, and
    for one that follows a metric.

    Source: `mmengine.optim.scheduler`, mmengine 0.10.7.
    """
    known = [_rule(rule, batches) for rule in rules if not _momentum(rule)]
    per = 'epoch' if all(rule.by_epoch for rule in known) else 'update'
    replay = Replay(tuple(known), lr, 1 if per == 'epoch' else batches)
    found = _class(replay) or _product(replay)
    return found or LambdaScheduler(replay, 1.0), per


def _momentum(rule: Any) -> bool:
    """Return whether a rule schedules the momentum, and not the rate."""
    kind = str(rule.get('type', '')) if isinstance(rule, Mapping) else ''
    return kind.endswith('Momentum') or (
        isinstance(rule, Mapping) and rule.get('param_name', 'lr') != 'lr'
    )


def _rule(rule: Any, batches: int) -> Rule:
    kind = str(rule.get('type', '')) if isinstance(rule, Mapping) else ''
    short = kind.removesuffix('ParamScheduler').removesuffix('LR')
    if short not in _KINDS:
        wanted = ', '.join(f'{name}LR' for name in _KINDS)
        raise ValueError(f'param_scheduler must be made of {wanted}, got {rule!r:.200}')
    settings = {key: _frozen(value) for key, value in rule.items()}
    begin, end = settings.get('begin', 0), settings.get('end', END)
    by_epoch = settings.get('by_epoch', True)
    if settings.get('convert_to_iter_based'):
        begin, end, by_epoch = begin * batches, min(end * batches, END), False
        name = LENGTHS.get(short, '')
        if settings.get(name):
            value = settings[name]
            several = isinstance(value, tuple)
            settings[name] = (
                tuple(v * batches for v in value) if several else value * batches
            )
    if not begin < end:
        raise ValueError(f'end must be above begin = {begin}, got {end}')
    if short in ('Linear', 'Poly') and end - begin == 1:
        raise ValueError(
            f'{kind} must be active for two counts or more, got {rule!r:.200}'
        )
    for name in ('type', 'begin', 'end', 'by_epoch', 'convert_to_iter_based'):
        settings.pop(name, None)
    return Rule(short, tuple(sorted(settings.items())), begin, end, by_epoch)


def _frozen(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, str):
        try:
            return float(value)  # YAML 1.1 takes 1e-5 for a text
        except ValueError:
            return value
    return value if isinstance(value, (bool, type(None))) else number(value)


def _class(replay: Replay) -> Scheduler | None:
    """Return the commonest lists by classes: a ramp, then steps; or one of the two."""
    lr, rules = replay.base_lr, [*replay.rules]
    ramp: Rule | None = None
    if rules and rules[0].kind == 'Linear' and rules[0].begin == 0:
        ramp = rules.pop(0)
    if len(rules) > 1:
        return None
    parts: list[Scheduler] = []
    start = 0
    if ramp:
        unit = replay.batches if ramp.by_epoch else 1
        if unit > 1 or ramp.get('end_factor', 1.0) != 1 or ramp.end == END:
            return None
        start = ramp.length - 1
        parts = [PolyScheduler(start, lr * ramp.get('start_factor', 1 / 3), 1, lr)]
    decay: Scheduler = ConstantScheduler(lr)
    if rules:
        rule = rules[0]
        unit = replay.batches if rule.by_epoch else 1
        times: list[int] = []
        if rule.kind == 'MultiStep':
            times = [(rule.begin + k) * unit for k in sorted(rule['milestones'])]
            times = [time for time in times if time < rule.end * unit]
        elif rule.kind == 'Step' and rule.end == END and not ramp and not rule.begin:
            return FactorScheduler(
                rule.get('gamma', 0.1), 0, lr, rule['step_size'] * unit
            )
        else:
            return None
        if times and times[0] <= start:
            return None
        decay = MultiFactorScheduler(
            [t - start for t in times], rule.get('gamma', 0.1), lr
        )
    return SequentialScheduler([*parts, decay], [start]) if parts else decay


def _product(replay: Replay) -> Scheduler | None:
    """Return the product of what the rules say by themselves, if that is what they do.

    They are asked side by side, as a rule that has a floor meets the rates of others.
    """
    factors = [_factor(rule) for rule in replay.rules]
    if not all(factors):
        return None
    parts: list[Scheduler] = [ConstantScheduler(replay.base_lr)]
    for rule, factor in zip(replay.rules, factors):
        unit = replay.batches if rule.by_epoch else 1
        parts.append(EpochScheduler(factor, unit) if unit > 1 else factor)
    product = ProductScheduler(parts)
    times = [rule.end for rule in replay.rules if rule.end < END]
    times += [2 * rule.get('T_max', 0) for rule in replay.rules]
    times += [max(rule.get('milestones', (0,))) for rule in replay.rules]
    end = min(max(times) * replay.batches + 10, 100_000)
    same = all(
        math.isclose(product(t), replay(t), rel_tol=1e-9, abs_tol=1e-12)
        for t in range(end)
    )
    return product if same else None


def _factor(rule: Rule) -> Any:
    """Return what a rule that is active from the start makes of a rate of 1."""
    if rule.begin:
        return None
    gamma = rule.get('gamma', 0.1)
    if rule.kind == 'Linear' and rule.get('end_factor', 1.0) == 1 and rule.end < END:
        start = rule.get('start_factor', 1 / 3)
        return WarmupScheduler(ConstantScheduler(1), rule.length - 1, start)
    if rule.kind == 'MultiStep' and gamma <= 1:
        times = [k for k in rule['milestones'] if k < rule.end]
        return MultiFactorScheduler(times, gamma, 1)
    if rule.kind in ('Step', 'Exponential') and gamma <= 1 and rule.end == END:
        return FactorScheduler(gamma, 0, 1, rule.get('step_size', 1))
    if rule.kind == 'CosineAnnealing' and not _lowest(rule, 1) and rule.get('T_max'):
        return CyclicScheduler(0, 1, rule['T_max'], 'cosine')
    return None
