#!/bin/sh
# DeepSpeed's WarmupLR, stepped after each update, gives its first rate twice.
#
# Guess: built on an optimizer and stepped after each optimizer.step(), as DeepSpeed's
#   engine does it, WarmupLR(warmup_num_steps=4) gives the updates the rates of a linear
#   warmup counted from 0, as PyTorch's LambdaLR with t / 4 does: 0, 0.1, 0.2, 0.3, 0.4.
# Behaviour: the constructor sets the rate for the count -1, which is the minimum, and the
#   first step() that of the count 0, which is the minimum again. With a minimum of 0 two
#   updates learn nothing, and the peak comes an update late. So it is with
#   WarmupDecayLR and WarmupCosineLR.
# Versions: deepspeed 0.19.8, torch 2.13.0, Python 3.11, Linux x86_64.
# Source: deepspeed/runtime/lr_schedules.py, WarmupLR.__init__, get_lr and step.
# Output seen: the two lines that are compared at the end.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip="$folder/venv/bin/python -m pip install -q"
$pip 'torch==2.13.0' 'numpy==2.4.6' 'setuptools==80.9.0' wheel
DS_BUILD_OPS=0 $pip --no-build-isolation 'deepspeed==0.19.8'
"$folder/venv/bin/python" -W ignore - > "$folder/seen" 2> "$folder/log" <<'PY'
import torch
from deepspeed.runtime.lr_schedules import WarmupLR

def rates(build):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    scheduler, seen = build(optimizer), []
    for _ in range(7):
        seen.append(round(optimizer.param_groups[0]['lr'], 3))
        optimizer.step()
        scheduler.step()
    return seen

print('WarmupLR', rates(lambda o: WarmupLR(o, 0.0, 0.4, 4, 'linear')))
print('LambdaLR', rates(lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda t: min(t / 4, 1))))
PY
cat "$folder/seen"
grep -qxF 'WarmupLR [0.0, 0.0, 0.1, 0.2, 0.3, 0.4, 0.4]' "$folder/seen"
grep -qxF 'LambdaLR [0.0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4]' "$folder/seen"
