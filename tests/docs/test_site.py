"""The documentation as a site: built without a warning, with no dead link, and of the code of today."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import click
import pytest
from docs import diagram, terms
from tests import pages

from spx_data.cli import commands
from spx_data.config import rulebook
from spx_data.market.columns import COLUMNS

ROOT = pages.ROOT


class Read(HTMLParser):
    """What a page links and loads, and where in it one can be led to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loaded, self.anchors, self.text = [], [], {"", "__skip"}, []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        told = {name: value for name, value in attrs if value}
        self.anchors |= {told.get("id"), told.get("name") if tag == "a" else None}
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        elif tag == "link" and told.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(told["href"])
        elif tag != "a":
            self.loaded += [told[name] for name in ("src", "srcset") if name in told]

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the folder of the site, built once, and what the build said."""
    folder = tmp_path_factory.mktemp("site")
    return folder, pages.site(folder)


@pytest.fixture(scope="module")
def read(built):
    """Return every page of the site but the one of addresses that are not there."""
    return {path: Read(path) for path in built[0].rglob("*.html") if path.name != "404.html"}


def text(built, name):
    return re.sub(r"<[^>]+>", "", (built[0] / name).read_text())


def test_it_is_built_without_a_warning(built):
    assert re.findall(r"^(?:WARNING|ERROR).*", built[1], re.MULTILINE) == []


def test_every_link_leads_to_a_page_and_a_place_in_it(read):
    dead = []
    for path, page in read.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = target.is_file() and (
                not parts.fragment or target not in read or unquote(parts.fragment) in read[target].anchors
            )
            dead += [] if there else [f"{path.name}: {link}"]

    assert len(read) > 80
    assert dead == []


def test_pages_load_nothing_from_elsewhere(built, read):
    loaded = {(path, address) for path, page in read.items() for address in page.loaded}
    styles = "".join(path.read_text() for path in built[0].rglob("*.css"))

    assert [address for _, address in loaded if urlsplit(address).scheme or address.startswith("//")] == []
    assert [address for path, address in loaded if not (path.parent / unquote(address)).exists()] == []
    assert re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//", styles) == []


def test_commands_settings_and_columns_are_all_in_the_reference(built):
    anchors = {name: Read(built[0] / "reference" / f"{name}.html").anchors for name in ("commands", "config")}
    options = {
        option
        for name in commands.list_commands(None)
        for parameter in commands.get_command(None, name).params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }

    assert {f"spx-data-{name}" for name in commands.list_commands(None)} <= anchors["commands"]
    assert [option for option in options if option not in text(built, "reference/commands.html")] == []
    assert {key.replace(".", "") for key, _ in rulebook.rules()} <= anchors["config"]
    assert [name for name in COLUMNS if f">{name}<" not in (built[0] / "data.html").read_text()] == []


def test_settings_are_told_in_the_words_of_config_yaml(built):
    told = text(built, "reference/config.html")

    assert "Subscriptions allow: Free 1, Value 2, Standard 4, Pro 8." in told
    assert "Required. Greeks of SPX begin on 2017-01-03." in told
    assert "Type: integer; default 4; environment variable MAX_CONCURRENT_REQUESTS." in told


def test_the_glossary_has_at_most_twenty_terms():
    assert 10 < len(terms.terms()) <= 20


def test_the_first_use_of_each_term_on_a_page_leads_to_the_glossary(built, read):
    lost = []
    for path, page in read.items():
        if path.name != "glossary.html" and path.parent.name in ("how-to", built[0].name):
            told = pages_text(path)
            lost += [
                f"{path.name}: {term}"
                for term, says in terms.terms().items()
                if says.search(told)
                and not any(link.endswith(f"glossary.html#{term}") for link in page.links)
            ]

    assert lost == []


def pages_text(path):
    """The paragraphs of a page, without code and links."""
    paragraphs = re.findall(r"<p>(.*?)</p>", path.read_text(), re.DOTALL)
    return re.sub(r"<(a|code|em|strong)\b.*?</\1>|<[^>]+>", " ", " ".join(paragraphs), flags=re.DOTALL)


def test_the_rules_are_drawn_within_the_page(built):
    page = (built[0] / "how-it-works.html").read_text()

    assert 'aria-label="merge_date → all' in page
    assert "mermaid" not in page


def test_a_flow_chart_has_each_node_below_those_that_it_needs():
    told = diagram.drawn("a[one]\nb[two]\nc[three]\na --> c\nb --> c")

    heights = [float(y) for y in re.findall(r'<rect x="[\d.]+" y="([\d.]+)"', told)]
    assert heights[0] == heights[1] < heights[2]
    assert [">one<" in told, ">two<" in told, ">three<" in told] == [True] * 3


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
