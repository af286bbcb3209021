"""Ask DuckDB a question of a lake: `query.py QUESTION.sql PARQUET_DIRECTORY`."""

import sys
from pathlib import Path

import duckdb


def main() -> None:
    """Print the answer to the SQL in the first argument about the second; its days are in `sealed`."""
    question, lake = sys.argv[1:]
    connection = duckdb.connect()
    connection.execute("SET VARIABLE lake = ?", [lake.rstrip("/")])
    for script in (Path(__file__).with_name("sealed.sql"), Path(question)):
        answer = connection.sql(script.read_text())
    print(answer)


if __name__ == "__main__":
    main()
