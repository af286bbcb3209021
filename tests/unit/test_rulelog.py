"""The log of a job says how it ended."""

import logging

import pytest

from spx_data import rulelog
from spx_data.errors import ApiConnectionError


@pytest.fixture(autouse=True)
def same_logging():
    """Close the handlers of a test, so that the next one logs where it says."""
    yield
    logging.basicConfig(force=True)


def test_what_a_job_says_is_in_its_log(tmp_path):
    with rulelog.to(tmp_path / "rule.log"):
        logging.getLogger("spx_data.fill").info("2024-01-02: %d chains listed", 42)

    assert "INFO 2024-01-02: 42 chains listed" in (tmp_path / "rule.log").read_text()


def test_an_error_of_ours_is_one_line_with_its_cure(tmp_path):
    with pytest.raises(SystemExit) as caught, rulelog.to(tmp_path / "rule.log"):
        raise ApiConnectionError("the line is dead", cure="Mend it")

    (line,) = (tmp_path / "rule.log").read_text().splitlines()
    assert line.endswith("ERROR the line is dead. Mend it")
    assert caught.value.code == 1


def test_any_other_error_is_logged_with_its_traceback(tmp_path):
    with pytest.raises(SystemExit) as caught, rulelog.to(tmp_path / "rule.log"):
        1 / 0  # noqa: B018

    text = (tmp_path / "rule.log").read_text()
    assert "Traceback" in text
    assert "ZeroDivisionError" in text
    assert caught.value.code == 1
