"""Sharpness against exact eigenvalues; distances and correlations; runs with probes."""

import dataclasses
import json

import numpy as np
import pytest

from d2l_ext.experiments import probes
from d2l_ext.experiments.recipes import RECIPES
from d2l_ext.theory.curvature import distance, largest_eigenvalue, svcca


@pytest.mark.parametrize(
    'eigenvalues',
    [(5, 3, 1, 0, -1), (4, 3.9, 1, -3), (2, 1, -7), (-1, -2, -8)],
    ids=['clear', 'close', 'a larger negative one', 'all negative'],
)
def test_the_largest_eigenvalue_of_a_matrix(eigenvalues):
    rng = np.random.default_rng(3)
    Q, _ = np.linalg.qr(rng.standard_normal((len(eigenvalues),) * 2))
    H = Q @ np.diag(eigenvalues) @ Q.T
    start = rng.standard_normal(len(H))
    value, vector, residual = largest_eigenvalue(lambda v: H @ v, start, 1e-3, 2000)
    assert value == pytest.approx(max(eigenvalues), rel=1e-3)
    assert np.linalg.norm(vector) == pytest.approx(1)
    assert np.linalg.norm(H @ vector - value * vector) == pytest.approx(residual)
    assert residual <= 1e-3 * abs(value)


def test_the_residual_tells_of_a_stop_too_early():
    H = np.diag([1.0, 0.99, 0.5])
    pair = largest_eigenvalue(lambda v: H @ v, [1, 1, 1], 1e-6, max_iterations=3)
    assert 0.001 < pair.residual < 0.1
    assert np.abs(np.diag(H) - pair.value).min() <= pair.residual


def test_what_is_not_finite_is_told_not_iterated():
    calls = []

    def product(v):
        calls.append(v)
        return np.full(2, np.nan)

    assert np.isnan(largest_eigenvalue(product, [1, 1]).value)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: largest_eigenvalue(abs, [0, 0]), 'start must have .* got array'),
        (lambda: largest_eigenvalue(abs, [1], 0), 'tolerance must be above 0, got 0'),
        (lambda: distance([0], [1]), 'before must not be all 0'),
        (lambda: distance([1], [1, 2]), r'\(1,\) and \(2,\)'),
        (lambda: svcca(np.ones((3, 2)), np.ones((4, 2))), r'\(3, 2\) and \(4, 2\)'),
        (lambda: svcca(np.eye(2), np.eye(2), 0), 'share must be .*, got 0'),
        (lambda: probes.load('constant_0.3'), "'constant_0.3' is not probed"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_svcca_sees_through_any_change_of_basis_and_no_further():
    rng = np.random.default_rng(0)
    signal, noise, other = rng.standard_normal((3, 4000, 4))
    turned = signal @ rng.standard_normal((4, 4)) + 7
    assert svcca(signal, turned, share=1) == pytest.approx(1)
    assert svcca(signal, other) < 0.05
    # half of the directions in common; of the others, none
    assert svcca(
        np.hstack([signal, noise]), np.hstack([signal, other]), share=1
    ) == pytest.approx(0.5, abs=0.05)
    # correlation 1 / sqrt(2), as the noise is as large as the signal
    assert svcca(signal, signal + noise) == pytest.approx(0.5**0.5, abs=0.03)


def test_a_dead_layer_is_correlated_with_nothing():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((100, 3)).astype('float32')
    for dead in (np.zeros((100, 3)), np.full((100, 3), 0.1, 'float32')):
        assert svcca(signal, dead) == svcca(dead, signal) == svcca(dead, dead) == 0


def test_directions_that_hold_little_do_not_count():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((1000, 2))
    faint = [1e-3 * rng.standard_normal((1000, 1)) for _ in range(2)]
    before, after = (np.hstack([signal, each]) for each in faint)
    assert svcca(before, after) == pytest.approx(1)
    assert svcca(before, after, share=1) == pytest.approx(2 / 3, abs=0.05)


def small(kind):
    """Return a probe of a net of 16 inputs: 'softmax' regression, or 'tanh' before."""
    nn = pytest.importorskip('d2l_ext.torch').nn
    twin = pytest.importorskip('d2l_ext.torch')
    twin.torch.manual_seed(0)
    layers = [nn.AvgPool2d(7), nn.Flatten()]
    if kind == 'tanh':
        layers += nn.Linear(16, 5), nn.Tanh(), nn.Linear(5, 10)
    else:
        layers += (nn.Linear(16, 10),)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(twin.NETS, 'lenet', lambda: nn.Sequential(*layers))
        return probes._Probe(RECIPES['start_0.5'])


def sharpness(probe):
    _, product = probe.curvature()
    return largest_eigenvalue(product, probe.vector, 1e-3, 500).value


def test_sharpness_is_the_eigenvalue_that_softmax_regression_has_by_formula():
    probe = small('softmax')
    with probe.torch.no_grad():
        X = probe.net[:2](probe.X).double().numpy()
        p = probe.net(probe.X).double().softmax(1).numpy()
    X = np.hstack([X, np.ones((len(X), 1))])  # of the bias
    blocks = p[:, :, None] * (np.eye(10) - p[:, None])
    H = np.einsum('nij,nk,nl->ikjl', blocks, X, X).reshape(170, 170) / len(X)
    assert sharpness(probe) == pytest.approx(np.linalg.eigvalsh(H)[-1], rel=1e-3)


def test_sharpness_is_the_eigenvalue_of_the_full_hessian_of_a_deeper_net():
    probe = small('tanh')
    torch, names = probe.torch, [name for name, _ in probe.net.named_parameters()]
    shapes = [p.shape for p in probe.parameters]
    sizes = [p.numel() for p in probe.parameters]

    def value(flat):
        parts = (part.view(shape) for part, shape in zip(flat.split(sizes), shapes))
        weights = dict(zip(names, parts))
        y_hat = torch.func.functional_call(probe.net, weights, (probe.X.double(),))
        return probe.loss(y_hat, probe.y)

    flat = torch.cat([p.detach().reshape(-1) for p in probe.parameters]).double()
    eigenvalues = np.linalg.eigvalsh(torch.func.hessian(value)(flat).numpy())
    assert eigenvalues[0] < 0  # it is not convex
    assert sharpness(probe) == pytest.approx(eigenvalues[-1], rel=1e-3)


@pytest.fixture(scope='module')
def backend():
    return pytest.importorskip('d2l_ext.mxnet')


@pytest.mark.parametrize('name', ['lenet', 'plain'])
def test_the_nets_are_twins(name, backend):
    twin = pytest.importorskip('d2l_ext.torch')
    rng = np.random.default_rng(0)
    X = rng.random((3, 1, 28, 28)).astype('float32')

    def outputs():
        net = backend.NETS[name]()
        net.initialize()
        net(backend.np.array(X))
        weights = probes.first_weights(net, seed=1)
        other = twin.NETS[name]()
        pairs = zip(net.collect_params().values(), other.parameters(), strict=True)
        for (ours, theirs), weight in zip(pairs, weights, strict=True):
            ours.set_data(backend.np.array(weight))
            theirs.data = twin.torch.as_tensor(weight)
        return net(backend.np.array(X)).asnumpy(), other(twin.torch.as_tensor(X))

    ours, theirs = backend.mx.util.use_np(outputs)()
    np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-5)


