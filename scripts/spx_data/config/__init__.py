"""The config's document: defaults from the schema, then the user's files, then the environment; checked once.

`resolve` is the edge: it merges and validates, and says in one line what is wrong and what is allowed.
`Settings.of` trusts what it returned.
"""

from __future__ import annotations

import copy
import datetime as dt
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from spx_data.config import paths
from spx_data.config.reading import parse, read
from spx_data.config.rulebook import (
    START_DATE,
    Document,
    contradictions,
    explained,
    fill_defaults,
    invalid,
    path_keys,
    violations,
)
from spx_data.config.shipped import FILE, OWN, base, laid_over
from spx_data.errors import ConfigurationValidationError, SpxDataError
from spx_data.symbols import SECTION

__all__ = [
    "ENVIRONMENT",
    "FILE",
    "OWN",
    "Document",
    "accepted",
    "base",
    "changed_at",
    "laid_over",
    "load",
    "merged",
    "overriding",
    "parse",
    "problems",
    "read",
    "resolve",
    "spell_dates",
]

# Environment variable → key and type; the environment wins over the file.
ENVIRONMENT: Mapping[str, tuple[str, type]] = {
    "THETADATA_BASE_URL": ("thetadata.base_url", str),
    "MAX_CONCURRENT_REQUESTS": ("thetadata.max_concurrent_requests", int),
    "PROCESSING_START_DATE": (START_DATE, str),
    "OUTPUT_DIRECTORY": ("processing.output_directory", str),
    "TEMP_DIRECTORY": ("processing.temp_directory", str),
    "DATABASE_PATH": ("database.path", str),
}


def overriding(key: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The environment variable that has the last word about *key*; None where none has."""
    return next((name for name, (of, _) in ENVIRONMENT.items() if of == key and environment.get(name)), None)


def changed_at() -> str | None:
    """When a config file of this folder was last changed (UTC, ISO 8601); None where there is none."""
    times = [path.stat().st_mtime for path in base() if path.exists()]
    if not times:
        return None
    return dt.datetime.fromtimestamp(max(times), dt.UTC).isoformat(timespec="milliseconds")


def load(path: Path, *overlays: Path) -> Document:
    """The YAML document at *path* with *overlays* laid over it, not yet validated."""
    return merged(parse(read(source), source) for source in (path, *overlays))


def merged(documents: Iterable[Document]) -> Document:
    """One document of several, each laid over those before it."""
    base: Document = {}
    for document in documents:
        named = document.get(SECTION)
        if isinstance(named, str | list):  # of those that there are, as `--config symbols=SPY` names them
            document = {**document, SECTION: {}}
            base[SECTION] = _chosen(base.get(SECTION), named)
        _overlay(base, document)
    return base


def _chosen(sections: Any, named: str | list[Any]) -> Document:
    """The sections of the symbols that were *named*, in their order.

    Raises:
        ConfigurationValidationError: there is none for one of them.
    """
    if not isinstance(sections, dict) or not sections:
        cure = f"Begin one in your config: '{SECTION}: {{SPX: {{}}, SPY: {{}}}}'; or name no symbols"
        raise invalid(SECTION, f"{named!r} is named, and the config has no section for symbols", cure)
    names = [str(name).strip() for name in (named.split(",") if isinstance(named, str) else named)]
    for name in names:
        if name not in sections:
            finding = f"{name!r} is none of this config's symbols"
            raise invalid(SECTION, finding, f"They are {', '.join(map(str, sections))}")
    return {name: sections[name] for name in names}


def resolve(raw: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Document:
    """Defaults, then *raw*, then *environment*, validated: a complete document for `Settings.of`.

    Raises:
        ConfigurationValidationError: naming the key, what it is and what it may be.
    """
    document, wrong = _judged(raw, environment)
    for error in wrong:
        raise error
    return document


def problems(raw: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> list[SpxDataError]:
    """All that `resolve` would refuse, and not the first of it alone; `fields["what"]` names each key."""
    return _judged(raw, environment)[1]


def _judged(raw: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[Document, list[SpxDataError]]:
    """The document, complete, and what is wrong with it."""
    document = copy.deepcopy(dict(raw))
    found: dict[str, SpxDataError] = {}
    for variable in ENVIRONMENT:
        try:
            _overlay(document, _from_environment({variable: environment.get(variable, "")}))
        except ConfigurationValidationError as error:
            found[error.fields["what"]] = error
    spoilt = set(found)
    spell_dates(document)
    for violation in violations(document):
        for problem in explained(violation):
            found.setdefault(problem.fields["what"], problem)
        if violation.validator != "additionalProperties":
            spoilt.add(".".join(str(part) for part in list(violation.absolute_path)[:2]))
    # What is wrong by itself contradicts nothing else, and neither does the default in its place.
    for key in spoilt:
        _drop(document, key)
    fill_defaults(document)
    for refused in _spell_paths(document):
        found.setdefault(refused.fields["what"], refused)
    for keys, contradiction in contradictions(document):
        if not any(key == bad or key.startswith(f"{bad}.") for key in keys for bad in spoilt):
            found.setdefault(contradiction.fields["what"], contradiction)
    return document, list(found.values())


def _drop(document: Document, key: str) -> None:
    section, _, name = key.partition(".")
    if name and isinstance(document.get(section), dict):
        document[section].pop(name, None)
    else:
        document.pop(section, None)


def accepted(key: str, value: Any) -> Any:
    """*value* as the document spells it, if the schema takes it for *key*, whatever else is set.

    Raises:
        ConfigurationValidationError: it does not.
    """
    section, _, name = key.partition(".")
    document: Document = {section: {name: copy.deepcopy(value)} if name else value}
    spell_dates(document)
    for violation in violations(document):
        raise next(explained(violation))
    for refused in _spell_paths(copy.deepcopy(document)):
        raise refused
    return document[section][name] if name else document[section]


def _overlay(base: Document, above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _overlay(base[key], value)
        else:
            base[key] = copy.deepcopy(value)


def _from_environment(environment: Mapping[str, str]) -> Document:
    found: Document = {}
    for variable, (key, kind) in ENVIRONMENT.items():
        if not (text := environment.get(variable)):
            continue
        section, name = key.split(".")
        value: Any = text  # what is no number is refused as it is in a file
        with suppress(ValueError):
            value = kind(text)
        found.setdefault(section, {})[name] = value
    return found


def _spell_paths(document: Document) -> Iterator[ConfigurationValidationError]:
    """Make every path in *document* one that the system takes as it was meant; gives what cannot be."""
    for key in path_keys():
        section, _, name = key.partition(".")
        told = document.get(section)
        if not isinstance(told, dict) or told.get(name) is None:
            continue
        try:
            path = paths.expanded(told[name])
        except paths.PathRefusedError as error:
            yield invalid(key, error.found, error.cure)
            continue
        told[name] = path


def spell_dates(document: Document) -> None:
    """YAML reads 2024-01-02 as a date and 2024 as a number; inside the document dates are text."""
    symbols = document.get(SECTION)
    own = symbols.values() if isinstance(symbols, dict) else ()
    for section in (document.get("processing"), *own):
        if isinstance(section, dict):
            for key in ("start_date", "end_date"):
                if isinstance(section.get(key), dt.date):
                    section[key] = section[key].isoformat()
    named = document.get("dates")
    if isinstance(named, dt.date | int):
        document["dates"] = str(named)
    elif isinstance(named, list):
        document["dates"] = [str(name) if isinstance(name, dt.date | int) else name for name in named]
