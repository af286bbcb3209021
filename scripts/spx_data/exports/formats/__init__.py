"""A module for each format, which are found here by their constant `FORMAT`: nothing else lists them."""
