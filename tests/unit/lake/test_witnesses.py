"""Which digest is believed of a Parquet, where those who speak of it disagree."""

import pytest

from spx_data.lake.verify.witnesses import Passport, Recorded, truth

A, B, C, OWN = (digit * 64 for digit in "abc1")


@pytest.mark.parametrize(
    ("sealed", "described", "is_whole", "recorded", "believed"),
    [
        (A, A, False, B, A),
        (A, OWN, False, B, OWN),
        (A, OWN[:-2] + "22", False, B, OWN),
        (A, B, True, A, A),
        (A, B, True, C, B),
        (A, B, False, B, B),
        (A, B, False, C, C),
        (A, B, False, None, A),
        (None, B, False, None, B),
        (None, None, False, None, None),
    ],
)
def test_what_two_say_is_believed_then_a_whole_passport_the_journal_and_the_sidecar(
    sealed, described, is_whole, recorded, believed
):
    told = truth(OWN, sealed, Passport(sha256=described), is_whole, lambda: Recorded(recorded))

    assert told == believed
