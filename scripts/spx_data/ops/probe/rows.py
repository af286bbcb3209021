"""Which rows a chain has: at the open, before a first quote, in quiet minutes, without a bid or a market."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from spx_data.market.products import settles_at_the_open
from spx_data.market.second_opinion import Lack, contract
from spx_data.ops.probe import choosing, looking
from spx_data.ops.probe.heard import CHAINS, Heard, Story, Topic
from spx_data.ops.probe.looking import Seen
from spx_data.quality.panel import FAILED, clock
from spx_data.sources.catalogue import capabilities
from spx_data.sources.profile import Ends

if TYPE_CHECKING:
    import polars as pl


_OPENS = dt.time(9, 30)
_ASKED_BY_THEMSELVES = "such contracts are asked for by themselves, and what they have besides is kept"
_STILL_MS = 600_000  # that quotes near the money stand still: no market of an index rests so long
# The last session's window reaches beyond the close, and today's end is not known.
_WITHIN_HOURS = (Topic.ORDINARY, Topic.LIVING, Topic.CLOCK_CHANGE, Topic.THIRD_FRIDAY)
_FULL_WINDOWS = (
    Topic.LAST_SESSION,
    Topic.ORDINARY,
    Topic.LIVING,
    Topic.HALF_DAY,
    Topic.HALF_DAY_EXPIRING,
    Topic.CLOCK_CHANGE,
)
_STOCKS_CLOSE = dt.time(16)  # a window that ends before tells nothing of a session's end
_REST_MS = 600_000  # for which quotes near the money must have stood still to count as repeated


def opening_row(story: Story) -> Seen | None:
    """The row at 09:30: docs/wire.md, of index roots, which have no price yet."""
    opened = (
        (heard, row)
        for heard, records in looking.chains(story, *CHAINS)
        if heard.window
        and heard.window.start == _OPENS
        and (row := choosing.first_odd(records, choosing.FIRST))
    )
    heard, row = next(opened, (None, None))
    if heard is None or row is None or heard.window is None:
        return None
    behind = looking.since_midnight(heard, row["timestamp"]) - heard.window.start_ms
    text = f"{looking.said(heard)} begins with {looking.named(row)}: {_priced(row)}"
    if not capabilities(story.api).from_the_open:
        return Seen(text, behind == heard.window.step_ms, _of_opening(behind > 0))
    unknown = row["underlying_price"] == 0 and row["iv_error"] is not None and row["iv_error"] >= FAILED
    stamped = row["underlying_timestamp"] is not None
    return Seen(text, behind == 0 and unknown and stamped, _of_opening(behind > 0))


def _of_opening(none: bool) -> str:
    if none:
        return "the stamps before it are none that a contract lacks: its chain has none of them either"
    return "the row is kept as it is; no greek is judged where the underlying is not known"


def _priced(row: dict[str, Any]) -> str:
    stamp, price, error = row["underlying_timestamp"], row["underlying_price"], row["iv_error"]
    at = "without a time" if stamp is None else f"of {clock(stamp)}"
    return f"underlying {looking.number(price)} {at}, iv_error {looking.number(error)}"


def first_quotes(story: Story) -> Seen | None:
    """What a contract has before its first quote."""
    for heard, records in looking.chains(story, *_WITHIN_HOURS, Topic.TODAY):
        if one := choosing.first_lacking(records, Lack.LATE):
            stamp = looking.ends(_of_contract(records, one))[0]
            text = f"{looking.said(heard)}: {contract(*one)} begins at {clock(stamp)}"
            return Seen(text, True, _ASKED_BY_THEMSELVES)
    if found := looking.first(story, choosing.ZERO_FIRST):
        heard, row = found
        text = f"{looking.said(heard)}: {looking.named(row)} has bid 0 and ask 0 before any quote"
        return Seen(text, False, "such rows are kept as stamps without a market, and no contract begins late")
    return None


def quiet_stamps(story: Story) -> Seen | None:
    """Whether a contract has rows where its quote is that of the stamp before (docs/wire.md: it has)."""
    repeated = looking.first(story, choosing.REPEATED)
    for heard, records in looking.chains(story, *CHAINS):
        if one := choosing.first_lacking(records, Lack.HOLES):
            text = f"{looking.said(heard)}: {contract(*one)} has no row at {clock(_hole(records, one))}"
            if repeated is None:
                text += ", and no row anywhere repeats a quote: rows come on change"
            return Seen(text, False, _ASKED_BY_THEMSELVES)
    if repeated is None:
        return None
    heard, row = repeated
    text = f"{looking.said(heard)}: {looking.named(row)} repeats its quote, and no contract has a hole"
    return Seen(text, True, "a stamp without a row is a loss, until the contract itself has none")


def _of_contract(records: pl.DataFrame, one: choosing.Contract) -> pl.DataFrame:
    import polars as pl

    return records.filter((pl.col("right") == one[0]) & (pl.col("strike") == one[1]))


def _hole(records: pl.DataFrame, one: choosing.Contract) -> int:
    """The first stamp between others of a contract that it lacks, and that another has."""
    own = _of_contract(records, one)["timestamp"]
    return next(stamp for stamp in _stamps(records) if stamp > own[0] and stamp not in own)


def _stamps(records: pl.DataFrame) -> list[int]:
    return records["timestamp"].unique().sort().to_list()


def contract_ends(story: Story) -> Iterator[Seen]:
    """Whether contracts have rows to the end of their chain."""
    for heard, records in looking.chains(story, *_WITHIN_HOURS):
        last = clock(looking.ends(records)[1])
        if one := choosing.first_lacking(records, Lack.EARLY):
            ended = clock(looking.ends(_of_contract(records, one))[1])
            text = f"{looking.said(heard)}: {contract(*one)} ends at {ended}, its chain at {last}"
            yield Seen(text, False, _ASKED_BY_THEMSELVES)
        whole = f"{looking.said(heard)}: all contracts to {last}"
        yield Seen(whole, True, "a contract that ends before its chain is asked for by itself")


def bare_stamps(story: Story) -> Iterator[Seen]:
    """Whether there are stamps that no contract of a chain has."""
    for heard, records in looking.chains(story, *CHAINS):
        assert heard.window
        there, step = _stamps(records), heard.window.step_ms
        if bare := sorted(set(range(there[0], there[-1], step)).difference(there)):
            text = f"{looking.said(heard)}: no contract has {looking.span(bare, step)}"
            yield Seen(text, False, "a few contracts are asked for by themselves, and say whether they have")
        whole = f"{looking.said(heard)}: every stamp from {clock(there[0])} to {clock(there[-1])}"
        yield Seen(whole, True, "a stamp that no contract has is a loss")


def no_bid(story: Story) -> Seen | None:
    """Whether there are rows of contracts for which nobody bids."""
    if found := looking.first(story, choosing.NO_BID):
        heard, row = found
        text = f"{looking.said(heard)}: {looking.named(row)} has bid 0, ask {row['ask']:.10g}"
        return Seen(text, True, "they are kept, and judged as quotes with one side")
    if any(looking.chains(story)):
        text = "no row without a bid in any chain"
        return Seen(text, False, "stamps without a bid look like losses: contracts themselves are asked")
    return None


def no_market(story: Story) -> Iterator[Seen]:
    """Whether there are stamps at which nothing near the money has a market."""
    import polars as pl

    for heard, records in looking.chains(story, *CHAINS):
        assert heard.window
        none = ((pl.col("bid") == 0) & (pl.col("ask") == 0)).all()
        each = choosing.near_money(records).group_by("timestamp").agg(none=none)
        if gone := each.filter(pl.col("none"))["timestamp"].sort().to_list():
            when = looking.span(gone, heard.window.step_ms)
            text = f"{looking.said(heard)}: bid 0 and ask 0 near the money at {when}"
            yield Seen(text, False, "such stamps are kept, and judged as dead ones (dead-stamps)")
        text = f"{looking.said(heard)}: near the money every stamp has a market"
        yield Seen(text, True, "stamps without any would be judged as dead ones (dead-stamps)")


def unsolved(story: Story) -> Seen | None:
    """What a row says whose volatility was not found: without a market, with one, without an underlying."""
    for oddity, why in (
        (choosing.NO_MARKET, "neither bid nor ask"),
        (choosing.UNSOLVED, "bid and ask"),
        (choosing.NO_UNDERLYING, "no underlying"),
    ):
        if found := looking.first(story, oddity):
            heard, row = found
            values = ", ".join(
                f"{name} {looking.number(row[name])}" for name in ("iv_error", "implied_vol", "delta")
            )
            text = f"{looking.said(heard)}: {looking.named(row)} has {why}: {values}"
            usual = row["iv_error"] is not None and row["iv_error"] >= FAILED
            return Seen(text, usual, "such rows are kept; their greeks are judged by no check")
    return None


def standstill(story: Story) -> Iterator[Seen]:
    """Whether the quotes near the money stand still while the underlying moves."""
    for heard, records in looking.chains(story, *_WITHIN_HOURS):
        still = longest_rest(records)
        if still and still[1] - still[0] >= _STILL_MS:
            when = f"{clock(still[0])} to {clock(still[1])}"
            text = f"{looking.said(heard)}: nothing near the money moves from {when}"
            yield Seen(text, False, "such stamps are kept, and judged as stalled ones (stalled)")
        text = f"{looking.said(heard)}: near the money quotes move with the underlying"
        yield Seen(text, True, "quotes that stood still would be judged as stalled ones (stalled)")


def longest_rest(records: pl.DataFrame) -> tuple[int, int] | None:
    """First and last stamp of the longest time in which the underlying changes, and no quote near the money.

    None where there is no such time.
    """
    import polars as pl

    each = (
        choosing.near_money(records)
        .filter((pl.col("bid") > 0) | (pl.col("ask") > 0))
        .with_columns(
            (pl.col(name) != pl.col(name).shift()).over("right", "strike").fill_null(value=False).alias(name)
            for name in ("bid", "ask", "underlying_price")
        )
        .group_by("timestamp")
        .agg(quoted=(pl.col("bid") | pl.col("ask")).any(), moved=pl.col("underlying_price").any())
        .sort("timestamp")
    )
    best: tuple[int, int] | None = None
    begun, moves = None, False
    for stamp, quoted, moved in each.rows():
        if quoted or begun is None:
            begun, moves = stamp, False
            continue
        moves |= moved
        if moves and (best is None or stamp - begun > best[1] - best[0]):
            best = begun, stamp
    return best


class _End(NamedTuple):
    heard: Heard
    half: bool
    last_day: bool
    last: int  # ms since the epoch
    expected: int
    rests: int | None  # since when nothing near the money changes; None where it does to the end


def _ends(story: Story) -> list[_End]:
    """The last stamps of finished days, in windows wide enough to tell them: the widest windows first."""
    found = []
    for heard, records in looking.chains(story, *_FULL_WINDOWS):
        session, window = looking.session(story, heard.date), heard.window
        last_day = looking.is_last_day(heard)
        assert heard.chain
        if not session or not window or window.end < _STOCKS_CLOSE:
            continue
        if last_day and settles_at_the_open(heard.chain.root):
            continue
        last = looking.ends(records)[1]
        expected = int(session.last_stamp(window, story.product, expiring=last_day).timestamp() * 1000)
        found.append(_End(heard, session.early_close, last_day, last, expected, _rests(records, last)))
    return found


def _rests(records: pl.DataFrame, last: int) -> int | None:
    """Since when no quote near the money changes, should that be long before the *last* stamp."""
    import polars as pl

    moved = (pl.col("bid") != pl.col("bid").shift()) | (pl.col("ask") != pl.col("ask").shift())
    near = choosing.near_money(records).filter(moved.over("right", "strike"))
    since = near["timestamp"].max()
    return since if isinstance(since, int) and last - since >= _REST_MS else None


def ends(story: Story) -> tuple[Ends, Ends]:
    """Last stamps of a full day and of a half day."""
    found = _ends(story)

    def last(*, half: bool, last_day: bool) -> int | None:
        of_kind = (end for end in found if (end.half, end.last_day) == (half, last_day))
        return next((looking.since_midnight(end.heard, end.last) for end in of_kind), None)

    full, short = (
        Ends(last(half=half, last_day=False), last(half=half, last_day=True)) for half in (False, True)
    )
    return full, short


def of_days(story: Story, *, half: bool) -> Seen | None:
    """Where the rows of full days, or of half days, end."""
    found = {end.last_day: end for end in reversed(_ends(story)) if end.half is half}
    texts = [_end_said(found[last_day], last_day) for last_day in (False, True) if last_day in found]
    if not texts:
        return None
    usual = all(end.last == end.expected and not end.rests for end in found.values())
    if usual:
        follows = "stamps until then are expected, and none after it"
    else:
        follows = "each day's end is read from its own rows; what comes after the close is kept besides"
    return Seen("; ".join(texts), usual, follows, "half_day" if half else "full_day")


def _end_said(end: _End, last_day: bool) -> str:
    assert end.heard.window
    kind = "expiring" if last_day else "living"
    text = (
        f"{kind} chain of {end.heard.date} to {clock(end.last)} (asked for to {end.heard.window.end:%H:%M})"
    )
    return text + (f", quotes near the money the same since {clock(end.rests)}" if end.rests else "")


def outside_hours(story: Story) -> Seen | None:
    """Whether there are rows before 09:30 or after the options' close, in a window that would have them."""
    for heard, records in looking.chains(story, Topic.LAST_SESSION):
        session, window = looking.session(story, heard.date), heard.window
        if not session or not window or window.start >= _OPENS:
            return None
        begin, end = looking.ends(records)
        text = f"{looking.said(heard)}, asked for from {window.start:%H:%M} to {window.end:%H:%M}: "
        text += f"rows from {clock(begin)} to {clock(end)}"
        both = session.opens, session.options_close(story.product)
        opens, closes = (moment.timestamp() * 1000 for moment in both)
        within = opens <= begin and end <= closes
        return Seen(text, within, "a window wider than the session adds " + ("nothing" if within else "rows"))
    return None
