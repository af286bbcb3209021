"""Commands are taken out of the words around them, and nothing else is taken for one."""

import shlex
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.errors import ApiRateLimitError, FileCorruptionError
from spx_data.store import journal
from spx_data.text import commands
from spx_data.text.words import quoted

CURES = [
    "`spx-data errors` shows why; then `spx-data retry --all-failed`",
    "`snakemake --cores 4 recheck --config dates=2024-11-07` asks the source again",
    '`spx-data retry 2024-11-19 --force`, or: `spx-data accept 2024-11-19 --reason "…"`',
    "`spx-data process 2024-11-21`, and look at the disk's health",
    "Move it away: `mv '/a b' '/a b.old'`",
    "Close other programs, or give Snakemake fewer cores",
]
# No backtick of their own: what comes from outside is spelt without, and what we write has none but marks.
WORDS = st.text(st.characters(exclude_characters="`", exclude_categories=["Cs"]))
CALLS = st.builds(
    lambda program, rest: f"{program}{rest and ' '}{rest}",
    st.sampled_from(commands.PROGRAMS),
    st.text(st.characters(exclude_characters="`\n", exclude_categories=["Cs"])),
)
NAMES = st.characters(exclude_characters="`", categories=["L", "N", "P"]) | st.just(" ")
OVERLAID = commands.Caller(("a.yaml",))
TEXTS = st.lists(st.tuples(WORDS, CALLS)), WORDS


def marked(pieces, end):
    return "".join(f"{words}`{call}`" for words, call in pieces) + end


@given(*TEXTS)
def test_every_marked_command_comes_out_as_it_went_in(pieces, end):
    found = commands.parts(marked(pieces, end))

    assert [part.text for part in found if part.is_command] == [call for _, call in pieces]
    assert "".join(part.text for part in found) == "".join(words + call for words, call in pieces) + end


@given(*TEXTS)
def test_without_marks_it_is_the_same_text_and_stays_so(pieces, end):
    shown = commands.shown(marked(pieces, end))

    assert shown == "".join(part.text for part in commands.parts(marked(pieces, end)))
    assert shown == commands.shown(shown)
    assert commands.first(marked(pieces, end)) == (pieces[0][1] if pieces else None)


@given(st.text())
def test_no_text_from_outside_marks_a_command(text):
    assert commands.first(f"Look at {commands.outside(text)}, then go on") is None
    assert commands.shown(commands.outside(text)) == commands.outside(text)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_no_quoted_path_marks_a_command_or_ends_one(path):
    found = commands.parts(f"Move it away: `mv {quoted(path)} elsewhere`")

    assert [part.text for part in found if part.is_command] == [f"mv {quoted(path)} elsewhere"]


@pytest.mark.parametrize("path", ["a`b", "`spx-data stop`", "it's `x` \n\\ $HOME", "é`\x1b"])
def test_a_shell_reads_a_quoted_path_as_it_is(path):
    told = subprocess.run(["bash", "-c", f"printf %s {quoted(path)}"], stdout=subprocess.PIPE, check=True)

    assert told.stdout.decode() == path


@pytest.mark.parametrize(
    "text", ["say `yes` twice", "`spx-data", "spx-data retry", "``", "`spx-datas`", "`a\nb`"]
)
def test_what_is_no_marked_command_stays_as_it_is(text):
    assert commands.typed(text, OVERLAID) == text
    assert commands.first(text) is None


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("`spx-data verify --all`", "spx-data --configfile a.yaml verify --all"),
        ("`spx-data`", "spx-data --configfile a.yaml"),
        ("`snakemake --cores 4 verify`", "snakemake --configfile a.yaml --cores 4 verify"),
        # Snakemake's option takes all names behind it.
        ("`snakemake verify`", "snakemake verify --configfile a.yaml"),
        ("`snakemake --configfile b.yaml --cores 4`", "snakemake --configfile b.yaml --cores 4"),
        ("`mv a b`, then `spx-data retry`", "mv a b, then spx-data --configfile a.yaml retry"),
        ("look at spx-data or its README", "look at spx-data or its README"),
    ],
)
def test_commands_get_the_config_files_of_the_call(text, typed):
    assert commands.typed(text, OVERLAID) == typed


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("`spx-data gaps`", "cd '/my lakes/a' && spx-data gaps"),
        ("`mv a b`", "cd '/my lakes/a' && mv a b"),
        ("`ulimit -n 4096`", "ulimit -n 4096"),
        ("`snakemake all`", "cd '/my lakes/a' && snakemake all --snakefile '/my project/Snakefile'"),
    ],
)
def test_commands_name_the_folder_and_the_workflow_where_the_call_named_them(text, typed):
    elsewhere = commands.Caller(folder="/my lakes/a", snakefile="/my project/Snakefile")

    assert commands.typed(text, elsewhere) == typed


