"""Habits as a client meets them: what each is about is otherwise, all else is the same to the byte."""

import gzip
import sys
from datetime import date

import polars as pl
import pytest
import requests
from tests.unit.simulator.test_faults import STATUS

from theta_simulator import Blemish, Habit, Settings, __main__, running, sessions
from theta_simulator.conduct import Conduct
from theta_simulator.habits import OF_ONE_CHAIN, OF_SOME_DATES, V3_ONLY, Kind
from theta_simulator.habitual import HabitualMarket, one_chain
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


def outcome(terminal, asked):
    """Return all of an answer that a client sees; the time is not the terminal's."""
    try:
        answer = get(terminal, asked)
    except requests.ConnectionError:
        return "reset"
    return answer.status_code, answer.headers["content-type"], answer.content


def questions(api, market):
    """Return every question there is about a date, by what it is about."""
    found = {("listing", root): listing(api, root) for root in ROOTS}
    found |= {("eod", root): eod(api, root) for root in ROOTS}
    for root, label in CHAINS:
        found["chain", root, label] = chain(api, root, label)
        contracts = market.contracts(root, DAY)
        for strike, right in contracts.filter(expiration=label).select("strike", "right").iter_rows():
            found["single", root, label, strike, right] = single(api, root, label, strike, right)
    lists = {"v3": ("/v3/option/list/expirations", "symbol"), "v2": ("/v2/list/expirations", "root")}
    path, name = lists[api]
    csv = {"use_csv": "true"} if api == "v2" else {}
    return found | {("expirations", root): (path, {name: root} | csv) for root in ROOTS}


def survey(api, terminal):
    return {key: outcome(terminal, asked) for key, asked in questions(api, terminal.market).items()}


@pytest.fixture(scope="session")
def without():
    """Return the answers of a terminal without habits, by wire version."""
    found = {}
    for api in ("v3", "v2"):
        with with_habits(api) as terminal:
            found[api] = survey(api, terminal)
    assert all(status == 200 for answers in found.values() for status, _, _ in answers.values())
    return found


# What each habit is about -------------------------------------------------------------------------------

NOTHING = frozenset()
ALL_CHAINS = {("chain", *each) for each in CHAINS}
ALL_SINGLES = {("single", *each) for each in CHAINS}
LISTINGS = {("listing", root) for root in ROOTS}
EODS = {("eod", root) for root in ROOTS}
HISTORY = ALL_CHAINS | ALL_SINGLES
EVERYTHING = HISTORY | LISTINGS | EODS | {("expirations", root) for root in ROOTS}
THE_CHAIN, THE_SINGLES = {("chain", *CHAIN)}, {("single", *CHAIN)}
WEEKLIES = {("listing", "SPXW")}
SHORT = {(what, *each) for what in ("chain", "single") for each in CHAINS[1:3]}
ABOUT = {
    # Weeklies alone expire on any day.
    Kind.LISTS_EXPIRED: WEEKLIES,
    Kind.LISTS_ZERO_STRIKE: LISTINGS,
    Kind.LISTS_FOREIGN_ROOT: LISTINGS,
    Kind.LISTS_ONLY_EXPIRED: LISTINGS,
    Kind.LISTS_UNQUOTED: HISTORY | EODS,
    Kind.LISTS_570: LISTINGS,
    Kind.LISTS_477: LISTINGS,
    Kind.ROOT_MISSING_ONCE: {("listing", "SPX")},
    Kind.ROOT_MISSING: {("listing", "SPX")},
    Kind.UNLISTED_OWN_DATE: WEEKLIES,
    Kind.UNLISTED_CHAIN: WEEKLIES,
    Kind.UNLISTED_AND_GONE: WEEKLIES | THE_CHAIN | THE_SINGLES | {("eod", "SPXW")},
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
    Kind.LISTED_EMPTY: THE_CHAIN | THE_SINGLES | {("eod", "SPXW")},
    Kind.NO_EOD: EODS,
    Kind.EOD_TIER: EODS,
    Kind.EOD_500: EODS,
    Kind.EOD_TWICE: EODS,
    Kind.EOD_LACKS_CHAIN: {("eod", "SPXW")},
    Kind.DATE_472: HISTORY | LISTINGS | EODS,
    Kind.DATE_CLOSED: HISTORY | LISTINGS | EODS,
    Kind.DATE_LATE: HISTORY | LISTINGS | EODS,
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
        HISTORY | EODS,
    ),
    Kind.COMPACT_DATES: EVERYTHING,
    Kind.RIGHT_TITLE: HISTORY | LISTINGS | EODS,
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
    with with_habits(api, named(kind)) as terminal:
        found = survey(api, terminal)

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


