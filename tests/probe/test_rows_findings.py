"""What a probe finds about rows, ends, single contracts, greeks, speed and floor: habit by habit."""

import datetime as dt
import functools
from dataclasses import replace

import pytest

from spx_data.market.second_opinion import Lack
from spx_data.ops.probe import ASSUMPTIONS, answers, choosing, findings, times
from spx_data.ops.probe.heard import Topic
from spx_data.sources.profile import Clock, Ends, Floor
from theta_simulator.faults import Faults
from theta_simulator.habits import V3_ONLY, Habit, Kind

ORDINARY = dt.date(2024, 12, 17)  # the day that a probe of 2024-12-31 asks most about, and its chain
MINE = ASSUMPTIONS[[each.code for each in ASSUMPTIONS].index("opening-row") :]
CODES = {each.code for each in MINE}
TIMED = {"first-byte", "throughput", "at-once"}  # which a busy machine decides
HOUR, MINUTE = 3_600_000, 60_000
APIS = ("v3", "v2")


@pytest.fixture
def mine(probed):
    """Return a prober that looks at these rows of the table alone."""
    return functools.partial(probed, assumptions=MINE)


def texts(found, codes=frozenset(CODES - TIMED)):
    """Return what was seen, by code, of what differs from what is assumed."""
    return {row.code: row.seen for row in found.profile.others if row.code in codes}


def pinned(kind, seed=3):
    """Return a habit of one chain: the one that is asked about most."""
    return Habit(kind, seed, root="SPXW", expiration=ORDINARY, day=ORDINARY)


def agree(seen, expected):
    """Say whether what was seen is what was expected, and nothing besides."""
    assert seen.keys() == expected.keys(), seen
    for code, words in expected.items():
        assert words in seen[code]


# A terminal as it is assumed ----------------------------------------------------------------------------


@pytest.mark.parametrize("full", [False, True], ids=["short", "full"])
@pytest.mark.parametrize("api", APIS)
def test_a_plain_terminal_is_as_assumed(api, full, simulated, probed):
    with probed(simulated(api=api), full=full, api=api) as found:
        profile = found.profile
    unknown = {row.code for row in profile.table if not row.known} & (CODES - TIMED)

    assert texts(found) == {}
    assert unknown <= {"first-quotes"}
    assert profile.contradicted == {}
    assert profile.full_day == Ends(16 * HOUR + 15 * MINUTE, 16 * HOUR)
    assert profile.half_day == Ends(13 * HOUR + 15 * MINUTE, 13 * HOUR if full else None)
    assert set(profile.clocks) == {
        Clock("SPX", last_day=False, name="whole-days"),
        Clock("SPXW", last_day=False, name="whole-days"),
        Clock("SPXW", last_day=True, name="time-left" if api == "v3" else "fixed"),
    }
    assert profile.floor.earliest <= dt.date(2018, 1, 2)
    assert profile.volume.date == ORDINARY
    assert profile.volume.chains["SPXW"] == 3
    assert profile.volume.contracts["SPXW"] > 20
    assert profile.speed.first_byte_seconds > 0
    assert profile.speed.rows_per_second > 0


@pytest.mark.parametrize("end_time, last_day", [("16:00:00", None), ("16:30:00", 16 * HOUR + 15 * MINUTE)])
def test_a_window_that_ends_before_an_expiring_chain_does_tells_no_end(end_time, last_day, simulated, mine):
    with mine(simulated(api="v3"), symbol="SPY", end_time=end_time) as found:
        profile = found.profile

    assert profile.full_day == Ends(16 * HOUR + 15 * MINUTE, last_day)
    assert texts(found) == {}


