"""Ask DuckDB a question of a lake: `query.py QUESTION.sql PARQUET_DIRECTORY`."""

import sys
from pathlib import Path

import duckdb


def main() -> None:
    """Print the answer to the SQL in the first argument, with `lake` set to the second."""
    question, lake = sys.argv[1:]
    connection = duckdb.connect()
    connection.execute("SET VARIABLE lake = ?", [lake])
    print(connection.sql(Path(question).read_text()))


if __name__ == "__main__":
    main()
