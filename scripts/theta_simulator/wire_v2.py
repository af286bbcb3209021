"""The v2 terminal: which path means what, and how its answers are spelled.

Strikes are thousandths of a dollar, times milliseconds since midnight, dates
eight digits; greeks come in pages of rows, and a contract may continue on the next.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial

import polars as pl

from theta_simulator import answers, chance, lists, sessions, spelling
from theta_simulator.answers import Answer, Paged, Refusal
from theta_simulator.arguments import Arguments
from theta_simulator.bad_rows import Wire
from theta_simulator.faults import Subject
from theta_simulator.greeks import Version
from theta_simulator.habitual import HabitualMarket
from theta_simulator.kinds import V2_HISTORIES, V2_SINGLES, WHOLE, Kind
from theta_simulator.market import MOST_ROWS, TooMuch
from theta_simulator.settings import Settings
from theta_simulator.wire_reports import FORMS, Reports

MDDS_STATUS = "/v2/system/mdds/status"
FPSS_STATUS = "/v2/system/fpss/status"
STATUS_PATHS = (MDDS_STATUS, FPSS_STATUS)

QUOTED = "/v2/list/contracts/option/quote"
TRADED = "/v2/list/contracts/option/trade"
SUBJECTS: dict[str, Subject] = {
    QUOTED: "contracts",
    TRADED: "contracts",
    **dict.fromkeys((*V2_HISTORIES, *V2_SINGLES), "history"),
    **{form.v2: "report" for form in FORMS},
}

_CONTRACT = ("root", "expiration", "strike", "right")
_TIMES = ("ms_of_day", "ms_of_day2", "date")
# Without an interval every tick is due; the market has one a second.
_TICK_MS = 1000


class V2:
    """Answers v2 requests; holds nothing but its settings and the market."""

    def __init__(self, settings: Settings, market: HabitualMarket) -> None:
        self._settings = settings
        self._market = market
        self._paths: dict[str, Callable[[Arguments], Paged]] = {
            "/v2/list/roots/option": self._roots,
            "/v2/list/expirations": self._expirations,
            "/v2/list/strikes": self._strikes,
            "/v2/list/dates/option/quote": self._dates,
            "/v2/list/dates/option/trade": self._dates,
            QUOTED: partial(self._contracts, traded=False),
            TRADED: partial(self._contracts, traded=True),
            **{path: partial(self._history, kind, single=False) for path, kind in V2_HISTORIES.items()},
            **{path: partial(self._history, kind, single=True) for path, kind in V2_SINGLES.items()},
            **{form.v2: Reports(form, settings, market).v2 for form in FORMS},
        }

    def answer(self, path: str, query: Mapping[str, str]) -> Answer | Paged:
        """Return the answer to one request, a refusal included."""
        if path not in self._paths:
            return answers.text(f":No implementation for the path: {path}", 404)
        try:
            return self._paths[path](Arguments(query, 473))
        except Refusal as refusal:
            return refusal.answer()

    def stamps(self, query: Mapping[str, str]) -> int:
        """Return how many stamps of a session a request for history asks for."""
        request = Arguments(query, 473)
        step = request.number("ivl", 0)
        start, end = _window(request, step)
        return max(0, (end - start) // (step or _TICK_MS) + 1)

    def _roots(self, request: Arguments) -> Paged:
        return self._list(request, "root", [f'"{root}"' for root in lists.SYMBOLS], lists.SYMBOLS)

    def _expirations(self, request: Arguments) -> Paged:
        labels = lists.expirations(request.required("root"), self._settings.trading_today())
        return self._list(request, "date", [f"{label:%Y%m%d}" for label in labels])

    def _strikes(self, request: Arguments) -> Paged:
        today = self._settings.trading_today()
        known = lists.strikes(self._market, request.required("root"), request.day("exp"), today)
        return self._list(request, "strike", [f"{strike * 1000:.0f}" for strike in known])

    def _dates(self, request: Arguments) -> Paged:
        today = self._settings.trading_today()
        days = lists.dates(self._market, request.required("root"), request.day("exp"), today)
        return self._list(request, "date", [f"{day:%Y%m%d}" for day in days])

    def _contracts(self, request: Arguments, traded: bool) -> Paged:
        day = request.day("start_date")
        roots = (request.query.get("root") or ",".join(lists.SYMBOLS)).split(",")
        today = self._settings.trading_today()
        found = lists.contracts(self._market, roots, self._market.listed_day(day, today), traded, today)
        found = self._market.listing(found, roots, day)
        if found.is_empty():
            raise Refusal(472, answers.V2_NO_CONTRACTS.format(date=day))
        scramble = chance.hashes(chance.key(0, "contracts", day.isoformat()), _numbers(len(found)))
        frame = found.with_columns(
            pl.col("expiration").dt.strftime("%Y%m%d"),
            (pl.col("strike") * 1000).round().cast(pl.Int64),
            order=pl.Series(scramble),
        )
        frame = frame.sort("order").select(_CONTRACT)
        if request.flag("use_csv", default=False):
            return Paged(answers.CSV, _CONTRACT, (spelling.csv(frame),), f"CONTRACTS.{day:%Y%m%d}.csv")
        rows = frame.select(spelling.fill('["%s", %s, %s, "%s"]', *_CONTRACT)).to_series()
        return Paged(answers.JSON, _CONTRACT, (spelling.joined(rows.to_list()),), "")

    def _history(self, records: Kind, request: Arguments, single: bool) -> Paged:
        """Return a chain's rows contract by contract, or one contract's without its name."""
        root, label = request.required("root"), self._expiration(request)
        first, last = request.day("start_date"), request.day("end_date")
        if first > last:
            raise request.refuse(":Start must be before end.")
        step = request.number("ivl", 0)
        use_csv, pretty = request.flag("use_csv", default=False), request.flag("pretty_time", default=False)
        strike, right = _one_contract(request) if single else (None, None)
        frame = self._rows(records, root, label, first, last, step, *_window(request, step), strike, right)
        tick = _tick(records)
        frame = self._spelt(frame, tick, root, label, first, last, use_csv=use_csv, alone=single)
        frame = _pretty(frame) if pretty else frame
        size = self._settings.page_size
        slices = [frame.slice(offset, size) for offset in range(0, len(frame), size)]
        if use_csv:
            filename = f"{records.v2.upper()}.O-{root}.{label:%Y%m%d}.{first:%Y%m%d}-{last:%Y%m%d}.{step}.csv"
            names = tick if single else (*_CONTRACT, *tick)
            return Paged(
                answers.CSV, tick, tuple(spelling.csv(part.select(names)) for part in slices), filename
            )
        write, texts = _lists if single else _ticks, _TIMES if pretty else ()
        return Paged(answers.JSON, tick, tuple(write(part, tick, texts) for part in slices), "")

    def _rows(
        self,
        records: Kind,
        root: str,
        label: date,
        first: date,
        last: date,
        step: int,
        start: int,
        end: int,
        strike: float | None,
        right: str | None,
    ) -> pl.DataFrame:
        """Return the rows of all dates, contract by contract; of one contract where it is named."""
        parts, total = [], 0
        for day in sessions.between(first, min(last, self._settings.trading_today())):
            try:
                version = Version.V2 if records.underlying else Version.NONE
                rows = self._market.history(
                    root, label, day, step or _TICK_MS, start, end, version.value, strike
                )
                rows = records.more(rows, label, day, version)
            except TooMuch:
                raise Refusal(570, f":{answers.TOO_MUCH}.") from None
            rows = rows if right is None else rows.filter(pl.col("right") == right)
            if (total := total + len(rows)) > MOST_ROWS:
                raise Refusal(570, f":{answers.TOO_MUCH}.")
            parts.append(rows.with_columns(date=pl.lit(f"{day:%Y%m%d}")))
        if total == 0:
            raise Refusal(472, answers.V2_NO_DATA)
        return pl.concat(parts).sort("strike", "right", maintain_order=True)

    def _spelt(
        self,
        frame: pl.DataFrame,
        tick: tuple[str, ...],
        root: str,
        label: date,
        first: date,
        last: date,
        *,
        use_csv: bool,
        alone: bool,
    ) -> pl.DataFrame:
        """Return the rows as the columns of the endpoint, with what is wrong in their spelling."""
        wire = Wire(
            alone=alone,
            not_a_number=use_csv,
            right=str,
            stamp="ms_of_day",
            moment=lambda _, ms: ms,
            label=lambda day: f"{day:%Y%m%d}",
            date="date",
        )
        return self._market.on_the_wire(
            _spelt(frame, tick, root, label), root, label, sessions.between(first, last), wire
        )

    def _expiration(self, request: Arguments) -> date:
        """Return the one expiration greeks can be asked for."""
        if request.query.get("exp") == "0":
            raise request.refuse(":History needs one expiration; exp=0 is not supported.")
        return request.day("exp")

    def _list(
        self, request: Arguments, name: str, items: Sequence[str], bare: Sequence[str] | None = None
    ) -> Paged:
        """Return a one-column list; an empty one is no data."""
        if not items:
            raise Refusal(472, answers.V2_NO_DATA)
        if request.flag("use_csv", default=False):
            body = "".join(f"{line}\r\n" for line in (name, *(bare or items)))
            return Paged(answers.CSV, None, (body.encode(),), f"{name.upper()}.csv")
        return Paged(answers.JSON, None, (spelling.joined(items),), "")


def _window(request: Arguments, step: int) -> tuple[int, int]:
    """Return the first and last stamp asked for: a named time wins over regular hours."""
    regular = request.flag("rth", default=True) and step > 0
    start, end = (sessions.OPEN, sessions.REGULAR_CLOSE) if regular else (0, sessions.DAY)
    return request.number("start_time", start), request.number("end_time", end)


def _tick(records: Kind) -> tuple[str, ...]:
    """Return the columns of a row, without those of its contract."""
    behind = ("ms_of_day2", "underlying_price") if records.underlying else ()
    return ("ms_of_day", *records.columns, *behind, "date")


def _spelt(frame: pl.DataFrame, tick: tuple[str, ...], root: str, label: date) -> pl.DataFrame:
    """Return the rows as the columns of the endpoint; prices and Greeks have four decimals."""
    return frame.rename({"underlying_ms": "ms_of_day2"}).select(
        pl.lit(root).alias("root"),
        pl.lit(f"{label:%Y%m%d}").alias("expiration"),
        (pl.col("strike") * 1000).round().cast(pl.Int64),
        "right",
        *(pl.col(name) if name in _TIMES or name in WHOLE else spelling.fixed(name, 4) for name in tick),
    )


def _pretty(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with times and dates as people write them."""
    clocks = {
        name: pl.col(name).replace_strict(
            {ms: spelling.clock(ms, "live") for ms in frame[name].unique()}, return_dtype=pl.String
        )
        for name in ("ms_of_day", "ms_of_day2")
        if name in frame.columns
    }
    return frame.with_columns(**clocks, date=pl.col("date").str.to_date("%Y%m%d").cast(pl.String))


def _one_contract(request: Arguments) -> tuple[float, str]:
    """Return the contract that a request names: strike in 1/1000 dollar on the wire, right C or P."""
    strike, right = request.number("strike"), request.choice("right", ("", "C", "P"))
    if not right:
        raise request.refuse("Missing required parameter: right")
    return strike / 1000, right


def _lists(frame: pl.DataFrame, tick: Sequence[str], texts: Sequence[str]) -> bytes:
    """Return one page's rows of one contract."""
    return spelling.joined(frame.select(spelling.v2_row(frame, tick, texts)).to_series().to_list())


def _ticks(frame: pl.DataFrame, tick: Sequence[str], texts: Sequence[str]) -> bytes:
    """Return one page's contracts, each with its rows."""
    return spelling.v2_ticks(frame, tick, _CONTRACT, texts)


def _numbers(count: int) -> chance.Ints:
    """Return the numbers below *count*."""
    return pl.int_range(count, eager=True).to_numpy()
