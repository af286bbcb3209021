"""However a terminal spells a history or a list, it says the same; what is cut is never whole."""

import contextlib
import csv
import datetime as dt
import gzip
import io
import json

import polars as pl
import pytest
from tests import schemas

from spx_data.errors import ApiDataNotFoundError, ApiResponseInvalidError
from spx_data.market.chains import Chain
from spx_data.market.records import Rejects
from spx_data.market.sessions import Window
from spx_data.sources.retry import retrying
from spx_data.sources.theta import reading, v2, v3
from spx_data.sources.theta.transport import Answer, Transport

DATE = dt.date(2024, 11, 8)
CHAIN = Chain("SPXW", DATE, DATE, DATE)
WINDOW = Window(dt.time(9, 30), dt.time(16), "30m")
STAMPS = [dt.datetime(2024, 11, 8, 9, 30) + dt.timedelta(minutes=30 * step) for step in range(14)]  # noqa: DTZ001
ROWS = [
    {
        "symbol": "SPXW",
        "expiration": "2024-11-08",
        "strike": f"{strike:.3f}",
        "right": right,
        "timestamp": f"{stamp.isoformat()}.000",
        **{name: f"{number + place / 7:.4f}" for place, name in enumerate(schemas.MEASURES)},
        "underlying_timestamp": f"{stamp.isoformat()}.125",
        "underlying_price": f"{5950 + number / 8:.4f}",
    }
    for strike in (5900.0, 5905.0)
    for right in ("CALL", "PUT")
    for number, stamp in enumerate(STAMPS)
]
NAMES = list(ROWS[0])
HISTORY = "http://127.0.0.1/v3/option/history/greeks/first_order"


@pytest.fixture
def source(wire, tmp_path, terminal_settings):
    """Return a maker of a source that asks the loopback server."""
    with contextlib.closing(Transport(wire.url, scratch=tmp_path / "scratch", connect_seconds=5)) as found:
        yield lambda api="v3", **keys: (v3.V3 if api == "v3" else v2.V2)(
            found, terminal_settings(wire.url, **keys), schemas.GREEKS
        )


def records(source, rejects=None):
    batches = list(source.history(CHAIN, WINDOW, rejects))
    return pl.concat([pl.DataFrame(batch) for batch in batches])


def plain(rows=ROWS, end="\r\n"):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def changed(**change):
    """Return the rows with some fields spelt otherwise, each by a function of its text."""
    return [row | {name: spell(row[name]) for name, spell in change.items()} for row in ROWS]


def numbers(row):
    """Return a row as JSON has it."""
    return {name: text if name in WORDS else float(text) for name, text in row.items()}


WORDS = ("symbol", "expiration", "right", "timestamp", "underlying_timestamp")
JSON = [numbers(row) for row in ROWS]
COLUMNS = {name: [row[name] for row in JSON] for name in NAMES}
FORMAT = {"header": {"format": NAMES, "next_page": "null"}}
NESTED = [
    {
        "contract": {name: row[name] for name in NAMES[:4]},
        "data": {name: [row[name]] for name in NAMES[4:]},
    }
    for row in JSON
]


def dated():
    rows = []
    for row in ROWS:
        row = dict(row)
        stamp, other = (
            dt.datetime.fromisoformat(row.pop(name)) for name in ("timestamp", "underlying_timestamp")
        )
        midnight = dt.datetime(2024, 11, 8)  # noqa: DTZ001
        ms = dt.timedelta(milliseconds=1)
        rows.append(
            row
            | {
                "date": "20241108",
                "ms_of_day": (stamp - midnight) // ms,
                "ms_of_day2": (other - midnight) // ms,
            }
        )
    return rows


def in_zone(zone):
    def spell(text):
        moment = dt.datetime.fromisoformat(text + "-05:00")
        return moment.astimezone(zone).isoformat()

    return spell


