"""`spx-data report` and `spx-data serve`: pages made, kept and shown, and what is said where none can be."""

import contextlib
import datetime as dt
import http.client
import logging
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import webbrowser
from pathlib import Path

import pytest
import yaml
from tests.rules.conftest import Date

import theta_simulator
from spx_data import __version__, cli, config, files, report, runs
from spx_data.errors import InsufficientDiskSpaceError, SpxDataError
from spx_data.report import dashboard, server
from spx_data.report.page import Page
from spx_data.report.server import Pages, Server
from spx_data.settings import Settings

DAYS = dt.date(2024, 1, 2), dt.date(2024, 1, 3)
NOW = "2024-01-05T08:00:00-05:00"
MOMENT = dt.datetime.fromisoformat(NOW)
COMMAND = Path(sys.executable).parent / "spx-data"


def settings_here():
    return Settings.of(config.resolve(config.load(config.FILE), {}))


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A folder with the config and two sealed days of a lake."""
    folder = tmp_path_factory.mktemp("filled")
    sections = {"processing": {"start_date": "2024-01-02", "end_date": "2024-01-04"}}
    (folder / "config").mkdir()
    with (
        theta_simulator.running(
            theta_simulator.Settings(size="tiny", today=dt.date(2024, 12, 31))
        ) as terminal,
        contextlib.chdir(folder),
    ):
        sections["thetadata"] = {"base_url": terminal.url, "api": "v3"}
        config.FILE.write_text(yaml.safe_dump(sections))
        for date in DAYS:
            Date(settings_here(), date).fill()
    return folder


@pytest.fixture
def lake(filled, tmp_path, monkeypatch):
    """The settings of a copy of that lake, in which the test stands."""
    shutil.copytree(filled, tmp_path / "lake")
    monkeypatch.chdir(tmp_path / "lake")
    monkeypatch.setenv("SPX_DATA_NOW", NOW)
    return settings_here()


@pytest.fixture
def call(lake, monkeypatch, capsys):
    """Return a caller of the command: exit code, lines of stdout, lines of stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["spx-data", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out.splitlines(), captured.err.splitlines()

    return call


def page_of(date):
    return f"data/report/days/{date}.html"


def damage(settings, date):
    settings.layout.parquet(date).write_bytes(b"PAR1 and no more")


# The command --------------------------------------------------------------------------------------------


def test_the_newest_days_come_first_and_only_those_that_have_no_page(call):
    first, again = call("report"), call("report")

    assert first == (0, [*map(page_of, DAYS), "data/report/dashboard.html"], [])
    assert again == (0, ["data/report/dashboard.html"], [])
    modes = {stat.S_IMODE(path.stat().st_mode) for path in Path("data/report").rglob("*")}
    assert modes == {0o700, 0o600}


def test_a_bad_day_is_one_line_with_its_cure_and_stops_no_other(call, lake):
    damage(lake, DAYS[0])

    code, out, err = call("report", f"{DAYS[0]}..{DAYS[1]},2024-01-04,2024-01-06")

    assert (code, out) == (1, [page_of(DAYS[1])])
    assert [line[:32] for line in err] == [
        "spx-data: no page of 2024-01-02:",
        "spx-data: no page of 2024-01-04:",
        "spx-data: no page of 2024-01-06:",
    ]
    assert "spx-data verify" in err[0]
    assert "spx-data process 2024-01-04" in err[1]
    assert "no session of this lake" in err[2]


def test_a_bad_new_day_does_not_keep_the_dashboard_from_being_made(call, lake):
    damage(lake, DAYS[1])

    code, out, err = call("report")

    assert (code, out) == (1, [page_of(DAYS[0]), "data/report/dashboard.html"])
    assert len(err) == 1


@pytest.mark.parametrize(
    "arguments, code, says",
    [
        (["report", "soon"], 2, "'soon' is no date"),
        (["report", "2030"], 1, "none of these dates is sealed"),
        (["serve", "--port", "70000"], 2, "70000 is not in the range"),
        (["serve", "--host", "no..such"], 1, "cannot listen at no..such"),
    ],
)
def test_a_wrong_call_is_one_line(call, arguments, code, says):
    found, out, err = call(*arguments)

    assert (found, out, len(err)) == (code, [], 1)
    assert says in err[0]
    assert not Path("data/report").exists()


def test_a_folder_that_cannot_be_written_is_one_line(call, lake):
    Path("data/report").write_text("a file")

    for arguments in (["report"], ["report", "2024-01"]):
        code, out, err = call(*arguments)
        assert (code, out, len(err)) == (1, [], 1)
        assert "data/report" in err[0]


def test_the_page_is_opened_in_the_browser_that_the_environment_names(lake, tmp_path):
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)

    made = subprocess.run(
        [COMMAND, "report", str(DAYS[0]), "--open"],
        env=os.environ | {"BROWSER": f"{browser} %s"},
        capture_output=True,
        text=True,
    )

    assert (made.returncode, made.stdout, made.stderr) == (0, f"{page_of(DAYS[0])}\n", "")
    assert (tmp_path / "opened").read_text().strip() == Path(page_of(DAYS[0])).resolve().as_uri()


