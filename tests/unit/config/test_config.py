"""Settings: the defaults agree, every mistake is one line with a cure, the environment wins."""

import copy
import datetime as dt
from pathlib import Path

import jsonschema
import pytest
import yaml

from spx_data import config
from spx_data.config import rulebook, shipped
from spx_data.errors import ConfigurationValidationError, MissingFileError, SpxDataError
from spx_data.market.sessions import Window
from spx_data.quality.checks import Part
from spx_data.settings import Alerts, Retention, Settings

PROJECT = Path(__file__).resolve().parents[3]
DEFAULTS = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
SCHEMA = yaml.safe_load(shipped.SCHEMA.read_text())
START = {"processing": {"start_date": "2024-01-02"}}


def resolve(environment=(), **sections):
    document = copy.deepcopy(START)
    for section, keys in sections.items():
        document.setdefault(section, {}).update(keys)
    return config.resolve(document, dict(environment))


def keys_of(schema):
    return {
        (section, key): rule
        for section, part in schema["properties"].items()
        for key, rule in part.get("properties", {}).items()
    }


# Defaults -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "section, key", [pair for pair in keys_of(SCHEMA) if pair != ("processing", "start_date")]
)
def test_the_file_shows_the_schemas_default(section, key):
    default = keys_of(SCHEMA)[section, key]["default"]

    assert DEFAULTS[section][key] == default
    assert type(DEFAULTS[section][key]) is type(default)


def test_the_file_and_the_schema_have_the_same_keys():
    in_file = {(section, key) for section, keys in DEFAULTS.items() if keys for key in keys}

    assert in_file | {("processing", "start_date")} == set(keys_of(SCHEMA))
    assert set(DEFAULTS) | {"symbols"} == set(SCHEMA["properties"])
    assert DEFAULTS["dates"] is SCHEMA["properties"]["dates"]["default"] is None


def test_the_file_says_where_to_write_the_start_date():
    assert "  # start_date: 2024-01-02" in (PROJECT / "config" / "config.yaml").read_text().splitlines()


def test_the_schema_is_a_schema_that_takes_no_other_keys():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    assert SCHEMA["additionalProperties"] is False
    sections = [part for part in SCHEMA["properties"].values() if "properties" in part]
    assert all(part["additionalProperties"] is False for part in sections)
    assert all(rule["description"] for rule in keys_of(SCHEMA).values())


def test_the_file_says_what_nothing_says():
    assert config.resolve(DEFAULTS | START, {}) == config.resolve(START, {})
    assert Settings.of(config.resolve(DEFAULTS, {"PROCESSING_START_DATE": "2024-01-02"}))


def test_settings_are_typed():
    settings = Settings.of(resolve(processing={"end_date": "2024-02-01", "max_dte": 45}))

    assert (settings.start_date, settings.end_date) == (dt.date(2024, 1, 2), dt.date(2024, 2, 1))
    assert settings.roots == ("SPX", "SPXW")
    assert settings.window == Window(dt.time(9, 30), dt.time(16), "1m")
    assert settings.layout.output == Path("data/parquet")
    assert (settings.max_dte, settings.owner_only, settings.keep_ndjson) == (45, True, False)
    assert settings.terminal.base_url is None


@pytest.mark.parametrize(
    "interval, ms", [("1s", 1000), ("30s", 30_000), ("1m", 60_000), ("15m", 900_000), ("1h", 3_600_000)]
)
def test_an_interval_has_a_length(interval, ms):
    assert Settings.of(resolve(processing={"interval": interval})).window.step_ms == ms


def test_every_interval_of_the_schema_has_a_length():
    assert all(
        Window(dt.time(9, 30), dt.time(16), name).step_ms
        for name in keys_of(SCHEMA)["processing", "interval"]["enum"]
    )


def test_the_raw_document_is_left_alone():
    raw = copy.deepcopy(START)

    config.resolve(raw, {"MAX_CONCURRENT_REQUESTS": "2"})

    assert raw == START


# Mistakes -----------------------------------------------------------------------------------------------

