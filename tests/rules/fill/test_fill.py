"""The three stages of a date, as functions against a simulated terminal."""

import datetime as dt
import itertools
import json
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.rules.conftest import DAY

from spx_data.errors import (
    ApiDataNotFoundError,
    ApiResponseInvalidError,
    DatasetMismatchError,
    FileCorruptionError,
    MissingFileError,
    SchemaValidationError,
    TerminalDisconnectedError,
)
from spx_data.fill.listing import Listing
from spx_data.lake.session_states import Kind
from spx_data.market.chains import Chain
from spx_data.sources import theta
from spx_data.store import files, journal, reads, seals

HALF_DAY = dt.date(2024, 7, 3)
HOLIDAY = dt.date(2024, 1, 1)
BEFORE_GREEKS = dt.date(2016, 12, 30)
HISTORY = {"v3": "/v3/option/history/greeks/first_order", "v2": "/v2/bulk_hist/option/greeks"}


def market_day(terminal, date, truth, version="latest", roots=("SPX", "SPXW"), **window):
    """Return the market's whole date as the rows of a sealed file, in their order."""
    chains = sorted(
        (root, expiration.label) for root in roots for expiration in terminal.market.expirations(root, date)
    )
    return pl.concat(
        truth(terminal, Chain(root, label, date, label), version, **window).with_columns(
            date=pl.lit(date),
            root=pl.lit(root),
            expiration=pl.lit(label),
            dte=pl.lit((label - date).days, pl.Int32),
        )
        for root, label in chains
    )


def sealed_rows(path: Path):
    return pl.read_parquet(path).with_columns(
        pl.col("root", "right").cast(pl.String),
        pl.col("timestamp", "underlying_timestamp").dt.timestamp("ms"),
    )


def asked(terminal, api="v3"):
    """Return the expirations whose history was asked for, in order of arrival."""
    label = {"v3": "expiration", "v2": "exp"}[api]
    root = {"v3": "symbol", "v2": "root"}[api]
    return [(r["query"][root], r["query"][label]) for r in terminal.requests() if r["path"] == HISTORY[api]]


# A whole date -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "api, format", [("v3", "csv"), ("v3", "json"), ("v3", "ndjson"), ("v2", "csv"), ("v2", "json")]
)
def test_a_sealed_date_is_the_market_cell_by_cell(api, format, terminals, day, truth):
    date = day(terminals[api], format=format)

    date.fill()

    found, expected = sealed_rows(date.layout.parquet(DAY)), market_day(terminals[api], DAY, truth)
    assert_frame_equal(found, expected.select(found.columns), check_exact=True)
    seals.verify(date.layout.parquet(DAY))
    assert date.state().kind is Kind.SEALED


def test_many_small_pages_seal_the_same_date(simulated, day, truth):
    terminal = simulated(api="v2", page_size=1000)
    date = day(terminal)

    date.fill()

    found = sealed_rows(date.layout.parquet(DAY))
    assert_frame_equal(found, market_day(terminal, DAY, truth).select(found.columns), check_exact=True)
    assert any(request["path"].startswith("/v2/page/") for request in terminal.requests())


def test_all_transport_formats_seal_the_same_bytes(terminals, day, lake, tmp_path):
    sealed = set()

    for format in ("csv", "json", "ndjson"):
        date = day(
            terminals["v3"],
            format=format,
            output_directory=str(tmp_path / format),
            temp_directory=str(tmp_path / f"t{format}"),
        )
        date.fill()
        sealed.add(seals.read(date.layout.parquet(DAY)).parquet)

    assert len(sealed) == 1


