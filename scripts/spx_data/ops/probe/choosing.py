"""Which contracts of a chain's answer a recording keeps: those that a probe of it would speak of.

What a finding names is the lowest strike or the earliest stamp of its kind, and what it says of all contracts
has its counterexamples; both are kept, with all their rows. The choice is the same where only the chosen
contracts are left, so what was cut once is not cut again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Set
from typing import TYPE_CHECKING

from spx_data.fill.lacking import listed_contracts
from spx_data.market.chains import Chain, ListedChain
from spx_data.ops.probe import contracts, oddities
from spx_data.ops.probe.contracts import Contract
from spx_data.ops.probe.heard import Story, Topic

if TYPE_CHECKING:
    import polars as pl

_LISTINGS = (Topic.LISTING, Topic.LISTING_TODAY)

ChainKey = tuple[str, dt.date, dt.date]  # root, listed expiration, date
Kept = Mapping[ChainKey, frozenset[Contract]]


def key_of(chain: Chain) -> ChainKey:
    """What tells a chain of a date from others."""
    return chain.root, chain.listed, chain.date


def chosen(story: Story, more: Mapping[ChainKey, set[Contract]], *, mean: bool = False) -> Kept:
    """What is kept of the chains that were asked about in *story*, in answers and in listings.

    *more* stays for other reasons. Where that is too much, a *mean* choice leaves what questions hang on.
    """
    found: dict[ChainKey, set[Contract]] = {}
    for heard in story.heard:
        if heard.chain is None:
            continue
        kept = found.setdefault(key_of(heard.chain), set(more.get(key_of(heard.chain), ())))
        if heard.right is not None and heard.strike is not None:
            kept.add((heard.right, heard.strike))
            continue
        entry = _entry(story, heard.chain)
        if heard.records is not None:
            kept.update(_of_answer(heard.records, _most(story), mean=mean))
        kept.update(_of_entry(heard.there, entry, _most(story)))
    return {key: frozenset(kept) for key, kept in found.items()}


def _most(story: Story) -> int:
    from spx_data.ops.probe.line import FULL, SHORT

    return (FULL if story.full else SHORT).contracts


def _entry(story: Story, chain: Chain) -> ListedChain | None:
    """A chain as the listing of its date has it."""
    for heard in story.of(*_LISTINGS):
        if heard.listed and (heard.root, heard.date) == (chain.root, chain.date):
            return next((each for each in heard.listed.chains if each.chain.listed == chain.listed), None)
    return None


def _of_entry(there: Set[Contract], entry: ListedChain | None, most: int) -> Iterator[Contract]:
    """The listed contracts of a chain that questions hang on: the highest, and one that the answer lacks."""
    ordered = sorted(listed_contracts(entry), key=lambda one: (one[1], one[0])) if entry else []
    yield from ordered[-1:]
    if there:
        yield from sorted(set(ordered) - there)[:1]
    elif ordered:
        # A chain without rows is asked in its middle, which stays the middle between its ends.
        yield from (ordered[0], *contracts.telling(None, entry, most))


def left(records: pl.DataFrame, most: int) -> pl.DataFrame:
    """Those of a chain's *records* that are of contracts which questions hang on, or findings are about."""
    import polars as pl

    if not len(records):
        return records
    names = ["right", "strike"]
    kept = pl.DataFrame(sorted(set(_of_answer(records, most, mean=False))), names, orient="row")
    return records.join(kept, on=names, how="semi", maintain_order="left")


def _of_answer(records: pl.DataFrame, most: int, *, mean: bool) -> Iterator[Contract]:
    """The contracts of an answer that questions hang on, and those that findings are about unless *mean*."""
    if not len(records):
        return
    yield from contracts.telling(records, None, most)
    ordered = records.sort("strike", "right").select("right", "strike")
    yield from (ordered.row(0), ordered.row(-1))
    if not mean:
        yield from oddities.kept(records)
