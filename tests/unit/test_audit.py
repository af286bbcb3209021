"""The audit of pins fails for a known vulnerability, and is never green where nobody knows any."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).resolve().parents[2] / "envs" / "audit.py"


@pytest.fixture
def audit(monkeypatch):
    spec = importlib.util.spec_from_file_location("audit", AUDIT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def told(stdout, stderr="", *arguments):
        answer = subprocess.CompletedProcess([], 1, stdout, stderr)
        monkeypatch.setattr(module.subprocess, "run", lambda *_, **__: answer)
        return module.main(list(arguments))

    return told


def pins(*entries, canary=({"id": "PYSEC-0", "fix_versions": ["3"]},)):
    return json.dumps({"dependencies": [*entries, {"name": "django", "version": "2.2", "vulns": [*canary]}]})


GOOD = {"name": "right", "version": "2.0", "vulns": []}
BAD = {"name": "left", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}


@pytest.mark.parametrize("arguments", [(), ("--lenient",)])
def test_a_known_vulnerability_fails_and_names_its_cure(audit, capsys, arguments):
    assert audit(pins(GOOD, BAD), "", *arguments) == 1

    said = capsys.readouterr().out
    assert "2 of 2 pins audited, 1 known vulnerabilities" in said
    assert "left 1.0: PYSEC-1, fixed in 1.1" in said


def test_pins_that_are_all_known_and_clean_pass(audit, capsys):
    assert audit(pins(GOOD)) == 0

    assert capsys.readouterr().out == "audit: 1 of 1 pins audited, 0 known vulnerabilities\n"


def test_silence_is_not_believed_of_a_registry_that_knows_nothing_of_the_canary(audit, capsys):
    assert audit(pins(GOOD, canary=())) == 3

    said = capsys.readouterr().out
    assert "NOTHING WAS AUDITED" in said
    assert "0 known" not in said


def test_a_registry_that_knows_no_package_has_audited_nothing(audit, capsys):
    skipped = [{"name": name, "skip_reason": "not found"} for name in ("left", "django")]

    assert audit(json.dumps({"dependencies": skipped})) == 3

    assert "NOTHING WAS AUDITED" in capsys.readouterr().out


def test_a_pin_nobody_knows_is_named(audit, capsys):
    assert audit(pins(GOOD, {"name": "left", "skip_reason": "not found"})) == 3

    said = capsys.readouterr().out
    assert "1 of 2 pins audited" in said
    assert "NOT AUDITED, for the registry does not know them: left" in said


def test_an_audit_that_was_not_made_says_why(audit, capsys):
    assert audit("", "warning\nno network") == 3

    assert "NOTHING WAS AUDITED: the registry gives no answer here (no network)" in capsys.readouterr().out


def test_lint_goes_on_without_an_audit_but_says_so(audit, capsys):
    assert audit(pins(GOOD, canary=()), "", "--lenient") == 0

    assert "NOTHING WAS AUDITED" in capsys.readouterr().out


def test_the_real_audit_reads_our_lock_or_says_that_it_did_not():
    run = subprocess.run([sys.executable, AUDIT], capture_output=True, text=True, timeout=120)

    assert run.returncode in (0, 1, 3), run.stderr
    assert ("pins audited" in run.stdout) != ("NOTHING WAS AUDITED" in run.stdout)
