"""Imports stand at the top of a module; elsewhere stand those alone that are slow, for whoever need not wait.

An import in a function, or for type checkers alone, is right where it loads a library of `SLOW` that its own
module does not load at its top, by itself or by way of modules of ours. Any other hides what a module knows.
"""

import ast
import functools
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[2] / "scripts" / "spx_data"

# What is slow to load: ms of CPU on top of click, pathlib and what they load (the least of three), and who
# starts without it. What takes less than two stands at the top: gzip, difflib, sqlite3, traceback.
SLOW = {
    "altair": 270,  # whoever makes no page
    "apprise": 90,  # whoever has nobody to tell, or nothing to tell them
    "duckdb": 120,  # whoever asks no SQL
    "http.server": 20,  # whoever serves none
    "jinja2": 23,  # whoever makes none
    "jsonschema": 54,  # `config get`, and jobs: their settings were checked by the run that started them
    "logging": 4,  # commands
    "nautilus_trader": 900,  # whoever writes no catalogue of its own
    "numpy": 55,  # commands that only look at dates
    "obstore": 23,  # whoever publishes nothing
    "orjson": 2,  # commands that read no file of the lake
    "pandas_market_calendars": 450,  # everybody but whoever writes the copy of the calendar
    "polars": 120,  # jobs that list; commands that read no rows
    "prometheus_client": 12,  # whoever has no Prometheus
    "psycopg": 135,  # whoever has no team's database
    "psutil": 16,  # whoever does not look for processes
    "pyarrow": 80,  # commands, and lists
    "pyarrow.compute": 40,  # on top of pyarrow: jobs that list
    "requests": 72,  # commands that ask the terminal one short question
    "rich": 17,  # whoever is read by programs
    "rich.progress": 8,  # on top of rich: whatever draws no bar
    "signal": 4,  # whoever begins a job, which three programs a date do
    "snakemake": 450,  # everybody who starts none
    "tenacity": 9,  # commands that ask once
    "vl_convert": 4,  # pages without charts
    "webbrowser": 5,  # whoever opens no page
    "zoneinfo": 3,  # help, and completion
}
# What a library loads itself.
WITH = {
    "altair": ("numpy", "jsonschema", "jinja2"),
    "pandas_market_calendars": ("numpy",),
    "pyarrow": ("numpy",),
    "snakemake": ("jsonschema", "logging"),
}
# What of ours a command loads when it is called, ms on top of `spx_data.cli`: help, for which every command's
# module is loaded, is printed without it.
CALLED = {
    "spx_data.config": 12,  # the table alone; 62 to edit
    "spx_data.fill": 106,
    "spx_data.lake": 86,  # states of sessions; 650 to read rows, which load pyarrow
    "spx_data.ops": 133,  # gaps; 209 for health, 813 for a probe
    "spx_data.report": 151,
    "spx_data.settings": 43,
    "spx_data.sources": 33,
    "spx_data.status": 148,
    "spx_data.store": 31,
}
FOR_TYPES = {"_typeshed"}  # there is no such module, but for type checkers


def paths():
    """Return every module of the library by its name."""
    found = {}
    for path in sorted(LIBRARY.rglob("*.py")):
        parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = paths()


def imports(node, inside=False):
    """Yield each import below *node*, and whether it is *inside* of a function or for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, inside
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from imports(child, inside or is_function or is_for_types(child))


def is_for_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def loaded_by(statement):
    """Return the modules that an import names: of one of ours the packages around it as well."""
    if isinstance(statement, ast.Import):
        names = {alias.name for alias in statement.names}
    else:
        names = {statement.module} | {f"{statement.module}.{alias.name}" for alias in statement.names}
    parts = [name.split(".") for name in names]
    return {".".join(each[: end + 1]) for each in parts for end in range(len(each))}


@functools.cache
def tree(name):
    return ast.parse(MODULES[name].read_text())


@functools.cache
def loaded_at_the_top(name):
    """Return what the imports at the top of one of our modules name."""
    return set().union(*(loaded_by(statement) for statement, inside in imports(tree(name)) if not inside))


@functools.cache
def reached(name):
    """Return the modules, ours and others', that loading *name* loads."""
    found, waiting = set(), [name]
    while waiting:
        if (one := waiting.pop()) in found:
            continue
        found.add(one)
        waiting += WITH.get(one, ())
        if one in MODULES:
            waiting += loaded_at_the_top(one)
    return found


def is_slow(module, name):
    """Whether *module* is slow to load for the module *name*."""
    room = ".".join(module.split(".")[:2])
    return module in SLOW or (room in CALLED and name.startswith("spx_data.cli"))


def needless(name):
    """Yield each import of the module *name* that could stand at its top, with its line."""
    at_the_top = reached(name)
    for statement, inside in imports(tree(name)):
        if inside and not loaded_by(statement) & FOR_TYPES:
            more = set().union(*map(reached, loaded_by(statement))) - at_the_top
            if not any(is_slow(module, name) for module in more):
                yield f"line {statement.lineno}: {ast.unparse(statement)}"


def test_an_import_stands_at_the_top_unless_it_is_slow():
    found = {name: list(needless(name)) for name in MODULES}

    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source, found",
    [
        ("def f():\n    import json", ["line 2: import json"]),
        ("def f():\n    import polars as pl", []),
        ("import polars\ndef f():\n    import polars as pl", ["line 3: import polars as pl"]),
        ("from spx_data.lake import reader\ndef f():\n    import pyarrow", ["line 3: import pyarrow"]),
        ("def f():\n    from spx_data.lake import reader", []),
        ("if TYPE_CHECKING:\n    from datetime import date", ["line 2: from datetime import date"]),
        ("if TYPE_CHECKING:\n    import pyarrow as pa", []),
    ],
)
def test_what_could_stand_at_the_top_is_found(source, found, monkeypatch, tmp_path):
    path = tmp_path / "some.py"
    path.write_text(source)
    monkeypatch.setitem(MODULES, source, path)

    assert list(needless(source)) == found
