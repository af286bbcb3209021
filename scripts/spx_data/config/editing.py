"""Change settings in the config file, checked before and recorded after.

The last of the config files is the lake's own: it is the one that is edited, and nothing but the lines of the
keys in question (`yaml_text`). The file that comes with a checkout is never edited: one of the user's own is
begun beside it. What would not be a valid whole is not written. Each change is an event of the lake's
journal.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spx_data import config
from spx_data.config import beginning, checking, rulebook, shipped, yaml_text
from spx_data.config.rulebook import START_DATE, Document, disclosed
from spx_data.config.table import Layers, has, value
from spx_data.errors import ConfigurationValidationError, SettingRefusedError, SpxDataError, VolumeError
from spx_data.market import products
from spx_data.sources import catalogue
from spx_data.store import dataset, files, journal, modes
from spx_data.store.journal import Event, Journal
from spx_data.store.layout import Layout

_STAGE = "config"
# The keys that `Settings.identity` is made of.
_IDENTITY = {
    f"processing.{name}": name
    for name in ("symbol", "records", "roots", "interval", "start_time", "end_time", "max_dte")
} | {"thetadata.greeks_version": "greeks_version"}


@dataclass(frozen=True)
class Change:
    """One key before and after, in the files, as it may be shown (`rulebook.disclosed`).

    *new* is None where a key without default was taken out.
    """

    key: str
    old: Any
    new: Any
    file: Path


def change(paths: Sequence[Path], wanted: Mapping[str, Any]) -> list[Change]:
    """Give each key of *wanted* its value, in the last of *paths*; returns what that changed.

    Raises:
        SettingRefusedError: with these values the settings would contradict each other; nothing is changed.
        ConfigurationValidationError: the file has another mistake, or a shape that cannot be edited.
        PermissionDeniedError: the file, or the lake's journal, cannot be written; nothing is changed.
    """
    return _changed(paths, wanted, ())


def reset(paths: Sequence[Path], keys: Sequence[str]) -> list[Change]:
    """Give *keys* their defaults, like `change`; what has none becomes a comment in the last of *paths*."""
    defaults = {key: rule["default"] for key, rule in rulebook.rules() if key in keys and "default" in rule}
    return _changed(paths, defaults, [key for key in keys if key not in defaults])


def history(layout: Layout) -> list[Event]:
    """Every recorded change, oldest first, with at, key, old, new, by and file."""
    found = [event for event in journal.read(layout.lake_journal) if event["event"] == journal.CONFIGURED]
    return [
        {**event, **{side: disclosed(event["key"], event.get(side)) for side in ("old", "new")}}
        for event in found
    ]


def misfit(layout: Layout, document: Document, keys: Sequence[str]) -> str:
    """How the data set on disk differs from what *document* says of *keys*; empty where it does not."""
    wanted = {_IDENTITY[key]: value(document, key) for key in keys if key in _IDENTITY}
    if "roots" in wanted:
        product = products.of(value(document, "processing.symbol"), value(document, "products"))
        wanted["roots"] = sorted(wanted["roots"] or product.root_names)
    known = catalogue.every().get(value(document, "thetadata.api"))
    if known is not None and known.has_one_greeks_version:
        wanted.pop("greeks_version", None)
    return dataset.differences(layout.dataset, wanted) if wanted else ""


# One change ---------------------------------------------------------------------------------------------


def _changed(paths: Sequence[Path], wanted: Mapping[str, Any], out: Sequence[str]) -> list[Change]:
    paths = _with_ones_own(paths)
    target = paths[-1]
    config.read(target)  # there is a file, before anything is made for it
    with _alone(target):
        before, text = Layers.read(paths), config.read(target)
        wanted = {key: new for key, new in wanted.items() if not _same(value(before.document, key), new)}
        out = [key for key in out if has(before.files[-1][1], key)]
        if not wanted and not out:
            return []
        edited = _edited(target, text, wanted, out)
        after = Layers((*before.files[:-1], (target, config.parse(edited, target))))
        _check(target, before.document, after.document)
        for error in checking.unknown_calendar(wanted.get(checking.CALENDAR, checking.DEFAULT_CALENDAR)):
            raise _refusal(error)
        record = _ready_journal(after)
        files.rewrite(target, edited)
    changes = [
        Change(
            key,
            disclosed(key, value(before.document, key)),
            disclosed(key, value(after.document, key)),
            target,
        )
        for key in (*wanted, *out)
    ]
    for done in changes:
        record.mention(
            journal.CONFIGURED,
            key=done.key,
            old=done.old,
            new=done.new,
            by=journal.user(),
            file=str(done.file),
        )
    return changes


def _with_ones_own(paths: Sequence[Path]) -> Sequence[Path]:
    """*paths*, and a file of the user's own where the last is the one that comes with a checkout."""
    last = paths[-1]
    if not (last.exists() and shipped.CONFIG.exists() and last.samefile(shipped.CONFIG)):
        return paths
    with _alone(last):
        if not config.OWN.exists():
            files.write_text(config.OWN, beginning.HEAD)
    return [*paths, config.OWN]


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One at a time, where the volume of *target* has locks.

    Elsewhere it is one person's edit all the same, and the cure of such a volume is a setting.
    """
    with ExitStack() as held:
        with suppress(VolumeError):
            held.enter_context(files.at_rest(target.resolve()))
        yield


def _edited(target: Path, text: str, wanted: Mapping[str, Any], out: Sequence[str]) -> str:
    """*text* with the keys changed, and proof that nothing else is."""
    edited, meant = text, _leaves(config.parse(text, target))
    try:
        for key, new in wanted.items():
            edited = yaml_text.put(edited, key, _as_written(key, new))
            meant |= dict(_each_leaf(new, f"{key}.")) if isinstance(new, dict) else {key: json.dumps(new)}
        for key in out:
            edited = yaml_text.comment_out(edited, key)
            meant.pop(key, None)
        done = edited != text and _leaves(config.parse(edited, target)) == meant
    except (yaml.YAMLError, ConfigurationValidationError):
        done = False
    if not done:
        raise ConfigurationValidationError(
            f"{target}: {', '.join([*wanted, *out])} cannot be changed there without touching something else",
            cure="Change it in the file by hand: its form is an unusual one",
            what=str(target),
            reason="anchors, tags or sections of another form",
        )
    return edited


def _as_written(key: str, new: Any) -> Any:
    """Dates stand in the file without quotes."""
    is_date = dict(rulebook.rules())[key].get("format") == "date" and new is not None
    return dt.date.fromisoformat(new) if is_date else new


def _leaves(document: Document) -> dict[str, str]:
    """Every key (dotted) with its value as JSON; a section without keys says nothing."""
    spelled = copy.deepcopy(document)
    config.spell_dates(spelled)
    return dict(_each_leaf(spelled, ""))


def _each_leaf(document: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, inside in document.items():
        if isinstance(inside, dict):
            yield from _each_leaf(inside, f"{prefix}{name}.")
        elif prefix or inside is not None or name == "dates":
            yield f"{prefix}{name}", json.dumps(inside, default=str)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are one: 1 is not true, and 30 is not 30.0."""
    return json.dumps(one, default=str) == json.dumps(other, default=str)


