"""`spx-data config`: what is set, by whom, since when; and how to set it otherwise."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from spx_data.cli.call import Call
from spx_data.cli.lists import List, View
from spx_data.cli.output import ask, hand_out, say
from spx_data.cli.table import Column, Row
from spx_data.config import overriding
from spx_data.errors import SettingRefusedError, SpxDataError
from spx_data.text.words import minute

if TYPE_CHECKING:
    from spx_data.config.editing import Change
    from spx_data.config.table import Setting


def _shown(row: Row) -> str:
    return "" if row["source"] == "not set" else _bare(row["value"])


def _bare(value: Any) -> str:
    """*value* as `set` takes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_bare, value))}]"
    return json.dumps(value, default=str)


SETTINGS = List(
    (
        Column("key", "key"),
        Column("value", "value", wraps=True, of=_shown),
        Column("source", "from", wraps=True),
        Column("description", "what it is", rank=1, wraps=True, narrowest=60),
    )
)
CHANGES = List(
    (
        Column("changed_at", "changed (UTC)", minute),
        Column("key", "key"),
        Column("old", "from", _bare, wraps=True),
        Column("new", "to", _bare, wraps=True),
        Column("changed_by", "by", rank=1),
        Column("file", "in", rank=2, wraps=True),
    ),
    fields=("changed_at", "key", "old", "new", "changed_by", "file"),
    empty="no changes recorded",
)


@click.group(no_args_is_help=True, short_help="Read, change and check the settings.")
def config() -> None:
    r"""Look at the settings, change them, and see who changed them.

    A KEY is spelt like thetadata.base_url or thetadata.baseUrl. The file that is edited is spx-data.yaml, or
    the last one named with --configfile; comments stay. Environment variables win over the files.

    \b
    spx-data config set processing.startDate 2024-01-02
    spx-data config get
    spx-data config validate
    """


@config.command(
    "set",
    short_help="Give a key a value, and record the change.",
    context_settings={"ignore_unknown_options": True},  # -1 is a value
)
@click.argument("key")
@click.argument("value")
@click.pass_obj
def set_(call: Call, key: str, value: str) -> None:
    r"""Give KEY the VALUE, if the settings are valid with it, and record the change.

    VALUE is read as YAML: a number, a date, true, null, [SPX, SPXW]; a list may also be SPX,SPXW.

    \b
    spx-data config set processing.startDate 2024-01-02
    spx-data config set processing.roots SPX,SPXW
    spx-data config set processing.max_dte null
    """
    from spx_data.config import editing, table

    with _refusals():
        name = table.key_of(key)
        meant = table.value_of(name, value)
        changes = editing.change(call.files, {name: meant})
    if not changes:
        say(f"{name} is {_bare(meant)} already: nothing changed")
    _say(call, changes)
    _warn_of_environment([name])
    _offer(call, changes)


@config.command(short_help="Show the settings with where each comes from.")
@click.argument("key", required=False)
@SETTINGS.options(of_lakes=False)
@click.pass_obj
def get(call: Call, key: str | None, view: View) -> None:
    r"""Show the settings with where each comes from; with KEY its value alone.

    KEY may be a section, like processing. What is written is shown, right or wrong: validate is the judge.

    \b
    spx-data config get
    spx-data config get processing.startDate
    spx-data config get thetadata --format json
    """
    from spx_data.config import table

    with _refusals():
        keys = table.keys_of(key) if key else None
    layers = table.Layers.read(call.files)
    found = [setting for setting in layers.settings() if keys is None or setting.key in keys]
    if view.is_table and keys is not None and len(found) == 1:
        hand_out(_bare(found[0].value))
    else:
        view.show(SETTINGS, map(asdict, found))


@config.command(short_help="Check the settings as a run would.")
@click.pass_context
def validate(ctx: click.Context) -> None:
    r"""Check the settings as a run would: one line for each mistake, and exit code 1 where there is one.

    \b
    spx-data config validate
    """
    from spx_data.config import checking

    call: Call = ctx.obj
    wrong = checking.problems(call.files)
    for problem in wrong:
        what = f"{problem.source}: {problem.key}: " if problem.key else ""
        say(" ".join(f"{what}{problem.finding}. {problem.cure}".split()))
    if wrong:
        ctx.exit(1)
    say(f"{' and '.join(map(str, call.files))}: all settings are valid")
    _tell_of_the_floor(call)


