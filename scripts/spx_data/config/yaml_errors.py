"""What is wrong with a config file that is no YAML, in a person's words: where, and what to write."""

from __future__ import annotations

from pathlib import Path

import yaml

from spx_data.errors import ConfigurationValidationError

TAG = "a tag is there, and settings are plain values"


def explained(error: yaml.YAMLError, text: str, path: Path) -> ConfigurationValidationError:
    """Why *text* is not YAML, in which line, and what to write."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or error)
    if mark is None:
        return unusable(path, f"is not YAML: {problem}", "Compare it with the shipped config/config.yaml")
    lines = text.splitlines() or [""]
    number = min(mark.line, len(lines) - 1)
    # A value that never ends is noticed below it: the tab may stand in the line before.
    for near in (number, number - 1):
        if near >= 0 and "\t" in lines[near][: len(lines[near]) - len(lines[near].lstrip())]:
            cure = "Indent it with blanks: two for a key below its section"
            return not_yaml(path, near + 1, f"it is indented with a tab: {_quoted(lines[near])}", cure)
    finding, cure = _words(problem)
    if finding == problem and "calendar" in problem:
        return ConfigurationValidationError(
            f"{path} line {number + 1}: {finding}: {_quoted(lines[number])}",
            cure=cure,
            what=str(path),
            reason=finding,
        )
    return not_yaml(path, number + 1, f"{finding}: {_quoted(lines[number])}", cure)


def _words(problem: str) -> tuple[str, str]:
    """What a parser's *problem* is, and what to do."""
    for sign, finding, cure in (
        (
            " document",
            "a second document begins",
            "Take out the line of three dashes, and what is another file's",
        ),
        (TAG, TAG, "Take out what begins with !"),
        ("not in the calendar", problem, "Mend that date"),
        ("expected hexdecimal", "a backslash in double quotes", "Use single quotes, and a path with slashes"),
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
        ("escape character", "a backslash in double quotes", "Use single quotes, and a path with slashes"),
        (
            "found character that cannot",
            "a character is there that begins no value",
            "Put quotes around the value",
        ),
    ):
        if sign in problem:
            return finding, cure
    return problem, "Mend the file at that line"


def not_yaml(path: Path, line: int, finding: str, cure: str) -> ConfigurationValidationError:
    """The error that what stands in *line* is no YAML."""
    return ConfigurationValidationError(
        f"{path} is not YAML: line {line}: {finding}",
        cure=cure,
        what=str(path),
        reason=finding,
    )


def _quoted(line: str) -> str:
    shown = line.strip()
    return repr(shown if len(shown) <= 60 else f"{shown[:60]}…")


def unusable(path: Path, finding: str, cure: str) -> ConfigurationValidationError:
    """The error that the file *path* is of no use."""
    return ConfigurationValidationError(f"{path} {finding}", cure=cure, what=str(path), reason=finding)
