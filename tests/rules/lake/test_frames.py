"""A row for each chain and for each day, by what passports say; what is kept of them is theirs or nothing."""

import datetime as dt
import json
import shutil

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.passports import unfolded, watched
from tests.rules.lake.conftest import DAYS

import spx_data
from spx_data.errors import FileCorruptionError
from spx_data.lake import frames
from spx_data.store import reads, seals

FIGURES = ("forward", "discount", "iv_atm", "spread_median", "spread_atm_dollars", "parity_r_squared")


def read(layout, of=spx_data.chains, dates=None, **how):
    return of(dates, lake=layout.output, data=layout.data, **how)


def passport(layout, date):
    return json.loads(layout.passport(date).read_bytes())


def reseal(layout, day, **sections):
    document = passport(layout, day) | sections
    seals.seal(layout.parquet(day), reads.digest(layout.parquet(day)), document)


@pytest.fixture
def cached(sealed):
    """Return a lake whose data directory has a cache, as a fill leaves it."""
    sealed.cache.mkdir(exist_ok=True)
    return sealed


@pytest.fixture
def asked(monkeypatch):
    """Return the dates whose passports are read from now on."""
    return watched(monkeypatch)


def test_each_chain_has_what_its_passport_says(cached):
    found = read(cached).to_dicts()

    told = [(date, chain) for date in DAYS for chain in unfolded(passport(cached, date))["chains"]]
    assert [(row["date"], row["root"], str(row["expiration"])) for row in found] == [
        (date, chain["root"], chain["expiration"]) for date, chain in told
    ]
    for row, (date, chain) in zip(found, told, strict=True):
        judged = chain["quality"]
        assert {name: row[name] for name in FIGURES} == {name: judged["figures"][name] for name in FIGURES}
        assert (row["score"], row["completeness"]) == (judged["score"], judged["parts"]["completeness"])
        assert row["dte"] == (dt.date.fromisoformat(chain["expiration"]) - date).days
        names = ("state", "rows", "contracts_listed", "stamps_expected", "stamps_missing")
        assert [row[name] for name in names] == [chain[name] for name in names]


def test_the_counts_and_the_forward_are_those_of_the_rows(cached):
    """Parity by hand: the call less the put, at the strike where they are nearest, is about the forward."""
    rows = spx_data.scan(lake=cached.output, data=cached.data)
    chain = ["date", "root", "expiration"]
    counted = rows.group_by(chain).agg(pl.len().cast(pl.Int64).alias("rows")).collect()
    mid = rows.filter(pl.col("bid") > 0).with_columns(mid=(pl.col("bid") + pl.col("ask")) / 2)
    sides = [
        mid.filter(pl.col("right").cast(pl.String) == side).select(*chain, "strike", "timestamp", "mid")
        for side in "CP"
    ]
    pairs = sides[0].join(sides[1], on=[*chain, "strike", "timestamp"], suffix="_put").collect()
    pairs = pairs.with_columns(difference=pl.col("mid") - pl.col("mid_put"))
    by_hand = (
        pairs.sort(pl.col("difference").abs())
        .group_by([*chain, "timestamp"], maintain_order=True)
        .first()
        .group_by(chain)
        .agg((pl.col("strike") + pl.col("difference")).median().alias("by_hand"))
    )

    found = read(cached).join(by_hand.with_columns(pl.col("root").cast(pl.String)), on=chain)

    assert len(found) > 10
    assert found.select(((pl.col("forward") / pl.col("by_hand") - 1).abs() < 0.005).all()).item()
    told = read(cached).filter(pl.col("rows") > 0).select(*chain, "rows")
    assert_frame_equal(
        told, counted.with_columns(pl.col("root").cast(pl.String)), check_row_order=False, check_exact=True
    )


def test_each_day_has_what_its_passport_says(cached):
    found = read(cached, spx_data.days).to_dicts()

    assert [row["date"] for row in found] == DAYS
    for row in found:
        told = passport(cached, row["date"])
        parts = {name: part["score"] for name, part in told["quality"]["parts"].items()}
        assert {name: row[name] for name in parts} == parts
        assert (
            row["score"] == told["quality"]["score"]
        )  # the weights of the test's settings are the shipped ones
        assert row["rows"] == told["rows"] == pl.scan_parquet(cached.parquet(row["date"])).collect().height
        assert (row["complete"], row["sha256"]) == (
            told["completeness"]["complete"],
            reads.digest(cached.parquet(row["date"])),
        )
        assert row["closes"].isoformat() == f"{row['date']}T16:00:00-05:00"
        assert row["underlying_close"] == told["underlying"]["close"]


def test_a_chain_without_records_is_none_of_its_day_s(cached):
    empty, *rest = passport(cached, DAYS[0])["chains"]
    reseal(cached, DAYS[0], chains=[empty | {"rows": 0}, *rest])

    assert read(cached, spx_data.days, "2024-01-31")["chains"].to_list() == [len(rest)]


def test_passports_are_read_once_and_again_only_where_a_day_was_sealed_anew(cached, asked):
    first = read(cached)
    assert asked == DAYS
    asked.clear()

    assert_frame_equal(read(cached), first)
    assert_frame_equal(read(cached, dates="2024-02"), first.filter(pl.col("date") >= DAYS[1]))
    assert asked == []

    chains = [chain | {"state": "short"} for chain in passport(cached, DAYS[1])["chains"]]
    reseal(cached, DAYS[1], chains=chains)
    # A part alone: the other days stay kept.
    assert set(read(cached, dates="2024-02-01")["state"]) == {"short"}
    assert asked == [DAYS[1]]
    again = read(cached)
    assert asked == [DAYS[1]]
    assert_frame_equal(again.filter(pl.col("date") != DAYS[1]), first.filter(pl.col("date") != DAYS[1]))


