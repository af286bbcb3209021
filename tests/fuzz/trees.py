"""Changes to inputs whose structure is known: JSON, lines of it, heads of HTTP, YAML, words for dates."""

import json

from tests.fuzz import tokens

_MOST_PLACES = 3000


class Pairs(list):
    """A JSON object as its pairs, so that a key may come twice."""


class Raw(bytes):
    """What is written as it is, JSON or not."""


def _parsed(data):
    return json.loads(data, object_pairs_hook=Pairs, parse_float=_raw, parse_int=_raw)


def _raw(text):
    return Raw(text.encode())


def _written(value):
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, Pairs):
        return b"{" + b",".join(_key(name) + b":" + _written(each) for name, each in value) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(_written, value)) + b"]"
    return json.dumps(value).encode()


def _key(name):
    return bytes(name) if isinstance(name, Raw) else json.dumps(name).encode()


def _places(root):
    """Every value inside of others: its container and where it stands there."""
    found, waiting = [], [root]
    while waiting and len(found) < _MOST_PLACES:
        holder = waiting.pop(0)
        for at, each in enumerate(holder):
            value = each[1] if isinstance(holder, Pairs) else each
            found.append((holder, at))
            if isinstance(value, list):
                waiting.append(value)
    return found


def changed(rng, data, _):
    """A JSON document with one value changed, moved, nested, repeated or removed; others get a token."""
    try:
        root = _parsed(data)
    except (ValueError, RecursionError):
        root = None
    places = _places(root) if isinstance(root, list) else []
    if not places:
        at = rng.randrange(len(data) + 1)
        return data[:at] + tokens.any_of(rng) + data[at:]
    holder, at = _chosen(rng, places)
    try:
        _change(rng, holder, at, places)
        return _written(root)
    except RecursionError:  # it was deep before
        return data


def _chosen(rng, places):
    # The few values near the root are as likely as the many below.
    return rng.choice(places if rng.random() < 0.5 else places[:60])


def _value(holder, at):
    return holder[at][1] if isinstance(holder, Pairs) else holder[at]


def _put(holder, at, value):
    holder[at] = (holder[at][0], value) if isinstance(holder, Pairs) else value


def _change(rng, holder, at, places):
    value = _value(holder, at)
    match rng.randrange(9):
        case 0 | 1 | 2:
            _put(holder, at, Raw(tokens.any_of(rng)))
        case 3:
            _put(holder, at, _other_type(rng, value))
        case 4:
            _put(holder, at, rng.choice(([value], Pairs([("a", value)]), [value, value], [])))
        case 5:
            del holder[at]
        case 6:
            holder[at:at] = [holder[at]] * rng.choice((1, 1, 2, 50))
        case 7:
            # A copy: a value inside of itself would have no end.
            _put(holder, at, Raw(_written(_value(*rng.choice(places)))))
        case 8:
            _rename(rng, holder, at)


def _other_type(rng, value):
    text = _written(value) if not isinstance(value, list) else b"1"
    return Raw(
        rng.choice(
            (b"true", b"false", b"null", b"{}", b"[]", b'"' + text.strip(b'"') + b'"',
             text.strip(b'"') or b"0",
             b"[" + text + b"]", text + b".0", text + b"e3", b'"' + text.strip(b'"') + b' "')
        )
    )  # fmt: skip


def _rename(rng, holder, at):
    if not isinstance(holder, Pairs):
        holder.insert(at, Raw(tokens.any_of(rng)))
        return
    name, value = holder[at]
    other = rng.choice(
        (name.upper(), f" {name} ", rng.choice(holder)[0], "", "tick", "row", "contract", "data")
    )
    if rng.random() < 0.3:
        holder.insert(rng.randrange(len(holder) + 1), (other, Raw(tokens.any_of(rng))))
    else:
        holder[at] = (other, value)


