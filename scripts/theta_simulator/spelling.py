"""Spell frames as CSV, JSON and NDJSON, column by column and never row by row.

The column types decide: a Decimal is a bare number with its zeros, a String is
text, a null is an empty field or `null`.
"""

from collections.abc import Iterable, Sequence
from datetime import date

import polars as pl

from theta_simulator import sessions
from theta_simulator.settings import Style

# What the live v3 terminal puts between quotes in CSV.
_QUOTED = ("symbol", "expiration", "right")


def csv(frame: pl.DataFrame) -> bytes:
    """Return a header line and the rows, each line ended by CRLF."""
    return frame.write_csv(line_terminator="\r\n", quote_style="never").encode()


def quoted(frame: pl.DataFrame) -> pl.DataFrame:
    """Put the live terminal's quotation marks around its text columns."""
    names = [name for name in _QUOTED if name in frame.columns]
    return frame.with_columns(fill('"%s"', name).alias(name) for name in names)


def fixed(name: str, decimals: int) -> pl.Expr:
    """Return the column as a number with that many decimals."""
    return pl.col(name).cast(pl.Decimal(18, decimals))


def shortest(name: str, kind: pl.DataType) -> pl.Expr:
    """Return a column of that type as text in its shortest form: 0, 1, 114.95."""
    if not isinstance(kind, pl.Decimal):
        return pl.col(name).cast(pl.String)
    return pl.col(name).cast(pl.Float64).cast(pl.String).str.strip_suffix(".0").fill_null("null")


def fill(template: str, *columns: str) -> pl.Expr:
    """Return the template's text with each column in the place of a `%s`."""
    texts = template.split("%s")
    pieces = [pl.lit(texts[0])]
    for column, following in zip(columns, texts[1:], strict=True):
        pieces += [pl.col(column).cast(pl.String), pl.lit(following)]
    return pl.concat_str(pieces)


def objects(frame: pl.DataFrame, names: Iterable[str]) -> pl.Expr:
    """Return an expression for one JSON object a row, with its keys in the order of *names*."""
    pieces: list[pl.Expr] = []
    for name in names:
        text = frame.schema[name] == pl.String
        value = fill('"%s"', name) if text else pl.col(name).cast(pl.String)
        pieces += [pl.lit(f'{"," if pieces else "{"}"{name}":'), value.fill_null("null")]
    return pl.concat_str([*pieces, pl.lit("}")])


def ndjson(lines: pl.Series, style: Style) -> bytes:
    """Return one object per line; the documentation's excerpts lack the last line end."""
    return ("\n".join(lines) + ("\n" if style == "live" else "")).encode()


def flat_json(lines: pl.Series, style: Style) -> bytes:
    """Return a v3 answer that lists plain objects."""
    if style == "live":
        return ('{"response":[' + ",".join(lines) + "]}").encode()
    return ('{\n  "response": [\n    ' + ",\n    ".join(lines) + "\n  ]\n}\n").encode()


def nested_json(contracts: pl.DataFrame, style: Style) -> bytes:
    """Return a v3 answer of `contract` objects, each with its `data` lines already joined."""
    if style == "live":
        each = fill('{"contract":%s,"data":[%s]}', "contract", "data")
        return ('{"response":[' + ",".join(contracts.select(each).to_series()) + "]}").encode()
    each = fill('{\n      "contract": %s,\n      "data": [\n        %s\n      ]\n    }', "contract", "data")
    return (
        '{\n  "response": [\n    ' + ",\n    ".join(contracts.select(each).to_series()) + "\n  ]\n}\n"
    ).encode()


def v3_objects(
    frame: pl.DataFrame,
    kind: str,
    style: Style,
    contract: Sequence[str],
    data_keys: Sequence[str],
    line_keys: Sequence[str],
) -> bytes:
    """Return contract data as NDJSON or JSON, with the keys of each object in their order."""
    if kind == "ndjson":
        return ndjson(frame.select(objects(frame, line_keys)).to_series(), style)
    contracts = frame.group_by(contract, maintain_order=True).agg(
        objects(frame, data_keys).alias("data").str.join(line_break(style))
    )
    return nested_json(contracts.select(objects(frame, contract).alias("contract"), "data"), style)


def v2_row(frame: pl.DataFrame, names: Sequence[str], texts: Sequence[str] = ()) -> pl.Expr:
    """Return each row as a list; numbers in their shortest form."""
    fields = [fill('"%s"', name) if name in texts else shortest(name, frame.schema[name]) for name in names]
    return pl.concat_str(pl.lit("["), pl.concat_str(fields, separator=", "), pl.lit("]"))


def v2_ticks(
    frame: pl.DataFrame, names: Sequence[str], contract: Sequence[str], texts: Sequence[str] = ()
) -> bytes:
    """Return a page's contracts (root, expiration, strike, right), each with its rows."""
    row = v2_row(frame, names, texts)
    contracts = frame.group_by(contract, maintain_order=True).agg(row.alias("ticks").str.join(",\n  "))
    each = fill(
        '{"ticks": [%s], "contract": {"root": "%s", "expiration": %s, "strike": %s, "right": "%s"}}',
        "ticks",
        *contract,
    )
    return joined(contracts.select(each).to_series().to_list())


def joined(items: Sequence[str]) -> bytes:
    """Return the items of a v2 list between commas; the terminal's JSON is not compact."""
    return ",\n  ".join(items).encode()


def line_break(style: Style) -> str:
    """Return what separates two data lines of one contract."""
    return "," if style == "live" else ",\n        "


def clock(ms: int, style: Style) -> str:
    """Return a time of day; the documentation drops milliseconds that are zero."""
    text = f"{ms // sessions.HOUR:02}:{ms // sessions.MINUTE % 60:02}:{ms // 1000 % 60:02}"
    return text if style == "docs" and ms % 1000 == 0 else f"{text}.{ms % 1000:03}"


def stamps(name: str, day: date, style: Style, known: pl.Series) -> pl.Expr:
    """Return milliseconds of *day* as timestamps; *known* holds every value that occurs."""
    spelt = {ms: f"{day.isoformat()}T{clock(ms, style)}" for ms in known.unique()}
    return pl.col(name).replace_strict(spelt, return_dtype=pl.String)


def table(**columns: Sequence[str | None]) -> pl.DataFrame:
    """Return a frame of text columns."""
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
