"""A document that vouches for its own bytes notices every change of them."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.errors import FileCorruptionError
from spx_data.store import documents

DOCUMENT = {"date": "2024-01-02", "rows": 3, "share": 1e-05, "name": "é", "zeros": "0" * 64}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("vouched") / "document.json"
    documents.write(path, DOCUMENT)
    return path.read_bytes()


def test_the_document_is_what_was_written_and_its_digest(content):
    found = json.loads(content)
    digest = found.pop(documents.FIELD)

    assert found == DOCUMENT
    blank = content.replace(digest.encode(), b"0" * 64)
    assert hashlib.sha256(blank).hexdigest() == digest
    assert documents.holds(content)


def test_every_bit_counts(content):
    for at in range(len(content)):
        for bit in range(8):
            changed = content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]

            assert not documents.holds(changed), (at, bit)


@given(st.binary())
def test_other_bytes_do_not_hold(content):
    assert not documents.holds(content)


def test_what_follows_counts_too(content):
    assert not documents.holds(content + b" ")
    assert not documents.holds(content[:-1])


def test_a_document_is_read_with_size_and_digest_of_its_file(content, tmp_path):
    path = tmp_path / "document.json"
    path.write_bytes(content)

    reading = documents.read_whole(path)

    assert reading.document == json.loads(content) == documents.read(path)
    assert reading.size == len(content)
    assert reading.sha256 == hashlib.sha256(content).hexdigest()


def test_fields_from_one_on_can_be_left_unread(tmp_path):
    path = tmp_path / "document.json"
    document = {"first": {"long": 1}, "second": [{"long": 2}], "long": {"first": 3}, "last": 4}
    documents.write(path, document)

    found = documents.read_whole(path, until="long")

    assert found.document == {"first": {"long": 1}, "second": [{"long": 2}]}
    assert found.size == path.stat().st_size
    assert documents.read_whole(path, until="no such field").document.keys() >= document.keys()


def test_a_change_in_what_is_left_unread_is_seen(tmp_path):
    path = tmp_path / "document.json"
    documents.write(path, {"first": 1, "long": 2})
    path.write_bytes(path.read_bytes().replace(b'"long": 2', b'"long": 3'))

    with pytest.raises(FileCorruptionError):
        documents.read_whole(path, until="long")
