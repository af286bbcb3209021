"""Values that nobody expects in a field, a key or a line."""

_NUMBERS = (
    b"0", b"-0", b"-0.0", b"-1", b"00012", b"+7", b"1e400", b"-1e400", b"1e-400", b"1E5", b"5e-324",
    b"2147483648", b"-2147483649", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616",
    b"-9223372036854775809", b"1000000000000000000000000000000", b"1.7976931348623159e308", b"0x10",
    b"1_000",
    b"1,000", b"1.", b".5", b"1.5f", b"0.1000000000000000055511151231257827", b"9007199254740993",
    b"8.5e22", b"123456789012345678901234567890.5", b" 1.5", b"1.5 ", b"\t2", b"\xc2\xa03",
    b"NaN", b"-NaN", b"Infinity", b"-Infinity", b"inf", b"nan", b"NULL", b"\xd9\xa1\xd9\xa2",
    b"\xef\xbc\x91",
)  # fmt: skip
_WORDS = (
    b"", b" ", b"true", b"false", b"True", b"null", b"None", b'""', b'"', b'"""', b"[]", b"{}", b"[[1]]",
    b'{"a":1}', b'["SPXW"]', b'"1.5"', b'"true"', b'"NaN"', b"CALL", b'"C"', b"c", b"Call", b"cALL",
    b"SPX", b"spxw",
    b'" SPXW "', b"2024-12-10", b'"20241210"', b"20241210", b"2024-12-11", b"2024-W50-2",
    b"2024-12-10T10:30:00Z",
    b'"2024-12-10T15:30:00+00:00"', b"2024-12-10T10:30:00.000001", b"2024-12-10 10:30",
    b"9999-12-31T23:59:59",
    b"0001-01-01", b"0000-00-00", b"2024-02-30", b"10:30:00", b"25:00:00", b"24:00:00", b"-2024-12-10",
    b"\x1b]0;title\x07", b"\x1b[2J", b"\xe2\x80\xae", b"\\u202e", b"\\ud800", b'"\\ud800"', b"\x00",
    b"\\u0000",
    b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"=1+1", b"@x", b"<html>", b"../../x", b"%s%n", b"{base}",
    b"{n}",
    b"\xf0\x9f\x92\xa5", b"\r", b"\r\n", b"\x0b", b"\x0c", b"\x1c", b"\xc2\x85", b"\xe2\x80\xa8",
)  # fmt: skip


def number(rng):
    """A number, or what looks like one; of thousands of digits now and then."""
    if rng.random() < 0.06:
        digits = rng.choice((309, 1000, 4300, 4301, 5000, 20_000))
        return rng.choice((b"", b"-", b"0.", b"1e")) + b"9" * digits
    return rng.choice(_NUMBERS)


def any_of(rng):
    """Any value; a long one, or a deep one, now and then."""
    chance = rng.random()
    if chance < 0.01:
        return deep(rng)
    if chance < 0.015:
        return (
            b'"' + rng.choice((b"x", b"\xe2\x80\xae", b"\\n")) * rng.choice((5000, 70_000, 1_000_000)) + b'"'
        )
    return number(rng) if chance < 0.5 else rng.choice(_WORDS)


def deep(rng):
    """Brackets in brackets; closed, or not."""
    depth = rng.choice((20, 100, 500, 1000, 2000, 10_000, 100_000))
    opened, closed = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")))
    return opened * depth + b"1" + closed * rng.choice((depth, depth, depth - 1))


def around(rng, cell):
    """A field with something around it."""
    before, after = rng.choice(
        ((b" ", b""), (b"", b" "), (b"\t", b""), (b'"', b'"'), (b"+", b""), (b"-", b""), (b"\xc2\xa0", b""),
         (b"", b"\r"), (b"", b"x"), (b"0", b""), (b"", b"e0"), (b"", b"\x00"), (b"\xe2\x80\x8f", b""))
    )  # fmt: skip
    return before + cell + after
