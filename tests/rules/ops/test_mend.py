"""What a sealed day lacks is asked for again: only that, and the day is what it would have been at first."""

import dataclasses
import datetime as dt
import io
import json

import polars as pl
import pytest
from rich.console import Console
from tests.restating import contract_of, expiration_of, is_history, is_single, minute_of
from tests.rules.conftest import DAY

from spx_data.cli.again import print_mended
from spx_data.errors import DateValidationError, ThetaTerminalNotRunningError
from spx_data.lake import verify
from spx_data.market.dates import Dates
from spx_data.ops import mend as mending
from spx_data.ops.mend import PAUSES, next_mend
from spx_data.store import journal, seals

WEEKLY, LATER = ("SPXW", "2024-01-03"), ("SPX", "2024-01-19")
APIS = ["v3", "v2"]


@pytest.fixture(scope="module")
def kept():
    """Return the sealed bytes of whole days by their API, for all tests."""
    return {}


@pytest.fixture
def whole(terminals, day, tmp_path, kept):
    """Return a maker of the sealed bytes of a day of which nothing is lacking."""

    def make(api="v3"):
        if api not in kept:
            places = {
                f"{name}_directory": str(tmp_path / "whole" / name) for name in ("output", "temp", "data")
            }
            date = day(terminals[api], **places)
            date.fill()
            assert date.passport()["completeness"]["complete"]
            kept[api] = date.layout.parquet(DAY).read_bytes()
        return kept[api]

    return make


def about(path, query, *chain):
    """Whether a request is for the history of one of these chains."""
    asked = query.get("symbol") or query.get("root"), expiration_of(query)
    return is_history(path) and asked in chain


def failing(*chains, answer=500):
    """Return an edit that gives an error for all that is asked about these chains."""
    return lambda path, query, rows: answer if about(path, query, *chains) else rows


def lacking(chain, drop, alone=None):
    """Return an edit of one chain: rows for which *drop* holds are in no answer, or in its contracts' own."""

    def edit(path, query, rows):
        if not about(path, query, chain):
            return rows
        dropped = alone if is_single(path, query) else drop
        kept = [row for row in rows if not (dropped and dropped(contract_of(row), minute_of(row)))]
        return kept or None

    return edit


def mended(date, *named, moment=None, **changes):
    """Return the outcomes of a mend of the date's lake."""
    dates = Dates.of([str(name) for name in named]) if named else None
    settings = dataclasses.replace(date.settings, dates=dates, **changes)
    return list(mending.mend(settings, moment or dt.datetime.now(dt.UTC)))


def histories(proxy):
    return [target for target in proxy.asked if is_history(target)]


def chain(date, key):
    (found,) = [c for c in date.passport()["chains"] if (c["root"], c["expiration"]) == key]
    return found


def states(date):
    found = {(c["root"], c["expiration"]): c["state"] for c in date.passport()["chains"]}
    return {key: state for key, state in found.items() if state != "whole"}


def events(date):
    return [e for e in journal.read(date.layout.lake_journal) if e["event"] == journal.MENDED]


def sealed_bytes(date):
    return [path.read_bytes() for path in date.layout.sealed_files(date.date)]


def rows_of(content):
    return pl.read_parquet(io.BytesIO(content))


