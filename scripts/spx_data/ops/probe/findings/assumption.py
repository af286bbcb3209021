"""One thing that the product assumes of a terminal, and what a probe saw of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from spx_data.ops.probe.heard import Story
from spx_data.sources.profile import Finding

_NOT_SEEN = "nothing that tells"


@dataclass(frozen=True)
class Seen:
    """What was seen of an assumption, with the bytes where bytes tell; and what follows from it.

    A text holds nothing that a recording does not keep: examples are the lowest strike or the earliest stamp
    of their kind, and no count of rows or contracts stands in it.
    """

    text: str
    as_assumed: bool
    consequence: str
    set: str = ""  # what is set accordingly, as a field of the profile


def of_places(look: Callable[[Story], Iterable[Seen]]) -> Callable[[Story], Seen | None]:
    """A look at several places: the first that is not as assumed, else the first of all."""

    def seen(story: Story) -> Seen | None:
        said = None
        for each in look(story):
            if not each.as_assumed:
                return each
            said = said or each
        return said

    return seen


@dataclass(frozen=True)
class Assumption:
    """What the product assumes; *look* gives what was seen of it, or None where nothing was."""

    code: str
    says: str
    look: Callable[[Story], Seen | None]

    def finding(self, story: Story) -> Finding:
        """The row of the table; an error in the look is told in it, and hides no other row."""
        try:
            seen = self.look(story)
        except Exception as error:
            said = f"could not be looked at ({type(error).__name__}: {' '.join(str(error).split())[:120]})"
            seen = Seen(said, as_assumed=False, consequence="a defect of spx-data: please report this line")
        if seen is None:
            return Finding(self.code, self.says, _NOT_SEEN, "", "", known=False)
        return Finding(self.code, self.says, seen.text, seen.consequence, seen.set, True, seen.as_assumed)


def table(assumptions: Iterable[Assumption], story: Story) -> list[Finding]:
    """What a probe saw of each of the *assumptions*, in their order."""
    return [each.finding(story) for each in assumptions]