CSVS = {
    "line feeds": plain(end="\n"),
    "a byte order mark": "\ufeff" + plain(),
    "no final line end": plain().rstrip("\r\n"),
    "leading blank lines": "\r\n\r\n" + plain(),
    "an upper-case header": plain().replace(",".join(NAMES), ",".join(NAMES).upper()),
    "blanks in the header": plain().replace(",".join(NAMES), " , ".join(NAMES)),
    "a trailing comma in every line": plain().replace("\r\n", ",\r\n"),
    "a trailing comma in the rows": plain().replace("\r\n", ",\r\n").replace("price,\r", "price\r", 1),
    "a trailing comma in the header": plain().replace("underlying_price\r", "underlying_price,\r", 1),
    "everything quoted": "\r\n".join(
        ",".join(f'"{field}"' for field in line.split(",")) for line in plain().split("\r\n")[:-1]
    )
    + "\r\n",
    "dates of eight digits": plain(changed(expiration=lambda text: text.replace("-", ""))),
    "dates with a time": plain(changed(expiration=lambda text: f"{text}T00:00:00")),
    "Call and Put": plain(changed(right=str.capitalize)),
    "call and put": plain(changed(right=str.lower)),
    "c and p": plain(changed(right=lambda text: text[0].lower())),
    "blanks around words": plain(changed(right=lambda text: f" {text} ", symbol=lambda text: f"{text} ")),
    "stamps with an offset": plain(
        changed(timestamp=lambda text: text + "-05:00", underlying_timestamp=lambda text: text + "-05:00")
    ),
    "stamps of Greenwich": plain(
        changed(
            timestamp=lambda text: in_zone(dt.UTC)(text).replace("+00:00", "Z"),
            underlying_timestamp=lambda text: in_zone(dt.UTC)(text).replace("+00:00", "Z"),
        )
    ),
    "six digits of a second": plain(
        changed(timestamp=lambda text: text + "000", underlying_timestamp=lambda text: text + "999")
    ),
    "nine digits of a second": plain(changed(timestamp=lambda text: text + "000000")),
    "a blank for the T": plain(changed(timestamp=lambda text: text.replace("T", " "))),
    "no fraction of a second": plain(changed(timestamp=lambda text: text.removesuffix(".000"))),
    "a date and a time of day": plain(dated()),
}
JSONS = {
    "rows in an array": json.dumps(JSON),
    "rows in response": json.dumps({"response": JSON}),
    "rows in response, a header before": json.dumps({"header": {"latency_ms": 3}, "response": JSON}),
    "columns": json.dumps(COLUMNS),
    "columns in response": json.dumps({"response": COLUMNS}),
    "columns after a header": json.dumps({"header": {"latency_ms": 3}, **COLUMNS}),
    "columns in response, a header before": json.dumps({"header": {"a": [1]}, "response": COLUMNS}),
    "columns of contracts": json.dumps({"response": NESTED}),
    "arrays under the header's names": json.dumps(
        FORMAT | {"response": [list(row.values()) for row in JSON]}
    ),
    "columns under the header's names": json.dumps(FORMAT | {"response": list(COLUMNS.values())}),
    "objects beside the header's names": json.dumps(FORMAT | {"response": JSON}),
    "upper-case names": json.dumps({"response": [{k.upper(): v for k, v in row.items()} for row in JSON]}),
    "dates as numbers": json.dumps({"response": [row | {"expiration": 20241108} for row in JSON]}),
    "numbers as words": json.dumps({"response": ROWS}),
    "lines": "".join(json.dumps(row) + "\n" for row in JSON),
    "lines without the last end": "\n".join(json.dumps(row) for row in JSON),
    "lines of upper-case names": "".join(
        json.dumps({k.upper(): v for k, v in row.items()}) + "\n" for row in JSON
    ),
    "lines with stamps of an offset": "".join(
        json.dumps(row | {"timestamp": row["timestamp"] + "-05:00"}) + "\n" for row in JSON
    ),
    "a byte order mark": "\ufeff" + json.dumps({"response": JSON}),
    "indented": json.dumps({"response": JSON}, indent=2),
    "a date and a time of day": json.dumps(
        {"response": [{k: v if k in WORDS else float(v) for k, v in row.items()} for row in dated()]}
    ),
}
TYPES = (
    "text/csv",
    "application/json",
    "application/x-ndjson",
    "text/plain",
    "application/octet-stream",
    None,
)


def read(body):
    """Return the records in a body of v3, without a server."""
    answer = Answer(HISTORY, "", None, io.BytesIO(body if isinstance(body, bytes) else body.encode()))
    batches = v3.read(
        answer,
        schemas.GREEKS,
        lambda batch: v3.validated(batch, CHAIN, WINDOW, schemas.GREEKS),
        Rejects(),
        asked="csv",
    )
    return pl.concat([pl.DataFrame(batch) for batch in batches])


def patiently(ask):
    """Return what *ask* gives, asked again: a body without a last line end must come twice."""
    return retrying(ask, wait_factor=0)


