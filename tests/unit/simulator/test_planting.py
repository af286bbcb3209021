"""What may identify somebody, planted: in every header and every sentence of trouble, in no table."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import requests

from theta_simulator import Faults, Habit, Outage, Settings, running

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
TODAY = "2024-12-31"
WORDS = ("alice@example.org", "/home/alice/key")
SAID = "alice@example.org /home/alice/key"
V3 = "/v3/option/history/greeks/first_order?symbol=SPXW&expiration=20241210&date=20241210&interval=1h"
V2 = "/v2/bulk_hist/option/greeks?root=SPXW&exp=20241210&start_date=20241210&end_date=20241210&ivl=3600000"


@pytest.fixture
def terminal(request):
    with running(Settings(size="tiny", today=date(2024, 12, 31), **request.param)) as terminal:
        yield terminal


def get(terminal, target):
    return requests.get(terminal.url + target, timeout=30)


def of(api, **options):
    return {"api": api, "planted": WORDS} | options


@pytest.mark.parametrize(
    ("terminal", "target", "status", "server"),
    [
        (of("v3"), V3, "/v3/terminal/mdds/status", f"Jetty(12.0.14) {SAID}"),
        (of("v2"), V2, "/v2/system/mdds/status", SAID),
    ],
    indirect=["terminal"],
)
def test_headers_have_the_words_and_data_and_status_do_not(terminal, target, status, server):
    for answer in (get(terminal, target), get(terminal, status)):
        assert answer.status_code == 200
        assert SAID.encode() not in answer.content
        assert answer.headers["server"] == server
        assert {answer.headers[name] for name in ("x-served-by", "x-account", "x-path")} == {SAID}
    assert get(terminal, status).text == "CONNECTED"


@pytest.mark.parametrize(
    ("terminal", "target", "code"),
    [
        (of("v3"), V3.replace("20241210", "20241207"), 472),
        (of("v2"), V2.replace("20241210", "20241207"), 472),
        (of("v3"), V3.replace("SPXW", ""), 400),
        (of("v3"), "/v3/nothing", 404),
        (of("v3"), "/v2/system/mdds/status", 410),
        (of("v2"), "/v2/page/7", 477),
        (of("v3", status="UNVERIFIED"), V3, 474),
        (of("v3", faults=Faults(1, 1.0, ("refused-tier",))), V3, 403),
        (of("v2", faults=Faults(1, 1.0, ("refused-tier",))), V2, 471),
        (of("v3", faults=Faults(1, 0.0, outages=(Outage(1, 9),))), V3, 474),
        (of("v3", faults=Faults(1, 1.0, ("html",))), V3, 200),
        (of("v3", faults=Faults(1, 1.0, ("sentence",))), V3, 200),
        (of("v3", faults=Faults(1, 1.0, ("sentence-as-csv",))), V3, 200),
        (of("v3", habits=(Habit("busy-first"),)), V3, 429),
    ],
    indirect=["terminal"],
)
def test_sentences_of_trouble_end_in_the_words(terminal, target, code):
    answer = get(terminal, target)

    assert answer.status_code == code
    assert answer.text.endswith(f" {SAID}")


@pytest.mark.parametrize("terminal", [of("v3", planted=())], indirect=True)
def test_nothing_is_planted_unasked(terminal):
    missing = get(terminal, "/v3/nothing")

    assert missing.text == "Not found: /v3/nothing"
    assert missing.headers["server"] == "Jetty(12.0.14)"
    assert "x-account" not in missing.headers


def test_a_word_of_several_lines_is_refused():
    with pytest.raises(ValueError, match="printable"):
        Settings(planted=("a\r\nb: c",))


def test_words_are_planted_from_the_command_line():
    code = (
        "import os, urllib.request as u;"
        "print(u.urlopen(os.environ['THETADATA_BASE_URL'] + '/v3/terminal/mdds/status').headers['x-path'])"
    )
    words = ["--size", "tiny", "--today", TODAY, "--plant", ",".join(WORDS), "--", sys.executable, "-c", code]

    run = subprocess.run(
        [sys.executable, "-m", "theta_simulator", *words],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        text=True,
        capture_output=True,
        timeout=240,
        check=True,
    )

    assert run.stdout.splitlines()[-1] == SAID
