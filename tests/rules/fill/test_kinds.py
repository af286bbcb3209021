"""Each kind of records, from the terminal to the seal, cell by cell as the simulated market has it."""

import polars as pl
import pytest
from tests.conftest import TODAY
from tests.rules.conftest import DAY

import theta_simulator
from spx_data.errors import DatasetMismatchError, SubscriptionError
from spx_data.lake.reader import scan
from spx_data.lake.verify import Standing, verify
from spx_data.market import schema
from spx_data.market.dates import ZONE
from spx_data.quality.checks import Need
from theta_simulator import kinds
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
                    timestamp=midnight + pl.duration(milliseconds="ms_of_day"),
                    underlying_timestamp=midnight + pl.duration(milliseconds="underlying_ms"),
                )
            )
    return pl.concat(chains).select(schema.newest(kind).day.names).sort(schema.SORTED_BY)


@pytest.mark.parametrize(("kind", "api", "form"), WAYS)
def test_a_day_has_every_cell_of_its_kind(kind, api, form, terminals, day):
    date = day(terminals[api], api=api, format=form, records=kind)

    date.fill()

    found = pl.read_parquet(date.layout.parquet(DAY))
    expected = truth(terminals[api], kind, api)
    assert found.columns == expected.columns
    differ = [name for name in expected.columns if not _plain(found[name]).equals(_plain(expected[name]))]
    assert differ == []
    passport = date.passport()
    assert (passport["records"], passport["completeness"]["complete"]) == (kind, True)
    assert [checked.standing for checked in verify(date.settings, None).days] == [Standing.HEALTHY]
    assert scan(lake=date.layout.output).collect().columns == found.columns


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
