"""PaddlePaddle's schedulers, which know no optimizer: it is built with one of them."""

import math
from dataclasses import dataclass
from typing import Any

from d2l_ext.exchange import _torch
from d2l_ext.exchange._functions import RunningProduct, powers, stairs
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
    LambdaScheduler,
    MultiFactorScheduler,
    PlateauScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
    WarmupScheduler,
)


@dataclass(frozen=True)
class LaterEnds:
    """A polynomial whose end moves on by `length` each time that it is reached.

    end_lr + (base_lr - end_lr) (1 - t / (k length))^power, k = ceil(t / length), 1 at 0

    >>> LaterEnds(length=10, base_lr=0.5, end_lr=0, power=1)(15)
    0.125

    Source: PaddlePaddle 3.3.1, `PolynomialDecay` with `cycle=True`.
    """

    length: float
    base_lr: float
    end_lr: float
    power: float

    def __call__(self, t: float) -> float:
        end = self.length * max(math.ceil(t / self.length), 1)
        return self.end_lr + (self.base_lr - self.end_lr) * (1 - t / end) ** self.power


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
        # after a warmup it finds the cycle by a logarithm, which misses some of 3^k
        lost = isinstance(child, CosineRestartsScheduler) and child.multiplier > 2
        if not (steps and inner and s.warmup_begin_lr < peak) or lost:
            return ''
        ramp = f'start_lr={s.warmup_begin_lr}', f'end_lr={peak}'
        return call_of('LinearWarmup', inner, f'warmup_steps={steps}', *ramp)
    first = f'{s.base_lr}' if hasattr(s, 'base_lr') else ''
    if isinstance(s, ConstantScheduler):
        return call_of('LinearLR', first, 'total_steps=1', 'start_factor=1.0')
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


def read(obj: Any, base_lr: float | None = None) -> tuple[list[Scheduler], str | None]:
    """Return the schedule, and no unit: PaddlePaddle counts what steps it.

    Parameter groups of an optimizer multiply it, and it knows nothing of them. Raises
    ValueError for a class that is not PaddlePaddle's own, for a plateau that cools down
    or that a warmup steps, and where the rate that the object gave last is not the one
    that its attributes say.

    Source: `paddle.optimizer.lr`, PaddlePaddle 3.3.1.
    """
    scheduler = _read(obj)
    if not isinstance(scheduler, PlateauScheduler):
        steps = max(obj.last_epoch, 0)
        said, found = obj.last_lr, scheduler(steps)
        if not math.isclose(said, found, rel_tol=1e-5, abs_tol=1e-12):
            raise ValueError(
                f'{type(obj).__name__} set the rate {said:.6g} after {steps} steps, by '
                f'its attributes it would be {found:.6g}: it was begun or moved in the '
                'middle; read a new one'
            )
    return [scheduler], None


def _read(obj: Any) -> Scheduler:
    name = type(obj).__name__
    reader = _READ.get(name)
    if reader is None or not type(obj).__module__.startswith('paddle.'):
        remedy = 'give its rate as a function of t'
        if not hasattr(obj, 'last_lr'):
            remedy = 'give the scheduler that the optimizer was built with'
        raise ValueError(f'{name} is not one that can be read: {remedy}')
    return reader(obj)


def _read_warmup(obj: Any) -> Scheduler:
    child, steps, begin_lr, peak = (
        getattr(obj, name)
        for name in ('learning_rate', 'warmup_steps', 'start_lr', 'end_lr')
    )
    after = _read(child) if hasattr(child, 'last_lr') else ConstantScheduler(child)
    if isinstance(after, PlateauScheduler):
        raise ValueError(
            'LinearWarmup cannot be read over a ReduceOnPlateau: PaddlePaddle gives it '
            'the count of updates as its metric; warm up by hand, and give the plateau'
        )
    if getattr(child, 'T_mult', 1) > 2:
        raise ValueError(
            f'T_mult must be 1 or 2 under a LinearWarmup to be read, got '
            f'{child.T_mult}: PaddlePaddle finds the cycle by a logarithm there, and '
            'rounding makes some restarts an update late; give its rate as a function '
            'of t'
        )
    if after(0) == peak:
        return WarmupScheduler(after, steps, begin_lr)
    ramp = PolyScheduler(steps, begin_lr, 1, peak)
    return SequentialScheduler([ramp, after], [steps])


def _read_noam(obj: Any) -> Scheduler:
    steps = obj.warmup_steps
    peak = obj.base_lr * obj.d_model**-0.5 * steps**-0.5
    return WarmupScheduler(InversePowerScheduler(steps, peak), steps)


