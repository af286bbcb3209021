"""The audit of pins fails for a known vulnerability, and is never green where nobody knows any."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AUDIT = ROOT / "envs" / "audit.py"
OLD, YOUNG = ("django", "2.2.0"), ("werkzeug", "3.1.5")
FLAW = {"id": "PYSEC-1", "fix_versions": ["1.1"]}


@pytest.fixture(scope="module")
def module():
    spec = importlib.util.spec_from_file_location("audit", AUDIT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def audit(module, monkeypatch, tmp_path):
    """Return an audit of some pins, by a tool that answers as pip-audit does, from a database of ours."""

    def audited(*lock, flaws=(), unknown=(), canaries=(OLD, YOUNG), arguments=()):
        known = {pin: [FLAW] for pin in canaries} | dict(flaws)

        def run(command, **_):
            pins = module.pins(Path(command[-1]).read_text())
            assert len({name for name, _ in pins}) == len(pins), (
                "pip-audit refuses a name that is there twice"
            )
            told = [
                {"name": name, "skip_reason": "not found"}
                if name in unknown
                else {"name": name, "version": version, "vulns": known.get((name, version), [])}
                for name, version in pins
            ]
            return subprocess.CompletedProcess(command, 1, json.dumps({"dependencies": told}), "")

        return audited_by(run, lock, arguments)

    def audited_by(run, lock, arguments=()):
        file = tmp_path / "requirements.lock"
        file.write_text("".join(f"{pin} \\\n    --hash=sha256:{'0' * 64}\n" for pin in lock))
        monkeypatch.setattr(module, "LOCKS", [file])
        monkeypatch.setattr(module.subprocess, "run", run)
        return module.main(list(arguments))

    audited.by = audited_by
    return audited


LENIENT = pytest.mark.parametrize("arguments", [(), ("--lenient",)])


@LENIENT
def test_a_known_vulnerability_fails_and_names_its_cure(audit, capsys, arguments):
    assert audit("right==2.0", "left==1.0", flaws={("left", "1.0"): [FLAW]}, arguments=arguments) == 1

    said = capsys.readouterr().out
    assert "2 of 2 pins audited, 1 known vulnerabilities" in said
    assert "left 1.0: PYSEC-1, fixed in 1.1" in said


def test_pins_that_are_all_known_and_clean_pass(audit, capsys):
    assert audit("right==2.0") == 0

    assert capsys.readouterr().out == "audit: 1 of 1 pins audited, 0 known vulnerabilities\n"


@pytest.mark.parametrize("version", ["2.4.6", "2.5.5"])
def test_pins_of_other_pythons_and_systems_are_audited_too(audit, capsys, version):
    lock = (
        "numpy==2.4.6 ; python_full_version < '3.12'",
        "numpy==2.5.5 ; python_full_version >= '3.12'",
        "colorama==0.4.6 ; sys_platform == 'win32'",
    )

    assert audit(*lock, flaws={("numpy", version): [FLAW]}) == 1

    said = capsys.readouterr().out
    assert "3 of 3 pins audited" in said
    assert f"numpy {version}: PYSEC-1" in said


@pytest.mark.parametrize("name", ["requirements", "slurm"])
def test_every_pin_of_a_lock_that_a_fill_runs_on_is_asked_about(module, name):
    (lock,) = (lock.read_text() for lock in module.LOCKS if lock.stem == name)

    assert len(module.pins(lock)) == len(re.findall(r"^\S+==", lock, re.MULTILINE)) > 90


def test_what_two_locks_have_alike_is_asked_about_once(module, monkeypatch, tmp_path):
    asked, locks = [], [tmp_path / "one.lock", tmp_path / "two.lock"]
    for lock, more in zip(locks, ["", "slurm==1\n"], strict=True):
        lock.write_text(f"numpy==2\n{more}")
    monkeypatch.setattr(module, "LOCKS", locks)
    monkeypatch.setattr(module, "_audited", lambda pins: asked.extend(pins) or 0)

    assert module.main([]) == 0
    assert asked == [("numpy", "2"), ("slurm", "1")]


def test_silence_is_not_believed_of_a_registry_that_knows_nothing_of_the_canary(audit, capsys):
    assert audit("right==2.0", canaries=(YOUNG,)) == 3

    said = capsys.readouterr().out
    assert "NOTHING WAS AUDITED" in said
    assert "0 known" not in said


def test_a_registry_that_knows_no_package_has_audited_nothing(audit, capsys):
    assert audit("left==1.0", unknown=("left", "django", "werkzeug")) == 3

    assert "NOTHING WAS AUDITED" in capsys.readouterr().out


def test_a_registry_whose_data_are_old_says_what_it_knows_and_is_not_green(audit, capsys):
    assert audit("right==2.0", canaries=(OLD,)) == 3

    said = capsys.readouterr().out
    assert "1 of 1 pins audited, 0 known vulnerabilities" in said
    assert "OLD DATA" in said and "February 2026" in said


def test_a_vulnerability_that_old_data_know_fails_as_such(audit):
    assert audit("left==1.0", canaries=(OLD,), flaws={("left", "1.0"): [FLAW]}) == 1


def test_a_pin_nobody_knows_is_named(audit, capsys):
    assert audit("right==2.0", "left==1.0", unknown=("left",)) == 3

    said = capsys.readouterr().out
    assert "1 of 2 pins audited" in said
    assert "NOT AUDITED, for the registry does not know them: left 1.0" in said


def test_a_pin_that_the_tool_leaves_out_is_not_taken_for_audited(audit, capsys):
    def run(command, **_):
        told = [{"name": name, "version": version, "vulns": [FLAW]} for name, version in (OLD, YOUNG)]
        return subprocess.CompletedProcess(command, 0, json.dumps({"dependencies": told}), "")

    assert audit.by(run, ["left==1.0"]) == 3

    assert "0 of 1 pins audited" in capsys.readouterr().out


@pytest.mark.parametrize(
    "said", ["", "[]", "{}", '{"dependencies": [1]}', '{"dependencies": [{"vulns": []}]}']
)
def test_an_audit_that_was_not_made_says_why(audit, capsys, said):
    answer = subprocess.CompletedProcess([], 1, said, "warning\nno network")

    assert audit.by(lambda *_, **__: answer, ["left==1.0"]) == 3

    assert "NOTHING WAS AUDITED: the registry gives no answer here (no network)" in capsys.readouterr().out


def test_a_registry_that_never_answers_holds_up_nobody(audit, capsys):
    def run(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    assert audit.by(run, ["left==1.0"]) == 3

    assert "NOTHING WAS AUDITED: the registry gives no answer here (not within 10" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"canaries": ()}, "NOTHING WAS AUDITED"),
        ({"canaries": (OLD,)}, "OLD DATA"),
        ({"unknown": ("left",)}, "NOT AUDITED"),
    ],
)
def test_lint_goes_on_without_an_audit_but_says_so(audit, capsys, known, said):
    assert audit("left==1.0", "right==2.0", **known, arguments=["--lenient"]) == 0

    told = capsys.readouterr().out
    assert said in told
    assert "lint judges the code and goes on; `make audit` fails here" in told


@pytest.mark.parametrize(
    ("proxy", "arguments", "codes"),
    [("", (), (0, 1, 3)), ("http://127.0.0.1:9", (), (3,)), ("http://127.0.0.1:9", ("--lenient",), (0,))],
)
def test_the_real_audit_reads_our_lock_or_says_that_it_did_not(proxy, arguments, codes, monkeypatch):
    if proxy:  # where nobody listens: no network
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)

    run = subprocess.run([sys.executable, AUDIT, *arguments], capture_output=True, text=True, timeout=240)

    assert run.returncode in codes, run.stderr
    assert ("pins audited" in run.stdout) != ("NOTHING WAS AUDITED" in run.stdout)
