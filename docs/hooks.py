"""What MkDocs makes besides the files of docs/: pages of other texts, of notebooks, and the reference.

`make docs` calls it by mkdocs.yml. Nothing that it makes is kept, so none of it can be out of date.
"""

import os
import re
from pathlib import Path, PurePosixPath

from docs import notebooks, reference, terms
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]

# The site's page → the text that it is made of, outside of docs/.
TEXTS = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "license.md": "LICENSE",
    "measurements.md": "benchmarks/RESULTS.md",
    "reporting-a-fault.md": "SECURITY.md",
}
# What texts link that is no page → the page that shows it.
SHOWN = {
    "config/config.yaml": "reference/config.md",
    "docs/decisions": "decisions/index.md",
    "scripts/spx_data/__init__.py": "reference/python.md",
}
MADE = {
    "decisions/index.md": reference.decisions,
    "reference/commands.md": reference.commands,
    "reference/config.md": reference.settings,
    "reference/python.md": reference.python,
}
_LINK = re.compile(r"""(\]\(|\b(?:src|srcset|href)=")([^)"#:\s]+)(#[^)"\s]*)?(?=[)"])""")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for name, text in TEXTS.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / text)))
    for name, made in MADE.items():
        files.append(File.generated(config, name, content=made()))
    for name, content in notebooks.pages():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead links of the repository's files to the site's pages, and those of terms to the glossary."""
    name = page.file.src_uri
    markdown = markdown.replace("<!-- columns -->", reference.columns())
    markdown = markdown.replace("<!-- contracts -->", reference.contracts())
    return terms.linked(relinked(markdown, name), name)


def relinked(markdown: str, name: str) -> str:
    """*markdown* of the site's page *name*, its links led from the repository's files to the site's."""
    origin = PurePosixPath(TEXTS.get(name, f"docs/{name}")).parent
    pages = {text: page for page, text in TEXTS.items()} | SHOWN

    def led(match: re.Match[str]) -> str:
        target = os.path.normpath(origin / match[2])
        found = pages.get(target) or target.removeprefix("docs/")
        if found.endswith(".ipynb"):
            found = f"{found.removesuffix('.ipynb')}.md"
        return f"{match[1]}{os.path.relpath(found, PurePosixPath(name).parent)}{match[3] or ''}"

    return _LINK.sub(led, markdown)