def test_the_first_weights_are_those_that_training_begins_with(backend):
    def begun():
        recipe = RECIPES['start_0.5']
        net = backend.lenet()
        still = dataclasses.replace(recipe, scheduler=type(recipe.scheduler)(0.0))
        run = backend.run_steps(still, 3, net=net)
        next(run)
        run.close()
        return net, [p.data().asnumpy() for p in net.collect_params().values()]

    net, weights = backend.mx.util.use_np(begun)()
    for found, expected in zip(weights, probes.first_weights(net, 3), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_run_is_the_same_with_probes_in_it(backend, monkeypatch, tmp_path):
    pytest.importorskip('d2l_ext.torch')
    recipe = dataclasses.replace(RECIPES['start_0.5'], num_epochs=1)
    histories, run_steps = [], backend.run_steps

    def watched(*arguments, **options):
        for history in run_steps(*arguments, **options):
            histories.append(history)
            yield history

    alone = backend.run(recipe, 0)
    monkeypatch.setattr(backend, 'run_steps', watched)
    monkeypatch.setattr(probes, 'RUNS', tmp_path)
    monkeypatch.setattr(probes, 'EXAMPLES', 50)
    monkeypatch.setattr(probes, 'IN_FIRST_EPOCH', (12,))
    monkeypatch.setitem(RECIPES, 'start_0.5', recipe)
    probes.main(['start_0.5', '--seeds', '1'])
    assert histories[-1] == alone
    (probed,) = probes.load('start_0.5')
    assert probed.updates == [0, 12, 94]
    assert probed.distance[0] == [0] * 5
    assert probed.svcca[0] == pytest.approx([1] * 5)
    made = len(histories)
    probes.main(['start_0.5', '--seeds', '1'])
    assert len(histories) == made, 'a run on disk was made again'


def test_a_recording_of_another_recipe_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(probes, 'RUNS', tmp_path)
    with pytest.raises(ValueError, match=r'probes start_0\.5'):
        probes.load('start_0.5')
    text = json.dumps({'recipe': {'hash': 'another'}})
    (tmp_path / 'probed_start_0.5-0.json').write_text(text)
    with pytest.raises(ValueError, match='is of another recipe: delete it'):
        probes.load('start_0.5')


@pytest.mark.parametrize('name', probes.NAMES)
def test_what_is_recorded_is_what_was_asked_for(name):
    runs = probes.load(name)
    assert [run.recipe['seed'] for run in runs] == list(range(len(runs)))
    assert len(runs) >= 5
    for run in runs:
        count = len(run.updates)
        for values in (run.train_loss, run.sharpness, run.distance, run.svcca):
            assert len(values) == count > 0
        assert {len(row) for row in run.distance + run.svcca} == {len(run.layers)}
        assert run.sharpness[0] > 1
        loose = [r > 0.2 * s for r, s in zip(run.residual, run.sharpness)]
        assert not any(loose)
