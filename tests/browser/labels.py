"""Words that collide: texts of a page that lie on each other, or that leave their chart."""

from __future__ import annotations

from playwright.sync_api import Page

# To be run before a page: its charts are drawn as elements, so that each label has a box, also where
# thousands of marks would be one picture.
AS_ELEMENTS = """
let embed;
Object.defineProperty(globalThis, "vegaEmbed", {
    get: () => embed,
    set: (real) => {
        embed = (plot, spec, options) => {
            delete spec.usermeta;
            return real(plot, spec, { ...options, renderer: "svg" });
        };
    },
});
"""

# Of each text that is seen: its words, and its box in pixels. What an element that scrolls hides is not seen;
# a text of several lines has a box for each. Boxes of neighbours may touch.
_FOUND = """() => {
    const LEAST = 1.5;  // pixels, in both directions
    const EVERYTHING = { left: -1e6, top: -1e6, right: 1e6, bottom: 1e6 };
    const UNSEEN = "script, style, .top, details:not([open]) > :not(summary)";
    const seen = [], found = [], clips = new Map(), range = document.createRange();
    const px = (value) => Math.round(value * 10) / 10;

    /** What the elements around *element* let be seen of it. */
    function clip(element) {
        if (!element || element === document.body) return EVERYTHING;
        if (clips.has(element)) return clips.get(element);
        const { overflowX, overflowY } = getComputedStyle(element);
        const hides = overflowX !== "visible" || overflowY !== "visible";
        const within = clip(element.parentElement);
        const own = hides && !element.closest("svg");
        clips.set(element, own ? both(within, element.getBoundingClientRect()) : within);
        return clips.get(element);
    }
    const both = (one, other) => ({
        left: Math.max(one.left, other.left), right: Math.min(one.right, other.right),
        top: Math.max(one.top, other.top), bottom: Math.min(one.bottom, other.bottom),
    });

    function boxes(node, parent, words) {
        const svg = parent.closest("svg");
        if (!svg) {
            range.selectNodeContents(node);
            return [...range.getClientRects()];
        }
        const box = parent.getBoundingClientRect(), whole = svg.getBoundingClientRect();
        const beyond = Math.max(whole.left - box.left, box.right - whole.right, box.bottom - whole.bottom);
        if (beyond > LEAST)
            found.push(`${svg.closest("figure").id}: "${words}" leaves its chart by ${px(beyond)} px`);
        return [box];
    }

    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode, parent = node.parentElement, words = node.textContent.trim();
        if (!words || parent.closest(UNSEEN) || parent.matches("details:not([open])")) continue;
        if (!parent.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
        if (parent.getAttribute("opacity") === "0") continue;
        const where = parent.closest("figure, section")?.id ?? "", within = clip(parent);
        for (const each of boxes(node, parent, words)) {
            const box = { ...both(each, within), node, name: `"${words.slice(0, 60)}"`, where };
            if (box.right - box.left > LEAST && box.bottom - box.top > LEAST) seen.push(box);
        }
    }
    seen.sort((one, other) => one.top - other.top);
    seen.forEach((one, place) => {
        for (const other of seen.slice(place + 1)) {
            if (other.top > one.bottom - LEAST) break;
            const { left, right, top, bottom } = both(one, other);
            if (one.node !== other.node && right - left > LEAST && bottom - top > LEAST)
                found.push(`${one.where}: ${one.name} on ${other.name}, ${px(right - left)} px wide`);
        }
    });
    return found;
}"""


def colliding(page: Page) -> list[str]:
    """The texts of *page* that cannot be read whole, in words; of its charts, those of the drawn ones."""
    found: list[str] = page.evaluate(_FOUND)
    return found
