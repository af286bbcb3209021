"""What the data are: dates, sessions, chains, records and columns. Nothing here reads or writes a file."""
