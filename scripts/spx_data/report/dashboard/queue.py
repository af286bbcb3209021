"""What is missing, in the order in which it will be filled."""

from __future__ import annotations

from spx_data.ops.gaps import Plan
from spx_data.report.dashboard.cards import shortened
from spx_data.report.dashboard.view import View
from spx_data.report.page import Section
from spx_data.text.words import counted, duration, large, size

_SHOWN = 200


def section(view: View) -> Section:
    """The section: what is missing, in the order in which it will be filled."""
    return Section(
        "queue",
        "Gaps",
        template="queue",
        lead=_lead(view),
        context={
            "gaps": [(gap, shortened(gap.why)) for gap in view.gaps[:_SHOWN]],
            "more": max(0, len(view.gaps) - _SHOWN),
            "weights": view.settings.priority,
        },
    )


def _lead(view: View) -> str:
    if not view.gaps:
        return ""
    found, plan = counted(len(view.gaps), "gap"), view.plan
    if not plan.gaps:
        return f"{found}; the next run takes none of them."
    takes = "it" if len(view.gaps) == 1 else "all of them" if len(plan.gaps) == len(view.gaps) else None
    return f"{found}; the next run takes {takes or f'{len(plan.gaps):,} of them'}{_cost(plan)}."


def _cost(plan: Plan) -> str:
    if plan.rows is None or plan.bytes is None:
        return "; what that will take is unknown until a day is sealed"
    time = "" if plan.seconds is None else f", {duration(plan.seconds)}"
    side = f", {plan.side_by_side} dates side by side" if time and plan.side_by_side > 1 else ""
    least = "at least" if plan.at_least else "about"
    basis = f", {plan.guessed}" if plan.guessed else ""
    return f": {least} {large(plan.rows)} rows, {size(plan.bytes)}{time}{side}{basis}"
