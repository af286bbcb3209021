"""Failures that are one to a person: of many dates, and told once."""

from __future__ import annotations

import re

from spx_data.errors import (
    TerminalDisconnectedError,
    TerminalSessionTakenError,
    ThetaTerminalNotRunningError,
)

# What a terminal that is gone is met with: by one date this, by the next that.
OUTAGE = frozenset(
    kind.__name__
    for kind in (ThetaTerminalNotRunningError, TerminalDisconnectedError, TerminalSessionTakenError)
)

# Numbers, dates, digests, addresses, and paths with any of these: what differs from one date to the next.
_OF_ONE_DATE = re.compile(r"\S*(?:\d|://)\S*")
_COUNTED = re.compile(r"… (\w+?)s\b")


def likeness(cause: str) -> str:
    """*cause* without what differs from one date to the next, to be compared and not to be read."""
    return _COUNTED.sub(r"… \1", _OF_ONE_DATE.sub("…", cause))


def alike(error: str, cause: str) -> tuple[str, str]:
    """What failures that are one have in common: the *error* and a likeness of the *cause*."""
    return ("outage", "") if error in OUTAGE else (error, likeness(cause))
