"""A schedule as code for PyTorch, which sets the rate of an optimizer."""

import math
from typing import Any

from d2l_ext.exchange import _transformers
from d2l_ext.exchange._functions import (
    Cycles,
    Power,
    RunningProduct,
    later,
    levels,
    number,
    powers,
)
from d2l_ext.exchange._torch_loop import by_formula, program
from d2l_ext.exchange.formula import call, listed
from d2l_ext.exchange.stretches import plain, reaches_floor, rests, stretches, whole
from d2l_ext.families import ProductScheduler, TriangularScheduler
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
    SquareRootScheduler,
)


def torch(plan: Plan) -> str:
    """Return code for PyTorch."""
    text, base_lr = _torch_class(plan.scheduler, plan.length)
    if not text:
        note = '# No classes of PyTorch give these rates: the formula'
        return program(plan, *by_formula(plan, note))
    text = f'scheduler = {text}'
    if 'lambda t: t /' in text or 'lambda t: min(' in text:
        note = '# LinearLR cannot start at 0: its start_factor must be above it\n'
        text = note + text
    return program(plan, _end(plan, text) + text, base_lr)


def _end(plan: Plan, text: str) -> str:
    """Return a comment where training on, past the planned end, is another schedule."""
    scheduler, n = plan.scheduler, plan.length
    start, last = stretches(scheduler, n, rests)[-1]
    if 'OneCycleLR' in text:
        return f'# OneCycleLR raises an error in {plan.per} {n} and after\n'
    if isinstance(last, CosineScheduler) and 'CosineAnnealingLR(' in text:
        end = whole(start + last.max_update)
        return f'# CosineAnnealingLR rises again after {plan.per} {end}\n'
    if isinstance(last, FactorScheduler) and last.stop_factor_lr > 0:
        floor = last.stop_factor_lr
        if last.factor ** (10 * n / last.step) * last.base_lr < floor:
            return f'# StepLR has no floor: training on, it goes below {floor}\n'
    return ''


def _torch_class(scheduler, n):
    """Return the call of PyTorch's class, '' if there is none, and the base rate."""
    if _is_one_cycle(scheduler, n):
        return _torch_one_cycle(*scheduler.schedulers)
    cycles = plain(scheduler)
    if isinstance(cycles, CosineRestartsScheduler):
        return _torch_piece(cycles, cycles.base_lr, n), cycles.base_lr
    pieces = stretches(scheduler, n, rests)
    base_lr = pieces[0][1].base_lr
    if len(pieces) == 1 and isinstance(pieces[0][1], TriangularScheduler):
        return _torch_triangular(pieces[0][1])
    if len(pieces) == 1 and isinstance(pieces[0][1], CyclicScheduler):
        return _torch_cyclic(pieces[0][1])
    if len(pieces) > 1 or getattr(pieces[0][1], 'pwr', 0) == 1:
        base_lr = max(max(s.base_lr, getattr(s, 'final_lr', 0)) for _, s in pieces)
    calls = [base_lr > 0 and _torch_piece(s, base_lr, n) for _, s in pieces]
    milestones = [whole(start) for start, _ in pieces[1:]]
    if not all(calls) or None in milestones:
        return '', 1.0
    if not milestones:
        return calls[0], base_lr
    arguments = ['optimizer', listed(calls), f'milestones={milestones}']
    return call('lr_scheduler.SequentialLR', *arguments), base_lr


