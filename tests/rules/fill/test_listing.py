"""What a date lacks by the word of other witnesses than its listing, at terminals with habits."""

import datetime as dt
import itertools
from dataclasses import replace

import pytest
from tests.between import in_between

from spx_data.errors import ApiDataNotFoundError, ApiResponseInvalidError, SchemaValidationError
from spx_data.fill.listing import Listing
from spx_data.fill.preflight import preflight
from spx_data.lake import session_states
from spx_data.market import sessions
from spx_data.ops import mend
from spx_data.store import journal, seals
from theta_simulator import market
from theta_simulator.habits import Habit

DAY = dt.date(2024, 1, 2)
NEXT = dt.date(2024, 1, 3)
MONTHLY = dt.date(2024, 1, 19)
APIS = ["v3", "v2"]

CLEAN = [("SPX", MONTHLY), ("SPXW", DAY), ("SPXW", NEXT), ("SPXW", MONTHLY)]


def listed(date):
    return Listing.of_json(date.listing())


def keys(found, witness=None):
    return [
        (entry.chain.root, entry.chain.expiration)
        for entry in found.chains
        if witness in (None, entry.witness)
    ]


def asked(terminal, part=""):
    """How often a terminal was asked for each kind of thing, by the last words of its path."""
    paths = [request["path"] for request in terminal.requests()]
    return sum(part in path for path in paths)


def failed_before(date, runs, monkeypatch):
    """Let *runs* runs have failed before this one."""
    for run in range(runs):
        monkeypatch.setenv(journal.RUN_VARIABLE, f"run-{run}")
        journal.Journal(date.layout.journal(date.date), "list").record(journal.FAILED, error="X", cause="x")
    monkeypatch.setenv(journal.RUN_VARIABLE, "this-run")


@pytest.fixture
def habitual(simulated, day):
    """Return a maker of a terminal with habits and a date of a lake that asks it."""

    def make(*habits, api="v3", **keys):
        terminal = simulated(api=api, habits=habits)
        return terminal, day(terminal, **keys)

    return make


# A clean day --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
def test_a_clean_day_costs_one_listing_a_root_and_a_calendar(api, habitual):
    terminal, date = habitual(api=api)
    preflight(date.settings)
    before = len(terminal.requests())

    date.fetch()

    assert keys(listed(date), "listing") == CLEAN == keys(listed(date))
    found = listed(date)
    assert (found.left_out, found.roots, found.unasked, found.expirations_unknown) == ({}, {}, (), {})
    paths = [request["path"].rsplit("/", 1)[1] for request in terminal.requests()[before:]]
    assert paths.count("quote") == 2
    assert set(paths) <= {"quote", "on_date", "status"}


def test_expirations_are_asked_for_once_and_kept(habitual, day):
    terminal, date = habitual()

    date.fetch()
    day(terminal, date=NEXT).fetch()

    assert asked(terminal, "list/expirations") == 2
    kept = seals.read_document(date.layout.expirations_cache("SPXW"))
    assert (kept["base_url"], kept["api"]) == (terminal.url, "v3")
    assert MONTHLY.isoformat() in kept["dates"]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"dates": [1]}', b"\xff\x00"], ids=["empty", "bare", "foreign", "binary"]
)
def test_a_damaged_list_of_expirations_is_asked_for_anew(content, habitual):
    terminal, date = habitual()
    path = date.layout.expirations_cache("SPXW")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)

    date.fetch()

    assert asked(terminal, "list/expirations") == 2
    assert keys(listed(date)) == CLEAN


