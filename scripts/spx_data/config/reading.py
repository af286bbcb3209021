"""A config file as text, and its text as a document: plain settings, each of them said once.

Scalars are read as YAML 1.2 reads them: what YAML 1.1 takes for other numbers than stand there (010 is 8,
16:00 is 960) stays text, which the schema refuses in the person's own words. What is no YAML is told in a
person's words too: where, and what to write.
"""

from __future__ import annotations

import functools
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from spx_data.config import shipped
from spx_data.config.rulebook import Document, invalid
from spx_data.errors import ConfigurationValidationError, MissingFileError, PermissionDeniedError
from spx_data.text.words import quoted

# The shipped file with all its comments is 8 kB.
_MOST_BYTES = 1_000_000
# A few aliases save typing; more than that unfold to more than any memory holds.
_MOST_ALIASES = 50
# Settings have three. What composes YAML goes down by recursion, in C: 100,000 levels end the process.
_MOST_LEVELS = 20
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
# More digits stay text: they are no setting, and Python reads 4,300 at most.
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(
    r"[-+]?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?\Z|[-+]?(?:0|[1-9][0-9]*)\.?[eE][-+]?[0-9]+\Z"
)
KEEP_ONE = "Keep one of the two"
_TAG = "a tag is there, and settings are plain values"
_NUMBERS = {"tag:yaml.org,2002:int": _INTEGER, "tag:yaml.org,2002:float": _FLOAT}


def read(path: Path) -> str:
    """The text of the config file *path*, line ends as they are.

    Raises:
        MissingFileError: there is no such file; says how to begin one.
        PermissionDeniedError: it cannot be read.
        ConfigurationValidationError: it is not text, or no file.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise _unusable(
                path, "is no file that can be read twice", "Save the settings as a file, and name that"
            )
        if found.st_size > _MOST_BYTES:
            size = f"{found.st_size / 1e6:,.0f} MB"
            raise _unusable(path, f"holds {size}, which is no config", "Name the file that has your settings")
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(
            f"there is no config file {path}", cure=shipped.where_to_begin(path), path=path
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PermissionDeniedError(
            f"cannot read the config file {path}: {reason}",
            cure=f"Make it a file that you may read: `ls -l {quoted(path)}` shows whose it is",
            path=path,
            operation="read",
        ) from error
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise _no_utf8(path, content, error.start) from error
    if _is_utf16(content):
        raise _no_utf8(path, content, 0)
    return text


def _is_utf16(content: bytes) -> bool:
    """Whether every other byte is none, as in letters of two bytes."""
    some = content[:1000]
    return max(some[::2].count(0), some[1::2].count(0)) > len(some) // 4


def _no_utf8(path: Path, content: bytes, start: int) -> ConfigurationValidationError:
    """Which encoding it is instead, as far as bytes tell, and how to change it."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or _is_utf16(content):
        marked = content[:1] in {b"\xff", b"\xfe"}
        name = "UTF-16" if marked else "UTF-16BE" if content[:1] == b"\0" else "UTF-16LE"
        what = f"it is {name}, two bytes for each letter"
    else:
        windows = any(0x80 <= byte < 0xA0 for byte in content)
        name = "WINDOWS-1252" if windows else "ISO-8859-1"
        line = content[:start].count(b"\n") + 1
        what = f"line {line} has the byte 0x{content[start]:02x}, which is {name}, not UTF-8"
    file, copy = quoted(path), quoted(f"{path}.utf8")
    return _unusable(
        path,
        f"is no UTF-8 text: {what}",
        f"Save it as UTF-8: `iconv -f {name} -t UTF-8 {file} > {copy} && mv {copy} {file}`",
    )


# Text ---------------------------------------------------------------------------------------------------


class Repeated(NamedTuple):
    """A key (dotted) that stands in two lines: readers of YAML take the last one and say nothing."""

    key: str
    line: int
    first: int

    def __str__(self) -> str:
        return f"it stands there once more in line {self.line}; the first is in line {self.first}"


