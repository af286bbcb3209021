"""What was found, kept: an input a file, in a folder for each parser; a large one as a recipe.

A recipe (`*.recipe.json`) has `why`, and `parts`: texts, each with how often it stands there. With `gzip` the
whole is packed.
"""

import gzip
import hashlib
import json
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
MOST_BYTES = 50_000
_RECIPE = ".recipe.json"


def entries(name, folder=FOLDER):
    """The files of one parser's corpus, in order."""
    return sorted(path for path in (folder / name).glob("*") if path.is_file())


def content(path):
    """The input that a file of the corpus is, or tells how to make."""
    if not path.name.endswith(_RECIPE):
        return path.read_bytes()
    recipe = json.loads(path.read_text())
    data = b"".join(text.encode() * times for text, times in recipe["parts"])
    return gzip.compress(data, mtime=0) if recipe.get("gzip") else data


def keep(parser, data, folder=FOLDER):
    """Put *data* into the corpus of *parser*; None where it is too large, and wants a recipe by hand."""
    if len(data) > MOST_BYTES:
        return None
    target = folder / parser.name / f"{hashlib.sha256(data).hexdigest()[:12]}.{parser.ending}"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return target
