"""A schedule as code for Keras, whose schedules are functions of a count."""

import inspect
import math
import textwrap
from typing import Any

from d2l_ext.exchange._functions import Called, levels, number, of, powers
from d2l_ext.exchange.formula import KERAS, call, choices, function
from d2l_ext.exchange.stretches import (
    asks_python,
    plain,
    reaches_floor,
    rests,
    steps,
    stretches,
    warm_cosine,
    whole,
)
from d2l_ext.families import EpochScheduler, InversePowerScheduler
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
    WarmupScheduler,
    keras_plateau,
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
    elif asks_python(scheduler):
        text = _table(scheduler, n)
        first += 'from keras import ops\n'
    else:
        body = choices(stretches(scheduler, n, rests, steps), KERAS, 'ops.where')
        text = f"""{_compared(body)}
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


def _compared(body):
    """Return what `body` calls: Keras's maximum and minimum compute in float32."""
    return ''.join(
        f"""
def {name}(a, b):
    return ops.where(a {sign} b, a, b)

"""
        for name, sign in (('larger', '>'), ('smaller', '<'))
        if f'{name}(' in body
    )


def _table(scheduler, n):
    """Return a schedule that looks up what Python says: JAX asks with traced counts."""
    text = function('def rate(t):', stretches(scheduler, n, rests, steps))
    return f"""
{text}


# JAX cannot trace ordinary Python, which is asked once for each update before the run;
# after it the last rate goes on
RATES = [float(rate(t)) for t in range({n})]


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        rates = ops.convert_to_tensor(RATES, keras.config.floatx())
        return ops.take(rates, ops.minimum(ops.cast(step, 'int32'), {n - 1}))


schedule = Schedule()"""


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


def read(obj: Any, base_lr: float | None = None) -> tuple[list[Scheduler], str | None]:
    """Return the schedule of a `LearningRateSchedule`, or of a callback, of Keras.

    A `LearningRateSchedule` counts updates, a callback epochs. Where no class of ours
    gives the same rates, the object itself is called. Keras computes in float32 unless
    told otherwise; what is read does not. Raises ValueError for a callback that answers
    to the rate before it, and for a plateau without `base_lr`, which it does not know.

    Source: `keras.optimizers.schedules` and `keras.callbacks`, Keras 3.15.
    """
    name = type(obj).__name__
    own = type(obj).__module__.startswith('keras.')
    if own and name == 'ReduceLROnPlateau':
        return [_read_plateau(obj, base_lr)], 'epoch'
    if own and name == 'LearningRateScheduler':
        return [_read_callback(obj)], 'epoch'
    if not callable(obj) or not hasattr(obj, 'from_config'):
        raise ValueError(
            f'{name} cannot be read: give a LearningRateSchedule, such as the one that '
            'the optimizer was given, or one of the two callbacks'
        )
    reader = _READ.get(name)
    found = None
    if own and reader:
        settings = {
            key: value
            if isinstance(value, (str, bool, list, type(None)))
            else number(value)
            for key, value in obj.get_config().items()
        }
        try:
            found = reader(settings)
        except ValueError:  # a setting that our classes do not take
            found = None
    return [found or of(Called(obj))], 'update'


def _read_callback(obj: Any) -> Scheduler:
    parameters = inspect.signature(obj.schedule).parameters.values()
    # Keras asks with the rate before, if that can be
    if len(parameters) > 1 or any(p.kind == p.VAR_POSITIONAL for p in parameters):
        raise ValueError(
            'the function of a LearningRateScheduler must be one of the epoch alone to '
            'be read: this one answers to the rate before, too'
        )
    return of(Called(obj.schedule))


def _read_plateau(obj: Any, base_lr: float | None) -> Scheduler:
    if base_lr is None:
        raise ValueError(
            'base_lr must be given, the rate that the optimizer begins with: a '
            'ReduceLROnPlateau knows none'
        )
    mode = obj.mode
    if mode == 'auto':
        mode = 'max' if 'acc' in obj.monitor else 'min'
    return keras_plateau(
        base_lr,
        obj.factor,
        obj.patience,
        obj.min_delta,
        obj.cooldown,
        obj.min_lr,
        mode,
    )


def _read_exponential(s: dict[str, Any]) -> Scheduler:
    rate, length = s['decay_rate'], s['decay_steps']
    if not s['staircase']:  # the same at every whole count
        rate, length = rate ** (1 / length), 1
    return powers(rate, s['initial_learning_rate'], length)


def _read_inverse(s: dict[str, Any]) -> Scheduler:
    rate, length, lr = s['decay_rate'], s['decay_steps'], s['initial_learning_rate']
    if s['staircase']:
        return EpochScheduler(InversePowerScheduler(1 / rate, lr, 1), length)
    return InversePowerScheduler(length / rate, lr, 1)


def _read_piecewise(s: dict[str, Any]) -> Scheduler:
    # the value changes after its boundary
    times = [math.floor(number(time)) + 1 for time in s['boundaries']]
    return levels(times, [number(lr) for lr in s['values']])


def _read_polynomial(s: dict[str, Any]) -> Scheduler | None:
    if s['cycle']:
        return None
    first, end = s['initial_learning_rate'], s['end_learning_rate']
    return PolyScheduler(s['decay_steps'], first, s['power'], end)


def _read_cosine(s: dict[str, Any]) -> Scheduler:
    first, length = s['initial_learning_rate'], s['decay_steps']
    peak, warmup = s['warmup_target'], s['warmup_steps']
    top = first if peak is None else number(peak)
    decay = CosineScheduler(length, top, top * s['alpha'])
    if peak is None or warmup <= 0:
        return decay
    if first > top:
        return SequentialScheduler(
            [PolyScheduler(warmup, first, 1, top), decay], [warmup]
        )
    return WarmupScheduler(decay, warmup, first)


def _read_restarts(s: dict[str, Any]) -> Scheduler:
    first = s['initial_learning_rate']
    period, low = s['first_decay_steps'], first * s['alpha']
    return CosineRestartsScheduler(period, first, low, s['t_mul'], s['m_mul'])


_READ = {
    'ExponentialDecay': _read_exponential,
    'InverseTimeDecay': _read_inverse,
    'PiecewiseConstantDecay': _read_piecewise,
    'PolynomialDecay': _read_polynomial,
    'CosineDecay': _read_cosine,
    'CosineDecayRestarts': _read_restarts,
}
