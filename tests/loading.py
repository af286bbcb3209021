"""Which modules Python loads, and a Python that has not all of them."""

import subprocess
import sys
from pathlib import Path

_SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def loaded(statements):
    """Return the modules in a process of its own after *statements*."""
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys\n{statements}\nprint(*sys.modules)"],
        cwd=_SCRIPTS,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ended.stdout.split())


def without(folder, *names):
    """Return the environment of processes in which no module of these *names* is found.

    So it is where their packages are not installed. A file in *folder* sees to it.
    """
    (folder / "sitecustomize.py").write_text(
        "import sys\n\n\n"
        "class Absent:\n"
        "    @staticmethod\n"
        "    def find_spec(name, *_):\n"
        f"        if name.partition('.')[0] in {names!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n\n\n"
        "sys.meta_path.insert(0, Absent)\n"
    )
    return {"PYTHONPATH": str(folder)}
