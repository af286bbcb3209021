"""What a listing of object storage says of published days."""

import datetime as dt
import random

from spx_data.lake import published

DATE = dt.date(2024, 1, 18)
SEALS = ("0123456789abcdef", "fedcba9876543210")
OURS = {published.file_key(DATE, seal, name): size for seal in SEALS for size, name in enumerate("ab", 1)}
OURS |= {published.pointer_key(DATE, number): 9 for number in (1, 2)}
FOREIGN = (
    "notes.txt",
    "2024/01/18/notes.txt",
    "2024/13/41/current-0001.json",
    "x/2024/01/18/current-0003.json",
)


def test_keys_that_are_none_of_ours_change_nothing_wherever_they_stand():
    keys = [*OURS.items(), *((key, 1) for key in FOREIGN)]
    for seed in range(10):
        random.Random(seed).shuffle(keys)

        found = published.listed(dict(keys))

        assert [*found] == [DATE]
        assert sorted(found[DATE].pointers) == [1, 2]
        assert {seal: dict(version.names) for seal, version in found[DATE].versions.items()} == {
            seal: {"a": 1, "b": 2} for seal in SEALS
        }
