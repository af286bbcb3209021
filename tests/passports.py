"""Passports as tests like to read them."""

from typing import Any


def unfolded(passport: dict[str, Any]) -> dict[str, Any]:
    """A passport whose chains have their details, as the report on a day shows them."""
    details = passport["details"]["chains"]
    chains = [chain | detail for chain, detail in zip(passport["chains"], details, strict=True)]
    return passport | {"chains": chains}
