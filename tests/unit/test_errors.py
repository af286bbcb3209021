"""Errors: one line with the cure, the same in another process, and no secret in them."""

import pickle
import unicodedata

import pytest

from spx_data import errors
from spx_data.errors import SpxDataError
from spx_data.text import printable


def kinds(kind=SpxDataError):
    return [kind, *(found for inner in kind.__subclasses__() for found in kinds(inner))]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_an_error_travels_between_processes_whole(kind):
    error = kind("it fails\n  badly", cure="Mend it", path="x", figure=7)

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is kind
    assert str(again) == str(error) == "it fails badly. Mend it"
    assert again.fields == error.fields
    assert {"path": "x", "figure": 7}.items() <= again.fields.items()


@pytest.mark.parametrize(
    "text",
    [
        "http://me:secret@127.0.0.1:25503/v3/list",
        "https://secret@example.org",
        "asked http://a:secret@b/c and http://d:secret@e:1",
        "http://me:se@secret@127.0.0.1/",
    ],
)
def test_who_is_named_in_an_address_is_left_out(text):
    error = SpxDataError(f"cannot read {text}", cure=f"Try {text}", url=text)

    assert "secret" not in f"{error} {error!r} {error.args} {error.fields}"
    assert "://***@" in error.cause


@pytest.mark.parametrize("text", ["http://127.0.0.1:25503/a@b", "mail me@here", "a @ b", "C:/x@y"])
def test_other_text_stays_as_it_is(text):
    assert SpxDataError(text).cause == text


# A window's title, a cleared screen, a colour by C1, letters turned round, another line, half a letter.
HOSTILE = "\x1b]0;x\x07 \x1b[2J \x9b31m \u202eabc \u2028 \ud800 \x00"
VISIBLE = r"\x1b]0;x\x07 \x1b[2J \x9b31m \u202eabc \u2028 \ud800 \x00"


def test_an_error_makes_controls_visible_once():
    error = SpxDataError(
        f"a {HOSTILE}\r\nb",
        cure=HOSTILE,
        excerpt=HOSTILE,
        rows=[{"raw": HOSTILE, HOSTILE: (HOSTILE, 7)}],
        path=None,
    )
    again = pickle.loads(pickle.dumps(error))

    assert str(error) == f"a {VISIBLE} b. {VISIBLE}"
    assert error.fields == {
        "excerpt": VISIBLE,
        "rows": [{"raw": VISIBLE, VISIBLE: (VISIBLE, 7)}],
        "path": None,
    }
    assert (again.cause, again.cure, again.fields) == (error.cause, error.cure, error.fields)


@pytest.mark.parametrize(
    "category, text",
    [
        *(("Cc", "\x7f"), ("Cf", "\u200f"), ("Cf", "\U000e0001"), ("Cs", "\udce9")),
        *(("Co", "\ue000"), ("Cn", "\uffff"), ("Zl", "\u2028"), ("Zp", "\u2029")),
    ],
)
def test_each_category_that_is_no_text_becomes_visible(category, text):
    assert unicodedata.category(text) == category
    assert printable.visible(text) == ascii(text)[1:-1]


@pytest.mark.parametrize(
    "text", ["plain", "caf\u00e9 \u20ac \u65e5\u672c \U0001f600", "a\u00a0b\u202fc", "x\ny\tz", r"C:\x1b"]
)
def test_text_stays_text(text):
    assert printable.visible(text) == text


def test_a_line_is_one_line():
    assert printable.line(" a\r\n\tb\u2029\x0b ") == r"a b\u2029\x0b"


def test_what_lies_with_the_surroundings():
    found = {kind.__name__ for kind in kinds() if kind.surroundings}

    assert found == {
        "ThetaTerminalNotRunningError",
        "TerminalSessionTakenError",
        "TerminalDisconnectedError",
        "LakeMissingError",
        "PermissionDeniedError",
        "InsufficientDiskSpaceError",
        "DeviceError",
        "VolumeError",
        "EvictedFileError",
        "MachineError",
        "AnotherRunError",
        "JobDiedError",
        "RunFailedError",
        "ConfigurationValidationError",
        "WrongApiError",
        "RequestRefusedError",
        "DatasetMismatchError",
        "OtherVersionError",
    }


def test_errors_of_files_are_the_systems_kinds_too():
    assert issubclass(errors.MissingFileError, FileNotFoundError)
    assert issubclass(errors.PermissionDeniedError, PermissionError)
    assert issubclass(errors.InsufficientDiskSpaceError, OSError)


def test_what_goes_without_saying_is_among_the_fields():
    refused = errors.DateValidationError("there is no such day")

    assert refused.fields == {"what": "dates", "reason": "there is no such day"}
    assert errors.QueryError("no", what="sql", reason="why").fields["reason"] == "why"
    assert errors.MissingFileError("gone", path="x").fields == {"path": "x", "operation": "read"}


def test_a_final_error_is_itself_and_not_retried():
    error = errors.ApiConnectionError("the line broke")

    assert error.final() is error
    assert error.retry == errors.NEVER
    assert errors.ApiConnectionError("the line broke").retry != errors.NEVER
