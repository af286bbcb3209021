"""What several findings look at: the chains that were heard, and how a place in them is named."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from spx_data.market.chains import midnight_ms, true_expiration
from spx_data.market.second_opinion import contract
from spx_data.market.sessions import Session
from spx_data.ops.probe import oddities
from spx_data.ops.probe.heard import CHAINS, Heard, Story, Topic
from spx_data.quality.panel import clock


def chains(story: Story, *topics: Topic) -> Iterator[tuple[Heard, pl.DataFrame]]:
    """The histories of chains with records, those on the ordinary day first; of some *topics*, or of all."""
    of = topics or CHAINS
    for each in sorted(story.of(*of), key=lambda heard: of.index(heard.topic)):
        if each.records is not None and len(each.records):
            yield each, each.records


def first(story: Story, oddity: str, *topics: Topic) -> tuple[Heard, dict[str, Any]] | None:
    """The first chain that has a row with an *oddity* (`probe.oddities`), and the row."""
    found = ((heard, oddities.first(records, oddity)) for heard, records in chains(story, *topics))
    return next(((heard, row) for heard, row in found if row), None)


def said(heard: Heard) -> str:
    """A chain and its date in words."""
    assert heard.chain
    assert heard.date
    own = true_expiration(heard.chain.listed)
    return f"{heard.chain.root} {heard.date}" + ("" if own == heard.date else f" expiring {own}")


def number(value: float | None) -> str:
    """A value of a row in words."""
    return "blank" if value is None else f"{value:.10g}"


def named(row: Mapping[str, Any]) -> str:
    """The contract of a row and its stamp: like C 4700 at 10:31."""
    return f"{contract(row['right'], row['strike'])} at {clock(row['timestamp'])}"


def is_last_day(heard: Heard) -> bool:
    """Whether a chain expires on the date that was asked for."""
    return heard.chain is not None and true_expiration(heard.chain.listed) == heard.date


def session(story: Story, date: dt.date | None) -> Session | None:
    """The session of a date; None where the calendar has none."""
    return next((each for each in story.sessions if each.date == date), None)


def since_midnight(heard: Heard, stamp: int) -> int:
    """A stamp (ms since the epoch) as ms since midnight in New York of the date asked for."""
    assert heard.date
    return stamp - midnight_ms(heard.date)


def ends(records: pl.DataFrame) -> tuple[int, int]:
    """The first and the last stamp of records, in ms since the epoch."""
    stamps = records["timestamp"].sort()
    return int(stamps[0]), int(stamps[-1])


def span(stamps: list[int], step: int) -> str:
    """The first of some stamps and those that follow it without a gap: like 10:31 to 10:40."""
    last = stamps[0]
    for stamp in stamps[1:]:
        if stamp - last != step:
            break
        last = stamp
    return clock(stamps[0]) if last == stamps[0] else f"{clock(stamps[0])} to {clock(last)}"
