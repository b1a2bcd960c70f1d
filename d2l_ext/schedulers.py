"""Learning rate schedulers: pure functions of the number of updates.

A scheduler is called with `num_update`, written t in the formulas, and returns a
learning rate. It counts from 0, in the unit in which its caller counts: epochs or
minibatch updates (`train(..., per='epoch' or 'update')` is where that is said). Every
argument that is a length or a time, such as `max_update`, `step` or `warmup_steps`, is
in that same unit. Any real t >= 0 will do, in any order and any number of times; no
call changes it. A bad argument raises ValueError with its name and its value.

>>> scheduler = WarmupScheduler(CosineScheduler(35, base_lr=0.5, final_lr=0.01), 5)
>>> [round(scheduler(t), 3) for t in (0, 2, 5, 40, 2)]
[0.0, 0.2, 0.5, 0.01, 0.2]
"""

import math

_INFINITY = float('inf')


class Scheduler:
    """What all schedulers share: checked calls, `repr`, equality and hash.

    A subclass keeps its constructor's arguments under their own names, and nothing
    else, and gives the formula as `lr(t)`. It may list these names in `arguments`: in
    that order `repr` writes them even where a dict has none, as in MicroPython.
    """

    arguments = ()

    def __call__(self, num_update):
        """Return the learning rate at `num_update`, any real number >= 0."""
        t = num_update
        if type(t) is not int and type(t) is not float:
            t = _number('num_update', t)
        if not 0 <= t < _INFINITY:
            raise ValueError('num_update must be finite and >= 0, got {!r}'.format(t))
        return self.lr(t)

    def lr(self, t):
        """Return the formula's value at t, unchecked."""
        raise NotImplementedError

    def __repr__(self):
        values = self.__dict__
        names = [name for name in self.arguments if name in values]
        names += [name for name in values if name not in names]
        items = ['{}={!r}'.format(name, values[name]) for name in names]
        return '{}({})'.format(type(self).__name__, ', '.join(items))

    def __eq__(self, other):
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self):
        return hash((type(self).__name__, tuple(sorted(self.__dict__.items()))))


class ConstantScheduler(Scheduler):
    """The same learning rate throughout.

    lr(t) = base_lr

    >>> ConstantScheduler(base_lr=0.5)(1000)
    0.5

    Source: book section 11.11.1.
    """

    arguments = ('base_lr',)

    def __init__(self, base_lr=0.1):
        self.base_lr = _number('base_lr', base_lr, at_least=0)

    def lr(self, t):
        return self.base_lr


class SquareRootScheduler(Scheduler):
    """Decay with the inverse square root of time.

    lr(t) = base_lr (t + 1)^(-1/2)

    >>> scheduler = SquareRootScheduler(base_lr=1.0)
    >>> [round(scheduler(t), 3) for t in (0, 3, 39)]
    [1.0, 0.5, 0.158]

    Source: book section 11.11.2; Robbins and Monro (1951) for the sums it obeys.
    """

    arguments = ('base_lr',)

    def __init__(self, base_lr=0.1):
        self.base_lr = _number('base_lr', base_lr, at_least=0)

    def lr(self, t):
        return self.base_lr * (t + 1.0) ** -0.5


class FactorScheduler(Scheduler):
    """Multiply by `factor` every `step`, down to a floor.

    lr(t) = max(stop_factor_lr, base_lr factor^floor(t / step)), at most base_lr

    The book's class multiplies before it answers: it starts at base_lr * factor.

    >>> scheduler = FactorScheduler(factor=0.9, stop_factor_lr=1e-2, base_lr=2.0)
    >>> [round(scheduler(t), 3) for t in (0, 1, 2, 100)]
    [2.0, 1.8, 1.62, 0.01]

    Source: book section 11.11.3.1.
    """

    arguments = 'factor', 'stop_factor_lr', 'base_lr', 'step'

    def __init__(self, factor=1, stop_factor_lr=1e-7, base_lr=0.1, step=1):
        self.factor = _number('factor', factor, above=0, at_most=1)
        self.stop_factor_lr = _number('stop_factor_lr', stop_factor_lr, at_least=0)
        self.base_lr = _number('base_lr', base_lr, at_least=0)
        self.step = _number('step', step, above=0)

    def lr(self, t):
        decayed = self.base_lr * float(self.factor) ** math.floor(t / self.step)
        return min(self.base_lr, max(self.stop_factor_lr, decayed))


