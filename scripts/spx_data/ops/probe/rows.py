"""Which rows a chain has: at the open, before a first quote, in quiet minutes, without a bid or a market.

And what single contracts say, held against what their chain's answer has of them.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from spx_data.errors import ApiDataNotFoundError
from spx_data.fill.lacking import listed_contracts
from spx_data.market.second_opinion import Lack, contract
from spx_data.ops.probe import choosing, looking
from spx_data.ops.probe.heard import Heard, Story, Topic
from spx_data.ops.probe.looking import Seen
from spx_data.quality.panel import FAILED, clock
from spx_data.sources.catalogue import capabilities

_OPENS = dt.time(9, 30)
_ASKED_BY_THEMSELVES = "such contracts are asked for by themselves, and what they have besides is kept"
_STILL_MS = 600_000  # that quotes near the money stand still: no market of an index rests so long
# The last session's window reaches beyond the close, and today's end is not known.
_WITHIN_HOURS = (Topic.ORDINARY, Topic.LIVING, Topic.CLOCK_CHANGE, Topic.THIRD_FRIDAY)


def opening_row(story: Story) -> Seen | None:
    """The row at 09:30: docs/wire.md, of index roots, which have no price yet, and of shares."""
    for heard, records in looking.chains(story):
        row, window = choosing.first_odd(records, choosing.FIRST), heard.window
        if row is None or not window or window.start != _OPENS or not records["underlying_price"].count():
            continue
        stamp, price, error = row["underlying_timestamp"], row["underlying_price"], row["iv_error"]
        at = "without a time" if stamp is None else f"of {clock(stamp)}"
        text = f"{heard.name} begins with {looking.named(row)}: "
        text += f"underlying {looking.number(price)} {at}, iv_error {looking.number(error)}"
        follows = "the row is kept as it is; no greek is judged where the underlying is not known"
        behind = looking.since_midnight(heard, row["timestamp"]) - window.start_ms
        if behind > 0:
            follows = "the stamps before it are none that a contract lacks: its chain has none of them either"
        if story.product.dividends:  # of a share, which had a price before
            return Seen(text, price > 0, follows)
        if not capabilities(story.api).from_the_open:
            return Seen(text, behind == window.step_ms, follows)
        unknown = price == 0 and error is not None and error >= FAILED and stamp is not None
        return Seen(text, behind == 0 and unknown, follows)
    return None


def first_quotes(story: Story) -> Seen | None:
    """What a contract has before its first quote."""
    for heard, records in looking.chains(story, *_WITHIN_HOURS, Topic.TODAY):
        if one := choosing.first_lacking(records, Lack.LATE):
            stamp = looking.ends(choosing.of_contract(records, one))[0]
            text = f"{heard.name}: {contract(*one)} begins at {clock(stamp)}"
            return Seen(text, True, _ASKED_BY_THEMSELVES)
    if found := looking.first(story, choosing.ZERO_FIRST):
        heard, row = found
        text = f"{heard.name}: {looking.named(row)} has bid 0 and ask 0 before any quote"
        return Seen(text, False, "such rows are kept as stamps without a market, and no contract begins late")
    return None


def quiet_stamps(story: Story) -> Seen | None:
    """Whether a contract has rows where its quote is that of the stamp before (docs/wire.md: it has)."""
    repeated = looking.first(story, choosing.REPEATED)
    for heard, records in looking.chains(story):
        if one := choosing.first_lacking(records, Lack.HOLES):
            own = choosing.of_contract(records, one)["timestamp"]
            hole = next(stamp for stamp in _stamps(records) if stamp > own[0] and stamp not in own)
            text = f"{heard.name}: {contract(*one)} has no row at {clock(hole)}"
            if repeated is None:
                text += ", and no row anywhere repeats a quote: rows come on change"
            return Seen(text, False, _ASKED_BY_THEMSELVES)
    if repeated is None:
        return None
    heard, row = repeated
    text = f"{heard.name}: {looking.named(row)} repeats its quote, and no contract has a hole"
    return Seen(text, True, "a stamp without a row is a loss, until the contract itself has none")


def _stamps(records: pl.DataFrame) -> list[int]:
    return records["timestamp"].unique().sort().to_list()


def contract_ends(story: Story) -> Iterator[Seen]:
    """Whether contracts have rows to the end of their chain."""
    for heard, records in looking.chains(story, *_WITHIN_HOURS):
        last = clock(looking.ends(records)[1])
        if one := choosing.first_lacking(records, Lack.EARLY):
            ended = clock(looking.ends(choosing.of_contract(records, one))[1])
            text = f"{heard.name}: {contract(*one)} ends at {ended}, its chain at {last}"
            yield Seen(text, False, _ASKED_BY_THEMSELVES)
        whole = f"{heard.name}: all contracts to {last}"
        yield Seen(whole, True, "a contract that ends before its chain is asked for by itself")


def bare_stamps(story: Story) -> Iterator[Seen]:
    """Whether there are stamps that no contract of a chain has."""
    for heard, records in looking.chains(story):
        assert heard.window
        there, step = _stamps(records), heard.window.step_ms
        if bare := sorted(set(range(there[0], there[-1], step)).difference(there)):
            text = f"{heard.name}: no contract has {looking.span(bare, step)}"
            yield Seen(text, False, "a few contracts are asked for by themselves, and say whether they have")
        whole = f"{heard.name}: every stamp from {clock(there[0])} to {clock(there[-1])}"
        yield Seen(whole, True, "a stamp that no contract has is a loss")


def no_bid(story: Story) -> Seen | None:
    """Whether there are rows of contracts for which nobody bids."""
    if found := looking.first(story, choosing.NO_BID):
        heard, row = found
        text = f"{heard.name}: {looking.named(row)} has bid 0, ask {row['ask']:.10g}"
        return Seen(text, True, "they are kept, and judged as quotes with one side")
    if any(looking.chains(story)):
        text = "no row without a bid in any chain"
        return Seen(text, False, "stamps without a bid look like losses: contracts themselves are asked")
    return None


def no_market(story: Story) -> Iterator[Seen]:
    """Whether there are stamps at which nothing near the money has a market."""
    for heard, records in looking.chains(story):
        assert heard.window
        none = ((pl.col("bid") == 0) & (pl.col("ask") == 0)).all()
        each = choosing.near_money(records).group_by("timestamp").agg(none=none)
        if gone := each.filter(pl.col("none"))["timestamp"].sort().to_list():
            when = looking.span(gone, heard.window.step_ms)
            text = f"{heard.name}: bid 0 and ask 0 near the money at {when}"
            yield Seen(text, False, "such stamps are kept, and judged as dead ones (dead-stamps)")
        text = f"{heard.name}: near the money every stamp has a market"
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
            if row["iv_error"] is None and not heard.nulls:
                continue  # of quotes nobody solves any
            solved = ("iv_error", "implied_vol", "delta")
            values = ", ".join(f"{name} {looking.number(row[name])}" for name in solved)
            text = f"{heard.name}: {looking.named(row)} has {why}: {values}"
            usual = row["iv_error"] is not None and row["iv_error"] >= FAILED
            return Seen(text, usual, "such rows are kept; their greeks are judged by no check")
    return None


def standstill(story: Story) -> Iterator[Seen]:
    """Whether the quotes near the money stand still while the underlying moves."""
    for heard, records in looking.chains(story, *_WITHIN_HOURS):
        still = longest_rest(records)
        if still and still[1] - still[0] >= _STILL_MS:
            when = f"{clock(still[0])} to {clock(still[1])}"
            text = f"{heard.name}: nothing near the money moves from {when}"
            yield Seen(text, False, "such stamps are kept, and judged as stalled ones (stalled)")
        text = f"{heard.name}: near the money quotes move with the underlying"
        yield Seen(text, True, "quotes that stood still would be judged as stalled ones (stalled)")


def longest_rest(records: pl.DataFrame) -> tuple[int, int] | None:
    """First and last stamp of the longest time in which the underlying moves, and no quote near the money."""
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


# What single contracts say ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pair:
    """A contract's own answer, and what its chain's has of it; *chain* holds all of that answer."""

    heard: Heard
    own: pl.DataFrame
    of_chain: pl.DataFrame
    chain: pl.DataFrame

    @property
    def more(self) -> pl.DataFrame:
        """Records that the contract alone has."""
        return self.own.join(self.of_chain, on="timestamp", how="anti").sort("timestamp")

    @property
    def fewer(self) -> pl.DataFrame:
        """Records that only its chain's answer has."""
        return self.of_chain.join(self.own, on="timestamp", how="anti").sort("timestamp")

    @property
    def other(self) -> tuple[int, str] | None:
        """The first stamp and column in which the two differ."""
        both = self.of_chain.join(self.own, on="timestamp", suffix=" own").sort("timestamp")
        for name in self.own.columns[3:]:
            differs = both.filter(pl.col(name).ne_missing(pl.col(f"{name} own")))
            if len(differs):
                return differs["timestamp"][0], name
        return None


