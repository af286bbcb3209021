"""Sealed days as objects beside the lake: each whole or not at all, none ever written over (decision 68)."""
