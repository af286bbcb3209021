"""The script as most people write it: requests, JSON, pandas; one sorted Parquet a date, nothing is checked.

python benchmarks/pandas_script.py BASE_URL FOLDER DATE [DATE …]
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import requests

WINDOW = {"interval": "1m", "start_time": "09:30:00", "end_time": "16:00:00", "version": "latest"}
KEY = ["symbol", "expiration", "strike", "right", "timestamp"]

url, folder, *dates = sys.argv[1:]
session = requests.Session()


def get(path, **query):
    """Return the rows or contracts of one answer."""
    response = session.get(f"{url}/v3/option/{path}", params={**query, "format": "json"})
    response.raise_for_status()
    return response.json()["response"]


def chain(asked):
    """Return the greeks of one expiration on one date."""
    symbol, expiration, date = asked
    query = {"symbol": symbol, "expiration": expiration, "date": date, **WINDOW}
    contracts = get("history/greeks/first_order", **query)
    return pd.DataFrame(
        [{**contract["contract"], **row} for contract in contracts for row in contract["data"]]
    )


with ThreadPoolExecutor(4) as pool:
    for date in dates:
        listed = {
            (symbol, contract["expiration"], date)
            for symbol in ("SPX", "SPXW")
            for contract in get("list/contracts/quote", symbol=symbol, date=date)
        }
        day = pd.concat(pool.map(chain, sorted(listed)), ignore_index=True)
        for column in ("expiration", "timestamp", "underlying_timestamp"):
            day[column] = pd.to_datetime(day[column])
        day.sort_values(KEY).to_parquet(Path(folder) / f"{date}.parquet", index=False)
