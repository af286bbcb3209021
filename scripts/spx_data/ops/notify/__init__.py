"""Who is told how lakes get on: people when that changes, and only then; monitors at every run.

`sending` reaches them, `standing` says how a lake is, to Prometheus as well, and `telling` knows who is told
what. Nothing here decides, delays or fails a run: what cannot be told is a line, and told next time.
"""
