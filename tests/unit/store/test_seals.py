"""A seal and a document that vouches for its own bytes notice every change of them."""

import hashlib
import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.errors import FileCorruptionError
from spx_data.store import reads, seals
from spx_data.store.names import sidecar_of

DOCUMENT = {"date": "2024-01-02", "rows": 3, "share": 1e-05, "name": "é", "zeros": "0" * 64}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("vouched") / "document.json"
    seals.write_document(path, DOCUMENT)
    return path.read_bytes()


def test_the_document_is_what_was_written_and_its_digest(content):
    found = json.loads(content)
    digest = found.pop(seals.FIELD)

    assert found == DOCUMENT
    blank = content.replace(digest.encode(), b"0" * 64)
    assert hashlib.sha256(blank).hexdigest() == digest
    assert seals.holds(content)


def test_every_bit_counts(content):
    for at in range(len(content)):
        for bit in range(8):
            changed = content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]

            assert not seals.holds(changed), (at, bit)


@given(st.binary())
def test_other_bytes_do_not_hold(content):
    assert not seals.holds(content)


def test_what_follows_counts_too(content):
    assert not seals.holds(content + b" ")
    assert not seals.holds(content[:-1])


def test_a_document_is_read_as_it_was_written_or_not_at_all(content, tmp_path):
    path = tmp_path / "document.json"
    path.write_bytes(content)
    assert seals.read_document(path) == json.loads(content)

    path.write_bytes(content.replace(b'"rows": 3', b'"rows": 4'))
    with pytest.raises(FileCorruptionError, match=seals.FIELD):
        seals.read_document(path)


# The sidecar of a day -----------------------------------------------------------------------------------


@pytest.fixture
def sealed(tmp_path):
    target = tmp_path / "spx-options-2024-01-02.parquet"
    target.write_bytes(b"PAR1")
    seals.seal(target, reads.digest(target), {"date": "2024-01-02"})
    return target


@pytest.mark.parametrize("command", [["sha256sum", "-c"], ["shasum", "-a", "256", "-c"]], ids=lambda c: c[0])
def test_other_peoples_tools_read_our_sidecar(command, sealed):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed here")
    check = [*command, sidecar_of(sealed).name]

    good = subprocess.run(check, cwd=sealed.parent, capture_output=True)
    sealed.with_suffix(".json").write_text("{}")
    spoilt = subprocess.run(check, cwd=sealed.parent, capture_output=True)
    sealed.write_bytes(b"PAR2")
    bad = subprocess.run(check, cwd=sealed.parent, capture_output=True)

    assert [each.stdout.decode().count(": OK\n") for each in (good, spoilt, bad)] == [2, 1, 0]
    assert [each.returncode for each in (good, spoilt, bad)] == [0, 1, 1]


def test_a_sealed_file_is_verified(sealed):
    seals.verify(sealed)

    assert seals.is_sealed(sealed)
    assert seals.read(sealed) == (
        hashlib.sha256(b"PAR1").hexdigest(),
        reads.digest(sealed.with_suffix(".json")),
        None,
    )


def test_changed_bytes_are_found(sealed):
    sealed.write_bytes(b"PAR2")

    with pytest.raises(FileCorruptionError, match="the sidecar says") as caught:
        seals.verify(sealed)

    assert caught.value.fields["expected"] == hashlib.sha256(b"PAR1").hexdigest()
    assert caught.value.fields["actual"] == hashlib.sha256(b"PAR2").hexdigest()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "abc  spx-options-2024-01-02.parquet\n",
        f"{'0' * 64}\n",
        f"{'0' * 64}  another.parquet\n",
        f"{'0' * 64}  spx-options-2024-01-02.parquet\n",
        f"{'0' * 64}  spx-options-2024-01-02.parquet\n{'0' * 64}  spx-options-2024-01-03.json\n",
        "\x00" * 90,
    ],
)
def test_a_sidecar_that_says_something_else_seals_nothing(content, sealed):
    sidecar_of(sealed).write_text(content)

    assert not seals.is_sealed(sealed)
    with pytest.raises(FileCorruptionError, match="is not a sidecar"):
        seals.verify(sealed)


def test_neither_half_of_a_seal_is_enough(sealed):
    kept = sealed.read_bytes()

    sealed.unlink()
    assert not seals.is_sealed(sealed)

    sealed.write_bytes(kept)
    sidecar_of(sealed).unlink()
    assert not seals.is_sealed(sealed)
