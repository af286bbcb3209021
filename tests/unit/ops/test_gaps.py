"""Gaps by hand: what is volatile, what comes first, what it takes, and what is said about each kind."""

import datetime as dt
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.lake.session_states import Kind, State
from spx_data.market import sessions
from spx_data.market.dates import Dates
from spx_data.market.sessions import Session
from spx_data.ops.gaps.estimate import NEIGHBOURS, Cost, Costs
from spx_data.ops.gaps.finding import Market, Points, Prices, Scale, assess, ranked
from spx_data.settings import Weights
from spx_data.status import Facts, Summary

FIRST = dt.date(2024, 1, 2)
WEIGHTS = Weights(age=60, volatility=20, tries=20)
NOTHING_SEEN = Market((), {})


@pytest.fixture(scope="module")
def trading():
    return sessions.between("NYSE", dt.date(2023, 11, 1), dt.date(2024, 2, 29))


def calendar(count):
    """Return so many dates in a row, all of them sessions of a market that never rests."""
    return [FIRST + dt.timedelta(number) for number in range(count)]


def session(date, minutes=390):
    opens = dt.datetime(date.year, date.month, date.day, 9, 30, tzinfo=dt.UTC)
    return Session(date, opens, opens + dt.timedelta(minutes=minutes))


def calm(price=100.0):
    return Prices(price, price, price, price)


def ranging(percent, price=100.0):
    """Return prices whose range gives that daily volatility."""
    return Prices(price, price * math.exp(percent / 100 * 2 * math.sqrt(math.log(2))), price, price)


# Volatility ---------------------------------------------------------------------------------------------


def test_a_range_is_parkinsons_estimate():
    # ln(110 / 100) / 1.6651 by a pocket calculator
    assert Prices(105.0, 110.0, 100.0, 107.0).volatility == pytest.approx(0.05724, abs=1e-5)
    assert calm().volatility == 0


def test_around_a_date_is_the_mean_of_its_neighbours_ranges():
    dates = calendar(3)
    market = Market(dates, {dates[0]: ranging(1), dates[2]: ranging(3)})

    assert market.around(dates[1]) == pytest.approx(0.02)


def test_a_move_across_the_gap_counts_where_it_is_larger():
    dates = calendar(6)
    market = Market(dates, {dates[0]: calm(100.0), dates[5]: calm(110.0)})

    # four sessions lie between, so a day's share is the half
    assert market.around(dates[2]) == pytest.approx(math.log(1.1) / 2)


@pytest.mark.parametrize(("away", "known"), [(1, True), (5, True), (6, False)])
def test_neighbours_count_within_five_sessions_on_either_side(away, known):
    dates = calendar(13)
    market_before = Market(dates, {dates[6 - away]: ranging(2)})
    market_after = Market(dates, {dates[6 + away]: ranging(2)})

    for market in (market_before, market_after):
        assert market.around(dates[6]) == (pytest.approx(0.02) if known else None)


def test_the_date_itself_has_no_say():
    dates = calendar(1)

    assert Market(dates, {dates[0]: ranging(2)}).around(dates[0]) is None


def test_a_date_that_is_no_session_has_neighbours_all_the_same():
    market = Market([dt.date(2024, 1, 5), dt.date(2024, 1, 8)], {dt.date(2024, 1, 5): ranging(2)})

    assert market.around(dt.date(2024, 1, 6)) == pytest.approx(0.02)


def test_a_percentile_is_the_share_of_calmer_days():
    dates = calendar(4)
    market = Market(
        dates, {date: ranging(percent) for date, percent in zip(dates, (1, 2, 3, 4), strict=True)}
    )

    assert [market.percentile(each) for each in (0.0, 0.025, 1.0)] == [0.0, 0.5, 1.0]
    assert market.percentile(ranging(2).volatility) == 0.375
    assert NOTHING_SEEN.percentile(0.3) == 0.5


# Priority -----------------------------------------------------------------------------------------------


def points(due, market=NOTHING_SEEN, weights=WEIGHTS):
    """Return the points of each date of *due*, which maps dates to their tries."""
    scale = Scale(due, market, weights)
    return {date: scale.points(date, tries) for date, tries in due.items()}


def test_age_is_linear_in_the_rank_and_the_newest_gets_all():
    found = points(dict.fromkeys(calendar(5), 0))

    assert [found[date].age for date in calendar(5)] == [0, 15, 30, 45, 60]
    assert [each.age for each in points({FIRST: 0}).values()] == [60]


def test_each_failing_run_halves_the_points_for_tries():
    found = points(dict(zip(calendar(4), range(4), strict=True)))

    assert [found[date].tries for date in calendar(4)] == [20, 10, 5, 2.5]


def test_volatility_that_nobody_knows_is_worth_half():
    assert points({FIRST: 0})[FIRST] == Points(age=60, volatility=10, tries=20)


def test_a_date_that_is_not_due_gets_what_it_would_get():
    scale = Scale(calendar(5)[1:4], NOTHING_SEEN, WEIGHTS)

    assert [scale.points(date, 0).age for date in calendar(5)] == [0, 0, 30, 60, 60]


