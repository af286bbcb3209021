"""Reading a lake that was really filled: sealed days alone, checked first, named by one digest."""

import datetime as dt
import os
import shutil
import subprocess
import sys

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import spx_data
from spx_data import files, seals
from spx_data.errors import DateValidationError, FileCorruptionError, MissingFileError
from spx_data.integrity import merkle

DAYS = [dt.date(2024, 1, 31), dt.date(2024, 2, 1), dt.date(2024, 2, 2)]


@pytest.fixture
def sealed(day, terminals, tmp_path, tmp_path_factory):
    """Return the layout of a lake with three sealed days, filled once and copied for each test."""
    dates = [day(terminals["v3"], date, interval="1h", keep_ndjson=False) for date in DAYS]
    kept = tmp_path_factory.getbasetemp() / "lake-to-read"
    if kept.exists():
        shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    else:
        for date in dates:
            date.fill()
        shutil.copytree(tmp_path, kept)
    return dates[0].layout


def scan(layout, dates=None, **how):
    return spx_data.scan(dates, lake=layout.output, **how)


def dates_in(frame):
    return frame.select(pl.col("date").unique(maintain_order=True)).collect()["date"].to_list()


def spoil(layout, date):
    path = layout.parquet(date)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


def test_all_sealed_days_in_their_order(sealed):
    found = scan(sealed)

    assert isinstance(found, pl.LazyFrame)
    assert dates_in(found) == DAYS
    expected = pl.concat(pl.read_parquet(sealed.parquet(date)) for date in DAYS)
    assert_frame_equal(found.collect(), expected, check_exact=True)


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ("2024-02-01", DAYS[1:2]),
        ("2024-02", DAYS[1:]),
        ("2024", DAYS),
        ("2024-01-31..2024-02-01", DAYS[:2]),
        ("2024-02-02, 2024-01-31", [DAYS[0], DAYS[2]]),
        (DAYS[1], DAYS[1:2]),
        (dt.datetime(2024, 2, 1, 9, 30, tzinfo=dt.UTC), DAYS[1:2]),
        ([DAYS[2], "2024-01"], [DAYS[0], DAYS[2]]),
        ((date for date in reversed(DAYS)), DAYS),
    ],
)
def test_dates_may_be_named_in_many_ways(dates, expected, sealed):
    assert dates_in(scan(sealed, dates)) == expected


def test_words_of_several_files_are_the_same_words(sealed):
    counted = scan(sealed).group_by("root", "right").len().sort("root", "right").collect()

    words = counted.select(pl.col("root", "right").cast(pl.String)).rows()
    assert words == [("SPX", "C"), ("SPX", "P"), ("SPXW", "C"), ("SPXW", "P")]
    rows = sum(pl.scan_parquet(sealed.parquet(date)).select(pl.len()).collect().item() for date in DAYS)
    assert counted["len"].sum() == rows
    spxw = scan(sealed).filter(pl.col("root") == "SPXW").select(pl.len()).collect().item()
    assert spxw == counted.filter(pl.col("root").cast(pl.String) == "SPXW")["len"].sum()


def test_stamps_keep_their_zone(sealed):
    schema = scan(sealed).collect_schema()

    assert schema["timestamp"] == pl.Datetime("ms", "America/New_York")
    assert schema["underlying_timestamp"] == pl.Datetime("ms", "America/New_York")
    first = scan(sealed).select(pl.col("timestamp").min()).collect().item()
    assert first.isoformat() == "2024-01-31T09:30:00-05:00"


def test_a_lakes_folder_may_have_a_name_that_looks_like_a_pattern(sealed, tmp_path):
    odd = tmp_path / "lake=[1]*"
    shutil.move(sealed.output, odd)

    assert dates_in(spx_data.scan(lake=str(odd))) == DAYS
    assert "lake" not in spx_data.scan(lake=odd).collect_schema()


def test_only_sealed_days_are_read(sealed):
    sealed.sidecar(DAYS[0]).unlink()
    sealed.parquet(DAYS[1]).unlink()

    assert dates_in(scan(sealed)) == DAYS[2:]
    assert dates_in(scan(sealed, "2024")) == DAYS[2:]


def test_a_date_named_by_itself_that_is_not_there_is_missing(sealed):
    with pytest.raises(MissingFileError, match="2024-01-30, 2024-02-05") as caught:
        scan(sealed, ["2024-01-30", DAYS[0], "2024-02-05"])

    assert "snakemake --cores 4" in caught.value.cure


@pytest.mark.parametrize("number", [0, 1])
def test_a_date_named_by_itself_that_is_not_whole_is_corrupt(number, sealed):
    sealed.sealed_files(DAYS[0])[number].unlink()

    with pytest.raises(FileCorruptionError, match="2024-01-31") as caught:
        scan(sealed, "2024-01-31")

    assert "snakemake verify" in caught.value.cure


@pytest.mark.parametrize("dates", ["2023", "2024-03", []])
def test_a_selection_of_nothing_is_an_error(dates, sealed):
    with pytest.raises(DateValidationError, match="no sealed day"):
        scan(sealed, dates)


@pytest.mark.parametrize("dates", ["", "soon", "2024-13", [7], [None]])
def test_what_is_no_date_is_an_error(dates, sealed):
    with pytest.raises(DateValidationError):
        scan(sealed, dates)


def test_an_empty_lake_is_an_error(tmp_path):
    with pytest.raises(DateValidationError, match="no sealed day"):
        spx_data.scan(lake=tmp_path)


def test_every_changed_day_is_named_before_a_row_is_read(sealed):
    spoil(sealed, DAYS[0])
    spoil(sealed, DAYS[2])

    with pytest.raises(FileCorruptionError, match=r"2 of 3 days .* 2024-01-31, 2024-02-02") as caught:
        scan(sealed)

    fields = caught.value.fields
    assert fields["actual"]["2024-02-02"] == files.digest(sealed.parquet(DAYS[2]))
    assert fields["expected"]["2024-02-02"] == seals.sealed_checksum(sealed.parquet(DAYS[2]))
    assert dates_in(scan(sealed, DAYS[1])) == [DAYS[1]]


def test_without_verification_nothing_is_hashed(sealed):
    spoil(sealed, DAYS[0])

    assert isinstance(scan(sealed, verify=False), pl.LazyFrame)


def test_a_root_names_the_exact_data(sealed):
    root = spx_data.verification_root("2024-02", lake=sealed.output)
    sidecars = {date: sealed.sidecar(date).read_text().split()[0] for date in DAYS[1:]}

    assert root == merkle.root(sidecars)
    assert dates_in(scan(sealed, "2024-02", root=root)) == DAYS[1:]
    assert dates_in(scan(sealed, DAYS[1:], root=root.upper())) == DAYS[1:]
    with pytest.raises(FileCorruptionError, match=f"not {root}"):
        scan(sealed, root=root)
    with pytest.raises(FileCorruptionError, match="from 2024-02-02 to 2024-02-02"):
        scan(sealed, DAYS[2], root=root)


def test_data_sealed_anew_with_other_bytes_has_another_root(sealed):
    root = spx_data.verification_root(lake=sealed.output)
    spoil(sealed, DAYS[0])
    seals.seal(sealed.parquet(DAYS[0]), files.digest(sealed.parquet(DAYS[0])))

    with pytest.raises(FileCorruptionError, match="3 selected days"):
        scan(sealed, root=root)


def test_the_package_itself_stays_light():
    code = (
        "import sys, spx_data; print(*sorted({'polars', 'pyarrow', 'yaml', 'requests'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)

    assert (found.returncode, found.stdout.strip()) == (0, "")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = spx_data.nothing
