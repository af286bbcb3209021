"""What single contracts say, held against what their chain's answer has of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import polars as pl

from spx_data.errors import ApiDataNotFoundError
from spx_data.market import schema
from spx_data.market.second_opinion import Lack, contract
from spx_data.ops.probe import choosing, looking
from spx_data.ops.probe.heard import Heard, Story, Topic
from spx_data.ops.probe.looking import Seen
from spx_data.ops.probe.scrubbing import MOST_OPAQUE, sentence
from spx_data.quality.panel import clock

_CONTRACT = ("right", "strike")


@dataclass(frozen=True)
class _Pair:
    """A contract's own answer, and what its chain's has of it; *chain* holds all of that answer."""

    heard: Heard
    own: pl.DataFrame
    of_chain: pl.DataFrame
    chain: pl.DataFrame

    @property
    def name(self) -> str:
        assert self.heard.right
        assert self.heard.strike is not None
        return contract(self.heard.right, self.heard.strike)

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
        values = schema.RECORD.names[3:]
        both = self.of_chain.join(self.own, on="timestamp", suffix=" own").sort("timestamp")
        for name in values:
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
        if heard.error is None or isinstance(heard.error, ApiDataNotFoundError):
            own = chain.clear() if heard.records is None else heard.records
            here = chain.filter((pl.col("right") == heard.right) & (pl.col("strike") == heard.strike))
            yield _Pair(heard, own, here, chain)


# What is believed ---------------------------------------------------------------------------------------


def opinions(story: Story) -> tuple[Mapping[Lack, int], Mapping[Lack, int]]:
    """Lacks of the chain's answer that contracts confirmed, and those that they contradicted.

    Where a contract says "no data" of what its chain has rows of, no silence of a contract confirms anything.
    """
    confirmed: Counter[Lack] = Counter()
    contradicted: Counter[Lack] = Counter()
    pairs = list(_pairs(story))
    for pair in pairs:
        for lack, concerns in _lacks(pair):
            (contradicted if _any(pair.more, concerns) else confirmed)[lack] += 1
    for pair in _pairs(story, Topic.NEVER_QUOTED):
        if _is_listed(story, pair.heard):
            (contradicted if len(pair.own) else confirmed)[Lack.ABSENT] += 1
    if _are_silent(pairs):
        confirmed.clear()
    return confirmed, contradicted


def _are_silent(pairs: Iterable[_Pair]) -> bool:
    """Whether a contract says "no data" of what its chain has rows of."""
    return any(len(pair.of_chain) and not len(pair.own) for pair in pairs)


def _any(records: pl.DataFrame, concerns: pl.Expr) -> bool:
    return len(records.filter(concerns)) > 0


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
    found = choosing.census(pair.chain).filter(
        (pl.col("right") == pair.heard.right) & (pl.col("strike") == pair.heard.strike)
    )
    row = found.row(0, named=True)
    concerned = {
        Lack.HOLES: of_chain & stamp.is_between(row["first"], row["last"]),
        Lack.LATE: of_chain & (stamp < row["first"]),
        Lack.EARLY: of_chain & (stamp > row["last"]),
    }
    yield from ((lack, concerns) for lack, concerns in concerned.items() if row[lack])


def _is_listed(story: Story, heard: Heard) -> bool:
    """Whether the listing of the date names the contract that has no rows in its chain's answer."""
    listing = story.one(Topic.LISTING)
    chains = listing.listed.chains if listing and listing.listed else ()
    return any(
        heard.chain is not None
        and each.chain.listed == heard.chain.listed
        and heard.strike in (each.calls if heard.right == "C" else each.puts)
        for each in chains
    )


# Rows of the table --------------------------------------------------------------------------------------


def single_contracts(story: Story) -> Seen | None:
    """A contract's own answer against its chain's: the first that differs."""
    for heard in story.of(Topic.CONTRACT):
        if heard.error is not None and not isinstance(heard.error, ApiDataNotFoundError):
            said = f"{_name(heard)} by itself: {_refusal(heard)}"
            return Seen(said, False, "what chains lack stays unexplained where contracts cannot be asked")
    same = None
    for pair in _pairs(story):
        seen = _difference(pair)
        if not seen.as_assumed:
            return seen
        same = same or seen
    return replace(same, set="confirmed" if opinions(story)[0] else "") if same else None


def _difference(pair: _Pair) -> Seen:
    said = f"{pair.name} by itself"
    if not len(pair.own):
        none = f"{said}: no data ({_refusal(pair.heard)}), though its chain's answer has rows of it"
        return Seen(
            none, False, "single contracts explain nothing here: their silence is believed of no lack"
        )
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
    return Seen(f"{said}: the same rows and values as its chain's answer", True, follows)


def _name(heard: Heard) -> str:
    assert heard.right
    assert heard.strike is not None
    return contract(heard.right, heard.strike)


def _refusal(heard: Heard) -> str:
    """Status and text of an answer; the kind of the error where none came."""
    if not heard.raws:
        return f"no answer ({type(heard.error).__name__})"
    raw = heard.raws[-1]
    if raw.status == 200:
        return f"no answer that can be read ({type(heard.error).__name__})" if heard.error else "no rows"
    return f"status {raw.status} {sentence(raw.content(MOST_OPAQUE), raw.size)!r}"


def never_quoted(story: Story) -> Seen | None:
    """A contract of which the chain's answer has nothing, by itself."""
    for heard in story.of(Topic.NEVER_QUOTED):
        listed = "listed" if _is_listed(story, heard) else "not listed"
        said = f"{_name(heard)}, {listed} and without rows in its chain's answer"
        if heard.has_rows and heard.records is not None:
            text = f"{said}, has rows from {clock(looking.ends(heard.records)[0])} by itself"
            return Seen(
                text, False, "listed contracts without rows are asked for by themselves", "contradicted"
            )
        if heard.error is None or isinstance(heard.error, ApiDataNotFoundError):
            text = f"{said}, by itself: {_refusal(heard)}"
            confirms = "confirmed" if opinions(story)[0].get(Lack.ABSENT) else ""
            believed = "such a contract was never quoted that day"
            silent = "single contracts are silent here about what they have: it tells nothing"
            return Seen(text, True, silent if _are_silent(_pairs(story)) else believed, confirms)
        text = f"{said}, by itself: {_refusal(heard)}"
        return Seen(text, False, "whether such a contract was quoted that day stays unexplained")
    return None
