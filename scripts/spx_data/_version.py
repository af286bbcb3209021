"""The version, in one place, without anything to load."""

__version__ = "0.1.0"
