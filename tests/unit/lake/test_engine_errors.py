"""What Snakemake says of failed jobs: heard in full, and printed once for each reason."""

import logging
import shlex

import pytest

from spx_data.lake.endings import EngineErrors

JOB_ERROR = "an event"


@pytest.fixture
def engine(tmp_path):
    """Return a function by which a job fails as Snakemake tells it, and what the log printed then."""
    printed, logger, errors = [], logging.Logger("snakemake"), EngineErrors()
    handler = logging.Handler()
    handler.emit = lambda record: printed.append((record.getMessage(), getattr(record, "event", None)))
    logger.addHandler(handler)
    logger.addFilter(errors)

    def fail(job, why, how="returned non-zero exit status 1.", folder=tmp_path):
        log = folder / f"{job}.log"
        log.write_text(why)
        printed.clear()
        logger.error(
            f"CalledProcessError in file x:\nCommand 'exec python a.py 2> {shlex.quote(str(log))}' {how}"
        )
        logger.error(f"Error in rule a, jobid: {job}", extra={"jobid": job, "log": [log], "event": JOB_ERROR})
        return list(printed), errors.jobs[job]

    return fail


def gone(port):
    return f"starting\n2024-01-02 10:0{port % 10}:00 ERROR nobody answers at http://127.0.0.1:{port}\n"


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING])
def test_what_is_no_error_is_printed(level):
    errors = EngineErrors()

    assert errors.filter(logging.LogRecord("snakemake", level, "", 0, "3 of 9 steps", None, None))
    assert not errors.jobs


def test_the_first_failure_of_its_kind_is_told_in_full(engine):
    printed, heard = engine(1, gone(1))

    assert printed == [(heard, None), ("Error in rule a, jobid: 1", JOB_ERROR)]


def test_those_like_it_are_a_line_each_and_heard_all_the_same(engine, tmp_path):
    engine(1, gone(1))
    engine(2, gone(2))

    printed, heard = engine(3, gone(3))

    assert printed == [(f"Error in rule a, jobid: 3: like 2 before it ({tmp_path}/3.log)", None)]
    assert heard.endswith("returned non-zero exit status 1.")


@pytest.mark.parametrize(
    ("why", "how"),
    [
        ("the disk is full", "returned non-zero exit status 1."),
        ("", "returned non-zero exit status 1."),
        (gone(1), "died with <Signals.SIGKILL: 9>."),
        (gone(1), "returned non-zero exit status 137."),
    ],
)
def test_what_failed_otherwise_is_told_in_full_too(why, how, engine):
    engine(1, gone(1))

    printed, _ = engine(2, why, how)

    assert len(printed) == 2


def test_what_another_workflow_calls_otherwise_is_told_in_full(engine):
    for how in ("or 2> it's' returned non-zero exit status 1.", "2> a b' returned non-zero exit status 1."):
        assert len(engine(1, gone(1), how)[0]) == 2


def test_a_log_whose_path_has_a_quote_is_read(engine, tmp_path):
    folder = tmp_path / "it's here"
    folder.mkdir()
    engine(1, gone(1), folder=folder)

    printed, _ = engine(2, gone(2), folder=folder)

    assert len(printed) == 1


def test_what_an_executor_says_of_a_job_on_another_machine_is_its_first_sentence(tmp_path):
    errors = EngineErrors()
    said = "SLURM-job '4' failed due to a node failure, SLURM status is: 'NODE_FAIL'. Consider requeueing."
    record = logging.makeLogRecord({"levelno": logging.ERROR, "jobid": 4, "rule_msg": said, "msg": "Error"})

    assert errors.filter(record)

    assert errors.elsewhere == {4: said.partition(". ")[0]}
    assert errors.jobs == {4: ""}
