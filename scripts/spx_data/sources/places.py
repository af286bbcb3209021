"""URLs of places for objects: which are some, and without a credential in them."""

from __future__ import annotations

import re

from spx_data.errors import ConfigurationValidationError, without_userinfo

_URL = re.compile(r"(s3|gs|az|azure|abfss?|file|memory)://[^\s?#]+")
PUBLISH_URL = "publish.url"


def is_url(text: str) -> bool:
    """Whether *text* is meant as a URL, of whatever kind."""
    return "://" in text


def check_url(url: str, what: str = PUBLISH_URL) -> None:
    """Raise what `refused_url` finds."""
    if refused := refused_url(url, what):
        raise refused


def refused_url(url: str, what: str = PUBLISH_URL) -> ConfigurationValidationError | None:
    """Why *url* names no place for objects, or has credentials in it; None where it is well.

    *what* is what named it, for the error.
    """
    if _URL.fullmatch(url) and without_userinfo(url) == url:
        return None
    shown = re.sub(r"[?#].*", "?…", without_userinfo(url), flags=re.DOTALL)  # a query may be a key to all
    return ConfigurationValidationError(
        f"{what}: {shown} is no place for published days",
        cure="Write s3://BUCKET/FOLDER, gs://…, az://… or file:///FOLDER, without credentials in it",
        what=what,
    )