# What there is now --------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
def test_a_chain_that_could_not_be_had_is_asked_for_and_nothing_else(api, source, sealed_date, whole):
    proxy = source(api)
    proxy.edit = failing(WEEKLY)
    date = sealed_date(f"without-weekly-{api}", proxy, max_attempts=1)
    assert states(date) == {WEEKLY: "unavailable"}
    before = sealed_bytes(date)
    proxy.edit = None
    proxy.asked.clear()

    (outcome,) = mended(date)

    assert outcome.error is None
    assert outcome.gain.rows > 0
    assert states(date) == {}
    assert date.passport()["completeness"]["complete"]
    assert date.layout.parquet(DAY).read_bytes() == whole(api)
    (asked,) = histories(proxy)
    assert WEEKLY[1].replace("-", "") in asked.replace("-", "")
    kept = outcome.folder / "before"
    assert [(kept / path.name).read_bytes() for path in date.layout.sealed_files(DAY)] == before
    report = json.loads((outcome.folder / "report.json").read_text())
    assert (report["found"], report["action"]) == ("mended", "replaced")
    assert report["records"]["chains_added"] == ["SPXW 2024-01-03"]
    (event,) = events(date)
    assert (event["date"], event["changed"], event["complete"]) == ("2024-01-02", True, True)
    assert event["gained"] == outcome.gain.rows
    assert (event["chains_before"]["unavailable"], event["chains_after"]["unavailable"]) == (1, 0)
    assert event["asked"] == 1
    assert verify.examine(date.layout, DAY, "pages").standing is verify.Standing.HEALTHY
    assert not (date.layout.temp / "mend").exists()


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    "drop",
    [
        lambda name, _: name in ("C 4935", "P 4935"),
        lambda name, minute: name == "P 5035" and "10:31" <= minute <= "10:45",
        lambda name, minute: name == "P 5035" and minute > "12:00",
        lambda _, minute: minute in ("11:00", "11:01"),
    ],
    ids=["contracts", "a hole", "an end", "stamps"],
)
def test_what_a_short_chain_lacked_is_united_with_what_is_sealed(api, drop, source, day, whole):
    proxy = source(api)
    proxy.edit = lacking(WEEKLY, drop)
    date = day(proxy.url, max_attempts=1, second_opinions=0)
    date.fill()
    assert states(date) == {WEEKLY: "short"}
    proxy.edit = None
    proxy.asked.clear()

    (outcome,) = mended(date)

    assert states(date) == {}
    assert outcome.gain.rows > 0
    assert len(histories(proxy)) == 1
    assert date.layout.parquet(DAY).read_bytes() == whole(api)


def test_a_chain_whose_answers_disagreed_is_whole_once_they_agree(source, sealed_date, whole):
    proxy = source()
    proxy.edit = lacking(WEEKLY, lambda name, _: name == "C 4935")
    date = sealed_date("contradicted", proxy, max_attempts=1)
    assert states(date) == {WEEKLY: "contradicted"}
    assert date.layout.parquet(DAY).read_bytes() == whole()
    proxy.edit = None

    (outcome,) = mended(date)

    assert states(date) == {}
    assert (outcome.gain.rows, outcome.gain.unknown) == (0, 1)
    assert date.layout.parquet(DAY).read_bytes() == whole()


def test_a_chain_that_is_still_contradicted_is_no_gain(source, sealed_date):
    proxy = source()
    proxy.edit = lacking(WEEKLY, lambda name, _: name == "C 4935")
    date = sealed_date("contradicted", proxy, max_attempts=1)
    before = sealed_bytes(date)

    (outcome,) = mended(date)

    assert outcome.after is None
    assert outcome.error is None
    assert sealed_bytes(date) == before


def test_second_opinions_go_on_where_the_budget_of_the_fill_had_ended(source, day):
    proxy = source()
    hole = lambda name, minute: name == "P 5035" and minute == "10:31"  # noqa: E731
    proxy.edit = lacking(WEEKLY, hole, hole)
    date = day(proxy.url, max_attempts=1, second_opinions=0)
    date.fill()
    assert states(date) == {WEEKLY: "short"}

    mended(date, second_opinions=10)

    assert states(date) == {}
    assert chain(date, WEEKLY)["second_opinion"]["opinions"]["holes"]["confirmed"] == ["P 5035"]


# Nothing gets lost --------------------------------------------------------------------------------------


