"""A path as a person writes it, made one that the system takes as it was meant: the one place that does so.

The shell expands `~` and variables in what is typed, and nobody does in a file: there `~/lake` would be a
folder named `~`. Relative paths stay so: they count from the folder that the command is called from.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from spx_data.errors import without_userinfo

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://?(.*)", re.DOTALL)
_DRIVE = re.compile(r"([A-Za-z]):[\\/](.*)", re.DOTALL)
_SHELL_ESCAPE = re.compile(r"\\(?=[ ()'\"&$!;,\[\]{}])")
_VARIABLE = re.compile(r"\$(?:\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
# What Snakemake takes for a place to fill in.
PLACEHOLDER = re.compile(r"\{\s*\w+\s*(?:,.*)?\}")
_BREAKS = "\n\r\t\v\f\x85\u2028\u2029"
_LONGEST_NAME = 255


class PathRefusedError(ValueError):
    """A text is no path that can be meant: what was *found*, and the *cure*."""

    def __init__(self, found: str, cure: str) -> None:
        super().__init__(f"{found}. {cure}")
        self.found, self.cure = found, cure


class _Sign(NamedTuple):
    found: str
    cure: str


def expanded(text: str) -> str:
    """*text* with `~` or `~user` at its start replaced by that home folder.

    Raises:
        PathRefusedError: it cannot be meant as it stands; says what to write.
    """
    for sign in _signs(text):
        raise PathRefusedError(*sign)
    if not text.startswith("~"):
        return _straight(text)
    home = os.path.expanduser(text)  # noqa: PTH111  # pathlib raises where this one leaves the text as it is
    if home == text:
        user = text[1:].partition("/")[0]
        who = (
            f"there is no user {user!r} on this machine" if user else "nobody says where your home folder is"
        )
        raise PathRefusedError(
            f"{text!r} cannot be expanded: {who}", "Write the whole path, beginning with /"
        )
    if not Path(home).is_absolute() or (text[:2] in {"~", "~/"} and os.environ.get("HOME") == ""):
        raise PathRefusedError(
            f"{text!r} cannot be expanded: HOME is {os.environ.get('HOME')!r}",
            "Write the whole path, beginning with /",
        )
    return _straight(home)


def _straight(text: str) -> str:
    """*text* without `..`, where that is the same place: Snakemake does so with what it is called with."""
    plain = os.path.normpath(text)
    same = ".." in text.split("/") and os.path.realpath(plain) == os.path.realpath(text)
    return plain if same else text


def _signs(text: str) -> Iterator[_Sign]:
    """What shows that *text* is not meant as it stands."""
    if not text.strip():
        yield _Sign("an empty path", "Write one, or take the key out for its default")
        return
    if any(char in _BREAKS or not (char.isprintable() or char.isspace()) for char in text):
        if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
            yield _Sign(f"{text!a} is no UTF-8 text", "Rename that folder, or name another one")
        yield _Sign(
            f"{text!a} has a line break or a character that is not printed", "Write the path in one line"
        )
    if text != text.strip():
        yield _Sign(f"{text!r} has a blank before or behind it", f"Write {text.strip()}")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        yield _Sign(f"quotes are part of {text}", f"Write {text[1:-1].strip()}")
    yield from _foreign(text)
    if "$" in text:
        yield _variable(text)
    if placeholder := PLACEHOLDER.search(text):
        yield _Sign(
            f"Snakemake takes {placeholder[0]} in {text} for a place to fill in",
            f"Rename that folder, or write a link to it: ln -s '{text}' lake, then ./lake",
        )
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        unknown = text[error.start : error.end]
        yield _Sign(
            f"{text!a} has {unknown!a}, and this shell's locale knows ASCII alone",
            "Set another one before: export LC_ALL=C.UTF-8",
        )
        return
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in text.split("/")):
        yield _Sign(f"a name in {text[:40]}… is longer than {_LONGEST_NAME} bytes", "Shorten it")


def _foreign(text: str) -> Iterator[_Sign]:
    """Addresses, and paths of Windows."""
    if match := _SCHEME.fullmatch(text):
        if match[1].lower() == "file":
            local = "/" + unquote(match[2].removeprefix("localhost")).lstrip("/")
            yield _Sign(f"{text!r} is an address, not a path", f"Write {local}")
        yield _Sign(
            f"{text!r} is an address, not a path", "Name a folder of this machine; mount what is elsewhere"
        )
    if match := _DRIVE.fullmatch(text):
        here = f"/mnt/{match[1].lower()}/{match[2]}".replace("\\", "/")
        yield _Sign(
            f"{text!r} is a path of Windows", f"In WSL2 it is {here}; a folder below ~ is much faster"
        )
    if text.startswith("\\\\"):
        yield _Sign(
            f"{text!r} is a path of Windows", "Mount that share, and write the folder where it is mounted"
        )
    if "\\" in text:
        plain = _SHELL_ESCAPE.sub("", text) if _SHELL_ESCAPE.search(text) else text.replace("\\", "/")
        yield _Sign(f"{text!r} has a backslash", f"Write {plain.replace(chr(92), '/')}")


def _variable(text: str) -> _Sign:
    """Nobody expands a variable here: its cure is what the shell would make of it."""
    names = [braced or bare for braced, bare in _VARIABLE.findall(text)]
    unknown = [name for name in names if name not in os.environ]
    if not names:
        return _Sign(f"{text!r} has a dollar sign", "Rename that folder, or write a link to it")
    if unknown:
        told = f"{unknown[0]} is not set here either: write the whole path"
        return _Sign(f"{text!r} has a variable, and variables are not expanded here", told)
    whole = os.path.expandvars(text)  # there is no such thing in pathlib
    return _Sign(f"{text!r} has a variable, and variables are not expanded here", f"Write {whole}")


# The address of a team's database ---------------------------------------------------------------------------


DATABASE_CURE = (
    "Write postgresql://HOST/DATABASE; a password belongs in ~/.pgpass, a service file or PGPASSWORD"
)
_URL = re.compile(r"postgresql://([^\s:/@?#]*@)?[^\s@?#]*(\?[^\s#]*)?")
_PASSWORD = re.compile(r"postgresql://[^/@]*:[^/@]*@|[?&](ssl)?password=", re.IGNORECASE)
_VALUE = re.compile(r"([?&](?:ssl)?password=)[^&\s]*", re.IGNORECASE)


def database_objection(url: str) -> str:
    """Why *url* is no address of a database that a setting may hold; empty where it is one."""
    if _PASSWORD.search(url):
        return "a password stands in it"
    return "" if _URL.fullmatch(url) else f"{disclosed_url(url)} is no address of a PostgreSQL database"


def disclosed_url(url: str) -> str:
    """*url* as it may be shown: without who is named in it, and without a password."""
    return _VALUE.sub(r"\1***", without_userinfo(url))