@pytest.mark.parametrize("torn", [b"", b"0" * 70, slice(100, 101), slice(-1, None), slice(0, 1)])
def test_what_is_kept_and_torn_is_nothing(torn, cached, asked):
    first = read(cached)
    path = cached.remembered("chains", 2024)
    content = bytearray(path.read_bytes())
    if isinstance(torn, slice):
        content[torn] = bytes(byte ^ 1 for byte in content[torn])
    else:
        content = torn
    path.write_bytes(content)
    asked.clear()

    assert_frame_equal(read(cached), first)

    assert asked == DAYS
    asked.clear()
    assert_frame_equal(read(cached), first)
    assert asked == []


def test_what_the_end_of_a_run_keeps_is_what_is_read_and_each_passport_is_read_once(cached, asked, tmp_path):
    copy = shutil.copytree(cached.output, tmp_path / "some days" / "parquet")
    frames.keep(cached)
    assert asked == DAYS
    frames.keep(cached)
    assert asked == DAYS
    asked.clear()

    kept = [read(cached, of) for of in (spx_data.chains, spx_data.days)]

    assert asked == []
    for of, found in zip((spx_data.chains, spx_data.days), kept, strict=True):
        assert_frame_equal(found, of(lake=copy))


def test_a_passport_that_was_edited_is_never_kept_nor_told(cached, asked):
    path = cached.passport(DAYS[1])
    sealed = path.read_bytes()
    path.write_bytes(sealed.replace(b'"whole"', b'"short"'))

    frames.keep(cached)  # stops at nothing
    asked.clear()
    with pytest.raises(FileCorruptionError, match="the sidecar says"):
        read(cached)
    others = read(cached, dates=[DAYS[0], DAYS[2]])
    assert set(asked) == {DAYS[1]}

    path.write_bytes(sealed)
    frames.keep(cached)
    first = read(cached)
    assert_frame_equal(first.filter(pl.col("date") != DAYS[1]), others)
    # Edited once it is kept: what is told is what was sealed.
    path.write_bytes(sealed.replace(b'"whole"', b'"short"'))
    frames.keep(cached)
    assert_frame_equal(read(cached), first)


def test_what_keeping_cannot_do_is_no_failure(cached, asked):
    for path in cached.output.rglob("*.sha256"):
        path.write_text("no sidecar")
    frames.keep(cached)
    assert asked == []
    shutil.rmtree(cached.output)
    frames.keep(cached)
    shutil.rmtree(cached.cache)
    frames.keep(cached)
    assert not cached.cache.exists()


def test_where_no_cache_is_nothing_is_written(sealed, tmp_path, asked):
    copy = tmp_path / "some days" / "parquet"
    shutil.copytree(sealed.output, copy)

    assert len(spx_data.chains(lake=copy)) == len(spx_data.chains(lake=copy)) > 10

    assert asked == DAYS + DAYS
    assert [path.name for path in copy.parent.iterdir()] == ["parquet"]


def test_a_passport_that_is_none_of_this_day_is_refused(cached):
    reseal(cached, DAYS[1], date="2024-02-02")
    with pytest.raises(
        FileCorruptionError, match=r"2024-02-01\.json is of 2024-02-02: another day"
    ) as caught:
        read(cached)
    assert "spx-data verify" in caught.value.cure

    cached.passport(DAYS[0]).write_bytes(b"{}")
    with pytest.raises(FileCorruptionError, match="the sidecar says"):
        read(cached, dates="2024-01-31")


@pytest.mark.parametrize(
    "details",
    [{}, {"chains": 7}, {"chains": []}, {"chains": None}],
)
def test_details_of_another_shape_say_nothing(details, cached):
    reseal(cached, DAYS[0], details=details)

    found = read(cached, dates="2024-01-31")

    assert found["rows"].sum() == passport(cached, DAYS[0])["rows"]
    assert found.select(pl.col(*FIGURES, "score", "stamps_missing").is_null().all()).row(0) == (True,) * 8


@pytest.mark.parametrize("value", ["4700", True, None, {"a": 1}, [1.0], float("inf"), float("nan")])
def test_a_value_of_another_type_is_null(value, cached):
    told = passport(cached, DAYS[0])["details"]
    told["chains"][0]["quality"]["figures"]["forward"] = value
    told["chains"][0]["quality"]["parts"]["completeness"] = value
    told["chains"][1]["quality"] = []
    reseal(cached, DAYS[0], details=told)

    found = read(cached, dates="2024-01-31")

    assert found["forward"].is_null().to_list()[:2] == [True] * 2
    assert found["forward"].is_not_null().any() and found["discount"][0]
    assert (found["completeness"][0], found["completeness"][2]) == (None, 100)
    assert 90 < found["score"][0] <= 100  # by the other parts


def test_names_are_completed():
    assert {"chains", "connect", "days", "ready", "scan"} <= set(dir(spx_data)) == set(spx_data.__all__)
    for name in dir(spx_data):
        assert getattr(spx_data, name)
