"""Bytes that last: every path, every operation on the disk, locks, and the formats of what is kept."""
