"""What an installation consists of, as a CycloneDX document: `make sbom`.

The pins of the lock that are installed here, with the hashes that the lock admits, the licence that each
says of itself and what it depends on, and the JavaScript that stands in the pages. *required* is what runs
for a user, *optional* the simulator, *excluded* what only development needs. The document is a function of
the lock and of this Python and system, byte for byte, and it names no address. It is checked by CycloneDX's
own schema before it is written. What is compiled into a wheel is its own bill's matter: those that bring one
have it in their `.dist-info/sboms`.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
import tomllib
import uuid
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import altair
import vl_convert
from cyclonedx import spdx
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from wheels import LOCK, pins

import spx_data

ROOT = Path(__file__).resolve().parents[1]
NAME = "spx-data"
# No extra, and what fills: what runs for a user. The later one gives way to the earlier.
# `nautilus` and `slurm` are not here: each is in a lock of its own.
SCOPES = {
    "": "required",
    "fill": "required",
    "report": "optional",
    "sql": "optional",
    "alerts": "optional",
    "delta": "optional",
    "postgres": "optional",
    "publish": "optional",
    "simulator": "optional",
    "docs": "excluded",
    "dev": "excluded",
}
# In the pages: unchanged, with its digest in tests/report/test_page.py.
SORTABLE = ("sortable-tablesort", "4.1.7", "Unlicense", ROOT / "scripts/spx_data/report/assets/sortable.js")
# By which spx_data.report.page asks vl-convert for its bundle.
SNIPPET = "window.vegaEmbed = vegaEmbed;"

Document = dict[str, Any]


class NotAsLocked(Exception):
    """What is installed is not what the lock names; the text says what."""


def document() -> Document:
    """The bill of materials of this environment.

    Raises:
        NotAsLocked: it is not the lock's.
    """
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    every = {"": asked["dependencies"], **asked["optional-dependencies"]}
    direct = {part: every[part] for part in SCOPES}
    locked = {name: (pin, hashes) for name, pin, marker, hashes in pins(LOCK.read_text()) if _applies(marker)}
    scopes: dict[str, str] = {}
    extras: dict[str, set[str]] = {}
    for part, scope in SCOPES.items():
        for name, asked_for in _reached(direct[part]).items():
            scopes.setdefault(name, scope)
            extras.setdefault(name, set()).update(asked_for)
    if strange := sorted(scopes.keys() ^ locked.keys()):
        raise NotAsLocked(f"the lock and what is needed here differ in {', '.join(strange)}: make lock")
    libraries = [_library(name, *locked[name], scopes[name]) for name in sorted(locked)]
    needs = {_ref(name): [_ref(each) for each in _needs(name, extras[name])] for name in locked}
    scripts = _scripts()
    needs |= {each["bom-ref"]: [] for each in scripts}
    needs[NAME] = sorted({_ref(each) for part in direct.values() for each in _names(part)})
    needs[NAME].append(_script_ref(*SORTABLE[:2]))
    needs[_ref("vl-convert-python")] += [each["bom-ref"] for each in scripts[1:]]
    return _sealed(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {"component": _ourselves(asked), "properties": _properties()},
            "components": [*libraries, *scripts],
            "dependencies": [{"ref": ref, "dependsOn": sorted(set(needs[ref]))} for ref in sorted(needs)],
        }
    )


def _sealed(found: Document) -> Document:
    """*found* with a number that is a digest of the rest: the same bill has the same number."""
    digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
    return found | {"serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}"}


def _ourselves(project: Document) -> Document:
    return {
        "type": "application",
        "bom-ref": NAME,
        "name": NAME,
        "version": spx_data.__version__,
        "description": project["description"],
        "licenses": [{"license": {"id": project["license"]}}],
    }


def _properties() -> list[dict[str, str]]:
    said = {
        "hashes": "one for each file of the release; the installed one was among them",
        "python": f"{platform.python_implementation()} {sys.version_info.major}.{sys.version_info.minor}",
        "system": f"{platform.system()} {platform.machine()}",
    }
    return [{"name": f"{NAME}:{name}", "value": value} for name, value in said.items()]


# Python's packages --------------------------------------------------------------------------------------


def _library(name: str, pin: str, hashes: set[str], scope: str) -> Document:
    """The component of one pin, `name==version`."""
    version, found = pin.partition("==")[2], _installed(name)
    if found.version != version:
        raise NotAsLocked(f"{name} is {found.version} here and {version} in the lock: make env")
    return {
        "type": "library",
        "bom-ref": _ref(name),
        "name": name,
        "version": version,
        "scope": scope,
        "purl": f"pkg:pypi/{name}@{version}",
        "licenses": _licenses(found),
        "hashes": [{"alg": "SHA-256", "content": each} for each in sorted(hashes)],
    }


def _ref(name: str) -> str:
    return f"pypi:{name}"


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise NotAsLocked(f"{name} is not installed: make env") from None


def _applies(marker: str) -> bool:
    return not marker or Marker(marker).evaluate()


def _names(lines: list[str]) -> list[str]:
    return [canonicalize_name(Requirement(line).name) for line in lines]


def _needs(name: str, extras: set[str]) -> dict[str, set[str]]:
    """What *name* with these *extras* requires here: names, and which extras of each."""
    needs: dict[str, set[str]] = {}
    for line in _installed(name).requires or ():
        each = Requirement(line)
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            needs.setdefault(canonicalize_name(each.name), set()).update(each.extras)
    return needs


def _reached(lines: list[str]) -> dict[str, set[str]]:
    """The names of all that the requirements *lines* bring, and which extras of each."""
    reached: dict[str, set[str]] = {}
    waiting = [(canonicalize_name(each.name), set(each.extras)) for each in map(Requirement, lines)]
    while waiting:
        name, extras = waiting.pop()
        if name in reached and extras <= reached[name]:
            continue
        reached[name] = reached.get(name, set()) | extras
        waiting += _needs(name, reached[name]).items()
    return reached


def _licenses(found: Distribution) -> list[Document]:
    """What *found* says of its licence: an SPDX expression, or the words that it has for it."""
    about = found.metadata
    said = " ".join((about.get("License-Expression") or about.get("License") or "").split())
    if spdx.is_supported_id(said):
        return [{"license": {"id": said}}]
    if said and spdx.is_expression(said):
        return [{"expression": said}]
    classified = [each for each in about.get_all("Classifier") or () if each.startswith("License :: ")]
    names = [each.rpartition(" :: ")[2] for each in classified]
    if not names:
        texts = (file.name for file in found.files or () if re.match("(?i)licen[cs]e|copying", file.name))
        names = [said] if said else [f"that of its {name}" for name in sorted(set(texts))]
    return [{"license": {"name": name[:100]}} for name in names]


# The JavaScript of the pages ----------------------------------------------------------------------------


def _scripts() -> list[Document]:
    """The scripts that stand in the pages: ours by copy, then Vega's, bundled in vl-convert's wheel."""
    sortable = hashlib.sha256(SORTABLE[3].read_bytes().partition(b"\n")[2]).hexdigest()
    bundle = hashlib.sha256(vl_convert.javascript_bundle(SNIPPET).encode()).hexdigest()
    vega = {
        "vega": vl_convert.get_vega_version(),
        "vega-lite": altair.SCHEMA_VERSION.removeprefix("v"),
        "vega-embed": vl_convert.get_vega_embed_version(),
        "vega-themes": vl_convert.get_vega_themes_version(),
    }
    # They come as one script, so they share its digest.
    return [
        _script(*SORTABLE[:3], sortable),
        *(
            _script(name, version, "BSD-3-Clause", bundle) | {"scope": SCOPES["report"]}
            for name, version in sorted(vega.items())
        ),
    ]


def _script(name: str, version: str, license_: str, digest: str) -> Document:
    return {
        "type": "library",
        "bom-ref": _script_ref(name, version),
        "name": name,
        "version": version,
        "scope": "required",
        "purl": f"pkg:npm/{name}@{version}",
        "licenses": [{"license": {"id": license_}}],
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def _script_ref(name: str, version: str) -> str:
    return f"npm:{name}@{version}"


def main() -> int:
    """Write the document into dist/; 1 where the environment is not the lock's or the schema says no."""
    try:
        found = document()
    except NotAsLocked as error:
        print(f"sbom: {error}", file=sys.stderr)
        return 1
    text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        print(f"sbom: not what CycloneDX 1.6 wants: {wrong}", file=sys.stderr)
        return 1
    target = ROOT / "dist" / f"{NAME}-{spx_data.__version__}.cdx.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text, encoding="utf-8")
    counts = [each["scope"] for each in found["components"]]
    shares = ", ".join(f"{counts.count(scope)} {scope}" for scope in dict.fromkeys(SCOPES.values()))
    print(f"sbom: {len(counts)} components ({shares}) in {target.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
