"""A schedule as code for optax, whose schedules are functions of a count."""

from collections.abc import Callable
from typing import Any

from d2l_ext.exchange._functions import Called, later, levels, number, of, powers
from d2l_ext.exchange.formula import JAX, call, formula, function, listed
from d2l_ext.exchange.stretches import (
    asks_python,
    plain,
    rests,
    steps,
    stretches,
    warm_cosine,
)
from d2l_ext.families import CooldownScheduler
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PiecewiseLinearScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
    WarmupScheduler,
)


def optax(plan: Plan) -> str:
    """Return code for optax: every function of a count is a schedule there."""
    scheduler, per, n = plan.scheduler, plan.per, plan.length
    batches = plan.batches_per_epoch
    if asks_python(scheduler):
        text = _table(scheduler, n, per)
        first = 'import math\n\n' * ('math.' in text)
    else:
        text, first = f'schedule = {_optax_function(plain(scheduler), n)}', ''
    count = (
        'schedule' if per == 'update' else f'lambda count: schedule(count // {batches})'
    )
    return f"""{first}import jax
import jax.numpy as jnp
import optax

{text}
optimizer = optax.sgd({count})

counts = jnp.arange({plan.updates}){'' if per == 'update' else f' // {batches}'}
rates = jax.vmap(schedule)(counts).tolist()  # one for each update"""


def _table(scheduler, n, per):
    """Return a schedule that looks up what Python says: JAX asks with traced counts."""
    text = function('def rate(t):', stretches(scheduler, n, rests, steps))
    return f"""
{text}


# JAX cannot trace ordinary Python, which is asked once for each {per} before the run;
# after it the last rate goes on
RATES = [float(rate(t)) for t in range({n})]


def schedule(count):
    return jnp.array(RATES)[jnp.minimum(count, {n - 1})]

"""


def _optax_function(s, n):
    if warm_cosine(s):
        child = s.scheduler
        total = s.warmup_steps + child.max_update  # optax counts the warmup in
        return call(
            'optax.warmup_cosine_decay_schedule',
            f'init_value={s.warmup_begin_lr}',
            f'peak_value={child.base_lr}',
            f'warmup_steps={s.warmup_steps}',
            f'decay_steps={total}',
            f'end_value={child.final_lr}',
        )
    pieces = stretches(s, n)
    calls = [_optax_piece(simple) for _, simple in pieces]
    if len(calls) == 1:
        return calls[0]
    boundaries = f'boundaries={[start for start, _ in pieces[1:]]}'
    return call('optax.join_schedules', listed(calls), boundaries)


def _optax_piece(s):
    def call_of(name, *arguments):
        return call(f'optax.{name}', *arguments)

    if isinstance(s, ConstantScheduler):
        return call_of('constant_schedule', f'{s.base_lr}')
    first = f'init_value={s.base_lr}'
    if isinstance(s, PolyScheduler):
        rest = f'end_value={s.final_lr}', f'transition_steps={s.max_update}'
        if s.pwr == 1:
            return call_of('linear_schedule', first, *rest)
        return call_of('polynomial_schedule', first, *rest, f'power={s.pwr}')
    if isinstance(s, CosineScheduler) and s.base_lr > 0:
        low = [f'alpha={s.final_lr} / {s.base_lr}'] * (s.final_lr != 0)
        return call_of(
            'cosine_decay_schedule', first, f'decay_steps={s.max_update}', *low
        )
    if isinstance(s, FactorScheduler):
        return call_of(
            'exponential_decay',
            first,
            f'transition_steps={s.step}',
            f'decay_rate={s.factor}',
            'staircase=True',
            f'end_value={s.stop_factor_lr}',
        )
    if isinstance(s, MultiFactorScheduler):
        # a time that stands twice has one key
        scales = {time: s.factor ** s.step.count(time) for time in s.step}
        arguments = first, f'boundaries_and_scales={scales}'
        return call_of('piecewise_constant_schedule', *arguments)
    if isinstance(s, (CosineScheduler, CooldownScheduler)):  # and then at rest
        t = f'jnp.minimum(t, {s.max_update})'
        return f'lambda t: {formula(s, t, JAX)}'
    return f'lambda t: {formula(s, "t", JAX)}'


def read(obj: Any, base_lr: float | None = None) -> tuple[list[Scheduler], str | None]:
    """Return the schedule of a function of optax, which counts updates.

    Its settings are those that the function has closed over. Where no class of ours
    gives the same rates, the function itself is called. optax computes in float32,
    unless JAX is told otherwise; what is read does not.

    Source: `optax.schedules`, optax 0.2.8.
    """
    if not callable(obj):
        raise ValueError(
            f'{type(obj).__name__} cannot be read: give the schedule, which is a '
            'function of the count of updates'
        )
    return [_read(obj)], 'update'


