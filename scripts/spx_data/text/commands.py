r"""Commands in texts for people: marked where they are written, taken out of the words where they are read.

In every text of ours (cures, remarks, offers, alerts) a command stands in backticks: "Ask again with
`spx-data retry 2024-01-05`". Journals and the status log keep it so. Where a person reads it, it is as it is
typed (`typed`) or can be copied (`parts`): with the config files, the folder and the programs of the
`Caller`, so that it works when it is pasted.

What comes from outside must not look like a command of ours: paths are quoted (`words.quoted` spells a
backtick `\x60`), any other text is `outside`, and what a file keeps of a marked text is `read_back`.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from spx_data.text.words import quoted

# What a command of ours begins with. Other backticks are text: a terminal's answer may have some.
PROGRAMS = (
    *("spx-data", "snakemake", "make"),
    *("brctl", "cd", "chmod", "cp", "export", "iconv", "ls", "mkdir", "mv", "pip", "pipx", "rm", "sudo"),
    *("ulimit", "uv"),
)

# A command with its mark, in a text.
MARKED = re.compile(rf"`((?:{'|'.join(PROGRAMS)})(?: [^`\n]+)?)`")
_CALL = re.compile(r"(spx-data|snakemake)(?= |$)(?! --configfile)(.*)")
# What is about no lake, or has its symbol already.
_OF_NO_LAKE = re.compile(r" (?:--symbol|config|init|help|completion|version|serve|--version)\b|.* symbols=")
# Programs that the environment of this project has, and the PATH of a shell perhaps not.
_INSTALLED = ("spx-data", "snakemake", "pip")
# Commands that work in any folder, or must not be followed by another one's.
_ANYWHERE = ("cd", "export", "ulimit")
# A call of one program of ours and nothing else: no other command, file or program comes into it.
_HARMLESS = re.compile(
    r'spx-data(?: (?:[\w.,:=…-]+|"[\w.,:=… -]*"))+'
    r"|snakemake(?: (?:--cores \d+|--config(?: \w+=[\w.,:-]+)+|\w[\w./-]*))*"
)


KEPT = "\N{NO-BREAK SPACE}"


class Caller(NamedTuple):
    """How the person who reads a command calls us: what it takes beside its own words."""

    configfiles: tuple[str, ...] = ()  # laid over the project's own
    folder: str = ""  # the project's, where the person stands in another one
    snakefile: str = ""  # where Snakemake does not find it by itself
    symbol: str = ""  # whose lake the text is about, of several


class _Here:
    """The caller of this process: its commands are shown for them."""

    caller = Caller()


def called_by(
    configfiles: Sequence[str | os.PathLike[str]],
    folder: Path | None = None,
    snakefile: Path | None = None,
    symbol: str = "",
) -> None:
    """Show commands, from now on and in this process, as `Caller` with these things types them."""
    _Here.caller = Caller(tuple(map(str, configfiles)), str(folder or ""), str(snakefile or ""), symbol)


def about(symbol: str) -> None:
    """Show commands, from now on and in this process, as they act on the lake of *symbol*, if any."""
    _Here.caller = _Here.caller._replace(symbol=symbol)


def of_symbol(text: str, symbol: str) -> str:
    """The marked *text* with commands that act on the lake of *symbol*, whoever shows it."""
    return MARKED.sub(lambda marked: f"`{_with_symbol(marked[1], symbol)}`", text)


def caller() -> Caller:
    """The one that this process shows commands for."""
    return _Here.caller


class Part(NamedTuple):
    """A piece of a text."""

    text: str
    is_command: bool


def parts(text: str) -> list[Part]:
    """*text* in pieces, in their order, without marks: words, and the commands between them as typed."""
    pieces = [
        Part(_typed(piece, _Here.caller) if number % 2 else piece, number % 2 == 1)
        for number, piece in enumerate(MARKED.split(text))
    ]
    return [part for part in pieces if part.text]


def typed(text: str, caller: Caller) -> str:
    """*text* without marks, its commands as *caller* types them."""
    return MARKED.sub(lambda marked: _typed(marked[1], caller), text)


def shown(text: str) -> str:
    """*text* as this process shows it: `typed` for the caller of the process."""
    return typed(text, _Here.caller)


def wrapped(text: str, width: int) -> list[str]:
    """*text* as `shown`, in lines of at most *width* characters, broken between words.

    A command stays on one line, so that it can be copied; one that is longer than *width*, or any other such
    word, is a line of its own.
    """
    lines = textwrap.wrap(kept(text), width, break_long_words=False, break_on_hyphens=False)
    return [line.replace(KEPT, " ") for line in lines] or [""]


def kept(text: str) -> str:
    """*text* as `shown`, with `KEPT` for each blank of a command, which is then one word."""
    return MARKED.sub(lambda marked: _typed(marked[1], _Here.caller).replace(" ", KEPT), text)


@functools.cache
def typed_program(name: str, *, anywhere: bool = False) -> str:
    """How a person calls the program *name*: so where a shell finds ours by that name, else by its path.

    It is called from this folder, or from *anywhere*.
    """
    own = Path(sys.executable).parent / name
    if name not in _INSTALLED or not own.exists():
        return name
    found = (Path(folder) / name for folder in os.get_exec_path())
    first_found = next((path for path in found if os.access(path, os.X_OK)), None)
    if first_found is not None and own.samefile(first_found):
        return name
    here = Path.cwd()
    return quoted(own.relative_to(here) if own.is_relative_to(here) and not anywhere else own)


def first(text: str) -> str | None:
    """The first command of *text*, without its mark; None where there is none."""
    found = MARKED.search(text)
    return found[1] if found else None


def outside(text: str) -> str:
    r"""*text* from outside, in which no command can be marked: a backtick is spelt `\x60`."""
    return text.replace("`", r"\x60")


def read_back(text: str) -> str:
    """A marked text out of a file that anybody may have written: only harmless calls stay marked."""
    return MARKED.sub(lambda marked: marked[0] if _HARMLESS.fullmatch(marked[1]) else marked[1], text)


def _typed(command: str, caller: Caller) -> str:
    """*command* as *caller* types it."""
    program, _, _ = command.partition(" ")
    found = _with_options(_with_symbol(command, caller.symbol), caller)
    elsewhere = bool(caller.folder) and program not in _ANYWHERE
    found = typed_program(program, anywhere=elsewhere) + found.removeprefix(program)
    return f"cd {quoted(caller.folder)} && {found}" if elsewhere else found


def _with_symbol(command: str, symbol: str) -> str:
    """*command* for one *symbol*, where it is about a lake and names none."""
    call = _CALL.fullmatch(command)
    if not symbol or call is None or _OF_NO_LAKE.match(call[2]):
        return command
    program, rest = call.groups()
    if program == "spx-data":
        return f"{program} --symbol {symbol}{rest}"
    if " --config " in rest:
        return command.replace(" --config ", f" --config symbols={symbol} ", 1)
    return f"{command} --config symbols={symbol}"


def _with_options(command: str, caller: Caller) -> str:
    """*command* with the caller's options: behind the program, or last where they would swallow a target."""
    call = _CALL.fullmatch(command)
    if call is None:
        return command
    program, rest = call.groups()
    options = "".join(f" --configfile {quoted(path)}" for path in caller.configfiles)
    if program == "snakemake" and caller.snakefile:
        options = f" --snakefile {quoted(caller.snakefile)}{options}"
    if program == "snakemake" and not rest.startswith(" -"):
        return f"{command}{options}"
    return f"{program}{options}{rest}"