class MultiFactorScheduler(Scheduler):
    """Multiply by `factor` at each of the times in `step`.

    lr(t) = base_lr factor^n with n the number of s in step with s <= t

    >>> scheduler = MultiFactorScheduler(step=[15, 30], factor=0.5, base_lr=0.5)
    >>> [scheduler(t) for t in (0, 14, 15, 30, 0)]
    [0.5, 0.5, 0.25, 0.125, 0.5]

    Source: book section 11.11.3.2.
    """

    arguments = 'step', 'factor', 'base_lr'

    def __init__(self, step, factor=1, base_lr=0.1):
        self.step = _increasing('step', step)
        self.factor = _number('factor', factor, above=0, at_most=1)
        self.base_lr = _number('base_lr', base_lr, at_least=0)

    def lr(self, t):
        return self.base_lr * self.factor ** sum(s <= t for s in self.step)


class PolyScheduler(Scheduler):
    """A power of the time that is left, then `final_lr`.

    lr(t) = final_lr + (base_lr - final_lr) (1 - t / T)^pwr for t < T = max_update

    >>> scheduler = PolyScheduler(max_update=40, base_lr=0.5, pwr=2, final_lr=0.1)
    >>> [round(scheduler(t), 3) for t in (0, 20, 40, 41)]
    [0.5, 0.2, 0.1, 0.1]

    Source: book section 11.11.5, exercise 2; MXNet's `PolyScheduler`.
    """

    arguments = 'max_update', 'base_lr', 'pwr', 'final_lr'

    def __init__(self, max_update, base_lr=0.1, pwr=2, final_lr=0):
        self.max_update = _number('max_update', max_update, above=0)
        self.base_lr = _number('base_lr', base_lr, at_least=0)
        self.pwr = _number('pwr', pwr, above=0)
        self.final_lr = _number('final_lr', final_lr, at_least=0)

    def lr(self, t):
        if t >= self.max_update:
            return self.final_lr
        return _mix(self.base_lr, self.final_lr, (1 - t / self.max_update) ** self.pwr)


class CosineScheduler(Scheduler):
    """Half a cosine from `base_lr` to `final_lr`, then flat.

    lr(t) = final_lr + (base_lr - final_lr) (1 + cos(pi t / T)) / 2 for t < T =
    max_update, then final_lr: PyTorch's `CosineAnnealingLR` rises again after T

    >>> scheduler = CosineScheduler(max_update=40, base_lr=0.5, final_lr=0.01)
    >>> [round(scheduler(t), 3) for t in (41, 0, 20, 40)]
    [0.01, 0.5, 0.255, 0.01]

    Source: book section 11.11.3.3; Loshchilov and Hutter (2017).
    """

    arguments = 'max_update', 'base_lr', 'final_lr'

    def __init__(self, max_update, base_lr=0.1, final_lr=0):
        self.max_update = _number('max_update', max_update, above=0)
        self.base_lr = _number('base_lr', base_lr, at_least=0)
        self.final_lr = _number('final_lr', final_lr, at_least=0)

    def lr(self, t):
        if t >= self.max_update:
            return self.final_lr
        height = (1 + math.cos(math.pi * t / self.max_update)) / 2
        return _mix(self.base_lr, self.final_lr, height)


