"""Change one key of a YAML text, and leave every other byte as it is.

Writing a whole document out again would fold its long lines and settle its quotes, even with a library that
keeps comments. So the parser says where a key and its value stand, and only those characters are replaced.
A caller compares what the text says before and after: a key behind an anchor, or another shape that
cannot be changed by itself, shows there.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml
from yaml import CollectionNode, MappingNode, Node, ScalarNode

from spx_data.config import reading

_MARK = "\ufeff"  # of UTF-8


def put(text: str, key: str, value: Any) -> str:
    """*text* with *value* at *key* (dotted): where it stands, else where it is commented out, else added.

    Raises:
        yaml.YAMLError: *text* is not YAML.
    """
    if text.startswith(_MARK):  # the parser does not count it
        return _MARK + put(text[1:], key, value)
    if found := _pair(text, key):
        return _replaced(text, *found, value)
    revived = _revived(text, key)
    try:
        found = _pair(revived, key) if revived else None
    except yaml.YAMLError:
        found = None  # that comment was no setting
    return _replaced(revived, *found, value) if revived and found else _added(text, key, value)


def comment_out(text: str, key: str) -> str:
    """*text* with the lines of *key* (dotted) as comments, and its section's where nothing else is in it."""
    if text.startswith(_MARK):
        return _MARK + comment_out(text[1:], key)
    found, section = _pair(text, key), _pair(text, key.rpartition(".")[0])
    if found is None:
        return text
    first = section[0] if section and len(section[1].value) == 1 else found[0]
    start = _line_start(text, first.start_mark.index)
    end = _line_end(text, max(_end(text, found[1]), found[0].end_mark.index))
    lines = text[start:end].splitlines(keepends=True)
    return text[:start] + "".join(map(_as_comment, lines)) + text[end:]


def _as_comment(line: str) -> str:
    inside = line.lstrip()
    return line if not inside or inside.startswith("#") else f"{line[: -len(inside)]}# {inside}"


# Where things stand -------------------------------------------------------------------------------------


def _pair(text: str, key: str) -> tuple[Node, Node] | None:
    """The nodes of *key* and of its value; None where there is no such key."""
    node, found = reading.composed(text), None
    for name in key.split("."):
        found = _child(node, name)
        if found is None:
            return None
        node = found[1]
    return found


def _child(node: Any, name: str) -> tuple[Node, Node] | None:
    pairs = node.value if isinstance(node, MappingNode) else []
    return next(((key, value) for key, value in pairs if key.value == name), None)


def _end(text: str, node: Node) -> int:
    """Where the last character of *node* stands: a block's own mark is where the next token begins."""
    if isinstance(node, ScalarNode):
        index = node.end_mark.index
        return index if node.style not in ("|", ">") else len(text[:index].rstrip())
    if not isinstance(node, CollectionNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(text, last[1] if isinstance(last, tuple) else last)


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    """Just behind the line's end."""
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


# What is written ----------------------------------------------------------------------------------------


def written(value: Any, *, quoted: bool = False) -> str:
    """*value* as it stands on one line of YAML; text has double quotes where it needs or is to have them."""
    # Inside brackets the same text is safe in a block and in a flow.
    line = yaml.safe_dump([value], default_flow_style=True, width=float("inf"), allow_unicode=True)
    plain = line.strip()[1:-1]
    if isinstance(value, str) and (quoted or plain[:1] in ("'", '"')):
        return json.dumps(value, ensure_ascii=False)
    return plain


def _replaced(text: str, key: Node, node: Node, value: Any) -> str:
    colon = text.index(":", key.end_mark.index) + 1
    start, end = node.start_mark.index, _end(text, node)
    if start >= end:  # nothing stands behind the colon
        return f"{text[:colon]} {written(value)}{text[colon:]}"
    if "\n" not in text[colon:start]:
        quoted = isinstance(node, ScalarNode) and node.style == '"'
        return text[:start] + written(value, quoted=quoted) + text[end:]
    # A block below its key: the value moves up, in front of a comment that may stand there.
    rest = text[_line_end(text, colon) : _line_start(text, start)]
    return (
        f"{text[:colon]} {written(value)}{text[colon : _line_end(text, colon)]}{rest}"
        + (text[_line_end(text, end) :])
    )


def _revived(text: str, key: str) -> str | None:
    """*text* with the line in which *key* is commented out as a line of its section; None where none is."""
    section, _, name = key.rpartition(".")
    found = _pair(text, section) if section else None
    if section and found is None:
        return None
    start = _line_end(text, found[0].end_mark.index) if found else 0
    indent = _indent(found[1], found[0].start_mark.column) if found else ""
    setting = re.compile(
        rf"^[ \t]*#[ \t]*({re.escape(name)}:[ \t]+(?:\S+|\[.*?\])[ \t]*(?:#[^\r\n]*)?)(?=\r?$)", re.MULTILINE
    )
    line = setting.search(text, start, _section_end(text, key))
    return None if line is None else f"{text[: line.start()]}{indent}{line[1]}{text[line.end() :]}"


def _section_end(text: str, key: str) -> int:
    """Where the next key beside the section of *key* begins; the text's end where there is none."""
    section, _, _ = key.rpartition(".")
    root = reading.composed(text)
    if not section or not isinstance(root, MappingNode):
        return len(text)
    names = [pair[0].value for pair in root.value]
    behind = names.index(section) + 1
    return root.value[behind][0].start_mark.index if behind < len(names) else len(text)


def _indent(section: Node, column: int) -> str:
    """The space before the keys of *section*, which itself stands at *column*."""
    inside = isinstance(section, MappingNode) and section.value and not section.flow_style
    return " " * (section.value[0][0].start_mark.column if inside else column + 2)


def _added(text: str, key: str, value: Any) -> str:
    """*text* with a *key* that it has not: behind the others of its section, or in a section at the end."""
    section, _, name = key.rpartition(".")
    found = _pair(text, section) if section else None
    node = found[1] if found else reading.composed(text)
    if isinstance(node, MappingNode) and node.flow_style:
        inner = {name: value} if found or not section else {section: {name: value}}
        return _added_to_flow(text, node, inner)
    newline = "\r\n" if "\r\n" in text else "\n"
    if found is None:
        lines = [f"{section}:", f"  {name}: {written(value)}"] if section else [f"{name}: {written(value)}"]
        apart = newline if text.endswith("\n") or not text else newline * 2
        return text + (apart if text else "") + newline.join([*lines, ""])
    last = _end(text, found[1]) if found[1].value else found[0].end_mark.index
    place = _line_end(text, last)
    ended = "" if text[:place].endswith("\n") else newline
    indent = _indent(found[1], found[0].start_mark.column)
    return f"{text[:place]}{ended}{indent}{name}: {written(value)}{newline}{text[place:]}"


def _added_to_flow(text: str, node: MappingNode, inner: dict[str, Any]) -> str:
    brace = node.end_mark.index - 1
    before = text[:brace].rstrip()
    comma = "" if before.endswith(("{", ",")) else ","
    space = "" if before.endswith("{") else " "
    return f"{before}{comma}{space}{written(inner)[1:-1]}{text[len(before) : brace]}{text[brace:]}"