def test_nothing_that_is_sealed_gets_lost_when_the_new_answer_lacks_it(source, sealed_date, whole):
    proxy = source()
    proxy.edit = lacking(WEEKLY, lambda name, _: name == "C 4935")
    date = sealed_date("short", proxy, max_attempts=1, second_opinions=0)
    proxy.edit = lacking(WEEKLY, lambda name, _: name == "P 5035")

    (outcome,) = mended(date)

    assert outcome.gain.rows > 0
    assert date.layout.parquet(DAY).read_bytes() == whole()
    assert states(date) == {WEEKLY: "contradicted"}


def test_a_sealed_record_stays_where_the_source_has_another_version(source, sealed_date, whole):
    proxy = source()
    proxy.edit = lacking(WEEKLY, lambda name, _: name == "C 4935")
    date = sealed_date("short", proxy, max_attempts=1, second_opinions=0)
    sealed = rows_of(date.layout.parquet(DAY).read_bytes())

    def restated(path, query, rows):
        return [row | {"bid": "0.0500"} for row in rows] if about(path, query, WEEKLY) else rows

    proxy.edit = restated
    mended(date)

    found = rows_of(date.layout.parquet(DAY).read_bytes())
    assert len(found) > len(sealed)
    key = ["root", "expiration", "strike", "right", "timestamp"]
    assert found.join(sealed, on=key, how="semi").equals(sealed)


def test_the_bad_rows_and_the_versions_of_other_chains_stay_as_they_were(source, day, tmp_path):
    proxy = source()

    def blemished(path, query, rows):
        if not about(path, query, LATER) or is_single(path, query):
            return rows
        bad, twice, other = rows[3] | {"bid": "-1.0000"}, rows[7], rows[9] | {"bid": "0.0100"}
        return [*rows, bad, twice, other]

    fail = failing(WEEKLY)
    proxy.edit = lambda *asked: fail(*asked) if about(*asked[:2], WEEKLY) else blemished(*asked)
    date = day(proxy.url, max_attempts=1)
    date.fill()
    rejects = date.layout.rejects(DAY).read_bytes()
    told = chain(date, LATER)
    assert (told["rejected"], told["duplicates_dropped"], told["conflicts"]) == (1, 1, 1)
    proxy.edit = None

    (outcome,) = mended(date)

    assert outcome.gain.rows > 0
    assert date.layout.rejects(DAY).read_bytes() == rejects
    after = chain(date, LATER)
    assert {**after, "checkpoint": None} == {**told, "checkpoint": None}
    assert date.passport()["rejects"] == {**outcome.before["rejects"]}


def test_whole_chains_are_told_as_before(source, day):
    proxy = source()
    hole = lambda name, minute: name == "P 5035" and minute == "10:31"  # noqa: E731
    explained, fail = lacking(LATER, hole, hole), failing(WEEKLY)
    proxy.edit = lambda *asked: fail(*asked) if about(*asked[:2], WEEKLY) else explained(*asked)
    date = day(proxy.url, max_attempts=1)
    date.fill()
    before = {(c["root"], c["expiration"]): c for c in date.passport()["chains"]}
    assert before[LATER]["second_opinion"]["opinions"]["holes"]["confirmed"] == ["P 5035"]
    proxy.edit = explained
    proxy.asked.clear()

    mended(date)

    after = {(c["root"], c["expiration"]): c for c in date.passport()["chains"]}
    assert len(histories(proxy)) == 1
    assert after.keys() == before.keys()
    for key in before.keys() - {WEEKLY}:
        assert {**after[key], "checkpoint": None} == {**before[key], "checkpoint": None}


# What there is not --------------------------------------------------------------------------------------


def test_what_cannot_be_had_stays_as_it_is(source, sealed_date):
    proxy = source()
    proxy.edit = failing(WEEKLY, LATER)
    date = sealed_date("without-two", proxy, max_attempts=1)
    before = sealed_bytes(date)

    (outcome,) = mended(date)

    assert (outcome.after, outcome.error) == (None, None)
    assert sealed_bytes(date) == before
    assert not (date.layout.data / "restatements").exists()
    (event,) = events(date)
    assert (event["changed"], event["gained"]) == (False, 0)


