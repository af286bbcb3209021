"""What can go wrong, as types: each names the cause in one line, carries fields, and knows its cure.

An error's class also knows how often asking again can help (`retry`; the loop that does it is
`sources.retry`), and whether it lies with the surroundings of the work rather than with the date at hand
(`surroundings`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

from spx_data.text import commands, printable

_USERINFO = re.compile(r"(?<=://)[^\s/]*@")


class Retry(NamedTuple):
    """How often to ask again, and the waits between: exponential from *first* to *ceiling* seconds."""

    attempts: int
    first: float = 0.0
    ceiling: float = 0.0


NEVER = Retry(attempts=0)


class SpxDataError(Exception):
    """Anything this project raises on purpose.

    `cause` names the thing, the expectation and the finding in one line; `cure` says what to do;
    `fields` are the same facts for machines: of one with a `what`, the cause is the `reason`, unless another
    is told. Parts of them come from outside, so here, once, what would do something to a screen becomes
    visible (`printable`), and a backtick of a cause marks no command (`commands`); who stands before the host
    of a URL is left out.
    """

    retry: ClassVar[Retry] = Retry(attempts=2, first=1.0, ceiling=30.0)
    # The terminal, the disk or the settings are at fault: every other request and date would meet it too, so
    # no more is started, and it does not count against the date.
    surroundings: ClassVar[bool] = False
    usual: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(
        cls, *, retry: Retry | None = None, surroundings: bool | None = None, **usual: str
    ) -> None:
        """What a kind has otherwise stands in its head line; so do fields whose values go without saying."""
        super().__init_subclass__()
        cls.retry, cls.usual = retry or cls.retry, {**cls.usual, **usual}
        cls.surroundings = cls.surroundings if surroundings is None else surroundings

    def __init__(self, cause: str, *, cure: str = "", **fields: Any) -> None:
        cause = commands.outside(without_userinfo(printable.line(cause)))
        super().__init__(cause)
        fields = {**self.usual, **fields}
        if "what" in fields:
            fields.setdefault("reason", cause)
        self.cause = cause
        self.cure = _harmless(cure)
        self.fields = printable.inside(fields, _harmless)

    @property
    def command(self) -> str | None:
        """What to type, where the cure is a command: the first one of it, as `text.commands` marks it."""
        return commands.first(self.cure)

    def final(self) -> Self:
        """The same error, not to be retried again: its raiser has used up the patience there is."""
        self.__dict__["retry"] = NEVER
        return self

    def __str__(self) -> str:
        return f"{self.cause}. {self.cure}".strip() if self.cure else self.cause

    def __reduce__(self) -> tuple[Any, ...]:
        # BaseException would rebuild from the positional arguments alone and lose cure and fields.
        return (_rebuild, (type(self), self.cause, self.cure, self.fields))


def without_userinfo(text: str) -> str:
    """*text* without what stands before the host in a URL: it ends up in logs, journals and lists."""
    return _USERINFO.sub("***@", text)


def _harmless(text: str) -> str:
    return without_userinfo(printable.visible(text))


def _rebuild(kind: type[SpxDataError], cause: str, cure: str, fields: dict[str, Any]) -> SpxDataError:
    return kind(cause, cure=cure, **fields)


# The source ---------------------------------------------------------------------------------------------


class ApiRateLimitError(SpxDataError, retry=Retry(attempts=3, first=1.0, ceiling=60.0)):
    """The terminal's queue is full (429). Fields: retry_after (seconds or None), url."""


class ApiConnectionError(SpxDataError, retry=Retry(attempts=5, first=1.0, ceiling=30.0)):
    """A connection broke, or the terminal reports a fault upstream.

    Fields: cause_type or status, url; retry_after (seconds) where the terminal said when to come back.
    """


class TerminalDisconnectedError(ApiConnectionError, surroundings=True):
    """The terminal runs and has lost its server (474, or its status word). Fields: status, base_url."""


class ThetaTerminalNotRunningError(
    SpxDataError, retry=Retry(attempts=3, first=5.0, ceiling=60.0), surroundings=True
):
    """Nothing answers at the address, or the terminal is not logged in yet. Fields: base_url, details."""


class TerminalSessionTakenError(ThetaTerminalNotRunningError, retry=NEVER):
    """Another terminal logged in with this account (478): only a person can decide which one stays."""


class ApiDataNotFoundError(SpxDataError, retry=NEVER):
    """The source has nothing there: an answer, not a failure. Fields: date, expiration, root.

    It says so with status 472, or with an empty body or a sentence in a 200: status and excerpt tell.
    """


class ApiResponseInvalidError(SpxDataError, retry=Retry(attempts=2, first=0.5, ceiling=5.0)):
    """An answer that cannot be what was asked for. Fields: excerpt, expected."""


class PageExpiredError(ApiResponseInvalidError):
    """A page of a v2 answer was dropped (477): the request starts again from its first page."""


class LargeRequestError(ApiResponseInvalidError, retry=NEVER):
    """The answer would be too large (570): asking for the same cannot help, asking for half of it does."""


class TooManyRejectsError(SpxDataError, retry=NEVER):
    """More of a date's rows are bad than the settings allow. Fields: date, rejected, rows, path."""


# The files ----------------------------------------------------------------------------------------------


class MissingFileError(SpxDataError, FileNotFoundError, retry=NEVER, operation="read"):
    """A file that must be there is not. Fields: path, operation (read, unless it is told)."""


