"""The rows of a body, whatever its format: read, edited by a fault, written back.

A row is a dict with one key a column, the contract's included. Numbers keep
their value and may change their spelling: nothing but a faulty answer passes here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from theta_simulator import answers
from theta_simulator.answers import Answer

Row = dict[str, Any]
_LINE_END = "\r\n"


@dataclass
class Table:
    """Names and rows of one body."""

    names: list[str]
    rows: list[Row]


def read(answer: Answer) -> Table:
    """Return the table in a body; fields of a CSV keep their quotation marks."""
    text = b"".join(answer.body).decode()
    if answer.content_type == answers.CSV:
        header, *lines = [line.split(",") for line in text.removesuffix(_LINE_END).split(_LINE_END)]
        return Table(header, [dict(zip(header, line, strict=True)) for line in lines])
    if answer.content_type == answers.NDJSON:
        rows = [json.loads(line) for line in text.splitlines()]
    else:
        document = json.loads(text)
        rows = list(_flat(document["response"], document.get("header", {}).get("format")))
    return Table(list(rows[0]), rows)


def write(answer: Answer, table: Table) -> bytes:
    """Return the table in the format of the body it was read from."""
    if answer.content_type == answers.CSV:
        lines = [table.names, *([row[name] for name in table.names] for row in table.rows)]
        return "".join(",".join(line) + _LINE_END for line in lines).encode()
    rows = [{name: row[name] for name in table.names} for row in table.rows]
    if answer.content_type == answers.NDJSON:
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    document = json.loads(b"".join(answer.body))
    item = document["response"][0]
    if header := document.get("header"):
        header["format"] = [name for name in header["format"] if name in table.names]
    document["response"] = list(_nested(rows, item, (header or {}).get("format")))
    return json.dumps(document).encode()


def _flat(items: list[Any], fields: list[str] | None) -> Iterator[Row]:
    """Return rows from a JSON answer: lists under *fields*, objects, or either below a contract."""
    for item in items:
        if isinstance(item, list):
            yield dict(zip(fields or (), item, strict=True))
        elif "contract" not in item:
            yield item
        else:
            for row in item.get("data") or _flat(item["ticks"], fields):
                yield item["contract"] | row


def _nested(rows: list[Row], item: Any, fields: list[str] | None) -> Iterator[Any]:
    """Return rows in the shape of *item*, an element of the answer they came from."""
    if isinstance(item, list):
        for row in rows:
            yield [row[name] for name in fields or ()]
    elif "contract" not in item:
        yield from rows
    else:
        contract_names = item["contract"].keys()
        for _, group in groupby(rows, lambda row: [row.get(name) for name in contract_names]):
            few = list(group)
            contract = {name: few[0][name] for name in contract_names if name in few[0]}
            if "data" in item:
                data = [{name: row[name] for name in row if name not in contract_names} for row in few]
                yield {"contract": contract, "data": data}
            else:
                yield {"ticks": list(_nested(few, [], fields)), "contract": contract}