@pytest.fixture(scope="module")
def usual():
    """Return the records as the usual spelling has them."""
    return read(plain())


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in CSVS.items()])
def test_csv_says_the_same_however_it_is_spelt(body, source, wire, usual):
    wire.says(body)
    one = source()

    assert patiently(lambda: records(one)).rows() == usual.rows()
    assert len(usual) == len(ROWS)


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in JSONS.items()])
def test_json_says_the_same_however_it_is_laid_out(body, source, wire, usual):
    wire.says(body, "application/json")

    assert records(source(format="json")).rows() == usual.rows()


@pytest.mark.parametrize("asked", ["csv", "json", "ndjson"])
@pytest.mark.parametrize("called", TYPES)
@pytest.mark.parametrize(
    "body", [plain(), JSONS["rows in response"], JSONS["lines"]], ids=["csv", "json", "ndjson"]
)
def test_the_first_bytes_tell_the_format_whatever_it_is_called(asked, called, body, source, wire, usual):
    wire.says(body, called)

    assert records(source(format=asked)).rows() == usual.rows()


@pytest.mark.parametrize("summer, offset", [(dt.date(2024, 7, 5), "-04:00"), (DATE, "-05:00")])
def test_an_offset_is_that_of_the_season(summer, offset, source, wire):
    rows = changed(
        **{
            name: lambda text: f"{summer}{text[10:]}{offset}"
            for name in ("timestamp", "underlying_timestamp")
        },
        expiration=lambda _: summer.isoformat(),
    )
    wire.says(plain(rows))

    (batch,) = source().history(Chain("SPXW", summer, summer, summer), WINDOW)

    assert (
        batch["timestamp"][0].as_py()
        == 1000 * dt.datetime.fromisoformat(f"{summer}T09:30:00{offset}").timestamp()
    )


@pytest.mark.parametrize("packed", [{"Content_Encoding": "gzip"}, {}])
def test_gzip_that_nobody_asked_for_is_unpacked(packed, source, wire, usual):
    wire.says(gzip.compress(plain().encode()), **packed)

    assert records(source()).rows() == usual.rows()


def test_gzip_that_is_cut_is_no_answer_and_is_not_quoted(source, wire):
    wire.says(gzip.compress(plain().encode())[:-9])

    with pytest.raises(ApiResponseInvalidError, match="gzip") as caught:
        records(source())

    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", schemas.OPTIONAL)
@pytest.mark.parametrize("text", ["", "NaN", "inf", "-", "much"])
@pytest.mark.parametrize("form", ["csv", "lines", "columns", "rows in response"])
def test_what_a_row_lacks_is_null_in_every_format(name, text, form, source, wire, usual):
    rows = [dict(row) for row in ROWS]
    rows[5][name] = text
    if form == "csv":
        body = plain(rows)
    else:
        held = [
            {k: v if k in WORDS or (k, v) == (name, text) else float(v) for k, v in row.items()}
            for row in rows
        ]
        held[5][name] = None if text == "" else text
        layouts = {
            "lines": "".join(json.dumps(row) + "\n" for row in held),
            "columns": json.dumps({name: [row[name] for row in held] for name in NAMES}),
            "rows in response": json.dumps({"response": held}),
        }
        body = layouts[form]
    wire.says(body)
    rejects = Rejects()

    found = records(source(), rejects)

    assert found[name].null_count() == 1
    assert found[name][5] is None
    assert found.drop(name).rows() == usual.drop(name).rows()
    assert len(rejects) == 0


@pytest.mark.parametrize("name", ["strike", "timestamp", "bid", "ask", "right"])
@pytest.mark.parametrize("text", ["", "NaN", "much"])
def test_a_row_that_lacks_what_makes_it_one_is_a_reject(name, text, source, wire, usual):
    rows = [dict(row) for row in ROWS]
    rows[5][name] = text
    wire.says(plain(rows))
    rejects = Rejects()

    found = records(source(), rejects)

    assert found.rows() == [row for number, row in enumerate(usual.rows()) if number != 5]
    assert len(rejects) == 1


def test_a_table_without_an_optional_column_lacks_it_in_every_row(source, wire, usual):
    wire.says(plain([{name: text for name, text in row.items() if name != "lambda"} for row in ROWS]))

    found = records(source())

    assert found["lambda"].null_count() == len(ROWS)
    assert found.drop("lambda").rows() == usual.drop("lambda").rows()


# Cut short ----------------------------------------------------------------------------------------------


def test_csv_cut_anywhere_is_refused_or_lacks_whole_lines_alone(usual):
    body, whole = plain().encode(), usual.rows()
    last = len(body) - len(body.splitlines(keepends=True)[-1])

    for length in range(last, len(body)):
        try:
            found = read(body[:length]).rows()
        except ApiResponseInvalidError:
            continue
        assert found == whole[: len(found)]
        assert length in (last, len(body) - 2, len(body) - 1)


