"""The formula of a schedule as text, for a library's own words."""

import textwrap
from collections.abc import Sequence

from d2l_ext.exchange.stretches import Ahead, Logarithm, Stretches
from d2l_ext.families import (
    CooldownScheduler,
    EpochScheduler,
    GrowthScheduler,
    InversePowerScheduler,
    ProductScheduler,
    TriangularScheduler,
)
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    CyclicScheduler,
    FactorScheduler,
    LambdaScheduler,
    PolyScheduler,
    Scheduler,
    SquareRootScheduler,
)

PYTHON = {'floor': 'math.floor', 'cos': 'math.cos', 'pi': 'math.pi', 'max': 'max'}
PYTHON |= {'abs': 'abs', 'min': 'min', 'log': 'math.log'}
JAX = {'floor': 'jnp.floor', 'cos': 'jnp.cos', 'pi': 'jnp.pi', 'max': 'jnp.maximum'}
JAX |= {'abs': 'jnp.abs', 'min': 'jnp.minimum', 'log': 'jnp.log'}
KERAS = {'floor': '', 'cos': 'ops.cos', 'pi': 'math.pi', 'max': 'larger'}
KERAS |= {'abs': 'ops.abs', 'min': 'smaller', 'log': 'ops.log'}


class CannotExpressError(Exception):
    """Why a library has no words for a schedule."""


def formula(scheduler: Scheduler, t: str, words: dict[str, str] = PYTHON) -> str:
    """Return a simple scheduler's formula as code, `t` the text that stands for time.

    `words`: how a library spells the functions. Holds up to where the scheduler comes
    to rest. Raises ValueError for one that must be split into `stretches` first.

    >>> formula(CosineScheduler(40, 0.5), 't')
    '0.5 * (1 + math.cos(math.pi * t / 40)) / 2'
    """
    s = scheduler
    if isinstance(s, ConstantScheduler):
        return f'{float(s.base_lr)}'  # Keras takes no int for a rate
    if isinstance(s, SquareRootScheduler):
        return f'{s.base_lr} * ({t} + 1) ** -0.5'
    if isinstance(s, LambdaScheduler):
        called = f'{s.function.__name__}({t})'
        return called if s.base_lr == 1 else f'{s.base_lr} * {called}'
    if isinstance(s, FactorScheduler):
        decayed = f'{s.base_lr} * {s.factor} ** {_floor(t, s.step, words)}'
        if s.stop_factor_lr == 0:
            return decayed
        return f'{words["max"]}({float(s.stop_factor_lr)}, {decayed})'
    if isinstance(s, PolyScheduler) and s.pwr == 1:
        if s.final_lr == 0:
            return f'{s.base_lr} * (1 - {t} / {s.max_update})'
        return _between(s.base_lr, s.final_lr, f'{t} / {s.max_update}')
    if isinstance(s, PolyScheduler):
        height = f'(1 - {t} / {s.max_update}) ** {s.pwr}'
        return _between(s.final_lr, s.base_lr, height)
    if isinstance(s, CosineScheduler):
        cos = f'{words["cos"]}({words["pi"]} * {t} / {s.max_update})'
        if s.final_lr > s.base_lr:
            return _between(s.base_lr, s.final_lr, f'(1 - {cos}) / 2')
        return _between(s.final_lr, s.base_lr, f'(1 + {cos}) / 2')
    if isinstance(s, CyclicScheduler):
        x, cycle = f'{t} / {s.step_size}', f'({t} / {s.step_size} // 2)'
        height = f'(1 - {words["abs"]}(1 - {x} % 2))'
        if s.shape == 'cosine':
            cycle = f'(({x} + 1) // 2)'
            height = f'(1 + {words["cos"]}({words["pi"]} * {x})) / 2'
        if s.gamma < 1:
            height = f'{s.gamma} ** {cycle} * {height}'
        return _between(s.base_lr, s.max_lr, height)
    if isinstance(s, CosineRestartsScheduler) and s.multiplier == 1:
        share = f'({t} / {s.period} % 1)'
        height = f'(1 + {words["cos"]}({words["pi"]} * {share})) / 2'
        if s.decay < 1:
            height = f'{s.decay} ** ({t} / {s.period} // 1) * {height}'
        return _between(s.final_lr, s.base_lr, height)
    if isinstance(s, GrowthScheduler):
        grown = f'{s.base_lr} * {float(s.factor)} ** {_floor(t, s.step, words)}'
        return f'{words["min"]}({float(s.stop_lr)}, {grown})'
    if isinstance(s, Ahead):
        return formula(s.scheduler, f'({t} + {s.ahead})', words)
    if isinstance(s, EpochScheduler):
        return formula(s.scheduler, f'({t} // {s.batches_per_epoch})', words)
    if isinstance(s, ProductScheduler):
        return _times([formula(part, t, words) for part in s.schedulers])
    if isinstance(s, Logarithm):
        log = words['log']
        height = f'{log}({t} + 1) / {log}({float(s.length)} + 1)'
        return _between(s.base_lr, s.final_lr, height)
    if isinstance(s, InversePowerScheduler):
        decayed = f'{s.base_lr} * (1 + {t} / {s.time_scale}) ** -{s.pwr}'
        if s.stop_lr == 0:
            return decayed
        return f'{words["max"]}({float(s.stop_lr)}, {decayed})'
    if isinstance(s, CooldownScheduler):
        height = f'(1 - ({t} / {s.max_update}) ** {s.pwr})'
        return _between(s.final_lr, s.base_lr, height)
    if isinstance(s, TriangularScheduler):
        length = s.up_steps + s.down_steps
        u = f'{t} % {length}'
        down = f'({length} - {u}) / {s.down_steps}'
        height = f'{words["min"]}({u} / {s.up_steps}, {down})'
        if s.gamma < 1:
            k = t if s.gamma_per == 'update' else f'({t} // {length})'
            height = f'{s.gamma} ** {k} * {height}'
        return _between(s.base_lr, s.max_lr, height)
    raise ValueError(f'{s!r} has no single formula: split it into stretches')


