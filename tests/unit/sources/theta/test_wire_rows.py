"""Bodies with bad rows in them: each is set aside with its reason and its text, and the others are read."""

import io
import json
import math

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spx_data.errors import ApiResponseInvalidError
from spx_data.market import records
from spx_data.market.records import Reject, Rejects
from spx_data.sources.theta import json_text, layouts, tables
from spx_data.sources.theta.transport import Answer

COLUMNS = {"symbol": tables.WORD, "strike": pa.float64(), "size": pa.int64(), "timestamp": pa.timestamp("ms")}
GOOD = {"symbol": "SPX", "strike": 4700.0, "size": 3, "timestamp": "2024-01-02T09:30:00"}
TYPES = {"csv": "text/csv", "json": "application/json", "ndjson": "application/x-ndjson"}
FORMS = [*TYPES, "v2", "v3"]


def good(number):
    return GOOD | {"size": number}


def line(form, row):
    """Return a row as it is written, and as a reject keeps it."""
    if isinstance(row, str):
        return row
    return ",".join("" if v is None else str(v) for v in row.values()) if form == "csv" else json.dumps(row)


def body(form, found):
    lines = [line(form, row) for row in found]
    if form == "csv":
        return "".join(f"{text}\r\n" for text in [",".join(GOOD), *lines])
    if form == "ndjson":
        return "".join(f"{text}\n" for text in lines)
    if form == "json":
        return f'{{"response": [{", ".join(lines)}]}}'
    contracts = [json.dumps({"symbol": "SPX"})] * len(lines)
    inner = [
        "{" + f'"contract": {contract}, "{"ticks" if form == "v2" else "data"}": [{text}]' + "}"
        for contract, text in zip(contracts, lines, strict=True)
    ]
    header = '"header": {"format": ["strike", "size", "timestamp"]}, ' if form == "v2" else ""
    return f'{{{header}"response": [{", ".join(inner)}]}}'


def nested(form, row):
    """Return a row without its contract, as a list of values where the header names them."""
    values = {name: row[name] for name in row if name != "symbol"}
    return json.dumps(list(values.values())) if form == "v2" else json.dumps(values)


def spelt(form, *found):
    if form in TYPES:
        return body(form, found)
    return body(form, [row if isinstance(row, str) else nested(form, row) for row in found])


def validate(batch):
    """Take every row of a size below zero for bad, and every strike that is no number."""
    bad = {number: "right" for number, size in enumerate(batch["size"].to_pylist()) if size < 0}
    strikes = enumerate(batch["strike"].to_pylist())
    bad |= {number: "not-finite" for number, strike in strikes if not math.isfinite(strike)}
    return batch.filter(pa.array([number not in bad for number in range(len(batch))], pa.bool_())), bad


def valid_rows(form, text, optional=()):
    raw = text.encode() if isinstance(text, str) else text
    answer = Answer("http://127.0.0.1/asked", TYPES.get(form, "application/json"), None, io.BytesIO(raw))
    rejects = Rejects()
    asked = form if form in TYPES else "json"
    batches = list(tables.valid_rows(answer, COLUMNS, validate, rejects, asked=asked, optional=optional))
    return [size for batch in batches for size in batch["size"].to_pylist()], rejects.found


# Kinds of bad rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "change, reason",
    [
        ({"strike": None}, "missing"),
        ({"strike": ""}, "missing"),
        ({"timestamp": None}, "missing"),
        ({"timestamp": ""}, "missing"),
        ({"strike": "much"}, "unreadable"),
        ({"size": 1.5}, "unreadable"),
        ({"size": "3 000"}, "unreadable"),
        ({"timestamp": "noon"}, "unreadable"),
        ({"timestamp": "2024-13-45T09:30:00"}, "unreadable"),
        ({"strike": float("nan")}, "not-finite"),
        ({"strike": float("inf")}, "not-finite"),
        ({"strike": -float("inf")}, "not-finite"),
        ({"size": -5}, "right"),
    ],
    ids=str,
)
def test_a_bad_row_is_set_aside_with_its_reason_and_its_text(form, change, reason):
    bad = GOOD | change

    sizes, found = valid_rows(form, spelt(form, good(1), bad, good(2)))

    assert sizes == [1, 2]
    (reject,) = found
    assert reject.reason == reason
    if form in ("csv", "ndjson"):
        assert reject.raw == line(form, bad)
    else:
        assert json.dumps(json.loads(reject.raw), sort_keys=True) == json.dumps(bad, sort_keys=True)


