"""The commands that texts of the library and its rules say, out of their sources."""

import ast
from pathlib import Path

from spx_data.text import commands

PROJECT = Path(__file__).parents[1]
LIBRARY = PROJECT / "scripts" / "spx_data"
WORKFLOW = [PROJECT / "Snakefile", *sorted((PROJECT / "rules").glob("*.smk"))]
VALUE = "…"  # stands for what a text puts in


def literals(path):
    """The texts that *path* can say: no docstrings and no help of click, where commands are examples."""
    tree = ast.parse(path.read_text())
    silent = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            silent.add(node.value)
        if isinstance(node, ast.keyword) and node.arg in {"help", "short_help", "epilog"}:
            silent.update(ast.walk(node.value))
        if isinstance(node, ast.JoinedStr):
            silent.update(node.values)
    for node in ast.walk(tree):
        if node in silent:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else VALUE for part in node.values)


TEXTS = {path.relative_to(PROJECT).as_posix(): [*literals(path)] for path in sorted(LIBRARY.rglob("*.py"))}
MARKED = sorted(
    {command for texts in TEXTS.values() for text in texts for command in commands.MARKED.findall(text)}
)
