"""Passports as tests like to read them, and which of them are read."""

import datetime as dt
from typing import Any

import pytest

from spx_data.lake import passports


def watched(monkeypatch: pytest.MonkeyPatch) -> list[dt.date]:
    """Return the dates whose passports are read from now on."""
    dates, read = list[dt.date](), passports.read

    def noted(layout: Any, date: dt.date, **how: Any) -> Any:
        dates.append(date)
        return read(layout, date, **how)

    monkeypatch.setattr(passports, "read", noted)
    return dates


def unfolded(passport: dict[str, Any]) -> dict[str, Any]:
    """A passport whose chains have their details, as the report on a day shows them."""
    details = passport["details"]["chains"]
    chains = [chain | detail for chain, detail in zip(passport["chains"], details, strict=True)]
    return passport | {"chains": chains}
