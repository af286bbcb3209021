"""The profile that follows from what was heard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

from spx_data.market.second_opinion import Lack
from spx_data.ops.probe.findings import clock, ends, findings, floor, singles, speed, spelling
from spx_data.ops.probe.heard import CHAINS, Story, Topic
from spx_data.sources.profile import Ends, Floor, Profile, Speed, Wire

_Value = TypeVar("_Value")
_NO_OPINIONS: tuple[Mapping[Lack, int], Mapping[Lack, int]] = ({}, {})


def profile_of(story: Story) -> Profile:
    """What *story* tells of its terminal."""
    status = story.one(Topic.STATUS)
    server = status.raws[-1].headers.get("server") if status and status.raws else None
    confirmed, contradicted = _told(singles.opinions, story, _NO_OPINIONS)
    full_day, half_day = _told(ends.ends, story, (Ends(), Ends()))
    return Profile(
        probed_at=story.moment,
        whole=story.ended_by is None and not story.cut_short,
        full=story.full,
        api=story.api,
        base_url=story.base_url,
        server=server,
        wire=_told(spelling.wire, story, Wire()),
        blanks=_blanks(story),
        confirmed=confirmed,
        contradicted=contradicted,
        full_day=full_day,
        half_day=half_day,
        clocks=_told(clock.clocks, story, ()),
        speed=_told(speed.speed, story, Speed()),
        volume=_told(speed.volume, story, None),
        floor=_told(floor.floor, story, Floor()),
        table=tuple(findings(story)),
        answers={raw.target: raw.sha256 for raw in story.raws},
    )


def _told(read: Callable[[Story], _Value], story: Story, otherwise: _Value) -> _Value:
    """A value of the profile; *otherwise* where it cannot be read, which a row of the table reports."""
    try:
        return read(story)
    except Exception:
        return otherwise


def _blanks(story: Story) -> tuple[str, ...]:
    """The columns of which records lack a value in several chains' answers."""
    lacking = Counter(name for each in story.of(*CHAINS) for name in each.nulls)
    return tuple(sorted(name for name, answers in lacking.items() if answers > 1))
