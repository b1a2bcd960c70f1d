"""Rarer schedulers: what other libraries and published recipes use beside the book's.

Pure functions of time like those of `schedulers`, by the same rules, and plain like
them: MicroPython runs this file too.

>>> from d2l_ext.schedulers import CosineScheduler
>>> scheduler = WarmupOverScheduler(CosineScheduler(40, base_lr=0.5), warmup_steps=5)
>>> [round(scheduler(t), 3) for t in (0, 4, 5, 40)]
[0.0, 0.4, 0.481, 0]
"""

import math

from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    Scheduler,
    SequentialScheduler,
    WarmupScheduler,
    _choice,
    _length,
    _mix,
    _number,
    _scheduler,
    _several,
)


class GrowthScheduler(Scheduler):
    """Multiply by a `factor` above 1 every `step`, up to a ceiling: a range test.

    lr(t) = min(stop_lr, base_lr factor^floor(t / step))

    >>> scheduler = GrowthScheduler(factor=10, stop_lr=1.0, base_lr=1e-3)
    >>> [round(scheduler(t), 3) for t in (0, 1, 2, 3, 100)]
    [0.001, 0.01, 0.1, 1.0, 1.0]

    Raises ValueError for a factor below 1, a base_lr of 0, and a stop_lr below it.

    Source: Smith (2017), section 3.3; PyTorch's `StepLR` and `ExponentialLR` with a
    gamma above 1; optax's `exponential_decay` with a rate above 1.
    """

    arguments = 'factor', 'stop_lr', 'base_lr', 'step'

    def __init__(self, factor, stop_lr, base_lr, step=1):
        self.factor = _number('factor', factor, at_least=1)
        self.base_lr = _number('base_lr', base_lr, above=0)
        self.stop_lr = _number('stop_lr', stop_lr, at_least=self.base_lr)
        self.step = _number('step', step, above=0)

    def lr(self, t):
        try:
            grown = self.base_lr * float(self.factor) ** math.floor(t / self.step)
        except OverflowError:
            grown = self.stop_lr
        return min(self.stop_lr, grown)


class LogWarmupScheduler(Scheduler):
    """A `WarmupScheduler` whose ramp is a logarithm: steep at first.

    With W = warmup_steps and b = warmup_begin_lr: lr(t) = b + (scheduler(0) - b)
    log(1 + t) / log(1 + W) for t < W, then scheduler(t - W)

    >>> scheduler = LogWarmupScheduler(ConstantScheduler(1.0), warmup_steps=15)
    >>> [round(scheduler(t), 3) for t in (0, 1, 3, 7, 15)]
    [0.0, 0.25, 0.5, 0.75, 1.0]

    Raises ValueError for a number out of its range, and for no scheduler of time.

    Source: DeepSpeed's `WarmupLR`, whose warmup_num_steps is W + 1.
    """

    arguments = 'scheduler', 'warmup_steps', 'warmup_begin_lr'

    def __init__(self, scheduler, warmup_steps, warmup_begin_lr=0):
        self.scheduler = _scheduler('scheduler', scheduler)
        self.warmup_steps = _number('warmup_steps', warmup_steps, at_least=0)
        self.warmup_begin_lr = _number('warmup_begin_lr', warmup_begin_lr, at_least=0)

    @property
    def base_lr(self):
        return self.scheduler.base_lr

    def lr(self, t):
        if t >= self.warmup_steps:
            return self.scheduler.lr(t - self.warmup_steps)
        height = math.log(1 + t) / math.log(1 + self.warmup_steps)
        return _mix(self.scheduler.lr(0), self.warmup_begin_lr, height)