class CyclicScheduler(Scheduler):
    """Up and down between `base_lr` and `max_lr`, `step_size` each way.

    lr(t) = base_lr + (max_lr - base_lr) gamma^k h(t / step_size), k full cycles after
    the start. 'triangular': h(x) = 1 - |1 - x mod 2|, from the bottom up. 'cosine':
    h(x) = (1 + cos(pi x)) / 2, from the top down. k grows at the bottom of each cycle.

    >>> scheduler = CyclicScheduler(base_lr=0.1, max_lr=0.5, step_size=4)
    >>> [round(scheduler(t), 3) for t in (0, 2, 4, 8)]
    [0.1, 0.3, 0.5, 0.1]

    Source: Smith (2017); PyTorch's `CosineAnnealingLR` for 'cosine'.
    """

    arguments = 'base_lr', 'max_lr', 'step_size', 'shape', 'gamma'

    def __init__(self, base_lr, max_lr, step_size, shape='triangular', gamma=1):
        self.base_lr = _number('base_lr', base_lr, at_least=0)
        self.max_lr = _number('max_lr', max_lr, at_least=self.base_lr)
        self.step_size = _number('step_size', step_size, above=0)
        self.shape = _choice('shape', shape, ('triangular', 'cosine'))
        self.gamma = _number('gamma', gamma, above=0, at_most=1)

    def lr(self, t):
        x = t / self.step_size
        if self.shape == 'triangular':
            cycle, height = x // 2, 1 - abs(1 - x % 2)
        else:
            cycle, height = (x + 1) // 2, (1 + math.cos(math.pi * (x % 2))) / 2
        return _mix(self.max_lr, self.base_lr, height * float(self.gamma) ** cycle)


class CosineRestartsScheduler(Scheduler):
    """Cosine decay that starts again, each time longer and lower (SGDR).

    lr(t) = final_lr + (base_lr - final_lr) decay^i (1 + cos(pi u / T_i)) / 2 with
    T_i = period multiplier^i the length of cycle i and u the time since it began

    >>> scheduler = CosineRestartsScheduler(period=10, base_lr=1.0, multiplier=2)
    >>> [round(scheduler(t), 3) for t in (0, 5, 10, 20, 30)]
    [1.0, 0.5, 1.0, 0.5, 1.0]

    Source: Loshchilov and Hutter, SGDR (2017); Keras' `m_mul` for `decay`.
    """

    arguments = 'period', 'base_lr', 'final_lr', 'multiplier', 'decay'

    def __init__(self, period, base_lr=0.1, final_lr=0, multiplier=1, decay=1):
        self.period = _number('period', period, above=0)
        self.base_lr = _number('base_lr', base_lr, at_least=0)
        self.final_lr = _number('final_lr', final_lr, at_least=0)
        self.multiplier = _number('multiplier', multiplier, at_least=1)
        self.decay = _number('decay', decay, above=0, at_most=1)

    def lr(self, t):
        x, multiplier = t / self.period, self.multiplier
        if multiplier == 1:
            cycle, x = x // 1, x % 1
        else:
            # the time in which the lengths grow: multiplier^i where cycle i begins
            grown = 1 + x * (multiplier - 1)
            cycle = math.log(grown) // math.log(multiplier)
            begin = multiplier**cycle
            if grown >= begin * multiplier:  # the logarithms were rounded
                cycle, begin = cycle + 1, begin * multiplier
            x = (grown / begin - 1) / (multiplier - 1)
        height = (1 + math.cos(math.pi * x)) / 2 * float(self.decay) ** cycle
        return _mix(self.base_lr, self.final_lr, height)


