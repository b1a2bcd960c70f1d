#!/bin/sh
# Building PyTorch's OneCycleLR for the second part of a SequentialLR changes the first.
#
# Guess: in SequentialLR([first, OneCycleLR(...)], milestones=[3]) the first three updates
#   have the rates that `first` gives alone: each part sets the rate in its own time.
# Behaviour: OneCycleLR writes max_lr / div_factor into the optimizer's 'initial_lr' when
#   it is built, and SequentialLR goes back to 'initial_lr' when it starts. The first part
#   then multiplies that rate, not the optimizer's: here 0.04 in place of 0.1. Another
#   second part (StepLR) leaves the first alone.
# Versions: torch 2.13.0, Python 3.11, Linux x86_64.
# Source: torch/optim/lr_scheduler.py, OneCycleLR.__init__ (group['initial_lr'] = ...) and
#   SequentialLR.__init__ (group['lr'] = group['initial_lr']).
# Output seen: the two lines that are compared at the end.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q 'torch==2.13.0' 'numpy==2.4.6'
"$folder/venv/bin/python" - > "$folder/seen" <<'PY'
import torch
from torch.optim import lr_scheduler

def rates(second):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    parts = [lr_scheduler.ConstantLR(optimizer, factor=1.0), second(optimizer)]
    scheduler, seen = lr_scheduler.SequentialLR(optimizer, parts, milestones=[3]), []
    for _ in range(3):
        seen.append(round(optimizer.param_groups[0]['lr'], 3))
        optimizer.step()
        scheduler.step()
    return seen

print('StepLR', rates(lambda o: lr_scheduler.StepLR(o, 100)))
print('OneCycleLR', rates(lambda o: lr_scheduler.OneCycleLR(o, max_lr=1.0, total_steps=10)))
PY
cat "$folder/seen"
grep -qxF 'StepLR [0.1, 0.1, 0.1]' "$folder/seen"
grep -qxF 'OneCycleLR [0.04, 0.04, 0.04]' "$folder/seen"
