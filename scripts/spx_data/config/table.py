"""Every setting as a person asks about it: its key in any spelling, its value, who set it, what it means.

What is written is shown, right or wrong: `config.problems` is the judge.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spx_data import config
from spx_data.config import paths, reading, rulebook
from spx_data.config.rulebook import Document, disclosed
from spx_data.errors import SettingRefusedError, SpxDataError
from spx_data.market import products
from spx_data.store.layout import Layout

DEFAULT = "default"
NOT_SET = "not set"

_SUGGESTED = 5


@dataclass(frozen=True)
class Setting:
    """One key; its *source* is `default`, `not set`, a config file, or `environment variable NAME`."""

    key: str
    value: Any
    source: str
    description: str
    type: str
    default: Any
    required: bool


@dataclass(frozen=True)
class Layers:
    """The config files, the lowest first, each with what it says."""

    files: tuple[tuple[Path, Document], ...]

    @classmethod
    def read(cls, paths: Sequence[Path]) -> Layers:
        """The layers at *paths*, not validated; raises what `config.read` and `config.parse` raise."""
        return cls(tuple((path, config.parse(config.read(path), path)) for path in paths))

    @property
    def document(self) -> Document:
        """What they say together, with dates as text."""
        document = config.merged(document for _, document in self.files)
        config.spell_dates(document)
        return document

    def source(self, key: str, environment: Mapping[str, str]) -> str:
        """Who sets *key*."""
        if variable := config.overriding(key, environment):
            return f"environment variable {variable}"
        named = [str(path) for path, document in self.files if has(document, key)]
        if named:
            return named[-1]
        return DEFAULT if "default" in dict(rulebook.rules()).get(key, {"default": None}) else NOT_SET

    def settings(self, environment: Mapping[str, str] = os.environ) -> list[Setting]:
        """Every setting there is, in the schema's order, as it may be shown (`rulebook.disclosed`)."""
        return [
            Setting(
                key,
                disclosed(key, self._value(key, environment)),
                self.source(key, environment),
                rule["description"],
                type_of(rule),
                rule.get("default"),
                key == rulebook.START_DATE,
            )
            for key, rule in rulebook.rules()
        ]

    def _value(self, key: str, environment: Mapping[str, str]) -> Any:
        if variable := config.overriding(key, environment):
            return _typed(variable, environment[variable])
        return value(self.document, key)

    def layout(self, environment: Mapping[str, str] = os.environ) -> Layout:
        """The paths of the lake that the settings are about."""
        told = {key: Path(_meant(str(self._value(key, environment)))) for key in rulebook.path_keys()}
        return Layout(
            output=told["processing.output_directory"],
            temp=told["processing.temp_directory"],
            data=told["processing.data_directory"],
            database=told["database.path"],
            stem=products.stem_of(str(self._value("processing.symbol", environment))),
        )


def _meant(path: str) -> str:
    """*path* as a run would take it; as it is where none would."""
    with suppress(paths.PathRefusedError):
        return paths.expanded(path)
    return path


def _typed(variable: str, text: str) -> Any:
    """What the environment says, in the setting's type where it can be that."""
    with suppress(ValueError):
        return config.ENVIRONMENT[variable][1](text)
    return text


def type_of(rule: Mapping[str, Any]) -> str:
    """The type of a key with this *rule* in JSON's words, with strokes between where there are several."""
    kinds = rule.get("type", "string")
    return "/".join(kinds) if isinstance(kinds, list) else str(kinds)


def has(document: Any, key: str) -> bool:
    """Whether *document* says anything about *key*."""
    for name in key.split("."):
        named = (
            {str(known): inside for known, inside in document.items()} if isinstance(document, dict) else {}
        )
        if name not in named:
            return False
        document = named[name]
    return True


def value(document: Any, key: str) -> Any:
    """What *document* says about *key*; else its default, or None where it has none."""
    if not has(document, key):
        return dict(rulebook.rules())[key].get("default")
    for name in key.split("."):
        document = document[name]
    return document


# Keys and values as they are typed ----------------------------------------------------------------------


def keys_of(text: str) -> list[str]:
    """The key that *text* means, in any casing and with or without underscores; for a section, its keys.

    Raises:
        SettingRefusedError: there is no such key; names those that are, the nearest first.
    """
    keys = [key for key, _ in rulebook.rules()]
    meant = _plain(text)
    found = [key for key in keys if _plain(key) == meant or _plain(key).startswith(f"{meant}.")]
    if not found:
        nearest, *others = _nearest(meant, keys)[:_SUGGESTED]
        cure = f"Did you mean {nearest}? Others like it: {', '.join(others)}. `spx-data config get` shows all"
        raise _refused(text, "there is no such key", cure)
    return found


def key_of(text: str) -> str:
    """The one key that *text* means, like `keys_of`; a section is none."""
    found = keys_of(text)
    if _plain(found[0]) != _plain(text):
        raise _refused(text, "it is a section", f"Its keys: {', '.join(found)}")
    return found[0]


def _plain(text: str) -> str:
    return text.strip().replace("_", "").replace("-", "").lower()


def _nearest(meant: str, keys: Sequence[str]) -> list[str]:
    """*keys*, the likeliest first; a name without its section counts as much as the whole key."""

    def likeness(key: str) -> float:
        spellings = _plain(key), _plain(key).rpartition(".")[2]
        return max(difflib.SequenceMatcher(None, meant, spelling).ratio() for spelling in spellings)

    return sorted(keys, key=likeness, reverse=True)


def value_of(key: str, text: str) -> Any:
    """The value that *text* means for *key*: as YAML, as the bare text, or as a list with commas.

    Raises:
        SettingRefusedError: the schema takes none of these; says what it takes.
    """
    refused = None
    for told in _readings(key, text):
        try:
            return config.accepted(key, told)
        except SpxDataError as error:
            refused = refused or error
    assert refused is not None
    raise SettingRefusedError(refused.cause, cure=refused.cure, **refused.fields)


def _readings(key: str, text: str) -> list[Any]:
    rule = dict(rulebook.rules())[key]
    if text in rule.get("enum", ()):
        return [text]
    try:
        told = reading.scalar(text)
    except (yaml.YAMLError, RecursionError):
        told = text
    # YAML takes 2024 for a number; nobody who writes null, true or brackets means these letters.
    if told is None or isinstance(told, bool | list | dict):
        return [told]
    separate = [[part.strip() for part in text.split(",")]] if "array" in type_of(rule) else []
    return [told, text, *separate]


def _refused(what: str, reason: str, cure: str) -> SettingRefusedError:
    return SettingRefusedError(f"config: {what}: {reason}", cure=cure, what=what, reason=reason)
