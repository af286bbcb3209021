"""`spx-data config`: what is set is valid, recorded, and written without touching anything else."""

import contextlib
import csv
import datetime as dt
import getpass
import io
import json
import os
import sqlite3
import stat
import sys
from pathlib import Path

import pytest
import yaml

from spx_data import cli, config, status
from spx_data.config import editing, rulebook, shipped, table
from spx_data.errors import ConfigurationValidationError
from spx_data.settings import Settings
from spx_data.store import disk, files, journal
from spx_data.store.journal import Journal

SHIPPED = (Path(__file__).resolve().parents[3] / "config" / "config.yaml").read_text()
FILE = Path("config/config.yaml")
JOURNAL = Path("data/journal/lake.jsonl")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """Work in a project folder with the shipped config file."""
    monkeypatch.chdir(tmp_path)
    FILE.parent.mkdir()
    FILE.write_text(SHIPPED)


@pytest.fixture
def spx_data(monkeypatch, capsys):
    """Return a caller of the command in this process, which gives back exit code, stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["spx-data", *arguments])
        code = cli.run()
        return code, *capsys.readouterr()

    return call


def document():
    return yaml.safe_load(FILE.read_text())


def events():
    return journal.read(JOURNAL)


# set ----------------------------------------------------------------------------------------------------


def test_setting_a_key_changes_its_line_and_is_recorded(spx_data):
    code, out, err = spx_data("config", "set", "processing.interval", "5m")

    assert (code, err) == (0, "")
    assert out == "processing.interval: 1m → 5m (in config/config.yaml)\n"
    assert FILE.read_text() == SHIPPED.replace("interval: 1m", "interval: 5m")
    (event,) = events()
    assert event["event"] == journal.CONFIGURED
    told = {name: event[name] for name in ("key", "old", "new", "by", "file")}
    assert told == {
        "key": "processing.interval",
        "old": "1m",
        "new": "5m",
        "by": getpass.getuser(),
        "file": "config/config.yaml",
    }


def test_the_start_date_is_set_where_the_file_says_so(spx_data):
    spx_data("config", "set", "processing.startDate", "2023-05-01")

    assert FILE.read_text() == SHIPPED.replace("# start_date: 2024-01-02", "start_date: 2023-05-01")
    assert Settings.of(config.resolve(config.load(FILE), {})).start_date.isoformat() == "2023-05-01"


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("thetadata.baseUrl", "thetadata.base_url"),
        ("thetaData.BASEURL", "thetadata.base_url"),
        ("processing.maxDTE", "processing.max_dte"),
        ("Processing.Start-Date", "processing.start_date"),
        ("DATES", "dates"),
    ],
)
def test_a_key_may_be_spelt_in_any_case(typed, key):
    assert table.key_of(typed) == key


def test_no_two_keys_are_one_when_spelt_plainly():
    keys = [key for key, _ in rulebook.rules()]

    assert [table.key_of(key.replace("_", "").upper()) for key in keys] == keys


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("processing.roots", "[SPX]", ["SPX"]),
        ("processing.roots", "SPXW, SPX", ["SPXW", "SPX"]),
        ("processing.roots", "SPXW", ["SPXW"]),
        ("processing.end_time", "15:00:00", "15:00:00"),
        ("processing.end_date", "2024-01-02", "2024-01-02"),
        ("processing.end_date", "null", None),
        ("processing.keep_ndjson", "true", True),
        ("processing.output_directory", "2024", "2024"),
        ("processing.calendar", "CBOE_Index_Options", "CBOE_Index_Options"),
        ("thetadata.greeks_version", "1", "1"),
        ("thetadata.greeks_version", '"1"', "1"),
        ("thetadata.timeout_seconds", "12.5", 12.5),
        ("thetadata.base_url", "http://127.0.0.1:25503", "http://127.0.0.1:25503"),
        ("dates", "2024", "2024"),
        ("dates", "2024-01,2024-03", "2024-01,2024-03"),
        ("dates", "[2024-01, 2024]", ["2024-01", "2024"]),
    ],
)
def test_a_value_is_read_as_its_key_takes_it_and_written_as_it_was_meant(key, text, value, spx_data):
    assert table.value_of(key, text) == value
    if value is not None:
        assert spx_data("config", "set", key, text)[0] == 0
    assert table.value(table.Layers.read([FILE]).document, key) == value


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("processing.interval", "2m", "Allowed: 1s, 5s"),
        ("processing.start_date", "2024-02-30", "a date like 2024-01-02"),
        ("processing.start_date", "soon", "a date like 2024-01-02"),
        ("processing.output_directory", "null", "Allowed: a path"),
        ("processing.calendar", "NYSEE", "there is no calendar 'NYSEE'"),
        ("processing.roots", "[", "Allowed: array"),
        ("processing.keep_ndjson", "maybe", "Allowed: boolean"),
        ("thetadata.max_concurrent_requests", "200", "from 1 to 128"),
        ("thetadata.base_url", "http://localhost:25503", "Write http://127.0.0.1:25503"),
        ("priority.age", "-1", "from 0"),
        ("dates", "someday", "2024-01-02..2024-02-01"),
    ],
)
def test_a_wrong_value_is_one_line_and_the_file_stays(key, text, said, spx_data):
    code, out, err = spx_data("config", "set", key, text)

    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert FILE.read_text() == SHIPPED
    assert not JOURNAL.exists()


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [
        ("processing.strat_date", "Did you mean processing.start_date?"),
        ("start_date", "Did you mean processing.start_date?"),
        ("thetadata.url", "Did you mean thetadata.base_url?"),
        ("processing", "Its keys: processing.start_date,"),
    ],
)
def test_a_wrong_key_names_the_nearest_first(typed, nearest, spx_data):
    code, _, err = spx_data("config", "set", typed, "1")

    assert code == 2
    assert nearest in err
    assert FILE.read_text() == SHIPPED


def test_values_that_contradict_each_other_are_not_written(spx_data):
    spx_data("config", "set", "processing.start_date", "2024-01-02")
    before = FILE.read_bytes()

    code, _, err = spx_data("config", "set", "processing.end_date", "2023-12-29")

    assert code == 2
    assert "2024-01-02 is after end_date 2023-12-29" in err
    assert FILE.read_bytes() == before


def test_a_mistake_elsewhere_in_the_file_is_named_and_nothing_is_written(spx_data):
    FILE.write_text(SHIPPED.replace("memory_percent: 90", "memory_percent: 900"))
    before = FILE.read_bytes()

    code, _, err = spx_data("config", "set", "processing.interval", "5m")

    assert code == 1
    assert "another mistake in the settings: config: alerts.memory_percent: 900 is not allowed" in err
    assert FILE.read_bytes() == before
    assert spx_data("config", "set", "alerts.memory_percent", "80")[0] == 0


def test_setting_what_is_set_already_records_nothing(spx_data):
    code, out, _ = spx_data("config", "set", "processing.roots", "null")

    assert (code, out) == (0, "processing.roots is null already: nothing changed\n")
    assert FILE.read_text() == SHIPPED
    assert not JOURNAL.exists()


def test_one_is_not_true(spx_data):
    FILE.write_text(SHIPPED.replace("owner_only: true", "owner_only: 1"))

    assert spx_data("config", "set", "processing.owner_only", "true")[0] == 0
    assert FILE.read_text() == SHIPPED


def test_the_last_overlay_is_the_one_that_is_edited(spx_data):
    Path("demo.yaml").write_text("# a lake of its own\nprocessing:\n  data_directory: ./demo\n")

    code, out, _ = spx_data("--configfile", "demo.yaml", "config", "set", "processing.interval", "5m")

    assert code == 0
    assert "(in demo.yaml)" in out
    assert FILE.read_text() == SHIPPED
    assert Path("demo.yaml").read_text() == (
        "# a lake of its own\nprocessing:\n  data_directory: ./demo\n  interval: 5m\n"
    )
    assert [event["file"] for event in journal.read(Path("demo/journal/lake.jsonl"))] == ["demo.yaml"]


def test_the_files_mode_and_a_link_to_it_stay(spx_data):
    target = Path("settings of the desk.yaml")
    FILE.replace(target)
    target.chmod(0o640)
    FILE.symlink_to(Path("..") / target)

    spx_data("config", "set", "processing.interval", "5m")

    assert FILE.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert "interval: 5m" in target.read_text()


def test_the_record_is_as_private_as_the_data(spx_data):
    spx_data("config", "set", "processing.interval", "5m")

    assert stat.S_IMODE(JOURNAL.stat().st_mode) == 0o600


def test_a_variable_that_overrides_the_key_is_named(spx_data, monkeypatch):
    monkeypatch.setenv("MAX_CONCURRENT_REQUESTS", "8")

    code, _, err = spx_data("config", "set", "thetadata.max_concurrent_requests", "2")

    assert code == 0
    assert "MAX_CONCURRENT_REQUESTS overrides thetadata.max_concurrent_requests" in err
    assert document()["thetadata"]["max_concurrent_requests"] == 2


@pytest.mark.parametrize(
    ("key", "value", "finding"),
    [
        ("processing.interval", "5m", "interval is 1m there and 5m now"),
        ("processing.roots", "SPX", "roots is ['SPX', 'SPXW'] there and ['SPX'] now"),
        ("thetadata.greeks_version", "1", "greeks_version is latest there and 1 now"),
        ("processing.roots", "SPXW,SPX", None),
        ("processing.keep_ndjson", "true", None),
    ],
)
def test_a_lake_that_holds_another_data_set_is_one_warning(key, value, finding, spx_data):
    held = {"roots": ["SPX", "SPXW"], "interval": "1m", "greeks_version": "latest"}
    files.write_json(Path("data/parquet/dataset.json"), held)

    code, _, err = spx_data("config", "set", key, value)

    assert code == 0
    assert err.count("\n") == (1 if finding else 0)
    assert not finding or (finding in err and "The next run will refuse" in err)


def test_the_greeks_of_v2_are_one_model_whatever_is_asked_for():
    files.write_json(Path("data/parquet/dataset.json"), {"greeks_version": "1"})
    layers = table.Layers.read([FILE])
    asked = ["thetadata.greeks_version"]

    assert editing.misfit(layers.layout({}), layers.document, asked)
    assert not editing.misfit(layers.layout({}), layers.document | {"thetadata": {"api": "v2"}}, asked)


def test_a_data_set_that_cannot_be_read_is_a_warning_too(spx_data):
    files.write_text(Path("data/parquet/dataset.json"), "{")

    code, _, err = spx_data("config", "set", "processing.interval", "5m")

    assert code == 0
    assert "dataset.json is not JSON" in err


# Files that cannot be changed ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("processing: [", "is not YAML"),
        ("processing: {start_date: 2024-02-30}", "not in the calendar"),
        ("words", "holds no keys"),
        ("processing:\n  interval: 1m\n  interval: 5m\n", "interval: it stands there once more in line 3"),
        ("processing: &a {interval: 1m}\nrecheck: {}\n", None),
        ("thetadata: &a {timeout_seconds: &t 3, history_timeout_seconds: *t}\n", "by hand"),
        ("processing: ~\n", "by hand"),
        ("x: &i 1m\nprocessing:\n  interval: *i\n", "by hand"),
    ],
)
def test_a_file_of_unusual_form_is_left_alone(text, said, spx_data):
    FILE.write_text(text)
    key, value = ("thetadata.timeout_seconds", "9") if "*t" in text else ("processing.interval", "15m")

    code, _, err = spx_data("config", "set", key, value)

    assert (code, said or "") == ((1, said) if said else (0, ""))
    assert (said or "") in err
    assert said is None or FILE.read_text() == text


def test_a_file_that_is_no_text_is_named(spx_data):
    FILE.write_bytes(b"processing: \xff\xfe")

    assert "no UTF-8 text" in spx_data("config", "get")[2]


def test_no_file_says_how_to_begin(spx_data):
    FILE.unlink()

    for arguments in (["set", "processing.interval", "5m"], ["get"], ["reset", "--yes"], ["history"]):
        code, _, err = spx_data("config", *arguments)

        assert code == 1
        assert "there is no config file spx-data.yaml" in err
        assert "begin one here with" in err


def test_the_file_that_comes_with_a_checkout_is_never_edited(spx_data, monkeypatch):
    monkeypatch.setattr(shipped, "CONFIG", FILE)
    FILE.write_text(SHIPPED.replace("interval: 1m", "interval: 15m"))
    before = FILE.read_bytes()

    _, out, _ = spx_data("config", "set", "processing.interval", "5m")
    spx_data("config", "set", "processing.start_date", "2024-01-02")

    assert out == "processing.interval: 15m → 5m (in spx-data.yaml)\n"
    assert FILE.read_bytes() == before
    own = yaml.safe_load(config.OWN.read_text())
    assert own == {"processing": {"interval": "5m", "start_date": dt.date(2024, 1, 2)}}
    assert spx_data("config", "get", "processing.interval")[1] == "5m\n"


def test_a_folder_in_the_files_place_is_named(spx_data):
    FILE.unlink()
    FILE.mkdir()

    code, _, err = spx_data("config", "set", "processing.interval", "5m")

    assert code == 1
    assert "cannot read the config file config/config.yaml: Is a directory" in err


def test_a_folder_that_takes_no_files_is_one_line_and_nothing_is_recorded(spx_data, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(disk, "create", refuse)

    code, _, err = spx_data("config", "set", "processing.interval", "5m")

    assert code == 1
    assert "config.yaml: Permission denied" in err
    assert FILE.read_text() == SHIPPED
    assert not JOURNAL.exists()


def test_a_change_that_cannot_be_recorded_is_not_made(spx_data):
    Path("data").write_text("in the way")

    code, _, err = spx_data("config", "set", "processing.interval", "5m")

    assert code == 1
    assert "a file stands where a folder is needed" in err
    assert FILE.read_text() == SHIPPED


def test_a_user_without_a_name_is_a_number(spx_data, monkeypatch):
    def nameless():
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)

    spx_data("config", "set", "processing.interval", "5m")

    assert events()[0]["by"] == str(os.getuid())


# get ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "bare"),
    [
        ("processing.interval", "1m"),
        ("processing.roots", "null"),
        ("processing.owner_only", "true"),
        ("processing.startDate", "null"),
        ("thetadata.timeoutSeconds", "30"),
    ],
)
def test_one_value_is_printed_bare_as_set_takes_it(key, bare, spx_data):
    assert spx_data("config", "get", key) == (0, f"{bare}\n", "")


def test_every_setting_tells_its_source(spx_data, monkeypatch):
    monkeypatch.setenv("DATABASE_PATH", "elsewhere.db")
    monkeypatch.setenv("MAX_CONCURRENT_REQUESTS", "many")
    FILE.write_text("processing: {interval: 5m, roots: [SPX]}\n")
    Path("demo.yaml").write_text("processing: {interval: 15m}\n")

    code, out, _ = spx_data("--configfile", "demo.yaml", "config", "get", "--format", "json")

    assert code == 0
    rows = {row["key"]: row for row in json.loads(out)}
    assert list(rows) == [key for key, _ in rulebook.rules()]
    assert rows["processing.interval"] == {
        "key": "processing.interval",
        "value": "15m",
        "source": "demo.yaml",
        "description": "Spacing of the stamps; part of the data set's identity.",
        "type": "string",
        "default": "1m",
        "required": False,
    }
    found = {key: (row["value"], row["source"]) for key, row in rows.items()}
    assert found["processing.roots"] == (["SPX"], "config/config.yaml")
    assert found["processing.max_dte"] == (None, "default")
    assert found["processing.start_date"] == (None, "not set")
    assert found["database.path"] == ("elsewhere.db", "environment variable DATABASE_PATH")
    # What is wrong is shown as well: `validate` is the judge.
    assert found["thetadata.max_concurrent_requests"] == (
        "many",
        "environment variable MAX_CONCURRENT_REQUESTS",
    )


def test_a_section_is_its_keys(spx_data):
    code, out, _ = spx_data("config", "get", "Recheck", "--format", "csv")

    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["key"], row["value"]) for row in rows] == [
        ("recheck.sample", "3"),
        ("recheck.restated", "report"),
    ]


@pytest.mark.parametrize("text", ["processing: 7\n", "{1: 2}\n", "processing: {interval: 7h}\n"])
def test_a_wrong_file_is_shown_as_far_as_it_goes(text, spx_data):
    FILE.write_text(text)

    code, out, _ = spx_data("config", "get", "processing.roots")

    assert (code, out) == (0, "null\n")


def test_the_table_has_a_line_for_each_key_and_room_for_words_where_it_is_wide(spx_data, monkeypatch):
    _, wide, _ = spx_data("config", "get")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("FORCE_COLOR", "1")
    _, narrow, _ = spx_data("config", "get")

    assert len(wide.splitlines()) == len(list(rulebook.rules())) + 1
    assert "First trading date to have on disk." in wide
    assert "First trading date" not in narrow
    assert "processing.start_date" in narrow


def test_a_key_that_is_none_is_a_wrong_call(spx_data):
    code, out, err = spx_data("config", "get", "processing.intervall")

    assert (code, out) == (2, "")
    assert "Did you mean processing.interval?" in err


# validate -----------------------------------------------------------------------------------------------


def test_valid_settings_are_one_line(spx_data):
    spx_data("config", "set", "processing.start_date", "2024-01-02")

    assert spx_data("config", "validate") == (0, "config/config.yaml: all settings are valid\n", "")


def test_every_mistake_is_a_line_with_its_file_and_cure(spx_data, monkeypatch):
    FILE.write_text(
        "processing: {interval: 2m, strat_date: 2024-01-02, roots: [spx, SPX]}\n"
        "thetadata: {api: v2, format: ndjson}\nprocesing: 1\n"
    )
    Path("demo.yaml").write_text("alerts: 7\nprocessing: {end_time: '09:00:00', calendar: NYSEE}\n")
    monkeypatch.setenv("MAX_CONCURRENT_REQUESTS", "many")

    code, out, err = spx_data("--configfile", "demo.yaml", "config", "validate")

    assert (code, err) == (1, "")
    lines = out.splitlines()
    for start in (
        "environment variable MAX_CONCURRENT_REQUESTS: thetadata.max_concurrent_requests: ",
        "config/config.yaml line 1: processing.interval: '2m' is not allowed. Allowed: 1s",
        "config/config.yaml line 1: processing.strat_date: there is no such key. Did you mean start_date? ",
        "config/config.yaml line 3: procesing: there is no such key. Did you mean processing? ",
        "config/config.yaml line 1: processing.roots.0: 'spx' is not allowed.",
        "config/config.yaml line 2: thetadata.format: API v2 has no ndjson. Use csv or json",
        "demo.yaml line 1: alerts: 7 is not allowed.",
        "demo.yaml: processing.start_date: it is not set",
        "demo.yaml: processing.start_time: 09:30:00 is not before end_time 09:00:00",
        "demo.yaml line 2: processing.calendar: there is no calendar 'NYSEE'. Use NYSE",
    ):
        assert len([line for line in lines if line.startswith(start)]) == 1, start
    assert len(lines) == 10


def test_what_is_wrong_by_itself_contradicts_nothing(spx_data):
    FILE.write_text("processing: {start_date: 2024-01-02, start_time: nine, end_time: '09:00:00'}\n")

    _, out, _ = spx_data("config", "validate")

    assert len(out.splitlines()) == 1
    assert "start_time: 'nine' is not allowed" in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no config file spx-data.yaml"),
        ("a: [", "config/config.yaml is not YAML"),
        ("processing: {start_date: 2024-01-02}\nrecheck: {sample: 1, sample: 2}\n", "once more in line 2"),
    ],
)
def test_a_file_that_cannot_be_read_rightly_is_the_only_mistake(text, said, spx_data):
    FILE.unlink() if text is None else FILE.write_text(text)

    code, out, _ = spx_data("config", "validate")

    assert code == 1
    assert len(out.splitlines()) == 1
    assert said in out


# reset --------------------------------------------------------------------------------------------------


class Typed(io.StringIO):
    """A terminal at which this was typed."""

    def isatty(self):
        return True


def changed(spx_data):
    for key, value in (
        ("processing.start_date", "2024-01-02"),
        ("processing.interval", "5m"),
        ("processing.roots", "SPX"),
    ):
        assert spx_data("config", "set", key, value)[0] == 0
    return FILE.read_text()


def test_all_settings_go_back_and_the_file_is_the_shipped_one(spx_data):
    changed(spx_data)

    code, out, err = spx_data("config", "reset", "--yes")

    assert (code, err) == (0, "")
    assert FILE.read_text() == SHIPPED
    assert "processing.interval: 5m → 1m (in config/config.yaml)" in out
    assert "processing.start_date: 2024-01-02 → removed: it has no default" in out
    assert [(event["key"], event["new"]) for event in events()[3:]] == [
        ("processing.roots", None),
        ("processing.interval", "1m"),
        ("processing.start_date", None),
    ]


def test_named_keys_go_back_alone(spx_data):
    before = changed(spx_data)

    code, _, _ = spx_data("config", "reset", "processing.Interval", "--yes")

    assert code == 0
    assert FILE.read_text() == before.replace("interval: 5m", "interval: 1m")


@pytest.mark.parametrize(
    ("typed", "code", "reset"), [("y\n", 0, True), ("n\n", 130, False), ("", 130, False)]
)
def test_a_person_is_asked_and_sees_what_goes(typed, code, reset, spx_data, monkeypatch):
    before = changed(spx_data)
    monkeypatch.setattr(sys, "stdin", Typed(typed))

    ended, out, _ = spx_data("config", "reset")

    assert ended == code
    assert "processing.interval: 5m → 1m" in out
    assert "processing.start_date: 2024-01-02 → no value" in out
    assert FILE.read_text() == (SHIPPED if reset else before)


def test_nobody_to_ask_is_a_wrong_call(spx_data, monkeypatch):
    before = changed(spx_data)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))

    code, out, err = spx_data("config", "reset")

    assert (code, out) == (2, "")
    assert "--yes" in err
    assert FILE.read_text() == before


def test_defaults_need_no_reset_and_no_question(spx_data):
    code, out, _ = spx_data("config", "reset")

    assert (code, out) == (0, "nothing to reset: these settings are the defaults\n")
    assert not JOURNAL.exists()


def test_several_mistakes_are_mended_at_once(spx_data):
    FILE.write_text(SHIPPED.replace("sample: 3", "sample: none").replace("age: 60", "age: -1"))

    assert spx_data("config", "reset", "recheck.sample", "--yes")[0] == 1
    assert spx_data("config", "reset", "recheck.sample", "priority.age", "--yes")[0] == 0
    assert FILE.read_text() == SHIPPED


def test_an_overlay_says_the_default_where_the_file_below_says_otherwise(spx_data):
    changed(spx_data)
    Path("demo.yaml").write_text("processing: {data_directory: ./data}\n")

    code, _, _ = spx_data("--configfile", "demo.yaml", "config", "reset", "processing.interval", "--yes")

    assert code == 0
    assert Path("demo.yaml").read_text() == "processing: {data_directory: ./data, interval: 1m}\n"
    assert document()["processing"]["interval"] == "5m"


@pytest.mark.parametrize("key", ["interval", "processing"])
def test_a_reset_of_no_key_is_a_wrong_call(key, spx_data):
    assert spx_data("config", "reset", key, "--yes")[0] == 2


# history ------------------------------------------------------------------------------------------------


def test_the_history_lists_every_change_in_order(spx_data):
    changed(spx_data)
    Journal(JOURNAL, "verify").record(journal.VERIFIED, days=1)

    code, out, _ = spx_data("config", "history", "--format", "json")

    assert code == 0
    rows = json.loads(out)
    assert [list(row) for row in rows] == [["changed_at", "key", "old", "new", "changed_by", "file"]] * 3
    assert [(row["key"], row["old"], row["new"]) for row in rows] == [
        ("processing.start_date", None, "2024-01-02"),
        ("processing.interval", "1m", "5m"),
        ("processing.roots", None, ["SPX"]),
    ]
    assert [row["changed_at"] for row in rows] == [event["at"] for event in events()[:3]]


def test_the_history_is_a_table_for_people(spx_data):
    nothing = spx_data("config", "history")
    header = spx_data("config", "history", "--format", "csv")
    changed(spx_data)
    _, table, _ = spx_data("config", "history")

    assert nothing == (0, "no changes recorded\n", "")
    assert header[1].split(",")[:2] == ["changed_at", "key"]
    assert "processing.roots" in table
    assert "[SPX]" in table


# The database -------------------------------------------------------------------------------------------


def query(settings, text):
    with contextlib.closing(sqlite3.connect(settings.layout.database)) as connection:
        return connection.execute(text).fetchall()


def rebuilt(at):
    settings = Settings.of(config.resolve(config.load(FILE)))
    settings.layout.database.unlink(missing_ok=True)
    status.rebuild(settings, at)
    return settings


def test_the_database_knows_the_last_change_and_the_history(spx_data, monkeypatch, at):
    changed(spx_data)
    spx_data("config", "set", "processing.end_date", "2024-01-02")
    spx_data("config", "set", "thetadata.max_concurrent_requests", "2")
    spx_data("config", "set", "processing.max_dte", "45")
    FILE.write_text(FILE.read_text().replace("max_dte: 45", "max_dte: 60"))
    monkeypatch.setenv("MAX_CONCURRENT_REQUESTS", "8")
    wanted = "SELECT key, value, updated_at, updated_by FROM configuration"
    history = "SELECT * FROM configuration_history"

    settings = rebuilt(at(2024, 6, 3))
    first = query(settings, wanted), query(settings, history)
    settings = rebuilt(at(2024, 6, 3))

    assert (query(settings, wanted), query(settings, history)) == first
    found = {key: rest for key, *rest in first[0]}
    last = {event["key"]: event["at"] for event in events()}
    user = getpass.getuser()
    assert found["processing.interval"] == ['"5m"', last["processing.interval"], user]
    assert found["processing.calendar"] == ['"NYSE"', config.changed_at(), "config"]
    # Neither was set to this by whoever made the last recorded change.
    assert found["thetadata.max_concurrent_requests"][::2] == ["8", "MAX_CONCURRENT_REQUESTS"]
    assert found["processing.max_dte"] == ["60", config.changed_at(), "config"]
    assert [row[:4] for row in first[1]] == [
        (1, "processing.start_date", "null", '"2024-01-02"'),
        (2, "processing.interval", '"1m"', '"5m"'),
        (3, "processing.roots", "null", '["SPX"]'),
        (4, "processing.end_date", "null", '"2024-01-02"'),
        (5, "thetadata.max_concurrent_requests", "4", "2"),
        (6, "processing.max_dte", "null", "45"),
    ]
    assert {row[5:] for row in first[1]} == {(user, "config/config.yaml")}


# Who is named in an address -----------------------------------------------------------------------------

NAMED = [
    "http://me:secret@127.0.0.1:25503",
    "http://me:sec/secret@127.0.0.1:25503",
    "http://me@secret@127.0.0.1:25503",
    "HTTPS://secret@127.0.0.1:25503",
    "me:secret@127.0.0.1:25503",
    "http://me:secret" + "x" * 200 + "@127.0.0.1:25503",
]


@pytest.mark.parametrize("address", NAMED)
def test_who_is_named_in_an_address_is_shown_nowhere(spx_data, address, monkeypatch):
    FILE.write_text(SHIPPED.replace("base_url: null", f"base_url: '{address}'"))
    assert document()["thetadata"]["base_url"] == address

    said = [
        spx_data("config", "get"),
        spx_data("config", "get", "thetadata.base_url"),
        spx_data("config", "get", "thetadata", "--format", "json"),
        spx_data("config", "get", "--format", "csv"),
        spx_data("config", "validate"),
        spx_data("config", "set", "thetadata.base_url", address),
        spx_data("status"),
        spx_data("health"),
        spx_data("config", "set", "thetadata.base_url", "http://127.0.0.1:25503"),
        spx_data("config", "history"),
        spx_data("config", "history", "--format", "json"),
    ]
    monkeypatch.setenv("THETADATA_BASE_URL", address)
    said += [spx_data("config", "get"), spx_data("status"), spx_data("config", "get", "--format", "csv")]

    assert said[1] == (
        0,
        f"{address.partition('://')[0] + '://' if '://' in address else ''}***@127.0.0.1:25503\n",
        "",
    )
    assert [told for told in said if "secret" in str(told)] == []
    assert "secret" not in JOURNAL.read_text()
    assert document()["thetadata"]["base_url"] == "http://127.0.0.1:25503"


def test_an_old_address_in_the_journal_is_shown_without_who_is_named(spx_data):
    old = "http://me:secret@127.0.0.1:25503"
    JOURNAL.parent.mkdir(parents=True)
    Journal(JOURNAL, "config").record(
        journal.CONFIGURED, key="thetadata.base_url", old=old, new=None, by="me", file="config.yaml"
    )

    code, out, _ = spx_data("config", "history", "--format", "csv")

    assert (code, "secret" in out, "***@127.0.0.1" in out) == (0, False, True)


# What does something to whoever reads it ----------------------------------------------------------------


@pytest.mark.parametrize(
    "key, text",
    [
        ("thetadata.base_url", "http://127.0.0.1:25503\n"),
        ("processing.start_time", "09:30:00\n"),
        ("processing.start_time", "\u0660\u0669:30:00"),
        ("processing.end_time", "16:00:00\n"),
        ("processing.roots", ["SPX\n"]),
        ("thetadata.base_url", "http://127.0.0.1\x1b:25503"),
    ],
)
def test_a_last_line_end_is_no_part_of_a_value(key, text):
    section, name = key.split(".")
    given = {"processing": {"start_date": "2024-01-02"}}
    given.setdefault(section, {})[name] = text

    with pytest.raises(ConfigurationValidationError, match=key):
        config.resolve(given, {})


def test_patterns_of_the_schema_hold_to_the_end():
    patterns = [
        rule["pattern"]
        for _, rule in rulebook.rules()
        for rule in (rule, rule.get("items", {}))
        if "pattern" in rule
    ]

    assert len(patterns) == 8
    assert all(pattern.startswith("^") and pattern.endswith(r"$(?!\n)") for pattern in patterns)


def test_a_setting_does_nothing_to_the_screen(spx_data):
    hostile = "\x1b]0;x\x07\x1b[2J\u202e\x9b31m"
    FILE.write_text(SHIPPED.replace("base_url: null", f"base_url: {json.dumps(hostile)}"))

    for arguments in (["get"], ["get", "thetadata.base_url"], ["get", "--format", "csv"], ["validate"]):
        _, out, err = spx_data("config", *arguments)

        assert (out + err).replace("\n", "").isprintable()
        assert r"\x1b]0;x\x07\x1b[2J\u202e\x9b31m" in out + err
    _, out, _ = spx_data("config", "get", "--format", "json")
    assert out.isascii()
    assert hostile in [row["value"] for row in json.loads(out)]


@pytest.mark.parametrize(
    "arguments",
    [["\x1b[2J"], ["config", "get", "\x1b[2J\u202e"], ["status", "--\x9b31m"], ["list", "\x1b]0;x\x07"]],
)
def test_what_was_typed_does_nothing_to_the_screen(spx_data, arguments):
    code, out, err = spx_data(*arguments)

    assert code == 2
    assert (out + err).replace("\n", "").isprintable()
    assert any(sign in err for sign in (r"\x1b", r"\x9b"))