MISTAKES = [
    ("processing", "batch_size", 0),
    ("processing", "batch_size", "all"),
    *[("priority", key, value) for key in ("age", "volatility", "tries") for value in (-1, "high", None)],
    *[("alerts", key, -1) for key in Alerts._fields],
    ("metrics", "textfile", 7),
    ("metrics", "ping", "hc-ping.com/x"),
    ("alerts", "memory_percent", 101),
    ("alerts", "consecutive_missing", 2.5),
    *[("retention", key, -1) for key in Retention._fields],
    ("retention", "logs_days", "forever"),
    ("quality", "rejected_percent", 101),
    ("quality", "warn_below", -1),
    ("quality", "fail_below", "low"),
    ("quality", "outlier_z", 0),
    *[("score", part.value, -1) for part in Part],
    ("thetadata", "base_url", "127.0.0.1:25503"),
    ("thetadata", "base_url", "ftp://127.0.0.1"),
    ("thetadata", "base_url", "http://127.0.0.1:25503/v3"),
    ("thetadata", "base_url", "http://me@127.0.0.1"),
    ("thetadata", "base_url", "http://[::1"),
    ("thetadata", "base_url", ""),
    ("thetadata", "base_url", 25503),
    ("thetadata", "api", "v4"),
    ("thetadata", "api", None),
    ("thetadata", "format", "xml"),
    ("thetadata", "max_concurrent_requests", 0),
    ("thetadata", "max_concurrent_requests", 129),
    ("thetadata", "max_concurrent_requests", "4"),
    ("thetadata", "max_concurrent_requests", 2.5),
    ("thetadata", "max_concurrent_requests", True),
    ("thetadata", "timeout_seconds", 0),
    ("thetadata", "history_timeout_seconds", -1),
    ("thetadata", "history_timeout_seconds", "long"),
    ("thetadata", "greeks_version", 1),
    ("thetadata", "retry_wait_factor", -0.1),
    ("processing", "start_date", "2024-1-2"),
    ("processing", "start_date", "2024-02-30"),
    ("processing", "start_date", "20240102"),
    ("processing", "start_date", "yesterday"),
    ("processing", "start_date", None),
    ("processing", "start_date", 20240102),
    ("processing", "start_date", dt.datetime(2024, 1, 2, 9, 30, tzinfo=dt.UTC)),
    ("processing", "end_date", "never"),
    ("processing", "output_directory", ""),
    ("processing", "temp_directory", None),
    ("processing", "data_directory", 7),
    ("processing", "symbol", "AAPL"),
    ("processing", "records", "quote"),
    ("processing", "records", None),
    ("processing", "symbol", None),
    ("processing", "roots", []),
    ("processing", "roots", ["SPX", "AAPL"]),
    ("processing", "roots", "SPX"),
    ("processing", "roots", ["SPX", "SPX"]),
    ("processing", "roots", ["spx"]),
    ("processing", "interval", "60000"),
    ("processing", "interval", "2m"),
    ("processing", "start_time", "9:30"),
    ("processing", "start_time", 34200),
    ("processing", "end_time", "24:00:00"),
    ("processing", "max_dte", -1),
    ("processing", "max_dte", 1.5),
    ("processing", "calendar", ""),
    ("processing", "keep_ndjson", "yes"),
    ("processing", "publication_hours", -1),
    ("processing", "max_attempts", 0),
    ("processing", "second_opinions", -1),
    ("processing", "owner_only", 1),
    ("verify", "depth", "deep"),
    ("mend", "after_runs", "sometimes"),
    ("mend", "requests", 0),
    ("report", "after_runs", "sometimes"),
    ("report", "day_pages", -1),
    ("publish", "url", 7),
    ("publish", "url", "https://example.org/spx"),
    ("publish", "url", "az://bucket/spx?sig=key"),
    ("recheck", "sample", 0),
    ("recheck", "restated", "overwrite"),
    ("database", "path", ""),
    ("database", "url", 7),
    ("database", "schema", "A Desk"),
]


@pytest.mark.parametrize("section, key, value", MISTAKES, ids=str)
def test_a_wrong_value_is_one_line_with_key_and_cure(section, key, value):
    with pytest.raises(ConfigurationValidationError) as caught:
        resolve(**{section: {key: value}})

    error = caught.value
    assert "\n" not in str(error)
    assert error.fields["what"].startswith(f"{section}.{key}")
    assert f"{section}.{key}" in error.cause
    assert error.cure


def test_every_key_of_the_schema_is_among_the_mistakes():
    assert {(section, key) for section, key, _ in MISTAKES} == set(keys_of(SCHEMA))


@pytest.mark.parametrize(
    "document, where",
    [
        ({"procesing": {}}, "procesing"),
        ({"processing": {"strat_date": "2024-01-02"}}, "processing.strat_date"),
        ({"thetadata": {"port": 25503}}, "thetadata.port"),
        ({"database": {"Path": "x"}}, "database.Path"),
        ({"processing": {1: 2}}, "processing.1"),
    ],
)
def test_a_typo_is_named_with_what_is_known_there(document, where):
    with pytest.raises(ConfigurationValidationError, match=f"{where}: there is no such key") as caught:
        config.resolve(document, {})

    assert "Known here: " in caught.value.cure


@pytest.mark.parametrize("section", ["thetadata", "processing", "verify", "recheck", "database"])
@pytest.mark.parametrize("value", [None, [], "x", 7])
def test_a_section_without_keys_is_named(section, value):
    with pytest.raises(ConfigurationValidationError, match=section):
        config.resolve({section: value}, {})


