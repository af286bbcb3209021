"""What a probe saw of the terminal, on the dashboard."""

import datetime as dt
import html

import pytest
from tests import profiled
from tests.report import lakes
from tests.report.elements import shown, written
from tests.report.lakes import HOSTILE, MOMENT

from spx_data.lake.session_states import Kind, State
from spx_data.ops.health import Scene
from spx_data.report.dashboard.view import View
from spx_data.status import Facts, Summary


@pytest.fixture
def lake(tmp_path):
    return lakes.empty(tmp_path)


def section(lake):
    return shown(View.of(lake.settings, MOMENT), "terminal")


def test_a_terminal_that_was_never_probed_has_one_line_and_the_command(lake):
    root = section(lake)

    assert "This terminal was never probed" in root.text
    assert [code.text for code in root.all("code")] == ["spx-data probe"]
    assert not list(root.all("table", "probed"))


def test_what_is_otherwise_stands_first_and_the_rest_is_folded(lake):
    profiled.write(lake.settings, probed_at=MOMENT)

    root = section(lake)

    first, folded = root.all("table", "probed")
    assert "Probed 2024-12-31 17:00 UTC: API v3, jetty; 1 of 2 assumptions hold." in root.text
    assert [cell.text for cell in first.all("td")] == [
        "line-ends",
        "\\n",
        "\\r\\n <at the end>",
        "no reader minds",
    ]
    assert [row.children[0].text for row in folded.one("tbody").children] == ["quoting", "half-days"]
    assert "2 rows as assumed or not observed" in root.one("summary").text
    assert not list(root.all("code"))


def test_an_old_or_damaged_profile_has_the_command(lake):
    profiled.write(lake.settings)  # in January
    assert [code.text for code in section(lake).all("code")] == ["spx-data probe"]

    lake.settings.layout.profile.write_text("{}")

    root = section(lake)
    assert [code.text for code in root.all("code")] == ["spx-data probe"]
    assert "profile.json" in root.text


def test_what_days_met_otherwise_since_is_told_with_the_command(lake):
    sha256 = profiled.write(lake.settings, probed_at=MOMENT).sha256
    facts = Facts(quality={"profile": [sha256, ["the last line ends"]]})
    day = Summary(dt.date(2024, 12, 3), State(Kind.SEALED), facts)

    root = shown(View(Scene(lake.settings, MOMENT, [day]), []), "terminal")

    assert "Since then 1 day met something else, 2024-12-03: the last line ends." in root.text
    assert [code.text for code in root.all("code")] == ["spx-data probe"]


def test_what_a_terminal_says_is_text_and_nothing_else(lake):
    row = profiled.OTHERWISE._replace(code=HOSTILE, seen=HOSTILE, consequence=HOSTILE)
    profiled.write(lake.settings, probed_at=MOMENT, server=HOSTILE, table=[row])

    text = written(View.of(lake.settings, MOMENT), "terminal")

    assert "<script>alert" not in text
    assert "<img" not in text
    assert text.count(html.escape("<img src=x onerror=alert(2)>")) == 4


def test_the_queue_of_an_empty_lake_says_on_what_its_estimate_rests(lake):
    profiled.write(lake.settings, volume=profiled.LISTED)

    lead = shown(View.of(lake.settings, MOMENT), "queue").one("p", **{"class": "lead"}).text

    assert lead.startswith("55 gaps; the next run fills 54 of them: about ")
    assert lead.endswith(
        "in parallel, from the listing of 2024-11-15 that a probe saw, as no day is sealed yet."
    )
