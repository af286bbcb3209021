"""How fast a terminal is, how many questions it answers at once, and how much there is to ask for."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from spx_data.ops.probe.findings import looking
from spx_data.ops.probe.findings.assumption import Assumption, Seen
from spx_data.ops.probe.heard import Heard, Raw, Story, Topic
from spx_data.sources.profile import Speed, Volume

_TELLING_SECONDS = 0.05  # of a body: what takes less time tells no rate
_WAITING_SECONDS = 0.2  # of an answer that comes alone: one that comes sooner may wait for this machine
_WAITED = 1.5  # times what an answer takes that waits for none
_TOO_MANY = 429
_FIRST_BYTE_SECONDS = 60.0  # a terminal that takes longer to begin is slower than any that was described


def _histories(story: Story) -> list[tuple[Heard, Raw]]:
    """The last answer of each history of a chain."""
    return [(heard, heard.raws[-1]) for heard, _ in looking.chains(story) if heard.raws]


def speed(story: Story) -> Speed:
    """Medians of the histories; of a recording they are its original's."""
    found = _histories(story)
    begins = [raw.first_byte_seconds for _, raw in found]
    rows = [_rows(heard, raw) / raw.seconds for heard, raw in found if raw.seconds > 0]
    return Speed(
        first_byte_seconds=statistics.median(begins) if begins else None,
        slowest_first_byte_seconds=max(begins, default=None),
        bytes_per_second=_rate(found),
        rows_per_second=statistics.median(rows) if rows else None,
        at_once=_at_once(story),
    )


def _rows(heard: Heard, raw: Raw) -> float:
    """Rows of the original answer, of which a recording has a part."""
    raw.body.seek(0, 2)
    here = raw.body.tell()
    return heard.rows * (raw.size / here if here else 1.0)


def _rate(found: Sequence[tuple[Heard, Raw]]) -> float | None:
    """Bytes a second from an answer's first byte to its last."""
    rates = [
        raw.size / (raw.seconds - raw.first_byte_seconds)
        for _, raw in found
        if raw.seconds - raw.first_byte_seconds > _TELLING_SECONDS
    ]
    return statistics.median(rates) if rates else None


def _at_once(story: Story) -> int | None:
    """How many of the contracts that were asked for together were served without waiting.

    The first contract is asked for alone, and tells how long an answer takes. Those after the first wave
    wait for other reasons too.
    """
    asked = list(story.of(Topic.CONTRACT, Topic.NEVER_QUOTED))
    if len(asked) < 3 or not all(heard.raws for heard in asked) or not asked[0].has_rows:
        return None
    alone, together = asked[0].raws[-1], asked[1:]
    wave = [heard.raws[0] for heard in together[: together[0].together]]
    served = [raw for raw in wave if raw.status != _TOO_MANY]
    if len(served) < len(wave):
        return max(1, len(served))
    if alone.first_byte_seconds < _WAITING_SECONDS or len(wave) < 2:
        return None
    return max(1, sum(raw.first_byte_seconds < _WAITED * alone.first_byte_seconds for raw in wave))


# Rows of the table --------------------------------------------------------------------------------------


def _first_byte(story: Story) -> Seen | None:
    found = speed(story)
    if found.first_byte_seconds is None or found.slowest_first_byte_seconds is None:
        return None
    slowest = found.slowest_first_byte_seconds
    text = (
        f"the first byte of a history after {_seconds(found.first_byte_seconds)}, {_seconds(slowest)} at most"
    )
    follows = "thetadata.history_timeout_seconds must leave it that time"
    return Seen(text, slowest < _FIRST_BYTE_SECONDS, follows, "speed")


def _bytes(story: Story) -> Seen | None:
    rate = _rate(_histories(story))
    whole = [raw.seconds for _, raw in _histories(story)]
    if rate is None:
        return None
    text = (
        f"{rate / 1e6:.3g} MB a second from first to last byte, a history in {_seconds(max(whole))} at most"
    )
    return Seen(text, as_assumed=True, consequence="estimates of duration rest on it", set="speed")


def _queue(story: Story) -> Seen | None:
    served = _at_once(story)
    if served is None:
        return None
    asked = list(story.of(Topic.CONTRACT, Topic.NEVER_QUOTED))
    alone, together = asked[0].raws[-1].first_byte_seconds, asked[1:]
    wave = together[: together[0].together]
    each = ", ".join(
        "refused with 429"
        if heard.raws[0].status == _TOO_MANY
        else _seconds(heard.raws[0].first_byte_seconds)
        for heard in wave
    )
    text = f"alone {_seconds(alone)}; {len(wave)} at once {each}"
    follows = f"thetadata.max_concurrent_requests above {served} gains nothing here"
    if served == len(wave):
        follows = "the terminal serves at least as many at once"
    return Seen(text, served == len(wave), follows, "speed")


def _seconds(seconds: float) -> str:
    return f"{seconds:.2g} s"


def volume(story: Story) -> Volume | None:
    """What the listings of the ordinary day hold; None where there is none."""
    found = {
        heard.root: heard.listed.chains
        for heard in story.of(Topic.LISTING)
        if heard.listed is not None and heard.root is not None
    }
    first = story.one(Topic.LISTING)
    if not found or first is None or first.date is None:
        return None
    return Volume(
        first.date,
        {root: len(chains) for root, chains in found.items()},
        {root: sum(chain.contracts for chain in chains) for root, chains in found.items()},
    )


ASSUMPTIONS = (
    Assumption("first-byte", "a history's first byte comes within a minute", _first_byte),
    Assumption("throughput", "an answer comes as fast as the terminal can send it", _bytes),
    Assumption("at-once", "requests that are asked together are served together", _queue),
)