# What passes --------------------------------------------------------------------------------------------


def codes(terminal, *asked):
    return [get(terminal, each).status_code for each in asked]


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_the_first_questions_of_any_kind_are_turned_away(api):
    status = (STATUS[api], {})
    with with_habits(api, Habit("busy-first", times=3)) as terminal:
        first = [get(terminal, asked) for asked in (status, listing(api, "SPX"), status)]
        later = codes(terminal, status, listing(api, "SPX"))

    assert [answer.status_code for answer in first] == [429, 429, 429]
    assert [answer.headers.get("retry-after") for answer in first] == [None, "1", None]
    assert later == [200, 200]


@pytest.mark.parametrize(
    ("kind", "code", "told"), [("unavailable-first", 503, "1"), ("starting-first", 571, None)]
)
def test_other_ways_to_be_turned_away_first(kind, code, told):
    with with_habits("v3", Habit(kind, times=1)) as terminal:
        first, second = (get(terminal, (STATUS["v3"], {})) for _ in range(2))

    assert (first.status_code, first.headers.get("retry-after"), second.status_code) == (code, told, 200)


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_root_is_missing_once_for_each_date(api):
    with with_habits(api, Habit("root-missing-once", root="SPX")) as terminal:
        asked = [
            listing(api, root, day) for day in (DAY, date(2024, 1, 3)) for root in ("SPX", "SPX", "SPXW")
        ]
        assert codes(terminal, *asked) == [472, 200, 200, 472, 200, 200]


def test_a_listing_of_all_roots_lacks_the_missing_one():
    with with_habits("v3", Habit("root-missing", root="SPX")) as terminal:
        found = get(terminal, ("/v3/option/list/contracts/quote", {"date": "20240102"})).text

    assert '"SPXW"' in found
    assert '"SPX"' not in found


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_listed_chain_has_no_data_for_so_many_questions(api):
    habit = Habit("listed-472", 0, *CHAIN, times=3)
    contract = single(api, *CHAIN, 5035.0, "C")
    with with_habits(api, habit) as terminal:
        asked = [chain(api, *CHAIN), contract, chain(api, *CHAINS[2]), contract, chain(api, *CHAIN), contract]
        assert codes(terminal, *asked) == [472, 472, 200, 472, 200, 200]
        assert str(CHAIN[1].day) in get(terminal, eod(api, "SPXW")).text
        assert terminal.truth.withheld(*CHAIN, DAY).both.is_empty()


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_date_comes_late_root_by_root(api):
    asked = [listing(api, "SPX"), eod(api, "SPX"), listing(api, "SPXW"), listing(api, "SPX")]
    asked += [listing(api, "SPX"), eod(api, "SPX"), chain(api, *CHAINS[0]), chain(api, *CHAIN)]
    with with_habits(api, Habit("date-late", day=DAY, times=2)) as terminal:
        assert codes(terminal, *asked) == [472, 472, 472, 472, 200, 200, 200, 472]
        assert codes(terminal, listing(api, "SPXW", date(2024, 1, 3))) == [200]


def test_a_date_comes_late_by_days():
    late = Habit("date-late", day=date(2024, 12, 30), days=3)
    early = Habit("date-late", day=date(2024, 12, 27), days=3)
    with with_habits("v3", late, early) as terminal:
        assert codes(terminal, listing("v3", "SPX", late.day), listing("v3", "SPX", early.day)) == [472, 200]


def test_what_passes_after_a_while_does_not_count():
    clock = [100.0]
    habit = Habit("listed-472", 0, *CHAIN, for_seconds=5.0)
    settings = Settings(size="tiny", today=TODAY, habits=(habit,))
    conduct = Conduct(settings, HabitualMarket(1, "tiny", (), (habit,)), lambda: clock[0])

    first = [conduct.instead(*chain("v3", *CHAIN)) for _ in range(9)]
    clock[0] += 4.9
    nearly = conduct.instead(*chain("v3", *CHAIN))
    clock[0] += 0.2

    assert [answer.status for answer in [*first, nearly]] == [472] * 10
    assert conduct.instead(*chain("v3", *CHAIN)) is None