def _torch_piece(s, base_lr, n):
    """Return the call of PyTorch's class for what begins at 0, '' if there is none."""

    def call_of(name, *arguments):
        return call(f'lr_scheduler.{name}', 'optimizer', *arguments)

    def share(lr):
        return '1.0' if lr == base_lr else f'{lr} / {base_lr}' if lr else '0.0'

    length = whole(getattr(s, 'max_update', 1))
    if isinstance(s, ConstantScheduler):
        if s.base_lr == base_lr:
            return call_of('ConstantLR', 'factor=1.0')
        return call_of(
            'ConstantLR', f'factor={share(s.base_lr)}', "total_iters=float('inf')"
        )
    if not length:
        return ''
    if isinstance(s, PolyScheduler) and s.pwr == 1 and s.base_lr > 0:
        factors = f'start_factor={share(s.base_lr)}', f'end_factor={share(s.final_lr)}'
        return call_of('LinearLR', *factors, f'total_iters={length}')
    if isinstance(s, PolyScheduler) and s.pwr == 1 and s.final_lr == base_lr:
        share_of = f't / {length}' if length < n else f'min(t / {length}, 1.0)'
        return call_of('LambdaLR', f'lambda t: {share_of}')
    if s.base_lr != base_lr:
        return ''
    if isinstance(s, PolyScheduler) and s.final_lr == 0:
        return call_of('PolynomialLR', f'total_iters={length}', f'power={s.pwr}')
    if isinstance(s, CosineScheduler):
        low = [f'eta_min={s.final_lr}'] * (s.final_lr != 0)
        return call_of('CosineAnnealingLR', f'T_max={length}', *low)
    if isinstance(s, CosineRestartsScheduler) and s.decay == 1:
        lengths = whole(s.period), whole(s.multiplier)
        more = [f'T_mult={lengths[1]}'] * (s.multiplier > 1)
        more += [f'eta_min={s.final_lr}'] * (s.final_lr != 0)
        name = 'CosineAnnealingWarmRestarts'
        return call_of(name, f'T_0={lengths[0]}', *more) if all(lengths) else ''
    if isinstance(s, MultiFactorScheduler):
        times = [math.ceil(time) for time in s.step]
        return call_of('MultiStepLR', f'milestones={times}', f'gamma={s.factor}')
    if isinstance(s, FactorScheduler) and whole(s.step) and not reaches_floor(s, n):
        return call_of('StepLR', f'step_size={whole(s.step)}', f'gamma={s.factor}')
    if isinstance(s, SquareRootScheduler):
        return call_of('LambdaLR', 'lambda t: (t + 1) ** -0.5')
    if isinstance(s, LambdaScheduler):
        return call_of('LambdaLR', s.function.__name__)
    return ''


def _torch_cyclic(s):
    if s.shape == 'cosine':
        if s.gamma < 1 or not whole(s.step_size):
            return '', 1.0
        low = f'T_max={whole(s.step_size)}', f'eta_min={s.base_lr}'
        return call('lr_scheduler.CosineAnnealingLR', 'optimizer', *low), s.max_lr
    rates = 'optimizer', f'base_lr={s.base_lr}', f'max_lr={s.max_lr}'
    gamma = []
    if s.gamma < 1:
        gamma = [f'scale_fn=lambda cycle: {s.gamma} ** (cycle - 1)']
        gamma += ["scale_mode='cycle'"]
    more = f'step_size_up={s.step_size}', *gamma, 'cycle_momentum=False'
    return call('lr_scheduler.CyclicLR', *rates, *more), s.base_lr


def _torch_triangular(s):
    arguments = ['optimizer', f'base_lr={s.base_lr}', f'max_lr={s.max_lr}']
    arguments += [f'step_size_up={s.up_steps}', f'step_size_down={s.down_steps}']
    if s.gamma < 1 and s.gamma_per == 'update':
        arguments += ["mode='exp_range'", f'gamma={s.gamma}']
    elif s.gamma < 1:
        arguments += [f'scale_fn=lambda cycle: {s.gamma} ** (cycle - 1)']
        arguments += ["scale_mode='cycle'"]
    return call('lr_scheduler.CyclicLR', *arguments, 'cycle_momentum=False'), s.base_lr


def _is_one_cycle(scheduler, n):
    if not isinstance(scheduler, SequentialScheduler) or len(scheduler.schedulers) != 2:
        return False
    up, down = scheduler.schedulers
    if not isinstance(up, CosineScheduler) or not isinstance(down, CosineScheduler):
        return False
    return (
        up.final_lr == down.base_lr >= up.base_lr
        and (up.max_update,) == scheduler.boundaries
        and whole(up.max_update)
        and whole(down.max_update)
        and up.base_lr > 0
        and n <= up.max_update + down.max_update + 1  # it raises an error after that
    )