class PiecewiseLinearScheduler(Scheduler):
    """Straight lines through the given points, flat before the first and after the last.

    lr(t) = lr_i + (lr_j - lr_i) (t - t_i) / (t_j - t_i) between two neighbours (t_i,
    lr_i) and (t_j, lr_j) in points

    >>> scheduler = PiecewiseLinearScheduler([(0, 0.1), (5, 0.5), (25, 0.0)])
    >>> [round(scheduler(t), 3) for t in (0, 4, 5, 15, 40)]
    [0.1, 0.42, 0.5, 0.25, 0.0]

    Source: NumPy's `interp`, Ignite's `PiecewiseLinear`.
    """

    arguments = ('points',)

    def __init__(self, points):
        self.points = _points('points', points)

    @property
    def base_lr(self):
        return self.points[0][1]

    def lr(self, t):
        before, start = self.points[0]
        if t <= before:
            return start
        for after, end in self.points:
            if t < after:
                return _mix(end, start, (t - before) / (after - before))
            before, start = after, end
        return start


class LambdaScheduler(Scheduler):
    """Any function of time, times `base_lr`; ValueError for what is no function.

    lr(t) = base_lr function(t)

    >>> LambdaScheduler(lambda t: 0.95**t, base_lr=0.1)(2)
    0.09025

    Source: PyTorch's `LambdaLR`.
    """

    arguments = 'function', 'base_lr'

    def __init__(self, function, base_lr=0.1):
        if not callable(function):
            raise ValueError('function must be callable, got {!r}'.format(function))
        self.function = function
        self.base_lr = _number('base_lr', base_lr, at_least=0)

    def lr(self, t):
        return self.base_lr * self.function(t)

    def __repr__(self):
        name = getattr(self.function, '__name__', repr(self.function))
        return 'LambdaScheduler(function={}, base_lr={!r})'.format(name, self.base_lr)


class SequentialScheduler(Scheduler):
    """One scheduler after the other, each counting from 0 at its own boundary.

    lr(t) = schedulers[i](t - boundaries[i - 1]) with i the number of boundaries <= t

    >>> parts = [ConstantScheduler(0.5), CosineScheduler(10, 0.5)]
    >>> scheduler = SequentialScheduler(parts, boundaries=[30])
    >>> [scheduler(t) for t in (0, 30, 35, 40)]
    [0.5, 0.5, 0.25, 0]

    Raises ValueError unless there is one boundary fewer than schedulers.
    Source: PyTorch's `SequentialLR`, optax's `join_schedules`.
    """

    arguments = 'schedulers', 'boundaries'

    def __init__(self, schedulers, boundaries):
        self.schedulers = _several('schedulers', schedulers)
        for scheduler in self.schedulers:
            _scheduler('schedulers', scheduler)
        self.boundaries = _boundaries('boundaries', boundaries)
        if len(self.boundaries) != len(self.schedulers) - 1:
            raise ValueError(
                'boundaries must be one fewer than the {} schedulers, got {!r}'.format(
                    len(self.schedulers), self.boundaries
                )
            )

    @property
    def base_lr(self):
        return self.schedulers[0].base_lr

    def lr(self, t):
        i = sum(boundary <= t for boundary in self.boundaries)
        return self.schedulers[i].lr(t - self.boundaries[i - 1] if i else t)


class WarmupScheduler(Scheduler):
    """A ramp up to where `scheduler` starts, then `scheduler` from its beginning.

    lr(t) = b + (scheduler(0) - b) t / W for t < W ('linear'), or b ('constant'),
    with W = warmup_steps and b = warmup_begin_lr; then scheduler(t - W)

    >>> scheduler = WarmupScheduler(ConstantScheduler(0.5), warmup_steps=5)
    >>> [scheduler(t) for t in (0, 4, 5, 6)]
    [0.0, 0.4, 0.5, 0.5]

    Source: book section 11.11.3.4; Goyal et al. (2017); Gotmare et al. (2018).
    """

    arguments = 'scheduler', 'warmup_steps', 'warmup_begin_lr', 'warmup_mode'

    def __init__(
        self, scheduler, warmup_steps, warmup_begin_lr=0, warmup_mode='linear'
    ):
        self.scheduler = _scheduler('scheduler', scheduler)
        self.warmup_steps = _number('warmup_steps', warmup_steps, at_least=0)
        self.warmup_begin_lr = _number(
            'warmup_begin_lr', warmup_begin_lr, at_least=0, at_most=scheduler(0)
        )
        modes = 'linear', 'constant'
        self.warmup_mode = _choice('warmup_mode', warmup_mode, modes)

    @property
    def base_lr(self):
        return self.scheduler.base_lr

    def lr(self, t):
        if t >= self.warmup_steps:
            return self.scheduler.lr(t - self.warmup_steps)
        if self.warmup_mode == 'constant':
            return self.warmup_begin_lr
        peak = self.scheduler.lr(0)
        return _mix(peak, self.warmup_begin_lr, t / self.warmup_steps)