class WarmupOverScheduler(Scheduler):
    """A ramp laid over the first `warmup_steps` of a scheduler that runs underneath.

    With W = warmup_steps and b = warmup_begin_lr: lr(t) = b + (p - b) t / W for t < W
    ('linear') or b ('constant'), then scheduler(t), where W of its time is over. p =
    scheduler(0) with target='start': the ramp aims at the peak, and a decay that went
    on meanwhile shows as a jump. p = scheduler(W) with target='meet': no jump.
    `WarmupScheduler` lets the scheduler wait until the ramp is over.

    >>> from d2l_ext.schedulers import CosineScheduler
    >>> decay = CosineScheduler(10, base_lr=1.0)
    >>> scheduler = WarmupOverScheduler(decay, warmup_steps=5)
    >>> [round(scheduler(t), 3) for t in (0, 4, 5, 10)]
    [0.0, 0.8, 0.5, 0]
    >>> scheduler = WarmupOverScheduler(decay, warmup_steps=5, target='meet')
    >>> [round(scheduler(t), 3) for t in (0, 4, 5, 10)]
    [0.0, 0.4, 0.5, 0]

    Raises ValueError for a bad number, mode or target, and for no scheduler of time.

    Source: timm's `warmup_prefix=False`, its default for a cosine, and MXNet's
    `FactorScheduler` ('start'); detectron2's `WarmupParamScheduler` ('meet').
    mmdetection multiplies the two instead: `ProductScheduler`.
    """

    arguments = 'scheduler', 'warmup_steps', 'warmup_begin_lr', 'warmup_mode', 'target'

    def __init__(
        self,
        scheduler,
        warmup_steps,
        warmup_begin_lr=0,
        warmup_mode='linear',
        target='start',
    ):
        self.scheduler = _scheduler('scheduler', scheduler)
        self.warmup_steps = _number('warmup_steps', warmup_steps, at_least=0)
        self.warmup_begin_lr = _number('warmup_begin_lr', warmup_begin_lr, at_least=0)
        self.warmup_mode = _choice('warmup_mode', warmup_mode, ('linear', 'constant'))
        self.target = _choice('target', target, ('start', 'meet'))

    @property
    def base_lr(self):
        return self.scheduler.base_lr

    def lr(self, t):
        if t >= self.warmup_steps:
            return self.scheduler.lr(t)
        if self.warmup_mode == 'constant':
            return self.warmup_begin_lr
        peak = self.scheduler.lr(0 if self.target == 'start' else self.warmup_steps)
        return _mix(peak, self.warmup_begin_lr, t / self.warmup_steps)


class ProductScheduler(Scheduler):
    """Several schedulers at once, multiplied: one has the rate, the others are factors.

    lr(t) = schedulers[0](t) schedulers[1](t) ...

    A factor is a scheduler with a `base_lr` of 1, or a ramp that ends at 1.

    >>> from d2l_ext.schedulers import CosineScheduler
    >>> ramp = WarmupScheduler(ConstantScheduler(1), warmup_steps=4)
    >>> scheduler = ProductScheduler([CosineScheduler(10, base_lr=0.5), ramp])
    >>> [round(scheduler(t), 3) for t in (0, 2, 5, 10)]
    [0.0, 0.226, 0.25, 0]

    Raises ValueError for an empty list, and for what is no scheduler of time.

    Source: PyTorch's `ChainedScheduler`; mmengine's list of `param_scheduler`, as
    mmdetection has it.
    """

    arguments = ('schedulers',)

    def __init__(self, schedulers):
        self.schedulers = _several('schedulers', schedulers)
        for scheduler in self.schedulers:
            _scheduler('schedulers', scheduler)
        if not self.schedulers:
            raise ValueError('schedulers must be one or more, got ()')

    @property
    def base_lr(self):
        product = 1
        for scheduler in self.schedulers:
            product *= scheduler.base_lr
        return product

    def lr(self, t):
        product = 1
        for scheduler in self.schedulers:
            product *= scheduler.lr(t)
        return product


class EpochScheduler(Scheduler):
    """A scheduler that counts epochs, in a run that counts updates.

    lr(t) = scheduler(floor(t / batches_per_epoch)): t in updates, its lengths in epochs

    Beside a part that counts updates it makes two units in one schedule, such as a
    warmup of 500 updates over milestones at the epochs 8 and 11:

    >>> from d2l_ext.schedulers import MultiFactorScheduler
    >>> decay = EpochScheduler(MultiFactorScheduler([8, 11], 0.1, 0.02), 1000)
    >>> scheduler = WarmupOverScheduler(decay, warmup_steps=500)
    >>> [round(scheduler(t), 6) for t in (0, 250, 500, 7999, 8000, 11000)]
    [0.0, 0.01, 0.02, 0.02, 0.002, 0.0002]

    Raises ValueError for a batches_per_epoch that is no whole number >= 1, and for no
    scheduler of time.

    Source: mmengine's `by_epoch=True` beside `by_epoch=False`; YOLOv5's training loop.
    """

    arguments = 'scheduler', 'batches_per_epoch'

    def __init__(self, scheduler, batches_per_epoch):
        self.scheduler = _scheduler('scheduler', scheduler)
        number = _number('batches_per_epoch', batches_per_epoch, at_least=1)
        if number != int(number):
            text = 'batches_per_epoch must be a whole number, got {!r}'
            raise ValueError(text.format(batches_per_epoch))
        self.batches_per_epoch = int(number)

    @property
    def base_lr(self):
        return self.scheduler.base_lr

    def lr(self, t):
        return self.scheduler.lr(math.floor(t / self.batches_per_epoch))


