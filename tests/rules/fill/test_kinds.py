"""Each kind of records, from the terminal to the seal, cell by cell as the simulated market has it."""

import dataclasses

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from tests.conftest import TODAY
from tests.rules.conftest import DAY

import theta_simulator
from spx_data.errors import DatasetMismatchError, SubscriptionError
from spx_data.lake.reader import scan
from spx_data.lake.verify import Standing, verify
from spx_data.market import expirations, schema
from spx_data.market.dates import ZONE
from spx_data.pricing import chain
from spx_data.pricing import day as priced_day
from spx_data.pricing.chain import Terms
from spx_data.pricing.quotes import Quotes
from spx_data.quality.checks import Need
from spx_data.store import dataset, files, reads
from theta_simulator import index, kinds, surface
from theta_simulator.greeks import Version

OF = {"greeks": kinds.GREEKS, "greeks-all": kinds.ALL, "quotes": kinds.QUOTES}
WAYS = [
    ("greeks", "v3", "csv"),
    ("greeks-all", "v3", "ndjson"),
    ("greeks-all", "v2", "csv"),
    ("quotes", "v3", "csv"),
    ("quotes", "v3", "json"),
    ("quotes", "v2", "json"),
]


def truth(terminal, kind, api):
    """Return the rows of the date as they are sealed, by the market itself."""
    usual = Version.V2 if api == "v2" else Version.LATEST
    version, market = (usual if OF[kind].underlying else Version.NONE), terminal.truth.clean
    midnight = pl.lit(DAY).cast(pl.Datetime("ms")).dt.replace_time_zone(ZONE)
    chains = []
    for root in ("SPX", "SPXW"):
        for label in (expiration.label for expiration in market.expirations(root, DAY)):
            rows = market.history(root, label, DAY, 60_000, greeks_version=version.value)
            more = OF[kind].more(rows, label, DAY, version)
            chains.append(
                more.with_columns(
                    date=pl.lit(DAY),
                    root=pl.lit(root),
                    expiration=pl.lit(label),
                    dte=pl.lit((label - DAY).days, pl.Int32),
                    timestamp=midnight + pl.duration(milliseconds="ms_of_day"),
                    underlying_timestamp=midnight + pl.duration(milliseconds="underlying_ms"),
                )
            )
    sent = [each.name for each in schema.newest(kind).columns if not each.computed]
    return pl.concat(chains).select(sent).sort(schema.SORTED_BY)


@pytest.mark.parametrize(("kind", "api", "form"), WAYS)
def test_a_day_has_every_cell_of_its_kind(kind, api, form, terminals, day):
    date = day(terminals[api], api=api, format=form, records=kind)

    date.fill()

    found = pl.read_parquet(date.layout.parquet(DAY))
    expected = truth(terminals[api], kind, api)
    assert found.columns == schema.newest(kind).day.names
    assert len(found) == len(expected)
    differ = [name for name in expected.columns if not _plain(found[name]).equals(_plain(expected[name]))]
    assert differ == []
    passport = date.passport()
    assert (passport["records"], passport["completeness"]["complete"]) == (kind, True)
    assert [checked.standing for checked in verify(date.settings, None).days] == [Standing.HEALTHY]
    assert scan(lake=date.layout.output).collect().columns == found.columns


def test_of_quotes_volatilities_and_greeks_are_computed(terminals, day):
    """They are the model's on the market's own quotes, and near what the market was made with."""
    date = day(terminals["v3"], records="quotes")
    date.fill()

    found = pl.read_parquet(date.layout.parquet(DAY))

    expected, decimals = truth(terminals["v3"], "quotes", "v3"), {}
    for each in schema.newest("quotes").columns:
        decimals |= {each.name: each.decimals} if each.computed else {}
    assert decimals.keys() == priced_day.COLUMNS.keys()
    for (root, expiration), rows in expected.partition_by("root", "expiration", as_dict=True).items():
        stamps = rows["timestamp"].dt.epoch("ms").to_numpy()
        settled = expirations.settled_ms(expiration, at_the_open=root == "SPX")
        numbers = [rows[name].to_numpy() for name in ("strike", "bid", "ask")]
        quotes = Quotes(numbers[0], (rows["right"] == "C").to_numpy(), stamps, *numbers[1:])
        wanted = chain.price(Terms(settled, tick=0.05), quotes)._asdict()
        mine = found.filter(pl.col("root").cast(pl.String) == root, pl.col("expiration") == expiration)
        for name, of in priced_day.COLUMNS.items():
            np.testing.assert_allclose(mine[name].to_numpy(), wanted[of], atol=0.51 * 10.0 ** -decimals[name])

        model = true_volatility(terminals["v3"], rows, (settled - stamps) / chain.YEAR_MS)
        sure = mine["own_vega"].fill_null(0).to_numpy() > 100
        assert np.abs(mine["iv_mid"].to_numpy() - model)[sure].mean() < 0.01 if sure.any() else True
    assert (found["own_vega"] > 100).sum() > 500
    assert all(found[name].is_nan().sum() == 0 and found[name].null_count() > 0 for name in decimals)


