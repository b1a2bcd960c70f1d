"""A schedule as code for MXNet, which counts updates from 1."""

import math
from typing import Any

from d2l_ext.exchange._functions import later, levels
from d2l_ext.exchange.formula import call, function
from d2l_ext.exchange.stretches import plain, rests, steps, stretches, whole
from d2l_ext.families import WarmupOverScheduler
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
    WarmupScheduler,
)


def mxnet(plan: Plan) -> str:
    """Return code for MXNet, with a trainer that really steps."""
    text = _class(plain(plan.scheduler), plan.length)
    if not text:
        return program(plan, *by_formula(plan, 'MXNet'))
    unseen = ', so that the first step of a warmup is not seen'
    note = f'# MXNet counts from 1{unseen * ("warmup_steps" in text)}'
    return program(plan, f'{note}\nscheduler = {text}\n')


def by_formula(plan: Plan, library: str) -> tuple[str, str]:
    """Return code of a function that MXNet asks, and what it imports."""
    head = 'def scheduler(num_update):\n    t = num_update - 1  # MXNet counts from 1'
    pieces = stretches(plan.scheduler, plan.length + 1, rests, steps)
    text = function(head, pieces)
    note = f'# No class of {library} gives these rates: the formula itself'
    return f'\n{note}\n{text}\n\n', 'import math\n\n' * ('math.' in text)


def program(plan: Plan, text: str, first: str = '', imported: str = '') -> str:
    """Return a loop of MXNet's with the rates of a scheduler that `text` builds."""
    trainer = "'sgd', {'lr_scheduler': scheduler}"
    setting = ''
    if plan.per == 'epoch':
        trainer = "'sgd'"
        setting = '\n    trainer.set_learning_rate(scheduler(epoch + 1))'
    names = ', lr_scheduler' * ('lr_scheduler.' in text)
    return f"""{first}{imported}from mxnet import autograd, gluon{names}, np, npx

npx.set_np()
{text}
net = gluon.nn.Dense(1, in_units=1)
net.initialize()
trainer = gluon.Trainer(net.collect_params(), {trainer})

rates = []  # one for each update
for epoch in range({plan.num_epochs}):{setting}
    for batch in range({plan.batches_per_epoch}):
        with autograd.record():
            loss = net(np.ones((1, 1)))
        loss.backward()
        trainer.step(1)
        rates.append(trainer.learning_rate)"""


def _class(scheduler, n):
    """Return the call of MXNet's class, '' if there is none for these rates."""
    s, warmup_steps, begin_lr, mode = scheduler, 0, 0, 'linear'
    if isinstance(s, WarmupScheduler):
        warmup_steps, begin_lr = whole(s.warmup_steps), s.warmup_begin_lr
        s, mode = s.scheduler, s.warmup_mode
    if warmup_steps is None:
        return ''
    settings = {}
    if isinstance(s, ConstantScheduler):
        name, settings = 'FactorScheduler', {'step': n}  # the first step comes after n
    elif isinstance(s, FactorScheduler) and whole(s.step) and not warmup_steps:
        name = 'FactorScheduler'
        settings = {'step': whole(s.step), 'factor': s.factor}
        settings['stop_factor_lr'] = s.stop_factor_lr
    elif isinstance(s, MultiFactorScheduler):
        step = [math.ceil(time) + warmup_steps for time in s.step]
        if len({*step}) < len(step):
            return ''
        name, settings = 'MultiFactorScheduler', {'step': step, 'factor': s.factor}
    elif isinstance(s, (PolyScheduler, CosineScheduler)) and whole(s.max_update):
        name = type(s).__name__
        # a count of warmup that no update sees moves the origin
        settings = {'max_update': whole(s.max_update) + warmup_steps + 1}
        settings |= {'pwr': s.pwr} if name == 'PolyScheduler' else {}
        settings |= {'final_lr': s.final_lr}
    else:
        return ''
    arguments = [f'{key}={value}' for key, value in settings.items()]
    arguments.insert(1, f'base_lr={s.base_lr}')
    if warmup_steps or 'max_update' in settings:
        arguments.append(f'warmup_steps={warmup_steps + 1}')
    if warmup_steps and mode == 'constant':
        arguments += [f'warmup_begin_lr={begin_lr}', "warmup_mode='constant'"]
    elif warmup_steps:
        # a step lower, at the count 0
        lower = f'-{s.base_lr} / {warmup_steps}'
        if begin_lr:
            lower = f'{begin_lr} - ({s.base_lr} - {begin_lr}) / {warmup_steps}'
        arguments.append(f'warmup_begin_lr={lower}')
    return call(f'lr_scheduler.{name}', *arguments)


def read(obj: Any, base_lr: float | None = None) -> tuple[list[Scheduler], str | None]:
    """Return the schedule of an object of MXNet or GluonCV, and no unit.

    An MXNet optimizer asks for update t = 0, 1, ... with the count t + 1; so does what
    is returned. Both units are in use: Gluon's Trainer counts updates, the book's loop
    epochs. Raises ValueError for another class, and for an MXNet schedule whose warmup
    is not shorter than itself.

    Source: `mxnet.lr_scheduler`, MXNet 1.9.1; `gluoncv.utils.LRScheduler` 0.10.5.
    """
    name = type(obj).__name__
    if name == 'LRSequential' or (name == 'LRScheduler' and hasattr(obj, 'niters')):
        return [_read_gluoncv(obj)], None
    reader = _READ.get(name)
    if reader is None or type(obj).__module__ != 'mxnet.lr_scheduler':
        raise ValueError(
            f'{name} is not one that can be read: give its rate as a function of t'
        )
    return [reader(obj)], None


