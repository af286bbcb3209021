"""Bad rows of a source, from its answer to the file of the date; and records that it sends twice."""

import datetime as dt
import hashlib
import json
from collections import Counter
from dataclasses import replace

import duckdb
import polars as pl
import pytest
from tests.restating import expiration_of, is_history
from tests.rules.conftest import DAY

from spx_data.errors import (
    ApiResponseInvalidError,
    FileCorruptionError,
    MissingFileError,
    TooManyRejectsError,
)
from spx_data.lake.session_states import Kind
from spx_data.market.dates import Dates
from spx_data.market.records import MEANINGS
from spx_data.ops import recheck
from spx_data.quality.completeness import CONFLICTING, REJECTED, REPEATED
from spx_data.settings import Recheck
from spx_data.store import files, journal, reads, seals
from theta_simulator import Blemish
from theta_simulator.blemishes import Kind as Defect

CHAIN = ("SPXW", "2024-01-03")
ROW = 100  # of the chain's answer
PLACE = {
    "root": "SPXW",
    "expiration": dt.date(2024, 1, 19),
    "strike": 5035.0,
    "right": "C",
    "first": dt.time(11),
    "last": dt.time(12),
}


def edited(change):
    """Return an edit of the chain's rows; *change* is given them, and the number of times they were asked."""
    asked = Counter()

    def edit(path, query, rows):
        if not is_history(path) or (query.get("symbol"), expiration_of(query)) != CHAIN or "strike" in query:
            return rows
        asked["times"] += 1
        return change(rows, asked["times"])

    return edit


def with_cell(name, value, row=ROW):
    def change(rows, _):
        rows[row][name] = value
        return rows

    return edited(change)


def lines(date):
    path = date.layout.rejects(DAY)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def rows_of(date):
    return pl.read_parquet(date.layout.parquet(DAY))


def checks_of(date):
    return {check["check"]: check for check in date.passport()["quality"]["checks"]}


def limited(date, percent):
    date.settings = replace(date.settings, quality=date.settings.quality._replace(rejected_percent=percent))
    return date


@pytest.fixture(scope="module")
def kept():
    """Return where the whole date is kept for all tests."""
    return []


@pytest.fixture
def whole(terminals, day, tmp_path_factory, kept):
    """Return the date where nothing is wrong, sealed once for all tests, which only look at it."""
    if not kept:
        folder = tmp_path_factory.mktemp("whole")
        places = {f"{name}_directory": str(folder / name) for name in ("output", "temp", "data")}
        kept.append(day(terminals["v3"], interval="30m", **places))
        kept[0].fill()
    return kept[0]


# A bad row of the source --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, value, reason",
    [
        ("symbol", "SPX", "root"),
        ("expiration", "2024-01-05", "expiration"),
        ("right", "CALLS", "right"),
        ("strike", "0.000", "strike"),
        ("timestamp", "2024-01-03T10:00:00", "date"),
        ("timestamp", "2024-01-02T09:00:00", "outside-window"),
        ("timestamp", "2024-01-02T10:00:17", "off-grid"),
        ("timestamp", "soon", "unreadable"),
        ("bid", "NaN", "not-finite"),
        ("ask", "-0.0500", "negative-price"),
        ("ask", "", "missing"),
    ],
)
def test_a_bad_row_is_kept_aside_and_the_rest_is_sealed(name, value, reason, source, day, whole):
    date = day(source.url, interval="30m")
    source.edit = with_cell(name, value)

    date.fill()

    (reject,) = lines(date)
    fields = reject.pop("raw").split(",")
    assert reject == {"reason": reason, "root": CHAIN[0], "expiration": CHAIN[1], "api": "v3"}
    assert value in [field.strip('"') for field in fields]
    assert date.passport()["rejects"] == {
        "rows": 1,
        "reasons": {reason: 1},
        "duplicates_dropped": 0,
        "conflicts": 0,
        "sha256": hashlib.sha256(date.layout.rejects(DAY).read_bytes()).hexdigest(),
    }
    # Its own contract was asked for once more, and had the row in good order.
    assert rows_of(date).equals(rows_of(whole))
    assert checks_of(date)[REJECTED.code]["hits"] == 1
    assert reason in MEANINGS
    assert date.state().kind is Kind.SEALED


