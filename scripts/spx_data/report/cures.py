"""Cures as a page shows them: commands apart from the words around them, so that each can be copied."""

from __future__ import annotations

import re
from typing import NamedTuple

# A value follows an option, a date is a value by itself, and everything else is a word of the sentence.
_DATE = r"\d{4}-\d{2}-\d{2}"
_OPTION = r'--[a-z-]+(?: (?:"[^"]*"|\d\S*|[a-z_]+=[^\s,;]+))?'
_SETTING = r"(?:config (?:get|set)(?: [a-z_]+\.[a-z_]+(?: [^\s,;]+)?)?)"
_COMMAND = re.compile(
    rf"spx-data (?:{_SETTING}|[a-z][a-z-]*)(?: (?:{_DATE}|{_OPTION}))*"
    rf"|snakemake(?: (?:{_OPTION}|recheck|verify|status))+"
)


class Part(NamedTuple):
    """A piece of a cure."""

    text: str
    is_command: bool


def parts(cure: str) -> list[Part]:
    """*cure* in pieces, in their order; together they are all of it."""
    found, end = list[Part](), 0
    for match in _COMMAND.finditer(cure):
        found += [Part(cure[end : match.start()], False), Part(match[0], True)]
        end = match.end()
    found.append(Part(cure[end:], False))
    return [part for part in found if part.text]
