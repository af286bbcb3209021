"""Commands that change something, for the audit of a team: noted in the lake's journal before they begin.

Where the lake has no team's database nothing is noted, and nothing is loaded for it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import Call
from spx_data.cli.output import say
from spx_data.errors import SpxDataError

if TYPE_CHECKING:
    from spx_data.settings import Settings

# Command → those of its own that change something; none where it does so itself.
CHANGING: dict[str, frozenset[str]] = {
    **dict.fromkeys(("process", "process-range", "process-gaps", "retry", "stop", "accept"), frozenset()),
    **dict.fromkeys(("mend", "recheck", "verify", "cleanup", "publish", "snapshot"), frozenset()),
    "config": frozenset({"set", "reset"}),
    "database": frozenset({"init", "grant", "revoke", "refresh"}),
}


def note(ctx: click.Context, command: str | None, words: Sequence[str] | None = None) -> None:
    """Note the *command* that is about to be done, of the call *words*; the audit gets it afterwards."""
    words = sys.argv[1:] if words is None else words
    own = CHANGING.get(command or "")
    if own is None or {"-h", "--help"} & {*words} or (own and not own & {*words}):
        return
    call: Call = ctx.obj
    with suppress(SpxDataError, OSError, click.ClickException):  # the command itself says what is wrong
        lakes = [settings for settings in call.lakes.values() if settings.database.url]
        if lakes:
            _note(lakes, words)
            ctx.call_on_close(lambda: _hand_on(lakes))


def _note(lakes: Sequence[Settings], words: Sequence[str]) -> None:
    from spx_data.ops import team

    for settings in lakes:
        team.note(settings, ["spx-data", *words])


def _hand_on(lakes: Sequence[Settings]) -> None:
    from spx_data.ops import team

    for said in dict.fromkeys(team.after_a_command(settings) for settings in lakes):
        if said:
            say(f"spx-data: {said}", err=True)
