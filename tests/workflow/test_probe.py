"""`spx-data probe` as a user types it."""

import hashlib
import json
import stat
from dataclasses import replace

from spx_data.sources import profile

AT = {"SPX_DATA_NOW": "2024-12-20T08:00:00-05:00"}


def test_a_probe_in_a_new_lake(new_lake, v3):
    lake = new_lake(v3, "2024-11-27", "2024-12-02")

    done = lake.spx_data("probe")

    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("At most 15 requests: about 45 s at 3 s a request")
    assert done.stdout.splitlines()[-1].startswith("Profile in ")
    found = profile.read(lake.settings.layout.profile)
    assert found.whole
    for row in found.table:
        assert row.code in done.stdout


def test_without_a_start_date(new_lake, v3):
    lake = new_lake(v3, "2024-11-27", "2024-12-02")
    sections = lake.sections()
    del sections["processing"]["start_date"], sections["processing"]["end_date"]
    lake.configure(**sections)

    done = lake.spx_data("probe")

    assert done.returncode == 0, done.stderr


def test_where_no_terminal_is(new_lake):
    lake = new_lake(None, "2024-11-27", "2024-12-02", base_url="http://127.0.0.1:9")

    done = lake.spx_data("probe")

    assert done.returncode == 1
    assert done.stdout == ""
    (_, line) = done.stderr.splitlines()
    assert line.startswith("spx-data: no Theta Terminal answers at http://127.0.0.1:9")
    assert not lake.settings.layout.profile.exists()


def test_a_first_run_offers_a_probe_once(new_lake, v3):
    lake = new_lake(v3, "2024-12-02", "2024-12-04")
    offer = "→ spx-data probe looks at this terminal: at most 15 requests, about a minute"

    looked = lake.spx_data("process-gaps", "--dry-run")
    first = lake.spx_data("process", "2024-12-02")
    second = lake.spx_data("process", "2024-12-03")

    assert offer not in looked.stdout + looked.stderr
    assert first.returncode == 0, first.stderr
    assert (first.stdout + first.stderr).count(offer) == 1
    assert offer not in second.stdout + second.stderr


def test_a_run_that_meets_what_was_probed_says_nothing_of_probes(new_lake, v3):
    probed = new_lake(v3, "2024-12-02", "2024-12-02")
    assert probed.spx_data("probe").returncode == 0

    done = probed.snakemake()

    assert done.returncode == 0, done.stdout
    assert "spx-data probe looks" not in done.stdout
    assert "differ from the terminal's profile" not in done.stdout


def test_a_run_that_meets_something_else_says_so_once(new_lake, v3):
    lake = new_lake(v3, "2024-12-02", "2024-12-02")
    assert lake.spx_data("probe").returncode == 0
    layout = lake.settings.layout
    found = profile.read(layout.profile)
    profile.write(layout.profile, replace(found, clocks=(profile.Clock("SPXW", True, "fixed"),)))

    done = lake.snakemake()

    assert done.returncode == 0, done.stdout
    (said,) = (line for line in done.stdout.splitlines() if "differ from the terminal's profile" in line)
    assert said.startswith("1 date differ from the terminal's profile of 2024-12-20: greeks of SPXW")
    assert said.endswith("spx-data probe looks again")
    health = lake.spx_data("health", "--format", "json")
    (check,) = (row for row in json.loads(health.stdout) if row["check"] == "profile")
    assert (check["level"], check["dates"]) == ("notice", ["2024-12-02"])


def test_a_recording_says_what_is_in_it_and_is_one_file(new_lake, v3, tmp_path):
    lake, target = new_lake(v3, "2024-11-27", "2024-12-02"), tmp_path / "answers.zip"

    done = lake.spx_data("probe", "--record", str(target))

    assert done.returncode == 0, done.stderr
    *_, members, personal, digest, where = ("\n" + done.stdout).rsplit("\n", 5)[:-1]
    assert members.startswith("01")
    assert "Nothing of your account is in it" in personal
    assert digest.endswith(f"SHA-256 {hashlib.sha256(target.read_bytes()).hexdigest()}")
    assert where == f"Recording in {target}"
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(lake.settings.layout.profile.stat().st_mode)


def test_a_program_gets_the_table_and_the_recording_is_told_on_stderr(new_lake, v3, tmp_path):
    lake, target = new_lake(v3, "2024-11-27", "2024-12-02"), tmp_path / "answers.zip"

    done = lake.spx_data("probe", "--format", "json", "--record", str(target))

    table = profile.read(lake.settings.layout.profile).table
    assert [row["code"] for row in json.loads(done.stdout)] == [row.code for row in table]
    assert done.stderr.splitlines()[-1] == f"Recording in {target}"


def test_nobody_is_asked_where_another_file_would_be_lost(new_lake, v3, tmp_path):
    lake, target = new_lake(v3, "2024-11-27", "2024-12-02"), tmp_path / "notes.txt"
    target.write_text("mine")

    done = lake.spx_data("probe", "--record", str(target))

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"spx-data: {target} is there, and is no recording")
    assert target.read_text() == "mine"
    assert not lake.settings.layout.profile.exists()
