"""The bill of materials: valid by CycloneDX's schema, whole by the lock, the same each time."""

import hashlib
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import vl_convert
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from tests.report.test_page import SORTABLE

ROOT = Path(__file__).resolve().parents[2]
MADE = "import json, sbom; print(json.dumps(sbom.document(), indent=1, sort_keys=True))"


def made(seed):
    run = subprocess.run(
        [sys.executable, "-c", MADE],
        cwd=ROOT / "envs",
        env={"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


@pytest.fixture(scope="module")
def text():
    return made("1")


@pytest.fixture(scope="module")
def bill(text):
    return json.loads(text)


@pytest.fixture(scope="module")
def wheels():
    spec = importlib.util.spec_from_file_location("wheels", ROOT / "envs" / "wheels.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sbom(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "envs"))
    return pytest.importorskip("sbom")


def components(bill, kind):
    return {each["name"]: each for each in bill["components"] if each["purl"].startswith(f"pkg:{kind}/")}


def test_it_is_what_the_schema_wants(text):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_schema_would_tell(text):
    wrong = text.replace('"alg": "SHA-256"', '"alg": "SHA-257"')

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(wrong) is not None


def test_it_is_the_same_each_time(text):
    assert made("2") == text


def test_it_names_no_address_and_no_moment(text):
    assert "://" not in text
    assert "timestamp" not in text
    assert str(ROOT) not in text


def test_it_has_every_pin_that_applies_here_with_the_lock_s_own_hashes(bill, wheels):
    applying = {
        name: (pin, hashes)
        for name, pin, marker, hashes in wheels.pins(wheels.LOCK.read_text())
        if not marker or wheels.Marker(marker).evaluate()
    }

    found = {
        name: (f"{name}=={each['version']}", {one["content"] for one in each["hashes"]})
        for name, each in components(bill, "pypi").items()
    }
    assert found == applying
    assert len(found) > 100


def test_it_says_what_a_user_runs_and_what_only_development_needs(bill):
    scopes = {each["name"]: each["scope"] for each in bill["components"]}

    assert {scopes[name] for name in ("polars", "snakemake", "numpy", "certifi")} == {"required"}
    assert {scopes[name] for name in ("aiohttp", "scipy", "yarl", "altair", "vega")} == {"optional"}
    assert {scopes[name] for name in ("pytest", "ruff", "mkdocs", "pip", "setuptools", "uv")} == {"excluded"}


def test_every_component_has_a_licence_and_a_name_that_others_can_look_up(bill):
    for each in bill["components"]:
        licence = each["licenses"][0]
        assert licence.get("expression") or licence["license"].get("id") or licence["license"]["name"]
        url = PackageURL.from_string(each["purl"])
        assert (url.name, url.version) == (each["name"], each["version"])


def test_everything_is_needed_by_something(bill):
    needs = {each["ref"]: each["dependsOn"] for each in bill["dependencies"]}
    reached, waiting = set(), ["spx-data"]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += needs[ref]

    assert reached - {"spx-data"} == {each["bom-ref"] for each in bill["components"]}
    assert "pypi:requests" in needs["spx-data"]
    assert "pypi:urllib3" in needs["pypi:requests"]
    assert "pypi:filelock" in needs["pypi:cachecontrol"]  # by an extra


def test_it_has_the_scripts_of_the_pages(bill, sbom):
    scripts = components(bill, "npm")
    bundle = vl_convert.javascript_bundle(sbom.SNIPPET)

    assert set(scripts) == {"sortable-tablesort", "vega", "vega-embed", "vega-lite", "vega-themes"}
    assert scripts["sortable-tablesort"]["hashes"] == [{"alg": "SHA-256", "content": SORTABLE}]
    for name in ("vega", "vega-lite", "vega-themes"):
        assert f'="{scripts[name]["version"]}"' in bundle
    assert scripts["vega"]["hashes"][0]["content"] == hashlib.sha256(bundle.encode()).hexdigest()
    assert f'javascript_bundle("{sbom.SNIPPET}")' in (ROOT / "scripts/spx_data/report/page.py").read_text()
    page = (ROOT / "scripts/spx_data/report/assets/sortable.js").read_text()
    assert f"sortable-tablesort {scripts['sortable-tablesort']['version']}," in page


def test_it_is_written_where_releases_are(sbom, monkeypatch, tmp_path, capsys, text):
    monkeypatch.setattr(sbom, "document", lambda: json.loads(text))
    monkeypatch.setattr(sbom, "ROOT", tmp_path)

    assert sbom.main() == 0

    (file,) = (tmp_path / "dist").iterdir()
    assert re.fullmatch(r"spx-data-[\d.]+\.cdx\.json", file.name)
    assert file.read_text() == text
    assert re.match(r"sbom: 1\d\d components \(", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("requests==2", "requests==1", r"requests is 2\S+ here and 1\S+ in the lock: make env"),
        ("urllib3==", "urllib4==", "the lock and what is needed here differ in urllib3, urllib4: make lock"),
    ],
)
def test_an_environment_that_is_not_the_lock_s_is_not_billed(
    sbom, monkeypatch, tmp_path, capsys, was, becomes, said
):
    lock = tmp_path / "requirements.lock"
    lock.write_text(re.sub(rf"^{was}", becomes, sbom.LOCK.read_text(), flags=re.MULTILINE))
    monkeypatch.setattr(sbom, "LOCK", lock)
    monkeypatch.setattr(sbom, "ROOT", ROOT)

    assert sbom.main() == 1

    assert re.search(said, capsys.readouterr().err)
