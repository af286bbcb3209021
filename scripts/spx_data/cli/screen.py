"""Rich's console, on which nothing but our own styles does anything to the screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from spx_data.text import printable


class SafeConsole(Console):
    """A console that makes visible what texts hold beside text; styles and Rich's own controls come after."""

    def render_str(self, text: str, **styled: Any) -> Text:
        """*text* as Rich has it: it would drop some controls without a word."""
        return super().render_str(printable.visible(text), **styled)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of *renderable*: each text of them `printable.visible`."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable.visible(segment.text), segment.style)
