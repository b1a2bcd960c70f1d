"""The formulas written out: any scheduler at all, nested as it may be."""

import math

from hypothesis import given
from hypothesis import strategies as st
from test_scheduler_properties import any_scheduler, bounds, halving, repeatable

from d2l_ext.exchange.formula import function
from d2l_ext.exchange.stretches import rests, steps, stretches


@given(any_scheduler, st.integers(1, 90))
@repeatable
def test_the_formulas_of_any_scheduler_give_its_rates(scheduler, n):
    pieces = stretches(scheduler, n, rests, steps)
    starts = [start for start, _ in pieces]
    assert starts[0] == 0 and starts == sorted(starts) and starts[-1] < n
    space = {'math': math, 'halving': halving}
    exec(function('def rate(t):', pieces), space)  # noqa: S102
    slack = 1e-9 * bounds(scheduler)[1] + 1e-12
    assert all(abs(space['rate'](t) - scheduler(t)) <= slack for t in range(n))