@pytest.mark.parametrize(
    "change, again",
    [
        ({}, False),
        ({"base_url": "http://127.0.0.1:1"}, True),
        ({"api": "v2"}, True),
        ({"at": "2024-01-02T16:14:00-05:00"}, True),  # before the options' close
        ({"at": "2024-01-02T16:15:00-05:00"}, False),
        ({"at": "2200-01-01T00:00:00+00:00"}, True),
        ({"dates": ["soon"]}, True),
    ],
    ids=str,
)
def test_a_kept_list_serves_the_dates_that_it_knows(change, again, habitual):
    terminal, date = habitual()
    date.fetch()
    for root in ("SPX", "SPXW"):
        path = date.layout.expirations_cache(root)
        kept = {name: value for name, value in seals.read_document(path).items() if name != seals.FIELD}
        seals.write_document(path, kept | change)

    date.fetch()

    assert asked(terminal, "list/expirations") == (4 if again else 2)


def test_a_fresh_list_serves_a_date_that_still_trades(habitual, monkeypatch):
    monkeypatch.setenv(sessions.NOW_VARIABLE, "2024-01-02T12:00:00-05:00")
    terminal, date = habitual()
    date.fetch()
    monkeypatch.setenv(sessions.NOW_VARIABLE, "2024-01-03T11:00:00-05:00")
    date.fetch()

    assert asked(terminal, "list/expirations") == 2


# Rows that are no live contracts ------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    "habit, left_out",
    [
        ("lists-expired", {"SPXW": {"expired": 500}}),
        ("lists-zero-strike", {"SPX": {"strike": 2}, "SPXW": {"strike": 2}}),
        ("lists-foreign-root", {"SPX": {"foreign-root": 6}, "SPXW": {"foreign-root": 6}}),
    ],
)
def test_rows_that_are_no_live_contracts_are_left_out_and_counted(api, habit, left_out, habitual):
    terminal, date = habitual(Habit(habit), api=api)

    date.fetch()

    assert listed(date).left_out == left_out
    assert keys(listed(date), "listing") == CLEAN
    # What is usual costs no second question, what is not costs one a root.
    assert asked(terminal, "/quote") == (2 if habit == "lists-expired" else 4)


@pytest.mark.parametrize("api", APIS)
def test_a_listing_of_expired_contracts_alone_is_refused(api, habitual):
    _, date = habitual(Habit("lists-only-expired"), api=api)

    with pytest.raises(ApiResponseInvalidError, match=r"no live contract: left out are .* expired"):
        date.fetch()


# Roots without a chain ----------------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
def test_a_root_that_is_empty_once_is_asked_again(api, habitual):
    terminal, date = habitual(Habit("root-missing-once", root="SPX", times=1), api=api)

    date.fetch()

    assert keys(listed(date), "listing") == CLEAN
    assert listed(date).roots == {}
    assert asked(terminal, "/quote") == 3


@pytest.mark.parametrize("api", APIS)
def test_a_root_that_stays_empty_is_told_of_and_its_report_asked_for(api, habitual):
    terminal, date = habitual(Habit("root-missing", root="SPX"), api=api)

    date.fetch()

    found = listed(date)
    assert keys(found) == CLEAN
    assert keys(found, "eod") == [("SPX", MONTHLY)]
    silent = found.roots["SPX"]
    assert not silent.explained
    assert silent.reason.startswith("the source lists nothing of it (asked 2 times), though")
    assert silent.reason.endswith("its chains are those of the end-of-day report")
    assert (asked(terminal, "/quote"), asked(terminal, "eod")) == (3, 1)


@pytest.mark.parametrize("habit", ["no-eod", "eod-tier"])
def test_a_root_that_no_report_names_stays_silent(habit, habitual):
    _, date = habitual(Habit("root-missing", root="SPX"), Habit(habit))

    date.fetch()

    found = listed(date)
    assert keys(found) == [key for key in CLEAN if key[0] == "SPXW"]
    assert not found.roots["SPX"].explained
    assert "end-of-day" not in found.roots["SPX"].reason


