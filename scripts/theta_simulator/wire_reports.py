"""How both terminals spell what they report of a date's contracts: the end of day, and open interest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from theta_simulator import answers, arguments, eod, interest, sessions, spelling
from theta_simulator.answers import Answer, Paged, Refusal
from theta_simulator.arguments import Arguments
from theta_simulator.habitual import HabitualMarket
from theta_simulator.settings import Settings

_CONTRACT = ("symbol", "strike", "right", "expiration")
_V2_CONTRACT = ("root", "expiration", "strike", "right")
_Days = list[tuple[date, pl.DataFrame]]


@dataclass(frozen=True)
class Form:
    """A report: where it is asked for, what a row has, and how that is spelled.

    *times* are its columns of ms since midnight, each with its names on the v3 and on the v2 terminal. The
    terminal prints the keys of its JSON objects in the order of a hash table.
    """

    v3: str
    v2: str
    name: str  # of a v2 terminal's files
    of_days: Callable[[HabitualMarket, str, date | None, Sequence[date], date], _Days]
    times: Mapping[str, tuple[str, str]]
    values: tuple[str, ...]
    prices: frozenset[str]
    data_keys: tuple[str, ...]
    line_keys: tuple[str, ...]

    @property
    def v3_columns(self) -> tuple[str, ...]:
        """The columns of a v3 CSV."""
        stamps = (name for name, _ in self.times.values())
        return ("symbol", "expiration", "strike", "right", *stamps, *self.values)

    @property
    def tick(self) -> tuple[str, ...]:
        """The columns of a v2 row, without those of its contract."""
        return (*(name for _, name in self.times.values()), *self.values, "date")


_OF_DAY = eod.COLUMNS[2:]
_EOD_KEYS = (
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
EOD = Form(
    v3="/v3/option/history/eod",
    v2="/v2/bulk_hist/option/eod",
    name="EOD",
    of_days=eod.of_days,
    times={"created_ms": ("created", "ms_of_day"), "last_trade_ms": ("last_trade", "ms_of_day2")},
    values=_OF_DAY,
    prices=frozenset(("open", "high", "low", "close", "bid", "ask")),
    data_keys=_EOD_KEYS,
    line_keys=(
        "symbol",
        *_EOD_KEYS[:4],
        "strike",
        "count",
        "right",
        *_EOD_KEYS[5:12],
        "expiration",
        *_EOD_KEYS[12:],
    ),
)
INTEREST = Form(
    v3="/v3/option/history/open_interest",
    v2="/v2/bulk_hist/option/open_interest",
    name="OPEN_INTEREST",
    of_days=interest.of_days,
    times={"stamp_ms": ("timestamp", "ms_of_day")},
    values=("open_interest",),
    prices=frozenset(),
    data_keys=("open_interest", "timestamp"),
    line_keys=("symbol", "strike", "open_interest", "expiration", "right", "timestamp"),
)
FORMS = (EOD, INTEREST)


@dataclass(frozen=True)
class Reports:
    """Answers requests for one of them."""

    form: Form
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
        root, form = request.required("root"), self.form
        label = None if request.required("exp") == "0" else request.day("exp")
        first, last = request.day("start_date"), request.day("end_date")
        if first > last:
            raise request.refuse(":Start must be before end.")
        if label is None and first != last:
            raise request.refuse(":Requests with exp=0 must cover one day.")
        parts = [self._spelt_v2(rows, root, day) for day, rows in self._days(root, label, first, last)]
        if not parts:
            raise Refusal(472, answers.V2_NO_DATA)
        frame = pl.concat(parts).sort("expiration", "strike", "right", maintain_order=True)
        size = self.settings.page_size
        slices = [frame.slice(offset, size) for offset in range(0, len(frame), size)]
        if request.flag("use_csv", default=False):
            filename = f"{form.name}.O-{root}.{first:%Y%m%d}-{last:%Y%m%d}.csv"
            return Paged(answers.CSV, form.tick, tuple(map(spelling.csv, slices)), filename)
        bodies = tuple(spelling.v2_ticks(part, form.tick, _V2_CONTRACT) for part in slices)
        return Paged(answers.JSON, form.tick, bodies, "")

    def _days(self, root: str, label: date | None, first: date, last: date) -> _Days:
        today = self.settings.trading_today()
        return self.form.of_days(self.market, root, label, sessions.between(first, min(last, today)), today)

    def _spelt_v3(self, rows: pl.DataFrame, symbol: str, day: date) -> pl.DataFrame:
        """Return a day's rows as the columns of the endpoint."""
        style = self.settings.style
        return rows.select(
            pl.lit(symbol).alias("symbol"),
            pl.col("expiration").cast(pl.String),
            spelling.fixed("strike", 3),
            pl.col("right").replace_strict({"C": "CALL", "P": "PUT"}, return_dtype=pl.String),
            *(
                spelling.stamps(name, day, style, rows[name]).alias(spelt)
                for name, (spelt, _) in self.form.times.items()
            ),
            *self._values(2),
        )

    def _values(self, decimals: int) -> list[pl.Expr]:
        prices = self.form.prices
        return [
            spelling.fixed(name, decimals) if name in prices else pl.col(name) for name in self.form.values
        ]

    def _v3_body(self, frame: pl.DataFrame, kind: str) -> bytes:
        style, form = self.settings.style, self.form
        if kind == "csv":
            frame = frame.select(form.v3_columns)
            return spelling.csv(spelling.quoted(frame) if style == "live" else frame)
        return spelling.v3_objects(frame, kind, style, _CONTRACT, form.data_keys, form.line_keys)

    def _spelt_v2(self, rows: pl.DataFrame, root: str, day: date) -> pl.DataFrame:
        """Return a day's rows as the columns of the endpoint."""
        return rows.select(
            pl.lit(root).alias("root"),
            pl.col("expiration").dt.strftime("%Y%m%d"),
            (pl.col("strike") * 1000).round().cast(pl.Int64),
            "right",
            *(pl.col(name).alias(spelt) for name, (_, spelt) in self.form.times.items()),
            *self._values(4),
            pl.lit(f"{day:%Y%m%d}").alias("date"),
        )
