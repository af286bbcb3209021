"""The day's contracts: a row each, what the source reports of them, and days without its reports."""

import datetime as dt
import itertools

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.restating import is_history, restating
from tests.rules.conftest import DAY

from spx_data.errors import FileCorruptionError, ThetaTerminalNotRunningError
from spx_data.fill.contracts import Contracts, quoted, table
from spx_data.lake.verify import Standing, verify
from spx_data.market import products
from spx_data.market.chains import Chain, ListedChain
from spx_data.market.contracts import COLUMNS, KEY
from spx_data.store import contracts, journal, names, reads, seals
from theta_simulator import Habit

REPORTS = ("end_of_day", "open_interest")


def rows_of(date):
    words = [each.name for each in COLUMNS if each.type.value == "word"]
    return pl.read_parquet(date.layout.contracts(DAY)).with_columns(pl.col(words).cast(pl.String))


def told(date):
    return date.passport()["contracts"]["reports"]


@pytest.mark.parametrize("api, kind", [("v3", "greeks"), ("v2", "greeks-all"), ("v3", "quotes")])
def test_each_contract_has_a_row_with_what_the_source_reports_of_it(api, kind, terminals, day):
    terminal, date = terminals[api], day(terminals[api], records=kind, interval="5m")

    date.fill()

    found, true = rows_of(date), terminal.truth
    listed = pl.concat(
        true.listed(root, DAY).select(pl.lit(root).alias("root"), *KEY[1:]) for root in ("SPX", "SPXW")
    )
    assert_frame_equal(found.select(KEY), listed.sort(KEY), check_dtypes=False)
    held = pl.concat(true.held(root, DAY).with_columns(root=pl.lit(root)) for root in ("SPX", "SPXW"))
    joined = listed.sort(KEY).join(held, on=KEY, how="left")
    assert found["open_interest"].to_list() == joined["open_interest"].to_list()
    assert 0 in found["open_interest"] and found["open_interest"].null_count()
    reported = pl.concat(true.reported(root, DAY).with_columns(root=pl.lit(root)) for root in ("SPX", "SPXW"))
    assert (
        found["volume"].to_list() == listed.sort(KEY).join(reported, on=KEY, how="left")["volume"].to_list()
    )
    names = {"SPX": "AM", "SPXW": "PM"}
    assert found["settlement"].to_list() == [names[root] for root in found["root"]]
    assert found["dte"].to_list() == [(expiration - DAY).days for expiration in found["expiration"]]
    assert set(found["state"]) == {"quoted"}
    assert told(date)["open_interest"] == {
        "contracts": held.height,
        "absent": found["open_interest"].null_count(),
        "beyond": 0,
        "conflicts": {},
        "left_out": {},
        "unknown": {},
    }


@pytest.mark.parametrize("kind", ["greeks", "quotes"])
def test_quotes_and_stamps_are_those_of_the_sealed_rows(kind, terminals, day):
    date = day(terminals["v3"], records=kind)

    date.fill()

    has = (pl.col("bid") > 0) | (pl.col("ask") > 0)
    by_hand = (
        pl.read_parquet(date.layout.parquet(DAY))
        .with_columns(pl.col("root", "right").cast(pl.String))
        .group_by(KEY)
        .agg(
            first_quote=pl.col("timestamp").filter(has).min(),
            last_quote=pl.col("timestamp").filter(has).max(),
            stamps=pl.len(),
        )
        .sort(KEY)
    )
    found = rows_of(date).select(by_hand.columns)
    assert_frame_equal(found, by_hand, check_dtypes=False)
    assert found["first_quote"].n_unique() > 1 or found["last_quote"].n_unique() > 1


