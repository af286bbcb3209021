"""How many cores there are for a process: of control groups of either version, and of its own affinity."""

import os

import pytest

from spx_data.store import cores, groups


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that sets what the system says (cores, its own groups, their files), and asks."""

    def said(there, own="", **files):
        if hasattr(os, "sched_getaffinity"):
            monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(there)))
        monkeypatch.setattr(os, "cpu_count", lambda: there)
        for name, text in files.items():
            path = tmp_path / "groups" / name.replace("__", "/").replace("cpu_max", "cpu.max")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "own").write_text(own)
        monkeypatch.setattr(groups, "_TOP", tmp_path / "groups")
        monkeypatch.setattr(groups, "_OWN", tmp_path / "own")
        return cores.usable()

    return said


def test_where_nothing_is_withheld_all_are_there(machine):
    assert machine(6) == 6
    assert machine(6, own="0::/\n", cpu_max="max 100000\n") == 6


@pytest.mark.parametrize(
    "told, found", [("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("900000 100000", 6)]
)
def test_a_container_gives_its_quota(told, found, machine):
    assert machine(6, own="0::/\n", cpu_max=f"{told}\n") == found


def test_the_least_of_a_group_and_those_above_it_counts(machine):
    files = {"cpu_max": "max 100000", "a__cpu_max": "300000 100000", "a__b__cpu_max": "max 100000"}

    assert machine(6, own="0::/a/b\n", **files) == 3


def test_groups_of_the_first_version_are_known(machine, tmp_path):
    folder = tmp_path / "groups" / "cpu,cpuacct" / "docker"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("200000\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")

    assert machine(6, own="4:memory:/docker\n3:cpu,cpuacct:/docker\n") == 2
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    assert machine(6, own="3:cpu,cpuacct:/docker\n") == 6


def test_nonsense_limits_nothing(machine):
    assert machine(6, own="0::/\nx\n", cpu_max="5 0\n") == 6
    assert machine(6, own="0::/\n", cpu_max="a b c\n") == 6
