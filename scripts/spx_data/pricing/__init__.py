"""Our own models of options, on arrays of numpy: no file is read or written here."""
