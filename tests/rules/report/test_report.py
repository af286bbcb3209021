"""`spx-data report` and `spx-data serve`: pages made, kept and shown, and what is said where none can be."""

import contextlib
import dataclasses
import datetime as dt
import http.client
import logging
import multiprocessing
import os
import re
import resource
import shutil
import signal
import socket
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
from spx_data import __version__, cli, config, report
from spx_data.errors import InsufficientDiskSpaceError, MachineError, SpxDataError
from spx_data.lake import runs
from spx_data.ops import serving as server
from spx_data.ops.serving import Server, Visitors
from spx_data.report import dashboard, live, many
from spx_data.report import page as pages
from spx_data.report.live import Pages
from spx_data.report.page import Page
from spx_data.settings import Settings
from spx_data.store import disk, files

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
        code = cli.run()
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err.splitlines()

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
    assert "in the future. The last finished session is 2024-01-04" in err[2]


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
    monkeypatch.setattr(many.page, "html", lambda *_: "page")

    code, out, err = call("report", str(DAYS[0]), "--open")

    assert (code, out, len(err)) == (1, [page_of(DAYS[0])], 1)
    assert f"Open {page_of(DAYS[0])} yourself" in err[0]


# When pages are stale -----------------------------------------------------------------------------------


def test_a_page_is_stale_when_its_day_was_sealed_again_or_it_was_made_otherwise(lake):
    page, sidecar = lake.layout.day_page(DAYS[1]), lake.layout.sidecar(DAYS[1])

    def written(release=__version__, age=0.0, settings=lake):
        rules = report.rules_digest(settings)
        head = f'<meta name="generator" content="spx-data {release}"><meta name="rules" content="{rules}">'
        files.write_text(page, head)
        at = sidecar.stat().st_mtime - age
        os.utime(page, (at, at))
        return report.is_stale(lake, DAYS[1])

    assert report.newest_stale(lake) == list(DAYS)
    assert not written()
    assert report.newest_stale(lake) == [DAYS[0]]
    assert written(age=1.0)
    assert written(release="0.0.9")
    stricter = dataclasses.replace(lake, quality=lake.quality._replace(warn_below=99.0))
    assert written(settings=stricter)


def test_a_full_disk_ends_it_at_once(lake, monkeypatch):
    def full(*_):
        raise InsufficientDiskSpaceError("no room", cure="Make room", path="", required=None, available=0)

    monkeypatch.setattr(many, "page_of", full)

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
    assert headers["Content-Security-Policy"] == f"{pages.policy()}; frame-ancestors 'none'"
    assert (head[0], head[1]["Content-Length"], head[2]) == (200, headers["Content-Length"], "")
    assert not lake.layout.dashboard.exists()  # it only looks
    assert '"page":[1,1' in body  # and leads to sealed days that have no page yet


def test_the_page_of_a_day_is_made_once_and_kept(served, lake, monkeypatch):
    first = ask(served, f"/days/{DAYS[0]}.html")
    monkeypatch.setattr(report, "day_text", None)  # nobody calls it again
    again = ask(served, f"/days/{DAYS[0]}.html?a=b")

    kept = lake.layout.day_page(DAYS[0])
    assert (first[0], again[0]) == (200, 200)
    linked = kept.read_text().replace(f"../dashboard.html#{DAYS[1]}", f"{DAYS[1]}.html")
    assert first[2] == again[2] == linked
    assert 'href="../dashboard.html"' in first[2]