def test_one_of_two_is_a_gain(source, sealed_date):
    proxy = source()
    proxy.edit = failing(WEEKLY, LATER)
    date = sealed_date("without-two", proxy, max_attempts=1)
    proxy.edit = failing(LATER)

    (outcome,) = mended(date)

    assert outcome.gain.rows > 0
    assert states(date) == {LATER: "unavailable"}
    assert not date.passport()["completeness"]["complete"]


def test_a_short_chain_that_fails_keeps_its_records(source, sealed_date):
    proxy = source()
    proxy.edit = lacking(WEEKLY, lambda name, _: name == "C 4935")
    date = sealed_date("short", proxy, max_attempts=1, second_opinions=0)
    before = sealed_bytes(date)

    for answer in (500, None):
        proxy.edit = failing(WEEKLY, answer=answer)
        (outcome,) = mended(date)
        assert (outcome.after, outcome.error) == (None, None)

    assert sealed_bytes(date) == before


def test_a_terminal_that_is_down_ends_it_and_counts_for_nothing(source, sealed_date):
    proxy = source()
    proxy.edit = failing(WEEKLY)
    date = sealed_date("without-weekly-v3", proxy, max_attempts=1)
    terminal = dataclasses.replace(date.settings.terminal, base_url="http://127.0.0.1:9")

    (outcome,) = mended(date, terminal=terminal)

    assert isinstance(outcome.error, ThetaTerminalNotRunningError)
    assert events(date) == []


def test_the_records_of_two_apis_never_make_one_day(source, day):
    proxy, other = source("v3"), source("v2")
    proxy.edit = failing(WEEKLY)
    date = day(proxy.url, max_attempts=1, greeks_version="1")
    date.fill()
    before = sealed_bytes(date)
    terminal = dataclasses.replace(date.settings.terminal, base_url=other.url)

    (outcome,) = mended(date, terminal=terminal)

    assert isinstance(outcome.error, DateValidationError)
    assert "sealed from API v3, and the terminal speaks v2" in str(outcome.error)
    assert sealed_bytes(date) == before
    assert histories(other) == []


def test_a_damaged_day_is_not_mended(source, sealed_date):
    proxy = source()
    proxy.edit = failing(WEEKLY)
    date = sealed_date("without-weekly-v3", proxy, max_attempts=1)
    content = bytearray(date.layout.parquet(DAY).read_bytes())
    content[len(content) // 2] ^= 4
    date.layout.parquet(DAY).write_bytes(bytes(content))
    proxy.edit = None

    (outcome,) = mended(date)

    assert "damaged" in str(outcome.error)
    assert date.layout.parquet(DAY).read_bytes() == bytes(content)


# Which days, and when -----------------------------------------------------------------------------------


def test_a_complete_day_is_not_asked_about(source, day):
    proxy = source()
    date = day(proxy.url)
    date.fill()
    proxy.asked.clear()

    assert mended(date) == []
    (outcome,) = mended(date, DAY)

    assert outcome.was_complete
    assert proxy.asked == []
    assert events(date) == []


def test_a_date_that_is_not_sealed_is_said_so(source, day):
    (outcome,) = mended(day(source().url), DAY)

    assert "2024-01-02 is not sealed" in str(outcome.error)


def test_the_pauses_grow_with_the_mends_that_brought_nothing():
    sealed = "2024-01-03T08:00:00+00:00"
    tries, waits = [], []
    for _ in range(len(PAUSES) + 2):
        moment = next_mend(sealed, tries)
        waits.append(moment - dt.datetime.fromisoformat(tries[-1]["at"] if tries else sealed))
        tries.append({"at": moment.isoformat()})

    assert waits == [*PAUSES, PAUSES[-1], PAUSES[-1]]
    assert waits[0] == dt.timedelta(hours=1)
    assert waits[-1] == dt.timedelta(days=30)


def after_a_run(date, moment, **keys):
    settings = dataclasses.replace(date.settings, mend=date.settings.mend._replace(**keys))
    return list(mending.after_a_run(settings, moment))


def test_after_a_run_a_day_is_mended_when_its_pause_is_over(source, day):
    proxy = source()
    proxy.edit = failing(WEEKLY)
    date = day(proxy.url, max_attempts=1)  # just now: pauses begin there
    date.fill()
    now = dt.datetime.now(dt.UTC)

    assert after_a_run(date, now + dt.timedelta(minutes=59)) == []
    assert len(after_a_run(date, now + dt.timedelta(minutes=61))) == 1
    assert after_a_run(date, now + dt.timedelta(hours=5)) == []
    proxy.edit = None
    (outcome,) = after_a_run(date, now + dt.timedelta(hours=7))
    assert outcome.gain.rows > 0
    assert after_a_run(date, now + dt.timedelta(days=400)) == []


def test_after_a_run_no_more_is_asked_than_the_budget_allows(source, day):
    proxy = source()
    proxy.edit = failing(WEEKLY, LATER)
    date = day(proxy.url, max_attempts=1)  # just now: pauses begin there
    date.fill()
    proxy.edit = None
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=2)
    proxy.asked.clear()

    (outcome,) = after_a_run(date, later, requests=1)

    assert len(histories(proxy)) == 1
    assert outcome.gain.rows > 0
    assert list(states(date).values()) == ["unavailable"]


