"""A lake over HTTP, to look at and to ask: who listens, and how long for whom."""
