"""Blemishes as a client meets them: the same in every answer, in every format, where they say they are."""

import sys
from collections import Counter
from datetime import date, time
from urllib.parse import urlencode

import polars as pl
import pytest
from tests.unit.simulator.test_faults import CONTRACTS, FORMATS, HISTORY, get, records

from theta_simulator import Blemish, Settings, __main__, flawed, running, sessions
from theta_simulator.blemishes import CALENDARS, Kind, Scope
from theta_simulator.flawed import FlawedMarket, place
from theta_simulator.market import Market

DAY = date(2024, 1, 2)
OF_THE_WIRE = (
    Kind.CUT_ANSWER,
    Kind.NEGATIVE_PRICE,
    Kind.NOT_A_NUMBER,
    Kind.EMPTY_FIELD,
    Kind.OFF_GRID_STAMP,
    Kind.OTHER_DATE,
    Kind.WRONG_RIGHT,
    Kind.ZERO_STRIKE,
    Kind.OTHER_EXPIRATION,
)
OF_ROWS = [kind for kind in Kind if kind not in {*OF_THE_WIRE, *CALENDARS, Kind.ENDS_EARLY}]
# A tiny market's strikes are too far apart for these.
CLOSE_STRIKES = (Kind.IV_KINK, Kind.DELTA_RISING)
# SPXW 2024-01-19 C 5035 at 11:00, which HISTORY shows.
TARGET = {
    "root": "SPXW",
    "expiration": date(2024, 1, 19),
    "strike": 5035.0,
    "right": "C",
    "first": time(11, 30),
    "last": time(11, 30),
}


def blemished(api, *kinds, size="tiny", **target):
    blemishes = tuple(Blemish(kind, **target) for kind in kinds)
    return running(Settings(api=api, size=size, today=date(2024, 12, 31), blemishes=blemishes))


def asked(api, wire):
    path, query = HISTORY[api]
    return path, {**query, **({"interval": "30m"} if api == "v3" else {"ivl": "1800000"}), **wire}


def both(kind, version="latest", size="tiny", **target):
    """Return a chain's rows without and with a blemish, and where it is."""
    market = FlawedMarket(1, size, (Blemish(kind, **target),))
    [where] = market.places(DAY)
    chain = (where.root, where.expiration, DAY, sessions.MINUTE)
    keys = {"greeks_version": version}
    return market.clean.history(*chain, **keys), market.history(*chain, **keys), where


def changed(clean, spoilt):
    """Return the rows that are not the clean chain's."""
    return spoilt.join(clean, on=clean.columns, how="anti", nulls_equal=True)


# Where they are -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["latest", "v2"])
@pytest.mark.parametrize("kind", OF_ROWS)
def test_a_defect_of_rows_is_where_it_says_and_nowhere_else(kind, version):
    clean, spoilt, where = both(kind, version, size="small" if kind in CLOSE_STRIKES else "tiny", seed=2)

    assert not spoilt.equals(clean)
    assert spoilt.schema == clean.schema
    assert spoilt.select("strike", "right", "ms_of_day").equals(
        spoilt.select("strike", "right", "ms_of_day").sort("strike", "right", "ms_of_day")
    )
    if where.first is not None:
        outside = ~pl.col("ms_of_day").is_between(where.first, where.last)
        if where.strike is not None:
            outside |= pl.col("strike") != where.strike
        assert spoilt.filter(outside).equals(clean.filter(outside))


@pytest.mark.parametrize("kind", [*OF_ROWS, *OF_THE_WIRE])
def test_where_it_is_follows_from_the_seed_and_not_from_what_is_asked(kind):
    found = {seed: place(Market(1, "small"), Blemish(kind, seed), DAY) for seed in range(6)}
    place.cache_clear()

    assert found == {seed: place(Market(1, "small"), Blemish(kind, seed), DAY) for seed in range(6)}
    places = Counter((where.root, where.expiration, where.strike, where.first) for where in found.values())
    chains_of_a_day = 1 if kind in (Kind.OTHER_CONVENTION, Kind.CLOCK_SHIFTED) else 2
    assert len(places) >= chains_of_a_day