def test_what_it_says_of_a_plain_terminal(simulated, mine):
    with mine(simulated()) as found:
        said = {row.code: row for row in found.profile.table}

    assert "underlying 0 of 09:30, iv_error 100" in said["opening-row"].seen
    assert "C 6410 begins at 09:31" in said["first-quotes"].seen
    assert said["single-contracts"].set == "confirmed"
    assert "version latest does (time-left)" in said["greeks-version"].seen
    assert "cut off at four decimals" in said["truncation"].seen
    assert "4.83% a year" in said["rate"].seen
    assert "iv_error 100, implied_vol 0.25" in said["unsolved"].seen


# Habits -------------------------------------------------------------------------------------------------

NONE = "no data (status 472"
BARE, MORE = "no contract has 1", "which its chain's answer lacks"
HABITS = {
    Kind.SINGLES_500: {"single-contracts": "status 500", "never-quoted": "status 500"},
    Kind.SINGLES_429: {"single-contracts": "status 429", "never-quoted": "status 429"},
    Kind.SINGLES_RESET: {"single-contracts": "no answer", "never-quoted": "no answer"},
    Kind.SINGLES_472: {"single-contracts": NONE},
    Kind.LISTS_UNQUOTED: {},
    Kind.DEAD_HOUR: {"no-market": "bid 0 and ask 0 near the money at 10:50 to 11:49"},
    Kind.DEAD_MINUTE: {"no-market": "bid 0 and ask 0 near the money at 10:19"},
    Kind.FROZEN_QUOTES: {"standstill": "nothing near the money moves from 10:34 to 11:03"},
    Kind.HALF_DAY_1600: {
        "half-day": "to 16:00 (asked for to 16:00), quotes near the money the same since 13:15"
    },
    Kind.HALF_DAY_1300: {"half-day": "living chain of 2024-11-29 to 13:00"},
    Kind.HALF_DAY_1315: {},
    Kind.LAMBDA_NAN: {"blanks": "no value in lambda, like P 6020 at 09:3"},
    Kind.LAMBDA_BLANK: {"blanks": ": ''"},
    Kind.GREEKS_BLANK: {"blanks": "no value in delta, theta, vega, rho and others"},
    Kind.UNDERLYING_TIME_BLANK: {
        "opening-row": "without a time",
        "blanks": "no value in underlying_timestamp",
    },
    Kind.ENDS_EARLY_TENTH: {"contract-ends": "P 6410 ends at 13:16, its chain at 16:00"},
    Kind.NO_ZERO_BID_ROWS: {
        "no-bid": "no row without a bid",
        "quiet-stamps": "has no row at",
        "contract-ends": "ends at 13:56",
    },
    Kind.ROWS_ON_CHANGE: {
        "quiet-stamps": "no row anywhere repeats a quote: rows come on change",
        "contract-ends": "P 6020 ends at 09:3",
    },
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", HABITS)
def test_a_habit_is_recognised(kind, api, simulated, mine):
    if api == "v2" and kind in V3_ONLY:
        pytest.skip("v2 has no such habit")
    with mine(simulated(api=api, habits=(Habit(kind, 3),)), api=api) as found:
        agree(texts(found), HABITS[kind])


@pytest.mark.parametrize(("api", "market"), [("v3", 1), ("v2", 2)])
def test_rows_of_zeros_before_a_first_quote(api, market, simulated, mine):
    with mine(simulated(api=api, seed=market, habits=(Habit(Kind.ZERO_ROWS_FIRST),)), api=api) as found:
        agree(texts(found), {"first-quotes": "has bid 0 and ask 0 before any quote"})


# Seeds by which the contract that is drawn is one that is asked for: in the one chain, and everywhere.
OF_CHAINS = {
    Kind.SINGLES_MORE_ONE_STAMP: ((3, 3), {"bare-stamps": BARE, "single-contracts": MORE}, Lack.STAMPS),
    Kind.SINGLES_MORE_CONTRACTS: ((3, 3), {"never-quoted": "C 6020, listed and without rows"}, Lack.ABSENT),
    Kind.SINGLES_MORE_RANDOM: ((3, 3), {"quiet-stamps": "no row at", "single-contracts": MORE}, Lack.HOLES),
    Kind.LOSES_LAST_ROWS: ((3, 3), {"contract-ends": " 6545 ends at", "single-contracts": MORE}, Lack.EARLY),
    Kind.LOSES_FIRST_ROWS: ((1, 4), {"single-contracts": MORE}, Lack.LATE),
}


@pytest.mark.parametrize("everywhere", [False, True], ids=["one chain", "everywhere"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", OF_CHAINS)
def test_what_single_contracts_contradict(kind, api, everywhere, simulated, mine):
    seeds, expected, lack = OF_CHAINS[kind]
    habit = Habit(f"{kind}-everywhere", seeds[1]) if everywhere else pinned(kind, seeds[0])
    with mine(simulated(api=api, habits=(habit,)), api=api) as found:
        agree(texts(found), expected)

        assert found.profile.contradicted.keys() == {lack}
        assert lack not in found.profile.confirmed


@pytest.mark.parametrize("everywhere", [False, True], ids=["one chain", "everywhere"])
@pytest.mark.parametrize("api", APIS)
def test_a_contract_that_begins_late_for_real_confirms_it(api, everywhere, simulated, mine):
    habit = Habit(Kind.LATE_FOR_REAL_EVERYWHERE, 4) if everywhere else pinned(Kind.LATE_FOR_REAL, 1)
    with mine(simulated(api=api, habits=(habit,)), api=api) as found:
        agree(texts(found), {})

        assert (found.profile.confirmed, found.profile.contradicted) == ({Lack.LATE: 1}, {})


@pytest.mark.parametrize("api", APIS)
def test_a_contract_that_is_listed_and_was_never_quoted_confirms_it(api, simulated, mine):
    with mine(simulated(api=api, habits=(Habit(Kind.LISTS_UNQUOTED, 3),)), api=api) as found:
        (row,) = (row for row in found.profile.table if row.code == "never-quoted")

    assert ", listed and without rows" in row.seen
    assert found.profile.confirmed[Lack.ABSENT] == 1


@pytest.mark.parametrize("api", APIS)
def test_silent_contracts_confirm_nothing(api, simulated, mine):
    habits = (Habit(Kind.SINGLES_472), Habit(Kind.LISTS_UNQUOTED, 3))
    with mine(simulated(api=api, habits=habits), api=api) as found:
        assert found.profile.confirmed == {}
        assert found.profile.contradicted == {}


@pytest.mark.parametrize("kind", [Kind.HALF_DAY_1600, Kind.HALF_DAY_1300])
def test_both_kinds_of_chain_on_a_half_day(kind, simulated, mine):
    with mine(simulated(habits=(Habit(kind),)), full=True) as found:
        text = texts(found)["half-day"]

    last = 16 * HOUR if kind is Kind.HALF_DAY_1600 else 13 * HOUR
    assert found.profile.half_day == Ends(last, last)
    assert "living chain" in text
    assert "expiring chain" in text


# The greeks ---------------------------------------------------------------------------------------------

LOCAL, MINUTE_LEAST = " by the local clock", "time-left, a minute at least"
LEAP = " of years of 365.25 days"
YEARS = {  # SPX across a change of clocks, SPXW before its last day, SPXW on it
    Kind.YEARS_LOCAL_CLOCK: (f"time-left{LOCAL}", "time-left", MINUTE_LEAST),
    Kind.YEARS_TRUE_CLOCK: ("time-left", "time-left", MINUTE_LEAST),
    Kind.YEARS_AM_SETTLEMENT: (f"time-left to 09:30{LOCAL}", "time-left", MINUTE_LEAST),
    Kind.YEARS_TO_1615: (
        f"time-left to 16:15{LOCAL}",
        "time-left to 16:15",
        "time-left to 16:15, a minute at least",
    ),
    Kind.YEARS_365_25: (
        f"whole-days{LEAP}",
        f"whole-days{LEAP}",
        {"v3": f"time-left{LEAP}", "v2": f"fixed{LEAP}"},
    ),
    Kind.YEARS_FLOOR_MINUTE: ("whole-days", "whole-days", MINUTE_LEAST),
    Kind.YEARS_WHOLE_DAYS: ("whole-days", "whole-days", "fixed"),
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", YEARS)
def test_the_clock_of_the_greeks_is_read(kind, api, simulated, mine):
    with mine(simulated(api=api, habits=(Habit(kind),)), api=api) as found:
        seen, profile = texts(found), found.profile
    across, before, last = (name if isinstance(name, str) else name[api] for name in YEARS[kind])

    assert profile.clock_names["SPX", False] == across
    assert profile.clock_names["SPXW", False] == before
    assert profile.clock_names["SPXW", True] == last
    usual = api == "v2" and kind is Kind.YEARS_WHOLE_DAYS
    agree(seen, {} if usual else {"time-to-expiration": before, "greeks-version": last})


def test_a_lake_without_a_root_settled_at_the_open_tells_the_local_clock_too(simulated, mine):
    with mine(simulated(habits=(Habit(Kind.YEARS_LOCAL_CLOCK),)), roots=["SPXW"]) as found:
        assert found.profile.clock_names["SPXW", False] == f"time-left{LOCAL}"


@pytest.mark.parametrize(
    ("version", "name", "kinds", "differs"),
    [
        ("1", "fixed", (), False),
        ("latest", "fixed", (Kind.YEARS_WHOLE_DAYS,), True),
    ],
)
def test_the_version_that_is_given(version, name, kinds, differs, simulated, mine):
    terminal = simulated(habits=tuple(Habit(kind) for kind in kinds))
    with mine(terminal, greeks_version=version) as found:
        (row,) = (row for row in found.profile.table if row.code == "greeks-version")

    assert (
        row.seen == f"asked for version {version}: on a last day time is counted as version 1 does ({name})"
    )
    assert row.as_assumed is not differs


@pytest.mark.parametrize(
    ("factor", "unit"), [(365.0, "a year"), (365 / 252, "a trading day"), (-2.0, "-2 times")]
)
def test_thetas_of_another_unit_and_rounded_deltas_are_told(factor, unit, simulated, mine):
    import polars as pl

    with mine(simulated()) as found:
        story = found.story
        for heard in story.heard:
            if heard.records is not None:
                rounded = pl.col("delta") + 0.00005 * pl.col("delta").sign()
                heard.records = heard.records.with_columns(pl.col("theta") * factor, delta=rounded)
        seen = {row.code: row for row in findings(story, MINE)}

    assert f"theta is {'per ' if factor > 0 else ''}{unit}" in seen["theta"].seen
    assert not seen["theta"].as_assumed
    assert "rounded" in seen["truncation"].seen
    assert not seen["truncation"].as_assumed


# Speed and floor ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seconds, served",
    [([1.0, 1.1, 1.2], 3), ([1.0, 2.1, 3.2], 1), ([1.1, 1.0, 2.0], 2), ([2.0, 3.1, 4.0], 1)],
)
def test_how_many_requests_it_serves_at_once(seconds, served, simulated, mine):
    """The first contract took a second, alone; the others were asked for together."""
    with mine(simulated()) as found:
        slow = timed(found.story, [1.0, *seconds])
        (row,) = findings(slow, [each for each in MINE if each.code == "at-once"])
        assert answers.speed(slow).at_once == served

    assert row.as_assumed == (served == 3)


def timed(story, seconds):
    """Return a story whose single contracts took so long to their first byte."""
    left = iter(seconds)
    heard = [
        replace(each, raws=[replace(raw, first_byte_seconds=next(left)) for raw in each.raws])
        if each.topic in (Topic.CONTRACT, Topic.NEVER_QUOTED)
        else each
        for each in story.heard
    ]
    return replace(story, heard=heard)


def test_requests_that_are_refused_are_not_served_at_once(simulated, mine):
    with mine(simulated(latency_ms=300, outstanding=1, queue=0)) as found:
        assert found.profile.speed.at_once < 3
        assert "refused with 429" in texts(found, TIMED)["at-once"]


@pytest.mark.parametrize("api", APIS)
def test_the_floor_is_found(api, simulated, mine):
    with mine(simulated(api=api), full=True, start="2016-01-04", api=api) as found:
        assert found.profile.floor == Floor(dt.date(2017, 1, 3), dt.date(2016, 12, 30))
        assert "data begins on 2017-01-03; none of 2016-12-30: status 472" in texts(found)["earliest-date"]
        (row,) = (row for row in found.profile.table if row.code == "earliest-date")
    assert "spx-data config set processing.start_date 2017-01-03" in row.consequence


def test_a_floor_between_two_dates(simulated, mine):
    with mine(simulated(), start="2016-01-04") as found:
        floor_, seen = found.profile.floor, texts(found)["earliest-date"]

    assert floor_.none_on == dt.date(2016, 1, 4)
    assert f"data begins no later than {floor_.earliest}; none of 2016-01-04" in seen


def test_a_floor_before_the_lakes_first_date(simulated, mine):
    with mine(simulated(), full=True) as found:
        assert found.profile.floor == Floor(dt.date(2017, 1, 3), dt.date(2016, 12, 30))
        assert "earliest-date" not in texts(found)


@pytest.mark.parametrize("api", APIS)
def test_a_subscription_without_history_is_told_in_the_terminals_words(api, simulated, mine):
    terminal = simulated(api=api, faults=Faults(1, 1.0, ("refused-tier",), most_per_request=99))
    with mine(terminal, api=api) as found:
        floor_, seen = found.profile.floor, texts(found)

    assert floor_.earliest is None
    assert floor_.none_on >= dt.date(2018, 1, 2)
    assert floor_.refusal.startswith("status 4")
    assert floor_.refusal in seen["earliest-date"]


# A recording --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "kinds"),
    [
        ("v3", (Kind.SINGLES_MORE_RANDOM_EVERYWHERE, Kind.LISTS_UNQUOTED, Kind.YEARS_LOCAL_CLOCK)),
        ("v3", (Kind.ROWS_ON_CHANGE, Kind.ENDS_EARLY_TENTH, Kind.HALF_DAY_1600)),
        ("v3", (Kind.ZERO_ROWS_FIRST, Kind.FROZEN_QUOTES, Kind.LAMBDA_NAN, Kind.GREEKS_BLANK)),
        ("v2", (Kind.NO_ZERO_BID_ROWS, Kind.SINGLES_MORE_ONE_STAMP_EVERYWHERE, Kind.DEAD_HOUR)),
    ],
)
def test_what_is_kept_of_a_chain_tells_the_same(api, kinds, simulated, mine, monkeypatch):
    import polars as pl

    monkeypatch.setattr(choosing, "left_of", lambda records, _: records)

    terminal = simulated(api=api, size="small", habits=tuple(Habit(kind, 3) for kind in kinds))
    with mine(terminal, api=api) as found:
        story = found.story
        whole = findings(story, MINE)
        asked = {(each.right, each.strike) for each in story.of(Topic.CONTRACT, Topic.NEVER_QUOTED)}
        cut = replace(story, heard=[replace(each) for each in story.heard])
        fewer = 0
        for heard in cut.heard:
            if heard.records is not None and heard.right is None:
                kept = sorted(choosing.odd_contracts(heard.records) | asked)
                those = pl.DataFrame(kept, ["right", "strike"], orient="row")
                before = len(heard.records)
                heard.records = heard.records.join(
                    those, on=["right", "strike"], how="semi", maintain_order="left"
                )
                fewer += len(heard.records) < 0.5 * before

                assert choosing.odd_contracts(heard.records) | asked == set(kept)
        assert findings(cut, MINE) == whole
        assert times.clocks(cut) == found.profile.clocks
        assert times.ends(cut) == (found.profile.full_day, found.profile.half_day)
        assert fewer
