"""A schedule as code for PyTorch, which sets the rate of an optimizer."""

import math

from d2l_ext.exchange.formula import (
    call,
    function,
    listed,
    plain,
    reaches_floor,
    rests,
    steps,
    stretches,
    whole,
)
from d2l_ext.families import TriangularScheduler
from d2l_ext.plan import Plan
from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    CyclicScheduler,
    FactorScheduler,
    LambdaScheduler,
    MultiFactorScheduler,
    PolyScheduler,
    SequentialScheduler,
    SquareRootScheduler,
)


def torch(plan: Plan) -> str:
    """Return code for PyTorch."""
    scheduler, per, n = plan.scheduler, plan.per, plan.length
    num_epochs, batches = plan.num_epochs, plan.batches_per_epoch
    text, base_lr = _torch_class(scheduler, n)
    if not text:
        text = function('def rate(t):', stretches(scheduler, n, rests, steps))
        text = f"""# No classes of PyTorch give these rates: the formula, times a base rate of 1
{text}


scheduler = lr_scheduler.LambdaLR(optimizer, rate)"""
        base_lr = 1.0
    else:
        text = f'scheduler = {text}'
    if 'lambda t: t /' in text:
        text = (
            '# LinearLR cannot start at 0: its start_factor must be above it\n' + text
        )
    first = 'import math\n\n' * ('math.' in text)
    after_batch = '\n        scheduler.step()' * (per == 'update')
    after_epoch = '\n    scheduler.step()' * (per == 'epoch')
    return f"""{first}import torch
from torch.optim import lr_scheduler

net = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(net.parameters(), lr={base_lr})
{text}

rates = []  # one for each update
for epoch in range({num_epochs}):
    for batch in range({batches}):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()  # after loss.backward(){after_batch}{after_epoch}"""


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
        return call_of('ConstantLR', f'factor={share(s.base_lr)}', f'total_iters={n}')
    if not length:
        return ''
    if isinstance(s, PolyScheduler) and s.pwr == 1 and s.base_lr > 0:
        factors = f'start_factor={share(s.base_lr)}', f'end_factor={share(s.final_lr)}'
        return call_of('LinearLR', *factors, f'total_iters={length}')
    if isinstance(s, PolyScheduler) and s.pwr == 1 and s.final_lr == base_lr:
        return call_of('LambdaLR', f'lambda t: t / {length}')
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
