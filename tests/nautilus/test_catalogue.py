"""A catalogue for NautilusTrader, read by Nautilus and traded on in its backtest engine: `make nautilus`."""

import datetime as dt

import duckdb
import pytest
from tests import sealed_rows
from tests.unit.exports.test_exporting import done, entry

from spx_data import exports
from spx_data.exports import exporting
from spx_data.exports.selection import Selection
from spx_data.market import products

pytest.importorskip("nautilus_trader", reason="NautilusTrader has an environment of its own: make nautilus")

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AccountType, OmsType, OptionKind, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Venue
from nautilus_trader.model.instruments import Equity, IndexInstrument, OptionContract
from nautilus_trader.model.objects import Money, Quantity
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from nautilus_trader.trading.strategy import Strategy

DATES = [dt.date(2024, 1, number) for number in (2, 3, 4, 5)]
EXPIRATION, MONTHLY = DATES[-1], dt.date(2024, 1, 19)
STRIKES = [4690, 4700, 4710, 5600]
CLOSE_NS = int(dt.datetime(2024, 1, 5, 21, tzinfo=dt.UTC).timestamp()) * 1_000_000_000


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Return four days until a chain's expiration, with a chain of the month beside it."""
    folder = tmp_path_factory.mktemp("lake")
    found = []
    for date in DATES:
        stamps = sealed_rows.stamps_of(date, 5)
        monthly = sealed_rows.chain(date, "SPX", MONTHLY, [4700], stamps)
        weekly = sealed_rows.chain(date, "SPXW", EXPIRATION, STRIKES, stamps)
        found.append(sealed_rows.seal(folder, date, [monthly, weekly]))
    return found


@pytest.fixture(scope="module")
def folder(lake, tmp_path_factory):
    done(lake, made := tmp_path_factory.mktemp("out") / "catalogue", "nautilus")
    return made


@pytest.fixture(scope="module")
def catalogue(folder):
    return ParquetDataCatalog(str(folder))


def name_of(strike, right, root="SPXW", expiration=EXPIRATION):
    return f"{root}{expiration:%y%m%d}{right}{round(strike * 1000):08}.XCBO"


def settles(tick):
    """Whether a quote is what a contract of the week is settled at."""
    return tick.ts_event == CLOSE_NS and tick.instrument_id.value.startswith("SPXW")


def test_contracts_have_their_settlement_and_multiplier(catalogue):
    found = {each.id.value: each for each in catalogue.instruments()}

    contracts = [each for each in found.values() if isinstance(each, OptionContract)]
    assert len(contracts) == 2 * (len(STRIKES) + 1) == len(found) - 1
    weekly, monthly = found[name_of(4700, "P")], found[name_of(4700, "C", "SPX", MONTHLY)]
    assert (weekly.option_kind, str(weekly.strike_price)) == (OptionKind.PUT, "4700.00")
    assert weekly.multiplier == Quantity.from_int(100) and weekly.underlying == "SPX"
    # 16:00 and 09:30 in New York, which is five hours behind UTC.
    assert weekly.expiration_utc == dt.datetime(2024, 1, 5, 21, tzinfo=dt.UTC)
    assert monthly.expiration_utc == dt.datetime(2024, 1, 19, 14, 30, tzinfo=dt.UTC)
    assert monthly.info == {"root": "SPX", "settlement": "AM"} and weekly.info["settlement"] == "PM"
    assert isinstance(found["SPX.XCBO"], IndexInstrument)


def test_quotes_are_those_of_the_lake_cell_by_cell(catalogue, lake):
    ticks = [each for each in catalogue.quote_ticks() if not settles(each)]
    found = sorted(
        (each.instrument_id.value, each.ts_event, float(each.bid_price), float(each.ask_price))
        for each in ticks
    )

    expected = duckdb.execute(
        """SELECT root || strftime(expiration, '%y%m%d') || "right" ||
            lpad((strike * 1000)::INT::VARCHAR, 8, '0') || '.XCBO',
            epoch_ns(timestamp) - if(expiration = date AND epoch_ns(timestamp) = $2, 1, 0), bid, ask
        FROM read_parquet($1) ORDER BY ALL""",
        [list(map(str, lake)), CLOSE_NS],
    ).fetchall()
    assert found == expected
    assert len(found) == 4 * 79 * 10
    sizes = {(float(each.bid_price) > 0, int(each.bid_size), int(each.ask_size)) for each in ticks}
    assert sizes == {(True, 1_000_000, 1_000_000), (False, 0, 1_000_000)}
    assert all(each.ts_init == each.ts_event for each in ticks)


def test_the_index_is_a_nanosecond_before_each_stamp(catalogue, lake):
    found = [(each.ts_event + 1, float(each.price)) for each in catalogue.trade_ticks(["SPX.XCBO"])]

    expected = duckdb.execute(
        "SELECT DISTINCT epoch_ns(timestamp), underlying_price FROM read_parquet($1) ORDER BY 1",
        [list(map(str, lake))],
    ).fetchall()
    assert found == expected


