"""A flow chart of Mermaid as a picture within the page: no script draws it, and nothing is fetched for it."""

import re
from html import escape
from typing import Any

_WIDTH, _HEIGHT, _GAP, _MARGIN = 200, 40, 36, 8
_NODE = re.compile(r"^\s*(\w+)\[(.+)\]$", re.MULTILINE)
_ARROW = re.compile(r"^\s*(\w+) --> (\w+)$", re.MULTILINE)


def drawn(source: str, *_: Any, **__: Any) -> str:
    """The chart as SVG, as a fence of pymdownx.superfences: each node a row below those that it needs."""
    labels, arrows = dict(_NODE.findall(source)), _ARROW.findall(source)
    rows = _rows(labels, arrows)
    widest = max(map(len, rows))
    places = {
        node: (_MARGIN + (_WIDTH + _GAP) * (at + (widest - len(row)) / 2), _MARGIN + (_HEIGHT + _GAP) * down)
        for down, row in enumerate(rows)
        for at, node in enumerate(row)
    }
    width = widest * (_WIDTH + _GAP) - _GAP + 2 * _MARGIN
    height = len(rows) * (_HEIGHT + _GAP) - _GAP + 2 * _MARGIN
    told = ", ".join(f"{labels[one]} → {labels[other]}" for one, other in arrows)
    parts = [_box(labels[node], *place) for node, place in places.items()]
    parts += [_line(*places[one], *places[other]) for one, other in arrows]
    return (
        f'<svg class="flowchart" role="img" aria-label="{escape(told)}" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}">{"".join(parts)}</svg>'
    )


def _rows(labels: dict[str, str], arrows: list[tuple[str, str]]) -> list[list[str]]:
    """The nodes row by row: those that need nothing, those that need only these, and so on."""
    left, rows = list(labels), []
    while left:
        waiting = {to for origin, to in arrows if origin in left}
        row = [node for node in left if node not in waiting]
        assert row, "a flow chart with a circle"
        rows.append(row)
        left = [node for node in left if node in waiting]
    return rows


def _box(label: str, x: float, y: float) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        f'<text x="{x + _WIDTH / 2:g}" y="{y + _HEIGHT / 2 + 5:g}">{escape(label)}</text>'
    )


def _line(x: float, y: float, x2: float, y2: float) -> str:
    x, x2, y, tip = x + _WIDTH / 2, x2 + _WIDTH / 2, y + _HEIGHT, y2 - 2
    return (
        f'<path d="M{x:g} {y:g}L{x2:g} {tip:g}"/>'
        f'<path class="tip" d="M{x2 - 5:g} {tip - 8:g}L{x2:g} {tip:g}L{x2 + 5:g} {tip - 8:g}"/>'
    )
