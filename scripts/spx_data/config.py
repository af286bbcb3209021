"""Typed settings: defaults from the schema, then the user's file, then the environment; checked once.

`resolve` is the edge: it merges and validates, and says in one line what is wrong and what is allowed.
`Settings.of` trusts what `resolve` returned, so that the many short jobs of a run need not validate again.
"""

from __future__ import annotations

import copy
import datetime as dt
import functools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

import yaml

from spx_data.dates import Dates
from spx_data.errors import (
    ConfigurationValidationError,
    DateValidationError,
    MissingFileError,
    PermissionDeniedError,
    SpxDataError,
)
from spx_data.layout import Layout

if TYPE_CHECKING:
    import jsonschema

Api = Literal["auto", "v3", "v2"]
Document = dict[str, Any]

FILE = Path("config/config.yaml")  # in the folder the workflow is called from
SHIPPED = Path(__file__).parents[2] / "config" / "config.yaml"  # with every key, commented
SCHEMA = SHIPPED.parent / "schemas" / "config.schema.yaml"

START_DATE = "processing.start_date"  # the only key without a default

# Environment variable → key and type; the environment wins over the file (requirements, section B).
ENVIRONMENT: Mapping[str, tuple[str, type]] = {
    "THETADATA_BASE_URL": ("thetadata.base_url", str),
    "MAX_CONCURRENT_REQUESTS": ("thetadata.max_concurrent_requests", int),
    "PROCESSING_START_DATE": (START_DATE, str),
    "OUTPUT_DIRECTORY": ("processing.output_directory", str),
    "TEMP_DIRECTORY": ("processing.temp_directory", str),
    "DATABASE_PATH": ("database.path", str),
}

_STEPS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000}


@dataclass(frozen=True)
class Terminal:
    """How to reach the Theta Terminal."""

    base_url: str | None
    api: Api
    format: str
    max_concurrent_requests: int
    timeout_seconds: float
    history_timeout_seconds: float
    greeks_version: str
    retry_wait_factor: float


@dataclass(frozen=True)
class Window:
    """The stamps of a session: from *start* to *end*, both inclusive, *step_ms* apart; New York time."""

    start: dt.time
    end: dt.time
    interval: str

    @property
    def step_ms(self) -> int:
        """Milliseconds between two stamps."""
        return int(self.interval[:-1]) * _STEPS_MS[self.interval[-1]]

    @property
    def start_ms(self) -> int:
        """The first stamp, in milliseconds since midnight."""
        return _ms(self.start)

    @property
    def end_ms(self) -> int:
        """The end, in milliseconds since midnight."""
        return _ms(self.end)

    @property
    def stamps(self) -> int:
        """Number of stamps."""
        return (self.end_ms - self.start_ms) // self.step_ms + 1

    def halves(self) -> list[Window]:
        """Two windows that have the same stamps between them; none where there is only one stamp."""
        if self.stamps < 2:
            return []
        middle = self.start_ms + self.stamps // 2 * self.step_ms
        return [
            Window(self.start, _time(middle - self.step_ms), self.interval),
            Window(_time(middle), self.end, self.interval),
        ]


def _ms(time: dt.time) -> int:
    return (time.hour * 3600 + time.minute * 60 + time.second) * 1000


