"""How long logs and journals are kept: by age, by size, never a sealed day's evidence."""

import datetime as dt
import errno
import gzip
import logging
import os
from dataclasses import replace

import pytest
from tests.proof.disk import Disk

from spx_data.errors import AnotherRunError
from spx_data.ops import cleanup
from spx_data.ops.cleanup import Action, after_a_run, logs_to_tidy, tidy_logs
from spx_data.settings import Retention
from spx_data.store import archive, files, journal, locks, reads, seals
from spx_data.store.journal import Journal
from spx_data.store.names import compressed_of

NOW = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
DAY = dt.date(2024, 1, 2)
KEEP = Retention(compress_days=30, logs_days=365, logs_mb=None, audit_days=None)


@pytest.fixture
def settings(lake):
    return with_policy(lake())


def with_policy(settings, **policy):
    return replace(settings, retention=KEEP._replace(**policy))


def aged(path, days):
    moment = NOW.timestamp() - days * 86_400
    os.utime(path, (moment, moment))
    return path


def log(settings, name, days, text="said\n"):
    path = settings.layout.logs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return aged(path, days)


def logs(settings):
    found = (path for path in settings.layout.logs.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(settings.layout.logs)) for path in found)


def apply(settings):
    return list(tidy_logs(settings, NOW))


def seal(settings, date=DAY):
    parquet = settings.layout.parquet(date)
    files.write_text(parquet, "rows")
    seals.seal(parquet, reads.digest(parquet), {})


def write_journal(settings, *events, days, date=DAY):
    path = settings.layout.journal(date)
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, at in events:
        files.append_line(
            path, f'{{"at": "{at}T12:00:00+00:00", "event": "{name}", "stage": "x", "run": "r"}}'
        )
    return aged(path, days)


def kinds(path):
    return [event["event"] for event in journal.read(path)]


# Logs ---------------------------------------------------------------------------------------------------


def test_old_logs_are_compressed_and_keep_their_age(settings):
    old = log(settings, "2024/01/02/merge_date.log", 31, "sealed\n")
    log(settings, "2024/05/30/merge_date.log", 29)

    apply(settings)

    assert logs(settings) == ["2024/01/02/merge_date.log.gz", "2024/05/30/merge_date.log"]
    assert gzip.decompress(compressed_of(old).read_bytes()) == b"sealed\n"
    assert compressed_of(old).stat().st_mtime == NOW.timestamp() - 31 * 86_400


def test_compressed_logs_are_dropped_when_they_are_old_enough_and_so_are_empty_folders(settings):
    log(settings, "2023/01/03/merge_date.log.gz", 366)
    log(settings, "runs/a.log.gz", 364)

    apply(settings)

    assert logs(settings) == ["runs/a.log.gz"]
    assert not (settings.layout.logs / "2023").exists()


def test_a_log_is_compressed_before_it_is_dropped_however_old_it_is(settings):
    log(settings, "runs/a.log", 4000)

    (done,) = apply(settings)

    assert done.task.action is Action.COMPRESS
    assert logs(settings) == ["runs/a.log.gz"]
    apply(settings)
    assert logs(settings) == []


def test_a_log_of_a_later_try_joins_the_compressed_one(settings):
    path = log(settings, "runs/a.log", 40, "first\n")
    apply(settings)
    log(settings, "runs/a.log", 35, "second\n")

    apply(settings)

    assert gzip.decompress(compressed_of(path).read_bytes()) == b"first\nsecond\n"


def test_null_keeps_logs_as_they_are_for_ever(settings):
    log(settings, "runs/a.log", 4000)
    log(settings, "runs/b.log.gz", 4000)

    assert apply(with_policy(settings, compress_days=None, logs_days=None)) == []


def test_logs_of_the_last_day_may_be_in_use_and_stay(settings):
    log(settings, "runs/a.log", 0.9, "x" * 100)

    assert apply(with_policy(settings, compress_days=0, logs_mb=0)) == []


def test_where_logs_take_too_much_the_oldest_are_compressed_first(settings):
    for days in (20, 10, 15):
        log(settings, f"runs/{days}.log", days, "word " * 2000)

    apply(with_policy(settings, logs_mb=0.025))

    assert logs(settings) == ["runs/10.log", "runs/15.log", "runs/20.log.gz"]


def test_only_when_all_are_compressed_the_oldest_are_dropped(settings):
    for days in (20, 10, 15):
        path = settings.layout.logs / "runs" / f"{days}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(10_000))
        aged(path, days)

    apply(with_policy(settings, logs_mb=0.0205))

    assert logs(settings) == ["runs/10.log.gz", "runs/15.log.gz"]


def test_what_is_no_log_is_left_alone(settings):
    log(settings, "notes.txt", 4000)
    log(settings, "runs/a.log.bak", 4000)

    assert apply(with_policy(settings, logs_mb=0)) == []


def test_a_plan_says_what_is_going_to_happen_and_changes_nothing(settings):
    for days in (40, 20):
        log(settings, f"runs/{days}.log", days, "word " * 2000)
    log(settings, "runs/400.log.gz", 400)
    policy = with_policy(settings, logs_mb=0.002)

    planned = list(logs_to_tidy(policy, NOW))

    assert logs(settings) == ["runs/20.log", "runs/40.log", "runs/400.log.gz"]
    assert [(task.path.name, str(task.action)) for task in planned] == [
        ("400.log.gz", "remove"),
        ("40.log", "compress"),
        ("20.log", "compress"),
        ("40.log.gz", "remove"),
    ]
    assert planned[1].reason == "older than 30 days"
    assert planned[2].reason == "logs take more than 0.002 MB together"


