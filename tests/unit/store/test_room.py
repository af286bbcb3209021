"""How much memory there is for a process, by control groups of either version."""

import os

import pytest

from spx_data.store import groups, room

MACHINE = 1 << 34


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Return a function that sets this process's own groups and their files, by path."""

    def said(own, files):
        for name, text in files.items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "own").write_text(own)

    monkeypatch.setattr(groups, "_TOP", tmp_path / "groups")
    monkeypatch.setattr(groups, "_OWN", tmp_path / "own")
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": MACHINE // 4096, "SC_PAGE_SIZE": 4096}.get)
    return said


def test_without_a_limit_the_machines_memory_is_there(told):
    told("0::/a\n", {"a/memory.max": "max\n", "a/memory.current": "5\n"})

    assert room.allowed() == MACHINE
    assert room.limited() is None


def test_a_container_has_its_limit_and_in_use_is_what_nobody_gives_up(told):
    files = {
        "memory.max": "1000\n",
        "memory.current": "800\n",
        "memory.stat": "anon 500\ninactive_file 250\n",
    }
    told("0::/\n", files)

    assert room.allowed() == 1000
    assert room.limited() == (1000, 550)


def test_the_tightest_of_the_groups_counts(told):
    files = {"memory.max": "3000", "a/memory.max": "2000", "a/b/memory.max": "max", "a/memory.current": "7"}
    told("0::/a/b\n", files)

    assert room.limited() == (2000, 7)


def test_memory_of_the_first_version_is_known(told):
    files = {"limit_in_bytes": "4000\n", "usage_in_bytes": "900\n", "stat": "total_inactive_file 400\nx\n"}
    told("4:memory:/docker\n3:cpu:/\n", {f"memory/docker/memory.{each}": files[each] for each in files})

    assert room.limited() == (4000, 500)


@pytest.mark.parametrize("limit", ["9223372036854771712", f"{MACHINE}", "-1", "none", ""])
def test_what_is_no_limit_limits_nothing(limit, told):
    told("4:memory:/\n", {"memory/memory.limit_in_bytes": limit})

    assert room.allowed() == MACHINE
