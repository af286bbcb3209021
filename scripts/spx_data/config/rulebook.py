"""What a config may say: the schema's rules, what no key shows by itself, and what to write instead."""

from __future__ import annotations

import copy
import datetime as dt
import difflib
import functools
import re
import reprlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import yaml

from spx_data.config import paths, shipped
from spx_data.errors import ConfigurationValidationError, DateValidationError, SpxDataError
from spx_data.market import columns, products
from spx_data.market.dates import Dates
from spx_data.sources import catalogue, places
from spx_data.symbols import SECTION as SYMBOLS
from spx_data.symbols import SHARED, document_of
from spx_data.text.printable import inside

if TYPE_CHECKING:
    import jsonschema

Document = dict[str, Any]

START_DATE = "processing.start_date"  # the only key without a default that somebody must set
# Sections that are no symbol's own: the terminal is one, and so is the way to what it says.
_OF_ALL = ("thetadata", "processing", "database", "metrics")

_ADDRESS = "thetadata.base_url"
_ACCOUNT = re.compile(r"([a-z][a-z0-9+.-]*://)?.*@", re.IGNORECASE | re.DOTALL)
_KIND = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)")
_OF_A_SYMBOL_OR_LIST = re.compile(r"^symbols\.[^.]+\.|\.\d+$")
_NO_LINE_END = r"(?!\n)"
_LIKE = 0.7  # of 1: so alike are a word and what may be meant by it
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlist, _SHORT.maxlevel = 10, 2
_EXAMPLES = {"date": "a date like 2024-01-02", "time": 'a time like "16:00:00"', "path": "a path"}
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_DATE = re.compile(r"(\d{4})(?:(\d{2})(\d{2})|[-/.](\d{1,2})[-/.](\d{1,2}))")


@functools.cache
def schema() -> Mapping[str, Any]:
    """The schema, as a document; nobody changes it."""
    # libyaml, where it is there, is five times as fast: every job and command reads this first.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: Mapping[str, Any] = yaml.load(shipped.SCHEMA.read_text(encoding="utf-8"), Loader=loader)
    # Which there are, the sources say: a new one is a folder there, and no line here.
    found["properties"]["thetadata"]["properties"]["api"]["enum"] = [catalogue.AUTO, *catalogue.every()]
    found["properties"]["processing"]["properties"]["records"]["enum"] = list(columns.KINDS)
    own = found["properties"][SYMBOLS]["additionalProperties"]["properties"]
    of_one = found["properties"]["processing"]["properties"]
    own |= {name: rule for name, rule in of_one.items() if name not in SHARED}
    own |= {
        name: rule
        for name, rule in found["properties"].items()
        if "properties" in rule and name not in _OF_ALL
    }
    return found