def true_volatility(terminal, rows, years):
    """Return the volatility that the simulated market gives each of *rows*."""
    seed = terminal.truth.clean.seed
    tape = index.prints(seed, DAY)
    stamps = (rows["timestamp"].dt.hour().cast(pl.Int64) * 60 + rows["timestamp"].dt.minute()) * 60_000
    _, price = tape.as_of(stamps.to_numpy())
    spot = np.where(price > 0, price, tape.opening)
    return np.array(
        [
            surface.values(seed, DAY, *(np.array([each]) for each in one)).deviation[0, 0] / one[2] ** 0.5
            if one[2] > 0
            else np.nan
            for one in zip(rows["strike"].to_list(), spot.tolist(), years.tolist(), strict=True)
        ]
    )


@pytest.mark.parametrize("exercise", ["European", "American"])
def test_the_model_is_in_file_passport_and_identity_and_a_lake_never_mixes_two(exercise, day, terminals):
    date = day(terminals["v3"], records="quotes", start_date=DAY.isoformat())
    settings = dataclasses.replace(
        date.settings, product=dataclasses.replace(date.settings.product, exercise=exercise)
    )
    model = {"European": "black-76/1", "American": "ju-zhong/3"}[exercise]

    assert settings.identity("latest")["model"] == model
    assert "model" not in day(terminals["v3"], records="greeks").settings.identity("latest")
    if exercise == "American":
        return
    date.fill()
    assert date.passport()["model"] == date.passport()["dataset"]["model"] == model
    assert pq.read_metadata(date.layout.parquet(DAY)).metadata[b"spx_data.model"].decode() == model
    held = reads.read_json(date.layout.dataset)
    files.write_json(date.layout.dataset, held | {"model": "black-76/0"})
    with pytest.raises(DatasetMismatchError, match="model is black-76/0 there and black-76/1 now"):
        dataset.check(date.layout, date.settings.identity("latest"))
    # What was sealed stays: a day is not worse for a newer model.
    assert [checked.standing for checked in verify(date.settings, None).days] == [Standing.HEALTHY]


def test_a_chain_that_comes_in_chunks_is_computed_like_one_that_does_not(terminals, day, monkeypatch):
    date = day(terminals["v3"], records="quotes")
    date.fill()
    whole = pl.read_parquet(date.layout.parquet(DAY))
    passport = date.passport()
    for path in date.layout.sealed_files(DAY):
        path.unlink()

    monkeypatch.setattr(schema, "PIECE_ROWS", 900)
    date.fetch()
    date.download()
    date.merge()

    assert_frame_equal(pl.read_parquet(date.layout.parquet(DAY)), whole, check_exact=True)
    assert date.passport()["rows"] == passport["rows"]


def _plain(column):
    """Return a column without the differences of types that say nothing."""
    if column.dtype.is_integer():
        return column.cast(pl.Int64)
    return column.cast(pl.String) if column.dtype in (pl.Categorical, pl.Enum) else column


def test_quotes_are_judged_by_what_they_have(terminals, day):
    date = day(terminals["v3"], records="quotes")

    date.fill()

    quality = date.passport()["quality"]
    looked_at = {check["check"] for check in quality["checks"] if check["of"]}
    assert {"crossed", "wide", "butterfly", "parity"} <= looked_at
    told = {check["check"]: check["does_not_apply"] for check in quality["checks"]}
    lacking = {Need.PRICE: "underlying-missing", Need.VOLATILITY: "iv-range", Need.GREEKS: "greeks-delta"}
    assert {told[code] for code in lacking.values()} == {f"it holds for {need} alone" for need in lacking}
    assert len(told) == len(quality["checks"])
    assert (quality["parts"].keys() & {"underlying", "greeks", "smile"}) == set()
    assert (quality["score"], date.passport()["underlying"]) == (100.0, None)


@pytest.mark.parametrize(
    ("api", "tier", "asked", "less"),
    [
        ("v3", "value", "greeks", "quotes"),
        ("v3", "standard", "greeks-all", "greeks"),
        ("v2", "value", "greeks", "quotes"),
    ],
)
def test_what_a_subscription_refuses_is_told_with_what_it_has(api, tier, asked, less, day):
    of_account = theta_simulator.Settings(api=api, size="tiny", tier=tier, today=TODAY)
    with theta_simulator.running(of_account) as terminal:
        date = day(terminal, api=api, records=asked)
        date.fetch()

        with pytest.raises(SubscriptionError) as caught:
            date.download()

        other = day(terminal, api=api, records=less)
        assert f"`spx-data config set processing.records {less}`" in caught.value.cure
        assert len(str(caught.value).splitlines()) == 1
        if less == "quotes":
            other.fetch()
            other.download()
            assert other.layout.manifest(DAY).exists()


def test_a_lake_never_mixes_kinds(terminals, day):
    date = day(terminals["v3"], records="quotes")
    date.fill()
    other = day(terminals["v3"], records="greeks", start_date="2024-01-02")

    other.fetch()
    other.download()
    with pytest.raises(DatasetMismatchError, match="records is quotes there and greeks now"):
        other.merge()