class Holder(Strategy):
    """Buys one of each call and sells one of each put at its first quote, and holds them."""

    def __init__(self, ids):
        super().__init__()
        self.ids, self.traded = ids, set()

    def on_start(self):
        for each in self.ids:
            self.subscribe_quote_ticks(each)

    def on_quote_tick(self, tick):
        if tick.instrument_id not in self.traded:
            self.traded.add(tick.instrument_id)
            kind = self.cache.instrument(tick.instrument_id).option_kind
            side = OrderSide.BUY if kind == OptionKind.CALL else OrderSide.SELL
            order = self.order_factory.market(tick.instrument_id, side, Quantity.from_int(1))
            self.submit_order(order)


@pytest.fixture(scope="module")
def settled(catalogue):
    """Return what became of one of each contract of the week, traded on the first day and held."""
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        venue=Venue("XCBO"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=USD,
        starting_balances=[Money(1_000_000, USD)],
    )
    names = [name_of(strike, right) for strike in STRIKES[:3] for right in "CP"]
    for instrument in catalogue.instruments(instrument_ids=names):
        engine.add_instrument(instrument)
    for name in names:
        engine.add_data(catalogue.quote_ticks([name]))
    engine.add_strategy(Holder([InstrumentId.from_str(name) for name in names]))
    engine.run()
    found = {
        each.instrument_id.value: (
            each.is_closed,
            each.ts_closed,
            each.avg_px_open,
            each.avg_px_close,
            float(each.realized_pnl),
        )
        for each in engine.cache.positions()
    }
    engine.dispose()
    return found


def test_what_is_held_to_its_expiration_settles_at_intrinsic_to_the_cent(settled, lake):
    first = duckdb.execute(
        """SELECT strike, "right", first(if("right" = 'C', ask, bid) ORDER BY timestamp) FROM read_parquet($1)
        WHERE root = 'SPXW' AND strike < 5000 GROUP BY ALL ORDER BY ALL""",
        [str(lake[0])],
    ).fetchall()
    ((price,),) = duckdb.execute(
        "SELECT last(underlying_price ORDER BY timestamp) FROM read_parquet($1)", [str(lake[-1])]
    ).fetchall()

    assert len(first) == len(settled) == 6
    assert price != round(price)  # there are cents to settle at
    for strike, right, traded in first:
        is_closed, at, opened, closed, earned = settled[name_of(strike, right)]
        intrinsic = round(max(0.0, price - strike if right == "C" else strike - price), 2)
        assert (is_closed, at) == (True, CLOSE_NS)
        assert opened == pytest.approx(traded, abs=1e-9)
        assert closed == pytest.approx(intrinsic, abs=1e-9)
        assert earned == pytest.approx(100 * (intrinsic - traded) * (1 if right == "C" else -1), abs=1e-6)
    # Some are worth nothing then, long and short.
    assert {right for strike, right, _ in first if settled[name_of(strike, right)][3] == 0} == {"C", "P"}


def test_a_second_call_writes_nothing_and_contracts_have_one_file_for_all_days(folder, lake):
    contracts = list((folder / "data/option_contract").rglob("*.parquet"))

    assert len(contracts) == 10
    assert done(lake, folder, "nautilus") == [(date, False) for date in DATES]
    assert entry(folder, DATES[0])["notes"] == [
        "the lake has no sizes: 1,000,000 stands for them",
        "there are no greeks: Nautilus 1.221 has no type for those of a quote",
    ]


def test_a_lake_of_quotes_has_its_sizes_and_no_index(tmp_path):
    stamps = sealed_rows.stamps_of(DATES[0])[:3]
    rows = sealed_rows.chain(DATES[0], "SPXW", EXPIRATION, [4700], stamps, kind="quotes")
    done([sealed_rows.seal(tmp_path / "lake", DATES[0], [rows])], tmp_path / "out", "nautilus")

    catalogue = ParquetDataCatalog(str(tmp_path / "out"))
    found = [(int(each.bid_size), int(each.ask_size)) for each in catalogue.quote_ticks([name_of(4700, "C")])]
    assert found == [(int(10 + stamp // 60_000 % 90), int(11 + stamp // 60_000 % 80)) for stamp in stamps]
    assert catalogue.trade_ticks() == []


def test_options_on_a_fund_are_on_an_equity(tmp_path):
    stamps = sealed_rows.stamps_of(DATES[0])[:3]
    rows = sealed_rows.chain(DATES[0], "SPY", EXPIRATION, [4692.5], stamps, symbol="SPY")
    path = sealed_rows.seal(tmp_path / "lake", DATES[0], [rows], symbol="SPY")
    form, spy = exports.of("nautilus"), products.PRODUCTS["SPY"]
    list(exporting.export([path], form, tmp_path / "out", Selection(), spy))

    found = {each.id.value: each for each in ParquetDataCatalog(str(tmp_path / "out")).instruments()}
    assert isinstance(found["SPY.XCBO"], Equity)
    option = found[name_of(4692.5, "C", "SPY")]
    assert (str(option.price_increment), str(option.strike_price)) == ("0.01", "4692.50")