@pytest.mark.parametrize(
    "form, text",
    [
        ("csv", "SPX,4700.0"),
        ("csv", "SPX,4700.0,3,2024-01-02T09:30:00,5"),
        ("csv", "No data for the specified request"),
        ("csv", 'SPX,"4700.0,3'),
        ("csv", f"SPX,{'x' * 140_000},3,2024-01-02T09:30:00"),
        ("ndjson", "null"),
        ("ndjson", "5"),
        ("ndjson", '{"symbol": "SPX"'),
        ("ndjson", "[" * 100_000),
        ("v2", "[4700.0, 3]"),
        ("v2", "5"),
        ("v2", "null"),
        ("v3", "5"),
        ("v3", "[4700.0]"),
        ("v3", "null"),
    ],
)
def test_what_is_no_row_among_rows_is_set_aside(form, text):
    sizes, (reject,) = valid_rows(form, spelt(form, good(1), text, good(2)))

    assert sizes == [1, 2]
    assert reject.reason == "fields"
    assert text[:4000] in reject.raw or json.loads(reject.raw).keys() & {"tick", "row"}


@pytest.mark.parametrize("form", FORMS)
def test_a_number_beyond_all_measure_spoils_its_row(form):
    sizes, (reject,) = valid_rows(form, spelt(form, good(1), good(1 << 63), good(2)))

    assert (sizes, reject.reason) == ([1, 2], "unreadable")


@pytest.mark.parametrize("form", ["json", "ndjson", "v3"])
def test_a_row_that_lacks_a_column_misses_its_value(form):
    lacking = {name: value for name, value in GOOD.items() if name != "strike"}

    sizes, (reject,) = valid_rows(form, spelt(form, good(1), lacking, good(2)))

    assert (sizes, reject.reason) == ([1, 2], "missing")


def test_bytes_that_are_no_text_are_kept_in_a_form_that_is():
    text = spelt("csv", good(1)).encode() + b"SPX,\xff\xfe,3,2024-01-02T09:30:00\r\n"

    sizes, (reject,) = valid_rows("csv", text)

    assert (sizes, reject.reason, reject.raw) == ([1], "unreadable", "SPX,\\xff\\xfe,3,2024-01-02T09:30:00")


def test_a_line_end_within_a_line_spoils_that_line_alone():
    text = spelt("csv", good(1), "SPX,4700.0,7,2024-01-02T09:30:00\rSPX,much,8,2024-01-02T09:30:00", good(2))

    sizes, (reject,) = valid_rows("csv", text)

    assert (sizes, reject.reason) == ([1, 2], "fields")


def test_blank_lines_are_no_rows():
    assert valid_rows("csv", spelt("csv", good(1), "", good(-2), "")) == (
        [1],
        (Reject("right", line("csv", good(-2))),),
    )
    assert valid_rows("ndjson", spelt("ndjson", good(1), "", good(2), "", "")) == ([1, 2], ())


DAMAGES = {
    "strike": [None, "", "much", float("nan")],
    "size": [None, -1, 1.5, "3 000"],
    "timestamp": [None, "", "soon"],
}


