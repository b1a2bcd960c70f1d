"""MXNet's convolutions with more channels than a net has compute what the net does."""

import os
import subprocess
import sys

import numpy
import pytest

from d2l_ext.experiments import store
from d2l_ext.experiments.verify import in_band
from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training.recipe import Recipe

d2l = pytest.importorskip('d2l_ext.mxnet', exc_type=ImportError)
from mxnet import autograd

from d2l_ext.mxnet import gluon, mx, nn, np
from d2l_ext.training import _mxnet_wide as wide

pytestmark = pytest.mark.usefixtures('set_np')


@pytest.fixture
def set_np():
    with mx.util.np_shape(True), mx.util.np_array(True):
        yield


def deep():
    """Return a net with all that a convolution can be followed by."""
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(6, kernel_size=5, padding=2, activation='relu'),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Conv2D(9, kernel_size=3, padding=1),
        nn.Activation('relu'),
        nn.Conv2D(5, kernel_size=3, activation='sigmoid'),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Conv2D(3, kernel_size=1, use_bias=False),
        nn.Conv2D(7, kernel_size=3, activation='tanh'),
        nn.Dense(10),
    )
    return net


SETTINGS = {'learning_rate': 0.1, 'momentum': 0.9, 'wd': 0.01}


def trained(make, kernels, updates):
    """Return the weights of a net after so many updates, by name."""
    net = make()
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), 'sgd', SETTINGS)
    train_iter, test_iter = d2l.load_data_fashion_mnist(64)
    steps = d2l.train_steps(
        net, train_iter, test_iter, 1, gluon.loss.SoftmaxCrossEntropyLoss(), trainer,
        mx.cpu(), kernels=kernels,
    )  # fmt: skip
    for history in steps:
        if len(history.lr) == updates:
            break
    named = net._collect_params_with_prefix()
    return {name: p.data().asnumpy() for name, p in named.items()}