def test_a_stop_at_any_operation_leaves_the_log_once(settings):
    path = log(settings, "runs/a.log", 40, "first\n")
    apply(settings)
    before = compressed_of(path).read_bytes()
    log(settings, "runs/a.log", 40, "second\n")
    with Disk() as counting:
        files.compress(path)

    for at in range(1, counting.count + 1):
        for power in (False, True):
            compressed_of(path).write_bytes(before)
            log(settings, "runs/a.log", 40, "second\n")
            with Disk(at, power=power, seed=at):
                files.compress(path)

            apply(settings)
            assert gzip.decompress(compressed_of(path).read_bytes()) == b"first\nsecond\n", (at, power)


# Journals -----------------------------------------------------------------------------------------------

SEALED = [("started", "2024-01-03"), ("request", "2024-01-03"), ("sealed", "2024-01-03")]


def test_journals_of_sealed_dates_are_compressed_when_they_are_at_rest(settings):
    seal(settings)
    path = write_journal(settings, *SEALED, days=31)

    (done,) = apply(settings)

    assert done.task.reason == "no event for more than 30 days"
    assert not path.exists()
    assert kinds(path) == ["started", "request", "sealed"]
    assert settings.layout.journals() == [path]
    assert apply(settings) == []


def test_journals_that_may_still_matter_stay_as_they_are(settings):
    write_journal(settings, *SEALED, days=400)  # not sealed
    fresh = dt.date(2024, 1, 3)
    seal(settings, fresh)
    write_journal(settings, *SEALED, days=29, date=fresh)
    Journal(settings.layout.lake_journal, "verify").record(journal.VERIFIED)
    aged(settings.layout.lake_journal, 400)

    assert apply(settings) == []


def test_an_event_of_a_compressed_date_goes_to_a_new_file_and_joins_it_later(settings):
    seal(settings)
    path = write_journal(settings, *SEALED, days=31)
    apply(settings)
    Journal(path, "verify").record(journal.QUARANTINED, damages=[], folder="x")
    assert kinds(path) == ["started", "request", "sealed", "quarantined"]

    aged(path, 31)
    apply(settings)

    assert not path.exists()
    assert kinds(path) == ["started", "request", "sealed", "quarantined"]


def test_requests_are_kept_unless_somebody_says_how_long(settings):
    seal(settings)
    path = write_journal(settings, *SEALED, days=4000)

    apply(settings)

    assert "request" in kinds(path)


def test_old_requests_are_left_out_and_nothing_else(settings):
    seal(settings)
    path = write_journal(
        settings, ("request", "2024-01-03"), ("retried", "2024-01-03"), ("request", "2024-05-30"), days=31
    )

    apply(with_policy(settings, audit_days=90))

    assert [(event["event"], event["at"][:10]) for event in journal.read(path)] == [
        ("retried", "2024-01-03"),
        ("request", "2024-05-30"),
    ]


def test_requests_that_grow_old_in_a_compressed_journal_go_too(settings):
    seal(settings)
    path = write_journal(settings, *SEALED, days=31)
    assert len(apply(with_policy(settings, audit_days=365))) == 1
    assert apply(with_policy(settings, audit_days=365)) == []

    (done,) = apply(with_policy(settings, audit_days=90))

    assert (done.task.action, done.error) == (Action.SHORTEN, None)
    assert kinds(path) == ["started", "sealed"]
    assert apply(with_policy(settings, audit_days=90)) == []


def test_a_damaged_compressed_journal_is_reported_and_the_others_are_done(settings):
    other = dt.date(2024, 1, 3)
    for date in (DAY, other):
        seal(settings, date)
        write_journal(settings, *SEALED, days=31, date=date)
    compressed_of(settings.layout.journal(DAY)).write_bytes(b"nonsense")

    bad, good = apply(settings)

    assert "FileCorruptionError" in bad.error
    assert good.error is None
    assert settings.layout.journal(DAY).exists()


# After a run --------------------------------------------------------------------------------------------


def test_it_ends_when_its_time_is_up_and_the_next_run_goes_on(settings):
    for days in (40, 50):
        log(settings, f"runs/{days}.log", days)

    assert list(tidy_logs(settings, NOW, seconds=-1)) == []

    assert len(apply(settings)) == 2


def test_trouble_after_a_run_is_a_warning(settings, caplog):
    log(settings, "runs/a.log", 40)

    files.make_directory(settings.layout.lock("logs").parent)

    with Disk(2, error=errno.EIO), caplog.at_level(logging.WARNING):
        after_a_run(settings, NOW)

    assert "a.log stays as it is: DeviceError" in caplog.text
    assert logs(settings) == ["runs/a.log"]


def test_what_nobody_expected_after_a_run_is_a_warning_too(settings, caplog, monkeypatch):
    monkeypatch.setattr(cleanup, "logs", lambda *_: 1 / 0)

    after_a_run(settings, NOW)

    assert "ZeroDivisionError" in caplog.text


def test_two_do_not_tidy_up_at_once(settings, caplog):
    log(settings, "runs/a.log", 40)

    with locks.locked(settings.layout.lock("logs")):
        with pytest.raises(AnotherRunError, match="another process"):
            apply(settings)
        after_a_run(settings, NOW)

    assert logs(settings) == ["runs/a.log"]
    assert "stays" not in caplog.text


def test_a_header_that_somebody_spoilt_drops_no_request(settings):
    seal(settings)
    path = write_journal(settings, *SEALED, days=31)
    archive.pack(path, lambda lines: (lines, {"oldest_request": 7}))

    assert apply(with_policy(settings, audit_days=1)) == []
