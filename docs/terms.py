"""The glossary's terms, linked where a page of the site first uses them."""

import functools
import os
import re
from pathlib import Path, PurePosixPath

GLOSSARY = Path(__file__).with_name("glossary.md")
# Where no term is linked: code, headings, links, emphasis (an argument's name, say), HTML.
_ASIDE = re.compile(
    r"(^(?:```|~~~).*?^(?:```|~~~)$|^ {4,}.*?$|^#.*?$|`[^`]*`|!?\[[^\]]*\]\([^)]*\)"
    r"|\*+[^*\n]+\*+|<!--.*?-->|</?[a-z][^<>]*>)",
    re.MULTILINE | re.DOTALL,
)


@functools.cache
def terms() -> dict[str, re.Pattern[str]]:
    """Each term of the glossary, with the words for it in a text: its own, and those behind *Also*."""
    found = re.findall(r"^## ([\w-]+)\n+(?:\*Also: ([^*]+)\*)?", GLOSSARY.read_text(), re.MULTILINE)
    return {term: _says(term, *filter(None, others.rstrip(".").split(", "))) for term, others in found}


def _says(*words: str) -> re.Pattern[str]:
    forms = "|".join(rf"{re.escape(word)}s?" for word in words)
    return re.compile(rf"(?<![\w-])(?:{forms})(?![\w-])", re.IGNORECASE)


def linked(markdown: str, name: str) -> str:
    """*markdown* of the page *name*, in which the first use of each term leads to its entry."""
    if name == GLOSSARY.name:
        return markdown
    to = os.path.relpath(GLOSSARY.name, PurePosixPath(name).parent)
    for term, says in terms().items():
        if f"{to}#{term})" not in markdown:
            markdown = _first(markdown, says, f"{to}#{term}")
    return markdown


def _first(markdown: str, says: re.Pattern[str], target: str) -> str:
    parts = _ASIDE.split(markdown)
    for number, part in enumerate(parts[::2]):
        if match := says.search(part):
            parts[2 * number] = f"{part[: match.start()]}[{match[0]}]({target}){part[match.end() :]}"
            break
    return "".join(parts)