def line_changed(rng, data, seeds):
    """NDJSON with one line changed as a document."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    lines[at] = changed(rng, lines[at], seeds)
    return b"\n".join(lines)


# Heads of HTTP --------------------------------------------------------------------------------------------

_STATUSES = (
    b"100", b"101", b"199", b"204", b"206", b"301", b"302", b"304", b"400", b"403", b"404", b"410", b"429",
    b"470", b"471", b"472", b"473", b"474", b"475", b"476", b"477", b"478", b"500", b"503", b"570", b"571",
    b"572", b"599", b"600", b"999", b"0", b"-1", b"20", b"2000", b"OK", b"", b"99999999999999999999",
)  # fmt: skip
_HEADERS = (
    b"Retry-After: ", b"Next-Page: ", b"Content-Type: ", b"Content-Length: ", b"Transfer-Encoding: ",
    b"Content-Encoding: ", b"Location: ", b"Set-Cookie: ", b"Connection: ", b"", b" folded", b"X: ",
)  # fmt: skip
_VALUES = (
    b"chunked", b"gzip, chunked", b"gzip", b"deflate", b"br", b"identity", b"1e309", b"-1", b"nan", b"inf",
    b"5",
    b"1e12", b"99999999999999999999", b"Wed, 21 Oct 2026 07:28:00 GMT", b"Thu, 01 Jan 1970 00:00:00 GMT",
    b"Wed, 99 Oct 99999 07:28:00 GMT", b"{base}/v2/page/{n}", b"{base}/", b"{base}", b"{base}@x/", b"null",
    b"http://[::1/", b"http://127.0.0.1:99999/", b"http://127.0.0.1:1/", b"//x", b"file:///etc/passwd",
    b"{base}/v2/page?a={n}#f", b"text/csv; charset=utf-16", b"application/json", b"text/html", b"close",
    b"keep-alive", b"{length}", b"0", b"1", b"7, 7", b"1000000000000", b"\xff\xfe", b"a" * 70_000,
    b"{base}/\r\nX: y", b"{base}/%00%zz", b"{base}/v2/list/contracts/option/quote", b"\x1b[2J\xe2\x80\xae",
)  # fmt: skip


def head_changed(rng, data, _):
    """An answer with its status line or a header changed, added, repeated or removed."""
    head, end, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    at = rng.randrange(len(lines))
    match rng.randrange(6):
        case 0 | 1:
            words = lines[0].split(b" ", 2)
            lines[0] = b" ".join([words[0], rng.choice(_STATUSES), *words[2:]])
        case 2 | 3:
            lines.insert(at + 1, rng.choice(_HEADERS) + rng.choice(_VALUES))
        case 4:
            lines[at] = lines[at].partition(b":")[0] + b": " + rng.choice((*_VALUES, tokens.any_of(rng)))
        case 5:
            lines[at : at + 1] = rng.choice(([], [lines[at], lines[at]]))
    if rng.random() < 0.1:
        body = rng.choice(
            (tokens.any_of(rng), b"", b"no data", b"5\r\nhello\r\n0\r\n\r\n", b"fffffffff\r\nx")
        )
    return b"\r\n".join(lines) + end + body


# YAML, and words ------------------------------------------------------------------------------------------

_YAML = (
    b"&a [*a]", b"*a", b"&a x", b"!!python/object/apply:os.getcwd []", b"!!binary aGk=", b"!!set {a}",
    b"? [1]", b"<<: *a",
    b"|", b">", b"'", b'"', b"[", b"{", b"- a", b"---", b"...", b"%YAML 1.1", b"2024-02-30",
    b"2024-01-02T00:00:00Z",
    b"010", b"0o7", b"16:00", b"1:2:3", b"~", b".inf", b".nan", b"1e999", b"yes", b"on", b"0x1F", b"\t",
    b"#",
    b"!!timestamp 99999-01-01", b"!!int x", b"!!float x", b"2024-01-02 00:00:00 +99:99", b"0001-01-01",
    b"=",
    b"${HOME}", b"~nobody/x", b"/", b"a\\0b", b"9" * 5000, b"1" + b"0" * 400 + b".5", b"[" * 5000,
    b"{a: " * 3000,
    b"!!int 9" + b"9" * 5000, b"!!bool x", b"!!null x", b"!!timestamp x", b"1_000", b"-", b"?", b": :",
    b"2024-01",
)  # fmt: skip


def yaml_changed(rng, data, _):
    """A config with a value, a key or the depth of a line changed."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    key, colon, _ = lines[at].partition(b":")
    word = rng.choice(_YAML) if rng.random() < 0.7 else tokens.any_of(rng)
    match rng.randrange(5):
        case 0 | 1:
            lines[at] = key + colon + b" " + word
        case 2:
            lines[at] = rng.choice((b" ", b"  ", b"\t")) + lines[at]
        case 3:
            lines[at:at] = [lines[rng.randrange(len(lines))]]
        case 4:
            lines[at] = word + b": " + lines[at].lstrip()
    return b"\n".join(lines)


_PIECES = (
    b"2024", b"-01", b"-13", b"-02", b"-30", b"..", b",", b" ", b"last ", b"30 days", b"9999 years",
    b"0 weeks", b"1 month",
    b"today", b"yesterday", b"this week", b"TODAY", b"0000", b"9999-12-31", b"0001-01-01",
    b"\xd9\xa2\xd9\xa0\xd9\xa2\xd9\xa4",
    b"99999", b"-", b"\x00", b"\xe2\x80\xae", b"\xff", b"last 999999999999999999999999 days", b"2024-W01",
    b"\n", b"...",
)  # fmt: skip


def word_changed(rng, data, _):
    """Words for dates, with a piece put in, exchanged or removed."""
    at, piece = rng.randrange(len(data) + 1), rng.choice(_PIECES)
    return data[:at] + piece + data[at + rng.choice((0, 0, len(piece), 3)) :]
