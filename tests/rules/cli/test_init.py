"""`spx-data init`: four questions, a file of the user's own, and a word about the terminal."""

import os
import pty
import subprocess
import sys

import pytest
import yaml

COMMAND = [sys.executable, "-m", "spx_data.cli", "init"]


def answered(folder, answers, *options):
    """What `init` shows in a terminal where somebody types *answers*, one for each question."""
    waiting, shown = list(answers), b""
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *options], cwd=folder, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    while True:
        try:
            piece = os.read(screen, 4096)
        except OSError:  # how a pseudo-terminal ends on Linux
            break
        if not piece:
            break
        shown += piece
        if shown.endswith(b"]: "):
            os.write(screen, f"{waiting.pop(0)}\n".encode())
    os.close(screen)
    return process.wait(), shown.decode()


def called(folder, *options, **environment):
    ended = subprocess.run(
        [*COMMAND, *options],
        cwd=folder,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return ended.returncode, ended.stdout, ended.stderr


def settings(folder):
    return yaml.safe_load((folder / "spx-data.yaml").read_text())


def test_four_answers_become_a_small_file(tmp_path, terminals):
    url = terminals["v3"].url

    code, shown = answered(tmp_path, ["2024-01-02", "days", url, "pro", "n"])

    assert code == 0, shown
    assert settings(tmp_path) == {
        "thetadata": {"max_concurrent_requests": 8, "base_url": url},
        "processing": {
            "start_date": yaml.safe_load("2024-01-02"),
            "output_directory": "./days/parquet",
            "temp_directory": "./days/temp",
            "data_directory": "./days",
        },
        "database": {"path": "./days/spx-pipeline.db"},
    }
    assert "Terminal: connected, API v3 at" in shown
    assert shown.count("]: ") == 5


def test_what_cannot_be_is_asked_again(tmp_path):
    code, shown = answered(tmp_path, ["soon", "2024-01-02", "", "ftp://x", "auto", "gold", "free", "n"])

    assert code == 0, shown
    assert "'ftp://x' is no address" in shown
    assert settings(tmp_path)["thetadata"] == {"max_concurrent_requests": 1}


def test_options_leave_nothing_to_ask(tmp_path):
    options = [
        "--start",
        "2024-01-02",
        "--data",
        "/data/of mine",
        "--terminal",
        "auto",
        "--subscription",
        "value",
    ]

    code, shown = answered(tmp_path, [], *options, "--no-demo")

    assert code == 0, shown
    assert settings(tmp_path)["processing"]["data_directory"] == "/data/of mine"


def test_where_it_cannot_ask_it_takes_defaults_and_says_so(tmp_path):
    code, out, _ = called(tmp_path, "lake", SPX_DATA_NOW="2024-12-31T12:00:00-05:00")

    assert code == 0
    assert out.startswith(
        "Cannot ask here (not a TTY): options and defaults are taken\nSettings in lake/spx-data.yaml"
    )
    assert settings(tmp_path / "lake") == {
        "thetadata": {"max_concurrent_requests": 4},
        "processing": {"start_date": yaml.safe_load("2024-12-01")},
    }


def test_a_folder_that_has_settings_is_left_alone(tmp_path):
    called(tmp_path)
    before = (tmp_path / "spx-data.yaml").read_bytes()

    code, out, err = called(tmp_path, "--start", "2020-01-02")

    assert (code, out) == (1, "")
    assert err.startswith("spx-data: spx-data.yaml is there already; nothing was changed. ")
    assert (tmp_path / "spx-data.yaml").read_bytes() == before


def test_a_snakefile_that_is_there_stays_as_it_is(tmp_path):
    (tmp_path / "Snakefile").write_text("rule mine: output: 'mine'\n")

    called(tmp_path)

    assert (tmp_path / "Snakefile").read_text() == "rule mine: output: 'mine'\n"
    assert not (tmp_path / "profiles").exists()


@pytest.mark.parametrize("wrong", [["--start", "soon"], ["--subscription", "gold"], ["--terminal", "x"]])
def test_a_wrong_option_is_a_wrong_call_and_nothing_is_written(wrong, tmp_path):
    code, _, err = called(tmp_path, *wrong)

    assert code == 2
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_below_a_lake_a_command_says_where_the_lake_is(tmp_path):
    called(tmp_path)
    (tmp_path / "below").mkdir()

    ended = subprocess.run(
        [*COMMAND[:-1], "list"], cwd=tmp_path / "below", env=os.environ, capture_output=True, text=True
    )

    assert ended.returncode == 1
    assert f"There is one in {tmp_path}: cd {tmp_path}" in ended.stderr
