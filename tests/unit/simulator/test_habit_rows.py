"""Habits of rows: what an answer has of the market's rows, and what the terminal's truth says of it."""

import io
from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.unit.simulator.test_faults import FORMATS
from tests.unit.simulator.test_faults import records as records_of
from tests.unit.simulator.test_habits import CHAIN, CHAINS, DAY, chain, get, single, with_habits

from theta_simulator import Habit, listing, sessions
from theta_simulator.habit_rows import EDITS, drawn_minute
from theta_simulator.habits import EVERYWHERE, OF_ONE_CHAIN, Kind
from theta_simulator.habitual import HabitualMarket
from theta_simulator.truth import Truth

KEY = ["strike", "right", "ms_of_day"]
HALF_DAY = date(2024, 7, 3)
# A put of SPX's chain is quoted some minutes after the open of that date alone.
LATE_DAY, LATE_CHAIN, LATE = date(2024, 1, 5), ("SPX", CHAIN[1]), (5005.0, "P")
WITHHOLD = [kind for kind in EDITS if kind.startswith(("singles-more", "loses"))]
MINUTE = sessions.MINUTE


def habit(kind, seed=0):
    return Habit(kind, seed, *(CHAIN if kind in OF_ONE_CHAIN else (None, None)))


def market(*habits):
    return HabitualMarket(1, "tiny", (), habits)


def rows(market, root, label, day=DAY, **more):
    return market.history(root, label, day, MINUTE, **more)


