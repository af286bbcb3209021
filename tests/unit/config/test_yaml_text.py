"""One key of a YAML text is changed, and no other byte."""

import datetime as dt
from pathlib import Path

import pytest
import yaml
from yaml import YAMLError

from spx_data.config import rulebook, yaml_text

SHIPPED = (Path(__file__).resolve().parents[3] / "config" / "config.yaml").read_text()
KEYS = [key for key, _ in rulebook.rules() if key not in (rulebook.START_DATE, "symbols")]


def lines_that_differ(before, after):
    pairs = zip(before.splitlines(keepends=True), after.splitlines(keepends=True), strict=True)
    return [(old, new) for old, new in pairs if old != new]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_the_shipped_file_changes_its_own_line_alone(key):
    after = yaml_text.put(SHIPPED, key, "another: value, quoted")

    ((_, new),) = lines_that_differ(SHIPPED, after)
    assert new.strip() == f'{key.rpartition(".")[2]}: "another: value, quoted"'


def test_the_start_date_stands_where_the_shipped_file_says():
    after = yaml_text.put(SHIPPED, rulebook.START_DATE, dt.date(2023, 5, 1))

    assert lines_that_differ(SHIPPED, after) == [
        ("  # start_date: 2024-01-02\n", "  start_date: 2023-05-01\n"),
    ]


def test_what_is_commented_out_can_be_put_back():
    before = yaml_text.put(SHIPPED, rulebook.START_DATE, dt.date(2024, 1, 2))

    assert yaml_text.comment_out(before, rulebook.START_DATE) == SHIPPED


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("p:\n  k: 1   # why\n", "p:\n  k: 7   # why\n"),
        ('p:\n  k: "1"\n', "p:\n  k: 7\n"),
        ("p:\n  k: |\n    a\n    b\n\n  # next\n  j: 1\n", "p:\n  k: 7\n\n  # next\n  j: 1\n"),
        ("p:\n  k: 'two\n    lines'\n  j: 1\n", "p:\n  k: 7\n  j: 1\n"),
        ("p:\n  k:\n  j: 1\n", "p:\n  k: 7\n  j: 1\n"),
        ("p: {k: [1,\n 2], j: 3}\n", "p: {k: 7, j: 3}\n"),
        (
            "p:\n  k: # why\n    # these\n    - 1\n    - 2\n\n  # next\n  j: 1\n",
            "p:\n  k: 7 # why\n    # these\n\n  # next\n  j: 1\n",
        ),
        ("p:\n  k: {a: 1}\n", "p:\n  k: 7\n"),
        ("p:\r\n  k: 1\r\n  j: 1\r\n", "p:\r\n  k: 7\r\n  j: 1\r\n"),
        ('p:\n    "k" : 1', 'p:\n    "k" : 7'),
        ("\ufeffp:\n  k: 1\n", "\ufeffp:\n  k: 7\n"),
    ],
)
def test_a_value_is_replaced_whatever_its_form(before, after):
    assert yaml_text.put(before, "p.k", 7) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "p:\n  k: 7\n"),
        ("# only words", "# only words\n\np:\n  k: 7\n"),
        ("a: 1\n", "a: 1\n\np:\n  k: 7\n"),
        ("p:\n", "p:\n  k: 7\n"),
        ("p:", "p:\n  k: 7\n"),
        (
            "p:\n    j:\n      - 1 # one\n\n# next\na: 1",
            "p:\n    j:\n      - 1 # one\n    k: 7\n\n# next\na: 1",
        ),
        ("p: {}\n", "p: {k: 7}\n"),
        ("p: {j: 1}\n", "p: {j: 1, k: 7}\n"),
        ("p: {j: 1,}\n", "p: {j: 1, k: 7}\n"),
        ("{a: 1}", "{a: 1, p: {k: 7}}"),
        ("p:\r\n  j: 1\r\na: 2\r\n", "p:\r\n  j: 1\r\n  k: 7\r\na: 2\r\n"),
    ],
)
def test_a_key_that_is_not_there_is_added_to_its_section(before, after):
    assert yaml_text.put(before, "p.k", 7) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("p:\n  # k: 1\n  j: 2\n", "p:\n  k: 7\n  j: 2\n"),
        ("p:\n  #k: 1  # why\n", "p:\n  k: 7  # why\n"),
        ("p:\r\n  # k: 1\r\n  j: 2\r\n", "p:\r\n  k: 7\r\n  j: 2\r\n"),
        ("p:\n    j: 2\n# k: [1, 2]\n", "p:\n    j: 2\n    k: 7\n"),
        ("p:\n  # k: in words, many\n  j: 2\n", "p:\n  # k: in words, many\n  j: 2\n  k: 7\n"),
        ("p:\n  # k: [1\n  j: 2\n", "p:\n  # k: [1\n  j: 2\n  k: 7\n"),
        ("p:\n  j: 2\nq:\n  # k: 1\n  i: 3\n", "p:\n  j: 2\n  k: 7\nq:\n  # k: 1\n  i: 3\n"),
    ],
)
def test_a_setting_that_is_commented_out_comes_back_in_its_place(before, after):
    assert yaml_text.put(before, "p.k", 7) == after


def test_a_key_without_a_section_is_put_as_well():
    assert yaml_text.put("p: {}\ndates: null # all\n", "dates", "2024-01,2025") == (
        'p: {}\ndates: "2024-01,2025" # all\n'
    )
    assert yaml_text.put("p: {}\n", "dates", "2024") == 'p: {}\n\ndates: "2024"\n'
    assert yaml_text.put("# dates: null\n", "dates", "2024-01") == "dates: 2024-01\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("p:\n  k: 1 # why\n  j: 2\n", "p:\n  # k: 1 # why\n  j: 2\n"),
        ("p:\n  k:\n    - 1\n\n    - 2\n  j: 2\n", "p:\n  # k:\n    # - 1\n\n    # - 2\n  j: 2\n"),
        ("p:\n  # why\n  k: 1\nq: 2\n", "# p:\n  # why\n  # k: 1\nq: 2\n"),
        ("p:\n  j: 1\n", "p:\n  j: 1\n"),
    ],
)
def test_a_key_becomes_a_comment_with_its_section_if_nothing_else_is_in_it(before, after):
    assert yaml_text.comment_out(before, "p.k") == after


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "16:00:00",
        "null",
        "yes",
        "a: b",
        "x#y",
        "x #y",
        'say "so"',
        "back\\slash",
        "übermäßig",
        "-",
        "[a]",
        1,
        0.5,
        True,
        None,
        [],
        ["SPX", "NO", "1"],
        dt.date(2024, 1, 2),
    ],
    ids=repr,
)
def test_every_value_is_read_as_it_was_written(value):
    block, flow = f"k: {yaml_text.written(value)}\n", f"{{k: {yaml_text.written(value)}}}\n"

    assert yaml.safe_load(block) == yaml.safe_load(flow) == {"k": value}


def test_what_is_no_yaml_is_an_error():
    with pytest.raises(YAMLError):
        yaml_text.put("p: [", "p.k", 1)
