"""A loop of PyTorch's round a scheduler: that of every library that sets its rates."""

import re

from d2l_ext.exchange.formula import function
from d2l_ext.exchange.stretches import rests, steps, stretches
from d2l_ext.plan import Plan


def by_formula(plan: Plan, note: str) -> tuple[str, float]:
    """Return code of a `LambdaLR` with the formula of a plan, and its base rate of 1."""
    # one count longer: what ends with the run comes to rest in its formula
    pieces = stretches(plan.scheduler, plan.length + 1, rests, steps)
    if re.search(r'multiplier=(?!1[,)])', repr(plan.scheduler)):
        note = f'# The cycles of {plan.length} {plan.per}s, and no more\n{note}'
    text = f"""

{note}, times a base rate of 1
{function('def rate(t):', pieces)}


scheduler = lr_scheduler.LambdaLR(optimizer, rate)"""
    return text, 1.0


def program(
    plan: Plan,
    text: str,
    base_lr: float,
    imported: str = 'from torch.optim import lr_scheduler',
    step: str = 'scheduler.step()',
) -> str:
    """Return a loop of PyTorch's with the rates of a scheduler that `text` builds."""
    first = 'import math\n\n' * ('math.' in text)
    after_batch = after_epoch = ''
    if plan.per == 'update':
        after_batch = f'\n        {step}'
    else:
        after_epoch = f'\n    {step}'
    return f"""{first}import torch
{imported}

net = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(net.parameters(), lr={base_lr})
{text}

rates = []  # one for each update
for epoch in range({plan.num_epochs}):
    for batch in range({plan.batches_per_epoch}):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()  # after loss.backward(){after_batch}{after_epoch}"""
