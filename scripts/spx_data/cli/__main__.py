"""The same as the command `spx-data`, for who has the interpreter and not its commands' folder."""

from spx_data.cli import main

main()
