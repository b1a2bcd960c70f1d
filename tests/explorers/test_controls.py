"""Controls as values: what they take, and how they are written and read."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d2l_ext.explorers.controls import (
    Choice,
    Log,
    Points,
    Slider,
    Snap,
    Switch,
    restored,
    share,
)

POINTS = [(0, 0.1), (10, 0.5), (30, 0.01)]
CONTROLS = {
    'lr': Log(0.3, 0.001, 3),
    'epochs': Slider(30, 1, 60),
    'share': Slider(0.5, 0, 1),
    'steps': Snap((0, 1, 2, 5, 10)),
    'shape': Choice({'line (power 1)': 1, 'a & b = c; d + é %': 2, 'none': None}),
    'flat': Switch(),
    'points': Points(POINTS, Slider(0, 0, 30), Log(0.1, 0.001, 3)),
}
TIMES = st.lists(st.integers(0, 30), min_size=1, max_size=12)
VALUES = st.fixed_dictionaries(
    {
        'lr': st.floats(0.001, 3),
        'epochs': st.integers(1, 60),
        'share': st.floats(0, 1),
        'steps': st.sampled_from([0, 1, 2, 5, 10]),
        'shape': st.sampled_from([1, 2, None]),
        'flat': st.booleans(),
        'points': TIMES.flatmap(
            lambda times: st.tuples(
                *(st.tuples(st.just(t), st.floats(0.001, 3)) for t in sorted(times))
            ).map(sorted)
        ).map(tuple),
    }
)


@given(VALUES)
def test_a_shared_text_restores_every_value(values):
    assert restored(CONTROLS, share(CONTROLS, values)) == values


@given(st.text(max_size=60))
def test_no_text_does_more_than_raise_a_sentence(text):
    try:
        values = restored(CONTROLS, text)
    except ValueError as error:
        assert 10 < len(str(error)) < 400
    else:
        assert set(values) <= set(CONTROLS)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', "'' is no setting: copy the whole text"),
        ('lr', "'lr' is no setting"),
        ('rate=0.5', "no control 'rate' here, only lr, epochs, share"),
        ('lr=fast', 'lr=fast: could not convert'),
        ('lr=7', 'lr=7: must be from 0.001 to 3, got 7'),
        ('lr=nan', 'lr=nan: must be from'),
        ('epochs=2.5', 'epochs=2.5: must be a whole number'),
        ('steps=nan', 'steps=nan: must be a number'),
        ('shape=circle', "shape=circle: must be one of .*'none'"),
        ('flat=True', 'flat=True: must be on or off'),
        ('points=0:0.1,40:0.1', r'in \(40.0, 0.1\) a number must be from 0 to 30'),
        ('points=0:0.1:2', r'must be pairs \(t, lr\)'),
        ('points=', 'could not convert'),
        ('lr=__import__("os").getcwd()', 'could not convert'),
        ('lr=0.5&' * 400, 'is no setting'),
    ],
)
def test_a_text_that_is_none_says_why(text, message):
    with pytest.raises(ValueError, match=message):
        restored(CONTROLS, text)


def test_a_snap_goes_to_the_nearest_number():
    snap = Snap((0.8, 0.3, 0.5), 0.4)
    assert snap.value in (0.3, 0.5)
    assert [snap.check(x) for x in (-1, 0.39, 0.41, 0.7, 100)] == [
        0.3,
        0.3,
        0.5,
        0.8,
        0.8,
    ]
    assert [snap.at(i) for i in range(snap.positions + 1)] == [0.3, 0.5, 0.8]
    assert [snap.position(x) for x in (0.3, 0.5, 0.8)] == [0, 1, 2]
    for wrong in 'much', None, math.nan:
        with pytest.raises(ValueError, match='must be a number'):
            snap.check(wrong)


def test_points_stand_in_the_order_of_time():
    points = CONTROLS['points']
    assert points.check([(20, 1), (10, 2)]) == ((10, 2.0), (20, 1.0))
    for wrong, message in (
        ([], '1 to 12 points, got 0'),
        ([(0, 1)] * 13, '1 to 12 points, got 13'),
        ([(0, 1, 2)], 'pairs'),
        (3, 'pairs'),
        ([(0, 9)], 'must be from 0.001 to 3, got 9'),
        ([('a', 1)], 'must be from 0 to 30'),
        ([(0.5, 1)], 'whole number'),
    ):
        with pytest.raises(ValueError, match=message):
            points.check(wrong)