@pytest.mark.parametrize(
    "path, status, says",
    [
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


@pytest.mark.parametrize(
    "date, why, cure",
    [
        ("2024-01-04", "not sealed yet", "spx-data process 2024-01-04"),
        ("2023-12-29", "before the start date, 2024-01-02", "spx-data process 2023-12-29"),
        ("2024-01-01", "New Years Day, no session of NYSE", "The nearest sessions are"),
        ("2024-01-08", "in the future", "The last finished session is 2024-01-04"),
        ("1492-10-12", "before 2017-01-03, when greeks of SPX options begin", "Name 2017-01-03 or later"),
    ],
)
def test_a_day_that_is_not_there_has_a_page_that_says_why_and_what_helps(served, date, why, cure):
    status, headers, body = ask(served, f"/days/{date}.html")

    assert status == 404
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert f"{date} has no page: {why}" in body
    assert cure in body
    assert pages.has_policy(body)


def test_links_to_days_without_a_page_lead_to_the_dashboard_on_disk_and_to_the_page_where_it_is_served(
    served, lake
):
    body = ask(served, f"/days/{DAYS[0]}.html")[2]

    assert f'href="../dashboard.html#{DAYS[1]}"' in lake.layout.day_page(DAYS[0]).read_text()
    assert f'rel="next" href="{DAYS[1]}.html"' in body


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
        return Page("a dashboard", "", MOMENT, None, [])

    monkeypatch.setattr(dashboard, "page", slow)
    pages = Pages(lake, 30)
    seen = []
    lookers = [threading.Thread(target=lambda: seen.append(pages.reply("/"))) for _ in range(6)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    together = len(made)
    monkeypatch.setattr(live, "_KEPT_SECONDS", 0.0)
    pages.reply("/")

    assert {reply.status for reply in seen} == {200}
    assert (together, len(made)) == (1, 2)


def test_a_run_at_work_is_looked_at_more_often(lake, monkeypatch):
    monkeypatch.setattr(dashboard, "page", lambda *_, **__: Page("a dashboard", "", MOMENT, None, []))
    runs.begin(lake.layout, "snakemake", [])

    assert '<meta http-equiv="refresh" content="10">' in Pages(lake, 30).dashboard()


def test_settings_that_change_while_they_are_served_are_taken_up_or_it_is_said_why_not(lake):
    document = config.load(config.FILE)

    def changed(text):
        config.FILE.write_text(text)
        os.utime(config.FILE, ns=(time.time_ns(), time.time_ns()))
        return ask(port)

    with serving(256) as (process, port):
        before = ask(port)
        document["processing"] |= {"start_date": "2024-01-03"}
        taken_up = changed(yaml.safe_dump(document))
        bad = changed("processing: {start_date: soon}")
        good = changed(yaml.safe_dump(document))
        process.send_signal(signal.SIGINT)
        process.wait(timeout=_PATIENCE)

    assert [each[0] for each in (before, taken_up, bad, good)] == [200] * 4
    assert "from 2024-01-02" in before[2]
    assert "from 2024-01-03" in taken_up[2]
    assert "from 2024-01-03" in bad[2]
    assert "The settings have changed and cannot be used" in bad[2]
    assert "processing.start_date" in bad[2]
    assert "The settings have changed" not in good[2]


def test_the_command_serves_until_it_is_interrupted(lake):
    process = subprocess.Popen(
        [COMMAND, "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        port = int(re.match(r"http://127\.0\.0\.1:(\d+) shows data/parquet", process.stdout.readline())[1])
        looked = ask(port, "/favicon.ico")[0]
        second = subprocess.run(
            [COMMAND, "serve", "--port", str(port)], capture_output=True, text=True, timeout=_PATIENCE
        )
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=_PATIENCE)
    finally:
        process.kill()

    assert looked == 404
    assert (second.returncode, second.stdout, second.stderr.count("\n")) == (1, "", 1)
    assert f"port {port} is taken" in second.stderr
    assert (process.returncode, out.strip(), err) == (0, "ended", "")


# Pages of many days -------------------------------------------------------------------------------------


def contents(settings, dates, processes):
    """The pages of *dates* made by so many processes, from none."""
    shutil.rmtree(settings.layout.dashboard.parent, ignore_errors=True)
    made = list(report.write_days(settings, MOMENT, dates, processes))
    assert [each.date for each in made] == dates
    return [each.path.read_bytes() if each.path else str(each.error) for each in made]


def test_pages_that_are_made_side_by_side_are_those_that_are_made_in_turn(lake):
    dates = [*DAYS, dt.date(2024, 1, 1), *DAYS]  # one has no page

    in_turn, side_by_side = contents(lake, dates, 1), contents(lake, dates, 2)

    assert in_turn == side_by_side
    assert in_turn[2].startswith("2024-01-01 has no page: New Years Day, no session of NYSE")
    assert {stat.S_IMODE(path.stat().st_mode) for path in lake.layout.day_pages()} == {0o600}


def test_a_killed_maker_of_pages_is_an_error_with_a_cure(lake):
    made = report.write_days(lake, MOMENT, [DAYS[0]] * 20, 2)
    next(made)
    for child in multiprocessing.active_children():
        child.kill()

    with pytest.raises(MachineError, match="was killed"):
        list(made)


INTERRUPTED = """
import sys, yaml
from spx_data import config, report
from spx_data.market import sessions
from spx_data.settings import Settings
import datetime as dt

settings = Settings.of(config.resolve(config.load(config.FILE), {}))
try:
    for made in report.write_days(settings, sessions.now(), [dt.date(2024, 1, 2)] * 1000, 2):
        print(made.path, flush=True)
except KeyboardInterrupt:
    sys.exit(130)
"""


def started_apart(program):
    """A Python that does *program* in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(Path(report.__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ends_as_a_group(process):
    with pytest.raises(ProcessLookupError):  # the last to go is one that looks after the others' resources
        for _ in range(600):
            os.killpg(process.pid, 0)
            time.sleep(0.1)


def test_an_interrupt_ends_all_makers_of_pages_without_a_trace(lake):
    process = started_apart(INTERRUPTED)
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    _, err = process.communicate(timeout=120)

    assert (process.returncode, err) == (130, "")
    ends_as_a_group(process)
    assert not list(lake.layout.dashboard.parent.rglob("*.part"))


def test_an_interrupt_while_makers_of_pages_are_started_is_heard_at_once(lake, monkeypatch):
    submit = many.ProcessPoolExecutor.submit

    def interrupted(*words):
        os.kill(os.getpid(), signal.SIGINT)
        return submit(*words)

    monkeypatch.setattr(many.ProcessPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(report.write_days(lake, MOMENT, [DAYS[0]] * 20, 2))

    assert not multiprocessing.active_children()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_makers_of_pages_end_with_who_started_them(lake, number):
    process = started_apart(INTERRUPTED)
    process.stdout.readline()
    process.send_signal(number)
    process.communicate(timeout=120)

    ends_as_a_group(process)


# The server, and whoever means it harm -----------------------------------------------------------------

FLOOD = 500
_PATIENCE = 120  # seconds: how busy a machine is decides no test


@contextlib.contextmanager
def serving(handles):
    """The process and the port of the command, which may have so many *handles*."""

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (handles, handles))

    process = subprocess.Popen(
        [COMMAND, "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    )
    try:
        yield process, int(re.match(r"http://127\.0\.0\.1:(\d+) ", process.stdout.readline())[1])
    finally:
        process.kill()
        process.communicate()


def seconds_of(process):
    """The processor's time that a process took."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def asked_again(port):
    """The status of the first answer; whoever comes in the midst of a flood may be pushed out with it."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return ask(port)[0]
    return None


def idles(process):
    """Whether the process takes less than half of a second of one, once it has seen the ends of others."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        before = seconds_of(process)
        time.sleep(1)
        if seconds_of(process) - before < 0.5:
            return True
    return False


@pytest.fixture
def many_handles():
    """Let this process have open what the flood takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FLOOD + 200:
        pytest.skip(f"a process may have {hard} files open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FLOOD + 200), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="times of processes are read from /proc")
def test_hundreds_of_idle_connections_and_64_handles_keep_nobody_out(lake, many_handles):
    with serving(64) as (process, port), contextlib.ExitStack() as stack:
        assert ask(port)[0] == 200
        for number in range(FLOOD):
            silent = stack.enter_context(socket.socket())
            silent.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                silent.connect(("127.0.0.1", port))
            with contextlib.suppress(OSError):
                silent.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " if number % 2 else b"")
        during = asked_again(port)
        stack.close()
        after = ask(port)[0]
        idle = idles(process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=_PATIENCE)

    assert (during, after) == (200, 200)
    assert idle  # it waits and does not spin
    assert said.count("This is said once") == 1
    assert "Traceback" not in said


def test_without_a_handle_for_the_next_connection_it_waits_and_goes_on(lake, monkeypatch, caplog):
    refused = []

    def full(self):
        if len(refused) < 3:
            refused.append(OSError(24, "Too many open files"))
            raise refused[-1]
        return real(self)

    real = server.TCPServer.get_request
    monkeypatch.setattr(server.TCPServer, "get_request", full)
    monkeypatch.setattr(server, "_PAUSE_SECONDS", 0.0)
    with running(lake) as port:
        assert ask(port, "/nothing")[0] == 404

    assert len(refused) == 3
    assert caplog.text.count("Too many open files") == 1


@contextlib.contextmanager
def running(lake):
    """The port of a server of *lake* in this process."""
    with Server("127.0.0.1", 0, Pages(lake, 30)) as there:
        thread = threading.Thread(target=there.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield there.server_port
        there.shutdown()


def test_a_byte_now_and_then_holds_no_connection(lake, monkeypatch):
    monkeypatch.setattr(server, "_ASKING_SECONDS", 0.2)
    with running(lake) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as slow:
        ended = False
        for _ in range(1000):
            try:
                slow.send(b"G")
            except OSError:
                ended = True
                break
            time.sleep(0.01)

        assert ended
        assert ask(port, "/nothing")[0] == 404


def test_who_reads_no_answer_is_ended(lake, monkeypatch):
    monkeypatch.setattr(Pages, "reply", lambda *_: server.Reply("x" * (64 << 20)))
    left, leave = threading.Event(), Visitors.leave

    def leaving(*given):
        leave(*given)
        left.set()

    monkeypatch.setattr(Visitors, "leave", leaving)
    with running(lake) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as deaf:
        deaf.send(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert deaf.recv(1, socket.MSG_PEEK)  # it has begun, however long that took
        monkeypatch.setattr(server, "_ANSWERING_SECONDS", 0.2)
        assert left.wait(30)  # though nobody has read a byte of the answer
        got = 0
        with contextlib.suppress(OSError):
            while block := deaf.recv(1 << 20):
                got += len(block)

    assert got < 64 << 20


@pytest.mark.parametrize(
    "request_, status",
    [
        (b"GET / HTTP/1.1\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost@rebound.example\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: rebound.example#localhost\r\n\r\n", 421),
        (b"GET http://rebound.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /..%2f..%2fconfig%2fconfig.yaml HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /days/../../../config/config.yaml HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /days/2024-01-02.html\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /days/2024-01-02.html%0d%0aX:%20y HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /<script>window.hit=1</script> HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (b"CONNECT rebound.example:443 HTTP/1.1\r\n\r\n", 405),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"<script>window.hit=1</script>\r\n\r\n", 400),
    ],
)
def test_an_odd_request_is_refused_in_plain_text(served, request_, status):
    with socket.create_connection(("127.0.0.1", served), timeout=30) as asking:
        asking.sendall(request_)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while block := asking.recv(1 << 16):
                answer += block
    head, _, _ = answer.partition(b"\r\n\r\n")

    assert int(head.split()[1]) == status
    assert b"Content-Type: text/plain; charset=utf-8" in head
    assert b"Content-Security-Policy: default-src 'none'; script-src 'sha256-" in head
    assert b"X: y" not in head


def test_a_page_that_somebody_put_in_the_place_of_a_kept_one_is_not_shown(served, lake):
    first = ask(served, f"/days/{DAYS[0]}.html")[2]
    kept = lake.layout.day_page(DAYS[0])
    head = first[: first.index("<meta http-equiv")]
    kept.write_text(f"{head}<script>window.hit=1</script>")
    again = ask(served, f"/days/{DAYS[0]}.html")[2]

    assert "window.hit" not in again
    assert "<h1>" in again

    kept.unlink()
    kept.symlink_to("/etc/passwd")
    assert "root:x:" not in ask(served, f"/days/{DAYS[0]}.html")[2]
    assert not kept.is_symlink()


# Pages while the lake changes ---------------------------------------------------------------------------


def looked_at(monkeypatch, victim=None):
    """Make both pages; the file *victim* goes as soon as it is to be opened. Returns what was opened."""
    opened = []
    real = disk.open_plain

    def open_plain(path, flags, **options):
        opened.append(Path(path))
        if opened[-1] == victim and victim.exists():
            victim.unlink()
        return real(path, flags, **options)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "open_plain", open_plain)
        page = report.write_dashboard(settings_here(), MOMENT)
        list(report.write_days(settings_here(), MOMENT, [DAYS[0]]))
    assert page.read_text().endswith("</html>")
    return [
        path for path in dict.fromkeys(opened) if path.suffix in (".json", ".jsonl", ".sha256", ".parquet")
    ]


def test_a_file_that_goes_between_listing_and_reading_ends_no_page(filled, tmp_path, monkeypatch):
    monkeypatch.setenv("SPX_DATA_NOW", NOW)
    shutil.copytree(filled, tmp_path / "first")
    monkeypatch.chdir(tmp_path / "first")
    victims = looked_at(monkeypatch)
    assert {"spx-options-2024-01-02.json", "2024-01-02.jsonl"} <= {path.name for path in victims}

    for number, victim in enumerate(victims):
        shutil.copytree(filled, tmp_path / str(number))
        monkeypatch.chdir(tmp_path / str(number))
        looked_at(monkeypatch, victim)


def test_pages_are_whole_while_days_are_sealed(tmp_path, monkeypatch):
    monkeypatch.setenv("SPX_DATA_NOW", NOW)
    monkeypatch.chdir(tmp_path)
    config.FILE.parent.mkdir()
    settings = theta_simulator.Settings(size="tiny", today=dt.date(2024, 12, 31))
    with theta_simulator.running(settings) as terminal:
        sections = {"processing": {"start_date": "2024-01-02", "end_date": "2024-01-04"}}
        config.FILE.write_text(
            yaml.safe_dump(sections | {"thetadata": {"base_url": terminal.url, "api": "v3"}})
        )
        sealing = threading.Thread(target=lambda: [Date(settings_here(), date).fill() for date in DAYS])
        sealing.start()
        seen, last_look = [], False
        while not last_look:
            last_look = not sealing.is_alive()
            page = report.write_dashboard(settings_here(), MOMENT)
            bad = [made for made in report.write_days(settings_here(), MOMENT, DAYS) if made.error]
            assert all(isinstance(made.error, SpxDataError) for made in bad), bad
            assert page.read_text().endswith("</html>")
            assert not list(page.parent.rglob("*.part"))
            seen.append(len(DAYS) - len(bad))

    assert seen[-1] == len(DAYS)
    assert seen == sorted(seen)  # what was sealed stays so