def test_a_place_that_is_named_is_the_place():
    where = place(Market(1, "tiny"), Blemish("crossed", **TARGET), DAY)

    assert (where.root, where.expiration, where.strike, where.right) == (
        "SPXW",
        date(2024, 1, 19),
        5035.0,
        "C",
    )
    assert (where.first, where.last) == (11.5 * sessions.HOUR, 11.5 * sessions.HOUR)


@pytest.mark.parametrize(
    "blemish",
    [
        Blemish("crossed", day=date(2024, 1, 3)),
        Blemish("crossed", expiration=date(2024, 1, 5)),
        Blemish("crossed", strike=1.0),
        Blemish("withheld-minutes", root="SPX", expiration=date(1999, 1, 1)),
    ],
    ids=repr,
)
def test_where_nothing_suits_there_is_no_blemish(blemish):
    market = FlawedMarket(1, "tiny", (blemish,))

    assert market.places(DAY) == []
    assert market.history("SPXW", date(2024, 1, 19), DAY, sessions.HOUR).equals(
        market.clean.history("SPXW", date(2024, 1, 19), DAY, sessions.HOUR)
    )


def test_days_without_a_session_have_no_place():
    assert place(Market(1, "tiny"), Blemish("ends-early"), date(2024, 1, 1)) is None


def test_a_session_too_short_for_a_window_has_no_place(monkeypatch):
    monkeypatch.setattr(flawed, "_SETTLED", 300)

    assert place(Market(4, "tiny"), Blemish("crossed", 99), DAY) is None


@pytest.mark.parametrize("kind", OF_ROWS)
def test_a_contract_alone_shows_what_its_chain_shows(kind):
    market = FlawedMarket(1, "small" if kind in CLOSE_STRIKES else "tiny", (Blemish(kind, 3),))
    [where] = market.places(DAY)
    chain = (where.root, where.expiration, DAY, sessions.MINUTE)

    whole = market.history(*chain)
    strikes = market.clean.history(*chain)["strike"].unique().to_list()
    alone = pl.concat(market.history(*chain, strike=strike) for strike in sorted(strikes))

    if kind in (Kind.WITHHELD_FROM_CHAIN, Kind.FALSE_NO_DATA):
        assert alone.equals(market.clean.history(*chain))
        assert len(whole) < len(alone)
    else:
        assert alone.equals(whole)


# What they are ------------------------------------------------------------------------------------------


def quote(rows, where, strike=None, right=None):
    found = rows.filter(
        (pl.col("strike") == (strike or where.strike))
        & (pl.col("right") == (right or where.right))
        & pl.col("ms_of_day").is_between(where.first, where.last)
    )
    return found["bid"].to_numpy(), found["ask"].to_numpy()


def beside(rows, where):
    strikes = rows["strike"].unique().sort().to_list()
    at = strikes.index(where.strike)
    return strikes[at - 1], strikes[at + 1]


def chord_below(rows, where):
    below, above = beside(rows, where)
    share = (where.strike - below) / (above - below)
    wings = [quote(rows, where, strike)[1] for strike in (below, above)]
    return (quote(rows, where)[0] > (1 - share) * wings[0] + share * wings[1]).all()


def below_the_chain_before(rows, where):
    market = Market(1, "small")
    labels = [item.label for item in market.expirations(where.root, DAY)]
    earlier = market.history(where.root, labels[labels.index(where.expiration) - 1], DAY, sessions.MINUTE)
    outer = beside(rows, where)[where.right == "C"]
    return (quote(rows, where)[1] < quote(earlier, where, outer)[0]).all()


def less_than_exercised(rows, where):
    [spot] = rows.filter(pl.col("ms_of_day") == where.first)["underlying_price"].unique()
    return (quote(rows, where)[1] < 0.9 * abs(spot - where.strike)).all()


IS = {
    Kind.CROSSED: lambda rows, where: (quote(rows, where)[0] > quote(rows, where)[1]).all(),
    Kind.LOCKED: lambda rows, where: (quote(rows, where)[0] == quote(rows, where)[1]).all(),
    Kind.ONE_SIDED: lambda rows, where: (quote(rows, where)[0] > quote(rows, where)[1]).all(),
    Kind.WIDE: lambda rows, where: (quote(rows, where)[1] > 20 * quote(rows, where)[0]).all(),
    Kind.STALE: lambda rows, where: len(set(quote(rows, where)[0])) == 1 < len(quote(rows, where)[0]),
    Kind.VERTICAL: lambda rows, where: (
        quote(rows, where)[0] > quote(rows, where, beside(rows, where)[0 if where.right == "C" else 1])[1]
    ).all(),
    Kind.BUTTERFLY: chord_below,
    Kind.CALENDAR: below_the_chain_before,
    Kind.BOUNDS: less_than_exercised,
}


