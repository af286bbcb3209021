"""Whether everything is ready, and what needs somebody.

Checks of the surroundings and alerts about the dates. They only look; one that breaks is a failed check and
hides no other. What each means by ok, warn and fail: `docs/output.md`.
"""

from __future__ import annotations

from spx_data.ops.health.asking import Answer, Asking
from spx_data.ops.health.check import Check, Level, worst
from spx_data.ops.health.examination import alerts, examine, look_at
from spx_data.ops.health.scene import Scene

__all__ = ["Answer", "Asking", "Check", "Level", "Scene", "alerts", "examine", "look_at", "worst"]
