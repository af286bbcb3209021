"""Habits as a client meets them: what each is about is otherwise, all else is the same to the byte."""

import sys
from datetime import date

import polars as pl
import pytest
import requests

from theta_simulator import Habit, Settings, __main__, running
from theta_simulator.habit_rows import EDITS
from theta_simulator.habits import OF_ONE_CHAIN, OF_SOME_DATES, V3_ONLY, Kind
from theta_simulator.habitual import HabitualMarket
from theta_simulator.truth import Truth

DAY = date(2024, 1, 2)
TODAY = date(2024, 12, 31)
CHAIN = ("SPXW", date(2024, 1, 19))
CHAINS = [("SPX", CHAIN[1]), ("SPXW", DAY), ("SPXW", date(2024, 1, 3)), CHAIN]
ROOTS = ["SPX", "SPXW"]


def with_habits(api, *habits, **options):
    chosen = tuple(each if isinstance(each, Habit) else Habit(each) for each in habits)
    return running(Settings(api=api, size="tiny", today=TODAY, habits=chosen, **options))


def listing(api, root, day=DAY):
    if api == "v3":
        return "/v3/option/list/contracts/quote", {"symbol": root, "date": f"{day:%Y%m%d}"}
    return "/v2/list/contracts/option/quote", {"root": root, "start_date": f"{day:%Y%m%d}", "use_csv": "true"}


def eod(api, root, label="*", day=DAY):
    if api == "v3":
        return "/v3/option/history/eod", {"symbol": root, "expiration": label, "date": f"{day:%Y%m%d}"}
    span = {"start_date": f"{day:%Y%m%d}", "end_date": f"{day:%Y%m%d}"}
    return "/v2/bulk_hist/option/eod", {
        "root": root,
        "exp": label.strip("*") or "0",
        "use_csv": "true",
    } | span


def interest(api, *about):
    path, query = eod(api, *about)
    return path.replace("eod", "open_interest"), query


def chain(api, root, label, day=DAY, **more):
    if api == "v3":
        query = {"symbol": root, "expiration": f"{label:%Y%m%d}", "date": f"{day:%Y%m%d}", "interval": "1m"}
        return "/v3/option/history/greeks/first_order", query | more
    span = {"start_date": f"{day:%Y%m%d}", "end_date": f"{day:%Y%m%d}"}
    query = {"root": root, "exp": f"{label:%Y%m%d}", "ivl": "60000", "use_csv": "true"} | span
    return "/v2/bulk_hist/option/greeks", query | more


def single(api, root, label, strike, right, day=DAY):
    path, query = chain(api, root, label, day)
    if api == "v3":
        return path, query | {"strike": f"{strike:.3f}", "right": {"C": "call", "P": "put"}[right]}
    return "/v2/hist/option/greeks", query | {"strike": f"{strike * 1000:.0f}", "right": right}


def get(terminal, asked, **more):
    path, query = asked
    return requests.get(terminal.url + path, {**query, **more}, timeout=20)


def codes(terminal, *asked):
    return [get(terminal, each).status_code for each in asked]


def listed(terminal, root="SPXW", day=DAY):
    lines = get(terminal, listing("v3", root, day)).text.replace('"', "").splitlines()[1:]
    return [tuple(line.split(",")) for line in lines]


def outcome(terminal, asked):
    """Return all of an answer that a client sees; the time is not the terminal's."""
    try:
        answer = get(terminal, asked)
    except requests.ConnectionError:
        return "reset"
    return answer.status_code, answer.headers["content-type"], answer.content


def questions(api, market, most):
    """Return the questions about a date by what they are about, at *most* so many contracts of a chain."""
    found = {("listing", root): listing(api, root) for root in ROOTS}
    found |= {("eod", root): eod(api, root) for root in ROOTS}
    found |= {("interest", root): interest(api, root) for root in ROOTS}
    for root, label in CHAINS:
        found["chain", root, label] = chain(api, root, label)
        contracts = market.contracts(root, DAY)
        for strike, right in contracts.filter(expiration=label).select("strike", "right").head(most).rows():
            found["single", root, label, strike, right] = single(api, root, label, strike, right)
    lists = {"v3": ("/v3/option/list/expirations", "symbol"), "v2": ("/v2/list/expirations", "root")}
    path, name = lists[api]
    csv = {"use_csv": "true"} if api == "v2" else {}
    return found | {("expirations", root): (path, {name: root} | csv) for root in ROOTS}


def survey(api, terminal, most=1000):
    return {key: outcome(terminal, asked) for key, asked in questions(api, terminal.market, most).items()}


# What each habit is about -------------------------------------------------------------------------------