def _pairs(story: Story, topic: Topic = Topic.CONTRACT) -> Iterator[_Pair]:
    """Contracts that were asked for by themselves and answered, of a chain that was answered too."""
    ordinary = story.one(Topic.ORDINARY)
    if ordinary is None or ordinary.records is None or not len(ordinary.records):
        return
    chain = ordinary.records
    for heard in story.of(topic):
        if heard.was_answered:
            own = chain.clear() if heard.records is None else heard.records
            assert heard.contract
            yield _Pair(heard, own, choosing.of_contract(chain, heard.contract), chain)


def opinions(story: Story) -> tuple[Mapping[Lack, int], Mapping[Lack, int]]:
    """Lacks of the chain's answer that contracts confirmed, and those that they contradicted.

    Where a contract says "no data" of what its chain has rows of, no silence of a contract confirms anything.
    """
    confirmed: Counter[Lack] = Counter()
    contradicted: Counter[Lack] = Counter()
    pairs = list(_pairs(story))
    for pair in pairs:
        for lack, concerns in _lacks(pair):
            (contradicted if len(pair.more.filter(concerns)) else confirmed)[lack] += 1
    for pair in _pairs(story, Topic.NEVER_QUOTED):
        if _is_listed(story, pair.heard):
            (contradicted if len(pair.own) else confirmed)[Lack.ABSENT] += 1
    if _are_silent(pairs):
        confirmed.clear()
    return confirmed, contradicted


