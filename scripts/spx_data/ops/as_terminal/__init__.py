"""The lake as a terminal: what programs ask a Theta Terminal, answered from sealed days."""
