"""A terminal whose words do something to a screen: they reach a person as characters, by whatever way."""

import datetime as dt
import unicodedata

import pytest
from tests.between import in_between
from tests.workflow.conftest import TODAY

from spx_data.store import journal
from spx_data.store.journal import Journal
from theta_simulator import Settings as Simulated
from theta_simulator import running

# A window's title, a cleared screen, a colour by C1, letters turned round.
HOSTILE = "no \x1b]0;x\x07 \x1b[2J \u202eabc \x9b31m way"
VISIBLE = r"no \x1b]0;x\x07 \x1b[2J \u202eabc \x9b31m way"
CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
START, END = "2024-12-02", "2024-12-04"


def does_something(text):
    """The characters of *text* that are none to look at."""
    return {char for char in text if unicodedata.category(char) in CATEGORIES} - {"\n"}


def at_history(path, status, body):
    """Refusals of the histories of two dates, and a sentence in place of that of the third."""
    if "/history/greeks" not in path:
        return status, body
    told = {"2024-12-02": 471, "2024-12-03": 500, "2024-12-04": 200}
    return next(status for day, status in told.items() if day in path), HOSTILE.encode()


@pytest.fixture(scope="module")
def hostile_lake(new_lake):
    """A lake that was filled from such a terminal, and what Snakemake said."""
    with running(Simulated(size="tiny", today=TODAY)) as terminal, in_between(terminal, at_history) as url:
        lake = new_lake(None, START, END, base_url=url)
        yield lake, lake.snakemake("--show-failed-logs")


def test_what_snakemake_says_and_the_logs_show_it(hostile_lake):
    lake, ran = hostile_lake
    logs = [path for path in lake.folder.rglob("*.log") if path.is_file()]

    assert ran.returncode == 1
    assert VISIBLE in ran.stdout
    assert does_something(ran.stdout) == set()
    assert len([path for path in logs if VISIBLE in path.read_text()]) >= 3
    assert {path: found for path in logs if (found := does_something(path.read_text()))} == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["status", "--format", "json"],
        ["list"],
        ["list", "--format", "csv"],
        ["list", "--format", "json"],
        ["errors"],
        ["errors", "--format", "csv"],
        ["errors", "--format", "json"],
        ["gaps", "--format", "csv"],
        ["health"],
    ],
    ids=" ".join,
)
def test_every_command_shows_it(hostile_lake, arguments):
    lake, _ = hostile_lake

    done = lake.spx_data(*arguments)

    said = done.stdout + done.stderr
    assert done.returncode in (0, 1)
    assert does_something(said) == set()
    assert (VISIBLE.replace("\\", "\\\\") if "json" in arguments else VISIBLE) in said or arguments[0] in {
        "gaps",
        "health",
    }


def test_the_pages_show_it(hostile_lake):
    lake, _ = hostile_lake

    assert lake.spx_data("report").returncode in (0, 1)

    pages = [path.read_text() for path in lake.folder.rglob("*.html")]
    assert any(VISIBLE in page for page in pages)
    assert all("\u202e" not in page and "\x1b" not in page and "\x9b" not in page for page in pages)


def test_a_run_that_cannot_begin_shows_it(new_lake):
    def refuses(path, status, body):
        return (status, body) if "status" in path else (400, HOSTILE.encode())

    with running(Simulated(size="tiny", today=TODAY)) as terminal, in_between(terminal, refuses) as url:
        lake = new_lake(None, START, END, base_url=url)
        said = [lake.snakemake().stdout]
        said += [
            (done := lake.spx_data(*words)).stdout + done.stderr
            for words in (["process-gaps"], ["health"], ["probe", "--yes"])
        ]

    assert VISIBLE in said[0]
    assert [does_something(each) for each in said] == [set()] * 4


# A lake that somebody else made -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def foreign_lake(filled_lake):
    """A lake with one sealed day, hostile journals and hostile names of files."""
    lake = filled_lake(START, START)
    sections = lake.sections()
    sections["thetadata"]["base_url"] = "http://127.0.0.1:9"
    sections["processing"]["end_date"] = END
    lake.configure(**sections)
    layout = lake.settings.layout
    log = Journal(layout.journal(dt.date(2024, 12, 3)), "download")
    for run in (f"run {HOSTILE}", f"another {HOSTILE}"):
        log.record(journal.STARTED, run=run)
        log.record(
            *(journal.FAILED,),
            error=HOSTILE,
            cause=HOSTILE,
            cure=HOSTILE,
            fields={HOSTILE: HOSTILE},
            surroundings=False,
            seconds=1.0,
            traceback=HOSTILE,
            run=run,
        )
    other = Journal(layout.journal(dt.date(2024, 12, 4)), "download")
    other.record(journal.ACCEPTED, reason=HOSTILE)
    told = {"key": HOSTILE, "old": HOSTILE, "new": [HOSTILE], "by": HOSTILE, "file": HOSTILE}
    Journal(layout.lake_journal, "config").record(journal.CONFIGURED, **told)
    Journal(layout.lake_journal, "run").record(
        journal.RUN_FAILED, error=HOSTILE, cause=HOSTILE, cure=HOSTILE, run=HOSTILE
    )
    for folder in (layout.output, layout.parquet(dt.date(2024, 12, 2)).parent, layout.temp):
        (folder / HOSTILE).write_bytes(b"")
        (folder / "\udce9 no text").write_bytes(b"")
    return lake


@pytest.mark.parametrize(
    "arguments",
    [
        *(["status"], ["list"], ["errors"], ["gaps"], ["quality"], ["inventory"], ["health"], ["verify"]),
        *([command, "--format", "csv"] for command in ("list", "errors", "inventory", "quality")),
        *(["errors", "--format", "json"], ["cleanup", "--dry-run"], ["config", "history"], ["mend"]),
        *(["config", "history", "--format", "csv"], ["retry", "--all-failed"]),
    ],
    ids=" ".join,
)
def test_what_a_foreign_lake_holds_is_shown(foreign_lake, arguments):
    done = foreign_lake.spx_data(*arguments)

    said = done.stdout + done.stderr
    assert done.returncode in (0, 1), said
    assert "unexpected" not in said
    assert does_something(said) == set()
    if arguments[0] in {"errors", "list", "config", "inventory", "verify"} and "json" not in arguments:
        assert r"\x1b[2J" in said