def _time(ms: int) -> dt.time:
    return dt.time(ms // 3_600_000, ms // 60_000 % 60, ms // 1000 % 60)


@dataclass(frozen=True)
class Patience:
    """When a session that is not sealed is asked for again, and when no more."""

    no_data_recheck_days: float
    publication_hours: float
    max_attempts: int | None


@dataclass(frozen=True)
class Recheck:
    """Which sealed dates are fetched again, and what becomes of one that the source changed."""

    sample: int
    restated: Literal["report", "keep", "replace"]


@dataclass(frozen=True)
class Weights:
    """Points that decide which missing date is filled first."""

    age: float
    volatility: float
    tries: float


@dataclass(frozen=True)
class Alerts:
    """Thresholds, in percent but for *consecutive_missing* (sessions)."""

    failure_rate_percent: float
    consecutive_missing: int
    disk_free_percent: float
    connectivity_percent: float
    memory_percent: float


@dataclass(frozen=True)
class Retention:
    """How long logs and audit records are kept; None is for ever, or without limit."""

    compress_days: float | None
    logs_days: float | None
    logs_mb: float | None
    audit_days: float | None


@dataclass(frozen=True)
class Settings:
    """The settings of one lake, as everything inside the library sees them."""

    terminal: Terminal
    start_date: dt.date
    end_date: dt.date | None
    roots: tuple[str, ...]
    window: Window
    max_dte: int | None
    calendar: str
    keep_ndjson: bool
    batch_size: int | None
    priority: Weights
    alerts: Alerts
    retention: Retention
    patience: Patience
    owner_only: bool
    verify_depth: Literal["pages", "bytes"]
    recheck: Recheck
    dates: Dates | None
    layout: Layout
    document: Mapping[str, Any]

    @classmethod
    def of(cls, resolved: Mapping[str, Any]) -> Settings:
        """The settings in a document that `resolve` returned."""
        processing = resolved["processing"]
        end = processing["end_date"]
        return cls(
            terminal=Terminal(**resolved["thetadata"]),
            start_date=dt.date.fromisoformat(processing["start_date"]),
            end_date=dt.date.fromisoformat(end) if end else None,
            roots=tuple(processing["roots"]),
            window=Window(
                start=dt.time.fromisoformat(processing["start_time"]),
                end=dt.time.fromisoformat(processing["end_time"]),
                interval=processing["interval"],
            ),
            max_dte=processing["max_dte"],
            calendar=processing["calendar"],
            keep_ndjson=processing["keep_ndjson"],
            batch_size=processing["batch_size"],
            priority=Weights(**resolved["priority"]),
            alerts=Alerts(**resolved["alerts"]),
            retention=Retention(**resolved["retention"]),
            patience=Patience(**{name: processing[name] for name in Patience.__dataclass_fields__}),
            owner_only=processing["owner_only"],
            verify_depth=resolved["verify"]["depth"],
            recheck=Recheck(**resolved["recheck"]),
            dates=Dates.of(resolved["dates"]) if resolved["dates"] else None,
            layout=Layout(
                output=Path(processing["output_directory"]),
                temp=Path(processing["temp_directory"]),
                data=Path(processing["data_directory"]),
                database=Path(resolved["database"]["path"]),
            ),
            document=copy.deepcopy(dict(resolved)),
        )


@functools.cache
def _schema() -> Mapping[str, Any]:
    # libyaml, where it is there, is five times as fast: every job and command reads this first.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    schema: Mapping[str, Any] = yaml.load(SCHEMA.read_text(), Loader=loader)
    return schema


def rules(
    schema: Mapping[str, Any] | None = None, prefix: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every key in dotted spelling with its rule in the schema."""
    for name, rule in (schema or _schema())["properties"].items():
        if "properties" in rule:
            yield from rules(rule, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", rule


def origin(key: str, environment: Mapping[str, str] = os.environ) -> str:
    """Who set *key*: the environment variable that overrides it, or the config."""
    return next(
        (name for name, (of, _) in ENVIRONMENT.items() if of == key and environment.get(name)), "config"
    )


def changed_at() -> str | None:
    """When the config file was last changed (UTC, ISO 8601); None where there is none."""
    if not FILE.exists():
        return None
    return dt.datetime.fromtimestamp(FILE.stat().st_mtime, dt.UTC).isoformat(timespec="milliseconds")


def load(path: Path, *overlays: Path) -> Document:
    """The YAML document at *path* with *overlays* laid over it, not yet validated."""
    return merged(parse(read(source), source) for source in (path, *overlays))


def merged(documents: Iterable[Document]) -> Document:
    """One document of several, each laid over those before it."""
    base: Document = {}
    for document in documents:
        _overlay(base, document)
    return base


def read(path: Path) -> str:
    """The text of the config file *path*, line ends as they are.

    Raises:
        MissingFileError: there is no such file; says how to begin one.
        PermissionDeniedError: it cannot be read.
        ConfigurationValidationError: it is not text.
    """
    try:
        return path.read_bytes().decode()
    except FileNotFoundError as error:
        raise MissingFileError(
            f"there is no config file {path}",
            cure=f"Run from the project's folder, or begin with a copy of {SHIPPED}",
            path=path,
            operation="read",
        ) from error
    except OSError as error:
        raise PermissionDeniedError(
            f"cannot read the config file {path}: {error.strerror}",
            cure="Make it a file that you may read",
            path=path,
            operation="read",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationValidationError(
            f"{path} is not YAML: it is no UTF-8 text ({error.reason} at byte {error.start})",
            cure="Save the file as UTF-8",
            what=str(path),
            reason=str(error),
        ) from error


def parse(text: str, path: Path) -> Document:
    """The document in *text*, which is what *path* holds, or is to hold; not yet validated."""
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationValidationError(
            f"{path} is not YAML: {error}",
            cure="Mend the file at that line",
            what=str(path),
            reason=str(error),
        ) from error
    except ValueError as error:
        raise ConfigurationValidationError(
            f"{path} has a date that is not in the calendar: {error}",
            cure="Mend that date",
            what=str(path),
            reason=str(error),
        ) from error
    if not isinstance(document, dict | None):
        raise _invalid(
            str(path), "the file holds no keys", "Write sections with keys, as in config/config.yaml"
        )
    return document or {}


def resolve(raw: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Document:
    """Defaults, then *raw*, then *environment*, validated: a complete document for `Settings.of`.

    Raises:
        ConfigurationValidationError: naming the key, what it is and what it may be.
    """
    schema = _schema()
    document = copy.deepcopy(dict(raw))
    _overlay(document, _from_environment(environment))
    spell_dates(document)
    _validate(document, schema)
    _fill_defaults(document, schema)
    for _, contradiction in _contradictions(document):
        raise contradiction
    return document


def problems(raw: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> list[SpxDataError]:
    """All that `resolve` would refuse, and not the first of it alone; `fields["what"]` names each key."""
    schema = _schema()
    document = copy.deepcopy(dict(raw))
    found: dict[str, SpxDataError] = {}
    for variable in ENVIRONMENT:
        try:
            _overlay(document, _from_environment({variable: environment.get(variable, "")}))
        except ConfigurationValidationError as error:
            found[error.fields["what"]] = error
    spoilt = set(found)
    spell_dates(document)
    for violation in _checker(schema).iter_errors(document):
        for problem in _explained(violation):
            found.setdefault(problem.fields["what"], problem)
        if violation.validator != "additionalProperties":
            spoilt.add(".".join(str(part) for part in list(violation.absolute_path)[:2]))
    # What is wrong by itself contradicts nothing else, and neither does the default in its place.
    for key in spoilt:
        _drop(document, key)
    _fill_defaults(document, schema)
    for keys, contradiction in _contradictions(document):
        if not any(key == bad or key.startswith(f"{bad}.") for key in keys for bad in spoilt):
            found.setdefault(contradiction.fields["what"], contradiction)
    return list(found.values())


def _drop(document: Document, key: str) -> None:
    section, _, name = key.partition(".")
    if not name:
        document.pop(section, None)
    elif isinstance(document.get(section), dict):
        document[section].pop(name, None)


def accepted(key: str, value: Any) -> Any:
    """*value* as the document spells it, if the schema takes it for *key*, whatever else is set.

    Raises:
        ConfigurationValidationError: it does not.
    """
    section, _, name = key.partition(".")
    document: Document = {section: {name: value} if name else value}
    spell_dates(document)
    _validate(document, _schema())
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
        try:
            found.setdefault(section, {})[name] = kind(text)
        except ValueError as error:
            raise _invalid(
                key,
                f"the environment variable {variable} is {text!r}, not {kind.__name__}",
                f"Unset or mend {variable}",
            ) from error
    return found


def spell_dates(document: Document) -> None:
    """YAML reads 2024-01-02 as a date and 2024 as a number; inside the document dates are text."""
    processing = document.get("processing")
    if isinstance(processing, dict):
        for key in ("start_date", "end_date"):
            if isinstance(processing.get(key), dt.date):
                processing[key] = processing[key].isoformat()
    named = document.get("dates")
    if isinstance(named, dt.date | int):
        document["dates"] = str(named)
    elif isinstance(named, list):
        document["dates"] = [str(name) for name in named]


def _checker(schema: Mapping[str, Any]) -> jsonschema.Draft202012Validator:
    import jsonschema

    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker(["date"]))


def _validate(document: Document, schema: Mapping[str, Any]) -> None:
    import jsonschema

    violation = jsonschema.exceptions.best_match(_checker(schema).iter_errors(document))
    if violation is not None:
        raise next(_explained(violation))


def _explained(violation: jsonschema.ValidationError) -> Iterator[ConfigurationValidationError]:
    """What is wrong in words: one error, or one for each key that is none."""
    where = ".".join(str(part) for part in violation.absolute_path)
    rule, found = cast("Mapping[str, Any]", violation.schema), cast("Any", violation.instance)
    if violation.validator != "additionalProperties":
        yield _invalid(where, f"{found!r} is not allowed", _allowed(rule))
        return
    known = sorted(rule["properties"])
    inside = f"{where}." if where else ""
    for unknown in sorted(str(key) for key in set(found) - set(known)):
        yield _invalid(f"{inside}{unknown}", "there is no such key", f"Known here: {', '.join(known)}")


def _allowed(rule: Mapping[str, Any]) -> str:
    """What a key may be, in words."""
    if "enum" in rule:
        return f"Allowed: {', '.join(str(value) for value in rule['enum'])}"
    kinds = rule.get("type", "value")
    kind = " or ".join(kinds) if isinstance(kinds, list) else kinds
    if rule.get("format") == "date":
        kind = kind.replace("string", "a date like 2024-01-02")
    limits = [
        f"{word} {rule[name]}"
        for name, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("pattern", "of the form"),
            ("minItems", "with at least this many items:"),
        )
        if name in rule
    ]
    return f"Allowed: {' '.join([kind, *limits])}. {rule.get('description', '')}".strip()


def _fill_defaults(document: Document, schema: Mapping[str, Any]) -> None:
    for key, rule in schema["properties"].items():
        if "default" in rule:
            document.setdefault(key, copy.deepcopy(rule["default"]))
        if "properties" in rule:
            _fill_defaults(document[key], rule)


def _contradictions(document: Document) -> Iterator[tuple[tuple[str, ...], SpxDataError]]:
    """What no key shows by itself, with the keys it lies between."""
    if document["dates"]:
        try:
            Dates.of(document["dates"])
        except DateValidationError as error:
            yield ("dates",), error
    processing, terminal = document["processing"], document["thetadata"]
    start, end = processing.get("start_date"), processing["end_date"]
    if start is None:
        yield (
            (START_DATE,),
            _invalid(
                START_DATE,
                "it is not set, and nothing can be missing without a first date",
                "Run 'spx-data config set processing.start_date 2024-01-02' (your date), or write "
                "'start_date: 2024-01-02' under 'processing:' in config/config.yaml, "
                "or set the environment variable PROCESSING_START_DATE",
            ),
        )
    elif end is not None and dt.date.fromisoformat(start) > dt.date.fromisoformat(end):
        finding = f"{start} is after end_date {end}"
        cure = "Swap them, or set end_date: null"
        yield (START_DATE, "processing.end_date"), _invalid(START_DATE, finding, cure)
    if processing["start_time"] >= processing["end_time"]:
        finding = f"{processing['start_time']} is not before end_time {processing['end_time']}"
        cure = "The session's window needs a start before its end"
        keys = ("processing.start_time", "processing.end_time")
        yield keys, _invalid(keys[0], finding, cure)
    if terminal["base_url"] and (refused := _refused_address(terminal["base_url"])):
        yield ("thetadata.base_url",), refused
    if terminal["api"] == "v2" and terminal["format"] == "ndjson":
        keys = ("thetadata.format", "thetadata.api")
        yield keys, _invalid(keys[0], "API v2 has no ndjson", "Use csv or json")


def _refused_address(base_url: str) -> ConfigurationValidationError | None:
    """Why no terminal can be reached at an address of the right form; None where one can."""
    try:
        host = urlsplit(base_url).hostname
    except ValueError as error:
        return _invalid(
            "thetadata.base_url", f"{base_url!r} is no address: {error}", "Write http://127.0.0.1:25503"
        )
    if host != "localhost":
        return None
    address = base_url.replace("localhost", "127.0.0.1")
    return _invalid("thetadata.base_url", "terminals refuse the name localhost", f"Write {address}")


def _invalid(what: str, reason: str, cure: str) -> ConfigurationValidationError:
    return ConfigurationValidationError(f"config: {what}: {reason}", cure=cure, what=what, reason=reason)