def test_a_root_without_a_live_expiration_is_explained(habitual):
    terminal, date = habitual(Habit("root-missing", root="SPX"), max_dte=3)

    date.fetch()

    assert keys(listed(date)) == [("SPXW", DAY), ("SPXW", NEXT)]
    assert listed(date).roots["SPX"].explained
    assert listed(date).roots["SPX"].reason.endswith("no expiration of it is live")
    assert asked(terminal, "eod") == 0


def test_a_root_whose_chains_are_all_too_far_is_explained_and_not_asked_again(habitual):
    terminal, date = habitual(max_dte=3)

    date.fetch()

    assert listed(date).roots["SPX"].explained
    assert asked(terminal, "/quote") == 2


# Expirations that are not listed ------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("habit", ["unlisted-own-date", "unlisted-and-gone"])
def test_the_dates_own_expiration_is_missed(api, habit, habitual):
    terminal, date = habitual(Habit(habit, root="SPXW", expiration=DAY), api=api)

    date.fetch()

    found = listed(date)
    assert keys(found) == CLEAN
    (own,) = [entry for entry in found.chains if entry.witness == "expirations"]
    assert (own.chain.expiration, own.chain.listed, own.contracts) == (DAY, DAY, 0)
    assert asked(terminal, "/quote") == 3


def test_a_hole_in_the_near_dates_of_a_real_listing_is_missed(simulated, day):
    lost = dt.date(2024, 1, 5)
    terminal = simulated(size="real", habits=(Habit("unlisted-chain", root="SPXW", expiration=lost),))
    date = day(terminal)

    date.fetch()

    assert keys(listed(date), "expirations") == [("SPXW", lost)]


@pytest.mark.parametrize("size", ["tiny", "small", "real"])
@pytest.mark.parametrize("date", [DAY, dt.date(2024, 1, 17), dt.date(2022, 6, 15)])
def test_a_whole_listing_lacks_nothing(size, date, simulated, day):
    date = day(simulated(size=size), date=date)

    date.fetch()

    assert {entry.witness for entry in listed(date).chains} == {"listing"}


def test_what_sealed_days_beside_have_is_missed(simulated, day):
    whole = day(simulated())
    whole.fill()
    lost = Habit("unlisted-chain", root="SPXW", expiration=MONTHLY, day=NEXT)
    terminal = simulated(habits=(lost,))
    date = day(terminal, date=NEXT)

    date.fetch()

    (entry,) = [entry for entry in listed(date).chains if entry.witness == "days"]
    assert (entry.chain.root, entry.chain.expiration) == ("SPXW", MONTHLY)
    assert asked(terminal, "/quote") == 3


def test_a_root_that_days_beside_have_is_asked_for_again(simulated, day):
    day(simulated()).fill()
    terminal = simulated(habits=(Habit("root-missing", root="SPX", day=NEXT), Habit("no-eod")))
    date = day(terminal, date=NEXT)

    date.fetch()

    assert keys(listed(date), "days") == [("SPX", MONTHLY)]
    assert "the days beside (2024-01-02)" in listed(date).roots["SPX"].reason


def test_a_damaged_day_beside_is_no_witness(simulated, day):
    whole = day(simulated())
    whole.fill()
    passport = whole.layout.passport(DAY)
    passport.write_text(passport.read_text().replace("SPXW", "SPXX"))
    date = day(
        simulated(habits=(Habit("unlisted-chain", root="SPXW", expiration=MONTHLY, day=NEXT),)), date=NEXT
    )

    date.fetch()

    assert keys(listed(date), "days") == []


# Listings that cannot be had ----------------------------------------------------------------------------


CONTRACT = "symbol,expiration,strike,right"
LISTED = f"{CONTRACT}\r\nSPXW,2024-01-19,4700.000,CALL\r\n"
REPORTED = f"{CONTRACT},bid,ask,volume,count\r\nSPX,2024-01-19,4700.000,PUT,1.00,1.10,0,0\r\n"


