"""What clouds, Macs, editors and people put beside sealed days, put there."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

# By a sealed day's Parquet: what lies where, and whether a glob for *.parquet finds it.
COPIES = {
    "a cloud's copy": ("{stem} 2.parquet", True),
    "a conflicted copy": ("{stem} (conflicted copy 2024-12-01).parquet", True),
    "a Syncthing conflict": ("{stem}.sync-conflict-20241201-101010-ABCDEFG.parquet", True),
    "a copy by hand": ("copy of {stem}.parquet", True),
    "a name with a newline": ("{stem}\n.parquet", True),
}
NOTES = {
    "a Mac's second file": ("._{stem}.parquet", True),
    "bytes that are no text": ("caf\udce9.parquet", True),
    "a Finder's notes": (".DS_Store", False),
    "a folder's icon": ("Icon\r", False),
    "a file of somebody else's that iCloud took away": (".notes.txt.icloud", False),
    "a Windows folder's notes": ("desktop.ini", False),
    "an open spreadsheet": ("~${stem}.xlsx", False),
    "a file that NFS keeps": (".nfs000000000001", False),
    "a sidecar's copy": ("{stem}.parquet 2.sha256", False),
    "a dash in front": ("-rf", False),
}


def put_beside(parquet: Path) -> tuple[list[Path], int]:
    """Put every kind of stranger into the lake of *parquet*, a sealed day's.

    Returns:
        The strangers, and how many files of them a glob for `*.parquet` finds.
    """
    day, stem = parquet.parent, parquet.stem
    month, root = day.parent, day.parents[2]
    put: list[Path] = []
    for forms, content in ((COPIES, parquet.read_bytes()), (NOTES, b"\0\5\x16\7")):
        for name, _ in forms.values():
            path = day / name.format(stem=stem)
            with suppress(OSError):  # a Mac takes no name that is no text
                path.write_bytes(content)
                put.append(path)
    for copy in (month / f"{day.name} 2", month.with_name(f"{month.name} copy") / day.name):
        copy.mkdir(parents=True)
        for path in (parquet, parquet.with_name(f"{parquet.name}.sha256")):
            shutil.copy(path, copy / path.name)
    # A whole day, checksum and all, in the folder of another date.
    other = month / "28" if day.name != "28" else month / "27"
    other.mkdir(exist_ok=True)
    for path in day.glob(f"{stem}.*"):
        if path.suffix in {".parquet", ".sha256", ".json"} and path.name.startswith(f"{stem}."):
            shutil.copy(path, other / path.name)
    put += [other / path.name for path in other.iterdir() if path.name.startswith(f"{stem}.")]
    (root / "notes").mkdir()
    (root / "notes" / "read me.txt").write_text("mine")
    with suppress(OSError):
        (root / "20\udcff4").mkdir()
        (root / "20\udcff4" / "x.parquet").write_bytes(b"x")
        put.append(root / "20\udcff4")
    (root / "13th").symlink_to(root / "13th")  # a link that leads to itself
    (root / "2023").write_text("a file that is named like a year")
    (month / "32").mkdir()
    shutil.copy(parquet, month / "32" / parquet.name)
    (month / "٠١").mkdir()  # digits, but not of ours
    shutil.copy(parquet, month / "٠١" / parquet.name)
    (root / "empty folder").mkdir()
    put += [month / f"{day.name} 2", month.with_name(f"{month.name} copy"), root / "notes"]
    put += [root / "13th", root / "2023", month / "32", month / "٠١"]
    return sorted(set(put)), sum(name.endswith(".parquet") for path in put for name in _names(path))


def _names(path: Path) -> list[str]:
    if path.is_dir():
        return [name for _, _, names in os.walk(path) for name in names]
    return [path.name]