def test_a_slot_stays_busy_when_nobody_waits_any_more():
    """Two give up, one of them before its turn: the third waits until both would have been answered."""
    with with_habits("v3", "slow-slots", outstanding=1, latency_ms=400) as terminal:
        path, query = listing("v3", "SPX")
        for _ in range(2):
            with pytest.raises(requests.ReadTimeout):
                requests.get(terminal.url + path, query, timeout=0.1)
        assert codes(terminal, (path, query)) == [200]
        first, *_, last = terminal.requests()

    assert last["started"] - first["started"] >= 2 * 0.4


def test_a_terminal_may_change_its_habits():
    with with_habits("v3", Habit("chain-500", 0, *CHAIN), Habit("busy-first", times=1)) as terminal:
        assert codes(terminal, chain("v3", *CHAIN), chain("v3", *CHAIN)) == [429, 500]
        terminal.change(habits=())
        whole = get(terminal, chain("v3", *CHAIN)).content
        terminal.change(habits=(Habit("singles-more-contracts", 0, *CHAIN),))
        less = get(terminal, chain("v3", *CHAIN)).content
        terminal.change(habits=(Habit("date-late", day=TODAY, days=2),))
        assert codes(terminal, listing("v3", "SPXW", TODAY)) == [472]
        terminal.change(today=date(2025, 1, 2))
        assert codes(terminal, listing("v3", "SPXW", TODAY)) == [200]
        terminal.change(habits=(), blemishes=(Blemish("false-no-data", root=CHAIN[0], expiration=CHAIN[1]),))
        assert codes(terminal, chain("v3", *CHAIN)) == [472]

    assert len(less) < len(whole)


# What is refused, and what is listed --------------------------------------------------------------------

REFUSED = {
    "chain-500": (500, "text/plain", b"Internal server error"),
    "chain-500-binary": (500, "text/plain", bytes(number * 37 % 256 for number in range(1200))),
    "chain-470": (470, "text/plain", b"General error"),
    "chain-no-data-text": (200, "text/plain", b"No data for the specified request"),
    "chain-no-data-text-csv": (200, "text/csv", b"No data for the specified request"),
    "chain-empty-body": (200, "text/csv", b""),
    "singles-500": (500, "text/plain", b"Internal server error"),
    "singles-429": (429, "text/plain", b"Too many requests"),
    "singles-reset": "reset",
}


@pytest.mark.parametrize("api", ["v3", "v2"])
@pytest.mark.parametrize("kind", REFUSED)
def test_instead_of_a_chain_or_a_contract(kind, api):
    asked = chain(api, *CHAIN) if kind.startswith("chain") else single(api, *CHAIN, 5035.0, "C")
    with with_habits(api, Habit(kind, 0, *CHAIN)) as terminal:
        assert [outcome(terminal, asked) for _ in range(3)] == [REFUSED[kind]] * 3


@pytest.mark.parametrize(
    ("api", "more", "body"),
    [
        ("v3", {"format": "json"}, b'{"response":[]}'),
        ("v3", {"format": "ndjson"}, b""),
        ("v2", {"use_csv": "false"}, b'"response": []}'),
    ],
)
def test_a_header_alone_in_other_formats(api, more, body):
    with with_habits(api, Habit("chain-header-alone", 0, *CHAIN)) as terminal:
        answer = get(terminal, chain(api, *CHAIN, **more))

    assert answer.status_code == 200
    assert answer.content.endswith(body)
    assert b"5035" not in answer.content


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_header_alone_is_the_true_header(api, without):
    with with_habits(api, Habit("chain-header-alone", 0, *CHAIN)) as terminal:
        answer = get(terminal, chain(api, *CHAIN))

    assert answer.content == without[api]["chain", *CHAIN][2].splitlines(keepends=True)[0]


@pytest.mark.parametrize(
    ("kind", "api", "code"), [("no-eod", "v3", 404), ("eod-tier", "v3", 403), ("eod-tier", "v2", 471)]
)
def test_a_terminal_without_the_report(kind, api, code):
    with with_habits(api, kind) as terminal:
        assert codes(terminal, eod(api, "SPX"), eod(api, "SPXW", "20240119")) == [code, code]


