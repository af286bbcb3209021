"""The v3 terminal: which path means what, and how its answers are spelled."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

import polars as pl

from theta_simulator import answers, arguments, chance, lists, sessions, spelling, stream
from theta_simulator.answers import Answer, Refusal
from theta_simulator.arguments import Arguments
from theta_simulator.bad_rows import Wire
from theta_simulator.faults import Fault, Subject
from theta_simulator.faults import Kind as FaultKind
from theta_simulator.greeks import Version
from theta_simulator.habitual import HabitualMarket
from theta_simulator.kinds import V3_HISTORIES, WHOLE, Kind
from theta_simulator.market import TooMuch
from theta_simulator.settings import Settings
from theta_simulator.wire_reports import FORMS, Reports

MDDS_STATUS = "/v3/terminal/mdds/status"
FPSS_STATUS = "/v3/terminal/fpss/status"
STATUS_PATHS = (MDDS_STATUS, FPSS_STATUS)

QUOTED = "/v3/option/list/contracts/quote"
TRADED = "/v3/option/list/contracts/trade"
SUBJECTS: dict[str, Subject] = {
    QUOTED: "contracts",
    TRADED: "contracts",
    **dict.fromkeys(V3_HISTORIES, "history"),
    **{form.v3: "report" for form in FORMS},
}

# Every quote tick is the price of every second here: the market has no finer grain.
INTERVALS = {
    "tick": 1_000,
    "10ms": 10,
    "100ms": 100,
    "500ms": 500,
    "1s": 1_000,
    "5s": 5_000,
    "10s": 10_000,
    "15s": 15_000,
    "30s": 30_000,
    "1m": sessions.MINUTE,
    "5m": 5 * sessions.MINUTE,
    "10m": 10 * sessions.MINUTE,
    "15m": 15 * sessions.MINUTE,
    "30m": 30 * sessions.MINUTE,
    "1h": sessions.HOUR,
}
_RENAMED = {
    "root": "symbol",
    "exp": "expiration",
    "ivl": "interval",
    "use_csv": "format",
    "rate": "rate_type",
    "annual_div": "annual_dividend",
}
_TYPES = answers.V3_TYPES
_CONTRACT = ("symbol", "strike", "right", "expiration")
# The terminal prints the keys of its JSON objects in the order of a hash table.
_DATA_KEYS = (
    "underlying_price",
    "delta",
    "implied_vol",
    "theta",
    "iv_error",
    "epsilon",
    "lambda",
    "ask",
    "rho",
    "bid",
    "underlying_timestamp",
    "vega",
    "timestamp",
)
_LINE_KEYS = (
    "symbol",
    "underlying_price",
    "strike",
    "delta",
    "right",
    "implied_vol",
    "theta",
    "iv_error",
    "epsilon",
    "lambda",
    "ask",
    "rho",
    "expiration",
    "bid",
    "underlying_timestamp",
    "vega",
    "timestamp",
)


class V3:
    """Answers v3 requests; holds nothing but its settings and the market."""

    def __init__(self, settings: Settings, market: HabitualMarket) -> None:
        self._style = settings.style
        self._settings = settings
        self._market = market
        self._paths: dict[str, Callable[[Arguments], Answer]] = {
            "/v3/option/list/symbols": self._symbols,
            "/v3/option/list/expirations": self._expirations,
            "/v3/option/list/strikes": self._strikes,
            "/v3/option/list/dates/quote": self._dates,
            "/v3/option/list/dates/trade": self._dates,
            QUOTED: partial(self._contracts, traded=False),
            TRADED: partial(self._contracts, traded=True),
            **{path: partial(self._history, kind) for path, kind in V3_HISTORIES.items()},
            **{form.v3: Reports(form, settings, market).v3 for form in FORMS},
            "/v3/calendar/today": self._calendar_today,
            "/v3/calendar/on_date": self._calendar_on_date,
            "/v3/calendar/year_holidays": self._year_holidays,
        }

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        """Return the answer to one request, a refusal included."""
        if path.startswith("/v2/"):
            return answers.text(answers.V3_ONLY, 410)
        if path not in self._paths:
            return answers.text(f"Not found: {path}", 404)
        renamed = [f"\t{old} -> {new}\n" for old, new in _RENAMED.items() if old in query]
        if renamed:
            return answers.text(answers.V3_NAMES_ONLY.format(names="".join(renamed)), 410)
        try:
            return self._paths[path](Arguments(query, 400))
        except Refusal as refusal:
            return refusal.answer()

    def stamps(self, query: Mapping[str, str]) -> int:
        """Return how many stamps of a session a request for history asks for."""
        asked = _asked(Arguments(query, 400), whole_dates=True)
        return (asked.end - asked.start) // asked.step + 1

    def _symbols(self, request: Arguments) -> Answer:
        return self._table(request, spelling.table(symbol=lists.SYMBOLS))

    def _expirations(self, request: Arguments) -> Answer:
        today = self._settings.trading_today()
        pairs = [
            (symbol, label)
            for symbol in request.required("symbol").split(",")
            for label in lists.expirations(symbol, today)
        ]
        symbols, labels = [symbol for symbol, _ in pairs], [label.isoformat() for _, label in pairs]
        return self._table(request, spelling.table(symbol=symbols, expiration=labels))

    def _strikes(self, request: Arguments) -> Answer:
        symbol, label = request.required("symbol"), request.day("expiration")
        known = lists.strikes(self._market, symbol, label, self._settings.trading_today())
        frame = pl.DataFrame({"strike": known}, schema={"strike": pl.Float64}).select(
            pl.lit(symbol).alias("symbol"), spelling.fixed("strike", 3)
        )
        return self._table(request, _scrambled(frame, chance.key(0, "strikes", symbol, label.isoformat())))

    def _dates(self, request: Arguments) -> Answer:
        symbol, label = request.required("symbol"), request.day("expiration")
        dates = lists.dates(self._market, symbol, label, self._settings.trading_today())
        return self._table(request, spelling.table(date=[day.isoformat() for day in dates]))

    def _contracts(self, request: Arguments, traded: bool) -> Answer:
        day = request.day("date")
        symbols = (request.query.get("symbol") or "*").split(",")
        if symbols == ["*"]:
            symbols = lists.SYMBOLS
        today = self._settings.trading_today()
        found = lists.contracts(self._market, symbols, self._market.listed_day(day, today), traded, today)
        found = self._market.listing(found, symbols, day)
        if request.query.get("max_dte"):
            furthest = day + timedelta(days=request.number("max_dte"))
            found = found.filter(pl.col("expiration") <= furthest)
        frame = found.select(
            pl.col("root").alias("symbol"),
            pl.col("expiration").cast(pl.String),
            spelling.fixed("strike", 3),
            pl.col("right").replace_strict({"C": "CALL", "P": "PUT"}, return_dtype=pl.String),
        )
        return self._table(
            request,
            _scrambled(frame, chance.key(0, "contracts", day.isoformat())),
            ("symbol", "strike", "expiration", "right"),
        )

    def _history(self, records: Kind, request: Arguments) -> Answer:
        asked = _asked(request, whole_dates=records.whole_dates)
        form = request.choice("format", tuple(_TYPES))
        if asked.whole:
            self._check_whole(asked, request)
            body = tuple(self._whole(records, asked, form))
            if not body:
                raise Refusal(472, answers.V3_NO_DATA)
            cut = Fault(FaultKind.TRUNCATED_CHUNKS) if self._settings.star == "cut" else None
            return Answer(200, _TYPES[form], body, fault=cut)
        frame = self._frame(records, asked, form)
        if frame is None:
            raise Refusal(472, answers.V3_NO_DATA)
        return Answer(200, _TYPES[form], (self._chain(frame, form),))

    def _frame(self, records: Kind, asked: "_Asked", form: str) -> pl.DataFrame | None:
        """Return the rows of one chain as they go onto the wire; None where there are none."""
        parts = []
        days = sessions.between(asked.first, min(asked.last, self._settings.trading_today()))
        for day in days:
            rows = self._rows(asked if records.underlying else replace(asked, version="none"), day)
            if len(rows):
                rows = records.more(rows, asked.label, day, Version(asked.version))
                parts.append(self._spelt(records, rows, asked, day))
        if not parts:
            return None
        frame = _in_wire_order(pl.concat(parts), asked, several_days=len(parts) > 1)
        return self._market.on_the_wire(frame, asked.symbol, asked.label, days, self._wire(asked, form))

    def _check_whole(self, asked: "_Asked", request: Arguments) -> None:
        """Refuse what the terminal refuses to tell of all chains at once."""
        if self._settings.star == "refused":
            raise request.refuse("Cannot specify '*' for the expiration")
        if asked.first == self._settings.trading_today():
            raise request.refuse("Cannot fetch current-day data without specifying an expiration")
        if asked.first != asked.last or asked.step < sessions.MINUTE:
            raise request.refuse("Bulk history requests are limited to intervals of at least 1 minute.")

    def _whole(self, records: Kind, asked: "_Asked", form: str) -> Iterator[bytes]:
        """Return the rows of all chains of a date, part by part."""
        found = self._market.expirations(asked.symbol, asked.first)
        chains = [item.label for item in found if asked.reaches(item.label)]
        frames = (self._frame(records, replace(asked, label=label), form) for label in chains)
        return stream.parts(
            (frame for frame in frames if frame is not None),
            self._settings.star,
            form,
            lambda frame: self._chain(frame, form),
        )

    def _rows(self, asked: "_Asked", day: date) -> pl.DataFrame:
        """Return one day's rows of the contracts asked for."""
        try:
            rows = self._market.history(
                asked.symbol,
                asked.label,
                day,
                asked.step,
                asked.start,
                asked.end,
                asked.version,
                asked.strike,
            )
        except TooMuch:
            raise Refusal(570, answers.TOO_MUCH) from None
        return rows.filter(pl.col("right").is_in(asked.rights)) if len(asked.rights) == 1 else rows

    def _spelt(self, records: Kind, rows: pl.DataFrame, asked: "_Asked", day: date) -> pl.DataFrame:
        """Return one day's rows as the columns of the endpoint, spelled."""
        prices = 4 if self._style == "live" and records.underlying else 2
        decimals = {"bid": prices, "ask": prices}
        behind = (
            spelling.stamps("underlying_ms", day, self._style, rows["underlying_ms"]).alias(
                "underlying_timestamp"
            ),
            spelling.fixed("underlying_price", prices),
        )
        return rows.select(
            pl.lit(asked.symbol).alias("symbol"),
            pl.lit(asked.label.isoformat()).alias("expiration"),
            spelling.fixed("strike", 3),
            pl.col("right").replace_strict({"C": "CALL", "P": "PUT"}, return_dtype=pl.String),
            spelling.stamps("ms_of_day", day, self._style, rows["ms_of_day"]).alias("timestamp"),
            *(
                pl.col(name) if name in WHOLE else spelling.fixed(name, decimals.get(name, 4))
                for name in records.columns
            ),
            *(behind if records.underlying else ()),
        )

    def _wire(self, asked: "_Asked", kind: str) -> Wire:
        """Return how the rows are spelled, for what is wrong with their spelling."""
        return Wire(
            alone=asked.strike is not None,
            not_a_number=kind == "csv",
            right=lambda letter: {"C": "CALL", "P": "PUT"}[letter],
            stamp="timestamp",
            moment=lambda day, ms: f"{day.isoformat()}T{spelling.clock(ms, self._style)}",
            label=date.isoformat,
        )

    def _chain(self, frame: pl.DataFrame, kind: str) -> bytes:
        """Return contract data in the format asked for."""
        if kind == "csv":
            return spelling.csv(spelling.quoted(frame) if self._style == "live" else frame)
        data, line = (_keys(known, frame.columns) for known in (_DATA_KEYS, _LINE_KEYS))
        data = [name for name in data if name not in _CONTRACT]
        return spelling.v3_objects(frame, kind, self._style, _CONTRACT, data, line)

    def _table(self, request: Arguments, frame: pl.DataFrame, keys: tuple[str, ...] = ()) -> Answer:
        """Return a list in the format asked for; an empty list is no data."""
        kind = request.choice("format", tuple(_TYPES))
        if frame.is_empty():
            raise Refusal(472, answers.V3_NO_DATA)
        if kind == "csv":
            body = spelling.csv(spelling.quoted(frame) if self._style == "live" else frame)
            return Answer(200, _TYPES[kind], (body,))
        lines = frame.select(spelling.objects(frame, keys or frame.columns)).to_series()
        write = spelling.flat_json if kind == "json" else spelling.ndjson
        return Answer(200, _TYPES[kind], (write(lines, self._style),))

    def _calendar_today(self, request: Arguments) -> Answer:
        return self._table(
            request, lists.calendar(self._market, [self._settings.trading_today()]).drop("date")
        )

    def _calendar_on_date(self, request: Arguments) -> Answer:
        day = request.day("date")
        if not sessions.FIRST <= day <= sessions.LAST:
            raise Refusal(472, answers.V3_NO_DATA)
        return self._table(request, lists.calendar(self._market, [day]).drop("date"))

    def _year_holidays(self, request: Arguments) -> Answer:
        return self._table(request, lists.holidays(self._market, request.number("year")))