def _torch_one_cycle(up, down):
    total = whole(up.max_update + down.max_update) + 1
    last = f'{up.base_lr} / {down.final_lr}' if down.final_lr else "float('inf')"
    arguments = [
        'optimizer',
        f'max_lr={down.base_lr}',
        f'total_steps={total}',
        f'pct_start={whole(up.max_update) + 1} / {total}',
        f'div_factor={down.base_lr} / {up.base_lr}',
        f'final_div_factor={last}',
        'cycle_momentum=False',
    ]
    return call('lr_scheduler.OneCycleLR', *arguments), up.base_lr


def read(obj: Any, base_lr: float | None = None) -> tuple[list[Scheduler], str | None]:
    """Return the scheduler of each parameter group, and no unit: PyTorch knows none.

    What transformers' `get_scheduler` returned counts updates.

    Raises ValueError for a class that is not PyTorch's own, for what has no rate before
    the run (SWALR), for chains whose parts overwrite each other, and where the rate that
    the object gave last is not the one that its attributes say.

    Source: `torch.optim.lr_scheduler`, PyTorch 2.13.
    """
    if not hasattr(obj, 'optimizer'):
        raise ValueError(
            f'{type(obj).__name__} cannot be read: give the scheduler that was built '
            'on the optimizer'
        )
    groups = range(len(obj.optimizer.param_groups))
    schedulers = [_read(obj, group, base_lr) for group in groups]
    for group, scheduler in enumerate(schedulers):
        _agrees(obj, group, scheduler)
    functions = getattr(obj, 'lr_lambdas', [None])
    of_updates = all(_transformers.known(function) for function in functions)
    return schedulers, 'update' if of_updates else None


def _agrees(obj: Any, group: int, scheduler: Scheduler) -> None:
    """Raise ValueError unless the scheduler says what the object said last."""
    if isinstance(scheduler, PlateauScheduler):
        return
    counter = obj
    while not hasattr(counter, 'last_epoch'):  # a chain does not count
        counter = counter._schedulers[0]
    steps = counter.last_epoch
    said, read = number(obj._last_lr[group]), scheduler(max(steps, 0))
    if not math.isclose(said, read, rel_tol=1e-5, abs_tol=1e-12):
        raise ValueError(
            f'{type(obj).__name__} set the rate {said:.6g} after {steps} steps, by its '
            f'attributes it would be {read:.6g}: something else sets the rate of this '
            'optimizer too; read a new scheduler on a new optimizer, or join them in one'
        )


def _read(
    obj: Any, group: int, base_lr: float | None = None, lr: float | None = None
) -> Scheduler:
    name = type(obj).__name__
    reader = _READ.get(name)
    if reader is None or not type(obj).__module__.startswith('torch.'):
        remedy = 'give its rate as a function of t'
        if name == 'SWALR':
            remedy = (
                'it begins at the rate that another schedule has come to; ' + remedy
            )
        raise ValueError(f'{name} is not one that can be read: {remedy}')
    if name == 'ReduceLROnPlateau':
        return _read_plateau(obj, group, base_lr)
    if name in ('SequentialLR', 'ChainedScheduler'):
        return reader(obj, group)
    if name == 'OneCycleLR':
        return reader(obj, group)
    if lr is None:
        lr = number(obj.base_lrs[group])
    if name in ('LambdaLR', 'MultiplicativeLR', 'CyclicLR'):
        return reader(obj, lr, group)
    return reader(obj, lr)


def _read_lambda(obj: Any, lr: float, group: int) -> Scheduler:
    function = obj.lr_lambdas[group]
    return _transformers.scheduler(function, lr) or LambdaScheduler(function, lr)


def _read_multiplicative(obj: Any, lr: float, group: int) -> Scheduler:
    return LambdaScheduler(RunningProduct(obj.lr_lambdas[group]), lr)


def _read_multi_step(obj: Any, lr: float) -> Scheduler:
    # a time that is not whole is never met
    times = sorted(t for t in obj.milestones if t >= 0 and t == int(t))
    counts = [obj.milestones[t] for t in times]
    if times and times[0] == 0:
        lr, times, counts = lr * obj.gamma ** counts[0], times[1:], counts[1:]
    if all(count == 1 for count in counts) and obj.gamma <= 1:
        return MultiFactorScheduler(times, obj.gamma, lr)
    passed = [sum(counts[:i]) for i in range(len(counts) + 1)]
    return levels(times, [lr * obj.gamma**count for count in passed])


