"""What a probe saw of the terminal, in the section of the terminal."""

from __future__ import annotations

from typing import Any

from spx_data.ops.health import lake
from spx_data.report import cures
from spx_data.report.dashboard.view import View
from spx_data.sources import profile


def context(view: View) -> dict[str, Any]:
    """What the template sees: `said` in sentences, `cure` in parts, and the `rows` of the table.

    Rows that are not as assumed come first; there is none where there is no profile that can be read.
    """
    found = profile.known(view.settings.layout.profile)
    check = lake.terminal_profile(view.scene)
    if found is None:
        return {"said": [check.found], "cure": cures.parts(check.cure), "rows": [], "others": []}
    since = lake.Since.of(found, view.scene.sealed)
    said = [lake.profile_words(found), *lake.profile_doubts(found, view.scene), *filter(None, [since.words])]
    return {
        "said": said,
        "cure": cures.parts(check.cure),
        "others": found.others,
        "rows": [row for row in found.table if row not in found.others],
    }
