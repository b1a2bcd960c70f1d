#!/bin/sh
# Ignite's wrapper of a PyTorch scheduler gives the first rate twice, then for good.
#
# Guess: ignite.handlers.LRScheduler(scheduler), attached to ITERATION_STARTED, gives the
#   rates that the scheduler itself gives when it is stepped after each iteration.
# Behaviour: the wrapper sets last_epoch back and asks get_lr() for time 0 again. Classes
#   that compute a rate from the rate before (ExponentialLR, MultiStepLR, ...) then
#   multiply their first factor in a second time, and every later rate carries it.
#   Classes with a closed form that get_lr() uses (LambdaLR) are right.
# Versions: pytorch-ignite 0.5.5, torch 2.13.0, Python 3.11, Linux x86_64.
# Source: ignite/handlers/param_scheduler.py, LRScheduler.get_param;
#   torch/optim/lr_scheduler.py, ExponentialLR.get_lr.
# Output seen: the two lines that are compared at the end.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q 'torch==2.13.0' 'numpy==2.4.6' 'pytorch-ignite==0.5.5'
"$folder/venv/bin/python" - > "$folder/seen" <<'PY'
import torch
from torch.optim import lr_scheduler
from ignite.engine import Engine, Events
from ignite.handlers import LRScheduler

def rates(build, wrapped):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler, seen = build(optimizer), []
    engine = Engine(lambda engine, batch: seen.append(optimizer.param_groups[0]['lr']))
    if wrapped:
        engine.add_event_handler(Events.ITERATION_STARTED, LRScheduler(scheduler))
    else:
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda _: (optimizer.step(), scheduler.step()))
    engine.run(range(4))
    return [round(lr, 3) for lr in seen]

for name, build in [('ExponentialLR', lambda o: lr_scheduler.ExponentialLR(o, 0.5)),
                    ('LambdaLR', lambda o: lr_scheduler.LambdaLR(o, lambda t: 0.5**t))]:
    print(name, rates(build, False), rates(build, True))
PY
cat "$folder/seen"
grep -qxF 'ExponentialLR [1.0, 0.5, 0.25, 0.125] [0.5, 0.25, 0.125, 0.062]' "$folder/seen"
grep -qxF 'LambdaLR [1.0, 0.5, 0.25, 0.125] [1.0, 0.5, 0.25, 0.125]' "$folder/seen"