def _read(asked: Callable) -> Scheduler:
    if isinstance(asked, (int, float)):
        return ConstantScheduler(asked)
    if str(getattr(asked, '__module__', '')).startswith('optax.'):
        name = asked.__qualname__.split('.')[0]
        settings = _closed_over(asked)
        try:
            found = _class(name, settings)
        except ValueError:  # a setting that our classes do not take
            found = None
        if found:
            return found
    return of(Called(asked))


def _closed_over(asked: Callable) -> dict[str, Any]:
    """Return the names that a function took from the one that built it."""
    settings = {}
    cells = getattr(asked, '__closure__', None) or ()
    for name, cell in zip(asked.__code__.co_freevars, cells):
        try:
            settings[name] = cell.cell_contents
        except ValueError:  # never set
            continue
    return settings


def _class(name: str, settings: dict[str, Any]) -> Scheduler | None:
    if name == 'constant_schedule':
        return ConstantScheduler(number(settings['value']))
    if name == 'join_schedules':
        parts = [_read(part) for part in settings['schedules']]
        return _joined(parts, [number(time) for time in settings['boundaries']])
    if 'init_value' not in settings:
        return None
    first = number(settings['init_value'])
    if set(settings) == {'init_value'}:  # of no length
        return ConstantScheduler(first)
    if name == 'polynomial_schedule':
        length, power = settings['transition_steps'], number(settings['power'])
        decay = PolyScheduler(length, first, power, number(settings['end_value']))
        return _delayed(decay, settings['transition_begin'])
    if name == 'cosine_decay_schedule' and settings['exponent'] == 1:
        low = first * number(settings['alpha'])
        return CosineScheduler(number(settings['decay_steps']), first, low)
    if name == 'exponential_decay':
        return _exponential(settings, first)
    if name == 'piecewise_constant_schedule':
        return _steps(first, settings['boundaries_and_scales'] or {})
    if name == 'piecewise_interpolate_schedule':
        return _interpolated(settings, first)
    return None


def _exponential(settings: dict[str, Any], first: float) -> Scheduler | None:
    rate, length = number(settings['decay_rate']), settings['transition_steps']
    end = settings['end_value']
    end = 0 if end is None else number(end)
    if rate <= 1 and end >= first:
        return ConstantScheduler(end)
    if not settings['staircase']:  # the same at every whole count
        rate, length = rate ** (1 / length), 1
    decay = powers(rate, first, length, end)
    return _delayed(decay, settings['transition_begin'])


def _steps(first: float, scales: dict[float, Any]) -> Scheduler:
    pairs = sorted((time, number(scale)) for time, scale in scales.items())
    for time, scale in pairs:
        first *= scale if time <= 0 else 1
    pairs = [(time, scale) for time, scale in pairs if time > 0]
    times = [time for time, _ in pairs]
    factors = {scale for _, scale in pairs}
    if len(factors) == 1 and 0 < min(factors) <= 1:
        return MultiFactorScheduler(times, min(factors), first)
    rates = [first]
    for _, scale in pairs:
        rates.append(rates[-1] * scale)
    return levels(times, rates)


def _interpolated(settings: dict[str, Any], first: float) -> Scheduler:
    times, rates = [0, *settings['boundaries']], [first]
    for scale in settings['scales']:
        rates.append(rates[-1] * number(scale))
    if settings['interpolate_fn'].__name__ == '_linear_interpolate':
        if sorted({*times}) == times:
            return PiecewiseLinearScheduler(list(zip(times, rates)))
        parts: list[Scheduler] = [
            PolyScheduler(end - begin or 1, lr, 1, end_lr)
            for begin, end, lr, end_lr in zip(times, times[1:], rates, rates[1:])
        ]
    else:
        parts = [
            CosineScheduler(end - begin or 1, lr, end_lr)
            for begin, end, lr, end_lr in zip(times, times[1:], rates, rates[1:])
        ]
    return _joined([*parts, ConstantScheduler(rates[-1])], times[1:])


def _delayed(scheduler: Scheduler, begin: float) -> Scheduler:
    if begin <= 0:
        return scheduler
    first = ConstantScheduler(scheduler.base_lr)
    return SequentialScheduler([first, scheduler], [begin])


def _joined(parts: list[Scheduler], times: list[float]) -> Scheduler:
    """Return the parts in a row, but for those that are over before they begin."""
    begun = parts[:1]
    starts: list[float] = []
    for part, time in zip(parts[1:], times):
        if time <= 0:
            begun, starts = [later(part, -time)], []
            continue
        while starts and starts[-1] >= time:
            starts.pop()
            begun.pop()
        begun.append(part)
        starts.append(time)
    if not starts:
        return begun[0]
    ramp, second = begun[:2]
    if (
        isinstance(ramp, PolyScheduler)
        and (ramp.pwr, ramp.max_update) == (1, starts[0])
        and ramp.base_lr <= ramp.final_lr == second(0)
        and len(begun) == 2
    ):
        return WarmupScheduler(second, starts[0], ramp.base_lr)
    return SequentialScheduler(begun, starts)