def _read_factor(obj: Any) -> Scheduler:
    step, factor, stop = obj.step, obj.factor, obj.stop_factor_lr
    if not whole(step):
        raise ValueError(f'step must be a whole number to be read, got {step!r}')
    lr = obj.base_lr
    if obj.count:  # decayed already
        lr = obj.base_lr / factor ** (obj.count / step)
        if lr > obj.warmup_final_lr * (1 + 1e-9) or obj.base_lr == stop:
            lr = obj.warmup_final_lr
    lr = _near(lr, obj.warmup_final_lr)
    if stop > lr * factor:  # its floor may lie above the rate, which jumps up then
        decay = levels([step], [lr, stop])
    else:
        decay = FactorScheduler(factor, stop, lr, step)
    return _over(obj, decay)


def _read_multi_factor(obj: Any) -> Scheduler:
    lr = obj.base_lr / obj.factor**obj.cur_step_ind
    decay = MultiFactorScheduler(obj.step, obj.factor, _near(lr, obj.warmup_final_lr))
    return _over(obj, decay)


def _read_poly(obj: Any) -> Scheduler:
    return _after(
        obj, PolyScheduler(_length(obj), obj.base_lr_orig, obj.power, obj.final_lr)
    )


def _read_cosine(obj: Any) -> Scheduler:
    return _after(obj, CosineScheduler(_length(obj), obj.base_lr_orig, obj.final_lr))


_READ = {
    'FactorScheduler': _read_factor,
    'MultiFactorScheduler': _read_multi_factor,
    'PolyScheduler': _read_poly,
    'CosineScheduler': _read_cosine,
}


def _near(lr: float, first: float) -> float:
    """Return the first rate where division brought it back but for the last digits."""
    return first if math.isclose(lr, first, rel_tol=1e-9) else lr


def _length(obj: Any) -> float:
    if obj.max_steps <= 0:
        raise ValueError(
            f'warmup_steps must be below max_update = {obj.max_update}, '
            f'got {obj.warmup_steps}'
        )
    return obj.max_steps


def _after(obj: Any, decay: Scheduler) -> Scheduler:
    """Return a decay that begins after the warmup, both asked from 1."""
    if not obj.warmup_steps:
        return later(decay, 1)
    return _warm(obj, decay)


def _over(obj: Any, decay: Scheduler) -> Scheduler:
    """Return a decay that the warmup hides; it counts from the first update itself."""
    hidden = obj.warmup_steps - 1
    if hidden <= 0:
        return decay
    if decay(0) == obj.warmup_final_lr >= _begin(obj):
        mode = obj.warmup_mode
        return WarmupOverScheduler(decay, hidden, _begin(obj), mode)
    return _warm(obj, later(decay, hidden))


def _begin(obj: Any) -> float:
    """Return the rate of the first update; the first step is never asked for."""
    begin_lr, peak = obj.warmup_begin_lr, obj.warmup_final_lr
    if obj.warmup_mode == 'linear':
        begin_lr += (peak - begin_lr) / obj.warmup_steps
    return 0 if abs(begin_lr) < 1e-15 * peak else begin_lr


def _warm(obj: Any, decay: Scheduler) -> Scheduler:
    steps, begin_lr, peak = obj.warmup_steps, _begin(obj), obj.warmup_final_lr
    if steps <= 1:
        return decay
    if decay(0) == peak:
        return WarmupScheduler(decay, steps - 1, begin_lr, obj.warmup_mode)
    ramp: Scheduler = ConstantScheduler(begin_lr)
    if obj.warmup_mode == 'linear':
        ramp = PolyScheduler(steps - 1, begin_lr, 1, peak)
    return SequentialScheduler([ramp, decay], [steps - 1])


def _read_gluoncv(obj: Any) -> Scheduler:
    if type(obj).__name__ == 'LRScheduler':
        return _gluoncv_first(obj)
    parts: list[Scheduler] = []
    times: list[float] = []
    for part in obj.schedulers:
        if part.niters <= 0 or part.offset + part.niters <= 1:
            continue  # over before the first update
        if not parts:
            parts.append(_gluoncv_first(part))
        else:
            parts.append(_gluoncv_part(part))
            times.append(part.offset - 1)
    if not parts:
        raise ValueError('LRSequential must hold schedulers of niters >= 1, got none')
    begun, last = (times[-1] if times else 0), obj.count - 2
    if last > begun:  # it stops one count before its end
        parts.append(ConstantScheduler(parts[-1](last - begun)))
        times.append(last)
    return SequentialScheduler(parts, times) if times else parts[0]


def _gluoncv_first(part: Any) -> Scheduler:
    """Return the part that the first update sees, which asks with the count 1."""
    seen, length = 1 - part.offset, part.niters - 1
    if part.mode != 'linear' or not 0 < seen < length:
        return later(_gluoncv_part(part), seen)
    # before that count its rate may be below 0
    lr = part.base_lr + (part.target_lr - part.base_lr) * seen / length
    lr = 0 if abs(lr) < 1e-15 * abs(part.target_lr) else lr
    return PolyScheduler(length - seen, lr, 1, part.target_lr)


def _gluoncv_part(part: Any) -> Scheduler:
    length, lr, end = part.niters - 1, part.base_lr, part.target_lr
    if part.mode == 'constant' or length <= 0:
        return ConstantScheduler(lr)
    if part.mode == 'linear':
        return PolyScheduler(length, lr, 1, end)
    if part.mode == 'poly':
        return PolyScheduler(length, lr, part.power, end)
    if part.mode == 'cosine':
        return CosineScheduler(length, lr, end)
    steps = sorted(s for s in part.step or () if s <= length)
    if steps and steps[0] <= 0:
        raise ValueError(f'step_iter must be above 0 to be read, got {steps}')
    return MultiFactorScheduler(steps, part.step_factor, lr)