class PlateauScheduler(Scheduler):
    """Multiply by `factor` once a metric has stopped improving for `patience` epochs.

    Pure in the history of the metric: `at(metrics)` replays it. A value is better if
    it beats the best so far by more than threshold * |best| (`threshold_mode='rel'`)
    or threshold ('abs'); more than `patience` values in a row that are not bring a
    reduction, then `cooldown` values are ignored. A reduction by `eps` or less is left
    out. The first `warmup_steps` values are ignored too, while the rate goes in a line
    from `warmup_begin_lr` to `base_lr`. PyTorch's rule, but for its fault with negative
    metrics (worse counted as better). `keras_plateau` is Keras's.

    >>> scheduler = PlateauScheduler(base_lr=0.5, factor=0.1, patience=1)
    >>> [round(scheduler.at([1.0] * n), 3) for n in range(5)]
    [0.5, 0.5, 0.5, 0.05, 0.05]

    Source: book section 11.11.4 in words; PyTorch's `ReduceLROnPlateau`; timm's
    `PlateauLRScheduler` for the warmup.
    """

    arguments = (
        'base_lr',
        'factor',
        'patience',
        'threshold',
        'cooldown',
        'stop_factor_lr',
        'mode',
        'threshold_mode',
        'eps',
        'warmup_steps',
        'warmup_begin_lr',
    )
    eps = warmup_steps = warmup_begin_lr = 0

    def __init__(
        self,
        base_lr=0.1,
        factor=0.1,
        patience=10,
        threshold=1e-4,
        cooldown=0,
        stop_factor_lr=0,
        mode='min',
        threshold_mode='rel',
        eps=0,
        warmup_steps=0,
        warmup_begin_lr=0,
    ):
        self.base_lr = _number('base_lr', base_lr, at_least=0)
        self.factor = _number('factor', factor, above=0, at_most=1)
        self.patience = _number('patience', patience, at_least=0)
        self.threshold = _number('threshold', threshold, at_least=0)
        self.cooldown = _number('cooldown', cooldown, at_least=0)
        self.stop_factor_lr = _number('stop_factor_lr', stop_factor_lr, at_least=0)
        self.mode = _choice('mode', mode, ('min', 'max'))
        self.threshold_mode = _choice('threshold_mode', threshold_mode, ('rel', 'abs'))
        # at 0 they belong to the class: recorded runs know neither by repr nor hash
        for name, value in (
            ('eps', eps),
            ('warmup_steps', warmup_steps),
            ('warmup_begin_lr', warmup_begin_lr),
        ):
            number = _number(name, value, at_least=0)
            if number:
                setattr(self, name, number)

    def at(self, metrics):
        """Return the learning rate after the values in `metrics`, oldest first."""
        metrics = list(metrics)
        if len(metrics) < self.warmup_steps:
            height = len(metrics) / self.warmup_steps
            return _mix(self.base_lr, self.warmup_begin_lr, height)
        lr, best, bad, cooling = self.base_lr, _INFINITY, 0, 0
        margin = self.threshold
        for value in metrics[math.ceil(self.warmup_steps) :]:
            value = value if self.mode == 'min' else -value
            if self.threshold_mode == 'rel':
                # inf - inf would be nan; a nan itself is never better
                margin = self.threshold * abs(best) if best < _INFINITY else 0
            if value < best - margin:
                best, bad = value, 0
            else:
                bad += 1
            if cooling > 0:
                cooling, bad = cooling - 1, 0
            if bad > self.patience:
                lower = min(lr, max(self.stop_factor_lr, lr * self.factor))
                lr = lower if lr - lower > self.eps else lr
                cooling, bad = self.cooldown, 0
        return lr

    def lr(self, t):
        raise ValueError(
            'PlateauScheduler answers to a metric, not to time: use at(metrics)'
        )