def _read_piecewise(obj: Any) -> Scheduler:
    # the first boundary that is not over decides, so one below another is never seen
    rates: list[float] = []
    times: list[float] = []
    for time, rate in zip(obj.boundaries, obj.values):
        if time > max([0, *times]):
            times.append(time)
            rates.append(rate)
    return stairs(times, [*rates, obj.values[-1]])


def _read_inverse_time(obj: Any) -> Scheduler:
    if obj.gamma < 0:
        raise ValueError(
            f'gamma must be >= 0 to be read, got {obj.gamma!r}: the rate grows until '
            'it divides by zero'
        )
    if obj.gamma == 0:
        return ConstantScheduler(obj.base_lr)
    return InversePowerScheduler(1 / obj.gamma, obj.base_lr, 1)


def _read_polynomial(obj: Any) -> Scheduler:
    length, lr, end_lr, power = obj.decay_steps, obj.base_lr, obj.end_lr, obj.power
    if obj.cycle:
        return LambdaScheduler(LaterEnds(length, lr, end_lr, power), 1.0)
    return PolyScheduler(length, lr, power, end_lr)


def _read_linear(obj: Any) -> Scheduler:
    start, end = obj.base_lr * obj.start_factor, obj.base_lr * obj.end_factor
    if start == end:
        return ConstantScheduler(start)
    if not whole(obj.total_steps):
        raise ValueError(
            f'total_steps must be a whole number to be read, got {obj.total_steps!r}: '
            'PaddlePaddle stops before the end of the line'
        )
    return PolyScheduler(obj.total_steps, start, 1, end)


def _read_multi_step(obj: Any) -> Scheduler:
    times = [max(time, 0) for time in obj.milestones]
    return MultiFactorScheduler(times, obj.gamma, obj.base_lr)


def _read_one_cycle(obj: Any) -> Scheduler:
    rates = obj._lr_config
    phases = list(zip(obj._step_config[1:], rates, rates[1:]))
    linear = obj.anneal_func.__name__ == '_linear_annealing'
    return _torch.one_cycle_of(phases, linear, obj.total_steps)


def _read_cyclic(obj: Any) -> Scheduler:
    # a method of the object's own stands for its mode
    own = getattr(obj.scale_fn, '__self__', None) is obj
    how = obj.mode, obj.gamma, None if own else obj.scale_fn, obj.scale_mode
    return _torch.cyclic(obj.base_lr, obj.max_lr, obj.cycle_size, obj.step_up_pct, *how)


def _read_plateau(obj: Any) -> Scheduler:
    if obj.cooldown:
        raise ValueError(
            f'cooldown must be 0 to be read, got {obj.cooldown!r}: while it cools down '
            'PaddlePaddle does not see the best metric, and ours does; use cooldown=0'
        )
    return PlateauScheduler(
        base_lr=obj.base_lr,
        factor=obj.factor,
        patience=obj.patience,
        threshold=obj.threshold,
        stop_factor_lr=obj.min_lr,
        mode=obj.mode,
        threshold_mode=obj.threshold_mode,
        eps=obj.epsilon,
    )


_READ: dict[str, Any] = {
    'CosineAnnealingDecay': lambda obj: _torch._read_cosine(obj, obj.base_lr),
    'CosineAnnealingWarmRestarts': lambda obj: _torch._read_restarts(obj, obj.base_lr),
    'CyclicLR': _read_cyclic,
    'ExponentialDecay': lambda obj: powers(obj.gamma, obj.base_lr, 1),
    'InverseTimeDecay': _read_inverse_time,
    'LambdaDecay': lambda obj: LambdaScheduler(obj.lr_lambda, obj.base_lr),
    'LinearLR': _read_linear,
    'LinearWarmup': _read_warmup,
    'MultiStepDecay': _read_multi_step,
    'MultiplicativeDecay': (
        lambda obj: LambdaScheduler(RunningProduct(obj.lr_lambda), obj.base_lr)
    ),
    'NaturalExpDecay': lambda obj: powers(math.exp(-obj.gamma), obj.base_lr, 1),
    'NoamDecay': _read_noam,
    'OneCycleLR': _read_one_cycle,
    'PiecewiseDecay': _read_piecewise,
    'PolynomialDecay': _read_polynomial,
    'ReduceOnPlateau': _read_plateau,
    'StepDecay': lambda obj: powers(obj.gamma, obj.base_lr, obj.step_size),
}
