"""What can be chosen about a simulated terminal, in one frozen value."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from theta_simulator import sessions
from theta_simulator.blemishes import Blemish
from theta_simulator.faults import Faults
from theta_simulator.habits import Habit

Api = Literal["v3", "v2"]
Size = Literal["tiny", "small", "real"]
Style = Literal["live", "docs"]


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
    cache_mb: int = 4000
    cache: Path | None = None
    faults: Faults | None = None
    blemishes: tuple[Blemish, ...] = ()
    habits: tuple[Habit, ...] = ()

    def trading_today(self) -> date:
        """Return the date the terminal believes it is in New York."""
        return self.today or sessions.today_in_new_york()
