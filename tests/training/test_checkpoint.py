"""A run killed at any moment and started again ends as if nothing had happened."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from d2l_ext.plan import Plan
from d2l_ext.schedulers import ConstantScheduler, LambdaScheduler, PlateauScheduler
from d2l_ext.training import History
from d2l_ext.training.checkpoint import Checkpoint

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
    # not by communicate, which loses what readline has read ahead
    out, err = process.stdout.read(), process.stderr.read()
    assert process.wait(timeout=60) == 0, err
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
        _, err = process.communicate(timeout=300)
    assert f'checkpoint {path} is of a run with seed 3, not 4' in err


RECIPE = {'seed': 1, 'num_epochs': 3, 'scheduler': 'a function at 0x7f00'}
PLAN = Plan(lambda t: 0.1 * 0.5**t, 3, 'epoch', 2)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / 'run'
    history = History(dict(RECIPE), [0.1], [0.2], [0.3], [0.1, 0.1])
    rng = np.random.default_rng(1)
    Checkpoint(path, PLAN, {'momentum': 0.9}).save(history, rng, {'w': np.arange(3.0)})
    return path, history, rng


def again(path, plan=PLAN, momentum=0.9, extend=False, **recipe):
    checkpoint = Checkpoint(path, plan, {'momentum': momentum}, extend=extend)
    return checkpoint.load(RECIPE | {'num_epochs': plan.num_epochs} | recipe)


def test_what_was_saved_comes_back(saved):
    path, history, rng = saved
    loaded, state, arrays = again(path)
    assert loaded == history
    assert state == rng.bit_generator.state
    assert [*arrays] == ['w']
    assert (arrays['w'] == [0, 1, 2]).all()
    assert again(path.with_name('none')) is None


@pytest.mark.parametrize('content', [b'', b'PK\x03\x04', b'no zip', b'half'])
def test_another_file_is_no_checkpoint(saved, content):
    path, *_ = saved
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == b'half' else content)
    with pytest.raises(ValueError, match=r'cannot be read .* delete it to begin anew'):
        again(path)


class Halved:
    """A reader's own class, printed with its address."""

    def __init__(self, lr):
        self.lr = lr

    def __call__(self, t):
        return self.lr * 0.5**t


