"""First contact: a few questions to the user's own terminal, and what follows from its answers.

A probe asks within the lake's limit of requests and within a budget, reads the answers with the product's own
readers, holds what it saw against what the product assumes, and keeps it as the lake's profile, which the
fill and the judges read. It seals nothing, and what it finds forbids nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spx_data.errors import SpxDataError
from spx_data.ops.probe.asking import FIRST_LISTS, Asking
from spx_data.ops.probe.heard import Story
from spx_data.ops.probe.line import FULL, SHORT, Limits
from spx_data.ops.probe.making import profile_of
from spx_data.settings import Settings
from spx_data.sources import profile
from spx_data.sources.profile import Profile
from spx_data.store import journal
from spx_data.store.journal import Journal
from spx_data.store.layout import Layout

__all__ = ["FIRST_LISTS", "FULL", "SHORT", "Limits", "Probed", "probing"]

_STAGE = "probe"


@dataclass(frozen=True)
class Probed:
    """A probe that has ended: what it found and heard, and what ended it before its time, if anything."""

    profile: Profile
    story: Story
    requests: int
    seconds: float
    layout: Layout

    @property
    def profile_path(self) -> Path:
        """Where the profile is kept."""
        return self.layout.profile

    @property
    def ended_by(self) -> SpxDataError | None:
        """What ended the probe before its time."""
        return self.story.ended_by


@contextmanager
def probing(
    settings: Settings,
    moment: dt.datetime,
    *,
    full: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Probed]:
    """Probe the terminal of *settings*, and keep its profile; the answers can be read while the block lasts.

    *tell* is told each question in words once it is answered.

    Raises:
        ThetaTerminalNotRunningError, TerminalDisconnectedError, WrongApiError: no terminal can be asked.
        SpxDataError: the machine refuses; the profile of before is as it was.
    """
    asking = Asking(settings, moment, FULL if full else SHORT, tell)
    with asking.story() as story:
        found = profile.write(settings.layout.profile, profile_of(story))
        Journal(settings.layout.lake_journal, _STAGE).mention(
            journal.PROBED, requests=asking.spent, whole=found.whole, sha256=found.sha256
        )
        yield Probed(found, story, asking.spent, asking.seconds, settings.layout)