class InversePowerScheduler(Scheduler):
    """A power of time below zero, in units of `time_scale`: fast first, then slower.

    lr(t) = max(stop_lr, base_lr (1 + t / b)^-pwr), never above base_lr, with b =
    time_scale: a (b + t)^-pwr with a = base_lr b^pwr. `SquareRootScheduler` is b = 1
    and pwr = 1/2. The schedule of Transformers goes on after a warmup of b updates as
    if it had run from the start, the square root of b / t:

    >>> decay = InversePowerScheduler(time_scale=4000, base_lr=7e-4)
    >>> scheduler = WarmupScheduler(decay, warmup_steps=4000)
    >>> [round(1e4 * scheduler(t), 3) for t in (0, 2000, 4000, 16000, 64000)]
    [0.0, 3.5, 7.0, 3.5, 1.75]

    Raises ValueError for a number out of its range.

    Source: Robbins and Monro (1951); Vaswani et al. (2017), section 5.3 (`noam` with
    base_lr = d_model^-0.5 b^-0.5 and t counted from 1); `inverse_sqrt` of fairseq and
    transformers; Keras's `InverseTimeDecay` with b = decay_steps / decay_rate, pwr = 1.
    """

    arguments = 'time_scale', 'base_lr', 'pwr', 'stop_lr'

    def __init__(self, time_scale, base_lr=0.1, pwr=0.5, stop_lr=0):
        self.time_scale = _number('time_scale', time_scale, above=0)
        self.base_lr = _number('base_lr', base_lr, at_least=0)
        self.pwr = _number('pwr', pwr, above=0)
        self.stop_lr = _number('stop_lr', stop_lr, at_least=0)

    def lr(self, t):
        decayed = self.base_lr * (1 + t / self.time_scale) ** -self.pwr
        return min(self.base_lr, max(self.stop_lr, decayed))


class CooldownScheduler(Scheduler):
    """One less a power of the time that is over, then `final_lr`.

    lr(t) = final_lr + (base_lr - final_lr) (1 - (t / T)^pwr) for t < T = max_update

    With pwr = 1/2, the 1-sqrt cooldown, it falls fastest at first; `PolyScheduler`
    with the same pwr falls fastest at the end.

    >>> scheduler = CooldownScheduler(max_update=16, base_lr=1.0)
    >>> [scheduler(t) for t in (0, 1, 4, 9, 16)]
    [1.0, 0.75, 0.5, 0.25, 0]

    Raises ValueError for a number out of its range.

    Source: Haegele et al. (2024); transformers' and timm's WSD with '1-sqrt'.
    """

    arguments = 'max_update', 'base_lr', 'pwr', 'final_lr'

    def __init__(self, max_update, base_lr=0.1, pwr=0.5, final_lr=0):
        self.max_update = _number('max_update', max_update, above=0)
        self.base_lr = _number('base_lr', base_lr, at_least=0)
        self.pwr = _number('pwr', pwr, above=0)
        self.final_lr = _number('final_lr', final_lr, at_least=0)

    def lr(self, t):
        if t >= self.max_update:
            return self.final_lr
        share = 1 - (t / self.max_update) ** self.pwr
        return _mix(self.base_lr, self.final_lr, share)