def function(head: str, pieces: Stretches, words: dict[str, str] = PYTHON) -> str:
    """Return a function of time as code, a line or two for each stretch."""
    lines = [head]
    for (start, simple), (end, _) in zip(pieces, pieces[1:]):
        lines += [
            f'    if t < {end}:',
            f'        return {_local(start, simple, words)}',
        ]
    return '\n'.join([*lines, f'    return {_local(*pieces[-1], words)}'])


def choices(pieces: Stretches, words: dict[str, str], where: str) -> str:
    """Return statements that set `lr` without branches, from the last stretch back."""
    lines = [f'lr = {_local(*pieces[-1], words)}']
    for (start, simple), (end, _) in reversed([*zip(pieces, pieces[1:])]):
        arguments = f't < {end}', _local(start, simple, words), 'lr'
        line = f'lr = {where}({", ".join(arguments)})'
        lines.append(line if len(line) <= 110 else f'lr = {where}({_lines(arguments)})')
    return '\n'.join(lines)


def call(name: str, *arguments: str) -> str:
    """Return a call as code, on several lines where one is too long."""
    line = ', '.join(arguments)
    if '\n' not in line:
        if len(name) + len(line) <= 70:
            return f'{name}({line})'
        if len(line) <= 70:
            return f'{name}(\n    {line}\n)'
    return f'{name}({_lines(arguments)})'


def listed(items: Sequence[str]) -> str:
    """Return a list as code, an item a line."""
    return f'[{_lines(items)}]'


def _lines(items: Sequence[str]) -> str:
    return '\n' + textwrap.indent(',\n'.join(items), '    ') + ',\n'


def _local(start: float, simple: Scheduler, words: dict[str, str]) -> str:
    if isinstance(simple, ProductScheduler):
        return _times([_local(start, part, words) for part in simple.schedulers])
    if isinstance(simple, Ahead) and simple.ahead <= start:  # one shift, not two
        return _local(start - simple.ahead, simple.scheduler, words)
    return formula(simple, f'(t - {start})' if start else 't', words)


def _times(factors: list[str]) -> str:
    return ' * '.join(f'({text})' if ' ' in text else text for text in factors)


def _between(low: float, high: float, height: str) -> str:
    if low == 0:
        return f'{high} * {height}'
    return f'{low} + ({high} - {low}) * {height}'


def _floor(t: str, step: float, words: dict[str, str]) -> str:
    if step == int(step):
        return f'({t} // {step})'
    # 1 // 0.1 is 9, the floor of 1 / 0.1 is 10
    if not words['floor']:  # Keras's computes in float32
        return f'({t} / {step} // 1)'
    return f'{words["floor"]}({t} / {step})'
