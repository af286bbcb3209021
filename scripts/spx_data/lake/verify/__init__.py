"""Whether what is sealed is still what was sealed, byte for byte; and moving away what is not.

`examine` looks at a date and names every damage, `quarantine` moves a damaged one away, `verify` does both
for a whole lake, and `merkle` gives one digest that stands for all of it.
"""

from spx_data.lake.verify.damages import Damage, Examination, Finding, Standing
from spx_data.lake.verify.examination import examine
from spx_data.lake.verify.quarantine import quarantine
from spx_data.lake.verify.verification import Day, Progress, Report, verify

__all__ = [
    "Damage",
    "Day",
    "Examination",
    "Finding",
    "Progress",
    "Report",
    "Standing",
    "examine",
    "quarantine",
    "verify",
]
