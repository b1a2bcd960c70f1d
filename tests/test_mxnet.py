"""The training loop: against plain loops, against itself, and when things go wrong."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineScheduler,
    FactorScheduler,
    MultiFactorScheduler,
    PlateauScheduler,
    SquareRootScheduler,
)
from d2l_ext.training import History, xavier

d2l = pytest.importorskip('d2l_ext.mxnet', exc_type=ImportError)

# after the finder that d2l_ext.mxnet installs
import mxnet as mx
from mxnet import autograd, gluon, np, npx

ROOT = Path(__file__).parent.parent
CPU = npx.cpu()
LOSS = gluon.loss.SoftmaxCrossEntropyLoss()
UPDATES = 8  # an epoch of 500 images in batches of 64, the last of 52


@pytest.fixture(autouse=True)
def numpy_arrays():
    npx.set_np()
    yield
    npx.reset_np()


def small(batch_size=64, shuffle=True):
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size, device=CPU)
    return (
        d2l.Batches(train_iter.X[:500], train_iter.y[:500], batch_size, shuffle),
        d2l.Batches(test_iter.X[:300], test_iter.y[:300], 256),
    )


def model(optimizer='sgd', **arguments):
    net = d2l.lenet()
    net.initialize(ctx=CPU)
    return net, gluon.Trainer(net.collect_params(), optimizer, arguments)


def fit(scheduler=None, num_epochs=2, data=None, made=None, progress=False, **others):
    net, trainer = made or model(learning_rate=0.1)
    train_iter, test_iter = data or small()
    return d2l.train(
        net, train_iter, test_iter, num_epochs, LOSS, trainer, CPU, scheduler,
        progress=progress, **others,
    )  # fmt: skip


def weights(net):
    return [p.data().asnumpy() for p in net.collect_params().values()]


def one_step(net, trainer, data):
    X, y = next(iter(data[0]))
    with autograd.record():
        l = LOSS(net(X), y)
    l.backward()
    trainer.step(len(X))


# Data


def test_the_last_batch_counts():
    train_iter, test_iter = d2l.load_data_fashion_mnist(64, device=CPU)
    assert (len(train_iter), len(test_iter)) == (94, 16)
    sizes = [len(X) for X, _ in train_iter]
    assert sizes == [64] * 93 + [48]
    full = d2l.Batches(np.zeros((60000, 1)), np.zeros(60000), 256)
    assert len(full) == 235


def test_data_are_scaled_images_and_whole_labels():
    train_iter, _ = d2l.load_data_fashion_mnist(64, device=CPU)
    assert train_iter.X.shape == (6000, 1, 28, 28)
    assert (float(train_iter.X.min()), float(train_iter.X.max())) == (0.0, 1.0)
    assert train_iter.X.dtype == numpy.float32
    assert train_iter.y.dtype == numpy.int32


def test_a_pass_takes_every_example_once_each_time_in_another_order():
    y = np.arange(500)
    batches = d2l.Batches(y.reshape(-1, 1), y, 64, shuffle=True)
    rng = numpy.random.default_rng(0)
    for passes in [batches, batches], [batches.shuffled(rng), batches.shuffled(rng)]:
        orders = []
        for one in passes:
            pairs = [(X.asnumpy()[:, 0], y.asnumpy()) for X, y in one]
            assert all((y == X).all() for X, y in pairs)
            orders.append([*numpy.concatenate([y for _, y in pairs])])
        assert sorted(orders[0]) == sorted(orders[1]) == [*range(500)]
        assert orders[0] != orders[1]


def test_a_batch_is_at_most_all_there_is():
    X = np.zeros((10, 1))
    assert len(d2l.Batches(X, X, 10.0)) == 1
    for wrong in 0, 2.5, '4', 11:
        with pytest.raises(ValueError, match=rf'batch_size must .*got {wrong!r}'):
            d2l.Batches(X, X, wrong)
    with pytest.raises(ValueError, match='X and y must be of one length, got 10, 9'):
        d2l.Batches(X, X[:9], 5)


# The loop


def test_lenet_is_the_books():
    net, _ = model()
    assert net(np.zeros((2, 1, 28, 28))).shape == (2, 10)
    assert sum(p.data().size for p in net.collect_params().values()) == 61706


@pytest.mark.parametrize('per', ['epoch', 'update'])
def test_every_update_gets_the_planned_rate(per):
    scheduler = SquareRootScheduler(0.1)
    history = fit(scheduler, 3, per=per)
    times = range(3 * UPDATES)
    planned = [scheduler(t if per == 'update' else t // UPDATES) for t in times]
    assert history.lr == planned
    assert history.status == 'finished'
    assert history.recipe == {
        'scheduler': repr(scheduler),
        'per': per,
        'num_epochs': 3,
        'batch_size': 64,
        'batches_per_epoch': UPDATES,
        'optimizer': 'sgd',
        'seed': 0,
        'backend': 'mxnet',
    }
    assert len(history.seconds) == len(history.train_loss) == 3


def first_weights(net, rng):
    """Draw the weights of `net`, in its order, as `train` should."""
    rng.integers(2**31)
    return [
        xavier(w.shape, rng) if w.ndim > 1 else numpy.zeros_like(w)
        for w in weights(net)
    ]


def test_agrees_with_a_loop_written_out():
    scheduler, data, made = FactorScheduler(0.7, base_lr=0.3), small(), model()
    history = fit(scheduler, 2, data, made, per='update', seed=3)

    net, _ = model()
    net(data[0].X[:1])
    rng = numpy.random.default_rng(3)
    parameters = [*net.collect_params().values()]
    for parameter, weight in zip(parameters, first_weights(net, rng)):
        parameter.set_data(np.array(weight))
    losses, hits, t = [], [], 0
    for _ in range(2):
        losses.append(0.0), hits.append(0)
        order = rng.permutation(500)
        for i in range(0, 500, 64):
            rows = np.array(order[i : i + 64], dtype='int32')
            X, y = data[0].X[rows], data[0].y[rows]
            with autograd.record():
                y_hat = net(X)
                l = LOSS(y_hat, y)
            l.backward()
            for parameter in parameters:
                weight = parameter.data()
                weight[:] = weight - scheduler(t) / len(X) * parameter.grad()
            losses[-1] += l.asnumpy().sum()
            hits[-1] += (y_hat.asnumpy().argmax(1) == y.asnumpy()).sum()
            t += 1

    for ours, plain in zip(weights(made[0]), weights(net)):
        numpy.testing.assert_allclose(ours, plain, atol=1e-5)
    assert history.train_loss == pytest.approx([loss / 500 for loss in losses], 1e-4)
    assert history.train_acc == pytest.approx([n / 500 for n in hits], abs=0.005)
    right = net(data[1].X).asnumpy().argmax(1) == data[1].y.asnumpy()
    assert history.test_acc[-1] == pytest.approx(right.mean(), abs=0.005)


def test_agrees_with_pytorch():
    torch = pytest.importorskip('torch')
    nn = torch.nn
    data, made, scheduler = small(50, shuffle=False), model(), SquareRootScheduler(0.2)
    fit(scheduler, 1, data, made, per='update')

    layers = [
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10),
    ]  # fmt: skip
    net = nn.Sequential(*layers)
    drawn = first_weights(made[0], numpy.random.default_rng(0))
    with torch.no_grad():
        for parameter, weight in zip(net.parameters(), drawn):
            parameter.copy_(torch.tensor(weight))
    optimizer = torch.optim.SGD(net.parameters(), lr=1)
    for t, (X, y) in enumerate(data[0]):
        optimizer.param_groups[0]['lr'] = scheduler(t)
        optimizer.zero_grad()
        y_hat = net(torch.tensor(X.asnumpy()))
        nn.functional.cross_entropy(y_hat, torch.tensor(y.asnumpy()).long()).backward()
        optimizer.step()
    assert t == 9
    for ours, theirs in zip(weights(made[0]), net.parameters()):
        numpy.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-4)


def test_the_same_call_gives_the_same_history():
    scheduler = CosineScheduler(2, 0.3)
    first, second, other = (fit(scheduler, seed=seed) for seed in (0, 0, 1))
    assert first == second
    assert first.train_loss != other.train_loss


def test_a_used_trainer_is_as_good_as_a_new_one():
    made = model('adam', learning_rate=0.003)
    first = fit(ConstantScheduler(0.01), made=made)
    assert made[1].learning_rate == 0.003
    assert fit(ConstantScheduler(0.01), made=made) == first
    assert set(fit(made=made).lr) == {0.003}


@pytest.mark.parametrize('kind', ['loader', 'list'])
def test_any_iterable_of_minibatches_will_do(kind):
    ours, test_iter = small(shuffle=False)
    if kind == 'loader':
        dataset = gluon.data.ArrayDataset(ours.X, ours.y)
        given = gluon.data.DataLoader(dataset, batch_size=64)
    else:
        given = [*ours]
    one, other = (fit(data=(it, test_iter)) for it in (given, ours))
    assert one.recipe.pop('batch_size') is None
    del other.recipe['batch_size']
    assert one == other


def test_accuracy_is_numpys():
    data, (net, _) = small(), model()
    for batches in data:
        hits = [net(X).asnumpy().argmax(1) == y.asnumpy() for X, y in batches]
        expected = numpy.concatenate(hits).mean()
        assert d2l.evaluate_accuracy(net, batches, CPU) == pytest.approx(expected, 1e-6)


def test_plateau_follows_the_training_loss():
    scheduler = PlateauScheduler(0.5, factor=0.5, patience=0, threshold=0.5)
    history = fit(scheduler, 4)
    starts = [lrs[0] for lrs in history.epoch_lr()]
    assert starts == [scheduler.at(history.train_loss[:epoch]) for epoch in range(4)]
    assert starts[-1] < 0.5


def test_steps_give_the_history_after_every_update():
    net, trainer = model(learning_rate=0.1)
    steps = d2l.train_steps(net, *small(), 2, LOSS, trainer, CPU, queue=2)
    counts = [(len(history.lr), history.status) for history in steps]
    running = [(n, 'running') for n in range(1, 2 * UPDATES + 1)]
    assert counts == [*running, (2 * UPDATES, 'finished')]


# Trouble


def test_a_run_that_diverges_ends_there():
    history = fit(ConstantScheduler(1000), 5)
    assert history.status == 'diverged'
    assert len(history.train_loss) == len(history.test_acc) < 5
    assert not numpy.isfinite(history.train_loss[-1])
    assert history == History.from_json(history.to_json())


@pytest.mark.parametrize(
    'message',
    ['cudaMalloc retry failed: out of memory', 'Failed to allocate CPU Memory'],
)
@pytest.mark.parametrize('when', [0, UPDATES + 2])
def test_memory_that_runs_out_ends_the_run(monkeypatch, message, when):
    made = model(learning_rate=0.1)
    fail_at(monkeypatch, made[1], when, mx.base.MXNetError(message))
    history = fit(ConstantScheduler(0.2), 3, made=made)
    assert history.status == 'out of memory'
    assert len(history.train_loss) == when // UPDATES
    assert len(history.lr) == when
    assert made[1].learning_rate == 0.1


def test_other_errors_are_not_hidden(monkeypatch):
    own = mx.lr_scheduler.CosineScheduler(40, 0.5)
    made = model(lr_scheduler=own)
    fail_at(monkeypatch, made[1], 3, mx.base.MXNetError('shape mismatch'))
    with pytest.raises(mx.base.MXNetError, match='shape mismatch'):
        fit(made=made)
    assert made[1].optimizer.lr_scheduler is own


def test_ctrl_c_keeps_what_was_learned(monkeypatch, capsys):
    own = mx.lr_scheduler.CosineScheduler(40, 0.5)
    made = model(lr_scheduler=own)
    fail_at(monkeypatch, made[1], UPDATES + 1, KeyboardInterrupt())
    history = fit(made=made, num_epochs=3, progress=True)
    assert history.status == 'stopped'
    assert len(history.train_loss) == 1
    assert made[1].optimizer.lr_scheduler is own
    assert 'stopped before its end' in capsys.readouterr().out.splitlines()[-1]


def fail_at(monkeypatch, trainer, update, error):
    done, step = [], trainer.step

    def failing(batch_size):
        if len(done) == update:
            raise error
        done.append(step(batch_size))

    monkeypatch.setattr(trainer, 'step', failing)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'num_epochs': 0}, 'num_epochs must be a whole number >= 1, got 0'),
        ({'num_epochs': 1.5}, 'num_epochs must be .*, got 1.5'),
        ({'seed': -1}, 'seed must be a whole number >= 0, got -1'),
        ({'seed': None}, 'seed must be .*, got None'),
        ({'per': 'batch'}, "per must be 'epoch' or 'update', got 'batch'"),
    ],
)
def test_arguments_that_cannot_be_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        fit(ConstantScheduler(0.1), **arguments)


def test_one_schedule_is_enough():
    own = mx.lr_scheduler.CosineScheduler(40, 0.5)
    made = model(lr_scheduler=own)
    with pytest.raises(
        ValueError, match=r'lr_scheduler CosineScheduler: .* not to both'
    ):
        fit(ConstantScheduler(0.1), made=made)
    assert made[1].optimizer.lr_scheduler is own


def test_without_numpy_arrays_it_says_what_to_call():
    made, data = model(learning_rate=0.1), small()
    npx.reset_np()
    for call in (
        d2l.lenet,
        lambda: d2l.load_data_fashion_mnist(64),
        lambda: fit(made=made, data=data),
    ):
        with pytest.raises(RuntimeError, match=r'call npx.set_np\(\) first'):
            call()


# The book's schedulers through the trainer, as printed and as meant


def through_trainer(scheduler):
    """Train for one epoch of 50 updates."""
    made = model(lr_scheduler=scheduler)
    history = fit(made=made, data=small(10), num_epochs=1)
    assert made[1].optimizer.lr_scheduler is scheduler
    return history


def test_a_plotted_multi_factor_is_used_up_and_ours_is_not():
    printed = mx.lr_scheduler.MultiFactorScheduler([15, 30], 0.5, 0.5)
    assert [printed(t) for t in range(40)][-1] == 0.125
    history = through_trainer(printed)
    assert history.lr == [0.125] * 50
    assert history.recipe['scheduler'] == 'MultiFactorScheduler'
    assert history.recipe['per'] == 'update'

    pure = MultiFactorScheduler([15, 30], 0.5, 0.5)
    meant = d2l.lr_scheduler(pure)
    plotted = [meant(t) for t in range(40)]
    history = through_trainer(meant)
    assert history.lr == [0.5] * 15 + [0.25] * 15 + [0.125] * 20
    assert [meant(t) for t in range(40)] == plotted
    assert history.recipe['scheduler'] == f'lr_scheduler({pure!r}, 1)'


def test_a_cosine_of_40_is_over_after_40_updates():
    history = through_trainer(mx.lr_scheduler.CosineScheduler(40, 0.5, final_lr=0.01))
    assert history.lr[38] > 0.0107
    assert history.lr[39:] == [0.01] * 11

    pure = CosineScheduler(40, 0.5, 0.01)
    assert set(through_trainer(d2l.lr_scheduler(pure, 50)).lr) == {0.5}


def test_a_scheduler_that_counts_its_calls_decays_several_times_an_update():
    def printed(num_update):
        answers.append((num_update, 2.0 * 0.9 ** (len(answers) + 1)))
        return answers[-1][1]

    answers = []
    history = through_trainer(printed)
    first = {}
    for num_update, lr in answers:
        first.setdefault(num_update, lr)
    assert [*first] == [*range(1, 51)]
    assert history.lr == [*first.values()]
    # MXNet updates LeNet's ten arrays in groups of four
    assert len(answers) == 150

    history = through_trainer(d2l.lr_scheduler(FactorScheduler(0.9, base_lr=0.5)))
    assert history.lr == [FactorScheduler(0.9, base_lr=0.5)(t) for t in range(50)]


@pytest.mark.parametrize('optimizer', ['sgd', 'adam'])
@pytest.mark.parametrize('per', ['epoch', 'update'])
def test_the_adapter_trains_as_the_loop_does(optimizer, per):
    scheduler = SquareRootScheduler(0.01)
    loop, adapted = (
        model(optimizer, learning_rate=1),
        model(
            optimizer,
            lr_scheduler=d2l.lr_scheduler(scheduler, UPDATES if per == 'epoch' else 1),
        ),
    )
    by_loop = fit(scheduler, per=per, made=loop)
    by_trainer = fit(made=adapted)
    assert by_trainer.lr == by_loop.lr
    assert by_trainer.train_loss == by_loop.train_loss
    for one, other in zip(weights(loop[0]), weights(adapted[0])):
        assert (one == other).all()


def test_the_adapter_outlives_saved_states(tmp_path):
    data, scheduler = small(), SquareRootScheduler(0.1)
    net, trainer = model(lr_scheduler=d2l.lr_scheduler(scheduler))
    for _ in range(3):
        one_step(net, trainer, data)
    trainer.save_states(str(tmp_path / 'states'))
    net, trainer = model(lr_scheduler=d2l.lr_scheduler(ConstantScheduler(9.0)))
    net(data[0].X[:1])
    trainer.load_states(str(tmp_path / 'states'))
    assert trainer.learning_rate == scheduler(2)
    one_step(net, trainer, data)
    assert trainer.learning_rate == scheduler(3)


def test_the_adapter_refuses_what_it_cannot_follow():
    with pytest.raises(ValueError, match=r'batches_per_epoch must be .*, got 0'):
        d2l.lr_scheduler(ConstantScheduler(0.1), 0)
    with pytest.raises(ValueError, match='answers to a metric'):
        d2l.lr_scheduler(PlateauScheduler(0.1))


# What the reader sees


def test_a_terminal_shows_a_line_an_epoch(capsys):
    history = fit(CosineScheduler(2, 0.3), progress=True)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith('epoch 1/2, train loss ')
    assert first.endswith(' left')
    assert second == f'{history}, lr 0.15, 0 s left'
    fit()
    assert capsys.readouterr().out == ''


def test_a_terminal_says_why_a_run_ended(capsys):
    fit(ConstantScheduler(1000), 5, progress=True)
    assert 'try a lower learning rate' in capsys.readouterr().out.splitlines()[-1]


SCRIPT = """
from d2l_ext import mxnet as d2l
from d2l_ext.schedulers import CosineScheduler
from mxnet import gluon, npx
npx.set_np()
train_iter, test_iter = d2l.load_data_fashion_mnist(64, device=npx.cpu())
train_iter = d2l.Batches(train_iter.X[:500], train_iter.y[:500], 64, shuffle=True)
test_iter = d2l.Batches(test_iter.X[:300], test_iter.y[:300], 256)
net = d2l.lenet()
net.initialize(ctx=npx.cpu())
trainer = gluon.Trainer(net.collect_params(), 'sgd', {'learning_rate': 0.1})
history = d2l.train(net, train_iter, test_iter, NUM_EPOCHS,
                    gluon.loss.SoftmaxCrossEntropyLoss(), trainer, npx.cpu(),
                    CosineScheduler(2, 0.3), progress=True)
