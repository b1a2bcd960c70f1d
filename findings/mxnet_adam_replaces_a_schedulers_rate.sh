#!/bin/sh
# MXNet's Adam replaces the rate of the scheduler it is given, and some schedulers obey.
#
# Guess: with an lr_scheduler and no learning_rate, the scheduler's base_lr is the rate.
# Behaviour: Adam passes its own default, learning_rate=0.001, on to Optimizer, which
#   writes it into the scheduler's base_lr and prints a line. FactorScheduler then starts
#   at 0.001 instead of 0.3. CosineScheduler, which keeps base_lr_orig beside it, does
#   not: two schedulers built alike run at rates that differ 300 times. SGD, whose
#   default is None, leaves both alone.
# Versions: mxnet 1.9.1, NumPy 1.23.5, Python 3.11, Linux x86_64.
# Source: mxnet/optimizer/optimizer.py, Optimizer.__init__ and Adam.__init__;
#   lr_scheduler.py, FactorScheduler and CosineScheduler.
# Output seen:
#   sgd FactorScheduler 0.3
#   sgd CosineScheduler 0.2999
#   adam FactorScheduler 0.001
#   adam CosineScheduler 0.2999
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --no-deps --target "$folder" \
    'mxnet==1.9.1' 'numpy==1.23.5' 'requests==2.32.3' 'urllib3==2.2.3' 'idna==3.10' \
    'certifi==2024.8.30' 'charset-normalizer==3.4.0' 'graphviz==0.8.4'
PYTHONPATH=$folder python3 - > "$folder/seen" 2> "$folder/errors" <<'PY'
from mxnet import lr_scheduler, optimizer

for name in ('sgd', 'adam'):
    for made in (lr_scheduler.FactorScheduler(step=100, factor=0.5, base_lr=0.3),
                 lr_scheduler.CosineScheduler(max_update=100, base_lr=0.3)):
        taken = optimizer.create(name, lr_scheduler=made)
        print(name, type(made).__name__, round(taken.lr_scheduler(1), 4))
PY
cat "$folder/seen"
grep -v '^learning rate from' "$folder/seen" | paste -sd, - | grep -qx \
    'sgd FactorScheduler 0.3,sgd CosineScheduler 0.2999,adam FactorScheduler 0.001,adam CosineScheduler 0.2999'
