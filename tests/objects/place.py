"""A published lake as tests look at it: directly, past the proxy, and by what holds whatever went wrong."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from polars.testing import assert_frame_equal
from tests.objects.proxy import Proxy
from tests.objects.servers import BUCKET, Server
from tests.publishing import publish_well

import spx_data
from spx_data.lake.published import Sealed
from spx_data.ops.publish.publishing import AS_PUBLISHED, Publisher
from spx_data.settings import Settings

_NAMED = ("date", "root", "expiration", "strike", "right", "timestamp")


@dataclass
class Place:
    """Where a test publishes to: a server, what is between, and a folder of its bucket."""

    server: Server
    proxy: Proxy
    folder: str

    @property
    def url(self) -> str:
        """What users call it."""
        return f"s3://{BUCKET}/{self.folder}"

    def objects(self) -> dict[str, bytes]:
        """The objects by their keys, asked of the server itself."""
        return self.server.objects(self.folder)

    def pointers(self) -> list[tuple[dt.date, str]]:
        """The date and the seal of each pointer, the oldest first."""
        return _pointers(self.objects())

    def remove(self, key: str) -> None:
        """Take an object away, as an error asks somebody to."""
        self.server.remove(f"{self.folder}/{key}")

    # What holds whatever went wrong -------------------------------------------------------------------------

    def is_sound(self, *lakes: Settings) -> list[dt.date]:
        """Fail unless all that is pointed to is as it was sealed; the dates that are pointed to.

        What a reader gets of them is the rows of that one of the *lakes* which has the newest version.
        """
        found = self.objects()
        for told in _documents(found):
            for name, digest in told["sha256"].items():
                stored = found[f"{told['date'].replace('-', '/')}/{told['seal']}/{name}"]
                assert hashlib.sha256(stored).hexdigest() == digest, name
        pointers = _pointers(found)
        assert not [two for two in pairwise(pointers) if two[0] == two[1]], "two pointers say the same"
        newest = dict(pointers)
        for lake in lakes:
            dates = [date for date, seal in newest.items() if Sealed.of(lake.layout, date).seal == seal]
            if dates:
                self.reads_as(lake, dates)
        assert {*newest.values()} <= {Sealed.of(each.layout, date).seal for each in lakes for date in newest}
        return [*newest]

    def reads_as(self, lake: Settings, dates: list[dt.date]) -> None:
        """Fail unless the rows of *dates* are those of the *lake*."""
        there, here = (
            spx_data.scan(dates, **told).sort(_NAMED).collect()
            for told in ({"lake": self.url}, {"lake": lake.layout.output, "data": lake.layout.data})
        )
        assert here.height and here["date"].unique().sort().to_list() == dates
        assert_frame_equal(there, here, check_exact=True)

    def is_completed_by(self, lake: Settings) -> None:
        """Fail unless another call publishes what is left, and all of it is then as sealed."""
        self.proxy.mend()
        publish_well(lake, self.url)
        standing = {each.date: each.what for each in Publisher(lake, self.url).verify(None, 2)}
        assert set(standing.values()) == {AS_PUBLISHED}, standing
        assert self.is_sound(lake) == sorted(standing)


def _documents(objects: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """What the pointers among *objects* say, the oldest first."""
    return [json.loads(content) for key, content in sorted(objects.items()) if "current-" in key]


def _pointers(objects: Mapping[str, bytes]) -> list[tuple[dt.date, str]]:
    return [(dt.date.fromisoformat(told["date"]), told["seal"]) for told in _documents(objects)]