def test_the_passport_says_what_came_from_where(terminals, day):
    date = day(terminals["v3"])

    date.fill()

    passport = date.passport()
    contracts = {root: terminals["v3"].market.contracts(root, DAY).height for root in ("SPX", "SPXW")}
    assert passport["date"] == "2024-01-02"
    assert passport["source"] == {"api": "v3", "greeks_version": "latest"}
    assert passport["dataset"] == json.loads(date.layout.dataset.read_text())
    # Two contracts have their first quote a few minutes late.
    grid, late = 391 * sum(contracts.values()), 391 * sum(contracts.values()) - passport["rows"]
    assert passport["completeness"] == {
        "chains_listed": 4,
        "chains_received": 4,
        "contracts_expected": sum(contracts.values()),
        "contracts_received": sum(contracts.values()),
        "contracts_explained": 0,
        "contracts_missing": 0,
        "stamps_expected": grid,
        "stamps_received": passport["rows"],
        "stamps_explained": late,
        "stamps_missing": 0,
        "chains": {"whole": 4, "short": 0, "contradicted": 0, "unavailable": 0, "unlisted": 0},
        "complete": True,
        "unknown": [],
        "unknown_more": 0,
    }
    assert not any(passport["listing"].values())
    assert passport["rows"] == sum(chain["rows"] for chain in passport["chains"])
    assert passport["parquet"]["sha256"] == reads.digest(date.layout.parquet(DAY))
    assert passport["session"] == {
        "exchange": {
            "calendar": "NYSE",
            "opens": "2024-01-02T09:30:00-05:00",
            "closes": "2024-01-02T16:00:00-05:00",
        },
        "vendor": {"type": "open", "opens": "09:30:00", "closes": "16:00:00"},
        "vendor_unknown": None,
        "findings": [],
        "opens": "2024-01-02T09:30:00-05:00",
        "closes": "2024-01-02T16:00:00-05:00",
        "early_close": False,
        "first_stamp_expected": "2024-01-02T09:30:00-05:00",
        "first_stamp_received": "2024-01-02T09:30:00-05:00",
        "last_stamp_expected": "2024-01-02T16:00:00-05:00",
        "last_stamp_received": "2024-01-02T16:00:00-05:00",
    }


def test_a_half_day_is_complete_at_a_quarter_past_one(terminals, day, truth):
    date = day(terminals["v3"], HALF_DAY)

    date.fill()

    passport, rows = date.passport(), sealed_rows(date.layout.parquet(HALF_DAY))
    assert_frame_equal(
        rows, market_day(terminals["v3"], HALF_DAY, truth).select(rows.columns), check_exact=True
    )
    assert passport["completeness"]["contracts_missing"] == 0
    assert passport["session"]["early_close"]
    assert passport["session"]["last_stamp_expected"] == "2024-07-03T13:15:00-04:00"
    assert passport["session"]["last_stamp_received"] == "2024-07-03T13:15:00-04:00"
    last = {(chain["root"], chain["expiration"]): chain["last_stamp"] for chain in passport["chains"]}
    assert last["SPXW", "2024-07-03"] == "2024-07-03T13:00:00-04:00"


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_the_passport_knows_the_underlyings_prices(api, terminals, day):
    date = day(terminals[api], interval="15m")

    date.fill()

    # DuckDB is not what wrote the day, nor what looked at its prices.
    seen = "WITH seen AS (SELECT timestamp AS t, underlying_price AS p FROM read_parquet(?) WHERE p > 0)"
    asked = f"{seen} SELECT first(p ORDER BY t), max(p), min(p), last(p ORDER BY t) FROM seen"
    ((opened, high, low, closed),) = duckdb.execute(asked, [str(date.layout.parquet(DAY))]).fetchall()
    assert date.passport()["underlying"] == {"open": opened, "high": high, "low": low, "close": closed}


@pytest.mark.parametrize("keep", [False, True])
def test_checkpoints_stay_only_where_they_are_wanted(keep, terminals, day):
    date = day(terminals["v3"], keep_ndjson=keep)

    date.fill()

    assert date.layout.staging(DAY).exists() == keep
    assert len(list(date.layout.temp.rglob("*.ndjson"))) == (4 if keep else 0)


