"""What is wrong with a value, and what to write: in words, from its rule and from what stands there."""

from __future__ import annotations

import datetime as dt
import re
import reprlib
from collections.abc import Mapping
from typing import Any

from spx_data.errors import without_userinfo
from spx_data.text.printable import inside

_ADDRESS = "thetadata.base_url"
_ACCOUNT = re.compile(r"([a-z][a-z0-9+.-]*://)?.*@", re.IGNORECASE | re.DOTALL)
_NO_LINE_END = r"(?!\n)"
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlist, _SHORT.maxlevel = 10, 2
_EXAMPLES = {"date": "a date like 2024-01-02", "time": 'a time like "16:00:00"', "path": "a path"}
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_DATE = re.compile(r"(\d{4})(?:(\d{2})(\d{2})|[-/.](\d{1,2})[-/.](\d{1,2}))")


def mistyped(rule: Mapping[str, Any], found: Any) -> tuple[str, str]:
    """Why *found* is nothing for a key with that *rule*, and the cure."""
    if rule.get("type") == "object":
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
    """The *value* of *key* as it may be shown and recorded: of an address, without who is named in it."""
    if key == _ADDRESS and isinstance(value, str):
        return _ACCOUNT.sub(r"\1***@", value, count=1)  # a password may hold what ends a host elsewhere
    return inside(value, without_userinfo)


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
        return f"{match[1]}-{int(match[2] or match[4]):02}-{int(match[3] or match[5]):02}" if match else None
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
        return f"Allowed: {', '.join(str(value) for value in rule['enum'])}"
    kinds = rule.get("type", "value")
    kind = " or ".join(kinds) if isinstance(kinds, list) else kinds
    if rule.get("format") in _EXAMPLES:
        kind = kind.replace("string", _EXAMPLES[rule["format"]])
    limits = [
        f"{word} {str(rule[name]).removesuffix(_NO_LINE_END)}"
        for name, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("pattern", "of the form"),
            ("minItems", "with at least this many items:"),
        )
        if name in rule and not (name == "pattern" and "format" in rule)
    ]
    return f"Allowed: {' '.join([kind, *limits])}. {rule.get('description', '')}".strip()