def test_a_machine_without_a_browser_is_told_where_the_page_is(call, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    monkeypatch.setattr(report, "day_text", lambda *_: "page")

    code, out, err = call("report", str(DAYS[0]), "--open")

    assert (code, out, len(err)) == (1, [page_of(DAYS[0])], 1)
    assert f"Open {page_of(DAYS[0])} yourself" in err[0]


# When pages are stale -----------------------------------------------------------------------------------


def test_a_page_is_stale_when_its_day_was_sealed_again_or_another_release_made_it(lake):
    page, sidecar = lake.layout.day_page(DAYS[1]), lake.layout.sidecar(DAYS[1])

    def written(release=__version__, age=0.0):
        files.write_text(page, f'<meta name="generator" content="spx-data {release}">')
        at = sidecar.stat().st_mtime - age
        os.utime(page, (at, at))
        return report.is_stale(lake.layout, DAYS[1])

    assert report.newest_stale(lake) == list(DAYS)
    assert not written()
    assert report.newest_stale(lake) == [DAYS[0]]
    assert written(age=1.0)
    assert written(release="0.0.9")


def test_a_full_disk_ends_it_at_once(lake, monkeypatch):
    def full(*_):
        raise InsufficientDiskSpaceError("no room", cure="Make room", path="", required=None, available=0)

    monkeypatch.setattr(report, "write_day", full)

    with pytest.raises(InsufficientDiskSpaceError):
        list(report.write_days(lake, MOMENT, DAYS))


@pytest.mark.parametrize("error", [SpxDataError("the disk hums"), ZeroDivisionError("of what?")])
def test_no_run_fails_for_a_page(lake, monkeypatch, caplog, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(report, "write_dashboard", fail)
    wanted = dict(lake.document) | {"report": {"after_runs": True, "day_pages": 0}}

    with caplog.at_level(logging.WARNING):
        assert report.after_a_run(lake, MOMENT) is None  # nobody asked for it
        assert caplog.records == []
        assert report.after_a_run(Settings.of(wanted), MOMENT) is None

    assert str(error) in caplog.text


# The server ---------------------------------------------------------------------------------------------


@pytest.fixture
def served(lake):
    """The port of a server of the lake."""
    with Server("127.0.0.1", 0, Pages(lake, 30)) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running.server_port
        running.shutdown()


def ask(port, path="/", method="GET", **headers):
    """The status, the headers and the body that a request is answered with."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read().decode()
    connection.close()
    return found


def test_the_dashboard_is_served_and_loads_itself_anew(served, lake):
    status, headers, body = ask(served)
    head = ask(served, "/dashboard.html", "HEAD")

    assert status == 200
    assert '<meta http-equiv="refresh" content="30">' in body
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert (head[0], head[1]["Content-Length"], head[2]) == (200, headers["Content-Length"], "")
    assert not lake.layout.dashboard.exists()  # it only looks
    assert '"page":[1,1' in body  # and leads to sealed days that have no page yet


def test_the_page_of_a_day_is_made_once_and_kept(served, lake, monkeypatch):
    first = ask(served, f"/days/{DAYS[0]}.html")
    monkeypatch.setattr(report, "day_text", None)  # nobody calls it again
    again = ask(served, f"/days/{DAYS[0]}.html?a=b")

    kept = lake.layout.day_page(DAYS[0])
    assert (first[0], again[0]) == (200, 200)
    assert first[2] == again[2] == kept.read_text()
    assert 'href="../dashboard.html"' in first[2]


@pytest.mark.parametrize(
    "path, status, says",
    [
        ("/days/2024-01-04.html", 404, "spx-data process 2024-01-04"),
        ("/days/2024-02-30.html", 404, "no such page"),
        ("/days/2024-01-02.html.part", 404, "no such page"),
        ("/days/../../../config/config.yaml", 404, "no such page"),
        ("/..%2f..%2fconfig%2fconfig.yaml", 404, "no such page"),
        ("/data/report/dashboard.html", 404, "no such page"),
        ("//dashboard.html/", 404, "no such page"),
        ("/favicon.ico", 404, "no such page"),
    ],
)
def test_there_is_nothing_but_pages(served, path, status, says):
    found, headers, body = ask(served, path)

    assert found == status
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert says in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_there_is_nothing_to_do_but_look(served, method):
    status, headers, _ = ask(served, method=method)

    assert status == 405
    assert headers["Allow"] == "GET, HEAD"
    assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    "listening, named, ours",
    [
        ("127.0.0.1", "127.0.0.1:8765", True),
        ("127.0.0.1", "localhost:9000", True),  # through ssh -L
        ("127.0.0.1", "LOCALHOST", True),
        ("127.0.0.1", "[::1]:8765", True),
        ("127.0.0.1", "rebound.example:8765", False),
        ("127.0.0.1", "127.0.0.1.rebound.example", False),
        ("127.0.0.1", "localhost.rebound.example", False),
        ("127.0.0.1", "192.168.1.2:8765", False),
        ("127.0.0.1", "[::1", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", None, False),
        ("0.0.0.0", "192.168.1.2:8765", True),
        ("0.0.0.0", "rebound.example:8765", False),
    ],
)
def test_only_who_asks_for_this_server_by_name_is_answered(lake, listening, named, ours):
    with Server(listening, 0, Pages(lake, 30)) as running:
        assert running.is_named(named) is ours


def test_a_stranger_who_leads_a_name_here_reads_nothing(served):
    status, _, body = ask(served, Host="rebound.example")

    assert status == 421
    assert "<html" not in body


def test_a_damaged_day_is_said_in_plain_text_with_its_cure(served, lake):
    damage(lake, DAYS[0])

    status, headers, body = ask(served, f"/days/{DAYS[0]}.html")

    assert status == 500
    assert headers["Content-Type"].startswith("text/plain")
    assert "spx-data verify" in body


def test_who_may_only_read_the_lake_can_look_at_its_days(served, monkeypatch):
    Path("data/report").write_text("no page can be kept")
    monkeypatch.setattr(report, "day_text", lambda *_: "the page")

    status, _, body = ask(served, f"/days/{DAYS[0]}.html")

    assert (status, body) == (200, "the page")


@pytest.mark.parametrize("error", [SpxDataError("<script>"), ZeroDivisionError("<script>")])
def test_trouble_is_a_page_that_looks_again(served, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(dashboard, "page", fail)

    status, headers, body = ask(served)

    assert (status, headers["Refresh"]) == (500, "30")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "<script>" in body


def test_many_who_look_at_once_see_one_dashboard_made_by_one(lake, monkeypatch):
    made = []
    at_work = threading.Semaphore(1)

    def slow(*given, **_):
        assert at_work.acquire(blocking=False), "two at a time"
        made.append(given)
        time.sleep(0.1)
        at_work.release()
        return Page("a dashboard", "", MOMENT, [])

    monkeypatch.setattr(dashboard, "page", slow)
    pages = Pages(lake, 30)
    seen = []
    lookers = [threading.Thread(target=lambda: seen.append(pages.reply("/"))) for _ in range(6)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    together = len(made)
    monkeypatch.setattr(server, "_KEPT_SECONDS", 0.0)
    pages.reply("/")

    assert {reply.status for reply in seen} == {200}
    assert (together, len(made)) == (1, 2)


def test_a_run_at_work_is_looked_at_more_often(lake, monkeypatch):
    monkeypatch.setattr(dashboard, "page", lambda *_, **__: Page("a dashboard", "", MOMENT, []))
    runs.begin(lake.layout, "snakemake", [])

    assert '<meta http-equiv="refresh" content="10">' in Pages(lake, 30).dashboard()


def test_the_command_serves_until_it_is_interrupted(lake):
    process = subprocess.Popen(
        [COMMAND, "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        port = int(re.match(r"http://127\.0\.0\.1:(\d+) shows data/parquet", process.stdout.readline())[1])
        looked = ask(port, "/favicon.ico")[0]
        second = subprocess.run(
            [COMMAND, "serve", "--port", str(port)], capture_output=True, text=True, timeout=30
        )
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()

    assert looked == 404
    assert (second.returncode, second.stdout, second.stderr.count("\n")) == (1, "", 1)
    assert f"port {port} is taken" in second.stderr
    assert (process.returncode, out.strip(), err) == (0, "ended", "")