@pytest.mark.parametrize("form", ["columns", "rows in response", "columns in response"])
def test_json_cut_anywhere_is_refused(form):
    body = JSONS[form].encode()

    for length in range(len(body) - 60, len(body)):
        with pytest.raises(ApiResponseInvalidError):
            read(body[:length])


def test_columns_of_different_lengths_are_refused(source, wire):
    wire.says(json.dumps(COLUMNS | {"bid": COLUMNS["bid"][:-1]}))

    with pytest.raises(ApiResponseInvalidError, match=r"different lengths: .*bid 55"):
        records(source())


@pytest.mark.parametrize(
    "last, others, cut",
    [
        ("4750.1234", ["4750.1230", "800.0001"], False),
        ("4750.12", ["4750.1230", "800.0001"], True),
        ("4750", ["4750.1230", "800.0001"], True),
        ("1234.5678", ["800.0001"], False),
        ("20241108", ["20241108", "20241107"], False),
        ("2024110", ["20241108", "20241107"], True),
        ("2024-11-0", ["2024-11-08"], True),
        ("2024-11-08T09:30", ["2024-11-08T09:30:00"], True),
        ("PUT", ["CALL", "PUT"], False),
        ("CA", ["CALL", "PUT"], True),
        ("-0.5", ["0.2"], False),
        ("", ["0.2"], True),
        ("4750.1234", [], False),
    ],
)
def test_a_last_field_is_held_against_those_before(last, others, cut):
    assert reading.is_cut(last, others) is cut


# Lists, calendars, other APIs ---------------------------------------------------------------------------

LIST = "symbol,expiration,strike,right\r\nSPXW,2024-11-08,5900.000,CALL\r\nSPXW,2024-11-08,5905.000,PUT\r\n"
LISTS = {
    "usual": LIST,
    "eight digits": LIST.replace("2024-11-08", "20241108"),
    "with a time": LIST.replace("2024-11-08", "2024-11-08T00:00:00"),
    "upper-case header and words": LIST.replace(LIST[:30], LIST[:30].upper()),
    "lower-case words": LIST.replace("CALL", "call").replace("PUT", "put"),
    "blanks around words": LIST.replace("CALL", " CALL ").replace("SPXW", "SPXW "),
    "no final line end": LIST.rstrip(),
    "a byte order mark and a blank line": "\ufeff\r\n" + LIST,
    "trailing commas": LIST.replace("\r\n", ",\r\n"),
    "json": json.dumps({"response": list(csv.DictReader(io.StringIO(LIST)))}),
    "columns": json.dumps(
        {
            "symbol": ["SPXW"] * 2,
            "expiration": ["2024-11-08"] * 2,
            "strike": [5900.0, 5905.0],
            "right": ["CALL", "PUT"],
        }
    ),
    "lines": "".join(json.dumps(row) + "\n" for row in csv.DictReader(io.StringIO(LIST))),
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in LISTS.items()])
def test_a_list_says_the_same_however_it_is_spelt(body, source, wire):
    wire.says(body)

    one = source()

    (entry,) = patiently(lambda: one.listing("SPXW", DATE)).chains

    assert (entry.chain, entry.calls, entry.puts) == (CHAIN, (5900.0,), (5905.0,))


def test_a_list_that_cannot_be_read_names_no_setting_that_does_not_matter(source, wire):
    wire.says("this is no list at all\r\n1\r\n")

    with pytest.raises(ApiResponseInvalidError, match="it has this is no list at all") as caught:
        source().listing("SPXW", DATE)

    assert "thetadata.format" not in str(caught.value)


HOURS = "date,type,open,close\r\n2024-11-29,early_close,09:30:00,13:00:00\r\n"


@pytest.mark.parametrize(
    "body, kind",
    [
        (HOURS, "early_close"),
        (HOURS.rstrip(), "early_close"),
        (HOURS.upper(), "early_close"),
        (json.dumps({"response": list(csv.DictReader(io.StringIO(HOURS)))}), "early_close"),
        ("type,open,close\r\nfull_close,,\r\n", "full_close"),
        ('{"response": [{"type": "full_close", "open": null, "close": null}]}', "full_close"),
    ],
)
def test_hours_say_the_same_however_they_are_spelt(body, kind, source, wire):
    wire.says(body)

    one = source()

    hours = patiently(lambda: one.hours(dt.date(2024, 11, 29)))

    assert hours.kind == kind
    assert hours.closes == (dt.time(13) if kind == "early_close" else None)