NOTHING = frozenset()
ALL_CHAINS = {("chain", *each) for each in CHAINS}
ALL_SINGLES = {("single", *each) for each in CHAINS}
LISTINGS = {("listing", root) for root in ROOTS}
EODS = {("eod", root) for root in ROOTS}
INTEREST = {("interest", root) for root in ROOTS}
REPORTS = EODS | INTEREST
HISTORY = ALL_CHAINS | ALL_SINGLES
EVERYTHING = HISTORY | LISTINGS | REPORTS | {("expirations", root) for root in ROOTS}
WEEKLY_REPORTS = {("eod", "SPXW"), ("interest", "SPXW")}
THE_CHAIN, THE_SINGLES = {("chain", *CHAIN)}, {("single", *CHAIN)}
WEEKLIES = {("listing", "SPXW")}
SHORT = {(what, *each) for what in ("chain", "single") for each in CHAINS[1:3]}
ABOUT = {
    # Weeklies alone expire on any day.
    Kind.LISTS_EXPIRED: WEEKLIES,
    Kind.LISTS_ZERO_STRIKE: LISTINGS,
    Kind.LISTS_FOREIGN_ROOT: LISTINGS,
    Kind.LISTS_ONLY_EXPIRED: LISTINGS,
    Kind.LISTS_UNQUOTED: HISTORY | REPORTS,
    Kind.LISTS_TODAY: LISTINGS,
    Kind.LISTS_570: LISTINGS,
    Kind.LISTS_477: LISTINGS,
    Kind.ROOT_MISSING_ONCE: {("listing", "SPX")},
    Kind.ROOT_MISSING: {("listing", "SPX")},
    Kind.UNLISTED_OWN_DATE: WEEKLIES,
    Kind.UNLISTED_CHAIN: WEEKLIES,
    Kind.UNLISTED_AND_GONE: WEEKLIES | THE_CHAIN | THE_SINGLES | WEEKLY_REPORTS,
    **dict.fromkeys((kind for kind in Kind if kind.startswith("chain-")), THE_CHAIN),
    **dict.fromkeys((kind for kind in Kind if kind.startswith("singles-")), ALL_SINGLES),
    **dict.fromkeys((kind for kind in Kind if kind.startswith("singles-more-")), THE_CHAIN),
    **dict.fromkeys(
        (kind for kind in Kind if kind.startswith("singles-more-") and kind.endswith("-everywhere")),
        ALL_CHAINS,
    ),
    Kind.LOSES_FIRST_ROWS: THE_CHAIN,
    Kind.LOSES_FIRST_ROWS_EVERYWHERE: ALL_CHAINS,
    Kind.LOSES_LAST_ROWS: THE_CHAIN,
    Kind.LOSES_LAST_ROWS_EVERYWHERE: ALL_CHAINS,
    Kind.LATE_FOR_REAL: THE_CHAIN | THE_SINGLES,
    Kind.LATE_FOR_REAL_EVERYWHERE: HISTORY,
    Kind.LISTED_472: THE_CHAIN | THE_SINGLES,
    Kind.LISTED_472_ALWAYS: THE_CHAIN | THE_SINGLES,
    Kind.LISTED_EMPTY: THE_CHAIN | THE_SINGLES | WEEKLY_REPORTS,
    Kind.NO_EOD: EODS,
    Kind.EOD_TIER: EODS,
    Kind.EOD_500: EODS,
    Kind.EOD_TWICE: EODS,
    Kind.EOD_LACKS_CHAIN: {("eod", "SPXW")},
    **dict.fromkeys((Kind.NO_INTEREST, Kind.INTEREST_TIER, Kind.INTEREST_500, Kind.INTEREST_TWICE), INTEREST),
    Kind.DATE_472: HISTORY | LISTINGS | REPORTS,
    Kind.DATE_CLOSED: HISTORY | LISTINGS | REPORTS,
    Kind.DATE_LATE: HISTORY | LISTINGS | REPORTS,
    **dict.fromkeys((Kind.DEAD_HOUR, Kind.DEAD_MINUTE, Kind.FROZEN_QUOTES), HISTORY),
    # The date is not one of half a day: tested below, as is what takes time.
    **dict.fromkeys((kind for kind in Kind if kind.startswith("half-day-")), NOTHING),
    Kind.SLOW_SLOTS: NOTHING,
    **dict.fromkeys((kind for kind in Kind if kind.startswith("years-")), HISTORY),
    # The chains of the date itself and of the next day have bids of zero.
    **dict.fromkeys((Kind.LAMBDA_NAN, Kind.LAMBDA_BLANK, Kind.NO_ZERO_BID_ROWS), SHORT),
    Kind.GREEKS_BLANK: HISTORY,
    Kind.UNDERLYING_TIME_BLANK: HISTORY,
    Kind.ROWS_ON_CHANGE: HISTORY,
    # All contracts are quoted from the open on that date.
    Kind.ZERO_ROWS_FIRST: NOTHING,
    # A tenth of few contracts: those of the others are not drawn.
    Kind.ENDS_EARLY_TENTH: HISTORY - SHORT,
    # Nothing is spelled so in JSON, or with times that are numbers.
    Kind.JSON_LEGACY: NOTHING,
    Kind.JSON_ROWS: NOTHING,
    **dict.fromkeys(
        (Kind.SIX_DIGITS, Kind.STAMP_OFFSET, Kind.STAMP_ZULU),
        HISTORY | REPORTS,
    ),
    Kind.COMPACT_DATES: EVERYTHING,
    Kind.RIGHT_TITLE: HISTORY | LISTINGS | REPORTS,
}


