"""A schedule as code for PaddlePaddle, whose optimizers are given a schedule."""

import math

from d2l_ext.exchange.formula import call, function
from d2l_ext.exchange.stretches import (
    plain,
    reaches_floor,
    rests,
    steps,
    stretches,
    whole,
)
from d2l_ext.families import InversePowerScheduler, TriangularScheduler
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    CyclicScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PolyScheduler,
    WarmupScheduler,
)


def paddle(plan: Plan) -> str:
    """Return code for PaddlePaddle."""
    n = plan.length
    text, first = _paddle_class(plain(plan.scheduler), n), ''
    if text:
        if 'CosineAnnealingDecay' in text:
            text = f'# CosineAnnealingDecay rises again after its T_max\nscheduler = {text}'
        else:
            text = f'scheduler = {text}'
    else:
        pieces = stretches(plan.scheduler, n + 1, rests, steps)
        text = f"""
# No classes of PaddlePaddle give these rates: the formula, times a base rate of 1
{function('def rate(t):', pieces)}


scheduler = paddle.optimizer.lr.LambdaDecay(1.0, lr_lambda=rate)"""
        first = 'import math\n\n' * ('math.' in text)
    after_batch = '\n        scheduler.step()' * (plan.per == 'update')
    after_epoch = '\n    scheduler.step()' * (plan.per == 'epoch')
    return f"""{first}import paddle

{text}
net = paddle.nn.Linear(1, 1)
optimizer = paddle.optimizer.SGD(scheduler, parameters=net.parameters())

rates = []  # one for each update
for epoch in range({plan.num_epochs}):
    for batch in range({plan.batches_per_epoch}):
        rates.append(optimizer.get_lr())
        optimizer.step()  # after loss.backward(){after_batch}{after_epoch}"""


def _paddle_class(s, n):
    def call_of(name, *arguments):
        return call(f'paddle.optimizer.lr.{name}', *arguments)

    if isinstance(s, WarmupScheduler) and s.warmup_mode == 'linear':
        steps, child = whole(s.warmup_steps), s.scheduler
        peak = child(0)
        inner = _paddle_class(child, max(n - s.warmup_steps, 1))
        if isinstance(child, ConstantScheduler):
            inner = f'{child.base_lr}'
        if not (steps and inner and s.warmup_begin_lr < peak):
            return ''
        ramp = f'start_lr={s.warmup_begin_lr}', f'end_lr={peak}'
        return call_of('LinearWarmup', inner, f'warmup_steps={steps}', *ramp)
    first = f'{s.base_lr}' if hasattr(s, 'base_lr') else ''
    if isinstance(s, ConstantScheduler):
        return call_of('LambdaDecay', first, 'lr_lambda=lambda t: 1.0')
    if isinstance(s, FactorScheduler) and whole(s.step) and not reaches_floor(s, n):
        return call_of('StepDecay', first, f'step_size={whole(s.step)}', _gamma(s))
    if isinstance(s, MultiFactorScheduler):
        times = [math.ceil(time) for time in s.step]
        if len({*times}) == len(times):
            return call_of('MultiStepDecay', first, f'milestones={times}', _gamma(s))
    length = whole(getattr(s, 'max_update', 1))
    if isinstance(s, PolyScheduler) and length:
        more = f'decay_steps={length}', f'end_lr={s.final_lr}', f'power={s.pwr}'
        return call_of('PolynomialDecay', first, *more)
    if isinstance(s, CosineScheduler) and length and length >= n:
        low = [f'eta_min={s.final_lr}'] * (s.final_lr != 0)
        return call_of('CosineAnnealingDecay', first, f'T_max={length}', *low)
    if isinstance(s, CosineRestartsScheduler) and s.decay == 1:
        lengths = whole(s.period), whole(s.multiplier)
        if all(lengths):
            more = [f'T_0={lengths[0]}', f'T_mult={lengths[1]}']
            low = [f'eta_min={s.final_lr}'] * (s.final_lr != 0)
            return call_of('CosineAnnealingWarmRestarts', first, *more, *low)
    if isinstance(s, InversePowerScheduler) and (s.pwr, s.stop_lr) == (1, 0):
        return call_of('InverseTimeDecay', first, f'gamma=1 / {s.time_scale}')
    if isinstance(s, CyclicScheduler) and s.shape == 'triangular' and s.gamma == 1:
        s = TriangularScheduler(s.base_lr, s.max_lr, s.step_size, s.step_size)
    if isinstance(s, TriangularScheduler) and (s.gamma_per == 'update' or s.gamma == 1):
        up, down = whole(s.up_steps), whole(s.down_steps)
        if up and down:
            more = f'step_size_up={up}', f'step_size_down={down}'
            mode = ["mode='exp_range'", f'exp_gamma={s.gamma}'] * (s.gamma < 1)
            return call_of('CyclicLR', first, f'{s.max_lr}', *more, *mode)
    return ''


def _gamma(s):
    return f'gamma={s.factor}'