@pytest.mark.parametrize(
    "name, value",
    [
        ("underlying_timestamp", "1700-01-01T00:00:00"),
        ("underlying_timestamp", ""),
        ("underlying_price", "-1.0"),
        ("implied_vol", "-0.1000"),
        ("lambda", "NaN"),
        ("rho", ""),
        ("vega", "much"),
    ],
)
def test_what_a_record_lacks_is_null_counted_and_no_reject(name, value, source, day, whole):
    date = day(source.url, interval="30m")
    source.edit = with_cell(name, value)

    date.fill()

    passport, found = date.passport(), rows_of(date)
    chain = pl.col("root").eq(CHAIN[0]) & pl.col("expiration").eq(dt.date.fromisoformat(CHAIN[1]))
    assert found[name].null_count() == found.filter(chain)[name].null_count() == 1
    assert found.drop(name).equals(rows_of(whole).drop(name))
    assert passport["nulls"] == {name: 1}
    assert [one["nulls"] for one in passport["chains"] if "nulls" in one] == [{name: 1}]
    assert (lines(date), passport["rejects"]["rows"]) == ([], 0)
    more = {code for code, check in checks_of(date).items() if check["hits"] > checks_of(whole)[code]["hits"]}
    assert more <= ({"underlying-missing"} if name == "underlying_price" else set())
    assert date.state().kind is Kind.SEALED
    # Its chain was asked once more, for the first answer may have been damaged on the way.
    histories = list(filter(is_history, source.asked))
    assert len(histories) == len(set(histories)) + 1 == len(passport["chains"]) + 1


def test_a_source_that_leaves_lambda_blank_where_nobody_bids_is_sealed_like_any_other(source, day, whole):
    date = day(source.url, interval="30m")

    def blank(path, query, rows):
        for row in rows if is_history(path) else []:
            if float(row["bid"]) == 0:
                row["lambda"] = ""
        return rows

    source.edit = blank
    date.fill()

    found, passport = rows_of(date), date.passport()
    bidless = (pl.col("bid") == 0).alias("bidless")
    assert found.select(bidless)["bidless"].sum() > 50
    assert (
        found.filter(bidless)["lambda"].null_count()
        == found["lambda"].null_count()
        == passport["nulls"]["lambda"]
    )
    assert found["lambda"].null_count() == found.select(bidless)["bidless"].sum()
    assert found.drop("lambda").equals(rows_of(whole).drop("lambda"))
    hits, expected = (
        {code: check["hits"] for code, check in checks_of(one).items()} for one in (date, whole)
    )
    assert hits == expected


def test_a_row_that_the_source_has_in_bad_order_everywhere_is_missing_and_nothing_else(simulated, day, whole):
    terminal = simulated(blemishes=(Blemish(Defect.NEGATIVE_PRICE, **PLACE),))
    date = day(terminal, interval="30m")
    (place,) = terminal.places(DAY)
    date.fill()

    rejects, lost = lines(date), len(rows_of(whole)) - len(rows_of(date))

    assert {reject["reason"] for reject in rejects} == {"negative-price"}
    assert {(reject["root"], reject["expiration"]) for reject in rejects} == {
        (place.root, place.expiration.isoformat())
    }
    assert lost == len(rejects) > 0
    assert rows_of(whole).join(rows_of(date), on=rows_of(date).columns, how="anti").height == lost


