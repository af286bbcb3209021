"""How many requests a terminal bears at once, learned from what it answers; never more than the limit.

Pure arithmetic on what requests came to: no file, no clock, no lock (`pacing` has those). Until a terminal
shows that it bears less, the limit is in force as it is: one that takes all of it meets no difference but a
trial now and then.

A refusal (429) lowers the number by three tenths, once for all requests that were in flight then. Answers
raise it again, by one for each round of them; a number that was refused is tried again only after a long
stretch of answers, twice as long after each refusal there. So a terminal with room for k is met by a few
refusals and not by one in each round, and one that gets room again is found out.

Latency lowers it only where that was seen to help. From time to time, and at once where answers have become
much slower, a few requests are made with three tenths fewer in flight. Where the terminal then delivers a
tenth more in all, the number stays low, and is tried with one more later on; where not, it goes back, and the
next trial waits twice as long. A terminal that makes requests wait for each other delivers the same with any
number in flight: there nothing changes.

What an answer of its size should take is a regression of log seconds on log bytes that forgets slowly.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from spx_data.store import foreign

MOST = 128  # requests in flight that the schema allows
_LOWER = 0.7  # what a decrease leaves
_STRETCH, _LONGEST_STRETCH = 32, 128  # answers before a refused number is tried again
_FULL = 4  # in flight; with fewer a stretch is shorter in proportion, for each one less costs more
_PROVEN = 2  # rounds of answers after which a number is known to be borne
_FORGIVEN = 6 * 3600.0  # seconds without a refusal, after which that stretch is short again

_FIRST_TRIAL, _RAREST_TRIAL = 400, 12_800  # answers at one number before it is compared with another
_BETTER, _NO_WORSE = math.log(1.1), math.log(1.03)  # what a trial must gain to be kept: lower, higher
_SURE = 0.8  # standard errors that a gain must have
_SLOW = math.log(1.7)  # answers that are so much slower than usual call for a trial
_OUTLIER = 1.5
_MEMORY = 0.98  # of the regression, an answer
_FEWEST = 24  # answers that the regression needs
_SMALLEST = 1 << 16  # bytes; what is smaller tells of the terminal's mood and not of its speed
_LEAST_SECONDS = 0.001


def lowered(number: int) -> int:
    """*number* of requests, decreased by three tenths: by one at least, and never below 1."""
    return max(1, min(number - 1, round(_LOWER * number)))


@dataclass
class Usual:
    """What answers usually take: log seconds on log bytes, by least squares that forget."""

    weight: float = 0.0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    scatter: float = 0.0  # the mean square of what it was off by
    count: int = 0

    def off(self, size: int, seconds: float) -> float:
        """By how much an answer of *size* bytes took longer than usual, as a logarithm."""
        x, y = _logs(size, seconds)
        mean_x, mean_y = self.x / self.weight, self.y / self.weight
        spread = self.xx / self.weight - mean_x * mean_x
        slope = (self.xy / self.weight - mean_x * mean_y) / spread if spread > 0.01 else 0.0
        return y - mean_y - min(max(slope, 0.0), 1.5) * (x - mean_x)

    def learn(self, size: int, seconds: float) -> None:
        """Take an answer into account."""
        if self.count >= _FEWEST:
            self.scatter = _MEMORY * self.scatter + (1 - _MEMORY) * self.off(size, seconds) ** 2
        x, y = _logs(size, seconds)
        for name, value in (("weight", 1.0), ("x", x), ("y", y), ("xx", x * x), ("xy", x * y)):
            setattr(self, name, _MEMORY * getattr(self, name) + value)
        self.count = min(self.count + 1, _FEWEST)

    def shift(self, by: float) -> None:
        """Expect all answers to take longer by the logarithm *by*."""
        self.y += by * self.weight
        self.xy += by * self.x


def _logs(size: int, seconds: float) -> tuple[float, float]:
    return math.log(size + _SMALLEST), math.log(max(seconds, _LEAST_SECONDS))


@dataclass
class Trial:
    """A comparison under way: answers with *back* in flight, then as many with *there*."""

    back: int
    there: int
    since: float  # the moment; what was asked before it tells of another time
    answers: int = 0  # `Pace.answers` before the second half
    count: int = 0  # in the first half, the sum of `Usual.off`, and of its squares
    off: float = 0.0
    squares: float = 0.0
    count_there: int = 0  # the same of the second
    off_there: float = 0.0
    squares_there: float = 0.0

    @property
    def enough(self) -> int:
        """How many answers each half takes."""
        return max(12, 3 * min(self.there, self.back))

    def slower(self) -> float:
        """By how much an answer takes longer in the second half, as a logarithm."""
        return self.off_there / self.count_there - self.off / self.count

    def gain(self) -> float:
        """By how much more the terminal delivers in all, as a logarithm."""
        return math.log(self.there / self.back) - self.slower()

    def doubt(self) -> float:
        """The standard error of `gain`."""
        halves = (
            (self.count, self.off, self.squares),
            (self.count_there, self.off_there, self.squares_there),
        )
        return math.sqrt(sum(max(0.0, q / n - (off / n) ** 2) / (n - 1) for n, off, q in halves))


@dataclass
class Pace:
    """What is known of one terminal; moments are seconds of the epoch, numbers are of requests in flight."""

    window: int | None = None  # so many may be; None as many as the limit says
    level: int = 0  # the number in force at the last answer
    since: float = 0.0  # when it came into force
    refused_at: int | None = None  # the smallest number at which the terminal has refused one
    good: int = 0  # the largest number that was borne since then
    refused: int = 0  # times since the terminal was met
    refused_on: float = 0.0  # when it did last
    stretch: int = _STRETCH
    answers: int = 0  # at this number, with no more free
    waited: int = 0  # answers since the last trial
    fast: float = 0.0  # how slow the last few answers were: a mean of `Usual.off`
    usual: Usual = field(default_factory=Usual)
    trial: Trial | None = None
    next_trial: int = _FIRST_TRIAL
    upward: bool = False  # whether the next trial is with one more
    slow: bool = False  # the window is low because fewer were seen to deliver more

    def allowed(self, limit: int) -> int:
        """How many may be in flight under *limit*."""
        return limit if self.window is None else max(1, min(limit, self.window))

    # What happens ---------------------------------------------------------------------------------------

    def has_refused(self, limit: int, in_flight: int, begun: float, now: float) -> None:
        """A request, begun at *begun* and now refused, was one of so many *in_flight*."""
        self.refused += 1
        self._forgive(now)
        allowed = self.allowed(limit)
        if in_flight < 2 or begun < self.since:
            return  # nothing can be lowered; or that is done already
        number = min(in_flight, allowed)
        if number <= self.good:
            self.good = 0  # once may be chance: the terminal has given back what it had in hand a moment late
            return
        again = self.refused_at is not None and number >= self.refused_at
        self.stretch = min(2 * self.stretch, _LONGEST_STRETCH) if again else _STRETCH
        if not again:
            self.refused_at = number
        self.refused_on, self.trial, self.slow = now, None, False
        self._move(max(lowered(number), self.good), limit, now)

    def has_answered(
        self, limit: int, in_flight: int, begun: float, now: float, size: int, seconds: float
    ) -> None:
        """A request, begun at *begun* and answered now, was one of so many *in_flight* when it ended.

        Its answer had *size* bytes, 0 where they tell nothing, and took so many *seconds*.
        """
        self._forgive(now)
        allowed = self.allowed(limit)
        if allowed != self.level:  # another limit than before
            self.level, self.since, self.answers, self.trial = allowed, now, 0, None
        if in_flight < allowed or begun < self.since:
            return  # with fewer in flight, or begun with another number: neither says how this one is
        self.answers += 1
        if self.answers >= _PROVEN * self.level:
            self.good = max(self.good, self.level)
        if size >= _SMALLEST:
            self._time(limit, size, seconds, begun, now)
        if self.trial is None and not self.slow:
            self._raise(limit, now)

    # More of them ---------------------------------------------------------------------------------------

    def _raise(self, limit: int, now: float) -> None:
        if self.window is None:
            return
        if self.refused_at is not None and self.good >= self.refused_at:
            self.refused_at = None  # it is borne now
        if self.window >= limit:
            if self.refused_at is None:
                self.window = None
            return
        refused = self.refused_at is not None and self.window + 1 >= self.refused_at
        stretch = self.stretch * min(self.window, _FULL) // _FULL
        if self.answers >= (stretch if refused else self.window):
            self._move(self.window + 1, limit, now)

    def _move(self, number: int, limit: int, now: float) -> None:
        self.window = None if number >= limit and self.refused_at is None else number
        self.level, self.since, self.answers, self.fast = self.allowed(limit), now, 0, 0.0

    def _forgive(self, now: float) -> None:
        if self.refused_at is not None and now - self.refused_on > _FORGIVEN:
            self.stretch = _STRETCH

    # Latency --------------------------------------------------------------------------------------------

    def _time(self, limit: int, size: int, seconds: float, begun: float, now: float) -> None:
        if self.usual.count < _FEWEST:
            self.usual.learn(size, seconds)
            return
        off = self.usual.off(size, seconds)
        if self.trial:
            if begun >= self.trial.since:
                self._try(self.trial, limit, off, now)
            return
        share = 1 / max(4, 2 * self.level)
        # One answer that took for ever is no more than a slow one.
        self.fast += share * (min(max(off, -_OUTLIER), _OUTLIER) - self.fast)
        self.usual.learn(size, seconds)
        self.waited += 1
        due = self.waited >= self.next_trial
        chance = 3 * math.sqrt(self.usual.scatter * share / 2)
        if due or (self.fast > max(_SLOW, chance) and self.waited >= 4 * self.level):
            self._begin_trial(limit, now, upward=due and self.upward)

    def _begin_trial(self, limit: int, now: float, *, upward: bool) -> None:
        back = self.level
        there = back + 1 if upward else lowered(back)
        if there == back or there > limit or (upward and not self.slow):
            self.upward, self.waited = False, 0
            return
        self.trial = Trial(back, there, now)

    def _try(self, trial: Trial, limit: int, off: float, now: float) -> None:
        if trial.count < trial.enough:
            trial.count += 1
            trial.off += off
            trial.squares += off * off
            if trial.count == trial.enough:
                trial.answers = self.answers
                self._move(trial.there, limit, now)
            return
        trial.count_there += 1
        trial.off_there += off
        trial.squares_there += off * off
        if trial.count_there == trial.enough:
            self._judge(trial, limit, now)

    def _judge(self, trial: Trial, limit: int, now: float) -> None:
        gain, upward = trial.gain(), trial.there > trial.back
        kept = gain > (_NO_WORSE if upward else max(_BETTER, _SURE * trial.doubt()))
        self.trial, self.waited = None, 0
        self.usual.shift(trial.off / trial.count)  # that is what is usual now
        if kept:
            self.slow = not upward or trial.there < limit
            self.usual.shift(trial.slower())
            self.next_trial, self.upward = 4 * trial.enough, upward
            self._move(trial.there, limit, now)
            return
        self.next_trial = min(2 * self.next_trial, _RAREST_TRIAL)
        self.upward = self.slow and not upward
        self._move(trial.back, limit, now)
        self.answers = trial.answers

    # As text --------------------------------------------------------------------------------------------

    def as_text(self) -> str:
        """One line of JSON, which `of_text` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def of_text(cls, text: bytes) -> Pace:
        """The pace in *text*; one that knows nothing where that is none of ours."""
        try:
            document = foreign.parsed(text)
            usual, trial = Usual(**_numbers(document.pop("usual"))), document.pop("trial")
            found = cls(**_numbers(document), usual=usual, trial=Trial(**_numbers(trial)) if trial else None)
        except (ValueError, TypeError, AttributeError, LookupError):
            return cls()
        return found if found.is_sound() else cls()

    def is_sound(self) -> bool:
        """Whether all of it is what this module writes."""
        numbers = [self.window, self.refused_at, *((self.trial.back, self.trial.there) if self.trial else ())]
        return (
            all(number is None or (isinstance(number, int) and 1 <= number <= MOST) for number in numbers)
            and {each.name for each in fields(self)} == vars(self).keys()
            and (self.usual.count < _FEWEST or self.usual.weight > 0)
            and self.stretch >= 1
            and self.next_trial >= 1
        )


def _numbers(document: dict[str, Any]) -> dict[str, Any]:
    """*document*, whose values are finite numbers, truths or nothing."""
    for value in document.values():
        if not (value is None or (isinstance(value, int | float) and math.isfinite(value))):
            raise ValueError("no number")
    return document
