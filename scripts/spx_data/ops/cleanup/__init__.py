"""What a lake no longer needs: leftovers of what was stopped or failed, and logs that have grown old.

A sealed day is never touched, nor a quarantine, nor a restatement. What could be data is moved to quarantine,
never deleted. Each task is independent of the others: one that the disk refuses stops none.
"""

from spx_data.ops.cleanup.cleaning import Choice, Report, clean, clear
from spx_data.ops.cleanup.leftovers import STAGED
from spx_data.ops.cleanup.retention import after_a_run
from spx_data.ops.cleanup.task import Action, Done, Task

__all__ = ["STAGED", "Action", "Choice", "Done", "Report", "Task", "after_a_run", "clean", "clear"]