@pytest.mark.parametrize(
    "api, format", [("v3", "csv"), ("v3", "json"), ("v3", "ndjson"), ("v2", "csv"), ("v2", "json")]
)
def test_bad_rows_are_the_same_in_every_format(api, format, simulated, day, terminals, tmp_path):
    reasons = {
        Defect.WRONG_RIGHT: "right",
        Defect.ZERO_STRIKE: "strike",
        Defect.OFF_GRID_STAMP: "off-grid",
        Defect.OTHER_EXPIRATION: "expiration",
        Defect.OTHER_DATE: "date",
    }
    terminal = simulated(api=api, blemishes=tuple(Blemish(kind, **PLACE) for kind in reasons))
    date, plain = (
        day(there, format=format, interval="1h", start_time="10:00:00", output_directory=str(tmp_path / name))
        for name, there in (("spoilt", terminal), ("plain", terminals[api]))
    )
    plain.fill()
    files.remove(date.layout.temp)

    limited(date, 100).fill()

    assert {line["reason"] for line in lines(date)} == set(reasons.values())
    # These stand beside the good rows, of which none is lost.
    assert rows_of(date).equals(rows_of(plain))


def test_what_is_bad_once_is_damage_on_the_way(source, day, whole):
    date = day(source.url, interval="30m")

    def change(rows, times):
        if times == 1:
            rows[ROW]["bid"] = "NaN"
        return rows

    source.edit = edited(change)
    date.fill()

    assert lines(date) == []
    assert rows_of(date).equals(rows_of(whole))
    (retried,) = date.events(journal.RETRIED)
    assert retried["error"] == "DoubtedRowsError"
    assert "1 bad rows" in retried["cause"]
    assert date.passport()["rejects"] == {
        "rows": 0,
        "reasons": {},
        "duplicates_dropped": 0,
        "conflicts": 0,
        "sha256": None,
    }


def test_what_is_bad_otherwise_every_time_is_no_answer(source, day):
    date = day(source.url, interval="30m")

    def change(rows, times):
        rows[ROW + times]["bid"] = "NaN"
        return rows

    source.edit = edited(change)
    date.fetch()
    with pytest.raises(ApiResponseInvalidError, match=r"bad rows.*restart it"):
        date.download()

    assert not date.layout.manifest(DAY).exists()
    (failed,) = date.events(journal.EXPIRATION_FAILED)
    assert (failed["root"], failed["expiration"]) == CHAIN
    assert len(date.events(journal.RETRIED)) == 2
    chain = date.layout.checkpoint(DAY, CHAIN[0], dt.date.fromisoformat(CHAIN[1]))
    assert not any(path.exists() for path in (chain.records, chain.rejects, chain.receipt))


def test_damage_on_the_way_does_not_hide_what_is_the_sources(source, day):
    date = day(source.url, interval="30m")

    def change(rows, times):
        rows[ROW]["bid"] = "NaN"
        if times == 1:
            rows[ROW + 50]["ask"] = "-1.0000"
        return rows

    source.edit = edited(change)
    date.fill()

    assert [line["reason"] for line in lines(date)] == ["not-finite"]


# Beside a checkpoint ------------------------------------------------------------------------------------


def chain_of(date):
    return date.layout.checkpoint(DAY, CHAIN[0], dt.date.fromisoformat(CHAIN[1]))


@pytest.fixture
def staged(source, day):
    """Return a date whose chains are staged, one of them with a bad row."""
    date = day(source.url, interval="30m")
    source.edit = with_cell("ask", "-1.0000")
    date.fetch()
    date.download()
    return date


def test_a_chain_with_bad_rows_is_taken_up_as_it_is(staged, source):
    asked = len(source.asked)
    staged.layout.manifest(DAY).unlink()

    staged.download()

    how_it_is, *reports = source.asked[asked:]
    assert "status" in how_it_is
    assert all(target.partition("?")[0].endswith(("/eod", "/open_interest")) for target in reports)
    assert json.loads(chain_of(staged).receipt.read_text())["rejected"] == 1


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_bad_rows_that_are_damaged_are_fetched_again(damage, staged):
    path = chain_of(staged).rejects
    if damage == "gone":
        path.unlink()
    else:
        path.write_text(path.read_text().replace("negative", "positive"))

    with pytest.raises((FileCorruptionError, MissingFileError), match="rejects"):
        staged.merge()
    assert not chain_of(staged).receipt.exists()

    staged.download()
    staged.merge()
    assert [line["reason"] for line in lines(staged)] == ["negative-price"]


