"""The machine under the lake: disks, memory, and who may read and write there."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from spx_data import files
from spx_data.errors import PermissionDeniedError
from spx_data.health.check import Check, fail, gigabytes, ok, warn
from spx_data.health.scene import Scene
from spx_data.layout import Layout
from spx_data.settings import Alerts

_OTHERS = 0o077
_OF_WINDOWS = frozenset({"9p", "drvfs", "virtiofs"})  # file systems of /mnt/c under WSL


@dataclass(frozen=True)
class Disk:
    """One disk under the lake: which of its directories are there, and the disk's bytes."""

    names: tuple[str, ...]
    folder: Path
    free: int
    total: int

    @property
    def percent(self) -> float:
        """How much of it is free."""
        return 100 * self.free / self.total

    def __str__(self) -> str:
        return f"{listed(self.names)}: {self.percent:.0f} % free ({gigabytes(self.free)})"


def disks(layout: Layout) -> list[Disk]:
    """The disks of the output, temp and data directories."""
    found: dict[int, dict[str, Path]] = defaultdict(dict)
    for name, folder in _folders(layout).items():
        found[files.device(folder)][name] = folder
    return [
        Disk(tuple(folders), folder := next(iter(folders.values())), *_room(folder))
        for folders in found.values()
    ]


def _folders(layout: Layout) -> dict[str, Path]:
    return {"output": layout.output, "temp": layout.temp, "data": layout.data}


def _room(folder: Path) -> tuple[int, int]:
    return files.free_bytes(folder), files.total_bytes(folder)


def disk(scene: Scene) -> Check:
    """Whether the disks have room, in percent and for a next date."""
    limit, need = scene.settings.alerts.disk_free_percent, _need_of_a_date(scene)
    there = disks(scene.settings.layout)
    least = min(one.percent for one in there)
    found, numbers = "; ".join(map(str, there)), {"value": round(least, 1), "limit": limit, "unit": "% free"}
    demands = {one: sum(need.get(name, 0.0) for name in one.names) for one in there}
    full = [
        f"it needs about {gigabytes(demand)} on the disk of {one.folder}"
        for one, demand in demands.items()
        if one.free < demand
    ]
    if full:
        cure = "Make room there, or set other directories; the next run goes on where it stopped"
        return fail("disk", f"{found}; not even the next date fits: {'; '.join(full)}", cure, **numbers)
    if slow := windows_drives({"project": Path(), **_folders(scene.settings.layout)}):
        cure = "Keep all of it in WSL's own files: cp -r . ~/spx-data && cd ~/spx-data && make env"
        words = f"{listed(slow)} on a drive of Windows: slow under WSL, and its locks are not to be trusted"
        return warn("disk", f"{found}; {words}", cure, **numbers)
    if least < limit:
        cure = "Make room: spx-data cleanup --dry-run shows what can go, or move the lake to a larger disk"
        return warn("disk", f"{found}, less than {limit:g} %", cure, **numbers)
    return ok("disk", found, **numbers)


def _need_of_a_date(scene: Scene) -> dict[str, float]:
    """Bytes that a fill demands of each directory for a usual date; none where no date is sealed yet."""
    from spx_data.fill.room import MARGIN

    facts = [summary.facts for summary in scene.sealed]
    if not facts:
        return {}
    return {
        "temp": MARGIN * median(fact.staged_bytes for fact in facts),
        "output": MARGIN * median(fact.bytes for fact in facts),
    }


def windows_drives(folders: Mapping[str, Path]) -> list[str]:
    """The names of those *folders* that Linux under Windows (WSL2) reaches only through Windows."""
    if "microsoft" not in os.uname().release.lower():
        return []
    import psutil

    types = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}

    def type_of(folder: Path) -> str:
        there = folder.resolve()
        return next((types[above] for above in (there, *there.parents) if above in types), "")

    return [name for name, folder in folders.items() if type_of(folder) in _OF_WINDOWS]


def memory(alerts: Alerts) -> Check:
    """How much of the machine's memory is in use."""
    import psutil

    found, limit = psutil.virtual_memory(), alerts.memory_percent
    words = f"{found.percent:.0f} % of {gigabytes(found.total)} in use"
    numbers = {"value": round(found.percent, 1), "limit": limit, "unit": "% used"}
    if found.percent > limit:
        cure = "Close other programs, or give Snakemake fewer cores: each job takes memory of its own"
        return warn("memory", f"{words}, more than {limit:g} %", cure, **numbers)
    return ok("memory", words, **numbers)


def permissions(scene: Scene) -> Check:
    """Whether the lake can be written to, and by its owner alone where the settings want that."""
    layout = scene.settings.layout
    folders = {
        "output": layout.output,
        "temp": layout.temp,
        "data": layout.data,
        "database": layout.database.parent,
    }
    refused = []
    for folder in folders.values():
        try:
            files.check_writable(folder)
        except PermissionDeniedError as error:
            refused.append(error)
    if refused:
        return fail("permissions", "; ".join(error.cause for error in refused), refused[0].cure)
    open_ones = [folder for folder in (layout.output, layout.temp, layout.data) if _is_open(folder)]
    if scene.settings.owner_only and open_ones:
        shown = " ".join(dict.fromkeys(f"'{folder}'" for folder in open_ones))
        found = f"others can read in {shown}, and processing.owner_only is on"
        return warn("permissions", found, f"chmod -R go= {shown}")
    who = "by you alone" if scene.settings.owner_only else "also by others, as processing.owner_only is off"
    return ok("permissions", f"{listed(list(folders))} can be written to; readable {who}")


def _is_open(folder: Path) -> bool:
    """Whether *folder* lets others in, and something in it too: a closed folder protects all it holds."""
    with suppress(FileNotFoundError):
        if not folder.stat().st_mode & _OTHERS:
            return False
        with os.scandir(folder) as entries:
            return any(entry.stat().st_mode & _OTHERS for entry in entries if not entry.is_symlink())
    return False


def listed(words: Sequence[str]) -> str:
    """*words* as an enumeration."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
