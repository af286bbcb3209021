"""The seal of a file: a sidecar with its checksum, written last, so that where it is the file is done."""

from __future__ import annotations

import errno
from pathlib import Path

from spx_data.errors import EvictedFileError, FileCorruptionError, MissingFileError
from spx_data.store import files, names, reads


def seal(target: Path, checksum: str) -> None:
    """Write the sidecar of *target*, in the form that `sha256sum -c` and `shasum -c` read."""
    files.write_text(names.sidecar_of(target), f"{checksum}  {target.name}\n")


def sealed_checksum(target: Path) -> str:
    """The SHA-256 that the sidecar of *target* vouches for.

    Raises:
        MissingFileError: there is no sidecar.
        FileCorruptionError: the sidecar is not one line that names *target*.
    """
    words = reads.content(names.sidecar_name(str(target))).decode(errors="replace").split()
    if len(words) != 2 or len(words[0]) != 64 or words[1] != target.name:
        sidecar = names.sidecar_of(target)
        raise FileCorruptionError(
            f"{sidecar} is not a sidecar of {target.name}",
            cure="Run the workflow again: the date counts as not done and is fetched anew",
            path=sidecar,
            expected=f"<64 hexadecimal digits>  {target.name}",
            actual=" ".join(words)[:100],
        )
    return words[0]


def is_sealed(target: Path) -> bool:
    """Whether *target* and its sidecar are both there and agree on the name.

    The cheap half of `verify`: it does not read the file's bytes. What lies in iCloud is not lost.

    Raises:
        SpxDataError: the system does not tell.
    """
    try:
        sealed_checksum(target)
        return reads.is_there(target)
    except (MissingFileError, FileCorruptionError):
        return False
    except EvictedFileError:
        return True
    except OSError as error:
        sidecar = names.sidecar_of(target)
        if _errno(error) == errno.ELOOP or sidecar.is_dir():  # a stranger stands in its place
            return False
        raise


def _errno(error: OSError) -> int | None:
    """What the system said, also where it was said in our words."""
    cause = error.__cause__
    return cause.errno if isinstance(cause, OSError) else error.errno


def verify(target: Path) -> None:
    """Raise `FileCorruptionError` unless the bytes of *target* are those its sidecar vouches for."""
    expected = sealed_checksum(target)
    if (found := reads.digest(target)) != expected:
        raise FileCorruptionError(
            f"{target}: the sidecar says {expected[:12]}…, the file is {found[:12]}…",
            cure="Move the date's files away and run the workflow again",
            path=target,
            expected=expected,
            actual=found,
        )
