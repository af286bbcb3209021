"""Reading a lake that was really filled: sealed days alone, checked first, named by one digest."""

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import warnings

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal, assert_series_equal
from tests import sealed_days
from tests.rules.lake.conftest import DAYS

import spx_data
from spx_data.errors import (
    ConfigurationValidationError,
    DateValidationError,
    FileCorruptionError,
    MissingFileError,
    SchemaValidationError,
)
from spx_data.lake import reader
from spx_data.lake.reader import computed
from spx_data.lake.verify import root_of
from spx_data.market import expirations, products, schema
from spx_data.pricing import chain, day
from spx_data.pricing.chain import Terms
from spx_data.pricing.quotes import Quotes
from spx_data.store import dataset, files, journal, parquet, reads, seals


def scan(layout, dates=None, **how):
    return spx_data.scan(dates, lake=layout.output, data=layout.data, **how)


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
    columns = scan(sealed).collect_schema()

    assert columns["timestamp"] == pl.Datetime("ms", "America/New_York")
    assert columns["underlying_timestamp"] == pl.Datetime("ms", "America/New_York")
    first = scan(sealed).select(pl.col("timestamp").min()).collect().item()
    assert first.isoformat() == "2024-01-31T09:30:00-05:00"


def test_a_lakes_folder_may_have_a_name_that_looks_like_a_pattern(sealed, tmp_path):
    odd = tmp_path / "lake=[1]*"
    shutil.move(sealed.output, odd)

    assert dates_in(spx_data.scan(lake=str(odd))) == DAYS
    assert "lake" not in spx_data.scan(lake=odd).collect_schema()


# What should be there -----------------------------------------------------------------------------------


def test_a_range_with_lost_days_is_refused_or_read_without_them(sealed):
    sealed.sidecar(DAYS[0]).unlink()
    sealed.parquet(DAYS[1]).unlink()

    for dates in (None, "2024"):
        with pytest.raises(FileCorruptionError, match="whole any more: 2024-01-31, 2024-02-01") as caught:
            scan(sealed, dates)
        assert "spx-data verify" in caught.value.cure
        with pytest.warns(reader.MissingDaysWarning, match="left out 2 sessions") as told:
            assert dates_in(scan(sealed, dates, missing="warn")) == DAYS[2:]
        assert [(warning.message.dates, warning.filename) for warning in told] == [
            (tuple(DAYS[:2]), __file__)
        ]
        assert dates_in(scan(sealed, dates, missing="ignore")) == DAYS[2:]
    assert dates_in(scan(sealed, "2024-02-02..2024-02-28")) == DAYS[2:]


def test_a_day_that_is_gone_altogether_was_sealed_by_the_journals_word(sealed):
    shutil.rmtree(sealed.parquet(DAYS[2]).parent)  # the last one, so no session between two sealed ones

    with pytest.raises(FileCorruptionError, match="whole any more: 2024-02-02"):
        scan(sealed)

    # Without a word, journals are looked for around a lake that is where the settings have it.
    usual, other = sealed.data / "parquet", sealed.data / "a copy of some days"
    shutil.move(sealed.output, usual)
    with pytest.raises(FileCorruptionError, match="whole any more: 2024-02-02"):
        spx_data.scan(lake=usual)
    shutil.move(usual, other)
    assert dates_in(spx_data.scan(lake=other)) == DAYS[:2]


def test_a_session_between_sealed_days_that_was_never_filled_is_missing(sealed):
    shutil.rmtree(sealed.parquet(DAYS[1]).parent)
    sealed.journal(DAYS[1]).unlink()

    with pytest.raises(MissingFileError, match=r"1 of the selected sessions .* never filled: 2024-02-01"):
        scan(sealed)
    with pytest.raises(MissingFileError, match="never filled: 2024-02-01"):
        spx_data.verification_root(lake=sealed.output)
    with pytest.warns(reader.MissingDaysWarning, match="never filled: 2024-02-01"):
        found = spx_data.sealed_paths("2024", lake=sealed.output, missing="warn")
    assert found == [str(sealed.parquet(DAYS[0])), str(sealed.parquet(DAYS[2]))]


