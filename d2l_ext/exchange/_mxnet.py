"""A schedule as code for MXNet, which counts updates from 1."""

import math

from d2l_ext.exchange.formula import (
    call,
    function,
    plain,
    rests,
    steps,
    stretches,
    whole,
)
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PolyScheduler,
    WarmupScheduler,
)


def mxnet(plan: Plan) -> str:
    """Return code for MXNet, with a trainer that really steps."""
    scheduler, per, n = plan.scheduler, plan.per, plan.length
    num_epochs, batches = plan.num_epochs, plan.batches_per_epoch
    text, first = _class(plain(scheduler), n), ''
    if text:
        unseen = ', so that the first step of a warmup is not seen'
        note = f'# MXNet counts from 1{unseen * ("warmup_steps" in text)}'
        text = f'{note}\nscheduler = {text}\n'
    else:
        head = (
            'def scheduler(num_update):\n    t = num_update - 1  # MXNet counts from 1'
        )
        text = function(head, stretches(scheduler, n, rests, steps))
        text = (
            f'\n# No class of MXNet gives these rates: the formula itself\n{text}\n\n'
        )
        first = 'import math\n\n' * ('math.' in text)
    trainer = "'sgd', {'lr_scheduler': scheduler}"
    setting = ''
    if per == 'epoch':
        trainer = "'sgd'"
        setting = '\n    trainer.set_learning_rate(scheduler(epoch + 1))'
    names = ', lr_scheduler' * ('lr_scheduler.' in text)
    return f"""{first}from mxnet import autograd, gluon{names}, np, npx

npx.set_np()
{text}
net = gluon.nn.Dense(1, in_units=1)
net.initialize()
trainer = gluon.Trainer(net.collect_params(), {trainer})

rates = []  # one for each update
for epoch in range({num_epochs}):{setting}
    for batch in range({batches}):
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
