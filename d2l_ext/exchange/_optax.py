"""A schedule as code for optax, whose schedules are functions of a count."""

from d2l_ext.exchange.formula import (
    JAX,
    call,
    formula,
    listed,
    plain,
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
    PolyScheduler,
)


def optax(plan: Plan) -> str:
    """Return code for optax: every function of a count is a schedule there."""
    scheduler, per, n = plan.scheduler, plan.per, plan.length
    batches = plan.batches_per_epoch
    text = _optax_function(plain(scheduler), n)
    count = (
        'schedule' if per == 'update' else f'lambda count: schedule(count // {batches})'
    )
    return f"""import jax
import jax.numpy as jnp
import optax

schedule = {text}
optimizer = optax.sgd({count})

counts = jnp.arange({plan.updates}){'' if per == 'update' else f' // {batches}'}
rates = jax.vmap(schedule)(counts).tolist()  # one for each update"""


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
