"""What an extra brings is missed in one line, with the command that adds it to this very installation."""

import json
import sys

import pytest

from spx_data.config import shipped
from spx_data.errors import MachineError

EVERY = "spx-data[fill,report,sql,alerts,postgres,publish,simulator]"


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """Return the folder of an environment that has nothing but the package."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "packages" / "spx_data")
    monkeypatch.setattr(shipped, "_is_there", lambda _: False)
    return tmp_path


@pytest.mark.parametrize(
    ("written_by_it", "command"),
    [
        (None, 'pip install "spx-data[report]"'),
        ("uv-receipt.toml", f'uv tool install "{EVERY}"'),
        ("pipx_metadata.json", f'pipx install --force "{EVERY}"'),
    ],
)
def test_the_cure_is_the_command_of_what_installed_it(written_by_it, command, bare):
    if written_by_it:
        (bare / written_by_it).touch()

    with pytest.raises(MachineError) as refused:
        shipped.check_extra("report")

    assert refused.value.cause == (
        "pages need what draws their charts, and there is no altair and no vl_convert here"
    )
    assert f"`{command}` adds it" in refused.value.cure


def test_what_was_installed_from_a_file_is_named_by_its_address(bare):
    (bare / "uv-receipt.toml").touch()
    about = bare / "packages" / "spx_data-0.1.0.dist-info"
    about.mkdir(parents=True)
    (about / "direct_url.json").write_text(json.dumps({"url": "file:///a/spx_data.whl", "archive_info": {}}))

    with pytest.raises(MachineError) as refused:
        shipped.check_extra("fill")

    assert f'uv tool install "{EVERY} @ file:///a/spx_data.whl"' in refused.value.cure


def test_what_is_there_is_not_missed():
    for extra in ("fill", "report", "sql", "publish", "simulator"):
        shipped.check_extra(extra)