def keras_plateau(
    base_lr=0.1,
    factor=0.1,
    patience=10,
    min_delta=1e-4,
    cooldown=0,
    min_lr=0,
    mode='min',
):
    """Keras's plateau rule, as a `PlateauScheduler`.

    Keras reduces at the value number `patience` that is not better, PyTorch at the
    one after it; and the value at which Keras's cooldown ends counts again. So
    either is one less in PyTorch, but 0 is as 1. `min_delta` is an absolute
    threshold.

    >>> scheduler = keras_plateau(base_lr=0.5, factor=0.1, patience=1)
    >>> [round(scheduler.at([1.0] * n), 3) for n in range(4)]
    [0.5, 0.5, 0.05, 0.005]

    Source: Keras's callback `ReduceLROnPlateau`.
    """
    patience = max(_number('patience', patience, at_least=0), 1) - 1
    cooldown = max(_number('cooldown', cooldown, at_least=0), 1) - 1
    return PlateauScheduler(
        base_lr, factor, patience, min_delta, cooldown, min_lr, mode, 'abs'
    )


def warmup_cosine(max_update, base_lr=0.1, warmup_steps=0, final_lr=0):
    """Linear warmup, then cosine, both within `max_update`.

    The book's `CosineScheduler(40, warmup_steps=5, base_lr=0.5, final_lr=0.01)`.

    >>> scheduler = warmup_cosine(40, 0.5, warmup_steps=5, final_lr=0.01)
    >>> [round(scheduler(t), 3) for t in (0, 5, 40)]
    [0.0, 0.5, 0.01]

    Source: book section 11.11.3.4.
    """
    decay_steps = _length('warmup_steps', warmup_steps, max_update)
    cosine = CosineScheduler(decay_steps, base_lr, final_lr)
    return WarmupScheduler(cosine, warmup_steps)


def one_cycle(max_update, max_lr, warmup_steps, begin_lr=0, final_lr=0):
    """One cosine up from `begin_lr` to `max_lr`, one down to `final_lr`.

    Up for t < warmup_steps, down until max_update, then final_lr.

    >>> scheduler = one_cycle(max_update=40, max_lr=0.5, warmup_steps=12)
    >>> [round(scheduler(t), 3) for t in (0, 6, 12, 26, 40)]
    [0.0, 0.25, 0.5, 0.25, 0]

    Source: Smith and Topin (2018); PyTorch's `OneCycleLR`.
    """
    down_steps = _length('warmup_steps', warmup_steps, max_update, above=0)
    max_lr = _number('max_lr', max_lr, at_least=0)
    begin_lr = _number('begin_lr', begin_lr, at_least=0, at_most=max_lr)
    final_lr = _number('final_lr', final_lr, at_least=0, at_most=max_lr)
    up = CosineScheduler(warmup_steps, begin_lr, max_lr)
    down = CosineScheduler(down_steps, max_lr, final_lr)
    return SequentialScheduler([up, down], [warmup_steps])


