#!/bin/sh
# mmengine's CosineAnnealingLR with begin and end never comes to eta_min.
#
# Guess: CosineAnnealingLR(begin=0, end=10, eta_min=0) falls to 0 in ten epochs and stays
#   there, as its docstring's eta_min, "Minimum parameter value", and T_max = end - begin
#   suggest.
# Behaviour: a rule is active while begin <= epoch < end, so the step to eta_min, at the
#   epoch `end`, is not taken: it stays at the value of epoch 9, here 2.4 % of the peak, for
#   as long as the run goes on. With T_max=10 and no end it comes to 0 in epoch 10 and
#   rises again after it. T_max = end - 1 - begin beside end reaches it in time.
# Versions: mmengine 0.10.7, torch 2.13.0, Python 3.11, Linux x86_64.
# Source: mmengine/optim/scheduler/param_scheduler.py, _ParamScheduler.step and
#   CosineAnnealingParamScheduler.
# Output seen: the three lines that are compared at the end.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q 'torch==2.13.0' 'numpy==2.4.6' 'mmengine-lite==0.10.7' 'packaging==26.3'
"$folder/venv/bin/python" -W ignore - > "$folder/seen" <<'PY'
import torch
from mmengine.optim.scheduler import CosineAnnealingLR

def rates(**settings):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler, seen = CosineAnnealingLR(optimizer, eta_min=0.0, **settings), []
    for _ in range(13):
        seen.append(round(optimizer.param_groups[0]['lr'], 3))
        optimizer.step()
        scheduler.step()
    return seen[8:]

print('begin and end', rates(begin=0, end=10))
print('T_max', rates(T_max=10))
print('T_max and end', rates(T_max=9, end=10))
PY
cat "$folder/seen"
grep -qxF 'begin and end [0.095, 0.024, 0.024, 0.024, 0.024]' "$folder/seen"
grep -qxF 'T_max [0.095, 0.024, 0.0, 0.024, 0.095]' "$folder/seen"
grep -qxF 'T_max and end [0.03, 0.0, 0.0, 0.0, 0.0]' "$folder/seen"