def says_in_turn(wire, report_status):
    """No listing of SPX, whatever is asked; one of SPXW; no list of expirations, and no calendar."""
    for _ in range(3):
        wire.says("general", "text/plain", 470)
    wire.says(REPORTED if report_status == 200 else "", "text/csv", report_status)
    wire.says("none", "text/plain", 472)
    wire.says(LISTED)
    wire.says("none", "text/plain", 472)
    wire.says("none", "text/plain", 404)


def test_a_listing_that_cannot_be_had_fails_the_date(wire, day, monkeypatch):
    date = day(wire.url, api="v3")
    failed_before(date, 1, monkeypatch)
    says_in_turn(wire, 200)

    with pytest.raises(ApiResponseInvalidError, match="general error"):
        date.fetch()

    assert len(wire.asked) == 3


def test_on_the_last_try_the_report_stands_in_for_the_listing(wire, day, monkeypatch):
    date = day(wire.url, api="v3")
    failed_before(date, 2, monkeypatch)
    says_in_turn(wire, 200)

    date.fetch()

    assert keys(listed(date), "eod") == [("SPX", MONTHLY)]
    assert keys(listed(date), "listing") == [("SPXW", MONTHLY)]
    assert listed(date).roots == {}


def misnamed(part, answers, growing=0):
    """Rows of one chain are another root's in so many answers to *part*; *growing* more of them each time."""
    number = itertools.count()

    def change(path, status, body):
        if part not in path or "symbol=SPXW" not in path or (at := next(number)) >= answers:
            return status, body
        head, *rows = body.decode().splitlines()
        own = [row for row in rows if str(MONTHLY) in row]
        others = [row.replace("SPXW", "XSP") for row in own]
        kept = [row for row in rows if row not in own]
        return status, "\r\n".join([head, *kept, *others, *others[: at * growing], ""]).encode()

    return change


@pytest.mark.parametrize("answers", [1, 2])
def test_a_report_that_stands_in_is_asked_for_again_where_it_leaves_out_rows(
    answers, simulated, day, monkeypatch
):
    with in_between(
        simulated(habits=(Habit("lists-only-expired"),)), misnamed("/eod", answers, growing=1)
    ) as url:
        date = day(url)
        failed_before(date, 2, monkeypatch)

        date.fetch()

    assert keys(listed(date), "eod") == CLEAN
    assert (listed(date).roots, listed(date).left_out) == ({}, {})


@pytest.mark.parametrize("part, runs", [("/list/contracts", 0), ("/eod", 2)])
def test_an_answer_that_always_leaves_out_other_rows_may_lack_chains(part, runs, simulated, day, monkeypatch):
    habits = (Habit("lists-only-expired"),) if part == "/eod" else ()
    with in_between(simulated(habits=habits), misnamed(part, 99, growing=1)) as url:
        date = day(url)
        failed_before(date, runs, monkeypatch)
        date.fill()
        list(mend.mend(date.settings, sessions.now()))
    told = date.passport()["completeness"]
    assert not told["complete"]
    assert "leaves out other rows each time" in told["unknown"][0]
    assert "foreign-root" in told["unknown"][0]
    well = replace(date.settings, terminal=replace(date.settings.terminal, base_url=simulated().url))

    list(mend.mend(well, sessions.now()))

    assert date.passport()["completeness"]["complete"]
    assert {chain["expiration"] for chain in date.passport()["chains"]} >= {str(MONTHLY)}


@pytest.mark.parametrize("status", [404, 403, 472, 400])
def test_without_a_report_the_root_is_silent_with_the_listings_error(status, wire, day, monkeypatch):
    date = day(wire.url, api="v3")
    failed_before(date, 2, monkeypatch)
    says_in_turn(wire, status)

    date.fetch()

    assert keys(listed(date)) == [("SPXW", MONTHLY)]
    assert not listed(date).roots["SPX"].explained
    assert "general error" in listed(date).roots["SPX"].reason