def _are_silent(pairs: Iterable[_Pair]) -> bool:
    """Whether a contract says "no data" of what its chain has rows of."""
    return any(len(pair.of_chain) and not len(pair.own) for pair in pairs)


def _lacks(pair: _Pair) -> Iterator[tuple[Lack, pl.Expr]]:
    """What the chain's answer lacks of a contract, and which records of its own contradict that."""
    if not len(pair.of_chain):
        yield Lack.ABSENT, pl.lit(value=True)
        return
    stamp, common = pl.col("timestamp"), pair.chain["timestamp"].unique().sort()
    assert pair.heard.window
    of_chain = stamp.is_in(common.implode())
    every = (common[-1] - common[0]) // pair.heard.window.step_ms + 1
    if len(common) < every:
        yield Lack.STAMPS, ~of_chain & stamp.is_between(common[0], common[-1])
    assert pair.heard.contract
    row = choosing.of_contract(choosing.census(pair.chain), pair.heard.contract).row(0, named=True)
    concerned = {
        Lack.HOLES: of_chain & stamp.is_between(row["first"], row["last"]),
        Lack.LATE: of_chain & (stamp < row["first"]),
        Lack.EARLY: of_chain & (stamp > row["last"]),
    }
    yield from ((lack, concerns) for lack, concerns in concerned.items() if row[lack])


def _is_listed(story: Story, heard: Heard) -> bool:
    """Whether the listing of the date names the contract that has no rows in its chain's answer."""
    listed = story.entry(heard.chain, Topic.LISTING)
    return listed is not None and heard.contract in listed_contracts(listed)


def single_contracts(story: Story) -> Iterator[Seen]:
    """A contract's own answer against its chain's: the first that differs."""
    for heard in story.of(Topic.CONTRACT):
        if heard.error is not None and not isinstance(heard.error, ApiDataNotFoundError):
            said = f"{_name(heard)} by itself: {_refusal(heard)}"
            yield Seen(said, False, "what chains lack stays unexplained where contracts cannot be asked")
    confirms = "confirmed" if opinions(story)[0] else ""
    yield from (_difference(pair, confirms) for pair in _pairs(story))


def _difference(pair: _Pair, confirms: str) -> Seen:
    said = f"{_name(pair.heard)} by itself"
    if not len(pair.own):
        none = f"{said}: no data ({_refusal(pair.heard)}), though its chain's answer has rows of it"
        follows = "single contracts explain nothing here: their silence is believed of no lack"
        return Seen(none, False, follows)
    if len(pair.more):
        text = f"{said} has {clock(pair.more['timestamp'][0])}, which its chain's answer lacks"
        return Seen(text, False, "what contracts have besides is fetched and kept", "contradicted")
    if len(pair.fewer):
        text = f"{said} lacks {clock(pair.fewer['timestamp'][0])}, which its chain's answer has"
        return Seen(text, False, "what any answer has is kept")
    if other := pair.other:
        text = f"{said} has another {other[1]} at {clock(other[0])} than its chain's answer"
        return Seen(text, False, "the chain's answer is kept, and the passport counts what differs")
    follows = "what both lack, the source does not have"
    return Seen(f"{said}: the same rows and values as its chain's answer", True, follows, confirms)


def _name(heard: Heard) -> str:
    assert heard.contract
    return contract(*heard.contract)


def _refusal(heard: Heard) -> str:
    """Status and text of an answer; the kind of the error where there is none that can be read."""
    if heard.raws and heard.raws[-1].status == looking.OK:
        return f"no answer that can be read ({type(heard.error).__name__})" if heard.error else "no rows"
    return looking.told(heard, looking.sentence)


def never_quoted(story: Story) -> Seen | None:
    """A contract of which the chain's answer has nothing, by itself."""
    for heard in story.of(Topic.NEVER_QUOTED):
        listed = "listed" if _is_listed(story, heard) else "not listed"
        said = f"{_name(heard)}, {listed} and without rows in its chain's answer"
        if heard.has_rows:
            text = f"{said}, has rows from {heard.begins} by itself"
            follows = "listed contracts without rows are asked for by themselves"
            return Seen(text, False, follows, "contradicted")
        text = f"{said}, by itself: {_refusal(heard)}"
        if heard.was_answered:
            confirms = "confirmed" if opinions(story)[0].get(Lack.ABSENT) else ""
            believed = "such a contract was never quoted that day"
            silent = "single contracts are silent here about what they have: it tells nothing"
            return Seen(text, True, silent if _are_silent(_pairs(story)) else believed, confirms)
        return Seen(text, False, "whether such a contract was quoted that day stays unexplained")
    return None
