"""The audit of pins fails for a known vulnerability, and says so where nobody can be asked."""

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

AUDIT = Path(__file__).resolve().parents[2] / "envs" / "audit.py"


@pytest.fixture
def audit(monkeypatch):
    spec = importlib.util.spec_from_file_location("audit", AUDIT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def told(stdout, stderr=""):
        answer = subprocess.CompletedProcess([], 1, stdout, stderr)
        monkeypatch.setattr(module.subprocess, "run", lambda *_, **__: answer)
        return module.main()

    return told


def pins(*entries):
    return json.dumps({"dependencies": list(entries), "fixes": []})


def test_a_known_vulnerability_fails_and_names_its_cure(audit, capsys):
    bad = {"name": "left", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}

    assert audit(pins({"name": "right", "version": "2.0", "vulns": []}, bad)) == 1

    said = capsys.readouterr().out
    assert "2 pins, 1 known vulnerabilities, 0 the registry cannot tell about" in said
    assert "left 1.0: PYSEC-1, fixed in 1.1" in said


def test_pins_nobody_knows_are_counted_and_fail_nothing(audit, capsys):
    assert audit(pins({"name": "left", "skip_reason": "not found"})) == 0

    assert "1 pins, 0 known vulnerabilities, 1 the registry cannot tell about" in capsys.readouterr().out


def test_an_audit_that_was_not_made_says_so(audit, capsys):
    assert audit("", "warning\nno network") == 0

    assert "not made" in capsys.readouterr().out


def test_the_real_audit_reads_our_lock():
    import sys

    run = subprocess.run([sys.executable, AUDIT], capture_output=True, text=True, timeout=120)

    assert run.returncode == 0, run.stdout
    assert run.stdout.startswith("audit: ")
