"""Words to the outside: a message to people by Apprise, and a ping to what watches that runs come.

An address holds a token or a password: none is ever said or logged, nor is what a library says of one.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from spx_data.config import shipped
from spx_data.settings import Metrics

PING = "SPX_DATA_PING"  # an environment variable: the monitor's address
_SECONDS = 5.0  # that a monitor may take to answer; the end of a run waits for it
Moment = Literal["start", "success", "fail"]


def message(address: str, title: str, body: str, *, alarm: bool) -> str:
    """Send a message to one *address*; gives why it could not be sent, and nothing where it was.

    Raises:
        MachineError: Apprise is not installed.
    """
    shipped.check_extra("alerts")
    import apprise

    # It logs addresses, and what went wrong with them.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    sender = apprise.Apprise(asset=apprise.AppriseAsset(app_id="spx-data", app_desc="spx-data", app_url=""))
    if not sender.add(address):
        return "it is no address that Apprise knows"
    kind = apprise.NotifyType.WARNING if alarm else apprise.NotifyType.INFO
    sent = sender.notify(body=body, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT)
    return "" if sent else "the message was not taken"


class Pings:
    """The pings of one run; without an *address* there are none."""

    def __init__(self, address: str | None) -> None:
        """Say nothing yet."""
        self.address = address
        self._under_way: threading.Thread | None = None
        self._refused = ""

    @classmethod
    def of(cls, metrics: Metrics, environment: Mapping[str, str] = os.environ) -> Pings:
        """Those of a run: what the environment names goes before what the settings do."""
        return cls(environment.get(PING) or metrics.ping)

    def begin(self) -> None:
        """Say that a run begins; it does not wait for that."""
        if self.address:
            self._under_way = threading.Thread(target=self._ask, args=("start",), daemon=True)
            self._under_way.start()

    def end(self, *, well: bool) -> str:
        """Say how the run ended; gives why the monitor was not reached, and nothing where it was."""
        if not self.address:
            return ""
        if self._under_way:
            self._under_way.join(_SECONDS)
        self._ask("success" if well else "fail")
        return self._refused

    def _ask(self, moment: Moment) -> None:
        import requests

        try:
            answer = requests.get(_of(self.address or "", moment), timeout=_SECONDS)
        except (requests.RequestException, ValueError) as error:
            self._refused = f"{type(error).__name__}"
        else:
            self._refused = "" if answer.ok else f"it answered {answer.status_code}"


def _of(address: str, moment: Moment) -> str:
    """The address for a moment, as monitors of cron jobs have them: `/start` and `/fail` behind the path."""
    if moment == "success":
        return address
    parts = urlsplit(address)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{moment}").geturl()