def test_nothing_but_the_dates_own_files_is_left(terminals, day):
    date = day(terminals["v3"], keep_ndjson=False)

    date.fill()

    assert sorted(path.name for path in date.layout.output.rglob("*") if path.is_file()) == [
        "dataset.json",
        "spx-contracts-2024-01-02.parquet",
        "spx-options-2024-01-02.json",
        "spx-options-2024-01-02.parquet",
        "spx-options-2024-01-02.parquet.sha256",
    ]
    assert [path for path in date.layout.temp.rglob("*") if path.is_file()] == []


def test_only_expirations_up_to_max_dte_are_listed(terminals, day):
    date = day(terminals["v3"], max_dte=1)

    date.fetch()

    assert [(chain["root"], chain["expiration"]) for chain in date.listing()["chains"]] == [
        ("SPXW", "2024-01-02"),
        ("SPXW", "2024-01-03"),
    ]


# The journal --------------------------------------------------------------------------------------------


def test_every_request_is_in_the_journal(simulated, day):
    terminal = simulated()
    date = day(terminal)

    date.fill()

    requests = date.events(journal.REQUEST)
    served = [request for request in terminal.requests() if request["counted"]]
    told = Counter(
        (event["url"].removeprefix(terminal.url).partition("?")[0], event["status"], event["bytes"])
        for event in requests
    )
    counted = Counter((request["path"], request["status"], request["bytes"]) for request in served)
    assert {key: count for key, count in told.items() if "status" not in key[0]} == counted
    assert all(event["seconds"] >= 0 for event in requests)


def test_the_journal_tells_a_dates_story(terminals, day):
    date = day(terminals["v3"])

    date.fill()

    story = [
        (event["stage"], event["event"])
        for event in date.events()
        if event["event"] not in ("request", "staged")
    ]
    assert story == [
        *itertools.product(["list", "download"], ["started", "finished"]),
        ("merge", "started"),
        ("merge", "sealed"),
        ("merge", "finished"),
    ]
    staged = date.events(journal.STAGED)
    assert sum(event["rows"] for event in staged) == date.events(journal.SEALED)[0]["rows"]
    assert {event["attempts"] for event in staged} == {1}


# Resuming -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_rerun_fetches_what_lost_its_receipt_alone(api, simulated, day):
    terminal = simulated(api=api)
    date = day(terminal)
    date.fetch()
    date.download()
    before = asked(terminal, api)
    date.checkpoint(2).receipt.unlink()
    date.layout.manifest(DAY).unlink()

    date.download()

    chain = date.listing()["chains"][2]
    label = chain["listed"] if api == "v3" else chain["listed"].replace("-", "")
    assert len(before) == 4
    assert asked(terminal, api)[4:] == [(chain["root"], label)]
    date.merge()


def test_a_rerun_with_everything_staged_asks_for_nothing(simulated, day):
    terminal = simulated()
    date = day(terminal)
    date.fetch()
    date.download()
    date.layout.manifest(DAY).unlink()

    date.download()

    assert len(asked(terminal)) == 4
    assert date.layout.manifest(DAY).exists()