@pytest.mark.parametrize(
    ("event", "fields"),
    [(journal.ACCEPTED, {"reason": "a storm"}), (journal.NO_DATA, {"cause": "", "vendor": "full_close"})],
)
def test_what_is_rightly_without_data_is_not_missed(event, fields, sealed):
    shutil.rmtree(sealed.parquet(DAYS[1]).parent)
    sealed.journal(DAYS[1]).unlink()
    journal.Journal(sealed.journal(DAYS[1]), "list").record(event, **fields)

    assert dates_in(scan(sealed)) == [DAYS[0], DAYS[2]]


def test_a_day_that_a_fill_is_publishing_is_not_lost(sealed):
    other = dt.date(2024, 2, 5)
    journal.Journal(sealed.journal(other), "merge").record(journal.STARTED)
    files.write_text(sealed.parquet(other), "PAR1")

    assert dates_in(scan(sealed, "2024")) == DAYS


def test_another_word_for_what_is_missing_is_an_error(sealed):
    with pytest.raises(DateValidationError, match="raise, warn, ignore"):
        scan(sealed, missing="skip")


def test_named_dates_may_be_left_out_as_well(sealed):
    with pytest.warns(reader.MissingDaysWarning, match="2024-01-30"):
        assert dates_in(scan(sealed, ["2024-01-30", DAYS[0]], missing="warn")) == DAYS[:1]


# What the passports say ---------------------------------------------------------------------------------


def reseal(layout, date, change):
    """Write the passport of *date* anew, changed."""
    passport = json.loads(layout.passport(date).read_bytes())
    change(passport)
    sealed_days.reseal(layout, date, passport)


def lacks(what):
    def change(passport):
        passport["completeness"] |= {"complete": False, "unknown": what}

    return change


def whole(passport):
    passport["completeness"] |= {"complete": True, "unknown": []}


