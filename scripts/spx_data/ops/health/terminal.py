"""The terminal: whether it is there and connected, and whether the limit of requests fits a subscription."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from spx_data.errors import ApiRateLimitError, SpxDataError, SubscriptionError
from spx_data.ops.health.asking import CONNECTED
from spx_data.ops.health.check import Check, fail, named, notice, ok, warn
from spx_data.ops.health.scene import Scene
from spx_data.sources import catalogue, profile

_EVIDENCE_DAYS = 30


def terminal(scene: Scene) -> Check:
    """Whether a terminal is there, connected to its server, and speaks the API asked for."""
    answer = scene.answer
    if answer is None:
        return ok("terminal", "not asked")
    if answer.error is not None:
        return fail("terminal", answer.error.cause, answer.error.cure or "See the terminal's own log")
    milliseconds = round(1000 * (answer.seconds or 0.0), 1)
    numbers = {"value": milliseconds, "unit": "ms"}
    where = f"API {answer.api} at {answer.base_url}"
    if answer.word == CONNECTED:
        return ok("terminal", f"connected, {where}, answers in {milliseconds:,.0f} ms", **numbers)
    cure = "Wait until it is connected; if it stays so, restart it and check its login"
    return fail("terminal", f"{answer.word}, {where}: it has no connection to its server", cure, **numbers)


def request_limit(scene: Scene) -> Check:
    """Whether the limit of requests fits a subscription, by what is known of them and by what happened.

    No terminal says which subscription it has: its refusals of the last 30 days are the evidence.
    """
    name, limit = "request-limit", scene.settings.terminal.max_concurrent_requests
    api = (scene.answer and scene.answer.api) or scene.settings.terminal.api
    tiers = catalogue.likely(api).tiers
    numbers: dict[str, Any] = {"value": limit, "limit": max(tiers), "unit": "requests"}
    lower = max((known for known in tiers if known < limit), default=1)
    set_lower = f"spx-data config set thetadata.max_concurrent_requests {lower}"
    if refused := _dates_of(scene, SubscriptionError):
        found = f"the subscription did not include what was asked for: {named(refused)}"
        cure = (
            "Upgrade it, or set processing.start_date to where its history begins; spx-data errors has more"
        )
        return warn(name, found, cure, **numbers, dates=refused)
    if limit > max(tiers):
        found = f"{limit} at once are more than any subscription allows ({_words(tiers)})"
        return warn(name, found, set_lower, **numbers)
    if limited := _dates_of(scene, ApiRateLimitError):
        found = f"{limit} at once, and the terminal's queue was full: {named(limited)}"
        cure = f"Stop other programs that ask this terminal, or {set_lower}"
        return warn(name, found, cure, **numbers, dates=limited)
    if (served := _served_at_once(scene)) and served < limit:
        found = f"{limit} at once, and the terminal served {served} when it was probed, while others waited"
        cure = f"spx-data config set thetadata.max_concurrent_requests {served}"
        return notice(name, found, cure, **numbers)
    return ok(name, f"{limit} at once; subscriptions allow {_words(tiers)}", **numbers)


def _served_at_once(scene: Scene) -> int | None:
    """Requests beyond which the terminal queued or refused when it was probed; None where it did not."""
    found = profile.known(scene.settings.layout.profile)
    return found.most_at_once if found else None


def _dates_of(scene: Scene, error: type[SpxDataError]) -> tuple[dt.date, ...]:
    """The dates that met *error* in the last 30 days."""
    met = {trouble.date for trouble in scene.troubles(_EVIDENCE_DAYS) if trouble.error == error.__name__}
    return tuple(sorted(map(dt.date.fromisoformat, met)))


def _words(tiers: Mapping[int, str]) -> str:
    return ", ".join(f"{tier} {count}" for count, tier in tiers.items())
