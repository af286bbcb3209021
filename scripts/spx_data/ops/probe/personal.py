"""The last look before a recording is written: whether anything of this machine or its user is in it."""

from __future__ import annotations

import getpass
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from spx_data.errors import NEVER, SpxDataError
from spx_data.ops.probe import cutting, scrubbing

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_SHORTEST_SECRET, _SHORTEST_NAME = 6, 3
_LONG_NUMBER = 9  # digits: more than a date has
_PATTERNS = {
    "an e-mail address": re.compile(rb"[\w.+-]+@[\w-]+\.\w+"),
    "a path of a machine": re.compile(rb"(?:/home/|/Users/|/root/|\b[A-Za-z]:\\)"),
}
_SPACES = re.compile(r"(\s+)")
_WORD = re.compile(r"[^\W_]{4,}")


class PersonalError(SpxDataError):
    """What may identify somebody is in a recording, which is not written."""

    retry = NEVER


def check(
    bodies: Mapping[str, bytes], exchanges: Sequence[Mapping[str, Any]], table: Sequence[Mapping[str, Any]]
) -> None:
    """Raise PersonalError where what may identify somebody is in what is about to be written."""
    said = [str(value) for row in table for value in row.values()]
    said += [
        text for each in exchanges for text in (each["request"], *(value for _, value in each["headers"]))
    ]
    named = {**bodies, "manifest.json": "\n".join(said).encode()}
    sought = [*_PATTERNS.items(), *((what, _pattern(text)) for what, text in _of_this_machine())]
    for name, content in named.items():
        plain = cutting.unpacked(content) or content
        for what, pattern in sought:
            if pattern.search(plain):
                raise PersonalError(
                    f"the recording would hold {what} in {name}: it is not written",
                    cure="Please report this line: what is kept of answers is too much",
                    expected="nothing of an account or a machine",
                    actual=f"{what} in {name}",
                )


def _of_this_machine() -> Iterator[tuple[str, str]]:
    """What names this machine and its user, and what they keep secret, with what it is called."""
    for what, text in (("the name of the user", _user()), ("the name of the machine", platform.node())):
        # What answers may say anyway tells nothing.
        if len(text) >= _SHORTEST_NAME and not text.isdigit() and not scrubbing.is_word(text):
            yield what, text
    with suppress(RuntimeError):
        yield "the home folder", str(Path.home())
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= _SHORTEST_SECRET and not scrubbing.is_word(value):
            yield f"the value of {name}", value


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _pattern(text: str) -> re.Pattern[bytes]:
    """*text* as a word by itself, in whatever case."""
    return re.compile(rb"(?<!\w)" + re.escape(text.encode()) + rb"(?!\w)", re.IGNORECASE)


def masked(text: str, removed: Iterable[str]) -> str:
    """*text*, which may quote answers, without what was *removed* from them, nor names of this machine.

    A quotation may be cut short, so beginnings of words count; and what stands between two spaces goes as a
    whole.
    """
    names = (name for _, name in _of_this_machine())
    gone = tuple({word.lower() for each in (*removed, *names) for word in _WORD.findall(each)})

    def tells(word: str) -> bool:
        plain = word.lower()
        if scrubbing.is_word(plain) or (plain.isdigit() and len(plain) < _LONG_NUMBER):
            return False
        return any(each.startswith(plain) for each in gone)

    def is_odd(chunk: str) -> bool:
        plain = chunk.encode(errors="replace")
        return any(pattern.search(plain) for pattern in _PATTERNS.values()) or any(
            map(tells, _WORD.findall(chunk))
        )

    return "".join(scrubbing.emptied(chunk) if is_odd(chunk) else chunk for chunk in _SPACES.split(text))
