"""The range test finds what it should, and leaves no trace."""

import contextlib
import importlib
import random
import re

import numpy as np
import pytest

from d2l_ext.panels.runs import range_panel
from d2l_ext.training.range_test import RangeTest, range_test


def backend(name):
    """Return a backend and a fresh net with loss and trainer, as `train` takes them."""
    d2l = pytest.importorskip(f'd2l_ext.{name}')
    if name == 'torch':
        torch = importlib.import_module('torch')
        net = d2l.lenet()
        loss = torch.nn.CrossEntropyLoss()
        return d2l, net, loss, torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    mx = importlib.import_module('mxnet')
    mx.npx.set_np()
    net = d2l.lenet()
    net.initialize()
    trainer = mx.gluon.Trainer(
        net.collect_params(), 'sgd', {'learning_rate': 0.1, 'momentum': 0.9}
    )
    return d2l, net, mx.gluon.loss.SoftmaxCrossEntropyLoss(), trainer


def run(d2l, net, loss, trainer, **settings):
    train_iter, _ = d2l.load_data_fashion_mnist(64)
    return d2l.range_test(net, train_iter, loss, trainer, d2l.try_gpu(), **settings)


@pytest.mark.parametrize('name', ['mxnet', 'torch'])
def test_same_seed_same_test_and_another_seed_another(name):
    made = backend(name)
    first = run(*made, num_updates=30, seed=1)
    again = run(*made, num_updates=30, seed=1)
    other = run(*made, num_updates=30, seed=2)
    assert first.losses.tolist() == again.losses.tolist()
    assert first.losses.tolist() != other.losses[: len(first.losses)].tolist()
    assert first.lrs[0] == 1e-3


@pytest.mark.parametrize('name', ['mxnet', 'torch'])
def test_weights_optimizer_and_generators_go_on_as_if_untested(name):
    d2l, net, loss, trainer = made = backend(name)
    device = d2l.try_gpu()
    train_iter, test_iter = d2l.load_data_fashion_mnist(512)
    d2l.train(net, train_iter, test_iter, 1, loss, trainer, device, progress=False)
    learner = d2l.Learner(net, loss, trainer, device)
    before = {key: np.array(value) for key, value in learner.state().items()}
    generators = random.getstate(), np.random.get_state()[1].tolist()
    run(*made, num_updates=20)
    after = learner.state()
    assert before.keys() == after.keys()
    assert any(key.startswith('memory') for key in before), 'momentum must be there'
    for key, value in before.items():
        assert np.array_equal(value, after[key]), key
    assert generators == (random.getstate(), np.random.get_state()[1].tolist())
    found = trainer.learning_rate if name == 'mxnet' else trainer.param_groups[0]['lr']
    assert found == 0.1


def test_the_generator_of_torch_is_put_back():
    torch = pytest.importorskip('torch')
    made = backend('torch')
    torch.manual_seed(3)
    state = torch.get_rng_state()
    run(*made, num_updates=5)
    assert torch.equal(state, torch.get_rng_state())


def test_what_mxnet_draws_next_does_not_depend_on_the_test():
    pytest.importorskip('d2l_ext.mxnet')
    mx = importlib.import_module('mxnet')
    drawn = []
    for num_updates in (5, 9):
        made = backend('mxnet')
        mx.random.seed(3)
        run(*made, num_updates=num_updates)
        drawn.append(mx.np.random.uniform(size=3).tolist())
    assert drawn[0] == drawn[1]


class Quadratic:
    """Loss x^2 / 2 from x = 1 on, whatever the data: diverges above a rate of 2."""

    keep_random = contextlib.nullcontext

    def take_over(self, scheduler):
        """Have no schedule of its own."""

    def settle(self, train_iter):
        """Know its shape."""

    def state(self):
        """Keep x."""
        return {'x': getattr(self, 'x', 0.0)}

    def load_state(self, arrays):
        """Put x back."""
        self.x = arrays['x']

    def end(self):
        """Have nothing to give back."""

    def seed(self, seed):
        """Draw nothing."""

    def begin(self, train_iter, rng):
        """Start at 1."""
        self.x = 1.0

    def update(self, X, y, lr):
        """Take a step, and keep the loss before it."""
        self.loss, self.x = len(X) * self.x**2 / 2, self.x * (1 - lr)

    def totals(self):
        """Return the loss and no hits."""
        return [self.loss, 0]


def test_an_error_on_the_way_is_undone_too():
    class Failing(Quadratic):
        def totals(self):
            raise OSError('no device')

    learner = Failing()
    with pytest.raises(OSError, match='no device'):
        range_test(learner, Ones(), 0.01, 100, 20, 0)
    assert learner.x == 0.0


class Ones:
    """Five batches of four ones."""

    def __iter__(self):
        return iter([(np.ones(4), np.ones(4))] * 5)


def test_on_a_quadratic_it_ends_a_while_after_the_stability_line():
    test = range_test(Quadratic(), Ones(), 0.01, 100, 200, 0)
    assert test.status == 'broke down'
    assert 2 < test.lrs[-1] < 20
    found = test.suggestions()
    assert all(0.01 <= rate < 2 for rate in found.values()), found


def test_the_rules_by_hand():
    lrs = np.array([0.1, 1.0, 10.0, 100.0])
    test = RangeTest(lrs, np.array([3.0, 1.0, 0.5, 9.0]), 'finished')
    assert test.smooth(beta=0).tolist() == [3.0, 1.0, 0.5, 9.0]
    smooth = test.smooth()
    assert smooth[1] == pytest.approx((0.9 * 3 + 1) / 1.9)
    assert test.suggestions()['minimum / 10'] == 1.0
    assert test.suggestions()['valley'] == 1.0


