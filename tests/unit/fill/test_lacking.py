"""What a chain lacks: which contracts are asked about first."""

import datetime as dt

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spx_data.fill.lacking import Roll, spread
from spx_data.market.chains import Chain, ListedChain
from spx_data.market.second_opinion import Lack
from spx_data.market.sessions import Window

DATE = dt.date(2024, 1, 18)
WINDOW = Window(dt.time(9, 30), dt.time(16), "30m")
STRIKES = [4500.0 + 5 * number for number in range(9)]
ENTRY = ListedChain(Chain("SPXW", DATE, DATE, DATE), calls=tuple(STRIKES), puts=tuple(STRIKES))


@given(seed=st.integers(0, 2**32 - 1), whole=st.sampled_from([0.0, 0.1, 0.5, 0.99, 1.0]))
def test_of_those_that_lack_something_the_middle_of_the_chain_comes_first(seed, whole):
    roll, chance = Roll(ENTRY, WINDOW), np.random.default_rng(seed)
    there = chance.random(roll.census.there.shape) < whole
    there[chance.random(there.shape[:2]) < 0.3] = False  # contracts without any record
    roll.census.there[:] = there

    lacking = roll.lacking()

    for contracts in lacking.contracts.values():
        off = [abs(strike - STRIKES[4]) for _, strike in contracts]
        assert off == sorted(off)
    absent = {("CP"[right], STRIKES[at]) for right, at in np.argwhere(~roll.census.received)}
    assert {*lacking.contracts.get(Lack.ABSENT, ())} == absent


@given(st.integers(0, 40), st.integers(1, 12))
def test_a_spread_has_the_first_and_others_at_even_steps(count, most):
    found = spread([*range(count)], most)

    steps = set(np.diff(found).tolist())
    assert len(found) == min(count, most)
    assert found[:1] == [*range(count)][:1]
    assert not steps or (min(steps) > 0 and max(steps) - min(steps) <= 1)
