"""Best schedules computed ahead: what the file says is what the search finds."""

import itertools
import json

import numpy as np
import pytest

from d2l_ext.experiments import optima
from d2l_ext.theory import expected_loss, stability_line

ALL = [
    *itertools.product(
        optima.EPOCHS, optima.NOISES, optima.CONDITION_NUMBERS, optima.SHARPNESSES
    )
]


@pytest.mark.parametrize('key', [ALL[0], ALL[41], ALL[97]])
def test_the_file_holds_what_is_computed_today(key):
    lrs, loss, bases, losses = optima.compute(*key)
    found = optima.at(*key)
    # a search may end a little elsewhere in a flat valley, no higher
    assert found.loss == pytest.approx(loss, rel=2e-3)
    assert [*found.bases.values()] == pytest.approx(bases, rel=0.02)
    assert [*found.losses.values()] == pytest.approx(losses, rel=2e-3)
    assert len(found.lrs) == len(lrs) == key[0]


@pytest.mark.parametrize('key', ALL)
def test_rates_end_at_the_loss_that_is_told_and_no_shape_ends_lower(key):
    found, problem = optima.at(*key), optima.problem(*key)
    assert expected_loss(found.lrs, **problem)[-1] == pytest.approx(
        found.loss, rel=1e-3
    )
    line = stability_line(problem['curvatures']) / problem['scale']
    assert (found.lrs <= line * 1.001).all()
    for shape in optima.BESIDE:
        assert found.regret(shape) > 0
        rates = optima.shape_rates(shape, key[0], found.bases[shape])
        assert (rates <= line * 1.001).all()
        assert expected_loss(rates, **problem)[-1] == pytest.approx(
            found.losses[shape], rel=2e-3
        )


def test_the_file_has_all_problems_and_no_other():
    assert len(json.loads(optima.FILE.read_text('utf-8'))) == len(ALL) == 240


def test_a_best_base_rate_is_better_than_its_neighbours():
    problem = optima.problem(10, 0.1, 100)
    rates = optima.shape_rates('cosine', 10)
    base_lr, loss = optima.best_base(rates, problem)
    others = base_lr * np.array([0.5, 0.9, 0.99, 1.01, 1.1, 2])
    losses = [expected_loss(b * rates, **problem)[-1] for b in others]
    assert min(losses) > loss
    _, _, below, above, _, _ = losses
    # a parabola through the three: its bottom is no further than a thousandth away
    assert abs(above - below) < 0.2 * (above + below - 2 * loss)


@pytest.mark.parametrize(
    ('call', 'words'),
    [
        (lambda: optima.at(11, 0.1, 100), 'must be of'),
        (lambda: optima.at(10, 0.2, 100), 'must be of'),
        (lambda: optima.problem(2.5, 0.1, 100), 'epochs must be a whole number'),
        (lambda: optima.shape_rates('sine', 10), 'shape must be one of constant,'),
    ],
)
def test_what_is_not_there_is_said(call, words):
    with pytest.raises(ValueError, match=words):
        call()
