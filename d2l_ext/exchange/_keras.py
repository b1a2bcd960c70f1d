"""A schedule as code for Keras, whose schedules are functions of a count."""

import math
import textwrap

from d2l_ext.exchange.formula import (
    KERAS,
    call,
    choices,
    function,
    plain,
    reaches_floor,
    rests,
    steps,
    stretches,
    warm_cosine,
    whole,
)
from d2l_ext.families import InversePowerScheduler
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PolyScheduler,
)


def keras(plan: Plan) -> str:
    """Return code for Keras, which computes in float32 unless told otherwise."""
    scheduler, per, n = plan.scheduler, plan.per, plan.length
    num_epochs, batches = plan.num_epochs, plan.batches_per_epoch
    text, first = _keras_class(plain(scheduler), n), 'import keras\n'
    if text:
        text = f'schedule = {text}'
        asked = 'lambda epoch: float(schedule(epoch))'
    elif per == 'epoch':
        text = function('def schedule(t):', stretches(scheduler, n, rests, steps))
        asked = 'schedule'
    else:
        body = choices(stretches(scheduler, n, rests, steps), KERAS, 'ops.where')
        text = f"""
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        t = ops.cast(step, keras.config.floatx())
{textwrap.indent(body, ' ' * 8)}
        return lr


schedule = Schedule()"""
        first += 'from keras import ops\n'
    if 'math.' in text:
        first = f'import math\n\n{first}'
    if per == 'update':
        return f"""{first}
{text}
optimizer = keras.optimizers.SGD(schedule)

# one for each update
rates = [float(schedule(update)) for update in range({plan.updates})]"""
    return f"""{first}
{text}
# model.fit(..., callbacks=[callback])
callback = keras.callbacks.LearningRateScheduler({asked})

rates = []  # one for each update
for epoch in range({num_epochs}):
    rates += [callback.schedule(epoch)] * {batches}"""


def _keras_class(s, n):
    def call_of(name, *arguments):
        return call(f'keras.optimizers.schedules.{name}', *arguments)

    if warm_cosine(s):
        child = s.scheduler
        return call_of(
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
        return call_of('ExponentialDecay', first, 'decay_steps=1', 'decay_rate=1.0')
    if isinstance(s, FactorScheduler) and not reaches_floor(s, n):
        rest = f'decay_steps={s.step}', f'decay_rate={s.factor}', 'staircase=True'
        return call_of('ExponentialDecay', first, *rest)
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
        return call_of('PiecewiseConstantDecay', *rest)
    if isinstance(s, InversePowerScheduler) and s.pwr == 1 and s.stop_lr == 0:
        rest = f'decay_steps={s.time_scale}', 'decay_rate=1.0'
        return call_of('InverseTimeDecay', first, *rest)
    # it loses digits at the end of a length that is not whole
    if isinstance(s, PolyScheduler) and whole(s.max_update):
        rest = f'decay_steps={s.max_update}', f'end_learning_rate={s.final_lr}'
        return call_of('PolynomialDecay', first, *rest, f'power={s.pwr}')
    if isinstance(s, CosineScheduler) and s.base_lr > 0:
        return call_of('CosineDecay', first, f'decay_steps={s.max_update}', *alpha)
    if isinstance(s, CosineRestartsScheduler) and s.multiplier == 1 and s.base_lr > 0:
        rest = f'first_decay_steps={s.period}', 't_mul=1.0', f'm_mul={s.decay}'
        return call_of('CosineDecayRestarts', first, *rest, *alpha)
    return ''
