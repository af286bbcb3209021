"""How both terminals spell the end-of-day report."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from theta_simulator import answers, arguments, eod, sessions, spelling
from theta_simulator.answers import Answer, Paged, Refusal
from theta_simulator.arguments import Arguments
from theta_simulator.habitual import HabitualMarket
from theta_simulator.settings import Settings

V3 = "/v3/option/history/eod"
V2 = "/v2/bulk_hist/option/eod"
_PRICES = ("open", "high", "low", "close", "bid", "ask")
_AFTER_TIMES = eod.COLUMNS[2:]
_V3_COLUMNS = ("symbol", "expiration", "strike", "right", "created", "last_trade", *_AFTER_TIMES)
_CONTRACT = ("symbol", "strike", "right", "expiration")
# The terminal prints the keys of its JSON objects in the order of a hash table.
_DATA_KEYS = (
    "ask_size",
    "last_trade",
    "created",
    "ask_condition",
    "count",
    "volume",
    "high",
    "low",
    "bid_size",
    "ask_exchange",
    "bid_exchange",
    "ask",
    "bid",
    "bid_condition",
    "close",
    "open",
)
_LINE_KEYS = (
    "symbol",
    *_DATA_KEYS[:4],
    "strike",
    "count",
    "right",
    *_DATA_KEYS[5:12],
    "expiration",
    *_DATA_KEYS[12:],
)
_V2_CONTRACT = ("root", "expiration", "strike", "right")
TICK = ("ms_of_day", "ms_of_day2", *_AFTER_TIMES, "date")


@dataclass(frozen=True)
class Reports:
    """Answers requests for the report."""

    settings: Settings
    market: HabitualMarket

    def v3(self, request: Arguments) -> Answer:
        """Return a v3 report: of one expiration, or with `*` of all of them day by day."""
        symbol, label = request.required("symbol"), None
        if request.required("expiration") != "*":
            label = request.day("expiration")
        kind = request.choice("format", tuple(answers.V3_TYPES))
        first, last = request.span()
        if label is None and first != last:
            raise request.refuse("Cannot specify '*' for the expiration of more than one day")
        if arguments.more_than_a_month(first, last):
            raise request.refuse("Bulk history requests are limited to no more than 1 month.")
        parts = [self._spelt_v3(rows, symbol, day) for day, rows in self._days(symbol, label, first, last)]
        frame = pl.concat(parts) if parts else pl.DataFrame(schema={"strike": pl.Float64, "right": pl.String})
        frame = frame.filter(pl.col("right").is_in([{"C": "CALL", "P": "PUT"}[r] for r in request.rights()]))
        if (strike := request.strike()) is not None:
            frame = frame.filter(pl.col("strike").cast(pl.Float64) == strike)
        if frame.is_empty():
            raise Refusal(472, answers.V3_NO_DATA)
        return Answer(200, answers.V3_TYPES[kind], (self._v3_body(frame, kind),))

    def v2(self, request: Arguments) -> Paged:
        """Return a v2 report: of one expiration, or with `exp=0` of all of them for one day."""
        root = request.required("root")
        label = None if request.required("exp") == "0" else request.day("exp")
        first, last = request.day("start_date"), request.day("end_date")
        if first > last:
            raise request.refuse(":Start must be before end.")
        if label is None and first != last:
            raise request.refuse(":Requests with exp=0 must cover one day.")
        parts = [_spelt_v2(rows, root, day) for day, rows in self._days(root, label, first, last)]
        if not parts:
            raise Refusal(472, answers.V2_NO_DATA)
        frame = pl.concat(parts).sort("expiration", "strike", "right", maintain_order=True)
        size = self.settings.page_size
        slices = [frame.slice(offset, size) for offset in range(0, len(frame), size)]
        if request.flag("use_csv", default=False):
            filename = f"EOD.O-{root}.{first:%Y%m%d}-{last:%Y%m%d}.csv"
            return Paged(answers.CSV, TICK, tuple(map(spelling.csv, slices)), filename)
        return Paged(
            answers.JSON, TICK, tuple(spelling.v2_ticks(part, TICK, _V2_CONTRACT) for part in slices), ""
        )

    def _days(
        self, root: str, label: date | None, first: date, last: date
    ) -> list[tuple[date, pl.DataFrame]]:
        today = self.settings.trading_today()
        return eod.of_days(self.market, root, label, sessions.between(first, min(last, today)), today)

    def _spelt_v3(self, rows: pl.DataFrame, symbol: str, day: date) -> pl.DataFrame:
        """Return a day's rows as the columns of the endpoint."""
        style = self.settings.style
        return rows.select(
            pl.lit(symbol).alias("symbol"),
            pl.col("expiration").cast(pl.String),
            spelling.fixed("strike", 3),
            pl.col("right").replace_strict({"C": "CALL", "P": "PUT"}, return_dtype=pl.String),
            spelling.stamps("created_ms", day, style, rows["created_ms"]).alias("created"),
            spelling.stamps("last_trade_ms", day, style, rows["last_trade_ms"]).alias("last_trade"),
            *(spelling.fixed(name, 2) if name in _PRICES else pl.col(name) for name in _AFTER_TIMES),
        )

    def _v3_body(self, frame: pl.DataFrame, kind: str) -> bytes:
        style = self.settings.style
        if kind == "csv":
            frame = frame.select(_V3_COLUMNS)
            return spelling.csv(spelling.quoted(frame) if style == "live" else frame)
        return spelling.v3_objects(frame, kind, style, _CONTRACT, _DATA_KEYS, _LINE_KEYS)


def _spelt_v2(rows: pl.DataFrame, root: str, day: date) -> pl.DataFrame:
    """Return a day's rows as the columns of the endpoint."""
    return rows.select(
        pl.lit(root).alias("root"),
        pl.col("expiration").dt.strftime("%Y%m%d"),
        (pl.col("strike") * 1000).round().cast(pl.Int64),
        "right",
        pl.col("created_ms").alias("ms_of_day"),
        pl.col("last_trade_ms").alias("ms_of_day2"),
        *(spelling.fixed(name, 4) if name in _PRICES else pl.col(name) for name in _AFTER_TIMES),
        pl.lit(f"{day:%Y%m%d}").alias("date"),
    )