def parse(text: str, path: Path) -> Document:
    """The document in *text*, which is what *path* holds, or is to hold; not yet validated.

    Raises:
        ConfigurationValidationError: it is not YAML, holds no keys, or one key twice; says in which line.
    """
    document, repeated = parsed(text, path)
    for again in repeated:
        raise ConfigurationValidationError(
            f"{path} line {again.line}: {again.key}: {again}",
            cure=KEEP_ONE,
            what=again.key,
            reason=f"a second time in line {again.line}",
        )
    return document


def parsed(text: str, path: Path) -> tuple[Document, list[Repeated]]:
    """The document in *text*, and every key that stands there once more; raises like `parse` for all else."""
    text = text.removeprefix("\ufeff")
    if odd := _CONTROL.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        raise _not_yaml(path, line, f"the character 0x{ord(odd[0]):02x} stands there", "Take it out")
    try:
        node = composed(text)
        repeated = list(_looked_through(node, path))
        document = value_of(node)
    except yaml.YAMLError as error:
        raise _explained(error, text, path) from error
    if not isinstance(document, dict | None):
        raise invalid(
            str(path),
            f"the file holds no keys: {'a list' if isinstance(document, list) else 'one value'}"
            " stands at the top",
            "Write sections with keys, as in config/config.yaml",
        )
    return document or {}, repeated


class _Reader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML with the numbers of version 1.2, and nothing that contains itself."""

    def plain(self, node: yaml.ScalarNode) -> Any:
        """A truth value, a number or a date; refuses what a tag calls so, or a digit too many makes none."""
        kind = node.tag.rpartition(":")[2]
        try:
            return getattr(self, f"construct_yaml_{kind}")(node)
        except (ArithmeticError, AttributeError, LookupError, ValueError) as error:
            # A date that is none is a value; what has not even its form is an attribute of nothing.
            dated = kind == "timestamp" and isinstance(error, ValueError)
            problem = f"that date is not in the calendar: {error}" if dated else f"that is no {kind}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


_Reader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag not in _NUMBERS]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern in _NUMBERS.items():
    _Reader.add_implicit_resolver(_tag, _pattern, list("-+.0123456789"))
for _tag, _read in (("map", _Reader.construct_mapping), ("seq", _Reader.construct_sequence)):
    _Reader.add_constructor(f"tag:yaml.org,2002:{_tag}", functools.partial(_read, deep=True))
for _tag in ("bool", "int", "float", "timestamp"):
    _Reader.add_constructor(f"tag:yaml.org,2002:{_tag}", _Reader.plain)


def composed(text: str) -> yaml.Node | None:
    """The nodes of *text*, no deeper than settings are; raises yaml.YAMLError where it is no YAML."""
    depth = 0
    for event in yaml.parse(text, Loader=_Reader):  # flat, where composing goes as deep as the text does
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        deep = f"it is nested deeper than {_MOST_LEVELS} levels" if depth > _MOST_LEVELS else ""
        if problem := deep or (_TAG if getattr(event, "tag", None) is not None else ""):
            # A mark of the C parser is another class to those who typed it.
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]
    loader = _Reader(text)
    try:
        found: yaml.Node | None = loader.get_single_node()
        return found
    finally:
        loader.dispose()


def value_of(node: yaml.Node | None) -> Any:
    """What *node* means; None for no node at all."""
    if node is None:
        return None
    loader = _Reader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def scalar(text: str) -> Any:
    """What *text* means as one value, like those in the file.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    return value_of(composed(text))


