"""Connections to a terminal, which a watch may hang up whatever they are at."""

from __future__ import annotations

from typing import Any

import requests.adapters
import urllib3.connection

from spx_data.sources.theta import watch


class _Hung:
    """A connection that the watch over an exchange may hang up (a part of one of urllib3's)."""

    sock: Any
    _line: Any = None

    def connect(self) -> None:
        """Connect, and keep what an answer that ends the connection takes away."""
        super().connect()  # type: ignore[misc]
        self._line = self.sock

    def getresponse(self, *given: Any, **named: Any) -> Any:
        """The answer, whose head is watched already."""
        if found := watch.current():
            found.take(self._line)
        return super().getresponse(*given, **named)  # type: ignore[misc]


class _Connection(_Hung, urllib3.connection.HTTPConnection):
    pass


class _SafeConnection(_Hung, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SafePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SafeConnection


class Adapter(requests.adapters.HTTPAdapter):
    """requests' way to a server, over connections that may be hung up."""

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        """Make the pools."""
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SafePool}