def test_a_receipt_whose_bad_rows_are_gone_does_not_count(staged):
    chain_of(staged).rejects.unlink()
    staged.layout.manifest(DAY).unlink()

    staged.download()

    assert chain_of(staged).rejects.exists()


def test_a_chain_that_has_become_well_loses_its_bad_rows(staged, source, whole):
    source.edit = None
    chain_of(staged).receipt.unlink()
    staged.layout.manifest(DAY).unlink()

    staged.download()
    staged.merge()

    assert not chain_of(staged).rejects.exists()
    assert lines(staged) == []
    assert rows_of(staged).equals(rows_of(whole))


def test_a_date_that_has_become_well_loses_its_file(staged, source):
    staged.merge()
    assert lines(staged)
    for path in staged.layout.sealed_files(DAY):
        path.unlink()
    files.remove(staged.layout.staging(DAY))
    source.edit = None

    staged.fill()

    assert not staged.layout.rejects(DAY).exists()


# Too many -----------------------------------------------------------------------------------------------


def spoilt(number):
    """Return an edit that spoils so many rows, never all of a contract's."""

    def change(rows, _):
        for row in rows[1 : 3 * number : 3]:
            row["bid"] = "-1.0000"
        return rows

    return edited(change)


def test_too_many_bad_rows_fail_the_date_and_are_there_to_be_looked_at(source, day):
    date = day(source.url, interval="30m")
    source.edit = spoilt(10)
    date.fetch()

    with pytest.raises(TooManyRejectsError, match=r"10 of 4\d\d rows .* \(negative-price 10\)") as caught:
        date.download()

    assert caught.value.fields["rejected"] == len(lines(date)) == 10
    assert caught.value.fields["path"] == date.layout.rejects(DAY)
    assert "quality.rejected_percent" in caught.value.cure
    assert not date.layout.manifest(DAY).exists()
    assert (len(list(date.layout.staging(DAY).glob("*.receipt.json"))), chain_of(date).receipt.exists()) == (
        3,
        False,
    )
    assert date.state().kind is Kind.FAILED


def test_the_next_run_asks_again_for_what_had_too_many(source, day, whole):
    date = day(source.url, interval="30m")
    source.edit = spoilt(10)
    date.fetch()
    with pytest.raises(TooManyRejectsError):
        date.download()
    source.edit = None
    asked = [url for url in source.asked if is_history(url)]

    date.download()
    date.merge()

    again = [url for url in source.asked if is_history(url)][len(asked) :]
    assert len(again) == 1
    assert f"expiration={CHAIN[1]}" in again[0]
    assert not date.layout.rejects(DAY).exists()
    assert rows_of(date).equals(rows_of(whole))


@pytest.mark.parametrize("percent, fails", [(0, True), (1, True), (5, False), (100, False)])
def test_how_many_are_too_many_is_for_the_settings_to_say(percent, fails, source, day):
    date = limited(day(source.url, interval="30m"), percent)
    source.edit = spoilt(10)
    date.fetch()

    if fails:
        with pytest.raises(TooManyRejectsError):
            date.download()
    else:
        date.download()
        date.merge()
        assert len(lines(date)) == 10


# Records that come twice --------------------------------------------------------------------------------


