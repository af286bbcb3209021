"""A simulated Theta Terminal: a real HTTP server over an arithmetic market.

Everything it serves is a function of (seed, root, date): no state, no clock and
no order of requests can change a byte. It never imports the product, because it
is the witness the product is checked against.
"""

from theta_simulator.embedded import Terminal, running
from theta_simulator.market import Market
from theta_simulator.settings import Settings

__all__ = ["Market", "Settings", "Terminal", "running"]
