"""What a symbol is, asked of one table: another entry, or one of a config, is another product everywhere."""

import datetime as dt
import math
from pathlib import Path

import pytest
import yaml

from spx_data import config
from spx_data.errors import ConfigurationValidationError
from spx_data.fill.witnesses import is_live
from spx_data.market import products, sessions
from spx_data.market.sessions import Window
from spx_data.quality.hours import Hours
from spx_data.settings import Settings
from spx_data.store import dataset, names
from theta_simulator import listing
from theta_simulator import sessions as simulated

HALF_DAY = dt.date(2024, 7, 3)
WINDOW = Window(dt.time(9, 30), dt.time(16, 30), "1m")
OWN = {
    "TLT": {"exercise": "American"},
    "XYZ": {
        "exercise": "European",
        "roots": {"XYZ": "AM", "XYZW": "PM"},
        "ticks": [[0, 0.05], [3, 0.1]],
        "longer_minutes": 15,
        "dividends": 0,
    },
}


def settings(products=None, **processing):
    document = {"processing": {"start_date": "2024-01-02", **processing}, "products": products or {}}
    return Settings.of(config.resolve(document, {}))


def refusal(products=None, **processing):
    with pytest.raises(ConfigurationValidationError) as refused:
        settings(products, **processing)
    return str(refused.value)


def test_a_lake_of_which_nobody_says_what_it_is_of_is_spx():
    found = settings()

    assert (found.product.symbol, found.roots) == ("SPX", ("SPX", "SPXW"))
    assert found.identity("latest")["symbol"] == "SPX"
    assert found.layout.parquet(HALF_DAY).name == "spx-options-2024-07-03.parquet"


@pytest.mark.parametrize("symbol, roots", [("SPY", ("SPY",)), ("NDX", ("NDX", "NDXP")), ("TLT", ("TLT",))])
def test_another_symbol_is_another_product_everywhere(symbol, roots, tmp_path):
    found = settings(OWN, symbol=symbol)
    file = f"{symbol.lower()}-options-2024-07-03.parquet"

    assert (found.product.title, found.roots) == (f"{symbol} options", roots)
    assert found.identity("latest") | {"symbol": symbol, "roots": list(roots)} == found.identity("latest")
    assert found.layout.parquet(HALF_DAY).name == file
    assert found.layout.aside("recheck").parquet(HALF_DAY).name == file
    assert names.date_of(Path(file)) == HALF_DAY
    (tmp_path / "dataset.json").write_text(f'{{"format": {dataset.FORMAT}, "symbol": "{symbol}"}}')
    assert dataset.stem(tmp_path) == f"{symbol.lower()}-options"


def test_what_settles_at_the_open_is_last_quoted_before():
    spx, own = products.PRODUCTS["SPX"], products.own("XYZ", OWN["XYZ"])

    assert spx.settles_at_the_open("SPX") and not spx.settles_at_the_open("SPXW")
    assert own.settles_at_the_open("XYZ") and not own.settles_at_the_open("XYZW")
    assert all(map(products.PRODUCTS["VIX"].settles_at_the_open, ("VIX", "VIXW")))
    assert is_live(spx, HALF_DAY, "SPXW", HALF_DAY) and not is_live(spx, HALF_DAY, "SPX", HALF_DAY)


@pytest.mark.parametrize(
    "symbol, living, expiring",
    [("SPX", "13:15", "13:00"), ("SPY", "13:15", "13:15"), ("TLT", "13:00", "13:00")],
)
def test_options_stop_trading_when_their_product_says(symbol, living, expiring):
    product = products.of(symbol, OWN)
    (session,) = sessions.between("NYSE", HALF_DAY, HALF_DAY)
    hours = Hours.usual(570 * 60_000, 780 * 60_000, product)

    for last_day, end in ((False, living), (True, expiring)):
        assert f"{session.last_stamp(WINDOW, product, expiring=last_day):%H:%M}" == end
        minutes = 570 + hours.span(WINDOW, expiring=last_day).stop - 1
        assert f"{minutes // 60}:{minutes % 60:02}" == end


# Products of a config -----------------------------------------------------------------------------------


def test_a_config_tells_what_any_other_symbol_is():
    plain, whole = products.own("TLT", OWN["TLT"]), products.own("XYZ", OWN["XYZ"])

    assert (plain.exercise, plain.ticks, plain.dividends) == ("American", ((math.inf, 0.01),), 0.05)
    assert (whole.ticks, whole.tick, whole.dividends) == (((3, 0.05), (math.inf, 0.1)), 0.05, 0)
    assert whole.longer == dt.timedelta(minutes=15)


