"""Options that may be exercised at any time: what holds for them, and which checks do not."""

import datetime as dt

import numpy as np
import pytest
from tests import panels
from tests.panels import DATE, MINUTE, at, named

from spx_data.market import products
from spx_data.quality import catalogue, early_exercise, parity
from spx_data.quality.checks import Check, Need, Part
from spx_data.quality.judgement import Judge, Rules
from spx_data.quality.panel import CALL, PUT

SPY, SPX, VIX = (products.PRODUCTS[symbol] for symbol in ("SPY", "SPX", "VIX"))
STRIKES = np.arange(430.0, 471.0, 5.0)
SPOT = 450.0
STAMPS = 3
FAR = dt.date(2024, 2, 16)


def values(time_value=2.0):
    """Calls and puts that are worth what exercise gives at once, and more near the money."""
    more = time_value * np.exp(-(((STRIKES - SPOT) / 12.0) ** 2))
    inside = SPOT - STRIKES
    sides = np.stack([np.maximum(inside, 0.0) + more, np.maximum(-inside, 0.0) + more])
    return np.repeat(sides[:, :, np.newaxis], STAMPS, axis=2)


def chain(changed=None, *, time_value=2.0, expiration=panels.EXPIRATION, **columns):
    """A clean chain of SPY, but for the mid of the cells in *changed*."""
    mid = values(time_value)
    for (right, strike), value in (changed or {}).items():
        mid[right, list(STRIKES).index(strike), 1] = value
    known = {"underlying_price": SPOT, "root": "SPY", "product": SPY} | columns
    return panels.panel(STRIKES, mid - 0.02, mid + 0.02, expiration=expiration, **known)


def hits(panel, before=None):
    return {code: count.hits for code, count in named(early_exercise.judge(panel, before)).items()}


def test_a_clean_chain_shows_nothing_and_everything_was_looked_at():
    found = named(early_exercise.judge(chain(time_value=3.0, expiration=FAR), chain()))

    assert {code: count.hits for code, count in found.items()} == dict.fromkeys(found, 0)
    cells = 2 * len(STRIKES) * STAMPS
    assert {code: count.of for code, count in found.items()} == {
        "exercise-bounds": cells,
        "parity-bounds": cells // 2,
        "calendar-strike": cells,
    }


@pytest.mark.parametrize(
    "cell, value, found",
    [
        ((CALL, 430.0), 19.7, {"exercise-bounds": 1}),  # exercised at once, it pays 20
        ((PUT, 470.0), 19.7, {"exercise-bounds": 1}),
        ((CALL, 430.0), 450.4, {"exercise-bounds": 1, "parity-bounds": 1}),
        ((PUT, 430.0), 430.1, {"exercise-bounds": 1, "parity-bounds": 1}),
        ((CALL, 450.0), 4.5, {"parity-bounds": 1}),  # 7 % of interest until the expiration are 1.47
        ((PUT, 450.0), 7.5, {"parity-bounds": 1}),  # and the dividends of a quarter and these days 4.01
        ((CALL, 450.0), 3.2, {}),
        ((PUT, 450.0), 5.5, {}),
    ],
)
def test_one_quote_beyond_what_holds_is_one_hit(cell, value, found):
    nothing = {"exercise-bounds": 0, "parity-bounds": 0}

    assert hits(chain({cell: value})) == nothing | found


def test_a_longer_life_is_worth_no_less_at_the_same_strike():
    near, far = chain({(CALL, 460.0): 6.0}), chain(time_value=3.0, expiration=FAR)

    (count,) = [one for one in early_exercise.judge(far, near) if one.check is early_exercise.CALENDAR]

    assert (count.hits, count.first) == (1, "C 460 of 2024-01-19 at 09:32")


@pytest.mark.parametrize("minutes, price", [(5, SPOT - 10.0), (0, 0.0)], ids=["old", "none"])
def test_where_the_underlying_is_not_known_quotes_are_held_against_each_other(minutes, price):
    stamps = at(dt.time(16, 5)) + MINUTE * np.arange(STAMPS)
    unknown = {"underlying_timestamp": stamps - minutes * MINUTE, "underlying_price": price}

    clean, cheap, high, deep = (
        named(early_exercise.judge(chain(changed, begins=dt.time(16, 5), **unknown), None))
        for changed in ({}, {(CALL, 430.0): 9.0}, {(CALL, 450.0): 13.0}, {(PUT, 470.0): 12.0})
    )

    assert clean["exercise-bounds"].of == clean["parity-bounds"].of * 2 == 2 * len(STRIKES) * STAMPS
    assert {code: count.hits for code, count in clean.items()} == {"exercise-bounds": 0, "parity-bounds": 0}
    assert (cheap["exercise-bounds"].hits, deep["exercise-bounds"].hits) == (1, 1)
    assert (high["exercise-bounds"].hits, high["parity-bounds"].hits) == (0, 1)


def test_what_the_underlying_moves_is_no_finding():
    spot = np.array([SPOT, SPOT + 1.0, SPOT])

    assert hits(chain({(CALL, 430.0): 20.2}, underlying_price=spot)) == {
        "exercise-bounds": 0,
        "parity-bounds": 0,
    }


# Which checks apply -------------------------------------------------------------------------------------


def test_a_check_applies_where_all_that_it_needs_is_met():
    check = Check("x", Part.PARITY, "", "", "", needs=(Need.EUROPEAN, Need.HELD))

    assert [check.unmet(product) for product in (SPX, SPY, VIX)] == [None, Need.EUROPEAN, Need.HELD]
    assert check._replace(needs=()).unmet(SPY) is None


def test_no_line_goes_through_american_calls_and_puts():
    fit = parity.fit(chain())

    assert np.isnan(fit.forward).all() and not fit.absurd.any()


@pytest.mark.parametrize(
    "product, gone",
    [
        (SPX, {"exercise-bounds", "parity-bounds", "calendar-strike"}),
        (SPY, {"bounds", "calendar", "parity", "parity-fit", "forward-off"}),
        (
            VIX,
            {
                "exercise-bounds",
                "parity-bounds",
                "calendar-strike",
                "calendar",
                "forward-off",
                "iv-range",
                "iv-kink",
                "delta-rises",
            },
        ),
    ],
)
def test_a_day_says_which_checks_do_not_apply_and_has_no_points_for_them(product, gone):
    judge = Judge(DATE, Rules(product, "latest", MINUTE, at(dt.time(16)), {"parity": 1.0, "arbitrage": 1.0}))
    panel = chain({(CALL, 450.0): 9.5})
    judge.add(product.roots[-1].name, panels.EXPIRATION, panel._records)

    day = judge.finish({}).day

    told = {check["check"]: check for check in day["checks"]}
    assert {code for code, check in told.items() if check["does_not_apply"]} == gone
    assert all(
        (check["of"], check["score"]) == (0, None) for check in told.values() if check["does_not_apply"]
    )
    assert told[next(iter(gone))]["does_not_apply"].startswith("it holds for ")
    assert day["parts"]["parity"]["score"] < 100  # whichever of its checks it is that applies
    assert set(told) <= {check.code for check in catalogue.CHECKS}
    assert len(told) == len(day["checks"])
