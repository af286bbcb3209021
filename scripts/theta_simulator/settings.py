"""What can be chosen about a simulated terminal, in one frozen value."""

from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Literal

from theta_simulator import sessions
from theta_simulator.blemishes import Blemish
from theta_simulator.faults import Faults
from theta_simulator.habits import Habit
from theta_simulator.kinds import Tier

Api = Literal["v3", "v2"]
Size = Literal["tiny", "small", "real"]
Style = Literal["live", "docs"]
# All chains one after the other; half of each, then the others; one of them twice; one more that is not
# listed; backwards; no further than somewhere in the middle; not at all.
Star = Literal["plain", "interleaved", "twice", "stranger", "shuffled", "cut", "refused"]

# What a terminal that answers from a recording can be told all the same.
_OF_A_REPLAY = {"replay", "port", "outstanding", "queue", "latency_ms", "request_log", "status"}


@dataclass(frozen=True)
class Settings:
    """One terminal: its market, its dialect, its limits, its misbehaviour, its bad data, its habits."""

    api: Api = "v3"
    port: int = 0
    size: Size = "small"
    seed: int = 1
    style: Style = "live"
    page_size: int = 500_000
    page_expire_ms: int = 10_000
    outstanding: int = 4
    queue: int = 16
    latency_ms: int = 0
    today: date | None = None
    request_log: Path | None = None
    status: str = "CONNECTED"
    tier: Tier = "pro"  # of the account
    star: Star = "plain"  # how the answer about all chains of a date comes
    cache_mb: int = 4000
    cache: Path | None = None
    faults: Faults | None = None
    blemishes: tuple[Blemish, ...] = ()
    habits: tuple[Habit, ...] = ()
    # What may identify somebody, to be found again or not: in headers, and in sentences that are no data.
    planted: tuple[str, ...] = ()
    # Answer from this recording, and from nothing else.
    replay: Path | None = None
    # Roots, or symbols of an index, that the account's subscription does not include.
    refuses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(word.isprintable() for word in self.planted):
            raise ValueError("what is planted stands in headers: expected printable characters")
        given = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
        if self.replay and (useless := [name for name in given if name not in _OF_A_REPLAY]):
            raise ValueError(f"a replay answers as it was recorded: it takes no {', '.join(useless)}")

    def trading_today(self) -> date:
        """Return the date the terminal believes it is in New York."""
        return self.today or sessions.today_in_new_york()