def _keys(known: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return all *columns*, those that are *known* first, and in that order."""
    return [name for name in known if name in columns] + [name for name in columns if name not in known]


@dataclass(frozen=True)
class _Asked:
    """A request for history, understood; *whole* where it is about all chains, and then *label* is none's."""

    symbol: str
    label: date
    first: date
    last: date
    step: int
    start: int
    end: int
    version: str
    strike: float | None
    rights: tuple[str, ...]
    whole: bool = False
    max_dte: int | None = None

    def reaches(self, label: date) -> bool:
        """Say whether an expiration is near enough."""
        return self.max_dte is None or (label - self.first).days <= self.max_dte


def _asked(request: Arguments, *, whole_dates: bool) -> _Asked:
    """Read a request for history; refuse what the terminal refuses."""
    symbol = request.required("symbol")
    whole = whole_dates and request.required("expiration") == "*"
    first, last = request.span()
    label = first if whole else request.day("expiration")
    step = INTERVALS.get(request.query.get("interval") or "1s")
    if step is None:
        raise request.refuse(f"Invalid interval: {request.query['interval']}")
    if first != last and step < sessions.MINUTE:
        raise request.refuse("Bulk history requests are limited to intervals of at least 1 minute.")
    if arguments.more_than_a_month(first, last):
        raise request.refuse("Bulk history requests are limited to no more than 1 month.")
    start = request.clock("start_time", sessions.OPEN)
    end = request.clock("end_time", sessions.REGULAR_CLOSE)
    if start > end:
        raise request.refuse("Start must be before end")
    version = request.choice("version", ("latest", "1"))
    strike, rights = request.strike(), request.rights()
    furthest = request.number("max_dte") if request.query.get("max_dte") else None
    return _Asked(symbol, label, first, last, step, start, end, version, strike, rights, whole, furthest)


def _scrambled(frame: pl.DataFrame, base: int) -> pl.DataFrame:
    """Return the rows in an order of no meaning, the same every time."""
    places = pl.int_range(pl.len()).alias("place")
    numbers = frame.select(places).to_series().to_numpy()
    order = pl.Series("order", chance.hashes(base, numbers)).head(len(frame))
    return frame.with_columns(order).sort("order").drop("order")


def _in_wire_order(frame: pl.DataFrame, asked: _Asked, several_days: bool) -> pl.DataFrame:
    """Sort by strike and right; which right comes first is a habit of the chain, as on the wire."""
    puts_first = chance.key(0, "order", asked.symbol, asked.label.isoformat()) % 2 == 1
    if not puts_first and not several_days:
        return frame
    return frame.sort("strike", "right", descending=[False, puts_first], maintain_order=True)
