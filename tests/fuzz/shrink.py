"""An input that shows a fault, made smaller while it still shows it."""

import time


def smaller(data, shows, *, trials=400, seconds=20.0):
    """*data* without what is not needed: first lines are left out, then bytes.

    *shows* tells whether an input still has the fault. It is asked *trials* times at most.
    """
    asking = _Asking(shows, trials, time.monotonic() + seconds)
    for split, join in ((lambda text: text.splitlines(keepends=True), b"".join), (_bytes, b"".join)):
        data = _without(data, split, join, asking)
    return data


def _bytes(data):
    return [data[at : at + 1] for at in range(len(data))]


class _Asking:
    def __init__(self, shows, trials, until):
        self._shows, self._left, self._until = shows, trials, until

    @property
    def over(self):
        return self._left <= 0 or time.monotonic() > self._until

    def __call__(self, data):
        self._left -= 1
        return self._shows(data)


def _without(data, split, join, asking):
    """Zeller's ddmin, its half that takes away."""
    parts, size = split(data), 2
    while len(parts) > 1 and size <= len(parts) * 2 and not asking.over:
        step, gone = max(1, len(parts) // size), False
        at = 0
        while at < len(parts) and not asking.over:
            rest = parts[:at] + parts[at + step :]
            if rest and asking(join(rest)):
                parts, gone = rest, True
            else:
                at += step
        if step == 1 and not gone:
            break
        size = size if gone and step > 1 else size * 2
    return join(parts)
