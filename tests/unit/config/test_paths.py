"""Paths as a person writes them: meant ones are expanded, all others refused with what to write."""

from pathlib import Path

import pytest

from spx_data import config
from spx_data.config import paths, rulebook

START = {"processing": {"start_date": "2024-01-02"}}


@pytest.fixture(autouse=True)
def home(monkeypatch):
    """Live in a home folder that tests know."""
    monkeypatch.setenv("HOME", "/people/me")
    monkeypatch.setenv("DATA", "/mnt/data")
    monkeypatch.delenv("NO_SUCH", raising=False)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("~", "/people/me"),
        ("~/lake", "/people/me/lake"),
        ("./~/lake", "./~/lake"),
        ("lake~", "lake~"),
        ("./data/parquet", "./data/parquet"),
        ("a/../lake", "lake"),
        ("/mnt/my disk's/{a b}/100 %/#1 ü.", "/mnt/my disk's/{a b}/100 %/#1 ü."),
        ("a*b?[c]", "a*b?[c]"),
    ],
)
def test_what_can_be_meant_is_taken(written, meant):
    assert paths.expanded(written) == meant


def test_a_users_name_is_that_users_home():
    root = Path("~root").expanduser()

    assert paths.expanded("~root/lake") == f"{root}/lake"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "empty path"),
        (" ", "empty path"),
        (" ./lake", "Write ./lake"),
        ("./lake ", "Write ./lake"),
        ("'./lake'", "Write ./lake"),
        ("$HOME/lake", "Write /people/me/lake"),
        ("${DATA}/x", "Write /mnt/data/x"),
        ("~/$DATA", "variables are not expanded here"),
        ("$NO_SUCH/x", "NO_SUCH is not set here either: write the whole path"),
        ("/data/cost$", "has a dollar sign"),
        ("~nobody-at-all/x", "there is no user 'nobody-at-all'"),
        ("file:///data/my%20lake", "Write /data/my lake"),
        ("s3://bucket/lake", "mount what is elsewhere"),
        ("C:\\Users\\me", "In WSL2 it is /mnt/c/Users/me"),
        ("D:/lake", "In WSL2 it is /mnt/d/lake"),
        ("\\\\nas\\lake", "Mount that share"),
        ("/Volumes/My\\ Disk", "Write /Volumes/My Disk"),
        ("data\\lake", "Write data/lake"),
        ("a\0b", "a character that is not printed"),
        ("a\nb", "in one line"),
        ("./{lake}/x", "Snakemake takes {lake}"),
        ("\udcff", "no UTF-8 text"),
        ("x" * 256, "longer than 255 bytes"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_write(written, says):
    with pytest.raises(paths.PathRefusedError) as refused:
        paths.expanded(written)

    assert says in str(refused.value)
    assert refused.value.cure


def test_no_home_is_said(monkeypatch):
    monkeypatch.setenv("HOME", "")

    with pytest.raises(paths.PathRefusedError, match="HOME is ''"):
        paths.expanded("~/lake")


def test_every_key_that_is_a_path_is_known_as_one():
    looks_so = {
        key
        for key, rule in rulebook.rules()
        if str(rule.get("default")).startswith(("./", "/", "~"))
        or key.endswith(("directory", "path", "file"))
    }

    assert set(rulebook.path_keys()) == looks_so


@pytest.mark.parametrize("key", rulebook.path_keys())
def test_each_path_is_expanded_wherever_it_comes_from(key):
    section, name = key.split(".")
    variables = [variable for variable, (of, _) in config.ENVIRONMENT.items() if of == key]

    from_file = config.resolve({**START, section: {**START.get(section, {}), name: "~/x"}}, {})
    from_environment = [config.resolve(START, {variable: "~/x"}) for variable in variables]

    assert {found[section][name] for found in (from_file, *from_environment)} == {"/people/me/x"}
    for environment in ({variable: "$HOME/x"} for variable in variables):
        (problem,) = config.problems(START, environment)
        assert problem.fields["what"] == key
        assert "Write /people/me/x" in problem.cure


def test_a_link_is_not_led_around(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")

    found = paths.expanded(f"{tmp_path}/link/../lake")

    assert Path(found).resolve() == tmp_path / "deep" / "lake"
