"""What notebook 13 says of PyTorch and of Keras, against PyTorch and Keras."""

import importlib.util
import json
import os
import pathlib
import random
import subprocess
import sys

import nbformat
import pytest

from d2l_ext.notebook import Recorded
from d2l_ext.schedulers import keras_plateau

FOLDER = pathlib.Path(__file__).parents[2] / 'notebooks'
NOTEBOOK = nbformat.read(FOLDER / '13_pytorch_schedulers.ipynb', as_version=4)
needs_torch = pytest.mark.skipif(
    not importlib.util.find_spec('torch'), reason='needs PyTorch'
)

RUN = """
import json, sys
{first}
from d2l_ext.notebook import answers
names = answers.run(answers.NOTEBOOKS / '13_pytorch_schedulers.ipynb')
moved = [names['decay']('StepLR', 0.4, 0.6, 7)]
moved += [names['composed'](name, 0.4, 7, 0.9) for name in names['makes']]
print(*['|'.join([panel.note, *panel.lines]) for panel in moved], sep=' // ')
print(json.dumps([names['pytorch'].answers, bool(sys.modules.get('torch'))]))
"""


def run(first=''):
    """Run the notebook: what it prints, words of a moved explorer, answers, torch?"""
    done = subprocess.run(
        [sys.executable, '-c', RUN.format(first=first)],
        capture_output=True,
        text=True,
        check=True,
    )
    *printed, moved, answers = done.stdout.splitlines()
    return printed, moved, *json.loads(answers)


def stored_lines():
    outputs = [out for cell in NOTEBOOK.cells for out in cell.get('outputs', [])]
    return ''.join(out.get('text', '') for out in outputs).splitlines()


@needs_torch
def test_the_recorded_answers_are_pytorchs():
    printed, moved, answers, loaded = run()
    assert loaded
    assert printed == stored_lines()
    for panel in moved.split(' // '):
        assert panel.endswith("Largest difference: 0.000000000000.|ours|PyTorch's")
    recorded = Recorded('torch')
    _, recorded = json.loads(recorded.path.read_text())
    del answers["applied('StepLR', 0.4, step_size=7, gamma=0.6)"]
    for make in 'warm_then_decay', 'warm_and_decay':
        del answers[f'applied({make}, 0.4, warmup=7, gamma=0.9)']
    assert answers.keys() == recorded.keys()
    for call, answer in answers.items():
        assert flat(answer) == pytest.approx(flat(recorded[call]), rel=1e-9), call


def flat(answer):
    """Return the numbers in an answer in a row, and the words as they are."""
    if isinstance(answer, list):
        return [number for item in answer for number in flat(item)]
    return [answer] if isinstance(answer, (int, float)) else [hash(answer)]


WITHOUT = "import sys\nsys.modules['torch'] = None\n"


def test_without_pytorch_it_reads_on_from_the_recorded_answers():
    printed, moved, _, loaded = run(WITHOUT)
    assert not loaded
    assert printed == stored_lines()
    said = "Largest difference: 0.000000000000. (PyTorch's by its formula.)"
    for panel in moved.split(' // '):
        assert panel.endswith(f"{said}|ours|PyTorch's")


def test_without_pytorch_its_line_is_there_wherever_a_slider_stands():
    walk = """
import numpy as np
from tests.notebooks.test_walk import EXPLORERS, explorer, random_value
rng, looked = np.random.default_rng(0), 0
for name in EXPLORERS:
    if not name.startswith('13'):
        continue
    shown = explorer(*EXPLORERS[name])
    if shown.function.__name__ not in {'lambda_lr', 'decay', 'cosine', 'ramp', 'cycle',
                                       'composed'}:
        continue
    for _ in range(40):
        values = {n: random_value(c, rng) for n, c in shown.controls.items()}
        panel = shown.function(**values)
        assert "PyTorch's" in panel.lines, values
        assert 'Largest difference: 0.0000000000' in panel.note, (values, panel.note)
        looked += 1
print(looked)
"""
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT + walk],
        capture_output=True,
        text=True,
        check=False,
        cwd=FOLDER.parent,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == '240'


def test_the_thirty_lines_that_codecademy_prints():
    rates = ['0.10000'] * 9 + ['0.09000'] * 10 + ['0.08100'] * 10 + ['0.07290']
    lines = [f'Epoch {i + 1}: Learning Rate = {rate}' for i, rate in enumerate(rates)]
    at = stored_lines().index(lines[0])
    assert stored_lines()[at : at + 30] == lines


@needs_torch
def test_one_group_refuses_two_functions():
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    with pytest.raises(ValueError, match='Expected 1 lr_lambdas, but got 2'):
        torch.optim.lr_scheduler.LambdaLR(optimizer, [lambda t: t // 30, lambda t: 1])


def test_recorded_asks_once_and_looks_up_where_it_cannot(tmp_path):
    def powers(number, times=1, name=None):
        asked.append(number)
        return [number**n for n in range(times)], None

    asked, path = [], tmp_path / 'answers.json'
    live = Recorded('numpy', path)
    for times in 2, 3, 3:
        assert live(powers)(0.1, times=times)[0] == [1, 0.1, 0.1**2][:times]
    live(powers)(3, name=flat)
    assert asked == [0.1, 0.1, 3]
    live.save()

    absent = Recorded('not_installed', path)
    assert absent.module is None
    assert absent.version == live.version
    assert 'as recorded' in repr(absent)
    assert absent(powers)(0.1, times=3) == [[1, 0.1, 0.1**2], None]
    assert absent(powers)(3, name=flat) == [[1], None]
    assert absent(powers)(0.1, times=4) is None
    assert len(asked) == 3


KERAS = """
import json, sys, types
import keras

for case in json.load(sys.stdin):
    metrics, base_lr = case.pop('metrics'), case.pop('base_lr')
    rule = keras.callbacks.ReduceLROnPlateau('loss', **case)
    rule.set_model(types.SimpleNamespace(optimizer=keras.optimizers.SGD(base_lr)))
    rule.on_train_begin()
    lrs = []
    for epoch, metric in enumerate(metrics):
        rule.on_epoch_end(epoch, {'loss': metric})
        lrs.append(float(rule.model.optimizer.learning_rate))
    print(json.dumps(lrs))
"""


@pytest.mark.skipif(not importlib.util.find_spec('keras'), reason='needs Keras')
def test_keras_plateau_is_keras():
    rng = random.Random(0)
    cases = [
        {
            'metrics': [rng.randint(-40, 80) / 8 for _ in range(rng.randint(1, 40))],
            'base_lr': 1.0,
            'factor': rng.choice([0.5, 0.9]),
            'patience': rng.randint(0, 4),
            'min_delta': rng.choice([0, 0.125, 1.0]),  # exact in float32, as Keras has
            'cooldown': rng.randint(0, 4),
            'min_lr': rng.choice([0, 0.25]),
            'mode': rng.choice(['min', 'max']),
        }
        for _ in range(300)
    ]
    run = subprocess.run(
        [sys.executable, '-c', KERAS],
        input=json.dumps(cases),
        env={**os.environ, 'KERAS_BACKEND': 'torch'},
        capture_output=True,
        text=True,
        check=True,
    )
    reductions = 0
    for case, line in zip(cases, run.stdout.splitlines(), strict=True):
        metrics, lrs = case.pop('metrics'), json.loads(line)
        rule = keras_plateau(**case)
        ours = [rule.at(metrics[: n + 1]) for n in range(len(metrics))]
        assert ours == pytest.approx(lrs, rel=1e-6), (case, metrics)
        reductions += len({*lrs}) - 1
    assert reductions > 300
