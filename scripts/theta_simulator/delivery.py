"""Put an answer on the wire: whole, or as badly as its fault demands."""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator

from aiohttp import web

from theta_simulator.answers import Answer, Framing
from theta_simulator.faults import Kind

# Jetty sends what fits its buffer with a length, the rest in chunks.
_SMALL = 32 * 1024
_PIECE = 512 * 1024
_LATE_SECONDS = 0.05
_DRIPS = 16
_DRIP_SECONDS = 0.002
_NEVER_SENT = (Kind.RESET, Kind.OUTAGE_CLOSED)
_CUT = (Kind.TRUNCATED_LENGTH, Kind.TRUNCATED_CHUNKS, Kind.STALL, Kind.NO_END)
_FRAMED: dict[Kind | None, Framing] = {
    Kind.NO_END: "none",
    Kind.TRUNCATED_LENGTH: "length",
    Kind.TRUNCATED_CHUNKS: "chunked",
}
# Closing at once instead of waiting for what is unsent makes the kernel send a reset.
_NO_LINGER = struct.pack("ii", 1, 0)

Write = Callable[[memoryview], Awaitable[None]]


class HangUp(Exception):
    """The connection must close now, whatever was promised."""


class Delivery:
    """Knows how an answer leaves; the server holds the connection."""

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End every silence."""
        self._stopping.set()

    async def begin(self, answer: Answer) -> None:
        """Do what comes before the first byte."""
        if _kind(answer) in _NEVER_SENT:
            raise HangUp
        if _kind(answer) is Kind.SLOW_START:
            await asyncio.sleep(_LATE_SECONDS)

    async def body(self, answer: Answer, write: Write) -> None:
        """Write the body, or the part of it that is to arrive."""
        kind = _kind(answer)
        if answer.fault and kind in _CUT:
            await write(memoryview(_part(answer, answer.fault.dice())))
            if kind is Kind.STALL:
                await self._silence()
            raise HangUp
        pause = _DRIP_SECONDS if kind is Kind.DRIP else 0.0
        for piece in _pieces(answer, max(1, answer.size // _DRIPS) if pause else _PIECE):
            if pause:
                await asyncio.sleep(pause)
            await write(piece)

    async def _silence(self) -> None:
        """Say nothing until the server stops or has been silent for long enough."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), self._stall_seconds)


class Response(web.StreamResponse):
    """A response that knows what is said in its headers, and how the end of its body is told."""

    said: Container[str] = ()  # names of headers, in lower case
    endless = False  # only the connection's end tells


def response(answer: Answer, reason: str, usual: Iterable[tuple[str, str]]) -> Response:
    """Return the response to send an answer with, after the *usual* headers."""
    made = Response(status=answer.status, reason=reason)
    made.headers.extend([*usual, *answer.headers])
    if answer.content_type:
        made.headers.add("content-type", answer.content_type)
    made.said = {name.lower() for name in made.headers}
    framing = _framing(answer)
    if framing == "chunked":
        made.enable_chunked_encoding()
    else:
        made.content_length = answer.size
    if framing == "none":
        made.endless = True
        made.force_close()
    return made


def _framing(answer: Answer) -> Framing:
    """Return how the end of the body is told: as the fault demands, as it was recorded, or as Jetty does."""
    kind = _kind(answer)
    if kind in _FRAMED:
        return _FRAMED[kind]
    return answer.framing or ("chunked" if answer.size > _SMALL else "length")


def strip(response: web.StreamResponse, unsaid: Iterable[str]) -> None:
    """Take out of headers that are ready to leave what the library said: *unsaid*, and an untold length.

    The length has to be set until then, or the library would send chunks.
    """
    if not isinstance(response, Response):
        return
    if response.endless:
        response.headers.popall("content-length", None)
    for name in unsaid:
        if name not in response.said:
            response.headers.popall(name, None)


def hang_up(request: web.Request, answer: Answer) -> None:
    """Close the connection: what was written still leaves, unless the fault is a reset."""
    if request.transport is None:
        return
    if _kind(answer) is Kind.RESET:
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        request.transport.abort()
    else:
        request.transport.close()


def _kind(answer: Answer) -> Kind | None:
    return answer.fault.kind if answer.fault else None


def _part(answer: Answer, dice: random.Random) -> bytes:
    """Return the body up to a line's end in its midst, where there are lines: what is left looks whole."""
    body = b"".join(answer.body)
    somewhere = int(len(body) * dice.uniform(0.2, 0.8))
    line_end = body.find(b"\n", somewhere) + 1
    return body[: line_end if 0 < line_end < len(body) else somewhere]


def _pieces(answer: Answer, size: int) -> Iterator[memoryview]:
    """Return the body in pieces of that size."""
    for part in answer.body:
        for offset in range(0, len(part), size):
            yield memoryview(part)[offset : offset + size]