@pytest.mark.parametrize("turned", [False, True])
def test_the_same_record_twice_is_sealed_once_and_counted(turned, source, day, whole):
    date = day(source.url, interval="30m")

    def change(rows, _):
        found = [*rows, rows[ROW], rows[ROW + 1], rows[ROW]]
        return found[::-1] if turned else found

    source.edit = edited(change)
    date.fill()

    assert reads.digest(date.layout.parquet(DAY)) == reads.digest(whole.layout.parquet(DAY))
    assert lines(date) == []
    assert date.passport()["rejects"]["duplicates_dropped"] == 3
    assert checks_of(date)[REPEATED.code]["hits"] == 3
    (chain,) = [chain for chain in date.passport()["chains"] if chain["duplicates_dropped"]]
    assert (chain["root"], chain["expiration"]) == CHAIN
    assert sum(chain["rows"] for chain in date.passport()["chains"]) == date.passport()["rows"]


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_versions_the_later_underlying_is_sealed_and_both_are_kept(turned, source, day, whole):
    date = day(source.url, interval="30m")

    def change(rows, _):
        other = rows[ROW] | {"bid": "9.9900", "underlying_timestamp": "2024-01-02T09:00:00.000"}
        found = [*rows[:ROW], other, *rows[ROW:]]
        return found[::-1] if turned else found

    source.edit = edited(change)
    date.fill()

    assert reads.digest(date.layout.parquet(DAY)) == reads.digest(whole.layout.parquet(DAY))
    one, other = lines(date)
    assert {one["reason"], other["reason"]} == {"conflict"}
    assert {json.loads(line["raw"])["bid"]: line["sealed"] for line in (one, other)}[9.99] is False
    assert {one["sealed"], other["sealed"]} == {True, False}
    assert date.passport()["rejects"]["reasons"] == {"conflict": 2}
    assert date.passport()["rejects"]["conflicts"] == 1
    assert checks_of(date)[CONFLICTING.code]["hits"] == 1


@pytest.mark.parametrize("kind", [Defect.DUPLICATE_ROWS, Defect.CONFLICTING_ROWS])
@pytest.mark.parametrize("api", ["v3", "v2"])
def test_each_contract_is_sealed_once_at_a_stamp(kind, api, simulated, day):
    date = day(simulated(api=api, blemishes=(Blemish(kind, **PLACE),)), interval="30m")

    date.fill()

    # DuckDB is not what settled them.
    grouped = 'SELECT count(*) FROM read_parquet(?) GROUP BY root, expiration, strike, "right", timestamp'
    counts = duckdb.execute(grouped, [str(date.layout.parquet(DAY))]).fetchall()
    rejects = date.passport()["rejects"]
    assert set(counts) == {(1,)}
    assert (rejects["duplicates_dropped"] > 0, rejects["conflicts"] > 0) == (
        kind is Defect.DUPLICATE_ROWS,
        kind is Defect.CONFLICTING_ROWS,
    )


# A recheck ----------------------------------------------------------------------------------------------


def test_a_restated_day_takes_its_bad_rows_along(source, day):
    date = day(source.url, interval="30m")
    source.edit = with_cell("ask", "-1.0000")
    date.fill()
    before = lines(date)
    settings = replace(
        date.settings, dates=Dates.of(DAY.isoformat()), recheck=Recheck(sample=1, restated="replace")
    )

    def change(rows, _):
        rows[ROW - 30]["bid"] = "-2.0000"
        rows[ROW - 60]["delta"] = "0.1234"
        return rows

    source.edit = edited(change)
    (outcome,) = list(recheck.recheck(settings))

    assert outcome.error is None
    assert [json.loads(line) for line in (outcome.folder / "before" / "2024-01-02.ndjson").open()] == before
    assert lines(date) != before
    assert date.passport()["rejects"]["sha256"] == reads.digest(date.layout.rejects(DAY))
    seals.verify(date.layout.parquet(DAY))

    source.edit = None
    (outcome,) = list(recheck.recheck(settings))
    assert not date.layout.rejects(DAY).exists()
    assert not list((date.layout.temp / "recheck").rglob("*.ndjson"))