def test_an_older_date_in_a_wilder_market_can_come_first():
    dates = calendar(14)
    wild, quiet = dates[1], dates[12]
    seen = {dates[0]: ranging(4), dates[2]: ranging(4), dates[11]: ranging(1), dates[13]: ranging(1)}
    market = Market(dates, seen)

    by_default = ranked(points({wild: 0, quiet: 0}, market))
    by_volatility = ranked(points({wild: 0, quiet: 0}, market, Weights(age=10, volatility=80, tries=10)))

    assert by_default == [quiet, wild]
    assert by_volatility == [wild, quiet]


TRIES = st.dictionaries(st.dates(), st.integers(0, 20), max_size=30)
POINTS = st.floats(0, 100)
ANY_WEIGHTS = st.builds(Weights, age=POINTS, volatility=POINTS, tries=POINTS)


@given(TRIES, ANY_WEIGHTS, st.randoms())
def test_the_order_is_total_and_does_not_depend_on_who_came_first(due, weights, chance):
    dates = list(due)
    chance.shuffle(dates)

    order = ranked(points(due, weights=weights))

    assert sorted(order) == sorted(due)
    assert order == ranked(points({date: due[date] for date in dates}, weights=weights))


@given(st.sets(st.dates(), max_size=30), st.integers(0, 5), ANY_WEIGHTS)
def test_newest_first_where_nothing_else_tells_dates_apart(dates, tries, weights):
    assert ranked(points(dict.fromkeys(dates, tries), weights=weights)) == sorted(dates, reverse=True)


@given(TRIES, ANY_WEIGHTS)
def test_points_never_exceed_their_weights(due, weights):
    for each in points(due, weights=weights).values():
        assert 0 <= each.age <= weights.age
        assert 0 <= each.volatility <= weights.volatility
        assert 0 <= each.tries <= weights.tries


# Estimates ----------------------------------------------------------------------------------------------


def cost(date, rows=3_900, minutes=390, seconds=78.0, chains=4):
    return Cost(date, minutes, rows, rows * 10, rows * 200, chains, seconds)


def test_an_estimate_is_the_median_of_the_sealed_days():
    costs = Costs([cost(date, rows) for date, rows in zip(calendar(3), (3_900, 7_800, 390_000), strict=True)])

    found = costs.estimate(session(FIRST))

    assert (found.rows, found.bytes, found.temp_bytes, found.seconds) == (7_800, 78_000, 1_560_000, 78.0)


def test_a_half_day_takes_its_share_and_counts_for_its_share():
    costs = Costs([cost(FIRST)])
    halved = Costs([cost(FIRST, rows=2_100, minutes=210, seconds=42.0)])

    assert costs.estimate(session(FIRST, minutes=210)).rows == 2_100
    assert halved.estimate(session(FIRST)) == costs.estimate(session(FIRST))


def test_only_the_nearest_days_count():
    near, far = calendar(200)[:NEIGHBOURS], calendar(200)[150:]
    costs = Costs([*(cost(date) for date in near), *(cost(date, rows=39_000) for date in far)])

    assert costs.estimate(session(near[0])).rows == 3_900
    assert costs.estimate(session(far[-1])).rows == 39_000
    assert costs.estimate(session(far[0])).rows == 39_000


@given(st.sets(st.integers(0, 400), min_size=1, max_size=60), st.integers(0, 400))
def test_the_nearest_days_are_the_nearest_days(offsets, asked):
    dates = [FIRST + dt.timedelta(each) for each in offsets]
    costs = Costs([cost(date, rows=390 * date.toordinal()) for date in dates])
    wanted = FIRST + dt.timedelta(asked)
    nearest = sorted(dates, key=lambda date: (abs(date - wanted), date))[:NEIGHBOURS]

    expected = Costs([cost(date, rows=390 * date.toordinal()) for date in nearest])

    assert costs.estimate(session(wanted)) == expected.estimate(session(wanted))


def test_what_is_staged_already_need_not_be_done_again():
    found = Costs([cost(FIRST)]).estimate(session(FIRST), chains=3, staged_bytes=580_000)

    assert (found.rows, found.temp_bytes, found.seconds) == (3_900, 200_000, 19.5)


def test_more_staged_than_expected_leaves_nothing_rather_than_less():
    found = Costs([cost(FIRST)]).estimate(session(FIRST), chains=40, staged_bytes=10**9)

    assert (found.temp_bytes, found.seconds) == (0, 0)


def test_without_a_sealed_day_nothing_is_known():
    assert Costs([]).estimate(session(FIRST)) is None


def test_a_lost_journal_leaves_the_time_unknown_and_the_rest_known():
    found = Costs([cost(FIRST, seconds=None)]).estimate(session(FIRST))

    assert (found.rows, found.seconds) == (3_900, None)


def test_a_day_without_a_passport_is_no_measure():
    assert Cost.of(session(FIRST), Facts()) is None


