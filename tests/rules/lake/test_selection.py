"""Which rows are read: dates in the words of the command line, rows with greeks, days of a snapshot."""

import datetime as dt
import json
import shutil

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.rules.lake.conftest import DAYS

import spx_data
from spx_data.errors import (
    ConfigurationValidationError,
    DateValidationError,
    FileCorruptionError,
    MissingFileError,
    SchemaValidationError,
)
from spx_data.lake import reader, snapshots
from spx_data.store import reads, seals


def scan(layout, dates=None, **how):
    return spx_data.scan(dates, lake=layout.output, data=layout.data, **how)


def dates_in(frame):
    return sorted(frame.select(pl.col("date").unique()).collect()["date"])


@pytest.mark.parametrize(
    "words, expected",
    [
        ("last 2 sessions", DAYS[1:]),
        ("last 3 days", DAYS[2:]),
        ("this month, 2024-01-31", DAYS),
        (["last 2 days", dt.date(2024, 2, 1)], DAYS[1:]),
    ],
)
def test_the_recent_past_is_named_as_on_the_command_line(words, expected, sealed, monkeypatch):
    monkeypatch.setenv(
        "SPX_DATA_NOW", "2024-02-03T12:00-05:00" if "3" not in words else "2024-02-04T12:00-05:00"
    )

    assert dates_in(scan(sealed, words, missing="ignore")) == expected


def test_a_word_that_is_none_is_told_with_those_that_are(sealed):
    with pytest.raises(DateValidationError, match="'last 0 sessions' is no date") as caught:
        scan(sealed, "last 0 sessions")

    assert "last 20 sessions" in caught.value.cure


# Rows with greeks -------------------------------------------------------------------------------------------


def test_rows_without_greeks_are_left_out(sealed):
    paths = [str(sealed.parquet(date)) for date in DAYS]
    said = (
        duckdb.connect()
        .execute(
            """SELECT count(*),
                  count(*) FILTER (iv_error < 100),
                  count(*) FILTER (iv_error < 100 AND implied_vol * vega * underlying_price <> 0)
           FROM read_parquet(?)""",
            [paths],
        )
        .fetchone()
    )

    found = scan(sealed, valid_greeks=True).collect()

    assert said[0] > said[1] > said[2] == found.height > 500  # the old filter left some
    assert found.select(pl.min_horizontal(pl.col("implied_vol", "vega", "underlying_price").min())).item() > 0
    kept = (
        scan(sealed).collect().join(found, on=["date", "root", "expiration", "strike", "right", "timestamp"])
    )
    assert kept.height == found.height


def test_what_is_added_stands_beside_valid_greeks(sealed):
    added = scan(sealed, add=["mid", "forward"], valid_greeks=True).collect()

    beside = scan(sealed, add=["mid", "forward"]).collect()
    condition = "implied_vol > 0 AND iv_error < 100 AND vega > 0 AND underlying_price > 0"
    assert_frame_equal(added, beside.filter(pl.sql_expr(condition)))
    assert added["forward"].is_not_null().any()


def test_a_lake_without_greeks_of_the_vendor_has_no_valid_ones():
    with pytest.raises(SchemaValidationError, match="holds no greeks of the vendor"):
        reader._valid(["bid", "ask", "iv_mid"])


# Snapshots --------------------------------------------------------------------------------------------------


def created(layout, name="paper-2024", dates=None):
    _, sealed = reader.sealed(dates, lake=layout.output, data=layout.data, missing="raise")
    return snapshots.create(layout, name, {date: seal.parquet for date, seal in sealed.items()})


def resealed(layout, date):
    """Seal *date* anew without its last chain's rows, as a recheck would replace it."""
    path = layout.parquet(date)
    content = path.read_bytes()
    document = json.loads(layout.passport(date).read_bytes())
    path.write_bytes(content + b" ")
    seals.seal(path, reads.digest(path), document | {"sealed_at": "2024-05-05T00:00:00+00:00"})


