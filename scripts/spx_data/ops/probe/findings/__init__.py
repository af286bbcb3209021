"""What a probe makes of what it heard: a row for each assumption of the product, and the profile's values."""

from __future__ import annotations

from spx_data.ops.probe.findings import (
    answers,
    blanks,
    clock,
    ends,
    floor,
    formats,
    listing,
    report,
    rows,
    singles,
    speed,
    spelling,
)
from spx_data.ops.probe.findings.assumption import Assumption, table
from spx_data.ops.probe.heard import Story
from spx_data.sources.profile import Finding

ASSUMPTIONS: tuple[Assumption, ...] = (
    *answers.ASSUMPTIONS,
    *formats.ASSUMPTIONS,
    *spelling.ASSUMPTIONS,
    *listing.ASSUMPTIONS,
    *report.ASSUMPTIONS,
    *rows.ASSUMPTIONS,
    *ends.ASSUMPTIONS,
    *singles.ASSUMPTIONS,
    *clock.ASSUMPTIONS,
    *blanks.ASSUMPTIONS,
    *speed.ASSUMPTIONS,
    *floor.ASSUMPTIONS,
)


def findings(story: Story) -> list[Finding]:
    """The table of *story*."""
    return table(ASSUMPTIONS, story)
