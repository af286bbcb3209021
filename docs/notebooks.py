"""The notebooks of docs/notebooks: executed on the demo's lake, kept with what they gave, and shown as pages.

`make demo && python -m docs.notebooks` writes into each what its cells give now. A table is kept as text and
a chart as SVG, and nothing else, so that a difference can be read; a test executes them and compares.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("notebooks")
PATIENCE = 600  # seconds for a cell: how busy a machine is decides nothing
_TEXT, _CHART = "text/plain", "image/svg+xml"

Notebook = dict[str, Any]
Output = dict[str, Any]


def paths() -> list[Path]:
    """The notebooks, in order."""
    return sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> Notebook:
    """The notebook at *path*."""
    found: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return found


def executed(notebook: Notebook, folder: Path, more: str = "") -> Notebook:
    """*notebook* with what its cells give in *folder*; *more* is a cell of ours at its end, not kept.

    Raises `nbclient.exceptions.CellExecutionError` with the traceback of a cell that fails.
    """
    import nbclient
    import nbformat

    asked = nbformat.reads(json.dumps(notebook), 4)
    asked.cells.append(nbformat.v4.new_code_cell(more, id="more"))
    where = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(asked, timeout=PATIENCE, kernel_name="python3", resources=where)
    with tempfile.TemporaryDirectory() as scratch:  # instead of a person's own profile
        client.execute(env={**os.environ, "IPYTHONDIR": scratch})
    cells = [_plain(cell) for cell in asked.cells[:-1]]
    return {**notebook, "cells": cells}


def _plain(cell: Any) -> dict[str, Any]:
    """A cell with what is kept of it: no number of its execution, no times, no second form of an output."""
    text = cell.source.splitlines(keepends=True)
    found = {"cell_type": cell.cell_type, "id": cell.id, "metadata": {}, "source": text}
    if cell.cell_type == "code":
        found |= {"execution_count": None, "outputs": [*filter(None, map(_kept, cell.outputs))]}
    return found


def _kept(output: Any) -> Output | None:
    """What is kept of an output: its chart, or else its text; None of what was said beside it."""
    if output.output_type == "stream":
        lines = output.text.splitlines(keepends=True)
        return {"name": "stdout", "output_type": "stream", "text": lines} if output.name == "stdout" else None
    form = _CHART if _CHART in output.data else _TEXT
    data = {form: output.data[form].splitlines(keepends=True)}
    return {"data": data, "execution_count": None, "metadata": {}, "output_type": "execute_result"}


def write(path: Path, notebook: Notebook) -> None:
    """Write *notebook* to *path* as notebooks are kept."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
    path.write_text(f"{text}\n", encoding="utf-8")


# Pages ------------------------------------------------------------------------------------------------------


def pages() -> Iterator[tuple[str, str]]:
    """The files of the site that notebooks are made into: the name of each below docs/, and what is in it."""
    for path in paths():
        yield from _files(path)


def _files(path: Path) -> Iterator[tuple[str, str]]:
    cells, charts = read(path)["cells"], 0
    origin = f"*This page is the notebook `docs/notebooks/{path.name}`, as the tests execute it.*"
    shown = ["".join(cells[0]["source"]).rstrip(), origin]
    for cell in cells[1:]:
        text = "".join(cell["source"]).rstrip()
        shown.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if _CHART in data:
                charts += 1
                name = f"{path.stem}-{charts}.svg"
                yield f"{FOLDER.name}/{name}", "".join(data[_CHART])
                shown.append(f"![What the cell above draws]({name})")
            else:
                shown.append(f"```text\n{''.join(output.get('text') or data[_TEXT]).rstrip()}\n```")
    yield f"{FOLDER.name}/{path.stem}.md", "\n\n".join(shown) + "\n"


def main() -> None:
    """Execute each on the demo's lake, and keep what it gave."""
    if not (FOLDER.parents[1] / "data" / "demo" / "parquet").is_dir():
        sys.exit("There is no demo to execute them on: `make demo` fills it")
    for path in paths():
        write(path, executed(read(path), FOLDER))
        print(path.name)


if __name__ == "__main__":
    main()