def rules(part: Mapping[str, Any] | None = None, prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every key in dotted spelling with its rule in the schema."""
    for name, rule in (part or schema())["properties"].items():
        if "properties" in rule:
            yield from rules(rule, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", rule


@functools.cache
def secrets() -> frozenset[str]:
    """Every key whose value is never shown, recorded or logged: the schema says so."""
    return frozenset(key for key, rule in rules() if rule.get("writeOnly"))


@functools.cache
def path_keys() -> tuple[str, ...]:
    """Every key that is a path: the schema says so."""
    return tuple(key for key, rule in rules() if rule.get("format") == "path")


def violations(document: Document) -> Iterator[jsonschema.ValidationError]:
    """Each thing in *document* that the schema does not allow."""
    import jsonschema

    checker = jsonschema.Draft202012Validator(schema(), format_checker=jsonschema.FormatChecker(["date"]))
    return checker.iter_errors(document)


def explained(violation: jsonschema.ValidationError) -> Iterator[ConfigurationValidationError]:
    """What is wrong in words: one error, or one for each key that is none."""
    where = ".".join(str(part) for part in violation.absolute_path)
    rule, found = cast("Mapping[str, Any]", violation.schema), disclosed(where, violation.instance)
    if violation.validator == "required":
        for lacking in (key for key in rule["required"] if key not in found):
            yield invalid(f"{where}.{lacking}", "it is not told", allowed(rule["properties"][lacking]))
        return
    if violation.validator != "additionalProperties":
        finding, cure = mistyped(rule, found)
        yield invalid(where, finding, cure)
        return
    known = sorted(rule["properties"])
    inside = f"{where}." if where else ""
    for unknown in sorted(str(key) for key in set(found) - set(known)):
        sections = [] if where else [key.split(".")[0] for key, _ in rules() if key.endswith(f".{unknown}")]
        belongs = f"It belongs below '{sections[0]}:', indented by two blanks. " if sections else ""
        if where.startswith(f"{SYMBOLS}.") and unknown in SHARED:
            cure = "Leave it out: all share it, and each has a folder of its name, which may be a link"
            yield invalid(f"{inside}{unknown}", "it is no symbol's own", cure)
            continue
        near = difflib.get_close_matches(unknown, known, 1, _LIKE)
        meant = f"Did you mean {near[0]}? " if near else ""
        cure = f"{belongs or meant}Known here: {', '.join(known)}"
        yield invalid(f"{inside}{unknown}", "there is no such key", cure)


def fill_defaults(document: Document, part: Mapping[str, Any] | None = None) -> None:
    """Give every key that *document* lacks its default."""
    for key, rule in (part or schema())["properties"].items():
        if "default" in rule:
            document.setdefault(key, copy.deepcopy(rule["default"]))
        if "properties" in rule:
            fill_defaults(document[key], rule)


def contradictions(document: Document) -> Iterator[tuple[tuple[str, ...], SpxDataError]]:
    """What no key shows by itself, with the keys it lies between."""
    if document["dates"]:
        try:
            Dates.of(document["dates"])
        except DateValidationError as error:
            yield ("dates",), error
    yield from _of_the_terminal(document["thetadata"])
    if (place := document["publish"]["url"]) and (refused := places.refused_url(place)):
        yield (places.PUBLISH_URL,), refused
    if (url := document["database"]["url"]) and (why := paths.database_objection(url)):
        yield ("database.url",), invalid("database.url", why, paths.DATABASE_CURE)
    named = document.get(SYMBOLS) or {}
    for symbol in named:
        for keys, wrong in _of_a_lake(document_of(document, symbol)):
            yield (SYMBOLS, *keys), _of_the_symbol(wrong, symbol, named[symbol] or {})
    if not named:
        yield from _of_a_lake(document)


def _of_the_symbol(wrong: SpxDataError, symbol: str, own: Mapping[str, Any]) -> SpxDataError:
    """*wrong* as a mistake in the section of *symbol*, where that has the key."""
    name = str(wrong.fields["what"]).removeprefix("processing.")
    if name == "symbol":
        return invalid(f"{SYMBOLS}.{symbol}", str(wrong.fields["reason"]), wrong.cure)
    if name not in own:
        return wrong
    return invalid(f"{SYMBOLS}.{symbol}.{name}", str(wrong.fields["reason"]), wrong.cure)


def _of_the_terminal(terminal: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], SpxDataError]]:
    if terminal["base_url"] and (refused := _refused_address(terminal["base_url"])):
        yield ("thetadata.base_url",), refused
    known = catalogue.every().get(terminal["api"])
    if known is not None and terminal["format"] not in known.formats:
        keys = ("thetadata.format", "thetadata.api")
        finding = f"API {known.api} has no {terminal['format']}"
        yield keys, invalid(keys[0], finding, f"Use {' or '.join(known.formats)}")


def _of_a_lake(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], SpxDataError]]:
    processing = document["processing"]
    start, end = processing.get("start_date"), processing["end_date"]
    if start is None:
        yield (
            (START_DATE,),
            invalid(
                START_DATE,
                "it is not set, and nothing can be missing without a first date",
                "Run `spx-data config set processing.start_date 2024-01-02` (with your date), or write "
                "'start_date: 2024-01-02' under 'processing:' in config/config.yaml, "
                "or set the environment variable PROCESSING_START_DATE",
            ),
        )
    elif end is not None and dt.date.fromisoformat(start) > dt.date.fromisoformat(end):
        finding = f"{start} is after end_date {end}"
        cure = "Swap them, or set end_date: null"
        yield (START_DATE, "processing.end_date"), invalid(START_DATE, finding, cure)
    if processing["start_time"] >= processing["end_time"]:
        finding = f"{processing['start_time']} is not before end_time {processing['end_time']}"
        cure = "The session's window needs a start before its end"
        keys = ("processing.start_time", "processing.end_time")
        yield keys, invalid(keys[0], finding, cure)
    yield from _about_products(document)


def _about_products(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], SpxDataError]]:
    """What is wrong with the products that a config tells, with its symbol, and with its roots."""
    own, processing = document["products"], document["processing"]
    for key, finding, cure in products.objections(own):
        yield (key,), invalid(key, finding, cure)
    told = f"products.{processing['symbol']}"
    try:
        product = products.of(processing["symbol"], own)
    except ConfigurationValidationError as error:
        yield ("processing.symbol", told), error
        return
    if strange := [root for root in processing["roots"] or () if root not in product.root_names]:
        finding = f"{strange[0]} is no root of {product.symbol}"
        cure = f"Its roots are {', '.join(product.root_names)}; null is all of them"
        keys = ("processing.roots", "processing.symbol", told)
        yield keys, invalid("processing.roots", finding, cure)


def _refused_address(base_url: str) -> ConfigurationValidationError | None:
    """Why no terminal can be reached at an address of the right form; None where one can."""
    try:
        host, _ = urlsplit(base_url).hostname, urlsplit(base_url).port  # the port has its bounds
    except ValueError as error:
        return invalid(
            "thetadata.base_url", f"{base_url!r} is no address: {error}", "Write http://127.0.0.1:25503"
        )
    if host != "localhost":
        return None
    address = base_url.replace("localhost", "127.0.0.1")
    return invalid("thetadata.base_url", "terminals refuse the name localhost", f"Write {address}")


def invalid(what: str, reason: str, cure: str) -> ConfigurationValidationError:
    """The error that *what* is wrong for a *reason*."""
    return ConfigurationValidationError(f"config: {what}: {reason}", cure=cure, what=what, reason=reason)


# In words -----------------------------------------------------------------------------------------------


def mistyped(rule: Mapping[str, Any], found: Any) -> tuple[str, str]:
    """Why *found* is nothing for a key with that *rule*, and the cure."""
    if "object" in rule.get("type", ""):
        if found is None:
            return (
                "nothing stands below it: its keys are comments, or not indented",
                "Indent a key below it, or make its line a comment too",
            )
        return f"{shown(found)} is not allowed", "Write its keys below it, each indented by two blanks"
    told = f"{shown(found)} is not allowed"
    if isinstance(found, bool):
        told = f"{str(found).lower()} is not allowed (YAML takes yes, no, on and off for true and false)"
    if found is None and "format" in rule:
        told = "nothing stands there (YAML takes ~ alone for null)"
    hint = meant(rule, found)
    return told, " ".join(part for part in (hint and f"Write {hint}.", allowed(rule)) if part)


def shown(found: Any) -> str:
    """*found* as a person may recognise it, however much it is."""
    return str(found) if isinstance(found, dt.date) else _SHORT.repr(disclosed("", found))


def disclosed(key: str, value: Any) -> Any:
    """The *value* of *key* as it may be shown and recorded: of an address, without who is named in it.

    Of a secret, one of a list or one of a symbol's included, the kind of its address alone.
    """
    if _OF_A_SYMBOL_OR_LIST.sub("", key) in secrets():
        return inside(value, lambda text: f"{found[1]}***" if (found := _KIND.match(text)) else "***")
    if key == _ADDRESS and isinstance(value, str):
        return _ACCOUNT.sub(r"\1***@", value, count=1)  # a password may hold what ends a host elsewhere
    return inside(value, paths.disclosed_url)


def meant(rule: Mapping[str, Any], found: Any) -> str | None:
    """What *found* was probably to be, as it is to be written; None where nobody can tell."""
    kinds = rule.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "enum" in rule:
        return next((f'"{found}", in quotes' for known in rule["enum"] if known == str(found)), None)
    if isinstance(found, str) and ("integer" in kinds or "number" in kinds):
        return _number(found, whole="integer" in kinds)
    if isinstance(found, str) and "boolean" in kinds:
        return "true or false, without quotes"
    if isinstance(found, str) and "array" in kinds:
        return f"[{found}]" if re.fullmatch(r"[A-Z]+(, ?[A-Z]+)*", found) else None
    if "string" not in kinds or found is None or isinstance(found, bool | list | dict):
        return None
    return _text(rule, found)


def _text(rule: Mapping[str, Any], found: Any) -> str | None:
    """What a number, a truth or a text of another form was to be."""
    if rule.get("format") == "date":
        match = _DATE.fullmatch(str(found))
        if match is None:
            return None
        with suppress(ValueError):  # a thirteenth month is no slip of the form
            return str(dt.date(int(match[1]), int(match[2] or match[4]), int(match[3] or match[5])))
        return None
    pattern = rule.get("pattern")
    if pattern is None:
        return None if isinstance(found, str) else f'"{found}", in quotes'
    if match := _TIME.fullmatch(str(found)):
        time = f"{int(match[1]):02}:{match[2]}:{match[3] or '00'}"
        return f'"{time}", in quotes' if re.search(pattern, time) else None
    return str(found).upper() if re.search(pattern, str(found).upper()) else None


def _number(found: str, *, whole: bool) -> str | None:
    """The number that a text was to be, in digits alone."""
    plain = found.strip().replace("_", "").replace(",", "")
    try:
        number = float(plain)
    except ValueError:
        return None
    if number != number or number in (float("inf"), float("-inf")):
        return None
    if number.is_integer():
        return f"{int(number)}"
    return None if whole else f"{number}"


def allowed(rule: Mapping[str, Any]) -> str:
    """What a key may be, in words."""
    if "enum" in rule:
        words = (str(value).lower() if isinstance(value, bool) else str(value) for value in rule["enum"])
        return f"Allowed: {', '.join(words)}"
    kinds = rule.get("type", "value")
    kind = " or ".join(kinds) if isinstance(kinds, list) else kinds
    like = " or ".join(rule.get("examples", ()))
    if rule.get("format") in _EXAMPLES:
        kind = kind.replace("string", _EXAMPLES[rule["format"]])
    elif like:
        kind = kind.replace("string", f"a text like {like}")
    limits = [
        f"{word} {str(rule[name]).removesuffix(_NO_LINE_END)}"
        for name, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("pattern", "of the form"),
            ("minItems", "with at least this many items:"),
        )
        if name in rule and not (name == "pattern" and ("format" in rule or like))
    ]
    return f"Allowed: {' '.join([kind, *limits])}. {rule.get('description', '')}".strip()
