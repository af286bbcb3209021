"""What a day's page says of its records, against another reader of the same Parquet."""

import datetime as dt
import json
import shutil

import duckdb
import numpy as np
import polars as pl
import pytest
import vl_convert
from tests import schemas
from tests.panels import DATE, EXPIRATION, MINUTE, at
from tests.report.elements import content, written
from tests.report.filled import filled

from spx_data.errors import FileCorruptionError, MissingFileError
from spx_data.lake import passports
from spx_data.market import products
from spx_data.market.second_opinion import Opinion
from spx_data.market.sessions import Window
from spx_data.quality import DETAILS
from spx_data.report import drawing, page
from spx_data.report.day.chain import DELTAS, Grid, read
from spx_data.report.day.market import LACKING, SPREAD, STALE, Market, sealed_chains
from spx_data.report.day.view import View
from spx_data.store import seals
from spx_data.store.reads import digest

DAY = dt.date(2024, 7, 3)  # a half day
NOW = dt.datetime(2024, 12, 30, 20, tzinfo=dt.UTC)
MINUTES = [at(dt.time(9, 31)) + MINUTE * place for place in range(390)]
# Of the tables of stretches: the list of values, the lines that they are of, and their unit.
MAPS = {
    "presence": ("present", lambda chain: chain.present, 1),
    "lacking": ("share", lambda chain: 1 - chain.two_sided, LACKING),
    "spread": ("share", lambda chain: chain.spread, SPREAD),
    "stale": ("share", lambda chain: chain.stale, STALE),
}
SECTIONS = ("presence", "volatility", "quotes")


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Return a lake of one day, whose source withholds some minutes and repeats some quotes.

    Nobody is asked what has become of the minutes, so they are missing.
    """
    kinds = ("withheld-minutes", "stale")
    folder = tmp_path_factory.mktemp("market")
    return filled(folder, DAY, size="small", blemishes=kinds, second_opinions=0)


@pytest.fixture(scope="module")
def market(lake):
    return Market.of(
        products.DEFAULT, lake.layout.parquet(DAY), passports.read(lake.layout, DAY, whole=True).document
    )


@pytest.fixture(scope="module")
def view(lake):
    return View.of(lake, NOW, DAY)


@pytest.fixture(scope="module")
def witness(lake):
    """Return how DuckDB answers a question about `records`, whose `place` is the column of a stamp."""
    database = duckdb.connect()
    database.execute("SET TimeZone = 'America/New_York'")
    database.execute(f"""
        CREATE VIEW records AS
        SELECT *, expiration || ' ' || root AS chain, "right" = 'C' AS call, (bid + ask) / 2 AS mid,
            bid > 0 AND ask >= bid AS two_sided,
            date_diff('minute', CAST(date AS TIMESTAMPTZ) + INTERVAL '9 hours 30 minutes', timestamp) AS place
        FROM '{lake.layout.parquet(DAY)}'
    """)
    # Put-call parity, by least squares over all strikes alike: not as exact as ours, and all its own.
    database.execute("""
        CREATE TABLE forwards AS
        SELECT chain, place, -regr_intercept(y, strike) / regr_slope(y, strike) AS forward
        FROM (
            SELECT c.chain, c.place, c.strike, c.mid - p.mid AS y
            FROM records c JOIN records p USING (chain, place, strike)
            WHERE c.call AND NOT p.call AND c.two_sided AND p.two_sided
        ) GROUP BY ALL HAVING count(*) >= 3
    """)
    return lambda question: database.sql(question).fetchall()


def lines(market, name):
    """Return the lines of this name by chain."""
    return {chain.name: getattr(chain, name) for chain in market.chains}


# Presence -----------------------------------------------------------------------------------------------


def test_every_record_is_counted_in_its_minute(market, witness):
    present = lines(market, "present")

    counts = witness("SELECT chain, place, count(*) FROM records GROUP BY ALL")

    assert len(counts) > 1500
    assert {(chain, at): count for chain, at, count in counts} == {
        (chain, at): count for chain, line in present.items() for at, count in enumerate(line) if count > 0
    }


def test_what_is_missing_is_what_the_passport_says(lake, market):
    passport = passports.read(lake.layout, DAY, whole=True).document
    proofs = zip(passport["chains"], passport[DETAILS]["chains"], strict=True)

    said = {f"{chain['expiration']} {chain['root']}": proof["stamps_missing"] for chain, proof in proofs}

    assert sum(said.values()) > 0
    assert {chain: np.nansum(line) for chain, line in lines(market, "missing").items()} == said


def test_gaps_are_named_on_the_page(lake, view):
    section = content(view, "presence")
    missing = view.dossier["completeness"]["stamps_missing"]
    first = section.more["gaps"][0]

    text = written(view, "presence")

    assert sum(gap["stamps"] for gap in section.more["gaps"]) == missing
    assert f"{missing:,} are absent without explanation." in text
    for cell in (first["chain"], first["contract"] or "all", first["first"], first["last"]):
        assert f">{cell}</td>" in text


def test_nothing_is_expected_after_the_close_and_of_what_expires_not_after_that_of_stocks(market):
    assert market.grid.columns == 226  # 09:30 to 13:15
    for chain in market.chains:
        expected = 211 if chain.days == 0 else 226  # 13:00
        assert np.isfinite(chain.present).sum() == expected
        assert np.isfinite(chain.missing).sum() == expected


def rows_of(stamps, strikes=(4600.0, 4700.0, 4800.0), **values):
    """Return plain records of a chain, sorted."""
    rest = (
        dict.fromkeys(schemas.MEASURES, 0.2) | {"bid": 9.0, "ask": 11.0, "underlying_price": 4700.0} | values
    )
    return pl.DataFrame(
        [
            {"strike": strike, "right": right, "timestamp": stamp, **rest}
            for strike in strikes
            for right in "CP"
            for stamp in stamps
        ]
    )


def chain_of(frames, interval="1m", grid=390, lost=0, first=dt.time(9, 31)):
    window = Window(first, dt.time(16), interval)
    columns = (window.end_ms - window.start_ms) // max(window.step_ms, MINUTE) + 1
    proof = {
        "grid": grid,
        "contracts_missing": ["C 1"] * min(lost, 1),
        "more": {"contracts_missing": lost - 1},
        "second_opinion": {"opinions": {"late": Opinion(believed="rule")._asdict()}},
    }
    proof |= {} if lost > 1 else {"more": {}}
    return read("SPXW", EXPIRATION, frames, proof, Grid(products.DEFAULT, DATE, window, 0, columns))


def test_a_record_is_missing_after_the_first_quote_alone():
    every = rows_of(MINUTES)
    call = (pl.col("strike") == 4700) & (pl.col("right") == "C")
    put = (pl.col("strike") == 4600) & (pl.col("right") == "P")
    late, noon = at(dt.time(9, 41)), at(dt.time(12))
    gone = (call & (pl.col("timestamp") < late)) | (put & (pl.col("timestamp") == noon))

    found = chain_of([every.filter(~gone)], lost=2)

    assert found.contracts == 8
    assert (found.present[:10] == 5).all()
    assert (found.present[10:149] == 6).all()
    assert found.present[149] == 5
    assert np.flatnonzero(found.missing != 2).tolist() == [149]
    assert found.missing[149] == 3


def test_stamps_finer_than_a_minute_are_told_by_minutes():
    stamps = [at(dt.time(9, 31)) + 20_000 * place for place in range(389 * 3 + 1)]
    halves = [rows_of(stamps, strikes=[4600.0, 4700.0]), rows_of(stamps, strikes=[4800.0])]
    gone = at(dt.time(10)) + 20_000
    halves[1] = halves[1].filter((pl.col("timestamp") != gone) | (pl.col("right") == "P"))

    found = chain_of(halves, "20s", grid=len(stamps))

    assert len(found.present) == 390
    assert found.present[29] == pytest.approx(6 - 1 / 3)
    assert found.missing[29] == pytest.approx(1 / 3)
    assert (np.delete(found.present, 29) == 6).all()
    assert (np.delete(found.missing, 29) == 0).all()


# Quotes -------------------------------------------------------------------------------------------------


def test_the_share_with_both_sides_is_that_of_the_records(market, witness):
    shares = witness("SELECT chain, place, avg(two_sided::INT) FROM records GROUP BY ALL")

    found = lines(market, "two_sided")
    assert [found[chain][at] for chain, at, _ in shares] == pytest.approx([share for *_, share in shares])


def test_the_spread_is_the_median_near_the_money(market, witness):
    medians = witness("""
        SELECT chain, place, median((ask - bid) / mid) FILTER (WHERE away <= 0.025)
        FROM (SELECT *, abs(strike / forward - 1) AS away FROM records JOIN forwards USING (chain, place))
        WHERE two_sided AND call = (strike >= forward)
        -- Where no strike is at an edge: forwards that differ by a trifle do not differ about these.
        GROUP BY ALL HAVING min(least(away, abs(away - 0.025))) > 2e-4 AND min(away) <= 0.025
    """)

    found = lines(market, "spread")
    same = [found[chain][at] == pytest.approx(median) for chain, at, median in medians]
    assert len(same) > 500
    assert np.mean(same) > 0.99


def test_quotes_that_stood_still_are_found_where_the_passport_has_them(lake, market):
    passport = passports.read(lake.layout, DAY, whole=True).document
    hits = [detail["quality"]["hits"].get("stale", 0) for detail in passport[DETAILS]["chains"]]
    names = [f"{chain['expiration']} {chain['root']}" for chain in passport["chains"]]

    stale = {name for name, line in lines(market, "stale").items() if np.nansum(line) > 0}

    assert stale
    assert stale == {name for name, count in zip(names, hits, strict=True) if count}


# Volatilities -------------------------------------------------------------------------------------------


def test_the_volatility_at_the_money_is_that_of_the_nearest_strike(market, witness):
    nearest = witness("""
        SELECT chain, place, avg(implied_vol) FROM records JOIN forwards USING (chain, place)
        WHERE two_sided AND iv_error < 100 AND implied_vol > 0
        GROUP BY chain, place, strike, forward HAVING count(*) = 2
        QUALIFY row_number() OVER (PARTITION BY chain, place ORDER BY abs(strike - forward)) = 1
    """)

    found = lines(market, "iv")
    both = [(found[chain][at], iv) for chain, at, iv in nearest if np.isfinite(found[chain][at])]
    assert len(both) > 1000
    assert np.mean([ours == pytest.approx(theirs) for ours, theirs in both]) > 0.95


def test_smiles_are_puts_below_the_forward_and_calls_above_it(market, witness):
    chain = next(chain for chain in market.with_smiles if chain.days == 16)
    moment = market.grid.moments.index(30)
    smile = chain.smiles[moment]

    rows = witness(f"""
        SELECT strike, call, implied_vol FROM records
        WHERE chain = '{chain.name}' AND place = 30 AND two_sided AND iv_error < 100
    """)

    of = {(strike, call): iv for strike, call, iv in rows}
    drawn = list(zip(smile.strikes.tolist(), smile.iv.tolist(), strict=True))
    assert len(drawn) >= 5
    assert drawn == [(strike, of[strike, strike >= smile.forward]) for strike, _ in drawn]
    assert smile.strikes[0] < smile.forward < smile.strikes[-1]


def test_volatilities_by_delta_lie_on_lines_between_strikes(market, witness):
    chain = next(chain for chain in market.with_smiles if chain.days == 16)
    smile = chain.smiles[market.grid.moments.index(30)]
    rows = witness(f"""
        SELECT CASE WHEN call THEN delta ELSE 1 + delta END AS d, implied_vol FROM records
        WHERE chain = '{chain.name}' AND place = 30 AND two_sided AND iv_error < 100
            AND call = (strike >= {smile.forward}) ORDER BY d
    """)

    for delta, iv in zip(DELTAS, smile.by_delta, strict=True):
        below = [row for row in rows if row[0] <= delta]
        above = [row for row in rows if row[0] > delta]
        if not below or not above:
            assert np.isnan(iv)
            continue
        (left, low), (right, high) = below[-1], above[0]
        assert iv == pytest.approx(low + (high - low) * (delta - left) / (right - left))


def test_a_smile_needs_no_volatility_at_the_money_at_its_own_moment():
    ten = (pl.col("timestamp") == at(dt.time(10))) & (pl.col("right") == "P") & (pl.col("strike") == 4700)
    records = rows_of(MINUTES).with_columns(bid=pl.when(ten).then(0.0).otherwise("bid"))

    found = chain_of([records])

    moment = Grid(products.DEFAULT, DATE, Window(dt.time(9, 31), dt.time(16), "1m"), 0, 390).moments.index(29)
    smile = found.smiles[moment]
    assert np.flatnonzero(np.isnan(found.iv)).tolist() == [29]
    assert smile.strikes.tolist() == [4600, 4700, 4800]
    assert smile.deviation == pytest.approx(0.2 * np.sqrt((EXPIRATION - DATE).days / 365))


def test_moments_begin_near_the_open_and_end_at_the_close(market):
    moments = [market.grid.begins_ms(moment) / 60_000 for moment in market.grid.moments]

    assert moments[0] == 9 * 60 + 31
    assert moments[-1] == 13 * 60 + 15
    assert {600, 615, 630, 720, 780} < set(moments)


def test_of_a_few_stamps_all_are_moments():
    grid = Grid(products.DEFAULT, DATE, Window(dt.time(9, 30), dt.time(16), "30m"), 1, 14)

    assert grid.moments == list(range(1, 14))


# A chain that says nothing ------------------------------------------------------------------------------


def silent():
    nothing = {"iv_error": 100.0, "underlying_price": 0.0, "bid": 0.0, "ask": 0.0, "delta": 0.0}
    return chain_of([rows_of(MINUTES, **nothing)])


def test_of_sentinels_nothing_is_told_but_that_they_are_there():
    found = silent()

    assert (found.present == 6).all()
    assert (found.two_sided == 0).all()
    for line in (found.spread, found.stale, found.iv):
        assert np.isnan(line).all()
    assert not any(len(smile.strikes) for smile in found.smiles if smile)


def test_a_day_of_sentinels_has_a_page_that_says_so(lake, view):
    chain = silent()
    grid = Grid(products.DEFAULT, DATE, Window(dt.time(9, 31), dt.time(16), "1m"), 0, 390)
    quiet = View(lake, DAY, view.summary, view.dossier, view.others, view.summaries)
    quiet.__dict__["market"] = Market(grid, [chain])

    text = written(quiet, *SECTIONS)

    assert "No chain has an at-the-money implied volatility." in text
    assert [figure.name for name in SECTIONS for figure in content(quiet, name).figures] == [
        "contracts",
        "lacking",
    ]


# What stands in the page --------------------------------------------------------------------------------


def test_tables_have_columns_of_one_length_and_lists_that_belong_together(market):
    data = json.loads(page.embedded(market.data))  # raises at what JSON cannot spell

    assert set(data) == {*MAPS, "minutes", "deltas", "smiles"}
    for columns in data.values():
        assert len({len(column) for column in columns.values()}) == 1
    assert {len(line) for line in data["minutes"]["iv"]} == {market.grid.columns}
    assert {len(line) for line in data["deltas"]["iv"]} == {len(DELTAS) * len(market.grid.moments)}
    for strikes, ivs in zip(data["smiles"]["strike"], data["smiles"]["iv"], strict=True):
        assert len(strikes) == len(ivs) > 0


@pytest.mark.parametrize("name", MAPS)
def test_stretches_are_the_lines_and_no_two_beside_are_the_same(name, market):
    values, lines, unit = MAPS[name]
    table = market.data[name]

    for place, chain in enumerate(market.chains):
        runs = list(zip(table["from"][place], table["until"][place], table[values][place], strict=True))
        unfolded = np.full(market.grid.columns, np.nan)
        for begin, end, value in runs:
            assert np.isnan(unfolded[begin:end]).all()
            unfolded[begin:end] = value * unit
        np.testing.assert_allclose(unfolded, lines(chain), atol=unit / 2 + 1e-12)
    assert sum(map(len, table["from"])) <= sum(np.isfinite(lines(chain)).sum() for chain in market.chains)


def test_a_stretch_ends_where_its_values_do():
    every = rows_of(MINUTES)
    noon = (pl.col("strike") == 4600) & (pl.col("timestamp") == at(dt.time(12)))
    grid = Grid(products.DEFAULT, DATE, Window(dt.time(9, 31), dt.time(16), "1m"), 0, 390)

    table = Market(grid, [chain_of([every.filter(~noon)])]).data["presence"]

    assert (table["from"], table["until"]) == ([[0, 149, 150]], [[149, 150, 390]])
    assert (table["present"], table["missing"]) == ([[6, 4, 6]], [[0, 2, 0]])


def test_every_chart_compiles_and_finds_its_fields(view):
    figures = [figure for name in SECTIONS for figure in content(view, name).figures]
    names = ["contracts", "lacking", "smiles", "surface", "terms", "through-the-day", "spread", "stale"]
    assert [figure.name for figure in figures] == names

    for figure in figures:
        specification = drawing.specification(figure)
        assert vl_convert.vegalite_to_vega(with_data(specification, view.market.data))["marks"]


def test_maps_show_as_many_cells_as_there_are_stretches(view, market):
    figures = {f.name: f for name in SECTIONS for f in content(view, name).figures}

    for name, table in (("contracts", "presence"), ("spread", "spread"), ("stale", "stale")):
        svg = vl_convert.vegalite_to_svg(with_data(drawing.specification(figures[name]), view.market.data))
        stretches = sum(map(len, market.data[table]["from"]))
        assert svg.count('aria-roledescription="rect mark"') == stretches > 0


def test_no_chart_writes_over_what_it_reads_again(view, market):
    for name in SECTIONS:
        for figure in content(view, name).figures:
            for table, transforms in pipelines(drawing.specification(figure)):
                written = {each["as"] for each in transforms if "calculate" in each}
                assert not written & set(market.data.get(table, ())), figure.name


def pipelines(specification):
    """Return the tables that a specification reads, each with what is done to its rows."""
    for layer in specification.get("layer", [specification]):
        table = {**specification, **layer}.get("data", {}).get("name")
        if table:
            yield table, specification.get("transform", []) + layer.get("transform", [])


def with_data(specification, data):
    """Return a specification with its tables in it, as `page.js` puts them there, in one colour."""
    text = json.dumps(specification)
    for name, columns in data.items():
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        text = text.replace(json.dumps({"name": name}), json.dumps({"values": rows}))
    return json.loads(text.replace('"@', '"#'))


# What is not as it was sealed ---------------------------------------------------------------------------


@pytest.fixture
def copy(lake, tmp_path):
    """Return where a copy of the day's Parquet is, with its sidecar."""
    path = lake.layout.parquet(DAY)
    for name in (path, path.with_name(f"{path.name}.sha256")):
        shutil.copy(name, tmp_path)
    return tmp_path / path.name


def test_one_changed_byte_is_one_clear_error(copy):
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)

    with pytest.raises(FileCorruptionError, match="the sidecar says") as caught:
        next(sealed_chains(copy, DAY))

    assert caught.value.cure.startswith("`spx-data verify 2024-07-03` ")
    assert caught.value.fields["actual"] == digest(copy)


@pytest.mark.parametrize("columns", [None, {"a": [1]}])
def test_what_was_sealed_and_is_no_day_is_said_to_be_none(copy, columns):
    if columns is None:
        copy.write_bytes(b"not a Parquet")
    else:
        pl.DataFrame(columns).write_parquet(copy)
    seals.seal(copy, digest(copy), {})

    with pytest.raises(FileCorruptionError, match="cannot be read" if columns is None else "does not say"):
        next(sealed_chains(copy, DAY))


def test_a_day_without_its_sidecar_is_not_read(copy):
    copy.with_name(f"{copy.name}.sha256").unlink()

    with pytest.raises(MissingFileError):
        next(sealed_chains(copy, DAY))
