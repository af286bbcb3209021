"""What a setting may say of a team's database: where it is, and no password."""

from __future__ import annotations

import re

from spx_data.errors import without_userinfo

CURE = "Write postgresql://HOST/DATABASE; a password belongs in ~/.pgpass, a service file or PGPASSWORD"
_URL = re.compile(r"postgresql://([^\s:/@?#]*@)?[^\s@?#]*(\?[^\s#]*)?")
_PASSWORD = re.compile(r"postgresql://[^/@]*:[^/@]*@|[?&](ssl)?password=", re.IGNORECASE)
_VALUE = re.compile(r"([?&](?:ssl)?password=)[^&\s]*", re.IGNORECASE)


def objection(url: str) -> str:
    """Why *url* is no address of a database that a setting may hold; empty where it is one."""
    if _PASSWORD.search(url):
        return "a password stands in it"
    return "" if _URL.fullmatch(url) else f"{disclosed(url)} is no address of a PostgreSQL database"


def disclosed(url: str) -> str:
    """*url* as it may be shown: without who is named in it, and without a password."""
    return _VALUE.sub(r"\1***", without_userinfo(url))
