"""Habits of spelling: other bytes, and nothing else in them than what the usual ones say."""

import json
import re
from datetime import date

import pytest
from tests.unit.simulator.test_faults import FORMATS, STATUS, records
from tests.unit.simulator.test_habits import CHAIN, chain, eod, get, listing, single, with_habits

from theta_simulator import Blemish, Faults

BOM = b"\xef\xbb\xbf"
CSV_BYTES = {
    "bom": lambda body: BOM + body,
    "no-final-newline": lambda body: body.removesuffix(b"\r\n"),
    "header-upper": lambda body: body.replace(header(body), header(body).upper()),
    "header-spaced": lambda body: body.replace(header(body), header(body).replace(b",", b", ")),
    "trailing-comma": lambda body: body.replace(b"\r\n", b",\r\n"),
    "leading-blank-line": lambda body: b"\r\n" + body,
    "json-type-on-csv": lambda body: body,
    "text-type-on-csv": lambda body: body,
}
TYPES = {"json-type-on-csv": "application/json", "text-type-on-csv": "text/plain"}
WORDS = {
    "compact-dates": ("expiration", "2024-01-19", "20240119"),
    "right-title": ("right", "CALL", "Call"),
    "six-digits": ("timestamp", "2024-01-02T09:30:00.000", "2024-01-02T09:30:00.000000"),
    "stamp-offset": ("timestamp", "2024-01-02T09:30:00.000", "2024-01-02T09:30:00.000-05:00"),
    "stamp-zulu": ("timestamp", "2024-01-02T09:30:00.000", "2024-01-02T14:30:00.000Z"),
}


def header(body):
    return body.partition(b"\r\n")[0]


def both(api, kind, asked):
    """Return an answer without and with a habit."""
    with with_habits(api) as terminal:
        usual = get(terminal, asked)
    with with_habits(api, kind) as terminal:
        return usual, get(terminal, asked)


@pytest.mark.parametrize("api", ["v3", "v2"])
@pytest.mark.parametrize("kind", CSV_BYTES)
def test_other_bytes_around_the_same_table(kind, api):
    for asked in (
        listing(api, "SPXW"),
        chain(api, *CHAIN),
        eod(api, "SPXW"),
        single(api, *CHAIN, 5035.0, "C"),
    ):
        usual, found = both(api, kind, asked)
        assert found.content == CSV_BYTES[kind](usual.content)
        assert found.headers["content-type"] == TYPES.get(kind, "text/csv")


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("wire", [wire for wire in FORMATS if wire.startswith("v3")])
def test_other_words_in_the_same_rows(wire, kind):
    _, spelling = FORMATS[wire]
    usual, found = (records(answer) for answer in both("v3", kind, chain("v3", *CHAIN, **spelling)))
    name, one, other = WORDS[kind]

    assert other in [row[name] for row in found]
    assert one in [row[name] for row in usual]
    assert len(found) == len(usual)
    same = [column for column in usual[0] if column not in (name, "underlying_timestamp")]
    assert [[row[column] for column in same] for row in found] == [
        [row[column] for column in same] for row in usual
    ]
    assert {row[name] for row in found}.isdisjoint({row[name] for row in usual})


def test_the_offset_is_that_of_the_date():
    day, label = date(2024, 7, 2), date(2024, 7, 3)
    for kind, ending in (("stamp-offset", "T09:31:00.000-04:00"), ("stamp-zulu", "T13:31:00.000Z")):
        with with_habits("v3", kind) as terminal:
            assert f"2024-07-02{ending}" in get(terminal, chain("v3", "SPXW", label, day)).text


def test_both_stamps_of_a_row_are_spelled_alike():
    _, found = both("v3", "stamp-zulu", chain("v3", *CHAIN, format="ndjson"))
    stamps = re.findall(r'"(?:underlying_)?timestamp":"([^"]*)"', found.text)

    assert len(stamps) == 2 * len(found.text.splitlines())
    assert all(stamp.endswith("Z") for stamp in stamps)
    _, found = both("v3", "six-digits", eod("v3", "SPXW"))
    assert re.search(r"2024-01-02T17:\d\d:\d\d\.\d{6},2024-01-02T\d\d:\d\d:\d\d\.\d{6},", found.text)


@pytest.mark.parametrize("asked", [chain("v3", *CHAIN), listing("v3", "SPXW"), eod("v3", "SPXW")])
def test_columns_as_arrays(asked):
    usual, found = both("v3", "json-legacy", (asked[0], asked[1] | {"format": "json"}))
    columns = json.loads(found.text, parse_float=float)["response"]
    rows = [
        contract | row
        for item in usual.json()["response"]
        for contract, row in (
            [(item["contract"], one) for one in item["data"]] if "data" in item else [({}, item)]
        )
    ]

    assert [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] == rows


def test_names_once_and_an_array_a_row():
    asked = chain("v3", *CHAIN, format="json")
    usual, found = both("v3", "json-rows", asked)
    names, rows = found.json()["header"]["format"], found.json()["response"]

    assert [dict(zip(names, row, strict=True)) for row in rows] == [
        item["contract"] | row for item in usual.json()["response"] for row in item["data"]
    ]


@pytest.mark.parametrize("asked", [listing("v2", "SPXW"), chain("v2", *CHAIN), eod("v2", "SPXW")])
def test_words_for_letters_on_the_older_wire(asked):
    for spelling in ("true", "false"):
        usual, found = both("v2", "right-title", (asked[0], asked[1] | {"use_csv": spelling}))
        assert {"Call", "Put"} <= set(re.findall(r"\w+", found.text))
        back = re.sub(r"\b(Call|Put)\b", lambda word: word[0][0], found.text)
        assert back == usual.text


def test_habits_of_spelling_go_together_and_leave_sentences_alone():
    kinds = ("bom", "leading-blank-line", "header-upper", "trailing-comma", "no-final-newline", "six-digits")
    with with_habits("v3", *kinds) as terminal:
        body = get(terminal, chain("v3", *CHAIN)).content
        none = get(terminal, listing("v3", "XYZ"))
        status = get(terminal, (STATUS["v3"], {})).content

    assert body.startswith(BOM + b"\r\nSYMBOL,EXPIRATION,")
    assert body.endswith(b",")
    assert b"T16:00:00.000000," in body
    assert (none.status_code, none.content) == (472, b"No data found for your request")
    assert status == b"CONNECTED"


def test_a_stamp_has_one_offset():
    with with_habits("v3", "stamp-zulu", "stamp-offset") as terminal:
        text = get(terminal, chain("v3", *CHAIN)).text

    assert "T09:30:00.000-05:00," in text
    assert "Z" not in text


def test_blemishes_and_faults_are_spelled_as_everything_is():
    bad = Blemish("negative-price", root=CHAIN[0], expiration=CHAIN[1])
    faults = Faults(1, rate=1.0, kinds=("header-only",), most_per_request=1)
    with with_habits("v3", "bom", blemishes=(bad,), faults=faults) as terminal:
        first, second = (get(terminal, chain("v3", *CHAIN)).content for _ in range(2))

    assert first == BOM + header(second.removeprefix(BOM)) + b"\r\n"
    assert second.startswith(BOM)
    assert b",-" in second
