#!/bin/sh
# A plateau under PaddlePaddle's LinearWarmup follows the count of steps, not the losses.
#
# Guess: LinearWarmup(ReduceOnPlateau(...), ...) takes any scheduler, as its documentation
#   says, so after the warmup step(loss) decays where the loss has stopped falling, or
#   step() raises an error because a plateau must be told a metric.
# Behaviour: step(loss) sets the count to the loss, step() goes on, and both hand the
#   plateau that count as its metric. A count rises, which is never better, so with
#   step() the rate is halved every patience + 1 updates, however the training goes.
# Versions: paddlepaddle 3.3.1, Python 3.11, Linux x86_64.
# Source: paddle/optimizer/lr.py, LinearWarmup.get_lr: self.learning_rate.step(
#   self.last_epoch - self.warmup_steps); ReduceOnPlateau.step(metrics, epoch=None).
# Output seen: the two lines that are compared at the end.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q 'paddlepaddle==3.3.1' 'numpy==2.4.6'
"$folder/venv/bin/python" -W ignore - > "$folder/seen" <<'PY'
from paddle.optimizer.lr import LinearWarmup, ReduceOnPlateau

alone, rates = ReduceOnPlateau(1.0, factor=0.5, patience=1), []
for loss in [8, 7, 6, 5, 4, 3, 2, 1]:  # it falls all the time
    rates.append(alone())
    alone.step(loss)
print('alone', rates)

warm, rates = LinearWarmup(ReduceOnPlateau(1.0, factor=0.5, patience=1), 2, 0.0, 1.0), []
for _ in range(8):
    rates.append(warm())
    warm.step()
print('after a warmup', rates)
PY
cat "$folder/seen"
grep -qxF 'alone [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]' "$folder/seen"
grep -qxF 'after a warmup [0.0, 0.5, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]' "$folder/seen"
