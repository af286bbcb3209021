"""What it takes to read rows of the wire."""

from __future__ import annotations

from typing import Literal

# The strict parser, one for words spelt otherwise, or field by field.
Reading = Literal["typed", "loose", "parted"]
READINGS: tuple[Reading, ...] = ("typed", "loose", "parted")
