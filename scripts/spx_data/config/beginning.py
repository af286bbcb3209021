"""A folder of the user's own, begun: settings, and what lets `snakemake --cores 4` fill it.

The workflow stays where it was installed; the folder's Snakefile leads to it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spx_data import config
from spx_data.config import reading, shipped
from spx_data.errors import SettingRefusedError
from spx_data.store import files
from spx_data.text.words import quoted

HEAD = """\
# The settings of this lake. What is not here has its default: `spx-data config get` shows every key, and
# `spx-data config set KEY VALUE` writes here.
"""
SNAKEFILE = '''\
"""The lake of this folder, for Snakemake: the workflow is that of the installed spx-data."""

from spx_data.config import shipped


include: str(shipped.SNAKEFILE)


rule fill:
    """Every session that is due."""
    default_target: True
    input:
        rules.all.input,
'''
# Where snakemake looks for a workflow, and for how it is to be called.
_WORKFLOW = Path("Snakefile")
_PROFILE = Path("profiles/default/profile.yaml")


@dataclass(frozen=True)
class Answers:
    """What somebody says of a new lake; *data* is the folder of all that it holds, *terminal* an address."""

    start: dt.date
    end: dt.date | None = None
    data: str = "./data"
    terminal: str | None = None
    requests: int = 4
    pages: bool = False  # after each run

    def settings(self) -> Mapping[str, Mapping[str, object]]:
        """The settings, by section; what is as anywhere stays out."""
        processing: dict[str, object] = {"start_date": self.start}
        if self.end:
            processing["end_date"] = self.end
        if self.data != Answers.data:
            processing |= {
                "output_directory": f"{self.data}/parquet",
                "temp_directory": f"{self.data}/temp",
                "data_directory": self.data,
            }
        terminal: dict[str, object] = {"max_concurrent_requests": self.requests}
        if self.terminal:
            terminal["base_url"] = self.terminal
        found: dict[str, Mapping[str, object]] = {"thetadata": terminal, "processing": processing}
        if self.data != Answers.data:
            found["database"] = {"path": f"{self.data}/spx-pipeline.db"}
        if self.pages:
            found["report"] = {"after_runs": True}
        return found

    def text(self) -> str:
        """The config file that says so."""
        lines = [HEAD]
        for section, keys in self.settings().items():
            lines.append(f"\n{section}:\n")
            lines += [f"  {key}: {_spelt(value)}\n" for key, value in keys.items()]
        return "".join(lines)


def _spelt(value: object) -> str:
    return value.isoformat() if isinstance(value, dt.date) else json.dumps(value, ensure_ascii=False)


def demo() -> Answers:
    """Those for the demo: the dates of the shipped one, and pages after the run."""
    told = config.load(shipped.DEMO)["processing"]
    return Answers(told["start_date"], told["end_date"], pages=True)


def check_free(folder: Path) -> None:
    """Make sure that no lake was begun in *folder*.

    Raises:
        SettingRefusedError: there are settings.
    """
    target = folder / config.OWN
    if target.exists():
        raise SettingRefusedError(
            f"{target} is there already; nothing was changed",
            cure="`spx-data config set KEY VALUE` changes it; or begin in another folder: "
            f"`spx-data init {quoted(folder / 'another')}`",
            what=str(target),
            reason="there already",
        )


def begin(folder: Path, answers: Answers) -> Path:
    """Begin a lake in *folder*, which is made where it is missing; gives its config file.

    A Snakefile that is there, or a profile, is left as it is.

    Raises:
        SettingRefusedError: the folder has settings of its own.
        ConfigurationValidationError: *answers* are no settings; nothing is written.
        PermissionDeniedError: it cannot be written to.
    """
    check_free(folder)
    target, text = folder / config.OWN, answers.text()
    config.resolve(reading.parse(text, target), {})
    if not (folder / _WORKFLOW).exists():
        files.write_text(folder / _WORKFLOW, SNAKEFILE)
        if not (folder / _PROFILE).exists():
            files.write_text(folder / _PROFILE, shipped.PROFILE.read_text(encoding="utf-8"))
    files.write_text(target, text)
    return target


def leads_here(snakefile: Path) -> bool:
    """Whether *snakefile* is the one that `begin` writes."""
    return snakefile.read_bytes() == SNAKEFILE.encode()