"""


def script(num_epochs):
    code = SCRIPT.replace('NUM_EPOCHS', str(num_epochs)) + 'print(history.to_json())'
    return subprocess.Popen(
        [sys.executable, '-c', code], cwd=ROOT, text=True, stdout=subprocess.PIPE
    )


def test_another_process_gives_the_same_history():
    with script(2) as process:
        out, _ = process.communicate(timeout=60)
    assert History.from_json(out.splitlines()[-1]) == fit(CosineScheduler(2, 0.3))


def test_ctrl_c_in_a_terminal_ends_the_run_and_not_the_script():
    with script(10**6) as process:
        assert process.stdout.readline().startswith('epoch 1/1000000, ')
        assert process.stdout.readline().startswith('epoch 2/1000000, ')
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    history = History.from_json(out.splitlines()[-1])
    assert history.status == 'stopped'
    assert len(history.train_loss) == len(history.test_acc) >= 2
    assert 'stopped before its end' in out


def test_a_notebook_shows_one_bar_and_one_picture():
    nbclient = pytest.importorskip('nbclient')
    nbformat = pytest.importorskip('nbformat')
    cells = [nbformat.v4.new_code_cell(SCRIPT.replace('NUM_EPOCHS', '4'))]
    notebook = nbformat.v4.new_notebook(cells=cells)
    where = {'metadata': {'path': str(ROOT)}}
    nbclient.NotebookClient(notebook, timeout=120, resources=where).execute()
    bar, picture = (output['data'] for output in cells[0].outputs)
    assert {*bar} == {'text/html', 'text/plain'}
    assert bar['text/html'] == ''  # the bar has done its work
    assert 'Epoch 4/4, train loss ' in picture['text/plain']
    assert 'image/png' in picture
    assert 'widget' not in json.dumps([bar, picture])
