"""Bodies that are no tables, and tables that are not whole, in every transport format."""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spx_data.errors import ApiResponseInvalidError
from spx_data.sources.theta import json_text, tables
from spx_data.sources.theta.transport import Answer

COLUMNS = {"symbol": tables.WORD, "strike": pa.float64(), "size": pa.int64(), "timestamp": pa.timestamp("ms")}
GOOD = {"symbol": "SPX", "strike": 4700.0, "size": 3, "timestamp": "2024-01-02T09:30:00"}
SCRIPTS = Path(__file__).resolve().parents[4] / "scripts"
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
        "from spx_data.sources.theta import tables, v3\n"
        "from spx_data.sources.theta.transport import Answer\n"
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

    assert "strike" in caught.value.cause


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
            # Where there is no line to compare with, a stamp may be one without its seconds.
            assert len(found) == 1 or {str(row["timestamp"])[:19] for row in found} == {"2024-01-02 09:30:00"}

    assert len(refused) >= len(whole) - 3 * len(rows) - 3


def test_a_line_with_too_few_or_too_many_fields_is_refused(read):
    whole = spelt("csv", GOOD)

    for line in ["SPX,4700.0\r\n", "SPX,4700.0,3,2024-01-02T09:30:00,5\r\n"]:
        with pytest.raises(ApiResponseInvalidError):
            read(whole + line, "text/csv", "csv")


NESTED = {
    "v3": {"response": [{"contract": {"symbol": "SPX", "strike": 4700}, "data": [{"size": 3}]}]},
    "v2": {
        "header": {"format": ["size", "timestamp"], "next_page": "null"},
        "response": [{"ticks": [[3, "2024-01-02T09:30:00"]], "contract": {"symbol": "SPX", "strike": 4700}}],
    },
}


PARTS = {"v3": ["contract", "data", "response"], "v2": ["contract", "ticks", "response", "format"]}


@pytest.mark.parametrize(("api", "what"), [(api, what) for api in PARTS for what in PARTS[api]])
@pytest.mark.parametrize("instead", ["gone", None, 5, "a word", [], [7], {}, {"a": [1]}])
def test_a_part_of_another_kind_is_refused(api, what, instead, read):
    def spoilt(part):
        if isinstance(part, list):
            return [spoilt(inner) for inner in part]
        if not isinstance(part, dict):
            return part
        changed = {key: instead if key == what else spoilt(inner) for key, inner in part.items()}
        return {key: inner for key, inner in changed.items() if inner != "gone"}

    with pytest.raises(ApiResponseInvalidError):
        read(json.dumps(spoilt(NESTED[api])), "application/json", "json")


@pytest.mark.parametrize("page", ["5", "[]", '{"a": 1}', "true"])
def test_a_next_page_of_another_kind_is_none_that_could_be_asked(page, answered):
    body = f'{{"header": {{"next_page": {page}}}, "response": []}}'

    assert not tables.next_page_of(answered(body, "application/json")).startswith("http")


def test_a_header_that_is_no_text_is_refused(answered):
    body = b'{"header": {"next_page": "\xed\xa0\x80"}, "response": []}'

    with pytest.raises(ApiResponseInvalidError):
        tables.next_page_of(answered(body, "application/json"))


TOKENS = [
    b"null",
    b"NaN",
    b"{}",
    b"[",
    b'"',
    b"\r",
    b"\n",
    b"\0",
    b"\xff",
    b"-1",
    b"1e999",
    b"9" * 30,
    b"\\ud800",
]


@given(ending=st.sampled_from([*TYPES, *NESTED]), at=st.integers(0), cut=st.integers(0, 40), data=st.data())
@settings(max_examples=100, deadline=None)
def test_whatever_is_damaged_it_reads_or_is_refused(ending, at, cut, data):
    body = json.dumps(NESTED[ending]) if ending in NESTED else spelt(ending, GOOD, GOOD)
    at %= len(body)
    damage = data.draw(st.sampled_from(TOKENS) | st.binary(max_size=3))
    spoilt = body.encode()[:at] + damage + body.encode()[at + cut :]
    kind = TYPES.get(ending, "application/json")
    answer = Answer("http://127.0.0.1/asked", kind, None, io.BytesIO(spoilt))

    with contextlib.suppress(ApiResponseInvalidError):
        tables.next_page_of(answer)
    with contextlib.suppress(ApiResponseInvalidError):
        list(tables.read(answer, COLUMNS, asked=ending if ending in TYPES else "json"))


def test_v2_rows_must_be_as_long_as_their_header(read):
    body = {"header": {"format": ["symbol", "strike", "size", "timestamp"]}, "response": [["SPX", 4700]]}

    with pytest.raises(ApiResponseInvalidError):
        read(json.dumps(body), "application/json", "json")


@pytest.mark.parametrize("ending", TYPES)
def test_a_long_table_comes_in_pieces_and_whole(ending, answered, monkeypatch):
    monkeypatch.setattr(tables, "_BLOCK", 1000)
    monkeypatch.setattr(json_text, "_BLOCK", 1000)
    body = spelt(ending, *[GOOD | {"size": number} for number in range(100)])

    batches = list(tables.read(answered(body, TYPES[ending]), COLUMNS, asked=ending))

    assert len(batches) >= 3
    assert [row["size"] for batch in batches for row in batch.to_pylist()] == list(range(100))
