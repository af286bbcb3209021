"""One answer about all chains of a date: its parts in their order, or in the disorder that was chosen."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date

import polars as pl

from theta_simulator.settings import Star

# An expiration that no listing has.
_STRANGER = date(2031, 1, 3)
_OPENED, _CLOSED = b'{"response":[', b"]}"


def parts(
    frames: Iterable[pl.DataFrame], star: Star, form: str, write: Callable[[pl.DataFrame], bytes]
) -> Iterator[bytes]:
    """Return the body of *frames*, one a chain, that *write* spells; the parts together are one table."""
    if star not in ("plain", "cut"):
        frames = _disordered(list(frames), star)
    first = True
    for frame in frames:
        body = write(frame)
        if form == "json":
            body = body.strip().removeprefix(_OPENED).removesuffix(_CLOSED)
            body = (_OPENED if first else b",") + body
        elif form == "csv" and not first:
            body = body[body.index(b"\n") + 1 :]
        yield body
        first = False
    if form == "json" and not first:
        yield _CLOSED


def _disordered(frames: list[pl.DataFrame], star: Star) -> list[pl.DataFrame]:
    """Return chains by turns, one of them twice, one more that is not listed, or rows in no order."""
    if star == "interleaved":
        halves = [(frame.slice(0, len(frame) // 2), frame.slice(len(frame) // 2)) for frame in frames]
        return [half for turn in zip(*halves, strict=True) for half in turn]
    if star == "twice":
        return [*frames, *frames[:1]]
    if star == "stranger":
        stranger = frames[0].with_columns(expiration=pl.lit(_STRANGER.isoformat()))
        return [frames[0], stranger, *frames[1:]]
    if star == "shuffled":
        return [frame.reverse() for frame in reversed(frames)]
    return frames