class PermissionDeniedError(SpxDataError, PermissionError, retry=NEVER, surroundings=True):
    """The system refuses an operation on a path. Fields: path, operation."""


class InsufficientDiskSpaceError(SpxDataError, OSError, retry=NEVER, surroundings=True):
    """The disk has no room for what is to be written. Fields: path, required, available (bytes)."""


class DeviceError(SpxDataError, OSError, retry=NEVER, surroundings=True):
    """The device under a path reports a fault of its own (EIO and its like). Fields: path, operation."""


class VolumeError(SpxDataError, OSError, retry=NEVER, surroundings=True):
    """A volume cannot do what is needed of it there: no file locks, say. Fields: path, operation."""


class EvictedFileError(SpxDataError, OSError, retry=NEVER, surroundings=True):
    """A file lies in the cloud, and on this machine only its name does. Fields: path, operation."""


class MachineError(SpxDataError, OSError, retry=NEVER, surroundings=True):
    """The system refuses for another reason: no more handles or memory, or one that nobody has heard of.

    Fields: path, operation.
    """


class FileCorruptionError(SpxDataError, retry=NEVER):
    """Bytes on disk are not the bytes that were written. Fields: path, expected, actual."""


class DatabaseConnectionError(SpxDataError):
    """The status database could not be opened. Fields: path, operation."""


class DatabaseTransactionError(SpxDataError):
    """The status database could not be written. Fields: path, operation."""


class DatabaseSchemaError(SpxDataError, retry=NEVER):
    """What stands at the status database's path is no database of ours. Fields: path, expected, actual."""


# The jobs -----------------------------------------------------------------------------------------------


class JobDiedError(SpxDataError, retry=NEVER, surroundings=True):
    """A job ended, or never began, without saying why. Fields: rule, log, signal (where one ended it)."""


class JobCrashedError(JobDiedError, surroundings=False):
    """A job's own code crashed: it may do so on this date's data every time. Fields: rule, log, signal."""


class RunFailedError(SpxDataError, retry=NEVER, surroundings=True):
    """Snakemake could not begin, or ended before it came to all dates. Fields: log."""


# The call -----------------------------------------------------------------------------------------------


class SchemaValidationError(SpxDataError, retry=NEVER):
    """A table or document of ours does not have its declared shape. Fields: what, reason."""


class OtherVersionError(SpxDataError, retry=NEVER, surroundings=True):
    """A file of the lake was written by another version of spx-data. Fields: what, expected, actual."""


class QueryError(SpxDataError, retry=NEVER):
    """SQL that is none, or that does more than read. Fields: what, reason."""


class DateValidationError(SpxDataError, retry=NEVER, what="dates"):
    """A date was named that is none, or that is no trading date here. Fields: what (dates), reason."""


class ConfigurationValidationError(SpxDataError, retry=NEVER, surroundings=True):
    """A setting is missing, mistyped or contradicts what is there. Fields: what, reason."""


class SettingRefusedError(ConfigurationValidationError, surroundings=False):
    """A key or a value that was asked for is none, or contradicts what is set. Fields: what, reason."""


class AnotherRunError(SpxDataError, retry=NEVER, surroundings=True):
    """A run is filling this lake already. Fields: pid."""


class WrongApiError(ConfigurationValidationError):
    """The terminal speaks the other API version (410, 404). Fields: what, reason."""


class RequestRefusedError(ConfigurationValidationError):
    """The terminal refuses the arguments (400, 473, 475), the host name (476), or redirects (3xx)."""


class SubscriptionError(ConfigurationValidationError, surroundings=False):
    """The subscription does not include the data asked for (403, 471). Fields: what, reason.

    Tiers end at dates of their own (docs/wire.md, 10), so it may well lie with the date.
    """


class LakeMissingError(ConfigurationValidationError):
    """Days were sealed, and all of them are gone with their `dataset.json`. Fields: what, reason."""


class DatasetMismatchError(ConfigurationValidationError):
    """The lake on disk was made with other settings. Fields: what, reason."""


# Whose doing -------------------------------------------------------------------------------------------

# What our own code raises over values it did not expect, which are the source's.
_OVER_VALUES = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)
_LIBRARIES_OF_VALUES = frozenset({"polars"})
_LIBRARIES_OF_THE_NETWORK = frozenset({"requests", "urllib3", "http"})
# Of this machine's files and of nobody else's, though the next date may do without them.
_OF_OUR_FILES = (
    MissingFileError,
    FileCorruptionError,
    SchemaValidationError,
    DatabaseConnectionError,
    DatabaseTransactionError,
    DatabaseSchemaError,
)


def is_the_machines(error: BaseException) -> bool:
    """Whether *error* is not the source's doing, and so must not count against a date.

    The source's are the errors of this module that say so, what the network raises, and what code raises over
    values. Any other is the machine's: its kinds cannot be listed.
    """
    if isinstance(error, SpxDataError):
        return error.surroundings or isinstance(error, _OF_OUR_FILES)
    library = type(error).__module__.partition(".")[0]
    if isinstance(error, ConnectionError) or library in _LIBRARIES_OF_THE_NETWORK | _LIBRARIES_OF_VALUES:
        return False
    # A path that cannot be spelt, and memory that a library of arrays does not get, are values to Python.
    return isinstance(error, OSError | MemoryError | UnicodeEncodeError) or not isinstance(
        error, _OVER_VALUES
    )
