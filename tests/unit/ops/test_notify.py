"""Who is told how a lake is, and when: over real HTTP, by Apprise and by pings."""

import datetime as dt
import stat

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.hook import listening

from spx_data import config
from spx_data.config import shipped
from spx_data.errors import ConfigurationValidationError
from spx_data.lake.session_states import Kind, State
from spx_data.ops.health import Check, Level
from spx_data.ops.notify import sending, telling
from spx_data.ops.notify.sending import Pings
from spx_data.ops.notify.standing import Look
from spx_data.settings import Metrics, Settings
from spx_data.status import Facts, Summary

MOMENT = dt.datetime(2024, 1, 5, 12, tzinfo=dt.UTC)
DAY = dt.date(2024, 1, 4)
FULL = Check("disk", Level.FAIL, "the next date does not fit", "Make room there")
PARKED = Check("parked", Level.FAIL, "1 date parked", "`spx-data retry 2024-01-04 --force`")
SLOW = Check("connectivity", Level.WARN, "12 % of requests failed", "Look at the terminal")
BROKEN = State(Kind.FAILED, due=True, reason="the answer is cut off", error="ApiResponseInvalidError")
TOKEN = "s3cr3t-t0k3n"


@pytest.fixture
def hook():
    with listening() as found:
        yield found


@pytest.fixture
def lake(tmp_path, hook, monkeypatch):
    """A maker of looks at one lake, of which one address is told."""
    for variable in (telling.NOTIFY, sending.PING):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "data").mkdir()

    def look(*alerts, dates=(), failure="", symbol="SPX", **section):
        folder = tmp_path / "data" / symbol
        folder.mkdir(exist_ok=True)
        document = {
            "processing": {
                "start_date": "2024-01-02",
                "symbol": symbol,
                "data_directory": str(folder),
                "output_directory": str(tmp_path),
                "temp_directory": str(tmp_path),
            },
            "alerts": {"notify": [f"json://{hook.at}/{TOKEN}"], **section},
        }
        return Look(Settings.of(config.resolve(document, {})), dates, alerts, failure)

    return look


def sealed(*days):
    return [Summary(dt.date(2024, 1, day), State(Kind.SEALED), Facts(rows=10, bytes=100)) for day in days]


FAILED = [Summary(DAY, BROKEN, Facts())]


# States -------------------------------------------------------------------------------------------------


def test_people_are_told_when_something_changes_and_only_then(lake, hook):
    for look in (
        lake(dates=sealed(2, 3)),  # well from the beginning: nothing to tell
        lake(SLOW, dates=sealed(2, 3)),
        lake(SLOW, dates=[*sealed(2, 3), *FAILED]),
        lake(dates=[*sealed(2, 3), *FAILED]),
        lake(PARKED, dates=[*sealed(2, 3), *FAILED]),
        lake(PARKED, dates=sealed(2, 3)),
        lake(FULL, PARKED),
        lake(PARKED),
        lake(FULL, PARKED),
        lake(SLOW, dates=sealed(2, 3, 4)),
        lake(dates=sealed(2, 3, 4)),
    ):
        assert telling.tell([look], MOMENT) == []

    assert [title for title, _ in hook.told] == [
        "SPX failed",
        "SPX needs you",
        "SPX needs you",
        "SPX needs you",  # the disk had room in between
        "SPX recovered",
    ]
    texts = [text for _, text in hook.told]
    assert texts[0] == (
        "1 date, the newest is 2024-01-04: failed: ApiResponseInvalidError: the answer is cut off"
    )
    assert texts[1].splitlines()[0] == "1 date parked → spx-data retry 2024-01-04 --force"
    assert "the next date does not fit → Make room there" in texts[2]
    assert texts[4] == "3 days sealed, the newest is 2024-01-04; 0 missing; 0 incomplete; 1 alert"


def test_why_a_run_did_not_begin_is_told_once(lake, hook):
    for _ in range(2):
        telling.tell([lake(failure="no Theta Terminal answers. Start it")], MOMENT)

    assert hook.told == [("SPX failed", "no Theta Terminal answers. Start it")]


def test_one_message_tells_of_all_lakes_with_commands_for_each(lake, hook):
    looks = [lake(PARKED), lake(dates=sealed(2), symbol="SPY"), lake(failure="it is refused", symbol="QQQ")]

    telling.tell(looks, MOMENT)

    ((title, text),) = hook.told
    assert title == "SPX needs you, QQQ failed"
    assert "spx-data --symbol SPX retry 2024-01-04 --force" in text
    assert text.endswith("\n\nit is refused")


def test_a_digest_comes_once_a_day_of_new_york(lake, hook):
    late = dt.datetime(2024, 1, 6, 4, 59, tzinfo=dt.UTC)
    for moment in (MOMENT, late, late + dt.timedelta(minutes=1)):
        telling.tell([lake(dates=sealed(2, 3), digest=True)], moment)

    told = "2 days sealed, the newest is 2024-01-03; 0 missing; 0 incomplete; 0 alerts"
    assert hook.told == [("SPX today", told)] * 2


# Whom -----------------------------------------------------------------------------------------------------