@pytest.mark.parametrize(
    "written, meant", [("2024-1-2", "2024-01-02"), ("20240102", "2024-01-02"), ("2024-13-02", None)]
)
def test_a_date_of_another_form_is_offered_in_ours_and_no_date_is_not(written, meant):
    with pytest.raises(ConfigurationValidationError) as caught:
        resolve(processing={"start_date": written})

    assert ("Write" in caught.value.cure) == (meant is not None)
    assert meant is None or f"Write {meant}." in caught.value.cure


@pytest.mark.parametrize(
    "section, key, value, like",
    [
        ("thetadata", "base_url", "127.0.0.1:25503", "a text like http://127.0.0.1:25503 or null"),
        ("processing", "symbol", "spx", "a text like SPX."),
        ("processing", "roots", ["spxw"], "a text like SPXW."),
        ("database", "schema", "Desk", "a text like spx_status or null"),
    ],
)
def test_a_text_of_another_form_is_told_an_example_and_no_pattern(section, key, value, like):
    with pytest.raises(ConfigurationValidationError) as caught:
        resolve(**{section: {key: value}})

    assert f"Allowed: {like}" in caught.value.cure
    assert "^" not in caught.value.cure


@pytest.mark.parametrize(
    "sections, where, cure",
    [
        ({"processing": {"end_date": "2024-01-01"}}, "processing.start_date", "end_date: null"),
        (
            {"processing": {"start_time": "16:00:00", "end_time": "16:00:00"}},
            "processing.start_time",
            "before its end",
        ),
        (
            {"thetadata": {"base_url": "http://localhost:25503"}},
            "thetadata.base_url",
            "Write http://127.0.0.1:25503",
        ),
        ({"thetadata": {"api": "v2", "format": "ndjson"}}, "thetadata.format", "csv or json"),
    ],
)
def test_values_that_contradict_each_other_are_named(sections, where, cure):
    with pytest.raises(ConfigurationValidationError) as caught:
        resolve(**sections)

    assert caught.value.fields["what"] == where
    assert cure in caught.value.cure


def test_a_start_and_end_on_one_day_is_a_range():
    assert resolve(processing={"end_date": "2024-01-02"})["processing"]["end_date"] == "2024-01-02"


def test_a_missing_start_date_says_how_to_write_one():
    with pytest.raises(ConfigurationValidationError, match=r"processing\.start_date") as caught:
        config.resolve({}, {})

    assert "start_date: 2024-01-02" in caught.value.cure
    assert "PROCESSING_START_DATE" in caught.value.cure


# All mistakes at once -----------------------------------------------------------------------------------


@pytest.mark.parametrize("section, key, value", MISTAKES, ids=str)
def test_what_is_refused_is_a_problem(section, key, value):
    document = copy.deepcopy(START)
    document.setdefault(section, {})[key] = value

    (problem,) = config.problems(document, {})

    assert problem.fields["what"].startswith(f"{section}.{key}")
    assert problem.cure


def test_problems_are_all_there_and_in_good_settings_are_none():
    document = {"processing": {"interval": "2m", "roots": ["spx", 7]}, "thetadata": None, "x": 1}

    found = {problem.fields["what"] for problem in config.problems(document, {"DATABASE_PATH": "$NO/x"})}

    assert found == {
        "processing.interval",
        "processing.roots.0",
        "processing.roots.1",
        "processing.start_date",
        "thetadata",
        "x",
        "database.path",
    }
    assert config.problems(START, {}) == []


def test_a_value_may_be_right_whatever_else_is_set():
    assert config.accepted("processing.end_date", dt.date(2000, 1, 2)) == "2000-01-02"
    assert config.accepted("dates", 2024) == "2024"
    with pytest.raises(ConfigurationValidationError, match=r"processing\.interval: '2m' is not allowed"):
        config.accepted("processing.interval", "2m")


# Files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["2024-01-02", '"2024-01-02"', "'2024-01-02'"])
def test_dates_may_stand_with_and_without_quotes(spelling, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(f"processing:\n  start_date: {spelling}\n  end_date: {spelling}\n")

    settings = Settings.of(config.resolve(config.load(path), {}))

    assert (settings.start_date, settings.end_date) == (dt.date(2024, 1, 2), dt.date(2024, 1, 2))


def test_an_overlay_changes_its_own_keys_alone(tmp_path):
    base, above = tmp_path / "config.yaml", tmp_path / "demo.yaml"
    base.write_text("processing: {start_date: 2024-01-02, roots: [SPX, SPXW]}\nthetadata: {api: v2}\n")
    above.write_text("processing: {roots: [SPX]}\n")

    found = config.load(base, above)

    assert found == {
        "processing": {"start_date": dt.date(2024, 1, 2), "roots": ["SPX"]},
        "thetadata": {"api": "v2"},
    }


def test_an_empty_file_holds_nothing(tmp_path):
    (tmp_path / "config.yaml").write_text("# nothing but words\n")

    assert config.load(tmp_path / "config.yaml") == {}


@pytest.mark.parametrize("text", ["processing: [", "a: b: c", "\tx: 1"])
def test_what_is_no_yaml_is_one_line_with_the_files_name(text, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)

    with pytest.raises(ConfigurationValidationError, match="is not YAML") as caught:
        config.load(path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "words", "7"])
