"""What is left of a terminal's words: what it is known to say, and nothing that identifies anybody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.ops.probe import scrubbing
from spx_data.ops.probe.scrubbing import scrubbed

KEPT = [
    ":No data for the specified timeframe & contract.",
    "No data found for your request",
    "Connection lost to Theta Data MDDS.",
    "Too many requests: the queue is full",
    "Wrong IP: use 127.0.0.1 instead of localhost",
    ":No implementation for the path: /v3/terminal/mdds/status",
    "Requesting this endpoint requires a higher subscription",
    "Cannot fetch current-day data without specifying an expiration",
    ":No listed contracts for the date: 20241210",
    "Invalid strike: 5850000",
    "at 2024-12-10T09:30:00.000-05:00, of SPXW 6050 PUT",
    "https://docs.thetadata.us/",
    "Jetty(12.0.14)",
    "text/csv; charset=utf-8",
    "<html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>\n",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_terminals_are_known_to_say_stays(text):
    assert scrubbed(text) == text


def test_so_does_every_refusal_that_was_ever_seen(samples):
    for path in samples.glob("*error*.txt"):
        if "headers" not in path.name:
            assert scrubbed(path.read_text()) == path.read_text()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("No data for jane@corp.example", "No data for […]"),
        ("lost: /home/data/terminal", "lost: /[…]"),
        ("in /Users/root/data.", "in /[…]."),
        (r"in C:\data\terminal", "in […]"),
        ("server host-7.example is down", "server […] is down"),
        ("user=root;key=AKIAIOSFODNN7", "[…]"),
        ("of 550e8400-e29b-41d4-a716-446655440000", "of […]"),
        ("hash 9f86d081884c7d65", "[…] […]"),
        ("account 4111111111111111", "account […]"),
        ("call 555-123-4567", "call […]"),
        ("from 192.168.178.23:25503", "from […]"),
        ("Fehler für Jürgen", "[…] […] […]"),
        ("Jetty(12.0.14) (jane-pc)", "Jetty(12.0.14) ([…])"),
    ],
)
def test_what_is_not_known_goes_as_a_whole(text, left):
    assert scrubbed(text) == left
    assert scrubbed(left) == left


@given(st.text(max_size=80))
def test_what_was_scrubbed_stays(text):
    once = scrubbed(text)

    assert scrubbed(once) == once
    assert scrubbed(scrubbing.header(text)) == once


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=9, max_size=30))
def test_no_long_word_stays_that_is_not_in_the_list(word):
    if not scrubbing.is_word(word):
        assert word not in scrubbed(f"said {word} to {word}@x, /{word}/ and {word}.{word}: {word}")


@given(st.binary(max_size=300))
def test_an_answer_that_is_no_table_is_scrubbed_once(body):
    once = scrubbing.opaque(body, 100)

    assert scrubbing.opaque(once, 100) == once


def test_fields_of_tables_stay_byte_for_byte_but_for_words():
    row = b'"SPXW",6050.000,CALL,2024-12-10T09:30:00.000Z,-1.5e3,jane'
    table = b"symbol,strike,right,timestamp,bid,name\r\n" + row + b"\r\n"

    assert scrubbing.csv(table) == table.replace(b"jane", "[…]".encode())
    assert scrubbing.csv(scrubbing.csv(table)) == scrubbing.csv(table)


def test_values_of_json_stay_but_for_words():
    rows = '[ {"bid":0.05, "right": "C", "x": NaN}, null ]'
    text = '{"header": {"latency_ms": 5, "owner": "jane"},\n "response": ' + rows + "}"

    left = text.replace('"owner"', '"[…]"').replace('"jane"', '"[…]"').replace('"x"', '"[…]"')
    assert scrubbing.json(text.encode()) == left.encode()


def test_what_is_no_text_keeps_no_letter():
    assert scrubbing.opaque(b"\xff\xfe" + "jane7".encode("utf-16-le")) == b"\xff\xfex\0x\0x\0x\0x\0"