def v2_rows():
    for row in dated():
        yield {
            "root": row["symbol"],
            "expiration": "20241108",
            "strike": str(round(1000 * float(row["strike"]))),
            "right": row["right"][0],
            "ms_of_day": row["ms_of_day"],
            **{name: row[name] for name in schemas.MEASURES},
            "ms_of_day2": row["ms_of_day2"],
            "underlying_price": row["underlying_price"],
            "date": "20241108",
        }


V2 = list(v2_rows())
V2_CSVS = {
    "usual": plain(V2),
    "no final line end": plain(V2).rstrip("\r\n"),
    "dates of ISO": plain([row | {"expiration": "2024-11-08", "date": "2024-11-08"} for row in V2]),
    "times of day": plain(
        [
            row
            | {
                name: str(
                    (dt.datetime.fromisoformat("2024-11-08") + dt.timedelta(milliseconds=row[name]))
                    .time()
                    .isoformat("milliseconds")
                )
                for name in ("ms_of_day", "ms_of_day2")
            }
            for row in V2
        ]
    ),
    "words": plain([row | {"right": {"C": "Call", "P": "Put"}[row["right"]]} for row in V2]),
    "upper-case header": plain(V2).replace(",".join(V2[0]), ",".join(V2[0]).upper()),
    "json under csv": json.dumps(
        {
            "header": {"next_page": "null"},
            "response": [row | {name: float(row[name]) for name in schemas.MEASURES} for row in V2],
        }
    ),
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in V2_CSVS.items()])
def test_v2_says_the_same_however_it_is_spelt(body, source, wire, usual):
    wire.says(body)

    one = source("v2")

    assert patiently(lambda: records(one)).rows() == usual.rows()


def test_pages_of_json_that_is_called_csv_are_all_read(source, wire, usual):
    half = len(V2) // 2
    for rows, page in ((V2[:half], f"{wire.url}/v2/page/2"), (V2[half:], "null")):
        held = [row | {name: float(row[name]) for name in schemas.MEASURES} for row in rows]
        wire.says(json.dumps({"response": held, "header": {"next_page": page}}))

    one = source("v2")

    assert patiently(lambda: records(one)).rows() == usual.rows()


# Nothing ------------------------------------------------------------------------------------------------

NOTHING = [
    "",
    "\r\n",
    "\ufeff",
    "No data for the specified request",
    ":No data for the specified timeframe & contract.",
    "No data found for your request",
    ":No listed contracts for the date: 20250110.",
    '{"header": {"error_type": "NO_DATA", "error_msg": "none"}, "response": []}',
    '"no data"',
]
QUESTIONS = {
    "history": lambda source: list(source.history(CHAIN, WINDOW, Rejects())),
    "contract": lambda source: list(source.contract_history(CHAIN, "C", 5900.0, WINDOW)),
    "listing": lambda source: source.listing("SPXW", DATE),
}


@pytest.mark.parametrize("api", ["v3", "v2"])
@pytest.mark.parametrize("kind", ["text/csv", "text/plain", "application/json", None])
@pytest.mark.parametrize("body", NOTHING)
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_good_status_that_says_no_data_is_no_data(api, kind, body, question, source, wire):
    wire.says(body, kind)

    with pytest.raises(ApiDataNotFoundError) as caught:
        QUESTIONS[question](source(api))

    assert caught.value.fields["status"] == 200
    assert body.strip("\ufeff\r\n:") == caught.value.fields["excerpt"]


@pytest.mark.parametrize(
    "body", [",".join(NAMES) + "\r\n", '{"response": []}', '{"header": {}, "response": []}', "[]"]
)
def test_a_header_alone_is_an_invalid_answer(body, source, wire):
    wire.says(body)

    with pytest.raises(ApiResponseInvalidError):
        list(source().history(CHAIN, WINDOW, Rejects()))


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_root_of_which_there_is_no_data_is_not_known(api, source, wire):
    wire.says("No data found for your request", "text/plain")

    with pytest.raises(ApiDataNotFoundError):
        source(api).expirations("SPXW")


def test_a_body_that_is_cut_before_a_line_end_is_asked_for_until_two_are_alike(source, wire):
    lines = plain().split("\r\n")
    wire.says("\r\n".join(lines[:-2]))
    wire.says("\r\n".join(lines[:-3]))
    wire.says(plain())
    one = source()

    assert len(patiently(lambda: records(one))) == len(ROWS)
    assert len(wire.asked) == 3