def test_a_last_try_without_any_chain_still_fails(wire, day, monkeypatch):
    date = day(wire.url, api="v3", roots=["SPX"])
    failed_before(date, 2, monkeypatch)
    says_in_turn(wire, 472)

    with pytest.raises(ApiResponseInvalidError, match="general error"):
        date.fetch()


@pytest.mark.parametrize("failing_runs, last", [(0, False), (1, False), (2, True), (5, True)])
def test_the_last_try_is_the_one_that_reaches_max_attempts(failing_runs, last, day, monkeypatch):
    date = day("http://127.0.0.1:1")
    failed_before(date, failing_runs, monkeypatch)

    assert date.settings.patience.max_attempts == 3
    assert session_states.is_last_try(date.settings, DAY) is last


def test_this_runs_own_failure_counts_once(day, monkeypatch):
    date = day("http://127.0.0.1:1")
    failed_before(date, 1, monkeypatch)
    journal.Journal(date.layout.journal(DAY), "list").record(journal.FAILED, error="X", cause="x")

    assert not session_states.is_last_try(date.settings, DAY)


def test_without_a_ceiling_no_try_is_the_last(day, monkeypatch):
    date = day("http://127.0.0.1:1", max_attempts=None)
    failed_before(date, 99, monkeypatch)

    assert not session_states.is_last_try(date.settings, DAY)


# A date without a chain ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "api, habit, vendor",
    [("v3", "date-472", "open"), ("v3", "date-closed", "full_close"), ("v2", "date-472", None)],
)
def test_a_date_without_a_chain_tells_the_vendors_word(api, habit, vendor, habitual):
    terminal, date = habitual(Habit(habit, day=DAY), api=api)

    with pytest.raises(ApiDataNotFoundError):
        date.fetch()

    (event,) = date.events(journal.NO_DATA)
    assert event.get("vendor") == vendor
    assert asked(terminal, "/quote") == 2
    assert not date.layout.listing(DAY).exists()


def test_a_date_without_a_chain_beside_one_that_has_some_is_asked_for_twice(simulated, day):
    day(simulated()).fill()
    terminal = simulated(habits=(Habit("date-472", day=NEXT),))
    date = day(terminal, date=NEXT)

    with pytest.raises(ApiDataNotFoundError):
        date.fetch()

    assert asked(terminal, "/quote") == 4


# A Friday and its Saturday ------------------------------------------------------------------------------

OLD, FRIDAY, SATURDAY = dt.date(2014, 6, 10), dt.date(2014, 6, 20), dt.date(2014, 6, 21)
SPELT = {"v3": "%Y-%m-%d", "v2": "%Y%m%d"}


def both_listed(api, what, monthly=SATURDAY, also=FRIDAY):
    """What lists *also* wherever *what* (a part of a path) of SPX lists *monthly*."""
    one, other = (day.strftime(SPELT[api]).encode() for day in (monthly, also))

    def change(path, status, body):
        if what not in path or "SPXW" in path:
            return status, body
        lines = body.splitlines(keepends=True)
        return status, b"".join([*lines, *(line.replace(one, other) for line in lines if one in line)])

    return change


@pytest.fixture
def greeks_of_old(monkeypatch):
    """Let the simulator have greeks of years in which no terminal has them."""
    monkeypatch.setattr(market, "FIRST_GREEKS", dt.date(2012, 6, 1))


