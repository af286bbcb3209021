"""A bounded share of `make proof`: stops and errors at any operation of a fill do no harm."""

import errno
import hashlib
import json

from tests.proof.disk import OPERATIONS
from tests.proof.stops import Proof

from spx_data.store import files, seals

TRIALS, SEED = 48, 1_000_000


def test_no_stop_and_no_error_of_the_disk_makes_a_wrong_day(tmp_path):
    with Proof(tmp_path) as proof:
        tally = proof.run(TRIALS, SEED)

    print(f"{tally.kinds.total()} stops and errors, seeds from {SEED}: {dict(tally.kinds)}")
    assert tally.wrong == []
    assert {"kill", "power cut", *map(errno.errorcode.get, (errno.ENOSPC, errno.EIO, errno.EACCES))} == set(
        tally.kinds
    )
    assert set(tally.operations) >= set(OPERATIONS) - {"remove_folder", "create_nameless"}  # rare in a fill


def found_out(proof, *likely, most):
    """Whether one of *most* stops finds something wrong; *likely* are those that do in the fill of today."""
    return any(proof.run(1, SEED + number).wrong for number in (*likely, *range(most)))


def test_a_fill_that_does_not_flush_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_sync", lambda _: None)

    with Proof(tmp_path) as proof:
        assert found_out(proof, 10, 22, 24, most=100)


def test_a_sidecar_written_too_early_is_found_out(tmp_path, monkeypatch):
    write = files.write_text

    def early(target, text):
        if target.suffix == ".json" and target.name.startswith("spx-options-"):
            parquet, digest = target.with_suffix(".parquet"), hashlib.sha256(text.encode()).hexdigest()
            seals.write_sidecar(parquet, seals.Seal(json.loads(text)["parquet"]["sha256"], digest))
        write(target, text)

    monkeypatch.setattr(files, "write_text", early)

    # Few of a fill's operations lie between the two, and not every hundred stops falls among them.
    with Proof(tmp_path) as proof:
        assert found_out(proof, 13, 41, 50, most=600)
