"""Sealed days in the formats of other tools: `formats` has a file for each, and nobody else knows them."""