@pytest.mark.parametrize(("kind", "code"), [("lists-570", 570), ("lists-477", 477)])
@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_listing_refused_in_words_for_something_else(kind, code, api):
    with with_habits(api, kind) as terminal:
        assert codes(terminal, listing(api, "SPX"), listing(api, "SPXW"), chain(api, *CHAIN)) == [
            code,
            code,
            200,
        ]


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_chain_that_comes_compressed_unasked(api, without):
    with with_habits(api, Habit("chain-gzip", 0, *CHAIN)) as terminal:
        answer = get(terminal, chain(api, *CHAIN))

    assert "content-encoding" not in answer.headers
    assert gzip.decompress(answer.content) == without[api]["chain", *CHAIN][2]


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_report_that_errs_itself(api, without):
    with with_habits(api, "eod-twice", Habit("eod-lacks-chain", 0, *CHAIN)) as terminal:
        found, once = (get(terminal, eod(api, "SPXW")).text, without[api]["eod", "SPXW"][2].decode())
        assert codes(terminal, eod(api, "SPXW", "20240119"), chain(api, *CHAIN)) == [472, 200]

    lines = [line for line in once.splitlines() if "2024-01-19" not in line and ",20240119," not in line]
    assert found.splitlines()[0::2][:1] + found.splitlines()[1::2] == lines
    assert len(found.splitlines()) == 2 * len(lines) - 1


def listed(terminal, root="SPXW", day=DAY):
    lines = get(terminal, listing("v3", root, day)).text.replace('"', "").splitlines()[1:]
    return [tuple(line.split(",")) for line in lines]


def test_what_has_no_business_in_a_listing():
    with with_habits("v3", "lists-expired", "lists-zero-strike", "lists-foreign-root") as terminal:
        found, true = listed(terminal), terminal.truth.clean.contracts("SPXW", DAY)

    assert len([row for row in found if row[1] == "2023-12-29"]) == 500
    assert len([row for row in found if row[2] == "0.000"]) == 2
    assert len([row for row in found if row[0] == "XSP"]) == 6
    assert len(found) == len(set(found)) == len(true) + 508


def test_a_listing_of_expired_contracts_alone():
    with with_habits("v3", "lists-only-expired") as terminal:
        assert {row[1] for root in ROOTS for row in listed(terminal, root)} == {"2023-12-29"}
        assert codes(terminal, listing("v3", "SPX", date(2024, 1, 1))) == [472]


def test_a_chain_that_nobody_lists():
    own, other, gone = (
        Habit(kind, 0, root, label)
        for kind, root, label in (
            ("unlisted-own-date", None, None),
            ("unlisted-chain", "SPXW", date(2024, 1, 3)),
            ("unlisted-and-gone", "SPX", CHAIN[1]),
        )
    )
    with with_habits("v3", own, other, gone) as terminal:
        assert {row[1] for row in listed(terminal)} == {"2024-01-19"}
        assert codes(terminal, *(chain("v3", *each) for each in CHAINS)) == [472, 200, 200, 200]
        assert codes(terminal, listing("v3", "SPX"), eod("v3", "SPX")) == [472, 472]
        assert set(terminal.truth.reported("SPXW", DAY)["expiration"]) == {
            label for root, label in CHAINS if root == "SPXW"
        }
        assert set(terminal.truth.listed("SPXW", DAY)["expiration"]) == {CHAIN[1]}


def test_what_a_habit_is_about_follows_from_its_seed():
    about = {}
    for seed in range(8):
        for _ in range(2):
            one_chain.cache_clear()
            market = HabitualMarket(1, "tiny", (), (Habit("chain-500", seed), Habit("dead-hour", seed)))
            about.setdefault(seed, []).append(Truth(market).about(DAY))

    assert all(first == again for first, again in about.values())
    assert len({(first.root, first.expiration) for [first, _], _ in about.values()}) == len(CHAINS)
    assert len({second.first for [_, second], _ in about.values()}) > 4


def test_a_date_in_five_has_nothing_and_the_calendar_may_know():
    days = sessions.between(date(2024, 1, 2), date(2024, 12, 30))
    market = HabitualMarket(1, "tiny", (), (Habit("date-closed", 7),))

    gone = [day for day in days if not market.expirations("SPXW", day)]

    assert 0.1 < len(gone) / len(days) < 0.3
    with with_habits("v3", Habit("date-closed", 7)) as terminal:
        asked = {day: ("/v3/calendar/on_date", {"date": f"{day:%Y%m%d}"}) for day in days[:20]}
        words = {day: get(terminal, each).text.split("\r\n")[1].split(",")[0] for day, each in asked.items()}
        year = get(terminal, ("/v3/calendar/year_holidays", {"year": "2024"})).text
    assert [day for day, word in words.items() if word == "full_close"] == [d for d in gone if d in words]
    assert all(day.isoformat() in year for day in gone)


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