class TriangularScheduler(Scheduler):
    """Up in a line and down in a line, which may take different times.

    lr(t) = base_lr + (max_lr - base_lr) gamma^k h, h rising from 0 to 1 in `up_steps`
    and falling back in `down_steps`; k counts full cycles (gamma_per='cycle') or is t
    ('update'). `CyclicScheduler` takes the same time each way.

    >>> scheduler = TriangularScheduler(0.1, 0.5, up_steps=2, down_steps=6)
    >>> [round(scheduler(t), 3) for t in (0, 1, 2, 5, 8, 10)]
    [0.1, 0.3, 0.5, 0.3, 0.1, 0.5]
    >>> scheduler = TriangularScheduler(0.0, 1.0, 2, 2, gamma=0.5, gamma_per='update')
    >>> [scheduler(t) for t in (0, 1, 2, 4, 6)]
    [0.0, 0.25, 0.25, 0.0, 0.015625]

    Raises ValueError for a number out of its range, and an unknown gamma_per.

    Source: Smith (2017); PyTorch's `CyclicLR` with step_size_down, 'exp_range' for
    'update'.
    """

    arguments = 'base_lr', 'max_lr', 'up_steps', 'down_steps', 'gamma', 'gamma_per'

    def __init__(
        self, base_lr, max_lr, up_steps, down_steps, gamma=1, gamma_per='cycle'
    ):
        self.base_lr = _number('base_lr', base_lr, at_least=0)
        self.max_lr = _number('max_lr', max_lr, at_least=self.base_lr)
        self.up_steps = _number('up_steps', up_steps, above=0)
        self.down_steps = _number('down_steps', down_steps, above=0)
        self.gamma = _number('gamma', gamma, above=0, at_most=1)
        self.gamma_per = _choice('gamma_per', gamma_per, ('cycle', 'update'))

    def lr(self, t):
        length = self.up_steps + self.down_steps
        u = t % length
        height = u / self.up_steps
        if u > self.up_steps:
            height = (length - u) / self.down_steps
        k = t if self.gamma_per == 'update' else t // length
        return _mix(self.max_lr, self.base_lr, height * float(self.gamma) ** k)


def cosine_cycles(cycles, period, base_lr=0.1, final_lr=0, multiplier=1, decay=1):
    """A number of cosines by the rule of `CosineRestartsScheduler`, then `final_lr`.

    With multiplier m the cycles end at period (1 + m + ... + m^(cycles - 1)).

    >>> scheduler = cosine_cycles(2, period=10, base_lr=1.0, multiplier=2)
    >>> [round(scheduler(t), 3) for t in (0, 5, 10, 20, 30, 40)]
    [1.0, 0.5, 1.0, 0.5, 0, 0]

    Raises ValueError for cycles that are no whole number >= 1, and what the scheduler
    does.

    Source: timm's `cycle_limit`; transformers' `cosine_with_restarts`.
    """
    number = _number('cycles', cycles, at_least=1)
    if number != int(number):
        text = 'cycles must be a whole number, got {!r}'
        raise ValueError(text.format(cycles))
    restarts = CosineRestartsScheduler(period, base_lr, final_lr, multiplier, decay)
    end = sum(restarts.period * restarts.multiplier**i for i in range(int(number)))
    return SequentialScheduler([restarts, ConstantScheduler(final_lr)], [end])


def warmup_stable_cooldown(
    max_update, base_lr, warmup_steps, decay_steps, final_lr=0, pwr=0.5
):
    """Linear warmup, a constant stretch, and a `CooldownScheduler` at the end.

    `warmup_stable_decay` with another decay over the last `decay_steps`; the constant
    stretch is what is left of `max_update`.

    >>> scheduler = warmup_stable_cooldown(40, 0.5, warmup_steps=5, decay_steps=16)
    >>> [scheduler(t) for t in (0, 5, 24, 28, 33, 40)]
    [0.0, 0.5, 0.5, 0.25, 0.125, 0]

    Raises ValueError for parts that are longer than max_update, and what their
    schedulers do.

    Source: Haegele et al. (2024); transformers' `warmup_stable_decay` with '1-sqrt'.
    """
    stable_steps = _length('decay_steps', decay_steps, max_update, above=0)
    stable_steps -= _number(
        'warmup_steps', warmup_steps, at_least=0, at_most=stable_steps
    )
    decay = CooldownScheduler(decay_steps, base_lr, pwr, final_lr)
    if stable_steps > 0:
        stable = ConstantScheduler(base_lr)
        decay = SequentialScheduler([stable, decay], [stable_steps])
    return WarmupScheduler(decay, warmup_steps)
