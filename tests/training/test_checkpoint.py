"""A run killed at any moment and started again ends as if nothing had happened."""

import random
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from d2l_ext.training import History, checkpoint

ROOT = Path(__file__).parents[2]

# Dropout and Adam: the net draws numbers of its own, the trainer keeps arrays and counts
SCRIPTS = {
    'mxnet': """
from d2l_ext import mxnet as d2l
from mxnet import gluon, npx
from mxnet.gluon import nn
npx.set_np()
device, loss = npx.cpu(), gluon.loss.SoftmaxCrossEntropyLoss()
net = nn.HybridSequential()
net.add(nn.Dense(32, activation='relu'), nn.Dropout(0.2), nn.Dense(10))
net.initialize()
trainer = gluon.Trainer(net.collect_params(), 'adam', {'learning_rate': 0.01})
""",
    'torch': """
import torch
from torch import nn
from d2l_ext import torch as d2l
torch.set_num_threads(1)
device, loss = 'cpu', nn.CrossEntropyLoss()
net = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Dropout(0.2),
                    nn.Linear(32, 10))
trainer = torch.optim.Adam(net.parameters(), 0.01)
""",
}
RUN = """
import sys
from d2l_ext.schedulers import CosineScheduler
data = d2l.load_data_fashion_mnist(64, device=device)
print('ready', flush=True)
history = d2l.train(net, *data, 6, loss, trainer, device, CosineScheduler(6, 0.01),
                    seed=int(sys.argv[2]), progress=False, checkpoint=sys.argv[1])
print(history.to_json())
"""


def start(backend, path, seed=3):
    command = [sys.executable, '-c', SCRIPTS[backend] + RUN, str(path), str(seed)]
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline() == 'ready\n', process.stderr.read()
    return process


def result(process):
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return History.from_json(out)


@pytest.mark.parametrize('backend', SCRIPTS)
def test_killed_at_ten_moments(backend, tmp_path):
    framework = 'torch' if backend == 'torch' else 'd2l_ext.mxnet'
    pytest.importorskip(framework, exc_type=ImportError)
    with start(backend, tmp_path / 'whole') as process:
        whole = result(process)
    assert whole.status == 'finished'
    moments, path, kills = random.Random(0), tmp_path / '0', 0
    while kills < 10:
        with start(backend, path) as process:
            try:
                process.wait(moments.uniform(0, 0.7 * sum(whole.seconds)))
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
                continue
            assert result(process) == whole
            path = tmp_path / str(kills)
    for _ in range(2):  # the second time there is nothing left to do
        with start(backend, path) as process:
            assert result(process) == whole

    with start(backend, path, seed=4) as process:
        _, err = process.communicate(timeout=60)
    assert f'checkpoint {path} is of a run with seed 3, not 4' in err


@pytest.fixture
def saved(tmp_path):
    path, history = tmp_path / 'run', History({'seed': 1}, [0.1], [0.2], [0.3], [0.5])
    rng = numpy.random.default_rng(1)
    checkpoint.save(path, history, rng, {'w': numpy.arange(3.0)})
    return path, history, rng


def test_what_was_saved_comes_back(saved):
    path, history, rng = saved
    again, state, arrays = checkpoint.load(path, {'seed': 1})
    assert again == history
    assert state == rng.bit_generator.state
    assert [*arrays] == ['w']
    assert (arrays['w'] == [0, 1, 2]).all()
    assert checkpoint.load(path.with_name('none'), {}) is None


@pytest.mark.parametrize('content', [b'', b'PK\x03\x04', b'no zip', b'half'])
def test_another_file_is_no_checkpoint(saved, content):
    path, *_ = saved
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == b'half' else content)
    with pytest.raises(ValueError, match=r'cannot be read .* delete it to begin anew'):
        checkpoint.load(path, {'seed': 1})


def test_a_trainer_that_counts_for_itself_cannot_be_kept(tmp_path):
    d2l = pytest.importorskip('d2l_ext.mxnet', exc_type=ImportError)
    from mxnet import gluon, npx

    npx.set_np()
    net = d2l.lenet()
    net.initialize(ctx=npx.cpu())
    own = {'lr_scheduler': d2l.printed_scheduler('cosine')}
    trainer = gluon.Trainer(net.collect_params(), 'sgd', own)
    data = d2l.load_data_fashion_mnist(64, device=npx.cpu())
    with pytest.raises(ValueError, match='give the schedule to train instead'):
        d2l.train(net, *data, 1, None, trainer, npx.cpu(), checkpoint=tmp_path / 'run')
    npx.reset_np()