def named(kind):
    """Return a habit that is about one chain, one root or one date, where it is about any."""
    root, label = CHAIN if kind in OF_ONE_CHAIN - {Kind.UNLISTED_OWN_DATE} else (None, None)
    if kind in (Kind.ROOT_MISSING, Kind.ROOT_MISSING_ONCE):
        root = "SPX"
    # Those that pass are not over before everything was asked.
    return Habit(kind, 0, root, label, DAY if kind in OF_SOME_DATES else None, times=1000)


@pytest.mark.parametrize("api", ["v3", "v2"])
@pytest.mark.parametrize("kind", Kind)
def test_a_habit_changes_what_it_is_about_and_no_other_byte(kind, api, without):
    # All others answer all contracts of a chain alike.
    of_some_contracts = kind in EDITS or kind in (Kind.LAMBDA_NAN, Kind.LAMBDA_BLANK, Kind.GREEKS_BLANK)
    most = 1000 if of_some_contracts else 1
    with with_habits(api, named(kind)) as terminal:
        found = survey(api, terminal, most)

    changed = {key[:3] for key, answer in found.items() if answer != without[api][key]}
    expected = ABOUT.get(kind, EVERYTHING)
    if api == "v2" and kind in V3_ONLY:
        expected = NOTHING
    elif api == "v2" and kind is Kind.RIGHT_TITLE:
        # A contract asked for alone is not named.
        expected = expected - ALL_SINGLES
    elif api == "v2" and kind is Kind.HEADER_SPACED:
        # A list has one column.
        expected = EVERYTHING - {("expirations", root) for root in ROOTS}
    elif api == "v2" and kind is Kind.GREEKS_BLANK:
        # It has no rows at the open, and few volatilities that failed.
        expected = {(what, *CHAINS[2]) for what in ("chain", "single")}
    assert changed == expected


# Several of them ----------------------------------------------------------------------------------------


def test_a_habit_may_be_about_one_root_or_chain_alone(without):
    habits = (
        Habit("lists-zero-strike", root="SPX"),
        Habit("singles-500", 0, *CHAIN),
        Habit("dead-hour", 0, "SPXW", DAY),
        Habit("date-472", root="SPX", day=date(2024, 1, 3)),
    )
    with with_habits("v3", *habits) as terminal:
        found = survey("v3", terminal)
        next_day = date(2024, 1, 3)
        others = codes(terminal, listing("v3", "SPX", next_day), listing("v3", "SPXW", next_day))

    changed = {key[:3] for key, answer in found.items() if answer != without["v3"][key]}
    own = {(what, "SPXW", DAY) for what in ("chain", "single")}
    assert changed == {("listing", "SPX")} | THE_SINGLES | own
    assert others == [472, 200]


def test_habits_go_together():
    habits = (
        Habit("unlisted-own-date"),
        Habit("loses-first-rows", 0, *CHAIN),
        Habit("singles-more-random", 0, *CHAIN),
        Habit("late-for-real", 5, *CHAIN),
        Habit("years-to-1615"),
        Habit("lambda-blank"),
        Habit("bom"),
    )
    alone = [HabitualMarket(1, "tiny", (), (each,)) for each in habits[1:4]]
    apart = [Truth(market).withheld(*CHAIN, DAY).chain for market in alone]
    with with_habits("v3", *habits) as terminal:
        together = terminal.truth.withheld(*CHAIN, DAY)
        body = get(terminal, chain("v3", *CHAIN)).content
        assert {row[1] for row in listed(terminal)} == {"2024-01-03", "2024-01-19"}

    assert sorted(together.chain.rows()) == sorted(pl.concat(apart).unique().rows())
    assert sorted(together.both.rows()) == sorted(apart[2].rows())
    assert len(body.splitlines()) - 1 == 8 * 391 - len(together.chain)


# The command line ---------------------------------------------------------------------------------------


def test_what_is_no_habit():
    with pytest.raises(ValueError, match="unknown habit 'bogus': choose from lists-expired"):
        Habit("bogus")
    with pytest.raises(ValueError, match="times is 0, expected 1 or more"):
        Habit("busy-first", times=0)


def test_the_command_line_has_them(tmp_path, capsys):
    path, _ = eod("v3", "SPX")
    code = (
        "import os, urllib.request as u, urllib.error as e\n"
        "codes = []\n"
        "for _ in range(3):\n"
        "    try: u.urlopen(os.environ['THETADATA_BASE_URL'] + '" + path + "')\n"
        "    except e.HTTPError as error: codes.append(error.code)\n"
        "raise SystemExit(codes != [571, 571, 404])"
    )
    words = ["--size", "tiny", "--habit", "no-eod,starting-first", "--habit-times", "2", "--habit-seed", "4"]

    assert __main__.main([*words, "--", sys.executable, "-c", code]) == 0
    assert "seed 1, no-eod, starting-first" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        __main__.main(["--habit", "bogus"])
    assert "unknown habit" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        __main__.main(["--help"])
    told = "".join(capsys.readouterr().out.split())
    assert [kind for kind in Kind if kind not in told] == []
