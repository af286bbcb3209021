"""Pictures in few colours, read again by a browser: flat grounds keep theirs, and the rest looks like it."""

import base64
import importlib
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PIXELS = """async (picture) => {
    const image = Object.assign(new Image(), { src: `data:image/png;base64,${picture}` });
    await image.decode();
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    return [...context.getImageData(0, 0, image.width, image.height).data];
}"""


@pytest.fixture
def png(monkeypatch):
    """Return the maker of small pictures, which is no part of the library."""
    monkeypatch.syspath_prepend(DOCS)
    return importlib.import_module("png")


def test_a_small_picture_looks_like_the_large_one_and_keeps_its_texts(browser, png, tmp_path):
    page = browser.new_page(viewport={"width": 160, "height": 60})
    page.set_content(
        """<body style="margin: 0; background: linear-gradient(90deg, #102030, #f0c020)">
        <div style="width: 60px; height: 40px; background: #d55e00; color: #fff">words</div>"""
    )
    large = page.screenshot()

    small = png.small(large, about="nothing")

    (before, after) = (page.evaluate(PIXELS, base64.b64encode(each).decode()) for each in (large, small))
    (tmp_path / "small.png").write_bytes(small)
    page.close()
    differences = [abs(one - other) for one, other in zip(before, after, strict=True)]
    flat = slice(4 * (160 * 35), 4 * (160 * 35 + 60))
    assert max(differences[flat]) == 0
    assert 0 < max(differences) <= 32
    assert sum(differences) / len(differences) < 2
    assert png.texts(tmp_path / "small.png") == {"about": "nothing"}
