"""Whether what the product took of a history, a list or a calendar is what the bytes say."""

import itertools
import re

import pyarrow as pa

from spx_data.market import chains
from spx_data.market.columns import Type
from tests.fuzz import said
from tests.fuzz.verdict import Wrong

_NEVER_NEGATIVE = ("implied_vol", "underlying_price")
_ROOTS = ("symbol", "root")
_WHOLE = re.compile(r"-?[0-9]{1,9}")  # 32 bits hold them
_NO_NUMBERS = {"right", "strike", "timestamp", "underlying_timestamp"}


def check_history(batches, rejects, body, chain, schema, thousandths, alone=None):
    """Raise `Wrong` unless every record is a row of *body*, each row once, and no row went unaccounted for.

    *alone* is the right and the strike, where rows do not say whose they are. *thousandths*: strikes are.
    """
    records = _as_of_utc(batches, schema, chain.date)
    reasons, taken = {}, len(records) + len(rejects)
    for rows in said.readings(body):
        meant = [_meant(row, chain, schema, thousandths, alone) for row in rows]
        if (lacking := _not_said(records, meant)) is not None:
            reasons[len(rows)] = f"invented: the bytes do not say {lacking}"
        elif taken != len(rows):
            counted = f"{len(records)} records and {len(rejects)} rejects of {len(rows)} rows"
            reasons[len(rows)] = f"lost: {counted}"
        else:
            return
    # That of the reading which comes nearest.
    raise Wrong(reasons[min(reasons, key=lambda rows: abs(rows - taken))] if reasons else "invented: no rows")


def check_pages(batches, bodies, chain, schema, thousandths):
    """Raise `Wrong` unless every record is a row of one of *bodies*, how many of them were asked for."""
    records = _as_of_utc(batches, schema, chain.date)
    readings = [rows for body in bodies for rows in said.readings(body)]
    meant = [_meant(row, chain, schema, thousandths, None) for rows in readings for row in rows]
    for record in records:
        if not any(_is_meant(record, row) for row in meant):
            raise Wrong(f"invented: no page says {record}")


def _as_of_utc(batches, schema, date):
    """Records whose moments are ms since the epoch as if New York's clock were UTC's, as `said` has them."""
    zero = said.moment(date.isoformat()) - chains.midnight_ms(date)
    stamps = [name for name in schema.record.names if name.endswith("timestamp")]
    return [
        record | {name: record[name] + zero for name in stamps if record[name] is not None}
        for record in pa.Table.from_batches(batches, schema.record).to_pylist()
    ]


def _not_said(records, meant):
    """The first record that no row means, where each row counts once; None where there is none."""
    waiting, at = list(meant), 0
    for record in records:
        # Rows mostly come in their order.
        order = itertools.chain(range(at, len(waiting)), range(at))
        found = next((number for number in order if _is_meant(record, waiting[number])), None)
        if found is None:
            return {name: value for name, value in record.items() if value is not None}
        waiting[found], at = None, found + 1
    return None


def _meant(row, chain, schema, thousandths, alone):
    """What a row means: for each column of a record the values that it says; None where it is no record."""
    if alone is None:
        roots = {said.text_of(cell) for name in _ROOTS for cell in row.get(name, [])}
        if chain.root not in roots or chain.listed not in set(map(said.date, row.get("expiration", []))):
            return None
        rights = {said.right(cell) for cell in row.get("right", [])}
        strikes = _numbers(row, "strike")
        strikes = {strike / 1000 for strike in strikes} if thousandths else strikes
    else:
        rights, strikes = {alone[0]}, {alone[1]}
    return {
        "right": rights,
        "strike": strikes,
        "timestamp": said.stamps(row, "timestamp", "ms_of_day"),
        "underlying_timestamp": _underlying(row, chain),
        **{name: _numbers(row, name) for name in schema.record.names if name not in _NO_NUMBERS},
        said.ODD: _odd(row) | {column.name for column in schema.optional if _may_be_null(row, column)},
    }


def _may_be_null(row, column):
    """Whether a row says several values of a column, or no whole number where it is one of those."""
    cells = row.get(column.name, [])
    said_so = [_WHOLE.fullmatch(said.text_of(cell) or "") for cell in cells]
    return len(cells) > 1 or (column.type is Type.WHOLE and not all(said_so))


def _odd(row):
    """The columns that may stay null: their name, or what is in them, is spelt with blanks or otherwise."""
    padded = [
        name for name, cells in row.items() if any(said.text_of(cell) not in (None, cell) for cell in cells)
    ]
    return {*row.get(said.ODD, ()), *padded}


def _underlying(row, chain):
    """The underlying's moments; a time of day is one of the date that was asked for."""
    midnight = said.moment(chain.date.isoformat())
    times = map(said.time_of_day, row.get("ms_of_day2", []))
    return {midnight + ms for ms in times if ms is not None} | said.stamps(row, "underlying_timestamp", "")


def _numbers(row, name):
    return {said.number(cell) for cell in row.get(name, [])} - {None}


def _is_meant(record, meant):
    if meant is None:
        return False
    for name, found in record.items():
        values = meant[name]
        if found is None and name not in meant[said.ODD] and _must_be_there(name, values):
            return False
        if found is not None and found not in values:
            return False
    return True


def _must_be_there(name, values):
    """Whether a row says one possible value of a column, so that null is a value lost."""
    if name == "underlying_timestamp" or len(values) != 1:
        return False
    (value,) = values
    return not (value < 0 and name in _NEVER_NEGATIVE)


# Lists ----------------------------------------------------------------------------------------------------


def check_contracts(listed, body, root, thousandths):
    """Raise `Wrong` unless *body* says every contract of the chains *listed*."""
    told = {
        (chain.chain.listed, right, strike)
        for chain in listed
        for right, strikes in (("C", chain.calls), ("P", chain.puts))
        for strike in strikes
    }
    everything = [
        contract for rows in said.readings(body) for row in rows for contract in _contracts(row, root)
    ]
    known = {(day, right, strike / 1000 if thousandths else strike) for day, right, strike in everything}
    if told - known:
        raise Wrong(f"invented: the bytes list no {min(told - known)}")
    return len(told)


def _contracts(row, root):
    if root in {said.text_of(cell) for name in _ROOTS for cell in row.get(name, [])}:
        for day in map(said.date, row.get("expiration", [])):
            for right in map(said.right, row.get("right", [])):
                yield from ((day, right, strike) for strike in _numbers(row, "strike"))


def check_dates(dates, body, root):
    """Raise `Wrong` unless *body* says every date: in a table's column, or as a list of numbers."""
    rows = [row for rows in said.readings(body) for row in rows]
    told = {said.date(cell) for row in rows for cell in row.get("expiration", []) if _is_of(row, root)}
    told |= {said.date(cell) for cell in said.plain_list(body)}
    if strange := set(dates) - told:
        raise Wrong(f"invented: the bytes name no {min(strange)}")
    return len(dates)


def _is_of(row, root):
    return root in map(said.text_of, row.get("symbol", []))


def check_hours(hours, body):
    """Raise `Wrong` unless one row of *body* says these hours."""
    for rows in said.readings(body):
        for row in rows:
            kinds = {_plain(cell) for cell in row.get("type", [])}
            times = {said.clock(cell) for name in ("open", "close") for cell in row.get(name, [])}
            if hours.kind in kinds and {hours.opens, hours.closes} <= times | {None}:
                return 1
    raise Wrong(f"invented: the bytes do not say {hours}")


def _plain(cell):
    return (said.text_of(cell) or "").lower().replace("-", "_").replace(" ", "_")