@config.command(short_help="Give keys their defaults again.")
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_obj
def reset(call: Call, keys: tuple[str, ...], yes: bool) -> None:
    r"""Give each KEY its default again; all keys where none is named. Asks first.

    processing.start_date has no default: it becomes a comment in the file.

    \b
    spx-data config reset processing.interval
    spx-data config reset --yes
    """
    from spx_data.config import editing, table

    with _refusals():
        names = [table.key_of(key) for key in keys]
    told = table.Layers.read(call.files).settings({})
    others = [one for one in told if (not names or one.key in names) and _differs(one)]
    if not others:
        say("nothing to reset: these settings are the defaults")
        return
    if not yes:
        _confirm(others, str(call.files[-1]))
    with _refusals():
        changes = editing.reset(call.files, [setting.key for setting in others])
    _say(call, changes)
    _warn_of_environment([change.key for change in changes])
    _offer(call, changes)


@config.command(short_help="Show every change, the oldest first.")
@CHANGES.options(of_lakes=False)
@click.pass_obj
def history(call: Call, view: View) -> None:
    r"""Show every change that `set` and `reset` made, the oldest first.

    \b
    spx-data config history
    spx-data config history --format csv
    """
    from spx_data.config import editing, table

    layers = table.Layers.read(call.files)
    events = editing.history(layers.layout())
    # In a journal they are named as all its events name them.
    named = {"changed_at": "at", "changed_by": "by"}
    view.show(
        CHANGES, [{name: event.get(named.get(name, name)) for name in CHANGES.fields} for event in events]
    )


@contextmanager
def _refusals() -> Iterator[None]:
    """A key or a value that is refused in the block is a wrong call."""
    try:
        yield
    except SettingRefusedError as error:
        raise click.UsageError(str(error)) from error


def _differs(setting: Setting) -> bool:
    return json.dumps(setting.value, default=str) != json.dumps(setting.default)


def _confirm(settings: Sequence[Setting], file: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("cannot ask here (no TTY): pass --yes")
    for setting in settings:
        to = "no value" if setting.required else _bare(setting.default)
        say(f"{setting.key}: {_bare(setting.value)} → {to}")
    ask(f"Reset in {file}?")


def _say(call: Call, changes: Sequence[Change]) -> None:
    """Print each change, and warn where the lake holds another data set."""
    from spx_data.config import editing, table

    if not changes:
        return
    for change in changes:
        gone = change.new is None and change.key == "processing.start_date"
        end = "removed: it has no default" if gone else _bare(change.new)
        say(f"{change.key}: {_bare(change.old)} → {end} (in {change.file})")
    layers = table.Layers.read(call.files)
    try:
        finding = editing.misfit(layers.layout(), layers.document, [change.key for change in changes])
    except SpxDataError as error:
        finding = str(error)
    if finding:
        _warn(
            f"{layers.layout().output} holds another data set: {finding}. The next run will refuse: "
            "set it back, or choose another processing.output_directory and temp_directory"
        )


def _offer(call: Call, changes: Sequence[Change]) -> None:
    """Offer a probe of what may be another terminal now; tell of sessions before the floor."""
    from spx_data.sources import profile

    keys = [change.key for change in changes]
    if "processing.start_date" in keys:
        _tell_of_the_floor(call)
    if any(key.startswith("thetadata.") for key in keys):
        say(profile.OFFER)


def _tell_of_the_floor(call: Call) -> None:
    """Say which sessions the settings ask for that the subscription was seen to have nothing of."""
    from spx_data.ops.gaps import before_floor

    with suppress(SpxDataError):  # who only sets a key hears from validate what else is wrong
        for settings in call.lakes.values():
            if before := before_floor(settings):
                say(f"{before.why}. {before.cure}")


def _warn_of_environment(keys: Sequence[str]) -> None:
    for key in keys:
        if variable := overriding(key):
            _warn(f"the environment variable {variable} overrides {key} until it is unset")


def _warn(text: str) -> None:
    say(f"spx-data: warning: {' '.join(text.split())}", err=True)