def read(api, answer):
    """Return strike (None where unnamed), right, ms_of_day, bid and ask of a CSV answer."""
    frame = pl.read_csv(io.BytesIO(answer.content), infer_schema_length=None)
    if api == "v3":
        clock = pl.col("timestamp").str.slice(11).str.to_time("%H:%M:%S%.3f")
        ms = (clock.cast(pl.Int64) // 1_000_000).alias("ms_of_day")
        right = pl.col("right").str.head(1)
        return frame.select(pl.col("strike").cast(pl.Float64), right, ms, "bid", "ask")
    if "strike" in frame.columns:
        return frame.select(pl.col("strike") / 1000, "right", "ms_of_day", "bid", "ask")
    return frame.select("ms_of_day", "bid", "ask")


# Over the wire ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["v3", "v2"])
@pytest.mark.parametrize("kind", EDITS)
def test_the_truth_is_what_a_client_gets(kind, api):
    version = {"v3": "latest", "v2": "v2"}[api]
    day, (root, label) = (HALF_DAY, ("SPXW", date(2024, 7, 5))) if "half" in kind else (DAY, CHAIN)
    if kind == Kind.ZERO_ROWS_FIRST:
        day, (root, label) = LATE_DAY, LATE_CHAIN
    with with_habits(api, habit(kind)) as terminal:
        truth = terminal.truth
        whole = truth.served(root, label, day, greeks_version=version)
        contracts = truth.served(root, label, day, alone=True, greeks_version=version)
        withheld = truth.withheld(root, label, day, greeks_version=version)
        got = read(api, get(terminal, chain(api, root, label, day)))
        assert_frame_equal(got.sort(KEY), whole.select(got.columns).sort(KEY))
        for (strike, right), mine in contracts.group_by("strike", "right"):
            alone = read(api, get(terminal, single(api, root, label, strike, right, day)))
            assert_frame_equal(alone, mine.select(alone.columns), check_row_order=False)
        true = truth.clean.history(root, label, day, MINUTE, greeks_version=version).select(KEY)

    # Whoever adds what is withheld, and takes the surplus away, has the market.
    assert_frame_equal(
        pl.concat([whole.select(KEY), withheld.chain]).unique().sort(KEY),
        pl.concat([true, withheld.surplus]).sort(KEY),
    )
    assert withheld.contracts.is_empty() or kind not in WITHHOLD
    assert_frame_equal(
        withheld.both,
        withheld.chain.clear() if kind in WITHHOLD else withheld.contracts,
        check_row_order=False,
    )


@pytest.mark.parametrize(
    "kind", ["chain-500", "listed-472-always", "singles-472", "listed-empty", "date-472"]
)
def test_the_truth_of_what_is_refused(kind):
    on = DAY if kind == "date-472" else None
    with with_habits("v3", Habit(kind, 0, *(CHAIN if on is None else (None, None)), day=on)) as terminal:
        withheld = terminal.truth.withheld(*CHAIN, DAY)
        everything = len(terminal.truth.clean.history(*CHAIN, DAY, MINUTE))

    lacking = [len(part) for part in (withheld.chain, withheld.contracts, withheld.both, withheld.surplus)]
    expected = {"chain-500": (1, 0, 0), "singles-472": (0, 1, 0)}.get(kind, (1, 1, 1))
    assert lacking == [*(everything * each for each in expected), 0]


# Alone or in a chain, in whatever window ----------------------------------------------------------------


@pytest.mark.parametrize("version", ["latest", "v2"])
@pytest.mark.parametrize("kind", EDITS)
def test_a_row_is_the_same_in_every_window(kind, version):
    for day in (DAY, LATE_DAY, HALF_DAY):
        served = market(habit(kind))
        for item in served.expirations("SPXW", day):
            whole = rows(served, "SPXW", item.label, day, greeks_version=version)
            start, end = sessions.OPEN + 47 * MINUTE, sessions.OPEN + 200 * MINUTE
            window = {"start_ms": start, "end_ms": end, "greeks_version": version}
            part = rows(served, "SPXW", item.label, day, **window)
            first = pl.col("ms_of_day").is_between(start, end)
            assert part.equals(whole.filter(first)), (day, item.label)


@pytest.mark.parametrize("kind", [kind for kind in EDITS if kind not in WITHHOLD])
def test_a_contract_alone_has_the_rows_of_its_chain(kind):
    served = market(habit(kind))
    for day, (root, label) in ((DAY, CHAIN), (LATE_DAY, LATE_CHAIN), (HALF_DAY, ("SPXW", date(2024, 7, 5)))):
        whole = rows(served, root, label, day)
        for strike in whole["strike"].unique():
            mine = rows(served, root, label, day, strike=strike)
            assert mine.equals(whole.filter(pl.col("strike") == strike)), (day, strike)


# What each does -----------------------------------------------------------------------------------------


def withheld(kind, root=CHAIN[0], label=CHAIN[1], day=DAY):
    """Return the rows that a chain's answer lacks, and all there are."""
    true = rows(market(), root, label, day)
    return true.join(rows(market(habit(kind)), root, label, day), on=KEY, how="anti"), true


def test_one_stamp_of_a_chain():
    gone, true = withheld("singles-more-one-stamp")

    assert gone["ms_of_day"].n_unique() == 1
    assert len(gone) == len(true.unique(["strike", "right"]))


def test_a_fifth_of_the_contracts():
    small = HabitualMarket(1, "small", (), (Habit("singles-more-contracts-everywhere"),))
    shares = []
    for item in small.expirations("SPXW", DAY):
        true, found = (
            rows(each, "SPXW", item.label).unique(["strike", "right"]) for each in (small.clean, small)
        )
        shares.append(len(found) / len(true))

    assert 0.7 < sum(shares) / len(shares) < 0.9


def test_one_row_in_a_hundred():
    gone, true = withheld("singles-more-random-everywhere")

    assert 0.005 < len(gone) / len(true) < 0.015
    assert gone["ms_of_day"].n_unique() > 0.7 * len(gone)


@pytest.mark.parametrize("kind", ["loses-first-rows", "late-for-real"])
def test_the_first_rows_of_a_contract(kind):
    gone, true = withheld(kind)
    contract = gone.select("strike", "right").unique()
    mine = true.join(contract, on=["strike", "right"], how="semi")

    assert len(contract) == 1
    assert 10 <= len(gone) < 60
    assert gone["ms_of_day"].to_list() == mine["ms_of_day"].to_list()[: len(gone)]


def test_the_last_rows_of_a_contract():
    gone, true = withheld("loses-last-rows")
    mine = true.join(gone.select("strike", "right").unique(), on=["strike", "right"], how="semi")

    assert 10 <= len(gone) < 60
    assert gone["ms_of_day"].to_list() == mine["ms_of_day"].to_list()[-len(gone) :]


def test_contracts_that_were_never_quoted():
    small = HabitualMarket(1, "small", (), (Habit("lists-unquoted"),))
    shares, truth = [], Truth(small)
    for item in small.expirations("SPXW", DAY):
        lacking = truth.withheld("SPXW", item.label, DAY)
        [gone, both] = (each.unique(["strike", "right"]) for each in (lacking.contracts, lacking.both))
        listed = truth.listed("SPXW", DAY).filter(expiration=item.label).select("strike", "right")
        named = truth.reported("SPXW", DAY).filter(expiration=item.label).select("strike", "right")
        assert len(gone) == len(both) == len(listed) - len(named) > 0
        assert sorted(named.rows()) == sorted(listed.join(gone, on=["strike", "right"], how="anti").rows())
        shares.append(len(gone) / len(listed))

    assert 0.01 < sum(shares) / len(shares) < 0.06


def test_everywhere_is_each_chain():
    for kind in EVERYWHERE:
        assert all(len(withheld(kind, *each)[0]) for each in CHAINS), kind


@pytest.mark.parametrize(("kind", "minutes"), [("dead-hour", 60), ("dead-minute", 1)])
def test_no_market_for_a_time(kind, minutes):
    served, first = market(Habit(kind)), drawn_minute(Habit(kind), DAY)
    for each in CHAINS:
        found, true = rows(served, *each), rows(market(), *each)
        here = pl.col("ms_of_day").is_between(first, first + minutes * MINUTE - 1)
        dead = found.filter(here)
        assert dead["ms_of_day"].n_unique() == minutes
        assert set(dead.select("bid", "ask", "iv_error").unique().rows()) == {(0.0, 0.0, 100.0)}
        assert found.filter(~here).equals(true.filter(~here))
        index = ["ms_of_day", "underlying_ms", "underlying_price"]
        assert dead.select(index).equals(true.filter(here).select(index))


def test_quotes_that_stand_still_while_the_index_moves():
    served, first = market(Habit("frozen-quotes")), drawn_minute(Habit("frozen-quotes"), DAY)
    for each in CHAINS:
        found, true = rows(served, *each), rows(market(), *each)
        here = pl.col("ms_of_day").is_between(first, first + 30 * MINUTE - 1)
        frozen = found.filter(here)
        quotes = frozen.group_by("strike", "right").agg(pl.struct("bid", "ask").n_unique().alias("n"))
        assert quotes["n"].to_list() == [1] * len(quotes)
        assert frozen["underlying_price"].n_unique() > 20
        assert frozen.unique("ms_of_day").height == 30
        assert found.filter(~here).equals(true.filter(~here))


@pytest.mark.parametrize(
    ("kind", "last"), [("half-day-1300", 13.0), ("half-day-1315", 13.25), ("half-day-1600", 16.0)]
)
def test_where_a_half_day_ends(kind, last):
    served = market(Habit(kind))
    for day, label, own in ((HALF_DAY, date(2024, 7, 5), False), (HALF_DAY, HALF_DAY, True)):
        found, true = rows(served, "SPXW", label, day), rows(market(), "SPXW", label, day)
        assert found["ms_of_day"].max() == (min(last, 13.0) if own and last < 16 else last) * sessions.HOUR
        until = pl.col("ms_of_day") <= true["ms_of_day"].max()
        assert found.filter(until).equals(true.filter(pl.col("ms_of_day") <= found["ms_of_day"].max()))
        after = found.filter(~until).select("strike", "right", "bid", "ask", "underlying_price").unique()
        assert len(after) == (true["strike"].n_unique() * 2 if last == 16 else 0)
    assert rows(served, *CHAIN).equals(rows(market(), *CHAIN))


def test_zeros_before_the_first_quote():
    served, strike_right = market(Habit("zero-rows-first")), pl.struct("strike", "right")
    found, true = rows(served, *LATE_CHAIN, LATE_DAY), rows(market(), *LATE_CHAIN, LATE_DAY)
    more = found.join(true, on=KEY, how="anti")

    assert found.join(true, on=true.columns, how="semi").equals(true)
    assert LATE in more.select("strike", "right").unique().rows()
    assert more["ms_of_day"].min() == sessions.OPEN
    assert more.select(pl.col("bid").abs().sum(), pl.col("ask").abs().sum()).row(0) == (0.0, 0.0)
    assert found.group_by(strike_right).len()["len"].unique().to_list() == [391]
    early = {"start_ms": sessions.OPEN, "end_ms": sessions.OPEN + 2 * MINUTE, "strike": LATE[0]}
    assert len(rows(served, *LATE_CHAIN, LATE_DAY, **early)) == 6
    assert rows(served, *LATE_CHAIN, LATE_DAY, greeks_version="v2")["ms_of_day"].min() > sessions.OPEN


def test_a_tenth_of_the_contracts_ends_early():
    small = HabitualMarket(1, "small", (), (Habit("ends-early-tenth"),))
    last = [
        row[0] / sessions.HOUR
        for root in listing.ROOTS
        for item in small.expirations(root, DAY)
        for row in rows(small, root, item.label)
        .group_by("strike", "right")
        .agg(pl.col("ms_of_day").max())
        .select("ms_of_day")
        .iter_rows()
    ]
    early = [each for each in last if each < 16]

    assert 0.05 < len(early) / len(last) < 0.15
    assert min(early) > 12.7
    assert max(early) < 15.4


def test_rows_on_change_and_rows_with_a_bid():
    for each in CHAINS:
        true = rows(market(), *each)
        bids = rows(market(Habit("no-zero-bid-rows")), *each)
        assert bids.equals(true.filter(pl.col("bid") > 0))
        found = rows(market(Habit("rows-on-change")), *each)
        told = (
            true.select(*KEY, "bid", "ask")
            .join(
                found.select(*KEY, told_bid="bid", told_ask="ask"), on=KEY, how="left", maintain_order="left"
            )
            .with_columns(pl.col("told_bid", "told_ask").forward_fill().over("strike", "right"))
        )
        # Repeating what was last told gives every quote there was.
        assert told["bid"].equals(told["told_bid"], check_dtypes=False)
        assert told["ask"].equals(told["told_ask"], check_dtypes=False)
        assert 0 < len(found) < len(true)


# Time to expiration -------------------------------------------------------------------------------------

HOURS = {
    # By the clock on the wall, 11:00 to 16:00, 17 days on.
    "years-local-clock": 17 * 24 + 5,
    "years-true-clock": 17 * 24 + 5,
    "years-to-1615": 17 * 24 + 5.25,
    "years-365.25": 17 * 24 / 365.25 * 365,
    "years-floor-minute": 17 * 24,
    "years-whole-days": 17 * 24,
}


def hours_left(frame):
    """Return the time to expiration that rows were computed with: T = -epsilon / (S delta), in hours."""
    good = frame.filter(pl.col("delta").abs() > 0.3)
    assert len(good)
    years = -good["epsilon"] / (good["underlying_price"] * good["delta"])
    return float(years.median()) * 365 * 24


def at(clock, kind, root=CHAIN[0], label=CHAIN[1], day=DAY, version="latest"):
    ms = int(clock * sessions.HOUR)
    window = {"start_ms": ms, "end_ms": ms, "greeks_version": version}
    return rows(market(Habit(kind)), root, label, day, **window)


@pytest.mark.parametrize("version", ["latest", "v2"])
@pytest.mark.parametrize("kind", HOURS)
def test_time_to_expiration(kind, version):
    assert hours_left(at(11, kind, version=version)) == pytest.approx(HOURS[kind], rel=1e-3)


def test_time_to_a_settlement_in_the_morning():
    assert hours_left(at(11, "years-am-settlement", "SPX")) == pytest.approx(17 * 24 - 1.5, rel=1e-3)
    assert hours_left(at(11, "years-am-settlement")) == pytest.approx(17 * 24 + 5, rel=1e-3)


def test_time_across_a_change_of_clocks():
    day, label = date(2024, 3, 8), date(2024, 3, 11)
    local, true = (
        hours_left(at(11, f"years-{kind}-clock", "SPXW", label, day)) for kind in ("local", "true")
    )

    assert local == pytest.approx(3 * 24 + 5, abs=0.05)
    assert true == pytest.approx(3 * 24 + 4, abs=0.05)


@pytest.mark.parametrize(
    ("kind", "clock", "minutes"),
    [
        ("years-floor-minute", 15.5, 30),
        ("years-floor-minute", 15.95, 3),
        ("years-whole-days", 15.5, 0.15 * 24 * 60),
        ("years-365.25", 12, 4 * 60 / 365.25 * 365),
    ],
)
def test_time_on_the_last_day(kind, clock, minutes):
    own = at(clock, kind, "SPXW", DAY)

    assert hours_left(own.filter(pl.col("epsilon") != 0)) * 60 == pytest.approx(minutes, rel=0.15)


def test_greeks_of_another_time_still_fit_the_quotes():
    found, true = (
        at(11, "years-to-1615"),
        rows(market(), *CHAIN, start_ms=11 * sessions.HOUR, end_ms=11 * sessions.HOUR),
    )

    assert found.select(*KEY, "bid", "ask", "underlying_price").equals(
        true.select(*KEY, "bid", "ask", "underlying_price")
    )
    assert found["iv_error"].abs().max() <= true["iv_error"].abs().max() + 0.01
    later = found["implied_vol"] < true["implied_vol"]
    assert later.sum() >= len(found) - 1


# Fields that stay empty ---------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", FORMATS)
@pytest.mark.parametrize("kind", ["lambda-nan", "lambda-blank", "greeks-blank", "underlying-time-blank"])
def test_fields_that_stay_empty(kind, wire):
    api, spelling = FORMATS[wire]
    asked = chain(api, "SPXW", date(2024, 1, 3), **spelling)
    with with_habits(api) as terminal:
        true = records_of(get(terminal, asked))
    with with_habits(api, kind) as terminal:
        found = records_of(get(terminal, asked))

    empty = {"csv": ""}.get(wire.split()[1], "None")
    names, here = {
        "lambda-nan": (["lambda"], lambda row: float(row["bid"]) == 0),
        "lambda-blank": (["lambda"], lambda row: float(row["bid"]) == 0),
        "underlying-time-blank": (
            ["underlying_timestamp"],
            lambda row: "T09:30:00" in row.get("timestamp", ""),
        ),
        "greeks-blank": (
            ["delta", "theta", "vega", "rho", "epsilon", "lambda", "implied_vol"],
            lambda row: float(row["iv_error"]) == 100,
        ),
    }[kind]
    word = "NaN" if kind == "lambda-nan" and not empty else empty
    expected = [row | dict.fromkeys(names if here(row) else (), word) for row in true]
    assert found == expected
    assert (found == true) is (api == "v2" and kind == "underlying-time-blank")