def test_a_loss_that_is_not_finite_is_left_out():
    class Exploding(Quadratic):
        def update(self, X, y, lr):
            self.loss = np.inf if lr > 1 else len(X)

    test = range_test(Exploding(), Ones(), 0.01, 100, 20, 0)
    assert test.status == 'broke down'
    assert np.isfinite(test.losses).all()
    assert len(test.losses) == len(test.lrs)


@pytest.mark.parametrize('finite', [0, 1])
def test_a_test_without_two_finite_losses_says_so(finite):
    class Exploding(Quadratic):
        def update(self, X, y, lr):
            self.loss = np.nan if lr >= 0.01 * 10**finite else len(X)

    learner = Exploding()
    with pytest.raises(ValueError, match=f'finite after {finite} of 5 .* begin lower'):
        range_test(learner, Ones(), 0.01, 100, 5, 0)
    assert learner.x == 0.0


def test_the_panel_tells_the_interval_over_the_seeds():
    tests = [
        RangeTest(np.array([0.1, 1.0, 10.0]), np.array(losses), 'finished')
        for losses in ([3.0, 1.0, 0.1], [3.0, 0.1, 9.0])
    ]
    assert 'Over 2 seeds: steepest ' in range_panel(tests).note
    assert 'minimum / 10 0.1 to 1' in range_panel(tests).note


def test_minibatches_that_come_once_are_named():
    class Once(Ones):
        def __init__(self):
            self.left = super().__iter__()

        def __iter__(self):
            return self.left

    again = r'train_iter gave no minibatch after 5 of 9 updates: it must begin anew'
    with pytest.raises(ValueError, match=again):
        range_test(Quadratic(), Once(), 0.01, 100, 9, 0)
    assert len(range_test(Quadratic(), Once(), 0.01, 100, 5, 0).lrs) == 5


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'low': 0}, 'low and high must be 0 < low < high, got 0'),
        ({'high': 1e-4}, 'low and high must be'),
        ({'num_updates': 1}, 'num_updates must be a whole number >= 2, got 1'),
        ({'seed': -1}, 'seed must be a whole number >= 0, got -1'),
    ],
)
def test_bad_arguments_are_named(settings, message):
    settings = {'low': 1e-3, 'high': 10, 'num_updates': 9, 'seed': 0} | settings
    with pytest.raises(ValueError, match=message):
        range_test(Quadratic(), Ones(), **settings)


def test_a_fall_after_the_breakdown_is_no_valley():
    losses = np.array([3.0, 2.5, 0.5, 9.0, 8.0, 7.0, 6.0, 5.0])
    test = RangeTest(10.0 ** np.arange(8), losses, 'finished')
    assert test.suggestions()['valley'] <= 100


@pytest.mark.parametrize(
    ('losses', 'status', 'doubt'),
    [
        ([2.3] * 50, 'finished', 'hardly falls between .* test higher rates'),
        ([2.3, 9.0, 80.0], 'broke down', 'runs away from 1 on: test lower rates'),
    ],
)
def test_a_loss_that_never_falls_suggests_nothing_and_the_panel_says_so(
    losses, status, doubt
):
    test = RangeTest(np.logspace(0, 1, len(losses)), np.array(losses), status)
    assert test.suggestions() == {}
    assert re.search(doubt, test.doubt)
    panel = range_panel([test])
    assert 'no suggestion. 1 of 1 suggest nothing: the loss' in panel.note
    assert panel.verticals == {}


def test_the_rates_of_the_rules_are_marked_and_the_note_tells_the_length():
    test = RangeTest(np.logspace(-3, 1, 100), np.linspace(2.3, 0.3, 100), 'finished')
    panel = range_panel([test, test])
    for rule, rate in test.suggestions().items():
        assert panel.verticals[rule] == pytest.approx(np.log10(rate))
    assert panel.note.endswith(
        'A test of 100 updates: a longer one suggests lower rates.'
    )


@pytest.mark.parametrize('scatter', [0.05, 0.2, 0.6])
@pytest.mark.parametrize('num_updates', [30, 100, 1000])
def test_noise_alone_suggests_nothing(scatter, num_updates):
    rng = np.random.default_rng(0)
    losses = 2.3 + scatter * rng.standard_normal((100, num_updates))
    lrs = np.logspace(-8, -7, num_updates)
    tests = [RangeTest(lrs, row, 'finished') for row in losses]
    assert sum(bool(test.suggestions()) for test in tests) <= 3
    # what noise may do is then more than a twentieth of the loss
    assert any('more updates' in test.doubt for test in tests) == (scatter > 0.1)


@pytest.mark.parametrize('scatter', [0.05, 0.2, 0.4])
@pytest.mark.parametrize('begins', [-4, -1])  # at once, and after three quarters
def test_a_fall_in_noise_suggests_all_the_same(scatter, begins):
    rng = np.random.default_rng(0)
    lrs = np.logspace(-4, 0, 120)
    level = np.interp(np.log10(lrs), [begins, begins + 1], [2.3, 0.6])
    tests = [
        RangeTest(lrs, level + scatter * noise, 'finished')
        for noise in rng.standard_normal((100, 120))
    ]
    assert all(test.suggestions() for test in tests)


def test_rates_that_teach_nothing_are_not_suggested_with_single_images():
    d2l, net, loss, trainer = backend('mxnet')
    train_iter, _ = d2l.load_data_fashion_mnist(1)
    for seed in range(10):
        test = d2l.range_test(
            net, train_iter, loss, trainer, d2l.try_gpu(), 1e-8, 1e-7, 60, seed
        )
        assert test.suggestions() == {}
