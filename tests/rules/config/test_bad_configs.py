"""Config files with something wrong in them: one line says what, and a run refuses it as `validate` does."""

import os
import sys
from pathlib import Path

import pytest
from tests.bad_configs import BAD, GOOD

from spx_data import cli

FILE = Path("config/config.yaml")


@pytest.fixture
def spx_data(tmp_path, monkeypatch, capsys):
    """Return a caller of the command in a project folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPX_DATA_NOW", "2024-01-04T08:00:00-05:00")
    FILE.parent.mkdir()

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["spx-data", *arguments])
        code = cli.run()
        return code, *capsys.readouterr()

    return call


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_config_is_one_line_the_same_from_validate_and_from_a_command(kind, spx_data):
    content, says = BAD[kind]
    FILE.write_bytes(content)

    code, validated, _ = spx_data("config", "validate")
    ran, out, err = spx_data("gaps")

    assert (code, ran, out) == (1, 1, "")
    assert says in validated
    assert "config/config.yaml" in validated
    assert err == f"spx-data: {validated.splitlines()[0]}\n"
    assert "unexpected" not in err
    assert not Path("data").exists()


@pytest.mark.parametrize("kind", GOOD)
def test_an_unusual_config_that_can_be_meant_works(kind, spx_data):
    FILE.write_bytes(GOOD[kind])

    assert spx_data("config", "validate")[0] == 0
    assert spx_data("gaps")[2] == ""


def test_each_of_two_files_may_name_a_key_once(spx_data):
    FILE.write_text("processing:\n  start_date: 2024-01-02\n")
    Path("over.yaml").write_text("processing:\n  start_date: 2024-01-03\n  end_time: 16:00\n")

    code, out, _ = spx_data("--configfile", "over.yaml", "config", "validate")

    assert code == 1
    assert out.startswith("over.yaml line 3: processing.end_time: '16:00' is not allowed")
    assert out.count("\n") == 1


def test_a_cure_names_the_config_file_in_use(spx_data):
    FILE.write_text("")
    Path("my lake.yaml").write_text("recheck: {sample: 1}\n")

    _, _, err = spx_data("--configfile", "my lake.yaml", "gaps")

    assert "Run spx-data --configfile 'my lake.yaml' config set processing.start_date 2024-01-02 (" in err


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("$HOME/x.yaml", "variables are not expanded here"),
        ("absent.yaml", "there is no config file absent.yaml. Name one that is there"),
        ("config", "cannot read the config file config: Is a directory"),
        ("/dev/null", "is no file that can be read twice"),
        ("config/config.yaml/x", "there is no config file"),
        ("a\0b", "not printed"),
    ],
)
def test_what_is_no_config_file_is_one_line(name, says, spx_data):
    FILE.write_text("processing: {start_date: 2024-01-02}\n")

    code, out, err = spx_data("--configfile", name, "list")

    assert code in {1, 2}
    assert (out, err.count("\n")) == ("", 1)
    assert says in err


def test_a_config_file_below_the_home_folder_is_found(spx_data, tmp_path, monkeypatch):
    FILE.write_text("processing: {start_date: 2024-01-02}\n")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "over.yaml").write_text("processing: {interval: 5m}\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    code, out, _ = spx_data("--configfile=~/over.yaml", "config", "get", "processing.interval")

    assert (code, out) == (0, "5m\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_config_file_that_may_not_be_read_says_so(spx_data):
    FILE.write_text("processing: {start_date: 2024-01-02}\n")
    FILE.chmod(0)

    code, _, err = spx_data("list")

    assert code == 1
    assert "cannot read the config file config/config.yaml: Permission denied" in err


def test_setting_a_path_keeps_what_was_typed_and_refuses_what_no_run_takes(spx_data, monkeypatch):
    FILE.write_text("processing:\n  start_date: 2024-01-02\n")
    monkeypatch.setenv("HOME", str(Path.cwd()))

    set_, _, _ = spx_data("config", "set", "processing.data_directory", "~/lake")
    refused, _, err = spx_data("config", "set", "processing.output_directory", "$HOME/lake")

    assert (set_, refused) == (0, 2)
    assert f"Write {Path.cwd()}/lake" in err
    assert "data_directory: ~/lake" in FILE.read_text()
    assert Path("lake/journal/lake.jsonl").exists()
    assert not Path("~").exists()
