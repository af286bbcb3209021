"""The gaps of a lake: the sessions that are not sealed, the order of filling them, and the plan of it.

`find` says what every gap is and what it will take, `order` is what the fill follows, and `plan` is a fill
before it starts. All of it is read from the tree and thrown away again.
"""

from spx_data.ops.gaps.conflicts import Conflict
from spx_data.ops.gaps.estimate import Estimate
from spx_data.ops.gaps.finding import Gap, find, order
from spx_data.ops.gaps.planning import Disk, Plan, plan
from spx_data.ops.gaps.priority import Points

__all__ = ["Conflict", "Disk", "Estimate", "Gap", "Plan", "Points", "find", "order", "plan"]
