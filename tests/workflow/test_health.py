"""The installed command as a monitor calls it: its exit codes, and nothing but the answer on stdout."""

import json

from theta_simulator import Terminal


def test_health_is_a_probe_for_monitors(new_lake, v3: Terminal):
    lake = new_lake(v3, "2024-01-02", "2024-01-05")

    healthy = lake.spx_data("health", "--format", "json")
    strict = lake.spx_data("health", "--strict")
    lake.environment["THETADATA_BASE_URL"] = "http://127.0.0.1:1"
    absent = lake.spx_data("health", "--format", "csv")
    wrong = lake.spx_data("health", "--format", "xml")

    assert (healthy.returncode, strict.returncode, absent.returncode, wrong.returncode) == (0, 1, 1, 2)
    assert {row["check"]: row["level"] for row in json.loads(healthy.stdout) if row["level"] != "ok"} == {
        "profile": "notice",
        "consecutive-missing": "warn",
    }
    assert "\x1b" not in strict.stdout
    assert (healthy.stderr, strict.stderr, absent.stderr) == ("", "", "")
    assert wrong.stderr.startswith("spx-data: ")


def test_status_is_one_object_and_asks_no_terminal_offline(new_lake):
    lake = new_lake(None, "2024-01-02", "2024-01-05")

    result = lake.spx_data("status", "--format", "json", "--offline")

    found = json.loads(result.stdout)
    assert (result.returncode, result.stderr) == (0, "")
    assert (found["dates"]["missing"], found["terminal"], found["run"]) == (4, None, None)