PLAIN = st.text("ab, .;-/é", max_size=30)


@pytest.mark.parametrize(
    "text, typed",
    [
        ("`spx-data retry 2024-01-05`", "spx-data --configfile a.yaml --symbol SPY retry 2024-01-05"),
        ("`spx-data --symbol QQQ gaps`", "spx-data --configfile a.yaml --symbol QQQ gaps"),
        ("`spx-data config set a.b 1`", "spx-data --configfile a.yaml config set a.b 1"),
        ("`snakemake --cores 4`", "snakemake --configfile a.yaml --cores 4 --config symbols=SPY"),
        (
            "`snakemake --cores 4 verify --config dates=2024`",
            "snakemake --configfile a.yaml --cores 4 verify --config symbols=SPY dates=2024",
        ),
        ("`ls -l`", "ls -l"),
    ],
)
def test_commands_about_one_of_several_lakes_name_its_symbol(text, typed):
    caller = commands.Caller(("a.yaml",), symbol="SPY")

    assert commands.typed(text, caller) == commands.typed(text, caller._replace(folder="")) == typed
    marked = commands.of_symbol(text, "SPY")
    assert commands.typed(marked, caller._replace(symbol="")) == typed
    assert commands.of_symbol(marked, "SPY") == marked


@given(
    st.lists(st.tuples(PLAIN, st.sampled_from(["make test", "cd /a/b && make x y", "rm z"]))),
    PLAIN,
    st.integers(1, 60),
)
def test_lines_break_between_words_and_within_no_command(pieces, end, width):
    lines = commands.wrapped(marked(pieces, end), width)

    whole = "".join(words + call for words, call in pieces) + end
    assert " ".join(lines).split() == whole.split()
    assert all(any(call in line for line in lines) for _, call in pieces)
    for line in lines:
        for call in sorted({call for _, call in pieces}, key=len, reverse=True):
            line = line.replace(call, "." * len(call))
        assert len(line) <= width or " " not in line


@pytest.mark.parametrize("place", ["nowhere", "elsewhere"])
def test_a_program_that_the_shell_does_not_find_is_named_by_its_path(place, tmp_path, monkeypatch):
    own = tmp_path / ".venv" / "bin"
    others = tmp_path / "elsewhere"
    for folder in (own, others):
        folder.mkdir(parents=True)
        (folder / "spx-data").touch(0o755)
    monkeypatch.setattr(sys, "executable", str(own / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / place))
    monkeypatch.chdir(tmp_path)
    commands.typed_program.cache_clear()

    assert commands.shown("`spx-data gaps`; `rm a`") == ".venv/bin/spx-data gaps; rm a"
    monkeypatch.setenv("PATH", str(own))
    commands.typed_program.cache_clear()
    assert commands.shown("`spx-data gaps`") == "spx-data gaps"


@pytest.fixture(autouse=True)
def nothing_kept():
    yield
    commands.typed_program.cache_clear()


@given(st.lists(st.text(NAMES, min_size=1)))
def test_whatever_the_config_files_are_called_a_shell_hands_them_on(names):
    command = commands.typed("`spx-data config get`", commands.Caller(tuple(names)))

    options = [word for name in names for word in ("--configfile", name)]
    assert shlex.split(command) == ["spx-data", *options, "config", "get"]


@pytest.mark.parametrize("cure", CURES[:4])
def test_a_journal_gives_a_cure_back_as_it_was_written(cure):
    assert commands.read_back(cure) == cure


@pytest.mark.parametrize(
    "forged",
    [
        "spx-data retry 2024-01-02; rm -rf ~",
        "spx-data retry $(rm -rf ~)",
        'spx-data accept 2024-01-02 --reason "$(rm -rf ~)"',
        "spx-data retry > ~/.profile",
        "snakemake --snakefile /somewhere/else",
        "snakemake -s /somewhere/else",
        "mv ~ /nowhere",
        "sudo rm -rf /",
    ],
)
def test_a_forged_cure_of_a_journal_is_words(forged):
    event = {
        "at": "2024-01-02T12:00:00+00:00",
        "event": journal.FAILED,
        "stage": "download",
        "run": "a",
        "cure": f"Type `{forged}`",
    }

    assert journal.checked(event)["cure"] == f"Type {forged}"


def test_an_error_knows_its_command():
    assert ApiRateLimitError("it is full", cure=CURES[0]).command == "spx-data errors"
    assert ApiRateLimitError("it is full", cure=CURES[-1]).command is None


def test_a_cause_has_no_command_whatever_it_quotes():
    error = FileCorruptionError("cannot read /a/`spx-data stop`", cure="Look at it")

    assert str(error) == r"cannot read /a/\x60spx-data stop\x60. Look at it"
    assert commands.first(str(error)) is None
