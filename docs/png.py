"""Pictures of screens as small PNG files: as many colours as a byte can number, and a text inside.

Pages are flat colours and letters with soft edges: of some thousand colours on one, 256 do.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = 256
_CHANNELS = {2: 3, 6: 4}  # by the type of a file's colours: red, green and blue; and how much of them


def small(content: bytes, **texts: str) -> bytes:
    """The picture of the PNG *content* in few colours, with *texts* by name."""
    palette, numbers = _reduced(_pixels(content))
    height, width = numbers.shape
    lines = np.zeros((height, width + 1), np.uint8)  # each begins with its filter: none
    lines[:, 1:] = numbers
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        *((b"tEXt", f"{name}\0{text}".encode("latin-1")) for name, text in texts.items()),
        (b"PLTE", palette.tobytes()),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    ]
    return _SIGNATURE + b"".join(_chunk(name, data) for name, data in chunks)


def texts(path: Path) -> dict[str, str]:
    """The texts in the PNG at *path*, by name."""
    found = [data.decode("latin-1") for name, data in _chunks(path.read_bytes()) if name == b"tEXt"]
    return {name: text for name, _, text in (entry.partition("\0") for entry in found)}


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        yield name, content[at + 8 : at + 8 + length]
        at += 12 + length


# From a file to pixels --------------------------------------------------------------------------------------


def _pixels(content: bytes) -> Pixels:
    """Red, green and blue of each pixel of a PNG as browsers write it: eight bits each, not interlaced."""
    header, packed = b"", b""
    for name, data in _chunks(content):
        header = data if name == b"IHDR" else header
        packed += data if name == b"IDAT" else b""
    width, height, _, kind = struct.unpack_from(">IIBB", header)
    channels = _CHANNELS[kind]
    lines = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + channels * width)
    found = np.zeros((height, width, channels), np.uint8)
    above = np.zeros((width, channels), np.uint8)
    for number, line in enumerate(lines):
        above = found[number] = _unfiltered(line[0], line[1:].reshape(width, channels), above)
    return found[:, :, :3]


def _unfiltered(kind: int, line: Pixels, above: Pixels) -> Pixels:
    """A line of pixels, each of which was written as its difference from its neighbours."""
    match kind:
        case 0:
            return line
        case 1:
            return np.cumsum(line, axis=0, dtype=np.uint8)
        case 2:
            return line + above
    predict = _average if kind == 3 else _paeth
    columns = [_walked(line[:, channel], above[:, channel], predict) for channel in range(line.shape[1])]
    return np.stack(columns, axis=1)


def _walked(line: Pixels, above: Pixels, predict: Callable[[int, int, int], int]) -> Pixels:
    found, left, corner = [], 0, 0
    for difference, up in zip(line.tolist(), above.tolist(), strict=True):
        left = (difference + predict(left, up, corner)) & 255
        corner = up
        found.append(left)
    return np.array(found, np.uint8)


def _average(left: int, up: int, _: int) -> int:
    return (left + up) // 2


def _paeth(left: int, up: int, corner: int) -> int:
    """The neighbour that is nearest to what a slope through all three would give."""
    across, down, both = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if across <= down and across <= both:
        return left
    return up if down <= both else corner


# Fewer colours ----------------------------------------------------------------------------------------------


def _reduced(pixels: Pixels) -> tuple[Pixels, Pixels]:
    """A palette, and the number of each pixel's colour in it (median cut, Heckbert 1982).

    A box of colours becomes the one that is seen most of it, so that flat areas keep theirs exactly.
    """
    codes = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    known, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
    colours = np.stack([known >> 16, known >> 8 & 255, known & 255], axis=1).astype(np.int64)
    boxes = _boxes(colours, counts)
    numbers = np.empty(len(known), np.uint8)
    palette = np.empty((len(boxes), 3), np.uint8)
    for number, box in enumerate(boxes):
        numbers[box] = number
        palette[number] = colours[box[np.argmax(counts[box])]]
    return palette, numbers[places].reshape(codes.shape)


def _boxes(colours: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """The colours in as many groups as a palette has, cut where they differ most and are seen most."""
    boxes = [np.arange(len(colours))]
    harms = [_harm(colours, counts, boxes[0])]
    while len(boxes) < _COLOURS and max(harms) > 0:
        at = harms.index(max(harms))
        box = boxes.pop(at)
        del harms[at]
        widest = int(np.argmax(np.ptp(colours[box], axis=0)))
        box = box[np.argsort(colours[box, widest], kind="stable")]
        weights = np.cumsum(np.sqrt(counts[box]))
        middle = int(np.clip(np.searchsorted(weights, weights[-1] / 2), 1, len(box) - 1))
        for half in (box[:middle], box[middle:]):
            boxes.append(half)
            harms.append(_harm(colours, counts, half))
    return boxes


def _harm(colours: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], box: npt.NDArray[np.int64]) -> float:
    """How much it would be seen if all colours of a box were one."""
    return float(np.ptp(colours[box], axis=0).max() * np.sqrt(counts[box]).sum())