def _looked_through(root: yaml.Node | None, path: Path) -> Iterator[Repeated]:
    """Every key that is there once more; refuses what is too entangled to be settings."""
    waiting, known, aliases = [("", root)], set[int](), 0
    while waiting:
        prefix, node = waiting.pop()
        if not isinstance(node, yaml.CollectionNode):
            continue
        if id(node) in known:
            aliases += 1
            if aliases > _MOST_ALIASES:
                raise _unusable(
                    path, f"has more than {_MOST_ALIASES} aliases", "Write out what they stand for"
                )
            continue
        known.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield from _repeated(node, prefix)
            waiting += [(f"{prefix}{key.value}.", value) for key, value in reversed(node.value)]
        else:
            waiting += [(prefix, item) for item in node.value]


def _repeated(mapping: yaml.MappingNode, prefix: str) -> Iterator[Repeated]:
    lines: dict[str, int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line = key.start_mark.line + 1
        if key.value in lines:
            yield Repeated(f"{prefix}{key.value}", line, lines[key.value])
        lines.setdefault(key.value, line)


# What is no YAML ----------------------------------------------------------------------------------------


def _explained(error: yaml.YAMLError, text: str, path: Path) -> ConfigurationValidationError:
    """Why *text* is not YAML, in which line, and what to write."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or error)
    if mark is None:
        return _unusable(path, f"is not YAML: {problem}", "Compare it with the shipped config/config.yaml")
    lines = text.splitlines() or [""]
    number = min(mark.line, len(lines) - 1)
    # A value that never ends is noticed below it: the tab may stand in the line before.
    for near in (number, number - 1):
        if near >= 0 and "\t" in lines[near][: len(lines[near]) - len(lines[near].lstrip())]:
            cure = "Indent it with blanks: two for a key below its section"
            return _not_yaml(path, near + 1, f"it is indented with a tab: {_quoted(lines[near])}", cure)
    finding, cure = _words(problem)
    if "not in the calendar" in problem:
        return _unusable(path, f"line {number + 1}: {finding}: {_quoted(lines[number])}", cure)
    return _not_yaml(path, number + 1, f"{finding}: {_quoted(lines[number])}", cure)


# What a parser's problem has in it, what that is, and what to do.
_PROBLEMS = (
    (
        " document",
        "a second document begins",
        "Take out the line of three dashes, and what is another file's",
    ),
    (_TAG, _TAG, "Take out what begins with !"),
    ("expected hexdecimal", "a backslash in double quotes", "Use single quotes, and a path with slashes"),
    ("escape character", "a backslash in double quotes", "Use single quotes, and a path with slashes"),
    ("unexpected end of stream", "a quote is opened and never closed", "Close it"),
    (
        "expected node content",
        "a value is missing, or a bracket is not closed",
        "Write the value, close the bracket",
    ),
    ("undefined alias", "a value begins with a star, which means an alias", "Put quotes around it"),
    ("recursive", "it contains itself", "Write out what the alias (*) stands for"),
    (
        "mapping values",
        "a colon is there where none may be",
        "Write `key: value`, with quotes around a value that holds a colon and a blank",
    ),
    (
        "found character that cannot",
        "a character is there that begins no value",
        "Put quotes around the value",
    ),
)


def _words(problem: str) -> tuple[str, str]:
    """What a parser's *problem* is, and what to do."""
    if "not in the calendar" in problem:
        return problem, "Mend that date"
    for sign, finding, cure in _PROBLEMS:
        if sign in problem:
            return finding, cure
    return problem, "Mend the file at that line"


def _not_yaml(path: Path, line: int, finding: str, cure: str) -> ConfigurationValidationError:
    """The error that what stands in *line* is no YAML."""
    return _unusable(path, f"is not YAML: line {line}: {finding}", cure)


def _quoted(line: str) -> str:
    shown = line.strip()
    return repr(shown if len(shown) <= 60 else f"{shown[:60]}…")


def _unusable(path: Path, finding: str, cure: str) -> ConfigurationValidationError:
    """The error that the file *path* is of no use."""
    return ConfigurationValidationError(f"{path} {finding}", cure=cure, what=str(path), reason=finding)
