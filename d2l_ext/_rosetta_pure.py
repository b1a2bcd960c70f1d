"""A schedule as code for optax and Keras, whose schedules are functions of a count."""

import math
import textwrap

from d2l_ext.formula import (
    JAX,
    KERAS,
    call,
    choices,
    formula,
    function,
    listed,
    plain,
    reaches_floor,
    rests,
    steps,
    stretches,
    whole,
)
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PolyScheduler,
)


def optax(scheduler, num_epochs, per, batches):
    """Return code for optax: every function of a count is a schedule there."""
    n = num_epochs * (batches if per == 'update' else 1)
    made = _optax_function(plain(scheduler), n)
    count = (
        'schedule' if per == 'update' else f'lambda count: schedule(count // {batches})'
    )
    return f"""import jax
import jax.numpy as jnp
import optax

schedule = {made}
optimizer = optax.sgd({count})

counts = jnp.arange({num_epochs * batches}){'' if per == 'update' else f' // {batches}'}
rates = jax.vmap(schedule)(counts).tolist()  # one for each update"""


def _optax_function(s, n):
    if _warm_cosine(s):
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
    made = [_optax_piece(simple) for _, simple in pieces]
    if len(made) == 1:
        return made[0]
    boundaries = f'boundaries={[start for start, _ in pieces[1:]]}'
    return call('optax.join_schedules', listed(made), boundaries)


def _optax_piece(s):
    def made(name, *arguments):
        return call(f'optax.{name}', *arguments)

    if isinstance(s, ConstantScheduler):
        return made('constant_schedule', f'{s.base_lr}')
    first = f'init_value={s.base_lr}'
    if isinstance(s, PolyScheduler):
        rest = f'end_value={s.final_lr}', f'transition_steps={s.max_update}'
        if s.pwr == 1:
            return made('linear_schedule', first, *rest)
        return made('polynomial_schedule', first, *rest, f'power={s.pwr}')
    if isinstance(s, CosineScheduler) and s.base_lr > 0:
        low = [f'alpha={s.final_lr} / {s.base_lr}'] * (s.final_lr != 0)
        return made('cosine_decay_schedule', first, f'decay_steps={s.max_update}', *low)
    if isinstance(s, FactorScheduler):
        return made(
            'exponential_decay',
            first,
            f'transition_steps={s.step}',
            f'decay_rate={s.factor}',
            'staircase=True',
            f'end_value={s.stop_factor_lr}',
        )
    if isinstance(s, MultiFactorScheduler):
        scales = dict.fromkeys(s.step, s.factor)
        arguments = first, f'boundaries_and_scales={scales}'
        return made('piecewise_constant_schedule', *arguments)
    if isinstance(s, CosineScheduler):  # from 0 up, and then at rest
        t = f'jnp.minimum(t, {s.max_update})'
        return f'lambda t: {formula(s, t, JAX)}'
    return f'lambda t: {formula(s, "t", JAX)}'


def keras(scheduler, num_epochs, per, batches):
    """Return code for Keras, which computes in float32 unless told otherwise."""
    n = num_epochs * (batches if per == 'update' else 1)
    made, first = _keras_class(plain(scheduler), n), 'import keras\n'
    if made:
        made = f'schedule = {made}'
        asked = 'lambda epoch: float(schedule(epoch))'
    elif per == 'epoch':
        made = function('def schedule(t):', stretches(scheduler, n, rests, steps))
        asked = 'schedule'
    else:
        body = choices(stretches(scheduler, n, rests, steps), KERAS, 'ops.where')
        made = f"""
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        t = ops.cast(step, keras.config.floatx())
{textwrap.indent(body, ' ' * 8)}
        return lr


schedule = Schedule()"""
        first += 'from keras import ops\n'
    if 'math.' in made:
        first = f'import math\n\n{first}'
    if per == 'update':
        return f"""{first}
{made}
optimizer = keras.optimizers.SGD(schedule)

# one for each update
rates = [float(schedule(update)) for update in range({num_epochs * batches})]"""
    return f"""{first}
{made}
# model.fit(..., callbacks=[callback])
callback = keras.callbacks.LearningRateScheduler({asked})

rates = []  # one for each update
for epoch in range({num_epochs}):
    rates += [callback.schedule(epoch)] * {batches}"""


def _keras_class(s, n):
    def made(name, *arguments):
        return call(f'keras.optimizers.schedules.{name}', *arguments)

    if _warm_cosine(s):
        child = s.scheduler
        return made(
            'CosineDecay',
            f'initial_learning_rate={float(s.warmup_begin_lr)}',
            f'decay_steps={child.max_update}',
            f'alpha={child.final_lr} / {child.base_lr}',
            f'warmup_target={float(child.base_lr)}',
            f'warmup_steps={s.warmup_steps}',
        )
    # an int would have Keras compute in whole numbers
    first = f'initial_learning_rate={float(s.base_lr)}'
    alpha = [f'alpha={getattr(s, "final_lr", 0)} / {s.base_lr}']
    alpha = alpha * (getattr(s, 'final_lr', 0) != 0)
    if isinstance(s, ConstantScheduler):
        return made('ExponentialDecay', first, 'decay_steps=1', 'decay_rate=1.0')
    if isinstance(s, FactorScheduler) and not reaches_floor(s, n):
        rest = f'decay_steps={s.step}', f'decay_rate={s.factor}', 'staircase=True'
        return made('ExponentialDecay', first, *rest)
    if isinstance(s, MultiFactorScheduler):
        base_lr = f'{float(s.base_lr)}'
        times = sorted({math.ceil(time) for time in s.step})
        counts = [sum(time <= cut for time in s.step) for cut in times]
        values = ', '.join(
            [
                base_lr,
                *(f'{base_lr} * {s.factor}' + f' ** {k}' * (k > 1) for k in counts),
            ]
        )
        # Keras changes the value after its boundary
        rest = f'boundaries={[time - 1 for time in times]}', f'values=[{values}]'
        return made('PiecewiseConstantDecay', *rest)
    # it loses digits at the end of a length that is not whole
    if isinstance(s, PolyScheduler) and whole(s.max_update):
        rest = f'decay_steps={s.max_update}', f'end_learning_rate={s.final_lr}'
        return made('PolynomialDecay', first, *rest, f'power={s.pwr}')
    if isinstance(s, CosineScheduler) and s.base_lr > 0:
        return made('CosineDecay', first, f'decay_steps={s.max_update}', *alpha)
    if isinstance(s, CosineRestartsScheduler) and s.multiplier == 1 and s.base_lr > 0:
        rest = f'first_decay_steps={s.period}', 't_mul=1.0', f'm_mul={s.decay}'
        return made('CosineDecayRestarts', first, *rest, *alpha)
    return ''


def _warm_cosine(s):
    """Return whether s is a cosine after a ramp, for which both have a class."""
    child = getattr(s, 'scheduler', None)
    cosine = isinstance(child, CosineScheduler) and child.base_lr > 0
    return cosine and s.warmup_mode == 'linear'
