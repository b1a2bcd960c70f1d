"""What a recipe may say, and that what it says is what is run."""

import pytest

from d2l_ext.plan import Plan
from d2l_ext.schedulers import ConstantScheduler, CosineScheduler
from d2l_ext.training import Recipe

CONSTANT = ConstantScheduler(0.01)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({}, 'scheduler must be one of d2l_ext.schedulers, or printed .* got None'),
        ({'scheduler': 0.5}, 'scheduler must be one of d2l_ext.schedulers'),
        (
            {'scheduler': CONSTANT, 'per': 'batch'},
            "per must be one of 'epoch', 'update'",
        ),
        ({'scheduler': CONSTANT, 'net': 'resnet'}, "net must be one of 'lenet', 'pla"),
        ({'scheduler': CONSTANT, 'optimizer': 'lion'}, "must be one of 'sgd', 'adam'"),
        ({'scheduler': CONSTANT, 'subset': 'half'}, "subset must be one of 'mini'"),
        ({'scheduler': CONSTANT, 'backend': 'jax'}, "backend must be one of 'mxnet'"),
        ({'scheduler': CONSTANT, 'num_epochs': 0}, 'num_epochs must be a whole numb'),
        ({'scheduler': CONSTANT, 'batch_size': 'x'}, 'batch_size must be a whole num'),
        ({'printed': 'linear'}, "printed must be one of '', 'square_root', 'factor'"),
    ],
)
def test_what_cannot_be_run_is_refused_when_it_is_said(settings, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**settings)


def test_a_recipe_has_a_plan_and_a_plan_a_recipe():
    recipe = Recipe(CosineScheduler(40, 0.5), 'update', 40, 256, 'full')
    assert recipe.batches_per_epoch == 235
    assert recipe.plan == Plan(recipe.scheduler, 40, 'update', 235)
    assert Recipe.of(recipe.plan, batch_size=256, subset='full') == recipe
    with pytest.raises(ValueError, match=r'must be 94, .* got a Plan with 235'):
        Recipe.of(recipe.plan)
    with pytest.raises(ValueError, match=r"printed='cosine' .* has no plan"):
        _ = Recipe(printed='cosine').plan


def test_a_slider_s_whole_floats_do_not_change_the_hash():
    plain = Recipe(CONSTANT, num_epochs=30, batch_size=64)
    assert Recipe(CONSTANT, num_epochs=30.0, batch_size=64.0) == plain
    assert Recipe(CONSTANT, num_epochs=30.0).content_hash(0) == plain.content_hash(0)


@pytest.mark.parametrize('framework', ['mxnet', 'torch'])
def test_the_optimizer_that_a_recipe_names_is_the_one_that_trains(framework):
    backend = pytest.importorskip(f'd2l_ext.{framework}', exc_type=ImportError)
    sgd, adam = (
        backend.run(Recipe(CONSTANT, num_epochs=1, optimizer=name), 0)
        for name in ('sgd', 'adam')
    )
    assert [run.recipe['optimizer'] for run in (sgd, adam)] == ['sgd', 'adam']
    assert adam.train_loss[0] < sgd.train_loss[0] - 0.5  # SGD needs a higher rate
    assert adam.lr == sgd.lr
