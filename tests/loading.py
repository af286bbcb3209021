"""Which modules Python loads."""

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
