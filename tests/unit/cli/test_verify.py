"""What a verification says on the terminal."""

import datetime as dt
import io

import pytest
from rich.console import Console

from spx_data.cli import screen
from spx_data.cli.verify import print_report, watching
from spx_data.errors import PermissionDeniedError
from spx_data.lake.verify import Damage, Day, Examination, Finding, Progress, Report, Standing
from spx_data.market.dates import Dates

DATE = dt.date(2024, 1, 2)
LATER = dt.date(2024, 1, 3)


def console(**how):
    return Console(file=io.StringIO(), width=200, highlight=False, **how)


def said(report):
    shown = console()
    print_report(report, shown)
    return shown.file.getvalue()


def examination(standing, *findings, date=DATE, size=2_000_000_000):
    return Examination(date, "pages", standing, findings, size)


def test_healthy_days_are_a_rate_and_roots():
    days = [Day(DATE, examination(Standing.HEALTHY))]

    text = said(Report("pages", 2.0, days, None, {DATE: "a" * 64}))

    assert "1 day looked at, every byte and every page: 2.0 GB in 2.0 s, 1.0 GB/s" in text
    assert "1 day as sealed" in text
    assert "root 2024  " in text
    assert "root of the lake  " in text
    assert "gap" not in text


@pytest.mark.parametrize(
    ("within", "says"),
    [(None, "no day was ever sealed\n"), (Dates.of("2019"), "no day of these dates was ever sealed\n")],
)
def test_where_nothing_was_sealed_nothing_was_looked_at(within, says):
    assert said(Report("pages", 0.0, [], within)) == says


def test_a_damaged_day_is_named_with_its_findings_and_its_place():
    finding = Finding(Damage.TRUNCATED, "1 of 2 bytes [sic], 1 are gone")
    days = [Day(DATE, examination(Standing.DAMAGED, finding), "data/quarantine/2024-01-02/x")]

    text = said(Report("bytes", 1.0, days))

    assert "2024-01-02 damaged: truncated" in text
    assert "truncated: 1 of 2 bytes [sic], 1 are gone" in text
    assert "moved to data/quarantine/2024-01-02/x" in text
    assert "A damaged date is a gap now: the next run fetches it again." in text
    assert "root" not in text


def test_a_day_of_which_nothing_is_left_was_not_moved():
    lost = [Damage.PARQUET_LOST, Damage.SIDECAR_LOST, Damage.PASSPORT_LOST]
    findings = [Finding(damage, "is not there") for damage in lost]

    text = said(Report("bytes", 1.0, [Day(DATE, examination(Standing.DAMAGED, *findings), "folder")]))

    assert "nothing is left to move, the report is in folder" in text


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (Day(DATE, examination(Standing.UNFINISHED)), "2024-01-02 unfinished"),
        (Day(DATE, examination(Standing.ABSENT)), "2024-01-02 is not sealed"),
        (Day(DATE, error=PermissionDeniedError("no", cure="Ask")), "could not be examined: Permission"),
        (
            Day(DATE, examination(Standing.DAMAGED), error=PermissionDeniedError("no")),
            "could not be moved away: PermissionDeniedError: no",
        ),
    ],
)
def test_what_is_neither_whole_nor_moved_is_said_too(day, expected):
    assert expected in said(Report("pages", 1.0, [day]))


def test_on_a_terminal_there_is_a_bar():
    shown = console(force_terminal=True)

    with watching(shown) as observer:
        observer(Progress(1, 2, 500, 2_500_000))

    text = shown.file.getvalue()
    assert "verifying" in text
    assert "500 bytes of 2.5 MB" in text


def test_elsewhere_there_is_a_line_now_and_then(monkeypatch):
    clock = iter([0.0, 10.0, 31.0, 31.0, 40.0])
    monkeypatch.setattr(screen.time, "monotonic", lambda: next(clock))
    shown = console()

    with watching(shown) as observer:
        for number in range(3):
            observer(Progress(number, 2, number, 2))

    assert shown.file.getvalue() == "verifying: 1 of 2 days, 1 bytes of 2 bytes\n"
