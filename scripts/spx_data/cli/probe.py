"""`spx-data probe`: first contact with the user's own terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import Call
from spx_data.cli.lists import List, View
from spx_data.cli.output import console, print_table, print_words
from spx_data.cli.table import Column, Row
from spx_data.text.words import quoted, size

if TYPE_CHECKING:
    from spx_data.ops.probe import Limits, Probed
    from spx_data.ops.probe.recording import Member
    from spx_data.settings import Settings

_SECONDS_A_REQUEST = 3  # of a terminal as usual
_STYLES = {"as assumed": "green", "otherwise": "yellow"}


def _level(row: Row) -> str:
    return "as assumed" if row["as_assumed"] else "otherwise"


def _found(row: Row) -> str:
    """What was seen, and below it what follows; what was assumed, if that differs; and what is set."""
    others = [] if row["as_assumed"] else [f"assumed: {row['assumption']}", f"→ {row['consequence']}"]
    return "\n".join([row["seen"], *others, *([f"set: {row['set']}"] if row["set"] else [])])


FINDINGS = List(
    (
        Column("as_assumed", "", of=_level, style=lambda row: _STYLES[_level(row)]),
        Column("code", "of what"),
        Column("seen", "what was seen", wraps=True, of=_found),
    )
)


@click.command(short_help="Ask the terminal a few questions, and learn how it behaves.")
@click.option("--full", is_flag=True, help="Ask up to 40 requests instead of 15.")
@click.option(
    "--record",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Record requests and answers in FILE, for a bug report; without your account.",
)
@FINDINGS.options(of_lakes=False)
@click.pass_context
def probe(ctx: click.Context, full: bool, record: Path | None, view: View) -> None:
    r"""Ask your terminal a few questions: how it spells, what it lists, how fast it is, where history begins.

    It takes at most 15 requests, within thetadata.max_concurrent_requests, seals nothing, and leaves a
    profile in the data directory, which fills and judgements read from then on. Ask again whenever the
    terminal or the subscription has changed. The exit code is 1 when the terminal could not be asked to the
    end.

    \b
    spx-data probe
    spx-data probe --full
    spx-data probe --record answers.zip    one file that a maintainer can replay
    spx-data probe --format json           for a program
    """
    from spx_data.ops.probe import FIRST_LISTS, FULL, SHORT, probing, recording

    if record is not None:
        recording.check_target(record)  # before anybody is asked
    call: Call = ctx.obj
    settings = call.settings_from(FIRST_LISTS)
    out, limits = console(stderr=True), FULL if full else SHORT
    print_words(_plan(limits), out)
    tell = out.print if view.is_table else (lambda _: None)
    with probing(settings, call.moment, full=full, tell=tell) as probed:
        if view.is_table:
            _print(probed, view)
        else:
            view.show(FINDINGS, (row._asdict() for row in probed.profile.table))
        if record is not None:
            _record(probed, settings, record, view)
        if probed.ended_by is not None:
            ended = (
                f"the probe ended after {probed.requests} requests: {probed.ended_by}. What was seen is kept"
            )
            raise click.ClickException(ended)


def _plan(limits: Limits) -> str:
    seconds = limits.requests * _SECONDS_A_REQUEST
    return (
        f"At most {limits.requests} requests: about {seconds} s at {_SECONDS_A_REQUEST} s a request; "
        f"no other one begins after {limits.seconds / 60:g} minutes"
    )


def _print(probed: Probed, view: View) -> None:
    found = probed.profile
    seen = [row for row in found.table if row.known]
    # What is otherwise comes last: it is what a person looks for, and what a terminal still shows.
    shown = sorted(seen, key=lambda row: not row.as_assumed)
    view.show(FINDINGS, (row._asdict() for row in shown))
    hold = f"{len(seen) - len(found.others)} of {len(seen)} assumptions hold"
    told = [
        f"{probed.requests} requests in {probed.seconds:.0f} s; {hold}",
        f"Profile in {quoted(probed.profile_path)}",
    ]
    if unseen := [row.code for row in found.table if not row.known]:
        told.insert(1, f"not seen: {', '.join(unseen)}")
    told += [f"not asked: {topic} ({reason})" for topic, reason in probed.story.unasked.items()]
    for line in told:
        print_words(line, console())


_NOTHING_PERSONAL = (
    "Nothing of your account is in it: of answers these contracts are left, and […] stands for every word "
    "that no terminal is known to say"
)
_MEMBERS = (
    Column("name", "file"),
    Column("size", "bytes", right=True),
    Column("status", "status", right=True),
    Column("contracts", "contracts"),
    Column("request", "answer to", wraps=True),
)


def _record(probed: Probed, settings: Settings, path: Path, view: View) -> None:
    """Make the recording, say what is in it, and write it."""
    from spx_data.ops.probe.recording import recording

    made, out = recording(probed.story, probed.profile, settings), console(stderr=not view.is_table)
    print_table([_member(each) for each in made.members], _MEMBERS, to=out)
    print_words(_NOTHING_PERSONAL, out)
    out.print(f"{size(len(made.content))}, SHA-256 {made.sha256}", soft_wrap=True, markup=False)
    made.write(path)
    out.print(f"Recording in {quoted(path)}", soft_wrap=True, markup=False)


def _member(each: Member) -> dict[str, Any]:
    """An answer as a person reads it."""
    name, status = each.name or "none", str(each.status or "no answer")
    contracts = f"{each.contracts[0]:,} of {each.contracts[1]:,}" if each.contracts else ""
    kept = f"{each.size:,}"
    return {"name": name, "size": kept, "status": status, "contracts": contracts, "request": each.request}
