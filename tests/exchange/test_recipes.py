"""Ten published recipes: said by a scheduler, checked, exported, equal at five points.

The points are those of the source's own formula, with its numbers.
"""

import json
import os
from pathlib import Path

import pytest
from test_code import TESTED
from test_table import prepare

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


def asked(library, plan):
    """Return the schedule that code builds, before its loop, as a function of t."""
    text, space = code(plan, library), {}
    exec(text.split('\nrates = ')[0], space)  # noqa: S102
    made = space['schedule' if library in ('optax', 'keras', 'timm') else 'scheduler']
    if library in ('d2l_ext', 'optax', 'keras'):
        return made
    if library in ('mxnet', 'gluoncv'):
        return lambda t: made(t + 1)
    run = plan.num_epochs, plan.per, plan.batches_per_epoch
    return schedule(made, *run).scheduler


@pytest.mark.parametrize('library', TESTED)
@pytest.mark.parametrize('recipe', named(RECIPES))
def test_it_is_exported_with_the_same_rates(recipe, library):
    prepare(library)
    plan = plan_of(recipe)
    rate = asked(library, plan)
    rel = 1e-4 if library in ('optax', 'keras') else 1e-9  # they compute in float32
    peak = max(lr for _, lr in recipe['points'])
    for t, lr in recipe['points']:
        assert float(rate(t)) == pytest.approx(lr, rel=rel, abs=1e-7 * peak), t
