"""The Theta Terminal, whichever version of its API it speaks. Facts of its wire: docs/wire.md."""