def test_a_mend_that_was_cut_short_leaves_the_day_and_the_next_one_does_it(source, sealed_date, monkeypatch):
    proxy = source()
    proxy.edit = failing(WEEKLY)
    date = sealed_date("without-weekly-v3", proxy, max_attempts=1)
    before = sealed_bytes(date)
    proxy.edit = None
    with monkeypatch.context() as patch:
        patch.setattr(
            "spx_data.ops.mend.remake.merge_date", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            mended(date)
    assert sealed_bytes(date) == before

    (outcome,) = mended(date)

    assert outcome.gain.rows > 0
    assert seals.is_sealed(date.layout.parquet(DAY))


# On the terminal ----------------------------------------------------------------------------------------


def test_what_a_mend_did_is_a_table(source, sealed_date):
    proxy = source()
    proxy.edit = failing(WEEKLY)
    date = sealed_date("without-weekly-v3", proxy, max_attempts=1)
    proxy.edit = None
    text = io.StringIO()

    well = print_mended(mended(date), Console(file=text, width=120))

    assert well
    assert "2024-01-02  mended  1 unavailable  nothing" in text.getvalue()
    assert "1 asked about again: 1 mended" in text.getvalue()


# The listing --------------------------------------------------------------------------------------------


def without_root(root):
    """Return an edit of a source that knows nothing of a root, and yet lists its expirations."""

    def edit(path, query, rows):
        asked = query.get("symbol") or query.get("root")
        return None if asked == root and ("list/contracts" in path or "eod" in path) else rows

    return edit


def test_a_root_that_was_silent_is_listed_again(source, sealed_date, whole):
    proxy = source()
    proxy.edit = without_root("SPX")
    date = sealed_date("without-root", proxy, max_attempts=1)
    assert not date.passport()["completeness"]["complete"]
    before = {c["root"] for c in date.passport()["chains"] if c["rows"]}
    assert before == {"SPXW"}
    proxy.edit = None
    proxy.asked.clear()

    (outcome,) = mended(date)

    assert outcome.gain.rows > 0
    assert date.passport()["completeness"]["complete"]
    assert date.layout.parquet(DAY).read_bytes() == whole()
    assert len(histories(proxy)) == 1


def test_a_listing_that_is_still_silent_loses_nothing(source, sealed_date):
    proxy = source()
    proxy.edit = without_root("SPX")
    date = sealed_date("without-root", proxy, max_attempts=1)
    before = sealed_bytes(date)
    proxy.edit = lambda path, _, rows: 500 if "list/contracts" in path or "eod" in path else rows

    (outcome,) = mended(date)

    assert outcome.after is None
    assert sealed_bytes(date) == before


@pytest.mark.parametrize("most", [0, 3])
def test_where_the_passport_names_too_few_contracts_the_listing_is_asked_for(
    most, source, day, whole, monkeypatch
):
    monkeypatch.setattr("spx_data.quality.completeness.MOST_NAMED", most)
    proxy = source()
    proxy.edit = failing(WEEKLY)
    date = day(proxy.url, max_attempts=1)
    date.fill()
    expected = chain(date, WEEKLY)["contracts_listed"]
    proxy.edit = None
    proxy.asked.clear()

    mended(date)

    assert sum("list/contracts" in target for target in proxy.asked) == 2  # one a root
    assert len(histories(proxy)) == 1
    assert chain(date, WEEKLY)["contracts_listed"] == expected
    assert date.layout.parquet(DAY).read_bytes() == whole()


def test_without_that_listing_the_day_stays_as_it_is(source, day, monkeypatch):
    monkeypatch.setattr("spx_data.quality.completeness.MOST_NAMED", 3)
    proxy = source()
    proxy.edit = failing(WEEKLY)
    date = day(proxy.url, max_attempts=1)
    date.fill()
    before = sealed_bytes(date)
    proxy.edit = lambda path, _, rows: 500 if "list/contracts" in path or "eod" in path else rows

    (outcome,) = mended(date)

    assert outcome.error is not None
    assert sealed_bytes(date) == before
    (event,) = events(date)
    assert event["changed"] is False


def test_a_chain_without_data_that_is_explained_is_not_asked_for(source, day):
    proxy, quiet = source(), ("SPXW", "2024-01-19")

    def silent(path, query, rows):
        asked = [row for row in rows if "expiration" not in row or row["expiration"].strip('"') != quiet[1]]
        if "eod" in path:
            return asked
        return None if about(path, query, quiet) else rows

    fail = failing(WEEKLY)
    proxy.edit = lambda *asked: fail(*asked) if about(*asked[:2], WEEKLY) else silent(*asked)
    date = day(proxy.url, max_attempts=1)
    date.fill()
    assert states(date) == {WEEKLY: "unavailable"}
    before = chain(date, quiet)
    assert before["explained"]
    proxy.edit = None
    proxy.asked.clear()

    mended(date)

    assert states(date) == {}
    assert chain(date, quiet) == before
    assert len(histories(proxy)) == 1


def test_the_bad_rows_of_both_answers_are_told_once(source, day):
    proxy = source()

    def blemished(*bids, drop=False):
        def edit(path, query, rows):
            if not about(path, query, WEEKLY) or is_single(path, query):
                return rows
            bad = [rows[3] | {"bid": bid} for bid in bids]
            return [row for row in rows if not drop or contract_of(row) != "C 4935"] + bad

        return edit

    proxy.edit = blemished("-1.0000", "-1.0000", "-2.0000", drop=True)
    date = day(proxy.url, max_attempts=1, second_opinions=0)
    date.fill()
    assert date.passport()["rejects"]["rows"] == 3
    proxy.edit = blemished("-1.0000", "-3.0000")

    (outcome,) = mended(date)

    assert outcome.gain.rows > 0
    assert date.passport()["rejects"]["rows"] == 4
    assert states(date) == {}


def test_what_records_lack_comes_through_a_mend(source, day):
    proxy = source()

    def without_rho(path, query, rows):
        return [row | {"rho": ""} for row in rows] if about(path, query, LATER) else rows

    fail = failing(WEEKLY)
    proxy.edit = lambda *asked: fail(*asked) if about(*asked[:2], WEEKLY) else without_rho(*asked)
    date = day(proxy.url, max_attempts=1)
    date.fill()
    told = chain(date, LATER)
    assert told["nulls"]["rho"] == told["rows"]
    proxy.edit = None

    (outcome,) = mended(date)

    assert outcome.gain.rows > 0
    assert {**chain(date, LATER), "checkpoint": None} == {**told, "checkpoint": None}