# Gaps ---------------------------------------------------------------------------------------------------

SEALED = Facts(rows=3_900, bytes=39_000, staged_bytes=780_000, chains=4, duration_ms=78_000)


def known(states):
    """Return summaries of dates by their state; sealed ones have facts."""
    return {
        date: Summary(date, state, SEALED if state.kind is Kind.SEALED else Facts())
        for date, state in states.items()
    }


def found(lake, trading, states, **keys):
    settings = lake(start_date="2024-01-02", **keys)
    return {gap.date: gap for gap in assess(settings, trading, known(states))}


def test_every_unsealed_session_is_a_gap(lake, trading):
    sealed, missing = dt.date(2024, 1, 2), dt.date(2024, 1, 3)
    holiday = dt.date(2024, 1, 15)
    states = {
        sealed: State(Kind.SEALED),
        missing: State(Kind.MISSING, True, "never tried"),
        holiday: State(Kind.MISSING, True, "never tried"),
    }

    (gap,) = found(lake, trading, states).values()

    assert (gap.date, gap.kind, gap.due, gap.why, gap.cure) == (
        missing,
        Kind.MISSING,
        True,
        "never tried",
        None,
    )
    assert gap.estimate.rows == 3_900


@pytest.mark.parametrize(
    ("state", "due", "why", "cure"),
    [
        (State(Kind.PARTIAL, True, "begun and not finished"), True, "begun and not finished", None),
        (State(Kind.FAILED, True, "no CSV", 1, "ApiError"), True, "ApiError: no CSV", None),
        (
            State(Kind.PARKED, False, "no CSV", 3, "ApiError"),
            False,
            "left alone after 3 failing runs: ApiError: no CSV",
            "`spx-data retry 2024-01-03 --force`",
        ),
        (State(Kind.NO_DATA, False, "nothing"), False, "nothing", None),
        (State(Kind.PENDING, True, "the source has nothing yet"), True, "the source has nothing yet", None),
        (State(Kind.PENDING, False, "trades until 16:15"), False, "trades until 16:15", None),
        (State(Kind.CORRUPT, True, "quarantined"), True, "quarantined", None),
        (State(Kind.ACCEPTED, False, "a storm"), False, "a storm", None),
    ],
    ids=lambda value: value.kind if isinstance(value, State) else "",
)
def test_every_kind_says_what_becomes_of_it(state, due, why, cure, lake, trading):
    (gap,) = found(lake, trading, {dt.date(2024, 1, 3): state}).values()

    assert (gap.kind, gap.due, gap.why, gap.cure) == (state.kind, due, why, cure)
    assert gap.needs_you == (state.kind is Kind.PARKED)


def test_a_gap_outside_of_the_range_says_so_and_has_no_say_in_the_order(lake, trading):
    states = {
        date: State(Kind.MISSING, True, "never tried")
        for date in (dt.date(2023, 12, 29), dt.date(2024, 1, 2), dt.date(2024, 1, 3), dt.date(2024, 1, 4))
    }

    gaps = found(lake, trading, states, end_date="2024-01-03")

    assert [date.isoformat() for date, gap in gaps.items() if gap.due] == ["2024-01-03", "2024-01-02"]
    assert [gaps[date].points.age for date in (dt.date(2024, 1, 2), dt.date(2024, 1, 3))] == [0, 60]
    outside = gaps[dt.date(2023, 12, 29)]
    assert outside.why.endswith("outside processing.start_date to end_date: the next run skips it")
    assert outside.cure == "`spx-data process 2023-12-29`"
    assert not outside.needs_you
    assert not gaps[dt.date(2024, 1, 4)].due


def test_a_corrupt_day_outside_of_the_range_needs_a_person(lake, trading):
    date = dt.date(2023, 12, 29)

    gap = found(lake, trading, {date: State(Kind.CORRUPT, True, "quarantined")})[date]

    assert gap.needs_you
    assert gap.cure == "`spx-data process 2023-12-29`"


def test_dates_of_the_config_are_the_only_ones_the_next_run_takes(lake, trading):
    settings = replace(lake(start_date="2024-01-02"), dates=Dates.of("2024-01-03"))
    states = {dt.date(2024, 1, day): State(Kind.MISSING, True, "never tried") for day in (2, 3)}

    gaps = assess(settings, trading, known(states))

    assert {gap.date.day: gap.due for gap in gaps} == {2: False, 3: True}
    assert "not among the config's dates" in next(gap.why for gap in gaps if gap.date.day == 2)


def test_an_unusable_price_makes_no_neighbour(lake, trading):
    facts = replace(SEALED, underlying_open=100.0, underlying_high=110.0, underlying_low=None)
    summaries = known({dt.date(2024, 1, 3): State(Kind.MISSING, True, "never tried")})
    summaries[dt.date(2024, 1, 2)] = Summary(dt.date(2024, 1, 2), State(Kind.SEALED), facts)

    (gap,) = assess(lake(start_date="2024-01-02"), trading, summaries)

    assert gap.volatility is None
