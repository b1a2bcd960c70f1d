"""The page's LeNet is ours: its draws, an update, and what is told of a run."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from d2l_ext.data import load_fashion_mnist
from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training.recipe import Recipe
from tests.site.built import ROOT, parts

BATCH = 64


SITE = ROOT / 'site'


def told_by(code):
    """What code prints, JSON.

    In a Python of its own: the module of the pages stands in for the frameworks there.
    """
    environment = {**os.environ, 'PYTHONPATH': f'{SITE}{os.pathsep}{ROOT}'}
    command = [sys.executable, '-c', code]
    answer = subprocess.run(command, check=True, capture_output=True, env=environment)
    return json.loads(answer.stdout)


def drawn(seed):
    """What the pages begin a run of one epoch with."""
    code = f'{{name: array.tolist() for name, array in live.drawn({seed}, 1).items()}}'
    answer = told_by(f'import json, live; print(json.dumps({code}))')
    return {name: np.array(values) for name, values in answer.items()}


def updated(weights, orders, lr):
    """What node answers after these updates."""
    if not shutil.which('node'):
        pytest.skip('node is not installed')
    if 'wabt@1.0.39' in parts.missing():
        pytest.skip('python site/parts.py would fetch wabt')
    images, labels, *_ = load_fashion_mnist('mini')
    rows = np.concatenate(orders)
    places = np.split(np.arange(len(rows)), np.cumsum([*map(len, orders)])[:-1])
    asked = {
        'images': images[rows].ravel().tolist(),
        'labels': labels[rows].tolist(),
        'weights': weights.tolist(),
        'orders': [place.tolist() for place in places],
        'lr': lr,
    }
    script, static = ROOT / 'tests/site/update.mjs', SITE / 'static'
    done = subprocess.run(
        ['node', str(script), str(parts.FOLDER), str(static)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize('seed', [0, 7])
def test_an_update_agrees_with_the_packages_loop(seed):
    d2l = pytest.importorskip('d2l_ext.mxnet')
    npx = pytest.importorskip('mxnet').npx
    npx.set_np()
    lr = 0.3
    begin = drawn(seed)
    orders = [begin['orders'][i : i + BATCH] for i in (0, BATCH)]
    answer = updated(begin['weights'], orders, lr)
    net = d2l.lenet()
    steps = d2l.run_steps(Recipe(ConstantScheduler(lr), num_epochs=1), seed, net=net)
    next(steps), next(steps)
    named = net.collect_params().items()
    for kind, mine in (
        ('weight', answer['parameters'][:5]),
        (
            'bias',
            answer['parameters'][5:],
        ),
    ):
        ours = [p.data().asnumpy() for name, p in named if name.endswith(kind)]
        for port, one in zip(mine, ours, strict=True):
            assert np.abs(np.array(port) - one.ravel()).max() < 1e-6


def test_losses_and_hits_are_counted_before_the_update():
    begin = drawn(0)
    order = begin['orders'][:48]  # as the last minibatch of an epoch has
    (first, hits), (again, _) = updated(begin['weights'], [order, order], 0.1)['said']
    assert first / 48 == pytest.approx(np.log(10), abs=0.1)
    assert again < first and 0 <= hits < 48


EXPLORER = """
import json, live
from d2l_ext.experiments.replay import run_steps
from d2l_ext.explorers.controls import Log
from d2l_ext.explorers.explorer import Explorer
from d2l_ext.explorers.hand import HandSetRate
from d2l_ext.panels import schedule_panel
from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training.history import History

def constant(lr):
    return schedule_panel(ConstantScheduler(lr), num_epochs=2)

live.explorers['constant'] = Explorer(constant, train=run_steps, lr=Log(0.3, 0.01, 3))
recorded = History({'num_epochs': 2}, [1.5], [0.5], [0.6], status='stopped')
live.explorers['hand'] = HandSetRate(None, lr=0.3, history=recorded)
live.explorers['bare'] = Explorer(constant, lr=Log(0.3, 0.01, 3))
"""
EPOCH = {'loss': 0.9, 'hits': 0.7, 'accuracy': 0.65, 'seconds': 2.0}


def acted(*acts):
    """The answers to acts, one after the other: [view, numbers] each."""
    code = (
        EXPLORER
        + f"""
answers = [live.act(*act) for act in {acts!r}]
print(json.dumps([[json.loads(view), numbers.tolist()] for view, numbers in answers]))
"""
    )
    return told_by(code)


def told(**news):
    return json.dumps(news)


def test_a_run_begins_with_our_draws_and_its_curve_joins_the_picture():
    (_, (view, numbers), (after, _)) = acted(
        ('constant', 'show'),
        ('constant', 'train', '3'),
        ('constant', 'told', told(lr=[0.3] * 94, epoch=EPOCH)),
    )
    begin = {name: numbers[a:b] for name, (a, b) in view['begin'].items()}
    ours = drawn(3)
    assert begin['weights'] == ours['weights'].tolist()
    assert begin['orders'][:6000] == ours['orders'].tolist()
    assert len(begin['orders']) == 2 * 6000
    assert begin['rates'] == [0.3] * 2 * 94
    labels = {label for panel in after['panels'] for label, *_ in panel['lines']}
    assert 'trained now' in labels
    assert after['sentences'][-1] == (
        'Training. With lr=0.3: epoch 1/2, train loss 0.900, train acc 0.700, '
        'test acc 0.650.'
    )


def test_the_end_and_a_divergence_are_said():
    *_, (done, _) = acted(
        ('constant', 'show'),
        ('constant', 'train', '0'),
        ('constant', 'told', told(lr=[0.3] * 94, epoch=EPOCH)),
        ('constant', 'told', told(lr=[0.3] * 94, epoch=EPOCH)),
    )
    assert done['sentences'][-1].startswith('Done. With lr=0.3: epoch 2/2')
    *_, (lost, _) = acted(
        ('constant', 'show'),
        ('constant', 'train', '0'),
        ('constant', 'told', told(lr=[9.0] * 94, epoch={**EPOCH, 'loss': None})),
    )
    assert lost['sentences'][-1].endswith('diverged.')


def test_a_run_by_hand_stands_beside_the_recorded_one():
    (first, _), (begun, _), (held, _) = acted(
        ('hand', 'show'),
        ('hand', 'train', '0'),
        ('hand', 'told', told(lr=[0.3] * 9, message='Held: Start goes on.')),
    )
    assert 'Press Start to train.' in first['sentences'][0]
    assert 'rates' not in begun['begin']
    labels = [label for panel in held['panels'] for label, *_ in panel['lines']]
    assert 'recorded test acc' in labels and 'applied rate' in labels
    assert 'Held: Start goes on.' in held['sentences'][0]


@pytest.mark.parametrize(
    ('key', 'seed', 'why'),
    [
        ('constant', '-1', 'seed must be a whole number'),
        ('constant', 'x', 'seed must be a whole number'),
        ('bare', '0', 'nothing to train'),
    ],
)
def test_a_reader_gets_a_sentence(key, seed, why):
    _, (view, _) = acted((key, 'show'), (key, 'train', seed))
    assert why in view['error']