def test_a_file_without_keys_is_refused(text, tmp_path):
    (tmp_path / "config.yaml").write_text(text)

    with pytest.raises(ConfigurationValidationError, match="holds no keys"):
        config.load(tmp_path / "config.yaml")


def test_a_date_that_is_none_is_one_line(tmp_path):
    (tmp_path / "config.yaml").write_text("processing: {start_date: 2024-02-30}")

    with pytest.raises(ConfigurationValidationError, match=r"not in the calendar: day .*range"):
        config.load(tmp_path / "config.yaml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="there is no config file"):
        config.load(tmp_path / "absent.yaml")


# Environment --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variable, text, section, key, value",
    [
        ("THETADATA_BASE_URL", "http://127.0.0.1:7", "thetadata", "base_url", "http://127.0.0.1:7"),
        ("MAX_CONCURRENT_REQUESTS", "8", "thetadata", "max_concurrent_requests", 8),
        ("PROCESSING_START_DATE", "2023-05-01", "processing", "start_date", "2023-05-01"),
        ("OUTPUT_DIRECTORY", "elsewhere", "processing", "output_directory", "elsewhere"),
        ("TEMP_DIRECTORY", "elsewhere", "processing", "temp_directory", "elsewhere"),
        ("DATABASE_PATH", "elsewhere.db", "database", "path", "elsewhere.db"),
    ],
)
def test_the_environment_wins(variable, text, section, key, value):
    in_file = {
        "thetadata": {"base_url": "http://127.0.0.1:1", "max_concurrent_requests": 2},
        "database": {"path": "x"},
    }

    found = resolve({variable: text}, **in_file)

    assert found[section][key] == value


def test_an_empty_variable_says_nothing():
    assert resolve(dict.fromkeys(config.ENVIRONMENT, "")) == resolve()


@pytest.mark.parametrize(
    "variable, text, where",
    [
        ("MAX_CONCURRENT_REQUESTS", "many", "thetadata.max_concurrent_requests"),
        ("MAX_CONCURRENT_REQUESTS", "0", "thetadata.max_concurrent_requests"),
        ("PROCESSING_START_DATE", "2024-02-30", "processing.start_date"),
        ("THETADATA_BASE_URL", "127.0.0.1:25503", "thetadata.base_url"),
    ],
)
def test_the_environment_is_checked_like_the_file(variable, text, where):
    with pytest.raises(ConfigurationValidationError, match=where):
        resolve({variable: text})


def test_a_key_tells_who_set_it():
    environment = {"OUTPUT_DIRECTORY": "elsewhere", "TEMP_DIRECTORY": ""}

    assert config.overriding("processing.output_directory", environment) == "OUTPUT_DIRECTORY"
    assert config.overriding("processing.temp_directory", environment) is None
    assert config.overriding("processing.roots", environment) is None


def test_rules_name_every_key_once():
    assert [key for key, _ in rulebook.rules()] == [
        *(".".join(pair) for pair in keys_of(SCHEMA)),
        "products",
        "symbols",
        "dates",
    ]


# The dates of a call ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [2024, dt.date(2024, 1, 2), "2024-01", "2024-01-02..2024-01-05,2025", [dt.date(2024, 1, 2), 2025]],
)
def test_dates_are_taken_as_yaml_reads_them(given):
    settings = Settings.of(config.resolve(START | {"dates": given}, {}))

    assert dt.date(2024, 1, 2) in settings.dates
    assert dt.date(2023, 12, 29) not in settings.dates


def test_no_dates_are_all_dates():
    assert Settings.of(config.resolve(START, {})).dates is None


@pytest.mark.parametrize("given", ["yesterday", "2024-13", "2024-02-30", "2024-01-05..2024-01-02", "", 24])
def test_what_is_no_date_is_one_line_with_the_forms(given):
    with pytest.raises(SpxDataError, match="dates") as caught:
        config.resolve(START | {"dates": given or [given]}, {})

    assert "2024-01-02..2024-02-01" in caught.value.cure


def test_secrets_in_an_address_are_not_repeated():
    with pytest.raises(ConfigurationValidationError) as caught:
        resolve(thetadata={"base_url": "http://me:secret@127.0.0.1:25503"})

    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value.fields)
