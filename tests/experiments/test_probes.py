"""Runs with probes in them: the same run, sharpness by formula, what is recorded."""

import dataclasses
import json

import numpy as np
import pytest

from d2l_ext.experiments import probes, store
from d2l_ext.experiments.recipes import RECIPES
from d2l_ext.theory.curvature import largest_eigenvalue


def small(kind):
    """Return the twin of a net of 16 inputs: 'softmax' regression, or 'tanh' before."""
    torch = pytest.importorskip('torch')
    from d2l_ext import torch as d2l
    from d2l_ext.experiments._probe_torch import Twin

    torch.manual_seed(0)
    layers = [torch.nn.AvgPool2d(7), torch.nn.Flatten()]
    if kind == 'tanh':
        layers += torch.nn.Linear(16, 5), torch.nn.Tanh(), torch.nn.Linear(5, 10)
    else:
        layers += (torch.nn.Linear(16, 10),)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(d2l.NETS, 'lenet', lambda: torch.nn.Sequential(*layers))
        return torch, Twin(RECIPES['start_0.5'], probes.EXAMPLES)


def sharpness(twin):
    _, product = twin.curvature()
    start = np.random.default_rng(0).standard_normal(twin.size)
    return largest_eigenvalue(product, start, 1e-3, 500).value


def test_sharpness_is_the_eigenvalue_that_softmax_regression_has_by_formula():
    torch, twin = small('softmax')
    with torch.no_grad():
        X = twin.net[:2](twin.X).double().numpy()
        p = twin.net(twin.X).double().softmax(1).numpy()
    X = np.hstack([X, np.ones((len(X), 1))])  # of the bias
    blocks = p[:, :, None] * (np.eye(10) - p[:, None])
    H = np.einsum('nij,nk,nl->ikjl', blocks, X, X).reshape(170, 170) / len(X)
    assert sharpness(twin) == pytest.approx(np.linalg.eigvalsh(H)[-1], rel=1e-3)


def test_sharpness_is_the_eigenvalue_of_the_full_hessian_of_a_deeper_net():
    torch, twin = small('tanh')
    names = [name for name, _ in twin.net.named_parameters()]
    shapes = [p.shape for p in twin.parameters]
    sizes = [p.numel() for p in twin.parameters]

    def value(flat):
        parts = (part.view(shape) for part, shape in zip(flat.split(sizes), shapes))
        weights = dict(zip(names, parts))
        y_hat = torch.func.functional_call(twin.net, weights, (twin.X.double(),))
        return twin.loss(y_hat, twin.y)

    flat = torch.cat([p.detach().reshape(-1) for p in twin.parameters]).double()
    eigenvalues = np.linalg.eigvalsh(torch.func.hessian(value)(flat).numpy())
    assert eigenvalues[0] < 0  # it is not convex
    assert sharpness(twin) == pytest.approx(eigenvalues[-1], rel=1e-3)


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
    monkeypatch.setattr(store, 'RUNS', tmp_path)
    monkeypatch.setattr(probes, 'EXAMPLES', 50)
    monkeypatch.setattr(probes, 'IN_FIRST_EPOCH', (12,))
    monkeypatch.setitem(RECIPES, 'start_0.5', recipe)
    probes.main(['start_0.5', '--seeds', '1'])
    assert histories[-1] == alone
    (probed,) = probes.load('start_0.5')
    assert probed.updates == [0, 12, 94]
    assert probed.distance[0] == [0] * 5
    assert probed.svcca[0] == pytest.approx([1] * 5)
    before = len(histories)
    probes.main(['start_0.5', '--seeds', '1'])
    assert len(histories) == before, 'a run on disk was run again'


def test_what_is_not_probed_says_so():
    with pytest.raises(ValueError, match=r"'constant_0\.3' is not probed: there are"):
        probes.load('constant_0.3')


def test_a_probed_run_of_another_recipe_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(store, 'RUNS', tmp_path)
    with pytest.raises(ValueError, match=r'probes start_0\.5'):
        probes.load('start_0.5')
    text = json.dumps({'recipe': {'hash': 'another'}})
    (tmp_path / 'probed_start_0.5').mkdir()
    (tmp_path / 'probed_start_0.5/0.json').write_text(text)
    with pytest.raises(ValueError, match=r'is of another recipe: .* delete it'):
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