@pytest.mark.parametrize("api", APIS)
def test_a_friday_and_its_saturday_are_refused_and_the_date_is_not(api, simulated, day, greeks_of_old):
    with in_between(simulated(api=api), both_listed(api, "contracts")) as url:
        date = day(url, date=OLD)
        date.fill()

    found, passport = listed(date), date.passport()
    pair = "it is listed as 2014-06-20 and as 2014-06-21, and not asked for as either"
    asked_for = [event["url"] for event in date.events(journal.REQUEST) if "SPXW" not in event["url"]]
    assert {root for root, _ in keys(found)} == {"SPXW"}
    assert found.unasked == (f"SPX 2014-06-20: {pair}",)
    assert found.left_out["SPX"]["two-days"] > 0
    assert passport["listing"]["unasked"] == list(found.unasked)
    assert found.unasked[0] in passport["completeness"]["unknown"]
    assert not passport["completeness"]["complete"]
    assert not [url for url in asked_for if "2014-06-2" in url or "exp=2014062" in url]
    assert not [path for path in date.layout.staged_files(OLD) if path.name.startswith("SPX-")]


def test_a_pair_is_asked_for_again_where_it_is_one_again(simulated, day, greeks_of_old):
    terminal = simulated()
    with in_between(terminal, both_listed("v3", "contracts")) as url:
        date = day(url, date=OLD, start_date="2014-06-10", end_date="2014-06-10")
        date.fill()
    assert not date.passport()["completeness"]["complete"]
    well = replace(date.settings, terminal=replace(date.settings.terminal, base_url=terminal.url))

    (outcome,) = mend.mend(well, sessions.now())

    assert outcome.error is None
    assert date.passport()["completeness"]["complete"]
    assert "SPX" in {chain["root"] for chain in date.passport()["chains"]}


def test_a_pair_alone_is_no_date_without_data(simulated, day):
    with in_between(simulated(), both_listed("v3", "contracts")) as url:
        date = day(url, date=OLD, roots=["SPX"])

        with pytest.raises(ApiResponseInvalidError, match="listed as 2014-06-20 and as 2014-06-21"):
            date.fetch()


@pytest.mark.parametrize("api", APIS)
def test_a_pair_that_other_witnesses_have_is_refused_too(api, simulated, day):
    terminal = simulated(api=api, habits=(Habit("root-missing", root="SPX"),))
    with in_between(terminal, both_listed(api, "eod")) as url:
        date = day(url, date=OLD)
        date.fetch()

    assert "SPX" not in {root for root, _ in keys(listed(date))}
    assert "listed as 2014-06-20 and as 2014-06-21" in listed(date).unasked[0]


def test_the_list_of_expirations_may_have_both(simulated, day):
    with in_between(simulated(), both_listed("v3", "list/expirations")) as url:
        date = day(url, date=OLD)
        date.fetch()

    assert listed(date).unasked == ()
    (monthly,) = [entry.chain for entry in listed(date).chains if entry.chain.root == "SPX"]
    assert (monthly.expiration, monthly.listed) == (FRIDAY, SATURDAY)


def test_a_saturday_after_february_2015_is_an_expiration_of_its_own(simulated, day):
    odd = MONTHLY + dt.timedelta(days=1)
    with in_between(simulated(), both_listed("v3", "contracts", MONTHLY, odd)) as url:
        date = day(url)
        date.fetch()
        date.download()

    spx = [entry.chain for entry in listed(date).chains if entry.chain.root == "SPX"]
    assert [(chain.expiration, chain.listed) for chain in spx] == [(MONTHLY, MONTHLY), (odd, odd)]
    assert len({date.layout.checkpoint(DAY, "SPX", chain.expiration) for chain in spx}) == 2


@pytest.mark.parametrize("root", ["../../SPX", "spx", "SPX\n", "S/X", ""])
def test_a_listing_names_no_other_files(root, habitual):
    _, date = habitual()
    date.fetch()
    document = date.listing()
    document["chains"][0]["root"] = root

    with pytest.raises(SchemaValidationError):
        Listing.of_json(document)


def test_no_two_chains_of_a_listing_have_one_checkpoint(habitual):
    _, date = habitual()
    date.fetch()
    document = date.listing()
    document["chains"].append(document["chains"][0] | {"listed": "2024-01-20"})

    with pytest.raises(SchemaValidationError):
        Listing.of_json(document)
