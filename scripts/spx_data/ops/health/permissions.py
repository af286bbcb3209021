"""Whether the lake can be written to, and whether it is as private as the settings want."""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from spx_data.errors import PermissionDeniedError
from spx_data.ops import engine
from spx_data.ops.health.machine import listed
from spx_data.ops.health.scene import Check, Scene, fail, ok, warn
from spx_data.store import files, modes
from spx_data.store.limits import Lack
from spx_data.text.words import quoted

_GROUP_READS = stat.S_IRGRP
_GROUP_ENTERS = stat.S_IRGRP | stat.S_IXGRP | stat.S_ISGID


def permissions(scene: Scene) -> Check:
    """Whether the lake can be written to, and by whom it can be read where the settings say so."""
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
        return fail("; ".join(error.cause for error in refused), refused[0].cure)
    if found := _otherwise_than_wanted(scene):
        return found
    if aside := engine.cache_aside(layout):
        words = "Snakemake cannot write its cache in your home folder, and does not start without one"
        cure = f"spx-data gives it one here; for plain snakemake: `export XDG_CACHE_HOME={quoted(aside)}`"
        return warn(words, cure)
    return ok(f"{listed(list(folders))} can be written to; readable {_readers(scene)}")


def _readers(scene: Scene) -> str:
    wanted = scene.settings.owner_only
    if wanted == "group":
        groups = dict.fromkeys(map(_group, filter(Path.exists, _folders(scene))))
        return f"by you and the group {listed(list(groups))}" if groups else "by you and your group"
    return "by you alone" if wanted else "also by others, as processing.owner_only is off"


def _folders(scene: Scene) -> list[Path]:
    """The lake's directories where a change of modes mends what is wrong with them."""
    layout = scene.settings.layout
    without_modes = [
        folder for volume in scene.volumes if Lack.MODES in volume.lacks for folder in volume.folders.values()
    ]
    return [folder for folder in (layout.output, layout.temp, layout.data) if folder not in without_modes]


def _otherwise_than_wanted(scene: Scene) -> Check | None:
    """What others may do in the lake, or those of its group may not, that the settings want otherwise."""
    wanted = scene.settings.owner_only
    folders = _folders(scene) if wanted else []
    in_group = wanted == "group"
    outside = 0o007 if in_group else modes.denied(wanted)
    setting = "processing.owner_only is " + ("group" if in_group else "on")
    if read := _shown(folder for folder in folders if _is_open(folder, outside)):
        who = "people outside of its group" if in_group else "others"
        cure = f"`chmod -R o= {read}`" if in_group else f"`chmod -R go= {read}`"
        return warn(f"{who} can read in {read}, and {setting}", cure)
    if written := _shown(filter(_lets_others_write, folders)):
        found = f"others can delete and replace what is in {written}, and {setting}"
        return warn(found, f"`chmod g-w,o= {written}`" if in_group else f"`chmod 700 {written}`")
    closed = _shown(_topmost([*filter(_is_closed_to_its_group, folders)])) if in_group else ""
    if closed:
        found = (
            f"the group cannot read all in {closed}, or what is new there is not the group's, and {setting}"
        )
        cure = f"`chmod -R g+rX {closed} && find {closed} -type d -exec chmod g+s {{}} +`"
        return warn(found, cure)
    return None


def _shown(folders: Iterable[Path]) -> str:
    """*folders* as a command takes them."""
    return " ".join(dict.fromkeys(map(quoted, folders)))


def _topmost(folders: Sequence[Path]) -> list[Path]:
    """Those of *folders* that are in none of the others."""
    return [folder for folder in folders if not {*folder.parents} & {*folders}]


def _group(folder: Path) -> str:
    number = folder.stat().st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:  # of another machine, which the folder is shared with
        return str(number)


def _is_open(folder: Path, to: int) -> bool:
    """Whether *folder* lets those in whom *to* is about, and something in it too: closed, it protects all."""
    with suppress(FileNotFoundError):
        if not folder.stat().st_mode & to:
            return False
        with os.scandir(folder) as entries:
            return any(entry.stat().st_mode & to for entry in entries if not entry.is_symlink())
    return False


def _lets_others_write(folder: Path) -> bool:
    """Whether others may take names out of *folder*; in one with the sticky bit, only their own."""
    with suppress(FileNotFoundError):
        mode = folder.stat().st_mode
        return bool(mode & (stat.S_IWGRP | stat.S_IWOTH)) and not mode & stat.S_ISVTX
    return False


def _is_closed_to_its_group(folder: Path) -> bool:
    """Whether the group of *folder* is kept out of it, or of something in it, or does not own what is new."""
    with suppress(FileNotFoundError):
        with os.scandir(folder) as entries:
            inside = [entry.stat().st_mode for entry in entries if not entry.is_symlink()]
        return any(
            ~mode & (_GROUP_ENTERS if stat.S_ISDIR(mode) else _GROUP_READS)
            for mode in (folder.stat().st_mode, *inside)
        )
    return False
