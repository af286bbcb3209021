"""Strings that may identify somebody, put where a terminal of the wild might have them.

For tests of what is passed on: whoever looks for the strings in it can tell whether anything leaked.
"""

from collections.abc import Iterable
from dataclasses import replace

from theta_simulator import answers
from theta_simulator.answers import Answer

Headers = tuple[tuple[str, str], ...]

_ADDED = ("x-served-by", "x-account", "x-path")
_NO_DATA = b"No data"


def headers(usual: Headers, words: tuple[str, ...]) -> Headers:
    """Return the headers of every answer with the words in them."""
    if not words:
        return usual
    said = " ".join(words)
    server = f"{dict(usual).get('server', '')} {said}".strip()
    others = tuple((name, value) for name, value in usual if name != "server")
    return (("server", server), *others, *((name, said) for name in _ADDED))


def spoken(answer: Answer, words: Iterable[str]) -> Answer:
    """Return an answer with the words at its end, where it is a sentence instead of data."""
    said = " ".join(words).encode()
    body = b"".join(answer.body)
    sentence = answer.status != 200 or answer.content_type == answers.HTML or body.startswith(_NO_DATA)
    return replace(answer, body=(body + b" " + said,)) if said and sentence else answer
