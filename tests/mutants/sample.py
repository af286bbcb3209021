"""A sample of small changes to some rooms of the library: `make mutants`.

It runs in an environment of its own, with Cosmic Ray, and prints a line of JSON for each change. Drawn are
places, and then one change there: an operator between two terms has several, which would crowd out all that
has one. Left out is what tells nothing: hints of types, which nothing runs, and operators that are not for
such terms, which whoever comes there notices.
"""

import argparse
import ast
import contextlib
import json
import random
import re
import sys
from collections import defaultdict
from pathlib import Path

from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

# Arithmetic stays arithmetic, masks masks, an order an order, and identity identity.
TELLING = re.compile(r"_(Is|IsNot)_Is|_Bit\w+_Bit|_(?!Is|Bit)\w+_(?!Is|Bit|\w*Shift|Mod|Pow)")


def places(text: str) -> dict[tuple[int, int, str], list[tuple[str, int]]]:
    """Return each place in *text*, by line, column and kind, with the operators that change it there."""
    nodes, hints, found = list(ast_nodes(get_ast(text))), _hints(text), defaultdict(list)
    for name in plugins.operator_names():
        operator = plugins.get_operator(name)
        if operator.arguments() or ("_" in name and not TELLING.search(name)):
            continue
        starts = (start for node in nodes for start, _ in operator().mutation_positions(node))
        for occurrence, start in enumerate(starts):
            if not any(first <= start < last for first, last in hints):
                found[*start, name.split("_")[0]].append((name, occurrence))
    return found


def _hints(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where each hint of a type begins and ends."""
    nodes = list(ast.walk(ast.parse(text)))
    hints = [getattr(node, name, None) for node in nodes for name in ("annotation", "returns")]
    return [
        ((hint.lineno, hint.col_offset), (hint.end_lineno, hint.end_col_offset)) for hint in hints if hint
    ]


def main() -> None:
    """Print the sample, the same for the same seed and source."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rooms", nargs="+", type=Path)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    found = {path: places(path.read_text()) for room in asked.rooms for path in room.rglob("*.py")}
    every, chance = (
        sorted((path, place) for path in found for place in found[path]),
        random.Random(asked.seed),
    )
    drawn = []
    for path, place in chance.sample(every, len(every)):
        name, occurrence = chance.choice(found[path][place])
        changed = mutate_code(path.read_text(), plugins.get_operator(name)(), occurrence)
        told = {
            "file": path.as_posix(),
            "line": place[0],
            "operator": name.removeprefix("core/"),
            "text": changed,
        }
        with contextlib.suppress(SyntaxError):
            compile(changed, path, "exec")
            drawn.append(told)
        if len(drawn) == asked.number:
            break
    for told in sorted(drawn, key=lambda told: (told["file"], told["line"], told["operator"])):
        print(json.dumps(told))
    print(f"{asked.number} of {len(every):,} places in {len(found)} files", file=sys.stderr)


if __name__ == "__main__":
    main()