@pytest.mark.parametrize('width', [1, 8, 16])
@pytest.mark.parametrize('make', [d2l.lenet, deep])
def test_it_is_the_same_function_with_the_same_gradients(make, width):
    """In float64, where rounding does not decide which of two numbers is larger."""
    net = make()
    net.cast('float64')
    net.initialize(mx.init.Zero())  # a uniform one draws float32
    rng = numpy.random.default_rng(0)
    X = np.array(rng.normal(size=(16, 1, 28, 28)), 'float64')
    net(X)  # tells the layers their shapes
    for p in net.collect_params().values():
        p.set_data(np.array(rng.normal(size=p.shape) / 5, 'float64'))
    block, found = wide.with_kernels(net, f'{width} wide'), []
    for computed in net, block:
        with autograd.record():
            y = computed(X)
            (y**2).sum().backward()
        grads = [p.grad().asnumpy() for p in net.collect_params().values()]
        found.append([y.asnumpy(), *grads])
    for plain, wider in zip(*found):
        assert plain.any()
        numpy.testing.assert_allclose(wider, plain, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('width', [1, 8, 16])
@pytest.mark.parametrize('make', [d2l.lenet, deep])
def test_the_first_updates_are_those_of_the_plain_net(make, width):
    """Up to rounding, which may decide what the largest of a pooling's numbers is."""
    plain, wider = (
        trained(make, kernels, updates=3) for kernels in ('plain', f'{width} wide')
    )
    assert plain.keys() == wider.keys()
    for name, weight in plain.items():
        assert weight.shape == wider[name].shape
        off = abs(weight - wider[name])
        assert numpy.median(off) < 1e-4 > off.max() / 10


@pytest.mark.parametrize('kernels', ['8 wide', '16 wide'])
def test_a_run_ends_within_the_spread_of_the_seeds(kernels):
    recipe = Recipe(ConstantScheduler(0.1), num_epochs=3)
    history = d2l.run(recipe, 0, kernels=kernels)
    assert history.environment['kernels'] == kernels
    recorded = store.load('constant_0.1')
    assert in_band(history, recorded)
    assert history.train_loss != recorded[0].train_loss[:3]  # they did compute


@pytest.mark.parametrize('make', [d2l.lenet, deep])
def test_channels_that_are_not_the_nets_stay_zero(make):
    """After a run with momentum and decay, in what each convolution returns."""
    net = make()
    net.initialize()
    train_iter, test_iter = d2l.load_data_fashion_mnist(64)
    trainer = gluon.Trainer(net.collect_params(), 'sgd', SETTINGS)
    d2l.train(
        net, train_iter, test_iter, 1, gluon.loss.SoftmaxCrossEntropyLoss(), trainer,
        mx.cpu(), progress=False,
    )  # fmt: skip
    block = wide.with_kernels(net, '16 wide')
    X = mx.sym.var('X').as_np_ndarray()
    internals = block(X).get_internals()
    own = [layer.weight.shape[0] for layer in net if wide._can_be_wide(layer)]
    wider = 0
    for name in internals.list_outputs():
        if 'convolution' in name and name.endswith('output'):
            y = internals[name].as_np_ndarray()
            within = gluon.SymbolBlock(y, X, net.collect_params())
            y, channels = within(test_iter.X[:8]).asnumpy(), own.pop(0)
            assert y[:, :channels].any()
            assert not y[:, channels:].any()
            wider += y.shape[1] > channels
    assert wider == {d2l.lenet: 1, deep: 2}[make]


def test_the_readers_net_stays_the_books(tmp_path):
    """Its parameters, its file, and what it computes by itself."""
    net, again = d2l.lenet(), d2l.lenet()
    net.initialize()
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    trainer = d2l.sgd(net, 0.3)
    history = d2l.train(
        net, train_iter, test_iter, 1, d2l.cross_entropy(), trainer, mx.cpu(),
        progress=False,
    )  # fmt: skip
    assert sum(p.data().size for p in net.collect_params().values()) == 61_706
    net.save_parameters(str(tmp_path / 'lenet'))
    again.load_parameters(str(tmp_path / 'lenet'))
    assert d2l.evaluate_accuracy(again, test_iter, mx.cpu()) == history.test_acc[-1]
    again.save_parameters(str(tmp_path / 'again'))
    net.load_parameters(str(tmp_path / 'again'))


def test_the_readers_loss_stays_as_it_was():
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    net = d2l.lenet()
    net.initialize()
    d2l.train(
        net, *d2l.load_data_fashion_mnist(256), 1, loss, d2l.sgd(net, 0.1), mx.cpu(),
        progress=False,
    )  # fmt: skip
    assert not loss._active


def test_a_layer_that_somebody_listens_to_is_left_alone():
    net = d2l.lenet()
    assert isinstance(wide.with_kernels(net, '16 wide'), wide.Wide)
    assert wide.with_kernels(net, 'plain') is net
    for layer in net[0], net[2]:
        layer.register_forward_hook(print)
    assert wide.with_kernels(net, '16 wide') is net
    listened = d2l.lenet()
    listened.register_forward_hook(print)
    assert wide.with_kernels(listened, '16 wide') is listened
    assert wide.fastest(listened, mx.cpu()) == 'plain'


def test_a_loss_of_the_readers_own_sees_every_minibatch():
    seen = []

    def loss(y_hat, y):
        seen.append(y_hat.shape)
        return gluon.loss.SoftmaxCrossEntropyLoss()(y_hat, y)

    net = d2l.lenet()
    net.initialize()
    train_iter, test_iter = d2l.load_data_fashion_mnist(1000)
    d2l.train(
        net, train_iter, test_iter, 1, loss, d2l.sgd(net, 0.1), mx.cpu(), progress=False
    )
    assert seen == [(1000, 10)] * 6
    assert net._active  # it is compiled all the same


@pytest.mark.parametrize(
    ('found', 'kernels'),
    [
        (['X86_V3', 'X86_V4', 'AVX512_ICL'], '16 wide'),
        (['AVX2', 'FMA3', 'AVX512F', 'AVX512_SKX'], '16 wide'),
        (['X86_V3'], '8 wide'),
        (['AVX2', 'FMA3'], '8 wide'),
        (['ASIMDHP', 'SVE'], 'plain'),
        ([], 'plain'),
    ],
)
def test_the_width_is_that_of_the_processors_vectors(found, kernels, monkeypatch):
    known = {'SIMD Extensions': {'baseline': ['X86_V2'], 'found': found}}
    monkeypatch.setattr(numpy, 'show_config', lambda mode: known)
    assert wide.fastest(d2l.lenet(), mx.cpu()) == kernels
    assert wide.fastest(d2l.lenet(), mx.gpu()) == 'plain'
    assert wide.fastest(d2l.plain(), mx.cpu()) == 'plain'


@pytest.mark.parametrize('kernels', ['wide', '0 wide', '16', 'x wide', '-8 wide'])
def test_kernels_that_are_none_are_named(kernels):
    with pytest.raises(ValueError, match='kernels must be .*got ' + repr(kernels)):
        d2l.run(Recipe(ConstantScheduler(0.1), num_epochs=1), 0, kernels=kernels)


def unsaid():
    """Return this environment, but for what it says of threads."""
    return {k: v for k, v in os.environ.items() if k != 'OMP_NUM_THREADS'}


def test_it_is_one_with_either_engine_and_behind_pytorch():
    pytest.importorskip('torch')
    environment = unsaid()
    script = (
        'import {}\n'
        'from d2l_ext import mxnet as d2l\n'
        'from d2l_ext.schedulers import ConstantScheduler\n'
        'from d2l_ext.training import Recipe\n'
        'h = d2l.run(Recipe(ConstantScheduler(0.3), num_epochs=1), 0, kernels="8 wide")\n'
        'print(h.train_loss)\n'
    )
    losses = [
        subprocess.check_output(
            [sys.executable, '-c', script.format(first)],
            env=environment | more,
            text=True,
        )
        for first, more in (
            ('sys', {'OMP_NUM_THREADS': '1'}),
            ('sys', {}),
            ('sys', {'MXNET_ENGINE_TYPE': 'NaiveEngine'}),
            ('torch', {}),
        )
    ]
    assert len({*losses}) == 1


@pytest.mark.parametrize(('said', 'threads'), [(None, '1'), ('2', '2')])
def test_one_thread_where_nobody_has_said(said, threads):
    environment = unsaid()
    if said:
        environment['OMP_NUM_THREADS'] = said
    script = (
        'import os\n'
        'from d2l_ext import mxnet as d2l\n'
        'from d2l_ext.schedulers import ConstantScheduler\n'
        'from d2l_ext.training import Recipe\n'
        'h = d2l.run(Recipe(ConstantScheduler(0.1), num_epochs=1), 0)\n'
        'print(h.environment["omp_num_threads"], os.environ.get("OMP_NUM_THREADS"))\n'
        'print(len(os.listdir("/proc/self/task")))\n'
    )
    lines = subprocess.check_output(
        [sys.executable, '-c', script], env=environment, text=True
    ).splitlines()
    assert lines[0] == f'{threads} {said}'