@given(form=st.sampled_from(FORMS), data=st.data(), block=st.sampled_from([150, 400, 1 << 20]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_good_rows_are_read_and_bad_ones_kept_however_they_are_mixed(form, data, block):
    rows, expected = [], []
    for number in range(data.draw(st.integers(1, 30))):
        row = good(number)
        if data.draw(st.integers(0, 3)) == 0:
            name = data.draw(st.sampled_from(sorted(DAMAGES)))
            row = row | {name: data.draw(st.sampled_from(DAMAGES[name]))}
        else:
            expected.append(number)
        rows.append(row)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tables, "_BLOCK", block)
        patched.setattr(json_text, "_BLOCK", block)
        patched.setattr(layouts, "_MOST_ROWS", max(block // 50, 4))
        if not expected:
            with pytest.raises(ApiResponseInvalidError, match="no good row"):
                valid_rows(form, spelt(form, *rows))
            return
        sizes, found = valid_rows(form, spelt(form, *rows))

    assert sizes == expected
    assert len(found) == len(rows) - len(expected)


# Whole answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_without_a_good_row_is_refused(form):
    with pytest.raises(ApiResponseInvalidError, match=r"no good row: 2, like .* absent, null or empty"):
        valid_rows(form, spelt(form, GOOD | {"strike": None}, GOOD | {"strike": None}))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("damage", [{"strike": "much"}, {"strike": None}, {"size": -1}], ids=str)
def test_an_answer_that_is_mostly_bad_is_refused_and_one_with_as_many_good_rows_is_not(form, damage):
    bad = [GOOD | damage] * 150

    with pytest.raises(ApiResponseInvalidError, match="more bad rows than good: 150, like"):
        valid_rows(form, spelt(form, *map(good, range(149)), *bad))
    sizes, found = valid_rows(form, spelt(form, *map(good, range(150)), *bad))
    assert (len(sizes), len(found)) == (150, 150)


def test_a_few_bad_rows_are_put_up_with_however_few_the_good_ones_are():
    sizes, found = valid_rows("csv", spelt("csv", good(1), *[GOOD | {"strike": "much"}] * 100))

    assert (sizes, len(found)) == ([1], 100)


def test_of_many_bad_rows_some_texts_are_kept_and_all_are_counted():
    bad = [f"SPX,much,{number},2024-01-02T09:30:00" for number in range(5000)]
    answer = Answer(
        "http://127.0.0.1/asked",
        "text/csv",
        None,
        io.BytesIO(spelt("csv", *map(good, range(5000)), *bad).encode()),
    )
    rejects = Rejects()

    list(tables.valid_rows(answer, COLUMNS, validate, rejects, asked="csv"))

    assert len(rejects) == 5000
    assert sum(reject.rows for reject in rejects.found) == 5000
    assert [reject.raw for reject in rejects.found][:-1] == sorted(bad)[: records.KEPT]


@pytest.mark.parametrize("ending", TYPES)
def test_a_table_cut_in_a_line_is_refused_and_no_bad_row(ending):
    whole = spelt(ending, good(1), good(2))

    for length in range(len(whole) - 30, len(whole) - 3):
        with pytest.raises(ApiResponseInvalidError):
            valid_rows(ending, whole[:length])


def test_a_last_line_of_ndjson_may_lack_its_end():
    assert valid_rows("ndjson", spelt("ndjson", good(1), good(2)).rstrip("\n")) == ([1, 2], ())


@pytest.mark.parametrize("form", FORMS)
def test_no_rows_are_none(form):
    with pytest.raises(ApiResponseInvalidError, match=r"holds no rows|lacks the columns"):
        valid_rows(form, spelt(form))


# Words that are no JSON ---------------------------------------------------------------------------------


def test_a_header_after_which_a_word_comes_is_still_read(tmp_path):
    text = '{"header": {"format": ["a"], "next_page": "http://127.0.0.1/2"}, "response": [[NaN]]}'
    answer = Answer("http://127.0.0.1/asked", "application/json", None, io.BytesIO(text.encode()))

    assert tables.next_page_of(answer) == "http://127.0.0.1/2"