def _check(target: Path, before: Document, after: Document) -> None:
    """Raise unless *after* is valid by itself, and with the environment; a start date may be missing."""
    environments: tuple[Mapping[str, str], ...] = ({}, os.environ)
    for environment in environments:
        wrong = _mistakes(after, environment)
        if not wrong:
            continue
        known = {str(error) for error in _mistakes(before, environment)}
        for error in wrong:
            if str(error) not in known:
                raise _refusal(error)
        raise ConfigurationValidationError(
            f"{target} is left as it is, for another mistake in the settings: {wrong[0].cause}",
            cure=f"{wrong[0].cure.rstrip('.')}. `spx-data config validate` lists every mistake",
            **wrong[0].fields,
        )


def _refusal(error: SpxDataError) -> SettingRefusedError:
    return SettingRefusedError(error.cause, cure=error.cure, **error.fields)


def _mistakes(document: Document, environment: Mapping[str, str]) -> list[SpxDataError]:
    begun = value(document, START_DATE) is not None or bool(environment.get("PROCESSING_START_DATE"))
    found = config.problems(document, environment)
    return [error for error in found if begun or error.fields["what"] != START_DATE]


def _ready_journal(after: Layers) -> Journal:
    """The lake's journal, in a folder that takes it."""
    modes.restrict(owner_only=value(after.document, "processing.owner_only"))
    path = after.layout().lake_journal
    files.check_writable(files.make_directory(path.parent))
    return Journal(path, _STAGE)