def _read_constant(obj: Any, lr: float) -> Scheduler:
    if obj.total_iters <= 0 or obj.factor == 1 or obj.total_iters == math.inf:
        return ConstantScheduler(lr * obj.factor)
    if obj.factor == 0:  # it divides by 0 when it is over
        return ConstantScheduler(0)
    return levels([math.ceil(obj.total_iters)], [lr * obj.factor, lr])


def _read_linear(obj: Any, lr: float) -> Scheduler:
    start, end = lr * obj.start_factor, lr * obj.end_factor
    if obj.total_iters <= 0:
        return ConstantScheduler(start)
    return PolyScheduler(obj.total_iters, start, 1, end)


def _read_polynomial(obj: Any, lr: float) -> Scheduler:
    if obj.total_iters <= 0 or obj.power == 0:
        return ConstantScheduler(lr)
    return PolyScheduler(obj.total_iters, lr, obj.power, 0)


def _read_cosine(obj: Any, lr: float) -> Scheduler:
    low, length = number(obj.eta_min), obj.T_max
    if low <= lr:
        return CyclicScheduler(low, lr, length, 'cosine')
    rise = CosineScheduler(length, lr, low)  # and then from its top down and up
    fall = CyclicScheduler(lr, low, length, 'cosine')
    return SequentialScheduler([rise, fall], [length])


def _read_cyclic(obj: Any, lr: float, group: int) -> Scheduler:
    halves = obj.total_size, obj.step_ratio
    how = obj.mode, obj.gamma, obj._scale_fn_custom, obj.scale_mode
    return cyclic(lr, number(obj.max_lrs[group]), *halves, *how)


def cyclic(
    lr: float,
    top: float,
    size: float,
    ratio: float,
    mode: str,
    gamma: float,
    scale: Any,
    scale_mode: str,
) -> Scheduler:
    """Return cycles from lr to top and back, by the attributes of a `CyclicLR`.

    `size`: of a cycle, of which `ratio` goes up. `scale`: a function that the reader
    gave, for which the `mode` stands else.
    """
    up = size * ratio
    down = size - up
    # a product and a quotient may have cost the last digit of a whole number
    up, down = (round(x) if abs(x - round(x)) < 1e-9 else x for x in (up, down))
    per_cycle = scale_mode == 'cycle'
    if scale is None:
        factor = 0.5 if mode == 'triangular2' else 1
        by_update = mode == 'exp_range'
        if by_update and 0 < gamma <= 1 and lr <= top:
            return TriangularScheduler(lr, top, up, down, gamma, 'update')
        if not by_update and lr <= top:
            if up == down:
                return CyclicScheduler(lr, top, up, 'triangular', factor)
            return TriangularScheduler(lr, top, up, down, factor)
        scale = Power(gamma, 0) if by_update else Power(factor)
    return LambdaScheduler(Cycles(lr, top, up, down, scale, per_cycle), 1.0)


def _read_one_cycle(obj: Any, group: int) -> Scheduler:
    rates = obj.optimizer.param_groups[group]
    phases = [
        (
            phase['end_step'],
            number(rates[phase['start_lr']]),
            number(rates[phase['end_lr']]),
        )
        for phase in obj._schedule_phases
    ]
    return one_cycle_of(phases, obj._anneal_func_type == 'linear', obj.total_steps)


def one_cycle_of(
    phases: list[tuple[float, float, float]], linear: bool, total: int
) -> Scheduler:
    """Return the phases (end, first rate, last rate) of a `OneCycleLR` in a row."""
    kind: Any = PolyScheduler if linear else CosineScheduler
    parts: list[Scheduler] = []
    times: list[float] = []
    begin: float = 0
    answered: float = 0  # up to here by the phases so far
    for end, start_lr, end_lr in phases:
        if end == begin or end == 0:
            raise ValueError(
                f'total_steps and the share of a phase of OneCycleLR leave no step for '
                f'it, which divides by zero there: total_steps={total}'
            )
        if end > answered:
            power = (1,) if linear else ()
            part = kind(end - begin, start_lr, *power, end_lr)
            parts.append(later(part, answered - begin))
            times.append(answered)
            answered = end
        begin = end
    return SequentialScheduler(parts, times[1:]) if parts[1:] else parts[0]


