"""Control groups of Linux, by which a container or a user withholds cores and memory; a Mac has none."""

from __future__ import annotations

from pathlib import Path

_TOP = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def folders(controller: str) -> list[Path]:
    """The groups, of either version, in which a *controller* holds this process: its own and those above."""
    found = []
    for line in text(_OWN).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" or controller in controllers.split(","):
            top = _TOP / controllers if controllers else _TOP
            own = top / path.lstrip("/")
            found += [own, *(each for each in own.parents if top in (each, *each.parents))]
    return found


def words(path: Path) -> list[str]:
    """What a file says; nothing where there is none: what nobody tells limits nothing."""
    return text(path).split()


def text(path: Path) -> str:
    """The same as it stands there."""
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
