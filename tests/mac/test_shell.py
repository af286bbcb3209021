"""What is written for shells and for make keeps to what a Mac has: bash 3.2, BSD tools, GNU make 3.81."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests import pages

ROOT = Path(__file__).resolve().parents[2]
NEWER_THAN_BASH_3_2 = {
    "associative arrays": r"\b(declare|local|typeset)\s+-\w*[Agnlu]",
    "case conversion": r"\$\{\w+(\[[^]]*\])?(,,?|\^\^?)",
    "transformation": r"\$\{\w+@\w\}",
    "negative index": r"\$\{\w+\[-\d+\]\}|\$\{\w+: ?-\d+\}(?!\})",
    "mapfile": r"\b(mapfile|readarray|coproc)\b",
    "redirection of both": r"&>>|\|&",
    "fall through": r";;?&(?!&)",
    "is it set": r"\[\[\s+-[vR]\s",
    "time in printf": r"printf\s+(-v\s+\w+\s+)?['\"][^'\"]*%\([^)]*\)T",
    "wait for any": r"\bwait\s+-n\b",
    "descriptor in a variable": r"\bexec\s+\{\w+\}[<>]",
    "globstar": r"\bshopt\s+-s\s+(globstar|lastpipe|inherit_errexit)\b",
    "variables of bash 4 and 5": r"\$\{?(BASHPID|EPOCHSECONDS|EPOCHREALTIME|SRANDOM)\b",
}
NOT_ON_A_MAC = {
    "sed -i without a suffix": r"\bsed\s+(-\w\s+)*-i\s+(?!'')",
    "date -d": r"\bdate\s+(-\w\s+)*(-d|--date)\b",
    "readlink -f": r"\b(readlink\s+-[fem]|realpath\s+-)",
    "GNU tools": r"(?<![\w./-])(timeout\s+\d|tac\s|setsid\s|flock\s|nproc\b|ionice\s|chrt\s|stdbuf\s)",
    "grep -P": r"\bgrep\s+-\w*P",
    "stat -c": r"\bstat\s+(-c|--format)",
    "options after operands": r"\bxargs\s+(-\w+\s+)*(-r|--no-run-if-empty|-d)\b",
    "long options": r"(?<![\w-])(cp|mv|rm|ls|mkdir|ln|du|df|sort|head|tail|wc|cut|tr|find)\s+--\w",
}
NEWER_THAN_MAKE_3_81 = {
    "operators": r"^[\w.-]+\s*(::=|:::=|!=)",
    "directives": r"^(undefine|private)\b|^\.(ONESHELL|RECIPEPREFIX|NOTINTERMEDIATE|EXTRA_PREREQS)\b",
    "functions": r"\$\((file|guile|let|intcmp)\s",
    "grouped targets": r"^[^\t#]*&:",
    "names of several files with $(or": r"^\s*-?load\s",
}


def found(rules, text):
    """The rules that a line of *text* breaks, with the line."""
    lines = [line for line in text.splitlines() if not re.match(r"\s*#", line)]
    return [
        f"{name}: {line.strip()}" for name, rule in rules.items() for line in lines if re.search(rule, line)
    ]


def recipes():
    """The Makefile's commands as their shell gets them."""
    text = re.sub(r"\\\n\t?", " ", (ROOT / "Makefile").read_text()).replace("$$", "$")
    return "\n".join(line[1:].lstrip("@-") for line in text.splitlines() if line.startswith("\t"))


def pasted():
    """What the pages have people paste into a shell."""
    return "\n".join(pages.pasted(*pages.PAGES))


SCRIPTS = sorted(
    path for folder in ("contrib", ".ci") for path in (ROOT / folder).iterdir() if path.is_file()
)
TEXTS = {path.name: html.unescape(path.read_text()) for path in SCRIPTS}
TEXTS |= {"Makefile": recipes(), "pages": pasted()}


@pytest.mark.parametrize("name", TEXTS)
def test_shells_of_a_mac_understand_it(name):
    assert found(NEWER_THAN_BASH_3_2 | NOT_ON_A_MAC, TEXTS[name]) == []


def test_what_is_pasted_has_no_comments():
    # The shell of a new Mac takes the words after a # for arguments.
    assert [line for line in pasted().splitlines() if re.search(r"(^|\s)#", line)] == []


def test_make_of_a_mac_understands_the_makefile():
    assert found(NEWER_THAN_MAKE_3_81, (ROOT / "Makefile").read_text()) == []


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        (NEWER_THAN_BASH_3_2, "declare -A seen"),
        (NEWER_THAN_BASH_3_2, 'echo "${name,,}" "${name@Q}"'),
        (NEWER_THAN_BASH_3_2, "mapfile -t lines <file"),
        (NEWER_THAN_BASH_3_2, "make demo &>>log"),
        (NEWER_THAN_BASH_3_2, "make demo |& tee log"),
        (NEWER_THAN_BASH_3_2, "[[ -v HOME ]] && wait -n"),
        (NEWER_THAN_BASH_3_2, "printf '%(%F)T'"),
        (NOT_ON_A_MAC, "sed -i s/a/b/ file"),
        (NOT_ON_A_MAC, "date -d yesterday"),
        (NOT_ON_A_MAC, 'cd "$(readlink -f "$0")"'),
        (NOT_ON_A_MAC, "timeout 60 make demo"),
        (NEWER_THAN_MAKE_3_81, "SHA != git rev-parse HEAD"),
        (NEWER_THAN_MAKE_3_81, ".ONESHELL:"),
        (NEWER_THAN_MAKE_3_81, "a b &: c"),
        (NEWER_THAN_MAKE_3_81, "X := $(file <list)"),
    ],
)
def test_each_of_these_is_noticed(rules, line):
    assert found(rules, line)


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_scripts_can_be_read_by_every_shell(shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    for script in SCRIPTS:
        head = script.read_text().partition("\n")[0]
        if head == "#!/bin/sh" or (head.endswith("bash") and shell == "bash"):
            subprocess.run([shell, "-n", script], check=True)


def test_no_two_files_of_the_repository_differ_by_case_or_accents_alone():
    import unicodedata

    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no clone")
    names = listed.stdout.strip("\0").split("\0")

    folded = [unicodedata.normalize("NFD", name).casefold() for name in names]

    assert len(names) > 100
    assert len(set(folded)) == len(folded)
