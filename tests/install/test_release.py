"""What a release is made of: version, changelog and tag that agree, and a package with everything in it."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RELEASED = "# Changelog\n\n## 1.2.0 – 2026-11-28\n\n- All.\n\n## 1.1.0 – 2026-01-02\n"


@pytest.fixture(scope="module")
def release():
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_release_whose_parts_agree_has_nothing_to_say(release):
    assert release.disagreements("1.2.0", RELEASED, ["v1.2.0", "nightly"], []) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "1.3.0", "tags": ["v1.3.0"]}, "CHANGELOG.md begins with 1.2.0, the version is 1.3.0"),
        (
            {"changelog": RELEASED.replace("2026-11-28", "unreleased")},
            "says 1.2.0 – unreleased: give the day",
        ),
        ({"changelog": "# Changelog\n"}, "CHANGELOG.md begins with no version"),
        ({"tags": []}, "this commit has no tag v…, the version is 1.2.0: git tag v1.2.0"),
        ({"tags": ["v1.1.0"]}, "this commit has v1.1.0, the version is 1.2.0"),
        ({"tags": ["v1.1.0", "v1.2.0"]}, "this commit has v1.1.0, v1.2.0, the version is 1.2.0"),
        ({"changed": ["M README.md"]}, "1 files are not as committed, such as M README.md"),
        ({"version": "one"}, "the version is one: expected three numbers"),
    ],
)
def test_a_release_whose_parts_disagree_says_which_and_what_to_do(release, change, said):
    agreeing = {"version": "1.2.0", "changelog": RELEASED, "tags": ["v1.2.0"], "changed": []}

    assert any(said in line for line in release.disagreements(**agreeing | change))


def test_release_check_reads_the_commit_that_is_checked_out(tmp_path):
    def git(*arguments):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    def checked():
        command = [sys.executable, ROOT / ".ci" / "release.py"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    (tmp_path / "scripts/spx_data").mkdir(parents=True)
    (tmp_path / "scripts/spx_data/__init__.py").write_text('__version__ = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(RELEASED)
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "All")
    untagged = checked()
    git("tag", "v1.2.0")
    tagged = checked()

    assert (untagged.returncode, untagged.stderr) == (1, "")
    assert "git tag v1.2.0" in untagged.stdout
    assert (tagged.returncode, tagged.stdout) == (0, "release: version, changelog and tag agree on 1.2.0\n")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source archive of what git would release, and the wheel that is built from it, by uv and by pip."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout: nobody can tell what would be released")
    folder = tmp_path_factory.mktemp("built")
    tree = folder / "tree"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("docs/pictures", "tests/")):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    uv = [Path(sys.executable).with_name("uv"), "build", "--sdist", "--no-build-isolation", "--offline"]
    python = ["--python", sys.executable, "--out-dir", folder]
    subprocess.run([*uv, *python, tree], check=True, capture_output=True)
    (source,) = folder.glob("*.tar.gz")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", folder, source], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return source, wheel


def test_the_wheel_has_types_templates_and_the_license(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
        about = next(name for name in names if name.endswith("/METADATA"))
        metadata = wheel.read(about).decode()

    library = ROOT / "scripts" / "spx_data"
    files = [path for path in library.rglob("*") if path.is_file() and path.suffix not in (".pyc",)]
    assert {f"spx_data/{path.relative_to(library)}" for path in files} <= names
    assert {"spx_data/py.typed", "theta_simulator/py.typed"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "License-Expression: MIT" in metadata
    assert re.findall(r"^(?:Author|Maintainer|Home-page).*", metadata, re.MULTILINE) == []


def test_the_source_archive_has_all_that_the_wheel_is_made_of(built):
    with tarfile.open(built[0]) as source:
        names = {name.split("/", 1)[-1] for name in source.getnames()}

    assert {"LICENSE", "README.md", "pyproject.toml", "scripts/spx_data/py.typed"} <= names


def lint():
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    return [line.strip().removeprefix("@").replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]


def test_pre_commit_asks_what_make_lint_asks_and_fetches_nothing():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]

    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    assert [hook["entry"] for hook in repository["hooks"]] == lint()


def test_the_hosted_workflow_calls_targets_that_there_are_on_each_python_that_is_named():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    lanes = workflow["jobs"]["lanes"]["strategy"]["matrix"]["lane"]
    runs = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    called = {run.split()[-1] for run in runs if run.startswith("make") and "${{" not in run} | set(lanes)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    classified = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())

    assert called <= targets
    assert {"env", "lint", "test", "demo", "coverage", "release-check"} <= called
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert matrix == {"os": ["ubuntu-latest", "macos-latest"], "python": classified}
    assert classified == ["3.11", "3.12", "3.13", "3.14"]


def test_the_hosted_workflow_names_each_action_by_its_commit_and_leaves_no_credentials_to_it():
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    steps = [step for job in yaml.safe_load(text)["jobs"].values() for step in job["steps"] if "uses" in step]

    assert steps
    assert [
        step["uses"] for step in steps if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
    ] == []
    assert all(step["with"]["persist-credentials"] is False for step in steps if "/checkout@" in step["uses"])
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}


# How things come to a machine; what tests of other releases take by a resolver, and what the system signs.
FETCHES = (
    r"\b(pip3?|pipx|uv|conda|npm|npx|yarn)( pip| env| -\S+)* (install|run|create|tool|sync|build)\b"
    r"|\b(curl|wget) "
)
WITHOUT_HASHES = {
    "Makefile": ("uv pip install --quiet --python .venv-$$LANE",),
    "CONTRIBUTING.md": (
        "uv build --no-build-isolation",
        "conda env create -f envs/environment.yaml",  # a Python and make
        "conda run -n spx-data make",
    ),
}


def test_nothing_is_fetched_past_the_hashes_of_the_lock():
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    places = (
        "Makefile",
        ".ci/",
        ".github/",
        "contrib/",
        "README.md",
        "CONTRIBUTING.md",
        "docs/how-to",
        "docs/tutorial",
        ".pre-commit",
    )
    found = [
        f"{name}: {line.strip()}"
        for name in listed
        if name.startswith(places)
        for line in (ROOT / name).read_text(errors="replace").splitlines()
        if re.search(FETCHES, line) and not any(part in line for part in WITHOUT_HASHES.get(name, ()))
    ]

    assert found == []


def test_make_help_names_every_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)

    for target in set(targets) - {"help"}:
        assert re.search(rf'@echo "make .*\b{target}\b', makefile), target