@pytest.mark.parametrize(
    "error, told, tries",
    [
        (ApiResponseInvalidError("nonsense", cure="Report it"), "nonsense", [1, 2]),
        (KeyError("nobody expected it"), r"could not be taken \(KeyError: .* is a defect of spx-data", []),
    ],
)
def test_a_failed_expiration_costs_the_date_and_not_its_neighbours(
    error, told, tries, simulated, day, monkeypatch
):
    terminal = simulated()
    date = day(terminal, max_concurrent_requests=1)
    date.fetch()
    broken, history = dt.date(2024, 1, 3), theta.v3.V3.history

    def breaking(source, chain, window, rejects, **named):
        if chain.expiration == broken:
            raise error
        return history(source, chain, window, rejects, **named)

    monkeypatch.setattr(theta.v3.V3, "history", breaking)
    with pytest.raises(ApiResponseInvalidError, match=told):
        date.download()

    assert not date.layout.manifest(DAY).exists()
    assert len(list(date.layout.staging(DAY).glob("*.receipt.json"))) == 3
    (failed,) = date.events(journal.EXPIRATION_FAILED)
    assert (failed["root"], failed["expiration"], failed["error"]) == (
        "SPXW",
        "2024-01-03",
        "ApiResponseInvalidError",
    )
    assert [event["attempt"] for event in date.events(journal.RETRIED)] == tries
    assert date.state().kind is Kind.FAILED

    monkeypatch.undo()
    date.download()
    date.merge()
    assert asked(terminal)[3:] == [("SPXW", "2024-01-03")]
    assert date.state().kind is Kind.SEALED


def test_a_terminal_that_lost_its_server_stops_the_date_early(simulated, day):
    terminal = simulated(latency_ms=10)
    date = day(terminal, max_concurrent_requests=1)
    date.fetch()
    # Its API is known, as in a run that found the terminal before its first job.
    date.settings = replace(date.settings, terminal=replace(date.settings.terminal, api="v3"))
    terminal.set_status("DISCONNECTED")

    with pytest.raises(TerminalDisconnectedError, match="DISCONNECTED"):
        date.download()

    # A few expirations, asked for once: after that the terminal was asked how it is.
    assert 1 <= len(asked(terminal)) == len(set(asked(terminal))) <= 3
    assert len(date.events(journal.RETRIED)) == 5 * len(asked(terminal))
    assert (date.state().kind, date.state().tries) == (Kind.FAILED, 0)


# Damage -------------------------------------------------------------------------------------------------


def test_a_checkpoint_damaged_before_the_merge_is_fetched_anew_alone(simulated, day):
    terminal = simulated()
    date = day(terminal)
    date.fetch()
    date.download()
    records = date.checkpoint(1).records
    content = bytearray(records.read_bytes())
    content[100] ^= 1
    records.write_bytes(content)

    with pytest.raises(FileCorruptionError, match=records.name):
        date.merge()
    assert not date.layout.parquet(DAY).exists()
    assert not date.layout.manifest(DAY).exists()
    assert date.state().kind is Kind.FAILED

    date.download()
    date.merge()
    chain = date.listing()["chains"][1]
    assert asked(terminal)[4:] == [(chain["root"], chain["listed"])]
    seals.verify(date.layout.parquet(DAY))


def test_records_gone_before_the_merge_are_named_and_fetched_anew(simulated, day):
    terminal = simulated()
    date = day(terminal)
    date.fetch()
    date.download()
    records = date.checkpoint(1).records
    records.unlink()

    with pytest.raises(MissingFileError) as caught:
        date.merge()
    assert caught.value.fields["path"] == records

    date.download()
    date.merge()
    assert len(asked(terminal)) == 5


def test_a_parquet_that_does_not_read_back_gets_no_name(terminals, day, monkeypatch):
    date = day(terminals["v3"])
    date.fetch()
    date.download()

    def refuse(path, columns, written, ahead):
        raise FileCorruptionError("not as meant")

    monkeypatch.setattr("spx_data.fill.merge.read_back", refuse)
    with pytest.raises(FileCorruptionError):
        date.merge()

    assert [path.name for path in date.layout.output.rglob("*") if path.is_file()] == ["dataset.json"]


@pytest.mark.parametrize("room, step", [(files, "write_text"), (seals, "write_sidecar")])
def test_a_crash_before_the_sidecar_leaves_a_date_that_is_not_done(room, step, terminals, day, monkeypatch):
    date = day(terminals["v3"])
    date.fetch()
    date.download()
    real = getattr(room, step)

    def crash(target, *rest):
        if target.name.startswith("spx-options"):
            raise KeyboardInterrupt
        real(target, *rest)

    monkeypatch.setattr(room, step, crash)
    with pytest.raises(KeyboardInterrupt):
        date.merge()
    assert date.state().kind is Kind.FAILED

    monkeypatch.undo()
    date.merge()
    assert date.state().kind is Kind.SEALED


