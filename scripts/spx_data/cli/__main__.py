"""The same as the command `spx-data`, where the interpreter is at hand and not its folder of commands."""

from spx_data.cli import main

if __name__ == "__main__":
    main()
