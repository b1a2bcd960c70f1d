#!/bin/sh
# After a warmup PaddlePaddle's cosine with restarts misses its fifth restart.
#
# Guess: LinearWarmup(CosineAnnealingWarmRestarts(lr, T_0=1, T_mult=3), ...) gives, after
#   the warmup, the rates that the cosine gives alone: the full one at 0, 1, 4, 13, 40,
#   121, 364, where each cycle is three times as long as the one before.
# Behaviour: stepped alone it counts its cycles. A warmup steps it to an epoch, and then it
#   finds the cycle by int(log(..., T_mult)), which rounds 4.999999999999999 down: at
#   121, where the rate should come back to its peak, it is the lowest, for one epoch.
# Versions: paddlepaddle 3.3.1, Python 3.11, Linux x86_64.
# Source: paddle/optimizer/lr.py, CosineAnnealingWarmRestarts.step.
# Output seen: the two lines that are compared at the end.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q 'paddlepaddle==3.3.1' 'numpy==2.4.6'
"$folder/venv/bin/python" -W ignore - > "$folder/seen" <<'PY'
from paddle.optimizer.lr import CosineAnnealingWarmRestarts, LinearWarmup

def rates(scheduler, n):
    seen = []
    for _ in range(n):
        seen.append(round(scheduler(), 3))
        scheduler.step()
    return seen

def build():
    return CosineAnnealingWarmRestarts(1.0, T_0=1, T_mult=3)

alone, warm = rates(build(), 400), rates(LinearWarmup(build(), 2, 0.0, 1.0), 402)[2:]
for name, seen in ('alone', alone), ('after a warmup', warm):
    print(name, {t: seen[t] for t in (40, 120, 121, 122, 364)})
PY
cat "$folder/seen"
grep -qxF 'alone {40: 1.0, 120: 0.0, 121: 1.0, 122: 1.0, 364: 1.0}' "$folder/seen"
grep -qxF 'after a warmup {40: 1.0, 120: 0.0, 121: 0.0, 122: 1.0, 364: 1.0}' "$folder/seen"
