"""The columns of the usual kind of records, and of all kinds."""

from spx_data.market import schema
from spx_data.market.columns import DEFAULT, KINDS

KINDS_OF_RECORDS = tuple(KINDS)
GREEKS = schema.newest(DEFAULT)
DAY, RECORD, VERSION = GREEKS.day, GREEKS.record, GREEKS.version
MEASURES = tuple(column.name for column in GREEKS.measures)
OPTIONAL = tuple(column.name for column in GREEKS.optional)
POLARS = schema.polars_record(RECORD.names)
