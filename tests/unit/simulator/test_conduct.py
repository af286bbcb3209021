"""What a terminal of some habits says instead, lists besides, and for how long."""

import gzip
from datetime import date

import pytest
import requests
from tests.unit.simulator.test_faults import STATUS
from tests.unit.simulator.test_habits import (
    CHAIN,
    CHAINS,
    DAY,
    ROOTS,
    TODAY,
    chain,
    codes,
    eod,
    get,
    listed,
    listing,
    outcome,
    single,
    with_habits,
)

from theta_simulator import Blemish, Habit, Settings, sessions
from theta_simulator.conduct import Conduct
from theta_simulator.habitual import HabitualMarket, one_chain
from theta_simulator.truth import Truth

# What passes --------------------------------------------------------------------------------------------


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