def test_the_sidecar_vouches_for_them_and_alike_answers_give_alike_bytes(terminals, simulated, day, tmp_path):
    one, other = (
        day(
            terminal,
            interval="1h",
            output_directory=str(tmp_path / name),
            temp_directory=str(tmp_path / f"t{name}"),
        )
        for name, terminal in (("one", terminals["v3"]), ("other", simulated(api="v3")))
    )

    one.fill()
    other.fill()

    sealed = [seals.read(date.layout.parquet(DAY)) for date in (one, other)]
    assert sealed[0].contracts == reads.digest(one.layout.contracts(DAY)) == sealed[1].contracts
    assert contracts.told(one.layout.contracts(DAY)) == one.passport()["contracts"]
    (examined,) = verify(one.settings).days
    assert examined.standing is Standing.HEALTHY


@pytest.mark.parametrize("api", ["v3", "v2"])
@pytest.mark.parametrize(
    "habits, lacking",
    [
        (["interest-tier"], ["open_interest"]),
        (["no-eod"], ["end_of_day"]),
        (["interest-500", "eod-500"], ["end_of_day", "open_interest"]),
    ],
)
def test_a_report_that_is_refused_or_fails_costs_its_columns_alone(
    api, habits, lacking, terminals, simulated, day, tmp_path
):
    whole = day(
        terminals[api],
        interval="1h",
        output_directory=str(tmp_path / "w"),
        temp_directory=str(tmp_path / "wt"),
    )
    whole.fill()
    terminal = simulated(api=api, habits=tuple(map(Habit, habits)))
    date = day(terminal, interval="1h", keep_ndjson=False)

    date.fill()

    assert date.layout.parquet(DAY).read_bytes() == whole.layout.parquet(DAY).read_bytes()
    assert date.passport()["completeness"]["complete"]
    known, found = rows_of(whole), rows_of(date)
    nulls = {"open_interest": ["open_interest"], "end_of_day": ["volume", "open", "close", "closing_ask"]}
    for report in REPORTS:
        for name in nulls[report]:
            assert (
                found[name].null_count() == len(found)
                if report in lacking
                else found[name].equals(known[name])
            )
        assert list(told(date)[report]["unknown"]) == (["SPX", "SPXW"] if report in lacking else [])
    for report in lacking:
        (why,) = set(told(date)[report]["unknown"].values())
        assert "status" in why and "127.0.0.1" not in why
    asked = [r["path"] for r in terminal.requests() if r["path"].endswith(("/eod", "/open_interest"))]
    assert len(asked) <= 2 * 2 * len(REPORTS)
    assert verify(date.settings).all_is_well


def test_an_answer_that_is_no_report_costs_its_columns_alone(terminals, day):
    with restating(terminals["v3"].url) as source:
        source.edit = lambda path, _, rows: [{"symbol": "SPX"}] if path.endswith("open_interest") else rows
        date = day(source.url, interval="1h")
        date.fill()

    assert rows_of(date)["open_interest"].null_count() == len(rows_of(date))
    assert set(told(date)["open_interest"]["unknown"]) == {"SPX", "SPXW"}
    assert set(told(date)["end_of_day"]["unknown"]) == set()


@pytest.mark.parametrize("spoilt", [1, 9])
def test_a_report_that_leaves_out_rows_is_asked_for_again_and_not_believed_if_they_are_others(
    spoilt, terminals, day
):
    number = itertools.count()

    def edit(path, query, rows):
        if not path.endswith("open_interest") or query["symbol"] != "SPXW" or (at := next(number)) >= spoilt:
            return rows
        return [row | {"symbol": "XSP"} for row in rows[: at + 1]] + rows[at + 1 :]

    with restating(terminals["v3"].url) as source:
        source.edit = edit
        date = day(source.url, interval="1h")
        date.fill()

    found = rows_of(date).filter(pl.col("root") == "SPXW")["open_interest"]
    held = terminals["v3"].truth.held("SPXW", DAY)
    assert len(found) - found.null_count() == (len(held) if spoilt == 1 else 0)
    why = {} if spoilt == 1 else {"SPXW": "it leaves out other rows each time"}
    assert (told(date)["open_interest"]["unknown"], told(date)["open_interest"]["left_out"]) == (why, {})


