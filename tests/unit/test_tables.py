"""Bodies that are no tables, and tables that are not whole, in every transport format."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from spx_data.errors import ApiResponseInvalidError
from spx_data.theta import tables

COLUMNS = {"symbol": tables.WORD, "strike": pa.float64(), "size": pa.int64(), "timestamp": pa.timestamp("ms")}
GOOD = {"symbol": "SPX", "strike": 4700.0, "size": 3, "timestamp": "2024-01-02T09:30:00"}
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
LINE = '{"symbol": "SPX", "expiration": "2024-01-19", "strike": 4700.0, "right": "CALL"}\n'
TYPES = {"csv": "text/csv", "json": "application/json", "ndjson": "application/x-ndjson"}


def spelt(ending, *rows):
    if ending == "csv":
        names = list(rows[0])
        return "".join(",".join(map(str, line)) + "\r\n" for line in [names, *(row.values() for row in rows)])
    if ending == "ndjson":
        return "".join(json.dumps(row) + "\n" for row in rows)
    return json.dumps({"response": list(rows)})


@pytest.fixture
def read(answered):
    def rows(body, content_type, asked):
        batches = tables.read(answered(body, content_type), COLUMNS, asked=asked)
        return [row for batch in batches for row in batch.to_pylist()]

    return rows


@pytest.mark.parametrize("ending", TYPES)
@pytest.mark.parametrize("content_type", ["right", "text/plain", ""])
def test_a_table_is_read_whatever_it_is_called(ending, content_type, read):
    kind = TYPES[ending] if content_type == "right" else content_type

    rows = read(spelt(ending, GOOD, GOOD | {"strike": 4705}), kind, ending)

    assert [(row["symbol"], row["strike"], row["size"]) for row in rows] == [
        ("SPX", 4700, 3),
        ("SPX", 4705, 3),
    ]


@pytest.mark.parametrize(
    "kind", ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/json"]
)
def test_ndjson_travels_under_several_names(kind, read):
    assert len(read(spelt("ndjson", GOOD, GOOD), kind, "ndjson")) == 2


def test_columns_come_in_any_order_with_any_others(read):
    turned = {"extra": 1, **dict(reversed(GOOD.items()))}

    for ending, kind in TYPES.items():
        (row,) = read(spelt(ending, turned), kind, ending)
        assert (row["symbol"], row["strike"]) == ("SPX", 4700)
        assert list(row) == list(COLUMNS)


@pytest.mark.parametrize("ending", TYPES)
@pytest.mark.parametrize(
    "body, kind",
    [
        ("<html><body>Sign in</body></html>", "text/html"),
        ("<html><body>Sign in</body></html>", "right"),
        ("No data for the specified request", "text/plain"),
        ("No data for the specified request", "right"),
        ("a line end\rin a line\nand more", "right"),
        ("", "right"),
        ("", ""),
        ("[]", "right"),
        ("{}", "right"),
        ('"a sentence"', "right"),
        ('{"response": null}', "right"),
        ('{"response": []}', "right"),
        ('{"response": ["a sentence"]}', "right"),
        ('{"response": [[1, 2]]}', "right"),
        ("symbol,strike,size,timestamp\r\n", "right"),
        ("\r\n", "right"),
        ("\0\0\0\0", "right"),
        (b"\xff\xfe\r\n", "right"),
    ],
)
def test_what_is_no_table_is_refused_and_quoted(ending, body, kind, read):
    with pytest.raises(ApiResponseInvalidError) as caught:
        read(body, TYPES[ending] if kind == "right" else kind, ending)

    assert "http://127.0.0.1/asked" in caught.value.cause
    if body == "No data for the specified request":
        assert body in caught.value.cause


@pytest.mark.parametrize("body", ["null", f"null\n{LINE}", f"{LINE}null\n", f"{LINE}null\n{LINE}"])
def test_a_bare_null_is_refused_and_ends_no_process(body):
    # In a process of its own, because Arrow's JSON reader has been seen to end the one it reads it in.
    code = (
        "import io, sys\n"
        "from spx_data.errors import ApiResponseInvalidError\n"
        "from spx_data.theta import tables, v3\n"
        "from spx_data.theta.transport import Answer\n"
        "for tables._BLOCK in [*range(90, 130), 1 << 20]:\n"
        "    body = io.BytesIO(sys.argv[1].encode())\n"
        "    answer = Answer('http://127.0.0.1/asked', 'application/x-ndjson', None, body)\n"
        "    try:\n"
        "        list(tables.read(answer, v3._CONTRACT, asked='ndjson'))\n"
        "    except ApiResponseInvalidError:\n"
        "        print('refused')\n"
    )

    run = subprocess.run(
        [sys.executable, "-c", code, body],
        env={"PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
    )

    assert (run.returncode, run.stdout.split()) == (0, ["refused"] * 41)


@pytest.mark.parametrize("ending", TYPES)
@pytest.mark.parametrize(
    "damage",
    [
        {"strike": None},
        {"strike": ""},
        {"strike": "much"},
        {"size": 1.5},
        {"size": 1 << 63},
        {"timestamp": "noon"},
        {"timestamp": ""},
        {"timestamp": "2024-13-45T09:30:00"},
    ],
    ids=str,
)
def test_a_value_that_is_absent_or_of_another_kind_is_refused(ending, damage, read):
    row = GOOD | damage
    written = {key: "" if value is None else value for key, value in row.items()} if ending == "csv" else row

    with pytest.raises(ApiResponseInvalidError):
        read(spelt(ending, GOOD, written), TYPES[ending], ending)


@pytest.mark.parametrize("ending", TYPES)
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(ending, value, read):
    with pytest.raises(ApiResponseInvalidError):
        read(spelt(ending, GOOD, GOOD | {"strike": float(value)}), TYPES[ending], ending)


@pytest.mark.parametrize("ending", TYPES)
def test_a_table_without_one_of_its_columns_is_refused(ending, read):
    without = {key: value for key, value in GOOD.items() if key != "strike"}

    with pytest.raises(ApiResponseInvalidError) as caught:
        read(spelt(ending, without), TYPES[ending], ending)

    # In NDJSON a missing key and a null are one thing.
    assert ("lacks values" if ending == "ndjson" else "strike") in caught.value.cause


@pytest.mark.parametrize("ending", TYPES)
def test_a_table_cut_anywhere_is_refused(ending, read):
    rows = [GOOD | {"strike": 4700.0 + step} for step in range(3)]
    whole = spelt(ending, *rows)
    refused = []

    for length in range(len(whole)):
        try:
            found = read(whole[:length], TYPES[ending], ending)
        except ApiResponseInvalidError:
            refused.append(length)
        else:
            # Only the length of the body can tell that whole lines are missing at the end.
            assert ending != "json"
            assert [row["strike"] for row in found] == [4700, 4701, 4702][: len(found)]

    assert len(refused) >= len(whole) - 2 * len(rows)


def test_a_line_with_too_few_or_too_many_fields_is_refused(read):
    whole = spelt("csv", GOOD)

    for line in ["SPX,4700.0\r\n", "SPX,4700.0,3,2024-01-02T09:30:00,5\r\n"]:
        with pytest.raises(ApiResponseInvalidError):
            read(whole + line, "text/csv", "csv")


def test_v2_rows_must_be_as_long_as_their_header(read):
    body = {"header": {"format": ["symbol", "strike", "size", "timestamp"]}, "response": [["SPX", 4700]]}

    with pytest.raises(ApiResponseInvalidError):
        read(json.dumps(body), "application/json", "json")


@pytest.mark.parametrize("ending", TYPES)
def test_a_long_table_comes_in_pieces_and_whole(ending, answered, monkeypatch):
    monkeypatch.setattr(tables, "_BLOCK", 1000)
    monkeypatch.setattr(tables, "_ROWS", 40)
    body = spelt(ending, *[GOOD | {"size": number} for number in range(100)])

    batches = list(tables.read(answered(body, TYPES[ending]), COLUMNS, asked=ending))

    assert len(batches) >= 3
    assert [row["size"] for batch in batches for row in batch.to_pylist()] == list(range(100))
