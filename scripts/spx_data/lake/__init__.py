"""A lake as a whole: its calendar, the state of each session, its runs, its sealed days read and verified."""
