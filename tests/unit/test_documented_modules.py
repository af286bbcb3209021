"""Pages that name modules name those that there are."""

import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = [path.name for path in (ROOT / "scripts" / "spx_data").iterdir() if (path / "__init__.py").exists()]


def is_there(name):
    module, attribute = f"spx_data.{name}", None
    while True:
        try:
            return attribute is None or hasattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError:
            if attribute is not None:
                return False
            module, _, attribute = module.rpartition(".")


@pytest.mark.parametrize(("page", "least"), [("docs/architecture.md", 32), ("CONTRIBUTING.md", 10)])
def test_every_module_and_path_that_a_page_names_is_there(page, least):
    text = (ROOT / page).read_text()
    modules = re.findall(rf"`((?:{'|'.join(ROOMS)})\.[A-Za-z_.]+)`", text)
    paths = re.findall(r"`((?:scripts|docs|tests|rules|envs)/[\w/.]+)`", text)

    assert [name for name in modules if not is_there(name)] == []
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert len(modules) + len(paths) >= least


def test_every_file_of_tests_that_is_named_is_there():
    named = subprocess.check_output(
        ["git", "grep", "--no-index", "-hoE", r"tests/[a-z_/]+\.py", "--", "Makefile", ".ci", "docs", "*.md"],
        cwd=ROOT,
        text=True,
    ).split()

    assert len(set(named)) > 30
    assert [name for name in sorted(set(named)) if not (ROOT / name).exists()] == []
