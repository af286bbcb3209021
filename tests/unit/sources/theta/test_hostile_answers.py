"""Answers that were made to harm: each ends in records, in rejects or in one error, and in bounded memory."""

import contextlib
import datetime as dt
import gzip
import json
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from spx_data.errors import ApiConnectionError, ApiResponseInvalidError, SpxDataError
from spx_data.market.chains import Chain
from spx_data.market.records import Rejects
from spx_data.market.sessions import Window
from spx_data.sources import access
from spx_data.sources.theta import limits

DAY = dt.date(2024, 1, 2)
CHAIN = Chain("SPXW", dt.date(2024, 1, 19), DAY, dt.date(2024, 1, 19))
MINUTES = Window(dt.time(9, 30), dt.time(16), "1m")
MOST_MEMORY = 700 << 20  # bytes
MEASURES = ("bid", "ask", "delta", "theta", "vega", "rho", "epsilon", "lambda", "implied_vol", "iv_error")

ROW = {
    "symbol": '"SPXW"',
    "expiration": '"2024-01-19"',
    "strike": "4700.0",
    "right": '"CALL"',
    "timestamp": '"2024-01-02T09:31:00"',
    **dict.fromkeys(MEASURES, "1.25"),
    "underlying_timestamp": '"2024-01-02T09:31:00"',
    "underlying_price": "4750.0",
}
KINDS = {"csv": "text/csv", "json": "application/json", "ndjson": "application/x-ndjson"}
CONTRACT = ("symbol", "expiration", "strike", "right")


def row(minute, **changed):
    """Return a row's values as JSON text; its stamp tells rows apart."""
    return {**ROW, "timestamp": f'"2024-01-02T10:{minute:02}:00"', **changed}


def spelt(form, *rows):
    if form == "csv":
        lines = [ROW, *(found.values() for found in rows)]
        return "".join(f"{','.join(value.strip(chr(34)) for value in line)}\r\n" for line in lines)
    if form == "grouped":
        return '{"response": [' + ", ".join(map(group, rows)) + "]}"
    objects = [as_object(found) for found in rows]
    return (
        "".join(f"{text}\n" for text in objects)
        if form == "ndjson"
        else f'{{"response": [{", ".join(objects)}]}}'
    )


def as_object(values):
    return "{" + ", ".join(f'"{name}": {text}' for name, text in values.items()) + "}"


def group(values):
    contract = as_object({name: values[name] for name in CONTRACT})
    rest = as_object({name: text for name, text in values.items() if name not in CONTRACT})
    return f'{{"contract": {contract}, "data": [{rest}]}}'


@pytest.fixture
def connected(tmp_path, terminal_settings):
    def make(url, api="v3", **keys):
        return access.connect(terminal_settings(url, api=api, **keys), tmp_path / "scratch")

    return make


def asked(source):
    """Return the minutes of the records and their bids, and the reasons of the rejects."""
    rejects = Rejects()
    found = [r for batch in source.history(CHAIN, MINUTES, rejects, contracts=2) for r in batch.to_pylist()]
    return found, [reject.reason for reject in rejects.found]


# Values -------------------------------------------------------------------------------------------------

DEEP = "[" * 100_000 + "]" * 100_000
ODD = {
    "true": ("true", "unreadable"),
    "false": ("false", "unreadable"),
    "an array": ("[1]", "unreadable"),
    "an object": ('{"a": 1}', "unreadable"),
    "100,000 arrays": (DEEP, "unreadable"),
    "2,000 arrays": ("[" * 2000 + "]" * 2000, "unreadable"),
    "50,000 objects": ('{"a":' * 50_000 + "1" + "}" * 50_000, "unreadable"),
    "5,000 digits": ("9" * 5_000, "not-finite"),
    "an exponent": ("1e999", "not-finite"),
    "NaN": ("NaN", "not-finite"),
    "blanks in front": ('"  1.5"', "unreadable"),
    "null": ("null", "missing"),
}


