"""Callbacks watch a run, stop it and record it, in both backends alike."""

import pytest

from d2l_ext.panels.runs import applied_panel, history_panels
from d2l_ext.plots.figure import figure
from d2l_ext.schedulers import CosineScheduler
from d2l_ext.training import History

UPDATES, EPOCHS = 8, 3  # of 500 images in batches of 64
SCHEDULER = CosineScheduler(EPOCHS, 0.1)


def mxnet():
    d2l = pytest.importorskip('d2l_ext.mxnet', exc_type=ImportError)
    from mxnet import gluon, npx

    npx.set_np()
    net, loss = d2l.lenet(), gluon.loss.SoftmaxCrossEntropyLoss()
    net.initialize(ctx=npx.cpu())
    trainer = gluon.Trainer(net.collect_params(), 'sgd', {'learning_rate': 0.7})
    return d2l, net, loss, trainer, npx.cpu(), lambda: trainer.learning_rate


def torch():
    d2l = pytest.importorskip('d2l_ext.torch', exc_type=ImportError)
    from torch import nn, optim

    net, loss = d2l.lenet(), nn.CrossEntropyLoss()
    trainer = optim.SGD(net.parameters(), 0.7)
    return d2l, net, loss, trainer, 'cpu', lambda: trainer.param_groups[0]['lr']


@pytest.fixture(params=[mxnet, torch])
def fit(request):
    d2l, net, loss, trainer, device, lr = request.param()
    train_iter, test_iter = d2l.load_data_fashion_mnist(64, device=device)
    train_iter = d2l.Batches(train_iter.X[:500], train_iter.y[:500], 64, shuffle=True)
    test_iter = d2l.Batches(test_iter.X[:100], test_iter.y[:100], 100)

    def fit(how=d2l.train, **others):
        return how(
            net, train_iter, test_iter, EPOCHS, loss, trainer, device, SCHEDULER,
            **others,
        )  # fmt: skip

    fit.steps, fit.Learner = d2l.train_steps, d2l.Learner
    yield fit
    assert lr() == 0.7  # however the run ended, the trainer has its own rate again
    if request.param is mxnet:
        from mxnet import npx

        npx.reset_np()


def test_they_see_every_update_and_every_epoch(fit):
    seen = []

    def note(name):
        return lambda h: seen.append((name, len(h.lr), len(h.train_loss), h.status))

    history = fit(on_epoch=note('epoch'), on_update=note('update'), progress=False)
    expected = []
    for epoch in range(EPOCHS):
        updates = range(epoch * UPDATES, (epoch + 1) * UPDATES)
        expected += [('update', t + 1, epoch, 'running') for t in updates]
        expected.append(('epoch', updates[-1] + 1, epoch + 1, 'running'))
    expected[-1] = *expected[-1][:3], 'finished'
    assert seen == expected
    assert history == fit(progress=False)


def test_one_that_returns_true_stops_the_run(fit):
    whole = fit(progress=False)
    by_epoch = fit(on_epoch=lambda h: len(h.train_loss) == 2, progress=False)
    by_update = fit(on_update=lambda h: len(h.lr) == UPDATES + 3, progress=False)
    for history, epochs, updates in ((by_epoch, 2, 16), (by_update, 1, 11)):
        assert history.status == 'stopped'
        assert history.train_loss == whole.train_loss[:epochs]
        assert history.lr == whole.lr[:updates]
    late = fit(on_epoch=lambda h: len(h.train_loss) == EPOCHS, progress=False)
    assert late == whole


def test_leaving_the_steps_stops_the_run(fit):
    for history in fit(fit.steps):
        if len(history.lr) == 5:
            break
    assert history.status == 'stopped'
    assert len(history.lr) == 5


def test_a_stopped_run_goes_on_from_its_checkpoint(fit, tmp_path):
    path = tmp_path / 'run'
    first = fit(on_epoch=lambda h: True, progress=False, checkpoint=path)
    assert (first.status, len(first.train_loss)) == ('stopped', 1)
    assert fit(progress=False, checkpoint=path) == fit(progress=False)


def test_one_that_records(fit, tmp_path):
    path, epochs = tmp_path / 'run.json', []

    def record(history):
        history.save(path)
        epochs.append(len(History.load(path).train_loss))

    history = fit(on_epoch=record, progress=False)
    assert epochs == [1, 2, 3]
    assert History.load(path) == history


def test_progress_is_one_beside_ours(fit, capsys):
    fit(on_epoch=lambda history: print('ours'))
    lines = capsys.readouterr().out.splitlines()
    assert [line[:9] for line in lines] == [
        'epoch 1/3', 'ours', 'epoch 2/3', 'ours', 'epoch 3/3', 'ours',
    ]  # fmt: skip
    fit(on_epoch=lambda history: True)
    assert 'stopped before its end' in capsys.readouterr().out.splitlines()[-1]


def test_its_errors_are_not_hidden(fit):
    def fail(history):
        raise ZeroDivisionError('ours')

    for callbacks in {'on_epoch': fail}, {'on_update': fail}:
        with pytest.raises(ZeroDivisionError, match='ours'):
            fit(progress=False, **callbacks)


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize('where', ['begin', 'update'])
def test_a_run_stopped_before_its_first_update_has_its_recipe(fit, monkeypatch, where):
    monkeypatch.setattr(fit.Learner, where, interrupt)
    history = fit(progress=False)
    assert (history.status, history.lr) == ('stopped', [])
    assert history.recipe['num_epochs'] == EPOCHS
    # what the next cells of a notebook draw
    assert 'has made 0 of 24 updates' in applied_panel(history, SCHEDULER).note
    assert figure(*history_panels(history)).png
    with pytest.raises(KeyboardInterrupt):  # a loop of the reader's own is stopped, too
        next(fit(fit.steps))


def test_stopped_before_it_has_a_recipe_there_is_no_history(fit, monkeypatch):
    monkeypatch.setattr(fit.Learner, 'take_over', interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(progress=False)