@pytest.mark.parametrize("kind", IS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_quote_is_as_wrong_as_its_name_says(kind, seed):
    clean, spoilt, where = both(kind, size="small", seed=seed)

    assert IS[kind](spoilt, where)
    assert not IS[kind](clean, where)


def test_a_contract_leaves_its_twin_by_more_than_their_spreads():
    clean, spoilt, where = both(Kind.PARITY_BROKEN, size="small")

    spreads = sum(ask - bid for bid, ask in (quote(clean, where, right=right) for right in "CP"))
    assert (quote(spoilt, where)[0] - quote(clean, where)[0] > spreads).all()


@pytest.mark.parametrize("kind", [Kind.CROSSED, Kind.WIDE])
def test_greeks_follow_the_middle_of_a_quote(kind):
    clean, spoilt, _ = both(kind)

    moved = changed(clean, spoilt).drop("bid", "ask")
    before = clean.join(moved, on=["strike", "right", "ms_of_day"], how="semi").drop("bid", "ask")
    for name in ("delta", "implied_vol"):
        assert abs(moved[name] - before[name]).max() < 0.002


def test_what_is_wrong_with_the_underlying():
    missing, frozen, stale, other = (
        changed(*both(kind)[:2])
        for kind in ("underlying-missing", "underlying-frozen", "underlying-stale", "underlying-disagrees")
    )

    assert missing.filter((pl.col("underlying_price") != 0) | (pl.col("iv_error") != 100)).is_empty()
    assert frozen["underlying_price"].n_unique() == 1
    assert frozen["underlying_ms"].n_unique() >= 19
    assert (stale["ms_of_day"] - stale["underlying_ms"]).min() >= 10 * sessions.MINUTE
    assert len(other) == 1


@pytest.mark.parametrize(("kind", "listed"), [("withheld-expiration", True), ("unlisted-expiration", False)])
def test_an_expiration_that_is_gone(kind, listed):
    _, spoilt, where = both(kind)
    market = FlawedMarket(1, "tiny", (Blemish(kind),))

    assert spoilt.is_empty()
    assert (where.expiration in market.contracts(where.root, DAY)["expiration"]) is listed


# On the wire --------------------------------------------------------------------------------------------

SPOILT = {
    "negative-price": lambda row: float(row["bid"]) < 0,
    "not-a-number": lambda row: row["bid"] in ("NaN", "None"),
    "empty-field": lambda row: row["bid"] in ("", "None"),
    "off-grid-stamp": lambda row: (
        row.get("timestamp", "")[11:19] == "11:30:17" or row.get("ms_of_day") == "41417000"
    ),
    "other-date": lambda row: "2024-01-03" in row.get("timestamp", "") or row.get("date") == "20240103",
    "wrong-right": lambda row: "X" in row["right"],
    "zero-strike": lambda row: float(row["strike"]) == 0,
    "other-expiration": lambda row: row["expiration"].strip('"').replace("-", "") == "20240126",
}


@pytest.mark.parametrize("kind", SPOILT)
@pytest.mark.parametrize("wire", FORMATS)
def test_a_bad_row_stands_once_in_every_format(wire, kind, v3, v2):
    api, spelling = FORMATS[wire]
    with blemished(api, kind, **TARGET) as terminal:
        found = records(get(terminal, asked(api, spelling)))
        again = records(get(terminal, asked(api, spelling)))
        [where] = terminal.places(DAY)
        assert (where.strike, where.right) == (TARGET["strike"], TARGET["right"])
    truth = records(get({"v3": v3, "v2": v2}[api], asked(api, spelling)))

    assert found == again
    assert [SPOILT[kind](row) for row in found].count(True) == 1
    assert [row for row in found if not SPOILT[kind](row)] == [
        row for row in truth if len(found) > len(truth) or row in found
    ]
    assert len(found) - len(truth) == (0 if kind in ("negative-price", "not-a-number", "empty-field") else 1)


def test_a_bad_row_stands_in_its_contracts_own_answer():
    with blemished("v3", "negative-price", **TARGET) as terminal:
        found = records(get(terminal, asked("v3", {"strike": "5035", "right": "call"})))

    assert [float(row["bid"]) < 0 for row in found].count(True) == 1


@pytest.mark.parametrize("wire", FORMATS)
def test_an_answer_cut_at_a_lines_end_looks_whole(wire, v3, v2):
    api, spelling = FORMATS[wire]
    with blemished(api, "cut-answer", root="SPXW", expiration=date(2024, 1, 19)) as terminal:
        answer = get(terminal, asked(api, spelling))
        found = records(answer)
    truth = records(get({"v3": v3, "v2": v2}[api], asked(api, spelling)))

    assert answer.status_code == 200
    assert 0.2 * len(truth) < len(found) < len(truth)
    assert found == truth[: len(found)]


def test_a_contract_asked_for_alone_is_not_cut():
    with blemished("v3", "cut-answer", root="SPXW", expiration=date(2024, 1, 19)) as terminal:
        found = records(get(terminal, asked("v3", {"strike": "5035"})))

    assert len(found) == 2 * 14


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_no_rows_at_all_is_no_data(api):
    with blemished(api, "false-no-data", root="SPXW", expiration=date(2024, 1, 19)) as terminal:
        assert get(terminal, asked(api, {})).status_code == 472


@pytest.mark.parametrize(
    ("kind", "word"),
    [("calendar-open", "open"), ("calendar-early", "early_close"), ("calendar-closed", "full_close")],
)
def test_a_calendar_that_is_wrong_about_a_half_day(kind, word):
    with blemished("v3", kind) as terminal:
        [found] = records(get(terminal, ("/v3/calendar/on_date", {"date": "20240703"})))
        [other] = records(get(terminal, ("/v3/calendar/on_date", {"date": "20240706"})))
        code = get(terminal, asked("v3", {})).status_code

    assert (found["type"], other["type"], code) == (word, "weekend", 200)


def test_all_chains_of_a_date_may_end_early():
    market = FlawedMarket(1, "tiny", (Blemish("ends-early"),))

    last = {
        market.history(root, item.label, DAY, sessions.MINUTE)["ms_of_day"].max()
        for root in ("SPX", "SPXW")
        for item in market.expirations(root, DAY)
    }

    assert last == {13.25 * sessions.HOUR}


# The command line ---------------------------------------------------------------------------------------


def test_what_is_no_blemish():
    with pytest.raises(ValueError, match="unknown blemish 'bogus': choose from withheld-contract"):
        Blemish("bogus")


def test_the_command_line_has_them(tmp_path, capsys):
    path, query = CONTRACTS["v3"]
    body = tmp_path / "body"
    code = (
        "import os, pathlib, urllib.request as u;"
        f"answer = u.urlopen(os.environ['THETADATA_BASE_URL'] + '{path}?{urlencode(query)}');"
        f"pathlib.Path({str(body)!r}).write_bytes(answer.read())"
    )
    words = ["--size", "tiny", "--today", "2024-12-31", "--blemish", "unlisted-expiration,crossed"]
    [gone, _] = FlawedMarket(1, "tiny", (Blemish("unlisted-expiration", 4), Blemish("crossed", 4))).places(
        DAY
    )

    assert __main__.main([*words, "--blemish-seed", "4", "--", sys.executable, "-c", code]) == 0
    assert (gone.expiration.isoformat() in body.read_text()) is (gone.root != "SPXW")
    assert "seed 1, unlisted-expiration, crossed" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        __main__.main(["--blemish", "bogus"])
    assert "unknown blemish" in capsys.readouterr().err


def test_scopes_name_what_a_place_has():
    for kind in Kind:
        blemish = Blemish(kind, 1)
        where = place(Market(1, "small"), blemish, DAY)
        given = (where.root is not None, where.first is not None, where.strike is not None)
        assert (
            given
            == {
                Scope.DATE: (False, False, False),
                Scope.CHAIN: (True, False, False),
                Scope.STAMPS: (True, True, False),
                Scope.CONTRACT: (True, False, True),
                Scope.CELLS: (True, True, True),
            }[blemish.scope]
        )
