"""docs/security.md names modules, tests and ceilings that there are."""

import re
from pathlib import Path

import pytest

from spx_data.config import reading
from spx_data.lake.verify import content
from spx_data.ops import serving
from spx_data.store import foreign
from theta_simulator import archive

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
MB = 1 << 20


def test_every_module_that_it_names_is_there():
    named = {f"spx_data.{name}" for name in re.findall(r"`(sources\.theta\.\w+)`", PAGE)}
    named |= set(re.findall(r"`((?:spx_data|theta_simulator)(?:\.[a-z_]+)+)`", PAGE))
    named -= {"spx_data.verification_root"}  # a function
    places = {name: ROOT / "scripts" / name.replace(".", "/") for name in named}

    assert len(named) > 15
    lost = [
        name for name, place in places.items() if not (place.is_dir() or place.with_suffix(".py").exists())
    ]
    assert lost == []


def test_every_test_that_holds_a_claim_is_there():
    named = set(re.findall(r"tests/[\w/]+\.py", PAGE))

    assert len(named) > 15
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("said", "figures"),
    [
        (
            "a document {} MB, {:,} values and {} levels",
            (foreign.MOST_BYTES / MB, foreign.MOST_VALUES, foreign.MOST_DEPTH),
        ),
        ("a part of a journal {} MB", (foreign.MOST_JOURNAL_BYTES / MB,)),
        ("a line {} MB", (foreign.MOST_LINE_BYTES / MB,)),
        ("a footer {} MB", (content._LONGEST_TEXT / MB,)),
        (
            "{} MB, {} MB unpacked, {:,} members",
            (archive.MOST_BYTES / MB, archive.MOST_UNPACKED / 1e6, archive.MOST_MEMBERS),
        ),
        (
            "{} MB, {} aliases, {} levels",
            (reading._MOST_BYTES / 1e6, reading._MOST_ALIASES, reading._MOST_LEVELS),
        ),
        (
            "{} connections, {} s to ask, {} s to be answered",
            (serving._MOST_VISITORS, serving._ASKING_SECONDS, serving._ANSWERING_SECONDS),
        ),
    ],
)
def test_its_ceilings_are_those_of_the_code(said, figures):
    assert all(figure == int(figure) for figure in figures)

    assert said.format(*map(int, figures)) in PAGE


def test_nothing_is_handed_to_a_shell_nor_run_as_code():
    library = (ROOT / "scripts").rglob("*.py")
    running = re.compile(
        r"shell=True|os\.(system|popen)\(|\bpickle\b|(?<![\w.])(eval|exec)\(|yaml\.unsafe_load"
    )

    assert [str(path) for path in library if running.search(path.read_text())] == []


def test_a_reader_of_the_front_pages_comes_to_it():
    first = (ROOT / "SECURITY.md").read_text()

    assert "(docs/security.md)" in first and "(docs/security.md)" in (ROOT / "README.md").read_text()
    assert "(../SECURITY.md)" in PAGE
    assert "Report a vulnerability" in first
    assert len(first.splitlines()) < 30
    assert "@" not in first  # there is no address to write to