def _read_plateau(obj: Any, group: int, base_lr: float | None) -> Scheduler:
    rates = obj.optimizer.param_groups[group]
    if base_lr is None:
        base_lr = rates.get('initial_lr')
        if obj.last_epoch == 0:
            base_lr = rates['lr']
        if base_lr is None:
            raise ValueError(
                'base_lr must be given, the rate that it began with: this '
                f'ReduceLROnPlateau was stepped {obj.last_epoch} times and keeps none'
            )
    return PlateauScheduler(
        base_lr=number(base_lr),
        factor=obj.factor,
        patience=obj.patience,
        threshold=obj.threshold,
        cooldown=obj.cooldown,
        stop_factor_lr=number(obj.min_lrs[group]),
        mode=obj.mode,
        threshold_mode=obj.threshold_mode,
        eps=obj.eps,
    )


def _read_sequential(obj: Any, group: int) -> Scheduler:
    parts = obj._schedulers
    for i, part in enumerate(parts):
        name = type(part).__name__
        if name == 'SequentialLR' or (
            i and name in ('ChainedScheduler', 'MultiplicativeLR')
        ):
            raise ValueError(
                f'{name} is part {i} of a SequentialLR, where PyTorch cannot begin it '
                'at its milestone: put its parts into one SequentialLR'
            )
    if any(time != int(time) for time in obj._milestones):
        raise ValueError(
            f'milestones must be whole numbers, or PyTorch never begins the part that '
            f'follows, got {obj._milestones!r}'
        )
    schedulers = [_read(part, group) for part in parts]
    if type(parts[0]).__name__ in _MULTIPLY:
        # it begins at what the last one of them has left as the first rate
        lr = number(obj.optimizer.param_groups[group]['initial_lr'])
        schedulers[0] = _read(parts[0], group, lr=lr)
    if len(schedulers) == 1:
        return schedulers[0]
    return SequentialScheduler(schedulers, obj._milestones)


# what multiplies the rate it meets, so that the order does not matter
_MULTIPLY = {
    'MultiplicativeLR',
    'StepLR',
    'MultiStepLR',
    'ConstantLR',
    'LinearLR',
    'ExponentialLR',
    'PolynomialLR',
}


def _read_chained(obj: Any, group: int) -> Scheduler:
    parts = obj._schedulers
    if len(parts) == 1:
        return _read(parts[0], group)
    for i, part in enumerate(parts):
        name = type(part).__name__
        if name not in _MULTIPLY:
            raise ValueError(
                f'{name} is part {i} of a ChainedScheduler, where it does not multiply '
                'the rate but sets it, and what the others did is lost: chain only '
                + ', '.join(sorted(_MULTIPLY))
            )
    first = _read(parts[0], group, lr=number(parts[0].base_lrs[group]))
    return ProductScheduler([first, *(_read(p, group, lr=1.0) for p in parts[1:])])


def _read_step(obj: Any, lr: float) -> Scheduler:
    return powers(obj.gamma, lr, obj.step_size)


def _read_exponential(obj: Any, lr: float) -> Scheduler:
    return powers(obj.gamma, lr, 1)


def _read_restarts(obj: Any, lr: float) -> Scheduler:
    return CosineRestartsScheduler(obj.T_0, lr, number(obj.eta_min), obj.T_mult)


_READ: dict[str, Any] = {
    'LambdaLR': _read_lambda,
    'MultiplicativeLR': _read_multiplicative,
    'StepLR': _read_step,
    'MultiStepLR': _read_multi_step,
    'ConstantLR': _read_constant,
    'LinearLR': _read_linear,
    'ExponentialLR': _read_exponential,
    'PolynomialLR': _read_polynomial,
    'CosineAnnealingLR': _read_cosine,
    'CosineAnnealingWarmRestarts': _read_restarts,
    'CyclicLR': _read_cyclic,
    'OneCycleLR': _read_one_cycle,
    'ReduceLROnPlateau': _read_plateau,
    'SequentialLR': _read_sequential,
    'ChainedScheduler': _read_chained,
}