@pytest.mark.parametrize("field", ["strike", "bid"])
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("form", ["json", "grouped", "ndjson"])
def test_a_value_of_another_kind_spoils_its_row_and_no_other(form, odd, field, wire, connected):
    text, reason = ODD[odd]
    kind = KINDS.get(form, "application/json")
    wire.says(spelt(form, row(1), row(2, **{field: text}), row(3)), kind)

    found, reasons = asked(connected(wire.url, format="ndjson" if form == "ndjson" else "json"))

    assert [r["timestamp"] % 3_600_000 // 60_000 for r in found] == [1, 3]
    assert reasons == [reason]


@pytest.mark.parametrize("text", ["true", DEEP, '["C"]', '{"right": "C"}', "1.5"], ids=lambda text: text[:9])
@pytest.mark.parametrize("form", ["json", "grouped", "ndjson"])
def test_a_word_that_is_none_spoils_its_row_and_no_other(form, text, wire, connected):
    wire.says(spelt(form, row(1), row(2, right=text), row(3)), KINDS.get(form, "application/json"))

    found, reasons = asked(connected(wire.url, format="ndjson" if form == "ndjson" else "json"))

    assert (len(found), reasons) == (2, ["unreadable"])


@pytest.mark.parametrize("element", ["5", "null", "true", '"x"', "[1, 2]", DEEP], ids=lambda text: text[:6])
@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_an_element_that_is_no_row_spoils_no_other(form, element, wire, connected):
    good = [as_object(row(1)), element, as_object(row(3))]
    body = "".join(f"{text}\n" for text in good) if form == "ndjson" else f"[{','.join(good)}]"
    wire.says(body, KINDS[form])

    found, reasons = asked(connected(wire.url, format=form))

    assert (len(found), reasons) == (2, ["fields"])


@pytest.mark.parametrize("digits", [str(1 << 63), str(1 << 64), "1" + "0" * 30, "1234567890" * 3])
@pytest.mark.parametrize("form", ["csv", "json", "grouped", "ndjson"])
def test_a_large_whole_number_is_the_same_price_in_every_format(form, digits, wire, connected):
    wire.says(spelt(form, row(1), row(2, bid=digits), row(3)), KINDS.get(form, "application/json"))

    found, reasons = asked(connected(wire.url, format=form if form in KINDS else "json"))

    assert [r["bid"] for r in found] == [1.25, float(digits), 1.25]
    assert reasons == []


def test_json_is_read_with_as_much_care_where_csv_was_asked_for(wire, connected):
    wire.says(spelt("json", row(1), row(2, strike="9" * 5_000)), "application/json")

    found, reasons = asked(connected(wire.url, format="csv"))

    assert (len(found), reasons) == (1, ["not-finite"])


@pytest.mark.parametrize("text", [" 1.25", "1.25 ", "\t1.25", '" 1.25"', "1.25\t"])
@pytest.mark.parametrize("field", ["strike", "bid"])
def test_a_number_with_blanks_around_it_is_none(field, text, wire, connected):
    lines = spelt("csv", row(1), row(2), row(3)).splitlines()
    names, values = lines[0].split(","), lines[2].split(",")
    values[list(ROW).index(field)] = text
    wire.says("\r\n".join([",".join(ROW), lines[1], ",".join(values), lines[3], ""]), "text/csv")

    found, reasons = asked(connected(wire.url, format="csv"))

    assert names
    assert (len(found), reasons) == (2, ["unreadable"])


@pytest.mark.parametrize("strike", ["0x10", "0X10"])
def test_a_number_to_the_base_of_sixteen_is_none(strike, wire, connected):
    names = ["root", "expiration", "strike", "right", "ms_of_day", *MEASURES]
    names += ["ms_of_day2", "underlying_price", "date"]

    def line(strike):
        values = ["SPXW", "20240119", strike, "C", "36060000", *["1.25"] * len(MEASURES)]
        return ",".join([*values, "36060000", "4750.0", "20240102"])

    wire.says("\r\n".join([",".join(names), line("4700000"), line(strike), ""]), "text/csv")

    found, reasons = asked(connected(wire.url, "v2", format="csv"))

    assert ([r["strike"] for r in found], reasons) == ([4700.0], ["unreadable"])


def test_a_quotation_mark_eats_no_rows(wire, connected):
    head = ",".join([*ROW, "note"])
    lines = [",".join(value.strip('"') for value in row(minute).values()) for minute in range(5)]
    body = [head, f"{lines[0]},a", f'{lines[1]},"b', f"{lines[2]},c", f'{lines[3]},d"', f"{lines[4]},e", ""]
    wire.says("\r\n".join(body), "text/csv")

    found, reasons = asked(connected(wire.url, format="csv"))

    assert len(found) + len(reasons) == 5
    assert len(found) >= 4


def test_a_line_end_within_a_line_makes_no_two_rows_of_it(wire, connected):
    lines = [",".join(value.strip('"') for value in row(minute).values()) for minute in range(3)]
    lines[1] = lines[1].replace(",CALL,", ",CALL\r,")
    wire.says("\n".join([",".join(ROW), *lines, ""]), "text/csv")

    found, reasons = asked(connected(wire.url, format="csv"))

    assert len(found) + len(reasons) == 3


# Memory, in processes of their own ----------------------------------------------------------------------


BOMBS = {
    "strikes 100,000 deep": ("json", lambda: spelt("json", row(1), row(2, strike=DEEP), row(3))),
    "words 100,000 deep": ("json", lambda: spelt("json", row(1), row(2, symbol=DEEP), row(3))),
    "nothing but brackets": ("json", lambda: "[" * 3_000_000),
    "empty objects": ("json", lambda: '{"response": [[' + "{}," * 5_000_000 + "{}]]}"),
    "empty rows": ("json", lambda: '{"response": [' + "{}," * 300_000 + "{}]}"),
    "one long word": ("json", lambda: '{"response": ["' + "x" * 60_000_000 + '"]}'),
    "one long line": ("csv", lambda: ",".join(ROW) + "\r\n" + "x" * 60_000_000),
    "three long lines": ("ndjson", lambda: ('{"bid": "' + "x" * 20_000_000 + '"}\n') * 3),
    "columns of small words": (
        "json",
        lambda: (
            '{"response": {' + ",".join(f'"c{n}": [{",".join(["7.5"] * 300_000)}]' for n in range(16)) + "}}"
        ),
    ),
    "a contract with a million names": (
        "json",
        lambda: (
            '{"response": [{"contract": {'
            + ",".join(f'"{n}": 1' for n in range(500_000))
            + '}, "data": ['
            + "{}," * 100_000
            + "{}]}]}"
        ),
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_answer_takes_more_memory_than_a_chain(name, tmp_path):
    form, make = BOMBS[name]
    body = tmp_path / "body"
    body.write_text(make())

    run = subprocess.run(
        [sys.executable, "-m", "tests.swallowing", body, KINDS[form]],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        timeout=240,
    )

    assert (run.returncode, run.stderr) == (0, "")
    said, memory = json.loads(run.stdout)
    assert said in ("ApiResponseInvalidError", "2 records")
    assert memory < MOST_MEMORY


# Length and time ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(talk):
    """Run a loopback server that says to each request what *talk* writes to its line; give its URL."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while self.rfile.readline().strip():
                pass
            with contextlib.suppress(OSError):
                talk(self.wfile.write)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close = True, False

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n"


def endless(write):
    write(HEAD)
    while True:
        write(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def trickle(write, head=HEAD):
    for byte in head + b"5\r\nhello\r\n" * 10_000:
        write(bytes([byte]))
        time.sleep(0.02)


def slow_body(write):
    write(HEAD)
    trickle(write, b"")


def in_two_pieces(write):
    """Answer in two pieces, between which the watch has looked."""
    body = b"symbol,expiration\r\nSPXW,2024-01-19\r\n"
    write(b"HTTP/1.1 200 OK\r\n")
    time.sleep(0.6)
    write(b"Content-Type: text/csv\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def continues(write):
    while True:
        write(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


def test_a_body_without_an_end_is_given_up(connected, tmp_path):
    with serving(endless) as url, pytest.raises(ApiResponseInvalidError, match="is larger than"):
        connected(url).listing("SPXW", DAY)


def test_a_body_that_says_it_is_too_long_is_not_even_begun(connected):
    def vast(write):
        write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nhello")
        time.sleep(5)

    with serving(vast) as url, pytest.raises(ApiResponseInvalidError, match="is larger than"):
        connected(url).listing("SPXW", DAY)


@pytest.mark.parametrize("talk", [trickle, slow_body, continues])
def test_a_byte_now_and_then_holds_no_slot_for_ever(talk, connected):
    with serving(talk) as url, pytest.raises(ApiConnectionError, match="bytes of its answer in"):
        connected(url, timeout_seconds=1.5).expirations("SPXW")


def test_a_request_that_waits_for_a_slot_is_not_late(wire, tmp_path, terminal_settings):
    wire.says("symbol,expiration\r\nSPXW,2024-01-19\r\n")
    begun = threading.Event()

    @contextlib.contextmanager
    def gate(_):
        begun.wait(3.5)  # more than two silences
        yield

    source = access.connect(terminal_settings(wire.url, api="v3", timeout_seconds=1.5), tmp_path, gate=gate)

    with serving(in_two_pieces) as url:
        slow = access.connect(terminal_settings(url, api="v3", timeout_seconds=1.5), tmp_path, gate=gate)
        assert slow.expirations("SPXW") == source.expirations("SPXW") == (dt.date(2024, 1, 19),)


@pytest.mark.parametrize("talk", [trickle, slow_body, continues])
def test_nor_does_the_question_how_the_terminal_is(talk, terminal_settings):
    with serving(talk) as url, pytest.raises(SpxDataError):
        access.locate(terminal_settings(url, timeout_seconds=0.3))


def test_what_is_packed_is_unpacked_as_far_as_its_ceiling(wire, connected):
    wire.says(gzip.compress(b"x" * (limits.CONTRACTS.bytes + 1)))

    with pytest.raises(ApiResponseInvalidError, match="is larger than"):
        connected(wire.url).listing("SPXW", DAY)


def test_a_listing_of_more_contracts_than_there_are_is_refused(wire, connected):
    lines = ["symbol,expiration,strike,right"]
    lines += [f"SPXW,2024-01-19,{strike}.000,CALL" for strike in range(1, limits.CONTRACTS.rows + 2)]
    wire.says("\r\n".join([*lines, ""]))

    with pytest.raises(ApiResponseInvalidError, match="has more than 200,000 rows"):
        connected(wire.url).listing("SPXW", DAY)


def test_a_history_of_more_rows_than_were_asked_for_is_refused(wire, connected, monkeypatch):
    monkeypatch.setattr(limits, "_FEW_CONTRACTS", 1)
    line = ",".join(value.strip('"') for value in row(1).values())
    wire.says("\r\n".join([",".join(ROW), *[line] * (4 * MINUTES.stamps + 1), ""]))

    with pytest.raises(ApiResponseInvalidError, match="has more than 1,564 rows"):
        asked(connected(wire.url))


def test_pages_have_an_end(wire, connected, monkeypatch):
    monkeypatch.setattr(limits, "PAGES", 20)
    for number in range(1, 30):
        body = f"root,expiration,strike,right\r\nSPXW,20240119,{number}000,C\r\n"
        wire.says(body, Next_Page=f"{wire.url}/v2/page/{number}")

    with pytest.raises(ApiResponseInvalidError, match="is page 20, and not the last"):
        connected(wire.url, "v2").listing("SPXW", DAY)
    assert len(wire.asked) == 20


def test_all_pages_together_have_one_ceiling(wire, connected, monkeypatch):
    monkeypatch.setattr(limits, "CONTRACTS", limits.Ceiling(100, 300))
    for number in range(1, 30):
        body = f"root,expiration,strike,right\r\nSPXW,20240119,{number}000,C\r\n"
        wire.says(body, Next_Page=f"{wire.url}/v2/page/{number}")

    with pytest.raises(ApiResponseInvalidError, match="is larger than"):
        connected(wire.url, "v2").listing("SPXW", DAY)
    assert len(wire.asked) == 6


@pytest.mark.parametrize("dates", ["9" * 5000, "[[[[20240119]]]]", "true", "{}", DEEP], ids=lambda d: d[:8])
def test_a_list_of_expirations_that_is_none_is_refused(dates, wire, connected):
    wire.says(f'{{"response": [{dates}]}}', "application/json")

    with pytest.raises(ApiResponseInvalidError):
        connected(wire.url, "v2").expirations("SPXW")
