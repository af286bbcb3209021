r"""Commands in texts for people: marked where they are written, taken out of the words where they are read.

In every text of ours (cures, remarks, offers, alerts) a command stands in backticks: "Ask again with
`spx-data retry 2024-01-05`". Journals and the status log keep it so. Where a person reads it, it is as it is
typed (`typed`) or can be copied (`parts`); programs and logs get it `plain`.

What comes from outside must not look like a command of ours: paths are quoted (`words.quoted` spells a
backtick `\x60`), any other text is `outside`, and what a file keeps of a marked text is `read_back`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from spx_data.text.words import quoted

# What a command of ours begins with. Other backticks are text: a terminal's answer may have some.
PROGRAMS = (
    *("spx-data", "snakemake", "make"),
    *("brctl", "cd", "chmod", "cp", "export", "iconv", "ls", "mkdir", "mv", "pip", "rm", "sudo", "ulimit"),
)

_MARKED = re.compile(rf"`((?:{'|'.join(PROGRAMS)})(?: [^`\n]+)?)`")
_CALL = re.compile(r"(spx-data|snakemake)(?= |$)(?! --configfile)(.*)")
# A call of one program of ours and nothing else: no other command, file or program comes into it.
_HARMLESS = re.compile(
    r'spx-data(?: (?:[\w.,:=…-]+|"[\w.,:=… -]*"))+'
    r"|snakemake(?: (?:--cores \d+|--config(?: \w+=[\w.,:-]+)+|\w[\w./-]*))*"
)


class Part(NamedTuple):
    """A piece of a text."""

    text: str
    is_command: bool


def parts(text: str) -> list[Part]:
    """*text* in pieces, in their order, without marks: words, and the commands between them."""
    pieces = [Part(piece, number % 2 == 1) for number, piece in enumerate(_MARKED.split(text))]
    return [part for part in pieces if part.text]


def plain(text: str) -> str:
    """*text* without marks."""
    return _MARKED.sub(r"\1", text)


def typed(text: str, configfiles: Sequence[str | os.PathLike[str]] = ()) -> str:
    """*text* without marks, its commands as they are typed where these config files are laid over ours."""
    options = "".join(f" --configfile {quoted(path)}" for path in configfiles)
    return _MARKED.sub(lambda marked: _laid_over(marked[1], options), text)


# The config files that this process's call lays over the project's: what it prints is `shown` with them.
overlays: list[Path] = []


def shown(text: str) -> str:
    """*text* as this process prints it: `typed` with the config files of its call."""
    return typed(text, overlays)


def first(text: str) -> str | None:
    """The first command of *text*, without its mark; None where there is none."""
    found = _MARKED.search(text)
    return found[1] if found else None


def outside(text: str) -> str:
    r"""*text* from outside, in which no command can be marked: a backtick is spelt `\x60`."""
    return text.replace("`", r"\x60")


def read_back(text: str) -> str:
    """A marked text out of a file that anybody may have written: only harmless calls stay marked."""
    return _MARKED.sub(lambda marked: marked[0] if _HARMLESS.fullmatch(marked[1]) else marked[1], text)


def _laid_over(command: str, options: str) -> str:
    """*command* with *options* behind the program; at the end where they would swallow a target."""
    call = _CALL.fullmatch(command) if options else None
    if call is None:
        return command
    program, rest = call.groups()
    if program == "snakemake" and not rest.startswith(" -"):
        return f"{command}{options}"
    return f"{program}{options}{rest}"