# Settings that changed between the stages ---------------------------------------------------------------


def test_a_listing_of_other_settings_is_made_anew(terminals, day):
    day(terminals["v3"]).fetch()
    date = day(terminals["v3"], interval="30m")

    date.download()
    date.merge()

    minutes = sealed_rows(date.layout.parquet(DAY))["timestamp"].unique().sort()
    assert set(minutes.diff().drop_nulls()) == {30 * 60_000}
    assert date.passport()["dataset"]["interval"] == "30m"


def test_checkpoints_of_other_settings_are_never_mixed_in(simulated, day, truth):
    terminal = simulated()
    before = day(terminal)
    before.fetch()
    before.download()
    date = day(terminal, interval="30m")

    date.download()
    date.merge()

    assert len(asked(terminal)) == 8
    rows = sealed_rows(date.layout.parquet(DAY))
    expected = market_day(terminal, DAY, truth, step_ms=1_800_000)
    assert_frame_equal(rows, expected.select(rows.columns), check_exact=True)


def test_checkpoints_of_another_api_are_never_mixed_in(simulated, day, truth):
    old, new = simulated(api="v2"), simulated(api="v3")
    before = day(old)
    before.fetch()
    before.download()
    date = day(new, greeks_version="1")

    date.download()
    date.merge()

    assert len(asked(new)) == 4
    assert date.passport()["source"]["api"] == "v3"
    rows = sealed_rows(date.layout.parquet(DAY))
    assert_frame_equal(rows, market_day(new, DAY, truth, "1").select(rows.columns), check_exact=True)


def test_a_manifest_of_other_settings_is_not_merged(terminals, day):
    before = day(terminals["v3"])
    before.fetch()
    before.download()
    date = day(terminals["v3"], interval="30m")

    with pytest.raises(SchemaValidationError, match="other settings"):
        date.merge()

    assert not date.layout.manifest(DAY).exists()
    assert not date.layout.parquet(DAY).exists()
    date.download()
    date.merge()


def test_a_day_of_another_data_set_is_refused_and_nothing_is_written(terminals, day):
    day(terminals["v3"]).fill()
    date = day(terminals["v3"], dt.date(2024, 1, 3), interval="30m")
    date.fetch()
    date.download()

    with pytest.raises(DatasetMismatchError, match="interval is 1m there and 30m now"):
        date.merge()

    assert not date.layout.parquet(date.date).exists()


# Nothing there ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_date_without_contracts_is_evidence_of_no_data(api, terminals, day):
    date = day(terminals[api], HOLIDAY)

    with pytest.raises(ApiDataNotFoundError, match="lists no contracts of SPX, SPXW on 2024-01-01"):
        date.fetch()

    assert not date.layout.listing(HOLIDAY).exists()
    assert [event["event"] for event in date.events() if event["event"] != "request"] == [
        "started",
        "no-data",
    ]
    assert date.state().kind is Kind.NO_DATA
    assert not date.state().due


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_date_listed_without_any_record_is_no_data_too(api, terminals, day):
    date = day(terminals[api], BEFORE_GREEKS)
    date.fetch()

    with pytest.raises(ApiDataNotFoundError, match="has records of none"):
        date.download()

    assert not date.layout.manifest(BEFORE_GREEKS).exists()
    assert date.state().kind is Kind.NO_DATA


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_listed_chain_without_records_is_explained(api, terminals, day):
    # After one o'clock of a half day what expires that day is quoted no more, the rest is.
    date = day(terminals[api], HALF_DAY, start_time="13:05:00", end_time="13:15:00")

    date.fill()

    passport = date.passport()
    (explained,) = [chain for chain in passport["chains"] if chain["explained"]]
    assert (explained["root"], explained["expiration"], explained["rows"]) == ("SPXW", "2024-07-03", 0)
    assert explained["contracts_missing"] == []
    assert passport["completeness"]["contracts_explained"] == explained["contracts_listed"] > 0
    assert passport["completeness"]["contracts_missing"] == 0
    checkpoint = date.layout.checkpoint(HALF_DAY, "SPXW", HALF_DAY)
    assert checkpoint.receipt.exists()
    assert not checkpoint.records.exists()
    (event,) = date.events(journal.NO_DATA)
    assert (event["root"], event["expiration"]) == ("SPXW", "2024-07-03")
    assert date.state().kind is Kind.SEALED