def test_who_was_not_reached_is_told_the_next_time_and_others_are_not_told_twice(lake, hook, monkeypatch):
    monkeypatch.setenv(telling.NOTIFY, f"json://{hook.at}/other nonsense")
    hook.status = 500
    look = lake(FULL)

    lines = telling.tell([look], MOMENT)
    hook.status = 200
    hook.came.clear()
    again = telling.tell([look], MOMENT)

    assert lines == [
        "address 1 of 3 (json) was not told how the lake is: the message was not taken",
        "address 2 of 3 (json) was not told how the lake is: the message was not taken",
        "address 3 of 3 (no address) was not told how the lake is: it is no address that Apprise knows",
    ]
    assert again == lines[2:]
    assert [path for path, _ in hook.came] == [f"/{TOKEN}", "/other"]
    telling.tell([look], MOMENT)
    assert len(hook.came) == 2


@pytest.mark.parametrize("damage", ["{", "[]", '{"x": 1}', '{"x": {"standing": 7, "about": {}}}'])
def test_what_was_told_may_be_damaged(lake, hook, damage):
    look = lake(FULL)
    look.settings.layout.told.write_text(damage)

    assert telling.tell([look], MOMENT) == []

    assert [title for title, _ in hook.told] == ["SPX needs you"]


def test_without_what_sends_there_is_one_line_with_the_command(lake, monkeypatch):
    monkeypatch.setattr(shipped, "_is_there", lambda module: module != "apprise")

    (line,) = telling.tell([lake(FULL)], MOMENT)

    assert "there is no apprise here" in line
    assert "alerts" in line and TOKEN not in line


# Programs ---------------------------------------------------------------------------------------------------


def test_a_monitor_hears_of_begin_and_end(hook):
    for well in (True, False):
        pings = Pings(f"http://{hook.at}/run/?key=1")
        pings.begin()
        assert pings.end(well=well) == ""

    assert [path for path, _ in hook.came] == [
        "/run/start?key=1",
        "/run/?key=1",
        "/run/start?key=1",
        "/run/fail?key=1",
    ]


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/", "http://[::1/", "http://127.0.0.1:99999/"])
def test_a_monitor_that_is_not_there_is_one_line_without_its_address(lake, address):
    pings = Pings(f"{address}{TOKEN}")
    pings.begin()

    lines = telling.after_a_run([lake()], MOMENT, Metrics(None, None), pings, well=True)

    (line,) = lines
    assert line.startswith("the monitor was not told of this run: ")
    assert TOKEN not in line


def test_figures_are_those_of_the_lakes_and_others_may_read_them(lake, tmp_path):
    target = tmp_path / "spx.prom"
    looks = [lake(FULL, SLOW, dates=[*sealed(2, 3), *FAILED]), lake(dates=sealed(2), symbol="SPY")]

    lines = telling.after_a_run(looks, MOMENT, Metrics(target, None), Pings(None), well=False)

    assert lines == []
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(target.read_text())
        for sample in family.samples
    }
    assert found["spx_data_last_run_success",] == 0
    assert found["spx_data_last_run_timestamp_seconds",] == MOMENT.timestamp()
    assert found["spx_data_sessions", "SPX", "sealed"] == 2
    assert found["spx_data_sessions", "SPX", "failed"] == 1
    assert found["spx_data_sealed_rows", "SPX"] == 20
    assert found["spx_data_sealed_bytes", "SPY"] == 100
    assert found["spx_data_alert", "SPX", "disk"] == 3
    assert found["spx_data_alert", "SPX", "connectivity"] == 2
    assert (found["spx_data_needs_you", "SPX"], found["spx_data_needs_you", "SPY"]) == (1, 0)
    midnight = dt.datetime(2024, 1, 3, tzinfo=dt.UTC).timestamp()
    assert found["spx_data_newest_sealed_timestamp_seconds", "SPX"] == midnight


def test_a_folder_that_is_not_there_is_one_line(lake, tmp_path):
    target = tmp_path / "nowhere" / "spx.prom"

    (line,) = telling.after_a_run([lake(FULL)], MOMENT, Metrics(target, None), Pings(None), well=True)

    assert f"{target.parent} is no folder" in line
    assert not target.parent.exists()


def test_a_call_that_finds_nothing_to_do_is_a_run_that_ended_well(lake, hook, monkeypatch):
    monkeypatch.setenv(sending.PING, f"http://{hook.at}/run")

    assert telling.when_idle({"SPX": lake().settings}, MOMENT) == []

    assert hook.came == [("/run", None)]


# Secrets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "section",
    [
        {"alerts": {"notify": [TOKEN]}},
        {"alerts": {"notify": f"slack://{TOKEN}"}},
        {"alerts": {"notify": {"x": f"slack://{TOKEN}"}}},
        {"metrics": {"ping": f"ftp://{TOKEN}"}},
        {"metrics": {"ping": [f"http://{TOKEN}"]}},
        {"symbols": {"SPX": {"alerts": {"notify": [TOKEN]}}}},
    ],
)
def test_a_wrong_address_is_told_without_it(section):
    with pytest.raises(ConfigurationValidationError) as refused:
        config.resolve({"processing": {"start_date": "2024-01-02"}, **section}, {})

    assert TOKEN not in str(refused.value)
    assert "***" in str(refused.value)
