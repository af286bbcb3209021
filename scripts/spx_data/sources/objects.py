"""Objects of a bucket, or files of a folder, by their keys: created only where absent, and read back.

Credentials come from the environment, or from the provider's own files, and nowhere else. A request that
fails on the way is asked again by the library, within a minute; a minute without a byte is a failure. What
comes back is believed for its SHA-256.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from spx_data.errors import (
    ApiConnectionError,
    ConfigurationValidationError,
    MissingFileError,
    SpxDataError,
    without_userinfo,
)
from spx_data.sources.places import PUBLISH_URL, check_url
from spx_data.store import reads

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_Found = TypeVar("_Found")

_RETRIES = {"max_retries": 5, "retry_timeout": dt.timedelta(seconds=60)}
_CONNECT, _WHOLE = dt.timedelta(seconds=20), dt.timedelta(hours=6)
# Without a byte of an answer, however long all of it takes. The library begins to count with the request,
# and does not see how far an upload is: a large one has the time that it needs at so many bytes a second.
_SILENCE, _SLOWEST, _LARGE = dt.timedelta(seconds=60), 100_000, 1 << 20
_NO = re.compile(r"status code: (?:3\d\d|40[0134])|incorrectly configured region")
_NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound")
_GARBLED = re.compile("list response")  # cut off or no listing: the library asks again about all else
_LISTINGS = 3
_BLOCK = 8 << 20
_MOST = 64 << 20  # bytes of an object that is read as a whole


_CURES = {
    "s3": "Check the bucket's name and region, and the credentials in the environment (AWS_ACCESS_KEY_ID, "
    "AWS_REGION, AWS_ENDPOINT_URL and their like)",
    "gs": "Check the bucket's name, and the credentials: GOOGLE_APPLICATION_CREDENTIALS in the environment, "
    "or what gcloud has left",
    "az": "Check the container's name, and the credentials in the environment (AZURE_STORAGE_ACCOUNT_NAME, "
    "AZURE_STORAGE_ACCOUNT_KEY and their like)",
    "file": "Make the folder, or mount its disk; it must be yours to write to",
}


@dataclass(frozen=True)
class Objects:
    """The objects below a URL."""

    url: str
    what: str  # what named it, for errors
    _store: ObjectStore

    @classmethod
    def at(cls, url: str, what: str = PUBLISH_URL) -> Objects:
        """The objects below *url*, which *what* named; needs the extra `publish`.

        Raises:
            ConfigurationValidationError: it is no such URL, or the environment lacks what it takes.
        """
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        check_url(url, what)
        try:
            return cls(url.rstrip("/"), what, from_url(url, **_options(url)))
        except (BaseError, ValueError, OSError) as error:
            raise _refused(url, what, error) from error

    def sizes(self) -> Mapping[str, int]:
        """The bytes of each object by its key, by a listing."""
        import obstore
        from obstore.exceptions import BaseError

        with self._explained(""):
            for left in reversed(range(_LISTINGS)):
                try:
                    return {each["path"]: each["size"] for some in obstore.list(self._store) for each in some}
                except BaseError as error:
                    if not left or not _GARBLED.search(str(error)):
                        raise
        raise AssertionError("the last listing is given or raises")

    def create(self, key: str, content: Path | bytes) -> bool:
        """Create an object where there is none; whether there was none."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError
        from obstore.store import from_url

        with self._explained(key):
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            own = _options(self.url, size) if size > _LARGE else {}
            store = from_url(self.url, **own) if own else self._store
            try:
                obstore.put(store, key, content, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def digest(self, key: str, wanted: str) -> str:
        """The SHA-256 of the bytes that come back, read once more where it is not the one that is *wanted*.

        Raises MissingFileError where there is no such object.
        """
        return _once_more(lambda: self._hashed(key, lambda _: None), lambda found: found == wanted)

    def fetch(self, key: str, to: BinaryIO, wanted: str) -> str:
        """Write an object's bytes *to* a file as they come; their SHA-256, as `digest` gives it."""

        def keep(block: memoryview) -> None:
            with reads.explained(Path(to.name), "write"):
                to.write(block)

        def read() -> str:
            with reads.explained(Path(to.name), "write"):
                to.seek(0)
                to.truncate()
            return self._hashed(key, keep)

        return _once_more(read, lambda found: found == wanted)

    def _hashed(self, key: str, each: Callable[[memoryview], None]) -> str:
        import obstore

        found = hashlib.sha256()
        with self._explained(key):
            for piece in obstore.get(self._store, key).stream(min_chunk_size=_BLOCK):
                block = memoryview(piece)
                found.update(block)
                each(block)
        return found.hexdigest()

    def content(self, key: str, is_wanted: Callable[[bytes], bool] = lambda _: True) -> bytes:
        """A small object's bytes, read once more where they are not what is wanted.

        Raises MissingFileError where there is none.
        """
        return _once_more(lambda: self._content(key), is_wanted)

    def _content(self, key: str) -> bytes:
        import obstore

        with self._explained(key):
            answer = obstore.get(self._store, key)
            if answer.meta["size"] > _MOST:
                raise _strange(f"{self.url}/{key} has {answer.meta['size']:,} bytes", self.what)
            return bytes(answer.bytes())

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        place = f"{self.url}/{key}" if key else self.url
        try:
            yield
        except SpxDataError:
            raise
        except FileNotFoundError as error:
            if _NO_BUCKET.search(str(error)):
                raise _refused(self.url, self.what, error) from error
            raise MissingFileError(f"there is no object {place}", path=place) from error
        except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
            raise _refused(self.url, self.what, error) from error
        except (BaseError, OSError) as error:
            if _NO.search(str(error)):  # to a listing, of which the library has no error of its own
                raise _refused(self.url, self.what, error) from error
            raise ApiConnectionError(
                f"{place} cannot be reached or written: {_first_line(error)}",
                cure="Try again: what is published stays, and the rest follows",
                url=place,
                cause_type=type(error).__name__,
            ) from error


def _options(url: str, upload: int = 0) -> dict[str, Any]:
    """How storage at *url* is asked with an *upload* of so many bytes; nothing where it is a folder."""
    if url.startswith(("file:", "memory:")):
        return {}
    silence = _SILENCE + dt.timedelta(seconds=upload / _SLOWEST)
    # Options that are told leave no room for those of the environment.
    plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"1", "true"}
    times = {"connect_timeout": _CONNECT, "read_timeout": silence, "timeout": _WHOLE}
    return {"retry_config": _RETRIES, "client_options": {**times, "allow_http": plain}}


def _refused(url: str, what: str, error: Exception) -> ConfigurationValidationError:
    return ConfigurationValidationError(
        f"{what}: {url} refuses: {_first_line(error)}",
        cure=_CURES.get(url.partition(":")[0], _CURES["az"]),
        what=what,
    )


def _once_more(read: Callable[[], _Found], is_wanted: Callable[[_Found], bool]) -> _Found:
    """What *read* gives, the second time where it is not what is wanted the first time.

    Bytes may have changed on their way, and people are told to remove an object that is another one.
    """
    found = read()
    return found if is_wanted(found) else read()


def _strange(finding: str, what: str) -> ConfigurationValidationError:
    return ConfigurationValidationError(
        f"{what}: {finding}, and nothing of ours does", cure="Publish to a folder of its own", what=what
    )


def _first_line(error: Exception) -> str:
    """What a library says, without what it says for its own debugging."""
    return without_userinfo(" ".join(str(error).partition("\n\nDebug source")[0].split()))[:400]
