"""The looks of a session: one for each state, and for what a sealed one is worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spx_data.lake.session_states import Kind
from spx_data.settings import Settings
from spx_data.status import Summary
from spx_data.status.quality import Day

UNJUDGED = "unjudged"


@dataclass(frozen=True)
class Tone:
    """A look that `dashboard.css` has by the *classes* of a cell; *name* is that of the legend's entry."""

    name: str
    classes: str
    title: str
    meaning: str


def name_of(summary: Summary, day: Day | None) -> str:
    """The tone of a session; *day* is what it is worth, where somebody judged it."""
    kind = summary.state.kind
    if kind is not Kind.SEALED:
        return kind.value
    if day is None or day.verdict is None:
        return f"{kind}-{UNJUDGED}"
    return kind.value if day.verdict == "good" else f"{kind}-{day.verdict}"


def tones(settings: Settings) -> dict[str, Tone]:
    """Every tone by its name, in the order of the legend."""
    return {tone.name: tone for tone in (*_of_sealed(settings), *_of_gaps())}


def _of_sealed(settings: Settings) -> Iterator[Tone]:
    rules, kind = settings.quality, Kind.SEALED
    warned = f"score below {rules.warn_below:g}, or a part of it below {rules.fail_below:g}: have a look"
    failed = f"score below {rules.fail_below:g}: do not use it before you know why"
    yield _tone(kind, "its Parquet and its sidecar are there, and its score is good")
    yield Tone(f"{kind}-warn", f"state-{kind} verdict-warn", "sealed, warn", warned)
    yield Tone(f"{kind}-fail", f"state-{kind} verdict-fail", "sealed, fail", failed)
    yield Tone(f"{kind}-{UNJUDGED}", f"state-{kind} {UNJUDGED}", "sealed, not judged", "it has no score")


def _of_gaps() -> Iterator[Tone]:
    yield _tone(Kind.MISSING, "not tried yet, or gone: the next run fills it")
    yield _tone(Kind.PARTIAL, "begun and not finished: the next run goes on")
    yield _tone(Kind.FAILED, "the last try ended in an error: the next run tries again")
    yield _tone(Kind.PARKED, "nothing of it in too many runs: left alone until you ask for it")
    yield _tone(Kind.CORRUPT, "was sealed and is damaged: the next run fetches it anew")
    yield _tone(Kind.NO_DATA, "the source has nothing: asked again later, or the exchange was closed")
    yield _tone(Kind.PENDING, "it still trades, or the source may not have it yet")
    yield _tone(Kind.ACCEPTED, "somebody said: leave it as it is")


def _tone(kind: Kind, meaning: str) -> Tone:
    return Tone(kind.value, f"state-{kind}", kind.value, meaning)
