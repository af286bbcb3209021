"""What a symbol is, asked of one table: another entry is another product everywhere."""

import datetime as dt
import math
from pathlib import Path

import pytest
import yaml

from spx_data import config
from spx_data.config import rulebook
from spx_data.errors import ConfigurationValidationError
from spx_data.fill.witnesses import is_live
from spx_data.market import products, sessions
from spx_data.market.products import Product, Root
from spx_data.quality.hours import Hours
from spx_data.settings import Settings
from theta_simulator import listing
from theta_simulator import sessions as simulated

HALF_DAY = dt.date(2024, 7, 3)
SPY = Product(
    symbol="SPY",
    title="SPY options",
    roots=(Root("SPY", "PM"),),
    exercise="American",
    multiplier=100,
    ticks=((3.0, 0.01), (math.inf, 0.01)),
    longer=dt.timedelta(0),
    dividends=True,
    stem="spy-options",
)


@pytest.fixture
def spy(monkeypatch):
    """Let there be one product more."""
    monkeypatch.setattr(products, "PRODUCTS", {**products.PRODUCTS, "SPY": SPY})
    rulebook.schema.cache_clear()
    yield SPY
    monkeypatch.undo()
    rulebook.schema.cache_clear()


def settings(**processing):
    document = {"processing": {"start_date": "2024-01-02", **processing}}
    return Settings.of(config.resolve(document, {}))


def test_a_lake_of_which_nobody_says_what_it_is_of_is_spx():
    found = settings()

    assert (found.product.symbol, found.roots) == ("SPX", ("SPX", "SPXW"))
    assert found.identity("latest")["symbol"] == "SPX"
    assert found.layout.parquet(HALF_DAY).name == "spx-options-2024-07-03.parquet"


def test_another_entry_is_another_product_everywhere(spy):
    found = settings(symbol="SPY")
    (session,) = sessions.between("NYSE", HALF_DAY, HALF_DAY)

    assert found.roots == ("SPY",)
    assert found.identity("latest") | {"symbol": "SPY", "roots": ["SPY"]} == found.identity("latest")
    assert found.layout.parquet(HALF_DAY).name == "spy-options-2024-07-03.parquet"
    assert found.layout.aside("recheck").parquet(HALF_DAY).name == "spy-options-2024-07-03.parquet"
    assert session.options_close(found.product).time() == dt.time(13)
    assert Hours.regular(found.product).usual_ms == 0
    assert products.tick("SPY") == 0.01
    assert is_live(HALF_DAY, "SPY", HALF_DAY)


def test_a_root_of_another_symbol_is_refused_with_the_list(spy):
    with pytest.raises(ConfigurationValidationError, match=r"SPXW is no root of SPY\. Its roots are SPY;"):
        settings(symbol="SPY", roots=["SPXW"])


def test_an_unknown_symbol_is_refused_with_the_list():
    with pytest.raises(ConfigurationValidationError, match=r"processing\.symbol: .*Allowed: SPX"):
        settings(symbol="AAPL")
    with pytest.raises(ConfigurationValidationError, match="no symbol 'AAPL', only SPX"):
        products.of("AAPL")


def test_what_settles_at_the_open_is_last_quoted_before():
    assert products.settles_at_the_open("SPX")
    assert not products.settles_at_the_open("SPXW")
    assert not products.settles_at_the_open("XYZ")


@pytest.mark.parametrize("product", products.PRODUCTS.values(), ids=lambda product: product.symbol)
def test_each_entry_is_whole(product):
    assert product == products.of(product.symbol)
    assert product.root_names and len(set(product.root_names)) == len(product.root_names)
    assert [price for price, _ in product.ticks] == sorted(price for price, _ in product.ticks)
    assert product.ticks[-1][0] == math.inf and product.tick > 0
    assert product.stem == product.stem.lower() and "/" not in product.stem
    # Roots and stems tell products apart.
    others = [each for each in products.PRODUCTS.values() if each is not product]
    assert not {*product.root_names, product.stem} & {
        name for each in others for name in (*each.root_names, each.stem)
    }


def test_the_shipped_config_and_the_simulated_terminal_are_of_it():
    shipped = yaml.safe_load((Path(__file__).resolve().parents[3] / "config" / "config.yaml").read_text())

    assert products.of(shipped["processing"]["symbol"]).root_names == listing.ROOTS
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