def test_a_snapshot_reads_the_days_that_it_names(sealed):
    made = created(sealed, dates="2024-02")

    assert_frame_equal(scan(sealed, snapshot="paper-2024").collect(), scan(sealed, "2024-02").collect())
    assert dates_in(scan(sealed, "2024-02-02..2024-12", snapshot="paper-2024")) == DAYS[2:]
    assert made.root == spx_data.verification_root("2024-02", lake=sealed.output, data=sealed.data)
    with pytest.raises(DateValidationError, match="paper-2024 has none of the dates") as caught:
        scan(sealed, "2024-01", snapshot="paper-2024")
    assert "2024-02-01 to 2024-02-02" in caught.value.cure


def test_a_snapshot_is_mailed_and_read_beside_a_copy_of_the_lake(sealed, tmp_path):
    created(sealed)
    mailed = shutil.copy(sealed.snapshot("paper-2024"), tmp_path / "from you.json")
    copy = tmp_path / "copy" / "parquet"
    shutil.copytree(sealed.output, copy)

    assert dates_in(spx_data.scan(lake=copy, snapshot=mailed)) == DAYS
    assert len(spx_data.sealed_paths(lake=copy, snapshot=mailed)) == 3
    assert mailed.stat().st_size < 2000


def test_each_day_that_differs_is_named(sealed):
    created(sealed)
    resealed(sealed, DAYS[0])
    sealed.sidecar(DAYS[1]).unlink()
    snapshot = snapshots.read(sealed, "paper-2024")

    with pytest.raises(FileCorruptionError) as caught:
        scan(sealed, snapshot="paper-2024", missing="ignore")

    assert "2 of the 3 days of the snapshot paper-2024 are not as they were" in caught.value.cause
    assert f"2024-01-31 sealed anew ({snapshot.days[DAYS[0]][:12]}… then, " in caught.value.cause
    assert "2024-02-01 not sealed" in caught.value.cause
    assert "spx-data snapshot verify paper-2024" in caught.value.cure
    assert set(caught.value.fields["expected"]) == {"2024-01-31", "2024-02-01"}


def test_bytes_that_changed_under_their_sidecar_are_found(sealed):
    snapshot = created(sealed)
    with sealed.parquet(DAYS[2]).open("ab") as stream:
        stream.write(b" ")

    drifts = [str(each.drift) for each in snapshots.compare(sealed, snapshot, verify=True)]

    assert drifts == ["None", "None", "damaged"]
    assert not any(each.drift for each in snapshots.compare(sealed, snapshot, verify=False))


def test_a_name_stands_for_the_same_days_for_ever(sealed):
    first = created(sealed)

    assert created(sealed) == first  # and nothing is written
    with pytest.raises(ConfigurationValidationError, match="is a snapshot of other days: of 3"):
        created(sealed, dates="2024-02")


@pytest.mark.parametrize("name", ["", "../elsewhere", ".hidden", "a b", "a/b", "x" * 101, "é"])
def test_a_name_that_is_no_file_name_is_refused(name, sealed):
    with pytest.raises(ConfigurationValidationError, match="cannot be the name of a snapshot"):
        created(sealed, name)


def test_a_snapshot_that_is_not_there_is_told_with_those_that_are(sealed):
    created(sealed)

    with pytest.raises(MissingFileError, match=r"there is no snapshot 'papre'.* has paper-2024"):
        scan(sealed, snapshot="papre")


def test_a_snapshot_that_was_edited_is_none(sealed, tmp_path):
    created(sealed)
    path = sealed.snapshot("paper-2024")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"2024-01-31", b"2024-01-30"))
    with pytest.raises(FileCorruptionError, match="document_sha256"):
        scan(sealed, snapshot="paper-2024")

    document = json.loads(whole)
    for change in ({"days": {}}, {"days": 7}, {"days": {"2024-01-31": "x"}}, {"root": "0" * 64}):
        edited = {key: value for key, value in (document | change).items() if key != seals.FIELD}
        seals.write_document(path, edited)
        with pytest.raises(FileCorruptionError, match="is no snapshot"):
            scan(sealed, snapshot="paper-2024")
