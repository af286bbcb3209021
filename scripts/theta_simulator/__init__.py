"""A simulated Theta Terminal: a real HTTP server over an arithmetic market.

Everything it serves is a function of (seed, root, date): no state, no clock and
no order of requests can change a byte. Only faults, blemishes and habits, when they
are asked for, make it misbehave: a fault happens to an answer, a blemish is in the
data, a habit is how this terminal always is.
It never imports the product, because it is the witness the product is checked against.
"""

from theta_simulator.blemishes import Blemish
from theta_simulator.embedded import Terminal, running
from theta_simulator.faults import Faults, Outage
from theta_simulator.habits import Habit
from theta_simulator.market import Market
from theta_simulator.settings import Settings

__all__ = ["Blemish", "Faults", "Habit", "Market", "Outage", "Settings", "Terminal", "running"]