def test_incomplete_days_come_with_one_warning_or_not_at_all(sealed):
    for date in DAYS:
        reseal(sealed, date, whole)
    for date in DAYS[1:]:
        reseal(sealed, date, lacks(["SPX 2024-03-15 unavailable"]))

    with pytest.warns(reader.IncompleteDaysWarning) as told:
        assert dates_in(scan(sealed)) == DAYS
    ((text, dates, file),) = [(str(one.message), one.message.dates, one.filename) for one in told]
    assert "2 days are incomplete: 2024-02-01, 2024-02-02; 2024-02-01: SPX 2024-03-15 unavailable" in text
    assert (dates, file) == (tuple(DAYS[1:]), __file__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dates_in(scan(sealed, complete=False)) == DAYS
        assert dates_in(scan(sealed, complete=True)) == DAYS[:1]
    with pytest.raises(DateValidationError, match=r"none of the 2 selected days .* complete=True"):
        scan(sealed, "2024-02", complete=True)


def test_days_are_chosen_by_their_score(sealed):
    for date, points in zip(DAYS, (100.0, 60.0, None), strict=True):
        section = None if points is None else sealed_days.judged(**dict.fromkeys(sealed_days.CHECKS, points))
        reseal(sealed, date, lambda passport, section=section: passport.update(quality=section))

    def chosen(score):
        return dates_in(scan(sealed, min_score=score, complete=False))

    assert (chosen(61), chosen(60)) == (DAYS[:1], DAYS[:2])
    with pytest.raises(DateValidationError, match=r"a score of 100\.5"):
        scan(sealed, min_score=100.5)


def copied_over(layout, source, target, *, passport):
    """Copy the Parquet of *source* over that of *target*, with a sidecar made anew."""
    shutil.copy(layout.parquet(source), layout.parquet(target))
    if passport:
        shutil.copy(layout.passport(source), layout.passport(target))
    sealed_days.reseal(layout, target, json.loads(layout.passport(target).read_bytes()))


def test_a_day_copied_over_another_is_refused(sealed):
    copied_over(sealed, DAYS[0], DAYS[1], passport=True)
    copied_over(sealed, DAYS[0], DAYS[2], passport=False)

    for verify in (True, False):
        with pytest.raises(FileCorruptionError, match="2 of 3 days are not what their names say") as caught:
            scan(sealed, verify=verify)
        told = caught.value.fields["actual"]
        assert told["2024-02-01"] == "its passport is of 2024-01-31"
        assert "its passport is of a Parquet with the SHA-256" in told["2024-02-02"]


def test_rows_of_another_day_are_refused_whatever_the_passport_says(sealed):
    copied_over(sealed, DAYS[0], DAYS[1], passport=True)
    reseal(sealed, DAYS[1], lambda passport: passport.update(date=DAYS[1].isoformat()))

    with pytest.raises(FileCorruptionError, match="2024-02-01: its rows are of 2024-01-31"):
        scan(sealed)


def test_a_day_without_its_passport_is_refused(sealed):
    sealed.passport(DAYS[0]).unlink()
    content = sealed.passport(DAYS[1]).read_bytes()
    sealed.passport(DAYS[1]).write_bytes(content.replace(b"2024", b"2025", 1))

    with pytest.raises(FileCorruptionError, match="2024-01-31: its passport is not there") as caught:
        scan(sealed)
    assert "the sidecar says" in caught.value.fields["actual"]["2024-02-01"]


def test_a_date_named_by_itself_that_is_not_there_is_missing(sealed):
    with pytest.raises(MissingFileError, match="2024-01-30, 2024-02-05") as caught:
        scan(sealed, ["2024-01-30", DAYS[0], "2024-02-05"])

    assert "Fill them with `spx-data process-gaps`" in caught.value.cure
    assert "in a shell --missing warn, reads the others" in caught.value.cure


@pytest.mark.parametrize("known", [True, False])
def test_where_the_journals_are_is_asked_only_of_who_has_not_told(known, sealed, tmp_path):
    assert sealed.journals()

    with pytest.raises(MissingFileError) as caught:
        spx_data.scan("2024-01-30", lake=sealed.output, data=sealed.data if known else tmp_path / "none")

    assert ("data=…" in caught.value.cure) != known


@pytest.mark.parametrize("number", [0, 1])
def test_a_date_named_by_itself_that_is_not_whole_is_corrupt(number, sealed):
    sealed.sealed_files(DAYS[0])[number].unlink()

    with pytest.raises(FileCorruptionError, match="2024-01-31") as caught:
        scan(sealed, "2024-01-31")

    assert "spx-data verify" in caught.value.cure


@pytest.mark.parametrize("dates", ["2023", "2024-03", []])
def test_a_selection_of_nothing_is_an_error(dates, sealed):
    with pytest.raises(DateValidationError, match="no sealed day") as caught:
        scan(sealed, dates)

    assert f" days are of {DAYS[0]} to " in caught.value.cure


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
    assert fields["actual"]["2024-02-02"] == reads.digest(sealed.parquet(DAYS[2]))
    assert fields["expected"]["2024-02-02"] == seals.read(sealed.parquet(DAYS[2])).parquet
    assert dates_in(scan(sealed, DAYS[1])) == [DAYS[1]]
    with pytest.raises(FileCorruptionError, match="2 of 3 days"):
        spx_data.sealed_paths(lake=sealed.output, data=sealed.data)


def test_without_verification_nothing_is_hashed(sealed):
    spoil(sealed, DAYS[0])

    assert isinstance(scan(sealed, verify=False), pl.LazyFrame)


def test_a_root_names_the_exact_data(sealed):
    root = spx_data.verification_root("2024-02", lake=sealed.output)
    sidecars = {date: sealed.sidecar(date).read_text().split()[0] for date in DAYS[1:]}

    assert root == root_of(sidecars)
    assert dates_in(scan(sealed, "2024-02", root=root)) == DAYS[1:]
    assert dates_in(scan(sealed, DAYS[1:], root=root.upper())) == DAYS[1:]
    with pytest.raises(FileCorruptionError, match=f"not {root}"):
        scan(sealed, root=root)
    with pytest.raises(FileCorruptionError, match="from 2024-02-02 to 2024-02-02"):
        scan(sealed, DAYS[2], root=root)


def test_data_sealed_anew_with_other_bytes_has_another_root(sealed):
    root = spx_data.verification_root(lake=sealed.output)
    spoil(sealed, DAYS[0])
    reseal(sealed, DAYS[0], whole)

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


# Columns that are computed --------------------------------------------------------------------------------


def seal_by_the_first_version(layout, date):
    """Seal the rows of *date* anew with the columns of the first version of the schema alone."""
    path, first = layout.parquet(date), schema.SCHEMAS["greeks"][1]
    with pq.ParquetFile(path) as file:
        chains = [
            (*key, [pa.concat_tables(rows)]) for *key, rows in parquet.chains(file, first.day.names[3:])
        ]
    with path.open("wb") as stream, parquet.DayWriter(stream, first, {}) as writer:
        for root, expiration, (rows,) in chains:
            records = rows.select(first.record.names).cast(first.record)
            writer.add(root, expiration, [first.table(date, root, expiration, pl.DataFrame(records))])
        written = writer.close()
    told = {"bytes": path.stat().st_size, "sha256": reads.digest(path)}
    reseal(layout, date, lambda passport: passport.update(schema_version=first.version, parquet=told))
    return written.records_sha256


def test_days_to_the_expiration_are_as_sealed_or_computed_where_they_are_not(sealed):
    before, told = scan(sealed).collect(), json.loads(sealed.passport(DAYS[1]).read_bytes())
    digest = seal_by_the_first_version(sealed, DAYS[1])

    union, filled = scan(sealed).collect(), scan(sealed, add=["dte"])

    assert digest == told["records_sha256"]  # of records that say what they said
    assert_frame_equal(union.drop("dte"), before.drop("dte"), check_exact=True)
    assert set(union.filter(pl.col("dte").is_null())["date"]) == {DAYS[1]}
    assert_frame_equal(union.drop_nulls("dte"), before.filter(pl.col("date") != DAYS[1]), check_exact=True)
    days = (pl.col("expiration") - pl.col("date")).dt.total_days()
    assert before.select((pl.col("dte") == days).all()).item()
    assert_frame_equal(filled.collect(), before, check_exact=True)
    assert_frame_equal(
        filled.filter(pl.col("dte") == 0).collect(), before.filter(pl.col("dte") == 0), check_exact=True
    )
    computed_of_all = scan(sealed, schema_version=1, add=["dte"]).collect()
    assert_frame_equal(computed_of_all, before, check_exact=True)
    priced = scan(sealed, add=["mid", "iv_mid", "dte"]).filter(pl.col("dte") == 0).select("date", "iv_mid")
    assert set(priced.collect()["date"]) == set(DAYS)


def seal_with_words_as_categories(layout, date):
    """Seal the rows of *date* anew, their words declared as dictionaries."""
    path = layout.parquet(date)
    with parquet.opened(path) as file:
        rows = file.read().replace_schema_metadata(file.metadata.metadata)
    pq.write_table(rows, path, **parquet.OPTIONS)
    told = {"bytes": path.stat().st_size, "sha256": reads.digest(path)}
    reseal(layout, date, lambda passport: passport.update(parquet=told))


@pytest.mark.parametrize("date", DAYS)
def test_days_that_have_their_words_as_categories_are_read_beside_others_as_text(date, sealed):
    before, priced = scan(sealed).collect(), scan(sealed, add=["mid"]).collect()
    seal_with_words_as_categories(sealed, date)

    assert pl.scan_parquet(sealed.parquet(date)).collect_schema()["root"] == pl.Categorical
    assert before.schema["root"] == before.schema["right"] == pl.String
    assert_frame_equal(scan(sealed).collect(), before, check_exact=True)
    assert_frame_equal(scan(sealed, add=["mid"]).collect(), priced, check_exact=True)
    asked = pl.col("right") == "C"
    assert_frame_equal(scan(sealed).filter(asked).collect(), before.filter(asked), check_exact=True)


def test_values_of_our_own_are_those_of_the_model_on_the_same_rows(sealed):
    plain = pl.read_parquet(sealed.parquet(DAYS[1]))
    names = [name for name in computed.NAMES if name not in plain.columns]

    found = scan(sealed, DAYS[1], add=computed.NAMES).collect()

    assert [name for name in computed.NAMES if name in plain.columns] == ["dte"]
    assert_frame_equal(found.drop(names), plain, check_exact=True)
    assert found.columns == [*plain.columns, *names]
    for (root, expiration), rows in found.partition_by("root", "expiration", as_dict=True).items():
        stamps = rows["timestamp"].dt.epoch("ms").to_numpy()
        settled = expirations.settled_ms(expiration, at_the_open=root == "SPX")
        quotes = Quotes(
            rows["strike"].to_numpy(),
            (rows["right"] == "C").to_numpy(),
            stamps,
            rows["bid"].to_numpy(),
            rows["ask"].to_numpy(),
        )
        wanted = chain.price(Terms(settled, tick=0.05), quotes)._asdict()
        for name, of in day.COLUMNS.items():
            np.testing.assert_array_equal(rows[name].to_numpy(), wanted[of], err_msg=name)
        assert rows["years"].to_list() == ((settled - stamps) / chain.YEAR_MS).tolist()
        assert rows["dte"].unique().to_list() == [(expiration - DAYS[1]).days]
    assert_series_equal(found["mid"], (found["bid"] + found["ask"]) / 2, check_names=False)
    assert_series_equal(found["moneyness"], found["strike"] / found["forward"], check_names=False)
    assert found["iv_mid"].is_not_null().mean() > 0.4
    assert found["iv_mid"].is_nan().sum() == 0


def test_our_volatilities_are_near_the_vendors_two_weeks_before_the_end(sealed):
    """The vendor's know no dividends and count whole days, so near is what they can be."""
    found = scan(sealed, DAYS[1], add=["dte", "iv_mid", "own_delta", "own_vega"]).collect()

    near = found.filter(pl.col("dte") > 10, pl.col("own_vega") > 200, pl.col("underlying_price") > 0)
    assert len(near) > 50
    assert (near["iv_mid"] - near["implied_vol"]).abs().quantile(0.9) < 0.01
    assert (near["own_delta"] - near["delta"]).abs().quantile(0.9) < 0.03


def test_what_is_computed_is_read_lazily_like_what_is_sealed(sealed):
    every = scan(sealed, add=["iv_mid", "dte"])
    whole = every.collect()

    some = every.filter(pl.col("dte") == 0, pl.col("right") == "C").select("date", "strike", "iv_mid")
    few = every.select("iv_mid").head(7)

    mine = whole.filter(pl.col("dte") == 0, pl.col("right") == "C").select("date", "strike", "iv_mid")
    assert_frame_equal(some.collect(), mine, check_exact=True)
    assert_frame_equal(few.collect(), whole.select("iv_mid").head(7), check_exact=True)
    soonest = every.filter(pl.col("expiration") == pl.col("date"))
    assert_frame_equal(soonest.collect(), whole.filter(pl.col("dte") == 0), check_exact=True)
    assert every.select(pl.len()).collect().item() == len(whole)
    counted = every.group_by("date").agg(pl.col("iv_mid").count()).sort("date").collect()
    assert counted["date"].to_list() == DAYS


def test_chains_that_a_filter_leaves_out_are_not_priced(sealed, monkeypatch):
    priced, price = [], day.Day.chain
    monkeypatch.setattr(day.Day, "chain", lambda self, *chain: priced.append(chain[1]) or price(self, *chain))

    found = scan(sealed, add=["iv_mid"]).filter(pl.col("expiration") == DAYS[1]).collect()

    assert len(found) > 0
    assert set(priced) == {DAYS[1]}


def test_a_name_that_nothing_computes_is_told_in_one_line_with_those_that_are(sealed):
    with pytest.raises(SchemaValidationError) as caught:
        scan(sealed, add=["iv_mid", "implied_vol_mid"])

    assert str(caught.value).splitlines() == [str(caught.value)]
    assert "'implied_vol_mid'" in str(caught.value)
    assert all(name in caught.value.cure for name in computed.NAMES)


def test_of_a_symbol_that_only_a_config_knows_a_product_says_what_it_is(sealed):
    facts = {"exercise": "European", "roots": {"SPX": "AM", "SPXW": "PM"}, "ticks": [[0, 0.05]]}
    own = products.own("XYZ", facts)

    told = scan(sealed, DAYS[1], add=["iv_mid"], product=own).collect()

    assert_frame_equal(told, scan(sealed, DAYS[1], add=["iv_mid"]).collect(), check_exact=True)
    files.write_json(sealed.dataset, reads.read_json(sealed.dataset) | {"symbol": "XYZ"})
    with pytest.raises(ConfigurationValidationError, match="XYZ"):
        dataset.product(sealed.output)