@pytest.mark.parametrize(
    'scheduler',
    [Halved(0.1), LambdaScheduler(lambda t: 0.5**t, 0.1), lambda t: 0.1 * 0.5**t],
)
def test_the_same_rates_go_on_however_they_are_printed(saved, scheduler):
    path, *_ = saved
    assert again(path, Plan(scheduler, 3, 'epoch', 2), scheduler=repr(scheduler))
    by_update = Plan(lambda t: scheduler(t // 2), 3, 'update', 2)
    assert again(path, by_update)


def test_other_rates_and_another_optimizer_are_refused_by_name(saved):
    path, *_ = saved
    with pytest.raises(ValueError, match=r'the rate of update 2 0\.05, not 0\.04'):
        again(path, Plan(lambda t: 0.1 * 0.4**t, 3, 'epoch', 2))
    with pytest.raises(ValueError, match=r'with momentum 0\.9, not 0\.5'):
        again(path, momentum=0.5)
    with pytest.raises(ValueError, match='with seed 1, not 2'):
        again(path, seed=2)


def test_more_epochs_are_for_the_reader_to_ask_for(saved):
    path, *_ = saved
    longer = Plan(PLAN.scheduler, 5, 'epoch', 2)
    with pytest.raises(ValueError, match='of 3 epochs, not 5: extend=True goes on'):
        again(path, longer)
    history, *_ = again(path, longer, extend=True)
    assert (history.recipe['num_epochs'], history.status) == (5, 'running')
    with pytest.raises(ValueError, match=r'the rate of update 0 0\.1, not 0\.2'):
        again(path, Plan(ConstantScheduler(0.2), 5, 'epoch', 2), extend=True)


def test_a_plateau_goes_by_its_arguments(tmp_path):
    plan = Plan(PlateauScheduler(0.1, patience=2), 3, 'epoch', 2)
    history = History(dict(RECIPE), [0.1], [0.2], [0.3], [0.1, 0.1])
    path, rng = tmp_path / 'run', np.random.default_rng(1)
    Checkpoint(path, plan, {'momentum': 0.9}).save(history, rng, {})
    assert again(path, plan)
    with pytest.raises(
        ValueError, match=r'the schedule .*patience=2.* not .*patience=3'
    ):
        again(path, Plan(PlateauScheduler(0.1, patience=3), 3, 'epoch', 2))


def test_an_object_that_its_calls_use_up_is_not_used_up(tmp_path):
    class Counting:
        calls = 0

        def __call__(self, t):
            self.calls += 1
            return 0.1

    counting = Counting()
    Checkpoint(tmp_path / 'run', Plan(counting, 3, 'epoch', 2))
    assert counting.calls == 0


class PerCall:
    """As a class of the book's: its rate shrinks with each call, whatever t is."""

    def __init__(self):
        self.lr = 0.1

    def __call__(self, t):
        self.lr = max(0.001, self.lr * 0.5)
        return self.lr


class Forwards:
    """As MXNet's own: it keeps what it has come to, and is right if t only grows."""

    def __init__(self):
        self.lr, self.next = 0.1, 2

    def __call__(self, t):
        while t >= self.next:
            self.lr, self.next = self.lr * 0.5, self.next + 2
        return self.lr


@pytest.mark.parametrize('per', ['epoch', 'update'])
@pytest.mark.parametrize('num_epochs', [1, 3, 30])
def test_a_schedule_that_counts_its_calls_is_refused(tmp_path, per, num_epochs):
    counting = PerCall()
    with pytest.raises(ValueError, match=r'scheduler must give .* or leave checkpoint'):
        Checkpoint(tmp_path / 'run', Plan(counting, num_epochs, per, 2))
    assert counting.lr == 0.1
    Checkpoint(tmp_path / 'run', Plan(Forwards(), num_epochs, per, 2))


def test_a_schedule_that_cannot_be_copied_is_refused(tmp_path):
    class Drawn:
        def __init__(self):
            self.rates = (0.1 for _ in range(99))

        def __call__(self, t):
            return next(self.rates)

    with pytest.raises(ValueError, match=r'cannot be copied .* or leave checkpoint'):
        Checkpoint(tmp_path / 'run', Plan(Drawn(), 3, 'epoch', 2))


@pytest.mark.parametrize('framework', ['mxnet', 'torch'])
def test_another_net_is_refused(framework, tmp_path):
    d2l = pytest.importorskip(f'd2l_ext.{framework}', exc_type=ImportError)
    X, y = np.zeros((32, 1, 28, 28), 'float32'), np.zeros(32, int)
    path = tmp_path / 'run'
    small_run(d2l, framework, X, y, 1, checkpoint=path)
    other = {'checkpoint': path, 'net': 'plain'}
    with pytest.raises(
        ValueError, match=r'another net: weight\.0.* of shape \(6,.*\), not'
    ):
        small_run(d2l, framework, X, y, 2, extend=True, **other)


@pytest.mark.parametrize('framework', ['mxnet', 'torch'])
def test_a_finished_run_goes_on_for_more_epochs(framework, tmp_path):
    d2l = pytest.importorskip(f'd2l_ext.{framework}', exc_type=ImportError)
    data = np.random.default_rng(0)
    X, y = data.random((64, 1, 28, 28), dtype='float32'), data.integers(0, 10, 64)
    whole, first, more = (
        small_run(d2l, framework, X, y, epochs, **settings)
        for epochs, settings in [
            (4, {}),
            (2, {'checkpoint': tmp_path / 'run'}),
            (4, {'checkpoint': tmp_path / 'run', 'extend': True}),
        ]
    )
    assert [run.status for run in (whole, first, more)] == ['finished'] * 3
    assert (len(first.train_loss), len(more.train_loss)) == (2, 4)
    assert more == whole


def small_run(d2l, framework, X, y, epochs, momentum=0.9, net='lenet', **settings):
    net = getattr(d2l, net)
    if framework == 'mxnet':
        from mxnet import gluon, npx
        from mxnet import np as arrays

        npx.set_np()
        net, loss, device = net(), gluon.loss.SoftmaxCrossEntropyLoss(), npx.cpu()
        net.initialize(ctx=device)
        options = {'learning_rate': 0.1, 'momentum': momentum}
        trainer = gluon.Trainer(net.collect_params(), 'sgd', options)
        X, y = arrays.array(X), arrays.array(y, dtype='int32')
    else:
        import torch

        net, loss, device = net(), torch.nn.CrossEntropyLoss(), 'cpu'
        trainer = torch.optim.SGD(net.parameters(), 0.1, momentum=momentum)
        X, y = torch.as_tensor(X), torch.as_tensor(y)
    train_iter, test_iter = d2l.Batches(X, y, 16, shuffle=True), d2l.Batches(X, y, 32)
    try:
        return d2l.train(
            net, train_iter, test_iter, epochs, loss, trainer, device,
            LambdaScheduler(lambda t: 0.9**t, 0.02), progress=False, **settings,
        )  # fmt: skip
    finally:
        if framework == 'mxnet':
            npx.reset_np()


@pytest.mark.parametrize('framework', ['mxnet', 'torch'])
def test_another_momentum_is_refused(framework, tmp_path):
    d2l = pytest.importorskip(f'd2l_ext.{framework}', exc_type=ImportError)
    X, y = np.zeros((32, 1, 28, 28), 'float32'), np.zeros(32, int)
    small_run(d2l, framework, X, y, 1, checkpoint=tmp_path / 'run')
    with pytest.raises(ValueError, match=r'with momentum.* 0\.9, not 0\.5'):
        small_run(d2l, framework, X, y, 1, 0.5, checkpoint=tmp_path / 'run')


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
