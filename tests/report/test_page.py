"""The shell of every page: what it holds stays text, what it runs is named, and nothing is fetched."""

import base64
import datetime as dt
import hashlib
import json
import re
from pathlib import Path

import altair as alt
import pytest
from tests.loading import loaded
from tests.report.elements import Tree

from spx_data import report
from spx_data.report import page as pages
from spx_data.report.drawing import Figure
from spx_data.report.page import Content, Page, Section
from spx_data.text import printable

ASSETS = Path(report.__file__).parent / "assets"
HOSTILE = "</script><script>alert('x')</script><!-- \u2028 & \"quoted\""
# What sortable-tablesort 4.1.7 has in its package as dist/standalone/sortable.auto.min.js.
SORTABLE = "69fe6ba0e4e3ead2ebb5b99c737914c6b5259c60bb0d305108cb1d84c06e5b8f"


def scripts(text):
    """Return the texts of what a page runs, and those of the data that stands in it."""
    found = list(Tree(text).root.all("script"))
    runs = ["".join(each.contents) for each in found if "type" not in each.attributes]
    return runs, ["".join(each.contents) for each in found if "type" in each.attributes]


@pytest.fixture(scope="module")
def made():
    chart = alt.Chart(alt.NamedData("points")).mark_bar(color="@sealed").encode(x="a:Q", y="b:Q")
    figure = Figure("bars", f"Bars {HOSTILE}", chart, f"A note {HOSTILE}")
    page = Page(
        title=f"A title {HOSTILE}",
        subtitle=HOSTILE,
        made_at=dt.datetime(2024, 1, 2, 3, 4, tzinfo=dt.UTC),
        view=None,
        sections=[Section("one", "One", lambda _: Content(HOSTILE, [figure]), needs=["points"])],
        tables=lambda _: {
            "another": {"a": [1]},
            "points": {"a": [1, 2], "b": [3, None], "c": [HOSTILE, "d"]},
        },
    )
    return pages.html(page)


def test_what_a_page_is_given_stays_text(made):
    runs, _ = scripts(made)

    assert len(runs) == 4  # the theme, charts, tables, the page's own
    assert not [text for text in runs if "alert('x')" in text]
    assert "<h1>A title &lt;/script&gt;" in made


def test_data_comes_back_as_it_went_in(made):
    specification, data = map(json.loads, scripts(made)[1])

    assert data == {"points": {"a": [1, 2], "b": [3, None], "c": [printable.visible(HOSTILE), "d"]}}
    assert specification["data"] == {"name": "points"}
    assert "config" not in specification


def test_the_policy_names_every_script_by_its_digest_and_allows_no_address(made):
    policy = Tree(made).root.one("meta", http_equiv="Content-Security-Policy").attributes["content"]

    for text in scripts(made)[0]:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert not re.search(r"https?:|\*|connect-src|unsafe-eval|script-src[^;]*unsafe-inline", policy)
    assert pages.has_policy(made)


def test_nothing_on_a_page_leads_elsewhere(made):
    for element in Tree(made).root.all():
        assert element.name not in {"link", "iframe", "img", "object", "embed", "base", "form"}
        assert "src" not in element.attributes
        assert element.attributes.get("href", "#").startswith("#")


def test_the_charts_library_is_put_together_once(made, monkeypatch):
    import vl_convert

    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda *_: pytest.fail("put together again"))

    assert pages.chart_library() in made


def test_numbers_that_json_cannot_spell_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        pages.embedded({"a": [float("nan")]})


def test_the_library_that_sorts_tables_is_the_one_that_was_published():
    _, _, script = (ASSETS / "sortable.js").read_bytes().partition(b"\n")

    assert hashlib.sha256(script).hexdigest() == SORTABLE


def test_every_colour_that_charts_and_styles_name_has_a_value():
    styles = {path.name: path.read_text() for path in ASSETS.glob("*.css")}
    known = {name for text in styles.values() for name in re.findall(r"^\s*--([a-z-]+):", text, re.MULTILINE)}
    sources = [*ASSETS.parent.rglob("*.py"), *ASSETS.glob("*.js")]
    named = {name for path in sources for name in re.findall(r"[\"']@([a-z-]+)[\"']", path.read_text())}
    used = {name for text in styles.values() for name in re.findall(r"var\(--([a-z-]+)", text)}

    assert named | used <= known, sorted((named | used) - known)


def test_the_dashboard_loads_no_arrays():
    arrays = {"numpy", "pyarrow", "polars", "pandas", "scipy"}

    assert arrays.isdisjoint(loaded("import spx_data.report.dashboard, spx_data.report.page"))