def test_a_terminal_that_is_gone_by_then_holds_the_date_and_no_chain_is_fetched_again(
    simulated, day, monkeypatch
):
    terminal = simulated(api="v3")
    date = day(terminal, interval="1h", max_attempts=9)
    gone = ThetaTerminalNotRunningError("gone", cure="", base_url="", details="").final()

    def down(*_):
        raise gone

    date.fetch()
    with monkeypatch.context() as patch:
        patch.setattr("spx_data.sources.theta.v3.V3.figures", down)
        with pytest.raises(ThetaTerminalNotRunningError):
            date.download()
    chains = [r for r in terminal.requests() if is_history(r["path"])]
    date.download()
    date.merge()

    assert [r for r in terminal.requests() if is_history(r["path"])] == chains
    assert rows_of(date)["open_interest"].null_count() < len(rows_of(date))


def test_staged_reports_that_are_damaged_are_asked_for_anew(terminals, day):
    date = day(terminals["v3"], interval="1h")
    date.fetch()
    date.download()
    path = names.reports_beside(date.layout.manifest(DAY))
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(FileCorruptionError, match=r"reports\.arrow"):
        date.merge()
    assert not seals.is_sealed(date.layout.parquet(DAY))
    date.download()
    date.merge()

    assert told(date)["open_interest"]["unknown"] == {}
    assert len(date.events(journal.STAGED)) == 4  # no chain was staged twice


def test_what_was_listed_and_never_quoted_is_missing_or_explained(simulated, day):
    date = day(simulated(api="v3", habits=(Habit("lists-unquoted"),)), interval="1h", second_opinions=0)
    other = day(simulated(api="v3", habits=(Habit("lists-unquoted"),)), interval="1h")

    date.fill()

    found = rows_of(date)
    expected = date.passport()["completeness"]
    without = found.filter(pl.col("stamps") == 0)
    assert len(without) == expected["contracts_missing"] + expected["contracts_explained"] > 0
    assert found.filter(state="missing").height == expected["contracts_missing"]
    assert found.filter(state="explained").height == expected["contracts_explained"]
    assert without["first_quote"].null_count() == len(without)
    assert other.layout == date.layout  # the same lake: it is sealed now


# Pieces of a chain --------------------------------------------------------------------------------------


def records(*rows):
    names = {
        "strike": pl.Float64,
        "right": pl.String,
        "timestamp": pl.Int64,
        "bid": pl.Float64,
        "ask": pl.Float64,
    }
    return pl.DataFrame(rows, names, orient="row")


def test_a_contract_that_lies_in_two_pieces_is_one():
    every = [
        (4700.0, "C", 1000, 0.0, 0.0),
        (4700.0, "C", 2000, 0.0, 0.05),
        (4700.0, "C", 3000, 1.0, 1.1),
        (4700.0, "P", 1000, 0.0, 0.0),
    ]
    chain = ListedChain(Chain("SPXW", DAY, DAY, DAY), (4700.0, 4710.0), (4700.0,))
    found = []
    for cut in range(1, len(every)):
        made = Contracts(products.DEFAULT, DAY)
        made.add(chain, [quoted(records(*every[:cut])), quoted(records(*every[cut:]))], ["C 4710"])
        found.append(table(made.rows({})))

    names = ["strike", "right", "first_quote", "last_quote", "stamps", "state"]
    first, *others = found
    assert all(other.equals(first) for other in others)
    moments = [dt.datetime.fromtimestamp(second, dt.UTC) for second in (2, 3)]
    assert [tuple(row.values()) for row in first.select(names).to_pylist()] == [
        (4700.0, "C", *moments, 3, "quoted"),
        (4700.0, "P", None, None, 1, "quoted"),
        (4710.0, "C", None, None, 0, "explained"),
    ]