# Requests in flight -------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrent", [1, 2, 4])
def test_no_more_requests_are_in_flight_than_allowed(concurrent, simulated, day):
    terminal = simulated(size="small", latency_ms=30, outstanding=16)
    date = day(terminal, interval="30m", max_concurrent_requests=concurrent)
    date.fetch()

    date.download()

    most = max(request["in_flight"] for request in terminal.requests() if request["path"] == HISTORY["v3"])
    assert len({*asked(terminal)}) == 8
    assert most == concurrent


def test_a_terminal_with_a_short_queue_is_asked_again(simulated, day):
    terminal = simulated(outstanding=1, queue=0, latency_ms=40)
    date = day(terminal, interval="30m", retry_wait_factor=0.15, max_concurrent_requests=2)
    date.fetch()

    date.download()

    retried = date.events(journal.RETRIED)
    assert retried
    assert {event["error"] for event in retried} == {"ApiRateLimitError"}
    assert date.layout.manifest(DAY).exists()


# Documents on disk --------------------------------------------------------------------------------------


def test_a_listing_comes_back(terminals, day):
    date = day(terminals["v3"])
    date.fetch()

    listing = Listing.of_json(date.listing())

    assert listing.as_json() == date.listing()
    assert [entry.chain for entry in listing.chains] == sorted(entry.chain for entry in listing.chains)


@pytest.mark.parametrize(
    "content", ["[]", "{}", "null", '{"date": "soon"}', '{"date": "2024-01-02", "chains": [{}]}']
)
def test_a_damaged_listing_is_made_anew(content, terminals, day):
    date = day(terminals["v3"])
    date.fetch()
    whole = date.listing()
    files.write_text(date.layout.listing(DAY), content)

    date.download()

    assert date.listing() == whole
    assert date.layout.manifest(DAY).exists()


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"receipts": [], "listing": {}}'])
def test_a_damaged_manifest_is_named_and_dropped(content, terminals, day):
    date = day(terminals["v3"])
    files.write_text(date.layout.manifest(DAY), content)

    with pytest.raises(SchemaValidationError, match=r"no manifest|no listing"):
        date.merge()

    assert not date.layout.manifest(DAY).exists()


def test_a_manifest_with_a_receipt_too_few_is_refused(terminals, day):
    date = day(terminals["v3"])
    date.fetch()
    date.download()
    document = json.loads(date.layout.manifest(DAY).read_text())
    document["receipts"].pop()
    date.layout.manifest(DAY).write_text(json.dumps(document))

    with pytest.raises(SchemaValidationError, match="one receipt for each listed chain"):
        date.merge()


def test_two_dates_fill_side_by_side(terminals, day, truth):
    dates = [day(terminals["v3"], DAY), day(terminals["v3"], dt.date(2024, 1, 3))]
    threads = [threading.Thread(target=date.fill) for date in dates]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for date in dates:
        rows = sealed_rows(date.layout.parquet(date.date))
        assert_frame_equal(
            rows, market_day(terminals["v3"], date.date, truth).select(rows.columns), check_exact=True
        )