def warmup_stable_decay(
    max_update, base_lr, warmup_steps, decay_steps, final_lr=0, pwr=1
):
    """Linear warmup, a constant stretch, and decay over the last `decay_steps`.

    The decay is `PolyScheduler(decay_steps, base_lr, pwr, final_lr)`; the constant
    stretch is what is left of `max_update`.

    >>> scheduler = warmup_stable_decay(40, 0.5, warmup_steps=5, decay_steps=10)
    >>> [scheduler(t) for t in (0, 5, 30, 35, 40)]
    [0.0, 0.5, 0.5, 0.25, 0]

    Source: Hu et al., MiniCPM (2024).
    """
    stable_steps = _length('decay_steps', decay_steps, max_update, above=0)
    stable_steps -= _number(
        'warmup_steps', warmup_steps, at_least=0, at_most=stable_steps
    )
    decay = PolyScheduler(decay_steps, base_lr, pwr, final_lr)
    if stable_steps > 0:
        stable = ConstantScheduler(base_lr)
        decay = SequentialScheduler([stable, decay], [stable_steps])
    return WarmupScheduler(decay, warmup_steps)


def _mix(high, low, height):
    """Return `high` at height 1, `low` at height 0, exactly, and linear between."""
    return high * height + low * (1 - height)


def _number(name, value, at_least=None, above=None, at_most=None):
    """Return `value` as a plain number, or say which one would be right."""
    number = value
    if type(value) is not int and type(value) is not float:
        try:
            number = None if isinstance(value, (str, bytes)) else float(value)
        except (TypeError, ValueError):
            number = None
        if number is None:
            raise ValueError('{} must be a number, got {!r}'.format(name, value))
    right = -_INFINITY < number < _INFINITY
    wanted = ['finite']
    if at_least is not None:
        right, wanted[1:] = right and number >= at_least, ['>= {}'.format(at_least)]
    if above is not None:
        right, wanted[1:] = right and number > above, ['> {}'.format(above)]
    if at_most is not None:
        right = right and number <= at_most
        wanted.append('<= {}'.format(at_most))
    if not right:
        wanted = ' and '.join(wanted)
        raise ValueError('{} must be {}, got {!r}'.format(name, wanted, value))
    return number


def _several(name, values):
    try:
        return tuple(values)
    except TypeError:
        raise ValueError('{} must be a list, got {!r}'.format(name, values)) from None


def _increasing(name, values):
    """Return the numbers in order; one that stands twice stands for two changes."""
    numbers = [_number(name, value, at_least=0) for value in _several(name, values)]
    return tuple(sorted(numbers))


def _boundaries(name, values):
    numbers = tuple(_number(name, value, above=0) for value in _several(name, values))
    if any(a >= b for a, b in zip(numbers, numbers[1:])):
        raise ValueError('{} must increase, got {!r}'.format(name, numbers))
    return numbers


def _points(name, values):
    points = []
    for value in _several(name, values):
        pair = value if isinstance(value, (list, tuple)) else ()
        if len(pair) != 2:
            text = '{} must be pairs (t, lr), got {!r}'
            raise ValueError(text.format(name, value))
        points.append(tuple(_number(name, number, at_least=0) for number in pair))
    if not points:
        raise ValueError('{} must be one pair (t, lr) or more, got []'.format(name))
    if any(a[0] >= b[0] for a, b in zip(points, points[1:])):
        text = '{} must be in order, each at a time of its own, got {!r}'
        raise ValueError(text.format(name, points))
    return tuple(points)


def _choice(name, value, choices):
    if value not in choices:
        wanted = ' or '.join(repr(choice) for choice in choices)
        raise ValueError('{} must be {}, got {!r}'.format(name, wanted, value))
    return value


def _scheduler(name, value):
    if not isinstance(value, Scheduler) or isinstance(value, PlateauScheduler):
        hint = 'of time (wrap a function in LambdaScheduler), got {!r}'.format(value)
        raise ValueError('{} must be schedulers {}'.format(name, hint))
    return value


def _length(name, value, max_update, above=None):
    """Return what is left of `max_update` after a part of length `value`."""
    total = _number('max_update', max_update, above=0)
    part = _number(name, value, at_least=0, above=above)
    if part >= total:
        text = '{} must be below max_update = {!r}, got {!r}'
        raise ValueError(text.format(name, max_update, value))
    return total - part
