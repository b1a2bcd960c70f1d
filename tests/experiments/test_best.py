"""Which shape is best: the recordings, and how they are compared."""

import numpy as np
import pytest

from d2l_ext.experiments import averaged, best, norms, store
from d2l_ext.experiments.recipes import BEST, HORIZONS, NAMES, REFINED, SHAPES
from d2l_ext.experiments.statistics import Paired
from d2l_ext.schedulers import ConstantScheduler
from d2l_ext.training import History
from d2l_ext.training.recipe import Recipe


@pytest.mark.parametrize('epochs', HORIZONS)
@pytest.mark.parametrize('shape', SHAPES)
def test_every_shape_begins_at_its_base_rate_and_is_above_0(shape, epochs):
    scheduler = BEST[shape, epochs, 0.2].scheduler
    rates = [scheduler(epoch) for epoch in range(epochs)]
    assert rates[0] == max(rates) == 0.2
    assert min(rates) > 0
    if shape not in ('constant', 'square_root'):
        assert rates[-1] <= 0.5 * rates[0]
    if shape not in ('constant', 'square_root', 'refined'):
        assert scheduler(epochs) == 0


@pytest.mark.parametrize('epochs', HORIZONS)
def test_the_refined_shape_is_that_of_the_recorded_norms(epochs):
    found = norms.load(epochs)
    assert len(found.norms) == 94 * epochs
    assert min(found.norms) > 0
    assert tuple(norms.refined(epochs)) == REFINED[epochs]


def test_a_norm_is_that_of_the_mean_gradient_of_a_minibatch():
    """Of the last one of an epoch too, which is smaller."""
    mxnet = pytest.importorskip('d2l_ext.mxnet')
    from d2l_ext.experiments._mxnet import watch

    recipe, moved = Recipe(ConstantScheduler(0.1), num_epochs=1), []

    @mxnet.mx.util.use_np
    def look(history, net):
        weights = [p.data().asnumpy().ravel() for p in net.collect_params().values()]
        moved.append(np.concatenate(weights))

    watch(recipe, 0, look)
    found = norms.train_measured(recipe, 0).norms
    # plain SGD: the rate times the mean gradient is how far the weights move
    steps = np.linalg.norm(np.diff(moved[:94], axis=0), axis=1) / 0.1
    np.testing.assert_allclose(found[1:], steps, rtol=2e-3)


def test_no_norms_are_known_of_other_lengths(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r'epochs must be one of \(10, 30\), got 20'):
        norms.load(20)
    monkeypatch.setattr(store, 'RUNS', tmp_path)
    with pytest.raises(ValueError, match='norms over 10 epochs are not recorded'):
        norms.load(10)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(store, 'RUNS', tmp_path)


def keep(shape, rate, *losses):
    name = NAMES[BEST[shape, 10, rate]]
    for seed, loss in enumerate(losses):
        run = History({}, [2.0, loss], [0.5, 0.6], [0.5, 1 - loss])
        store.save(run, name, seed)


def test_the_best_rate_is_that_of_the_lowest_loss_over_the_same_seeds(folder):
    keep('linear', 0.1, 1.5, 1.5)
    keep('linear', 0.2, 1.4, 1.4, 1.9, 1.9)  # beside the others there are two seeds
    keep('linear', 0.3, 0.1, 2.31)  # and where a run is lost, nothing counts
    rate, runs = best.best('linear', 10)
    assert rate == 0.2
    assert [run.train_loss[-1] for run in runs] == [1.4, 1.4, 1.9, 1.9]


def test_the_table_has_pairs_and_verdicts(folder):
    keep('linear', 0.3, 0.30, 0.31, 0.32)
    keep('cosine', 0.3, 0.40, 0.41, 0.43)
    keep('wsd_50', 0.3, 0.29, 0.33, 0.31)
    keep('constant', 0.3, 0.5)
    rows = {line.split()[0]: line for line in best.table(10).splitlines()[1:]}
    assert [*rows] == ['linear', 'wsd_50', 'cosine', 'constant']
    assert '+0.103 ± 0.003  higher' in rows['cosine']
    assert rows['wsd_50'].endswith('not distinguishable')
    assert rows['constant'].endswith('one seed tells nothing')
    assert best.beside('cosine', 10).n == 3


def test_what_is_not_recorded_is_said(folder):
    with pytest.raises(ValueError, match="'linear' over 10 epochs is not recorded"):
        best.best('linear', 10)
    with pytest.raises(
        ValueError, match=r"shape must be one of constant,.* got 'sine'"
    ):
        best.sweep('sine', 10)
    assert best.sweep('averaged', 10) == {}


def test_verdicts_are_about_the_sign():
    assert best.verdict(Paired(-0.1, 0.01, 5)) == 'lower'
    assert best.verdict(Paired(-0.1, 0.01, 1)) == 'not distinguishable'


def test_rank_correlation_is_scipys():
    stats = pytest.importorskip('scipy.stats')
    x, y = np.random.default_rng(0).standard_normal((2, 12))
    ours = best.rank_correlation([*x], [*y])
    assert ours == pytest.approx(stats.spearmanr(x, y).statistic)
    assert best.rank_correlation([*x], [*-x]) == -1


def test_what_theory_says_is_told_beside_the_best_and_beside_linear_decay():
    said = best.predictions(10)
    assert said.keys() == SHAPES.keys()
    assert said['linear'][1] == 1
    assert min(loss for loss, _ in said.values()) > 1
    assert said['constant'] == max(said.values())


def test_more_means_begin_after_two_fifths_of_the_run():
    for name, (recipe, _) in averaged.OTHERS.items():
        begin = 2 * recipe.num_epochs // 5
        for seed, (history, mean) in enumerate(averaged.load(name)):
            assert history.recipe['seed'] == mean.recipe['seed'] == seed
            assert mean.recipe['burn_in'] == begin
            known = np.isfinite(mean.train_loss)
            assert known.tolist() == [e >= begin for e in range(recipe.num_epochs)]


@pytest.mark.parametrize('epochs', HORIZONS)
@pytest.mark.parametrize('shape', [*SHAPES, best.AVERAGED])
def test_what_the_notebook_compares_is_recorded_with_three_seeds_or_more(shape, epochs):
    assert len(best.best(shape, epochs)[1]) >= 3
