"""Every parser of what comes from outside, fed with what nobody should send.

An input is bytes. A parser (`table.PARSERS`) reads them through the real code of the product, in a process of
its own with a limit of memory, of time and of what it may write; the oracle says what may come of it: clean
records, clean rejects, or one of our errors. Never a crash, a bare exception, a hang, too much memory, or a
value that the bytes do not say (`said`, an independent and slow reader, knows what they say).

    table       the parsers: name, format, where seeds come from, how one input is run
    wire        those of the terminal's answers: over real HTTP, or as bytes handed over
    lake        those of the lake's own files, the config, and what a person types
    said        what the bytes of a history say, by the standard library alone
    seeds       what is mutated: the simulator's answers, files that the product wrote, recordings
    mutators    what is done to it, by format and byte by byte (`tokens`, `trees`)
    corpus      what was found, kept as small files or as recipes
    worker      one process that tries inputs; crew: many of them, watched; shrink: a fault made small
"""
