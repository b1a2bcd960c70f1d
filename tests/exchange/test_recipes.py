"""Ten published recipes: said by a scheduler, checked, exported, equal at five points.

The points are those of the source's own formula, with its numbers.
"""

import importlib.util
import json
import os
from pathlib import Path

import pytest

from d2l_ext import families, schedulers
from d2l_ext.check import check
from d2l_ext.exchange.code import code
from d2l_ext.exchange.read import schedule
from d2l_ext.plan import Plan

os.environ.setdefault('KERAS_BACKEND', 'torch')
RECIPES = json.loads((Path(__file__).parent / 'recipes.json').read_text())
NAMES = vars(schedulers) | vars(families)


def named(recipes):
    return [pytest.param(recipe, id=recipe['name']) for recipe in recipes]


def plan_of(recipe):
    run = (recipe[name] for name in ('num_epochs', 'per', 'batches_per_epoch'))
    return Plan(eval(recipe['scheduler'], dict(NAMES)), *run)


def close(lr, rel=1e-9):
    return pytest.approx(lr, rel=rel, abs=1e-15)


def test_there_are_ten_each_with_its_source():
    assert len({recipe['name'] for recipe in RECIPES}) == 10
    assert all(recipe['source'] and len(recipe['points']) == 5 for recipe in RECIPES)


@pytest.mark.parametrize('recipe', named(RECIPES))
def test_a_recipe_is_said_and_checked(recipe):
    plan = plan_of(recipe)
    for t, lr in recipe['points']:
        assert plan.scheduler(t) == close(lr), t
    doubts = check(plan)
    assert len(doubts) == len(recipe['doubts']), doubts
    for doubt, begin in zip(doubts, recipe['doubts'], strict=True):
        assert doubt.startswith(begin)


@pytest.mark.parametrize('recipe', named(r for r in RECIPES if 'config' in r))
def test_its_config_is_read(recipe):
    plan, ours = (
        schedule(recipe['config'], batches_per_epoch=recipe['batches_per_epoch']),
        plan_of(recipe),
    )
    assert (plan.num_epochs, plan.per) == (ours.num_epochs, ours.per)
    for t, lr in recipe['points']:
        assert plan.scheduler(t) == close(lr), t


def asked(library, text):
    """Return the schedule that code builds, before its loop, as a function of t."""
    space = {}
    exec(text.split('\nrates = ')[0], space)  # noqa: S102
    made = space['schedule' if library in ('optax', 'keras') else 'scheduler']
    if library in ('d2l_ext', 'optax', 'keras'):
        return made
    if library == 'mxnet':
        return lambda t: made(t + 1)
    return schedule(made, 1).scheduler


@pytest.mark.parametrize(
    'library', ['d2l_ext', 'torch', 'mxnet', 'optax', 'keras', 'ignite']
)
@pytest.mark.parametrize('recipe', named(RECIPES))
def test_it_is_exported_with_the_same_rates(recipe, library):
    if library == 'mxnet':
        pytest.importorskip('d2l_ext.mxnet')
    elif not importlib.util.find_spec(library):
        pytest.skip(f'{library} is not installed')
    plan = plan_of(recipe)
    rate = asked(library, code(plan, library))
    rel = 1e-4 if library in ('optax', 'keras') else 1e-9  # they compute in float32
    peak = max(lr for _, lr in recipe['points'])
    for t, lr in recipe['points']:
        assert float(rate(t)) == pytest.approx(lr, rel=rel, abs=1e-7 * peak), t