@pytest.mark.parametrize(
    "told, finding",
    [
        ({"TLT": {}}, "products.TLT.exercise: it is not told. Allowed: American, European"),
        ({"TLT": {"exercise": "american"}}, "products.TLT.exercise: 'american' is not allowed. Allowed: Am"),
        (
            {"TLT": {"exercise": "American", "rots": {}}},
            "products.TLT.rots: there is no such key. Did you mean r",
        ),
        ({"tlt": {"exercise": "American"}}, "products: 'tlt' is not allowed. Write TLT."),
        ({"TLT": {"exercise": "American", "roots": {"TLT": "EOD"}}}, "products.TLT.roots.TLT: 'EOD' is not"),
        ({"TLT": {"exercise": "American", "longer_minutes": "15"}}, "longer_minutes: '15' is not allowed."),
        (
            {"TLT": {"exercise": "American", "ticks": [[3, 0.1], [0, 0.05]]}},
            "ticks: their prices are 3, 0. A",
        ),
        ({"TLT": {"exercise": "American", "roots": {"SPXW": "PM"}}}, "SPXW is a root of SPX. Set processing"),
        ({"SPY": {"exercise": "European"}}, "products.SPY: it is known, and what it is does not change."),
        (["TLT"], "products: ['TLT'] is not allowed. Write its keys below it"),
    ],
)
def test_what_a_config_says_wrongly_of_a_product_is_one_line_that_names_the_key(told, finding):
    said = refusal(told)

    assert finding in said and "\n" not in said
    every = config.problems({"processing": {"start_date": "2024-01-02"}, "products": told}, {})
    assert [finding in str(each) for each in every] == [True]


def test_a_root_of_another_symbol_is_refused_with_the_list():
    assert "processing.roots: SPXW is no root of SPY. Its roots are SPY;" in refusal(
        symbol="SPY", roots=["SPXW"]
    )


def test_an_unknown_symbol_is_refused_with_the_list_and_the_way_to_add_it():
    said = refusal({"TLT": {"exercise": "American"}}, symbol="AAPL")

    assert "processing.symbol: nobody has said what AAPL is. Known are SPX, XSP, NDX, " in said
    assert "DIA, TLT. Add any other below 'products:', like 'AAPL: {exercise: American}'" in said


# The table ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("product", products.PRODUCTS.values(), ids=lambda product: product.symbol)
def test_each_entry_is_whole(product):
    assert product == products.of(product.symbol, {})
    assert product.root_names and len(set(product.root_names)) == len(product.root_names)
    assert [price for price, _ in product.ticks] == sorted(price for price, _ in product.ticks)
    assert product.ticks[-1][0] == math.inf and product.tick > 0
    assert (product.exercise == "American") == (product.dividends > 0) == bool(product.expiring_longer)
    others = [each for each in products.PRODUCTS.values() if each is not product]
    assert not {*product.root_names} & {name for each in others for name in each.root_names}


def test_the_shipped_config_and_the_simulated_terminal_are_of_it():
    shipped = yaml.safe_load((Path(__file__).resolve().parents[3] / "config" / "config.yaml").read_text())

    assert products.of(shipped["processing"]["symbol"], {}).root_names == listing.ROOTS
    assert products.DEFAULT.longer_ms == simulated.AFTER_CLOSE


@pytest.mark.parametrize("root", products.DEFAULT.roots, ids=lambda root: root.name)
def test_the_simulated_terminal_settles_each_root_as_the_table_says(root):
    known = listing.all_expirations(root.name)

    assert known
    assert {each.last < each.settles for each in known} == {root.settlement == "AM"}


@pytest.mark.parametrize("date", [dt.date(2024, 7, 2), HALF_DAY], ids=["whole", "half"])
def test_the_simulated_terminal_ends_its_days_as_the_table_says(date):
    (session,) = sessions.between("NYSE", date, date)
    midnight = dt.datetime.combine(date, dt.time(), session.closes.tzinfo)

    for expiring, end in ((False, session.options_close(products.DEFAULT)), (True, session.closes)):
        assert simulated.option_close(date, expiring) == (end - midnight) // dt.timedelta(milliseconds=1)
