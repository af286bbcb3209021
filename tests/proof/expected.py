"""What a passport must say of each blemish: the checks that find it, what follows from it, where it is named.

`JUDGED` has the kinds that a check finds by itself: the checks that must find it in its own chain, and those
that may, because the defect is one of theirs as well; nothing else may find anything that the clean day's
passport does not have, and no other chain may. `PROVEN` has the kinds that the completeness proof, the
rejects or the hours name: each with a function that says what is wrong with a passport.
"""

import datetime as dt
import itertools
from dataclasses import dataclass

from tests.habits import midnight_ms

from spx_data.fill.witnesses import lost_expirations
from spx_data.market import products
from theta_simulator.blemishes import Kind

HELD_RUNS = 2  # a date is sealed as it is in the run after these
_GREEKS = ("delta", "theta", "vega", "rho", "epsilon", "lambda", "price")
_VALUES = frozenset(f"greeks-{name}" for name in _GREEKS)
# Facts of markets and sources, which move with whatever moves a price or a volatility.
FACTS = frozenset({"no-iv", "zero-bid", "no-market", "late-first-quote", "greeks-convention"})


@dataclass(frozen=True)
class Finds:
    """The checks that *must* find a blemish, and those that *may*."""

    must: frozenset[str]
    may: frozenset[str] = frozenset()


def _finds(must, *may):
    return Finds(frozenset(must.split()), frozenset(may))


# A quote that is moved leaves its twin, its neighbours and the smile.
_OF_PRICE = (
    "vertical",
    "butterfly",
    "bounds",
    "parity",
    "iv-kink",
    "iv-range",
    "delta-rises",
    "wide",
    "calendar",
)

JUDGED = {
    Kind.CROSSED: _finds("crossed"),
    # An ask that comes down to its bid may leave out the line of parity, which ran through their spread.
    Kind.LOCKED: _finds("locked", "parity"),
    # The vendor takes the middle of a bid and nothing, and solves half of the price.
    Kind.ONE_SIDED: _finds("one-sided"),
    Kind.WIDE: _finds("wide"),
    # Its twin moves on, and so do its neighbours.
    Kind.STALE: _finds("stale", *_OF_PRICE),
    Kind.UNDERLYING_MISSING: _finds("underlying-missing"),
    # The volatilities of a chain on a wrong level lean the other way for calls than for puts.
    Kind.UNDERLYING_FROZEN: _finds(
        "underlying-frozen", "underlying-differs", "iv-kink", "iv-range", "delta-rises"
    ),
    Kind.UNDERLYING_STALE: _finds(
        "underlying-stale", "underlying-differs", "iv-kink", "iv-range", "delta-rises"
    ),
    Kind.UNDERLYING_DISAGREES: _finds(
        "underlying-disagrees", "underlying-differs", "iv-kink", "iv-range", "delta-rises"
    ),
    Kind.FAILED_IV: _finds("failed-iv"),
    Kind.VERTICAL: _finds("vertical", *_OF_PRICE),
    Kind.BUTTERFLY: _finds("butterfly", *_OF_PRICE),
    Kind.CALENDAR: _finds("calendar", *_OF_PRICE),
    Kind.BOUNDS: _finds("bounds", *_OF_PRICE),
    Kind.PARITY_BROKEN: _finds("parity", *_OF_PRICE),
    # Its deltas say that its quotes should move more than they do.
    Kind.FORWARD_OFF: _finds(
        "forward-off underlying-differs", "iv-range", "iv-kink", "delta-rises", "failed-iv", "stale"
    ),
    Kind.IV_KINK: _finds("iv-kink", "delta-rises"),
    # Next to no volatility leaves greeks of zero.
    Kind.IV_OUT_OF_RANGE: _finds("iv-range", "greeks-zeroed"),
    Kind.DELTA_RISING: _finds("delta-rises", "greeks-delta"),
    Kind.GREEKS_ZEROED: _finds("greeks-zeroed", *_VALUES, "greeks-rate"),
    Kind.IV_IN_PERCENT: _finds("iv-range greeks-price", *_VALUES, "greeks-rate"),
    Kind.DELTA_FLIPPED: _finds("greeks-delta", "delta-rises", "greeks-rate"),
    Kind.DELTA_IN_PERCENT: _finds("greeks-delta", "greeks-rate", "stale"),
    Kind.THETA_PER_YEAR: _finds("greeks-theta"),
    Kind.VEGA_PER_PERCENT: _finds("greeks-vega", "iv-kink"),
    Kind.RHO_PER_PERCENT: _finds("greeks-rho"),
    Kind.EPSILON_FLIPPED: _finds("greeks-epsilon"),
    Kind.LAMBDA_PER_PERCENT: _finds("greeks-lambda"),
    Kind.OTHER_CONVENTION: _finds("greeks-convention", *_VALUES),
    Kind.CLOCK_SHIFTED: _finds("greeks-convention", *_VALUES, "greeks-rate"),
    Kind.DAY_COUNT_OFF: _finds("greeks-time", *_VALUES, "greeks-rate"),
    Kind.RATE_CHANGED: _finds("greeks-rate", *_VALUES),
}


@dataclass(frozen=True)
class Case:
    """A blemish, what came of it, and what came of the clean day."""

    world: object
    where: object
    result: object
    clean: object

    @property
    def chain(self):
        """The blemish's chain in the passport; None where it is not there, or sits on the whole date."""
        return self._chains(self.result).get((self.where.root, str(self.where.expiration)))

    @property
    def before(self):
        """The same chain on the clean day."""
        return self._chains(self.clean)[self.where.root, str(self.where.expiration)]

    @property
    def name(self):
        """The blemish's chain by name."""
        return f"{self.where.root} {self.where.expiration}"

    @property
    def contract(self):
        """The blemish's contract by name."""
        return f"{self.where.right} {self.where.strike:g}"

    @property
    def news(self):
        """The hits that the clean passport does not have, by chain and code."""
        before, after = self._hits(self.clean), self._hits(self.result)
        return {key: after.get(key, 0) - before.get(key, 0) for key in {*before, *after}}

    @property
    def codes(self):
        """The checks that find more, or less, in the blemish's chain than on the clean day."""
        here = (self.where.root, str(self.where.expiration))
        return frozenset(code for (chain, code), more in self.news.items() if more and chain == here)

    @property
    def elsewhere(self):
        """The same in other chains, by chain and code."""
        here = (self.where.root, str(self.where.expiration))
        return {(chain, code) for (chain, code), more in self.news.items() if more and chain != here}

    def changed(self, *sections):
        """What differs in *sections* of the passport from the clean day's."""
        return {
            (section, name): value
            for section in sections
            for name, value in self.result.passport[section].items()
            if self.clean.passport[section].get(name) != value
        }

    def misplaced(self, codes):
        """Minutes outside of the blemish's window at which *codes* find more than on the clean day."""
        first, last = _clock(self.where.first), self._last
        for code in sorted(codes):
            for minute, more in self._minutes(code):
                if more and not first <= minute <= last:
                    yield f"{code} finds it at {minute}, it lies in {first} to {last}"
            if not self._before(code) and not self._is_named(self._named(code) or "", code, first):
                yield f"{code} names it {self._named(code)!r}, it is {self.contract} at {first}"

    @property
    def _last(self):
        """When the blemish is over: a value that froze goes on where the next true ones are the same."""
        last = self.where.last
        if self.where.kind is Kind.UNDERLYING_FROZEN:
            rows = self.result.rows
            chain = (rows["root"] == self.where.root) & (rows["expiration"] == self.where.expiration)
            line = rows.filter(chain).unique("timestamp").sort("timestamp")
            ms, price = line["timestamp"] - midnight_ms(self.world.date), line["underlying_price"]
            frozen = price.filter(ms == last)[0]
            after = zip(ms.filter(ms > last), price.filter(ms > last), strict=True)
            last = max(itertools.takewhile(lambda each: each[1] == frozen, after), default=(last,))[0]
        return _clock(last)

    def _is_named(self, name, code, clock):
        """Whether *name* says chain, contract and time; some are both twins', a rising delta a pair's."""
        whole = name.startswith(f"{self.where.root} {self.where.expiration} ") and name.endswith(
            f"at {clock}"
        )
        # What is bought lies in this chain; named is what is sold, a strike beside it in the one before.
        if self.where.strike is None or code == "calendar":
            return whole
        contracts = {self.contract}
        if code in ("parity", "butterfly"):
            contracts = {f"{right} {self.where.strike:g}" for right in "CP"}
        if code == "delta-rises":
            contracts = {f"{self.where.right} {strike:g}" for strike in self._pair}
        return whole and any(f" {contract} at" in name for contract in contracts)

    @property
    def _pair(self):
        """The blemish's strike and those beside it."""
        rows = self.clean.rows
        chain = (rows["root"] == self.where.root) & (rows["expiration"] == self.where.expiration)
        strikes = rows.filter(chain)["strike"].unique().sort().to_list()
        at = strikes.index(self.where.strike)
        return strikes[max(0, at - 1) : at + 2]

    def _before(self, code):
        return any(hits for (_, found), hits in self._hits(self.clean).items() if found == code)

    def _named(self, code):
        return next(
            check["first"] for check in self.result.passport["quality"]["checks"] if check["check"] == code
        )

    def _minutes(self, code):
        """Each minute of the day, and how many more hits *code* has there than on the clean day."""
        lines = {}
        for sign, passport in ((1, self.result.passport), (-1, self.clean.passport)):
            minutes = passport["details"]["minutes"] or {"first": "00:00", "hits": {}}
            begin = dt.datetime.strptime(minutes["first"], "%H:%M")  # noqa: DTZ007
            for number, hits in enumerate(minutes["hits"].get(code, ())):
                minute = f"{begin + dt.timedelta(minutes=number):%H:%M}"
                lines[minute] = lines.get(minute, 0) + sign * hits
        return sorted(lines.items())

    @staticmethod
    def _chains(result):
        return {(chain["root"], chain["expiration"]): chain for chain in result.passport.get("chains", ())}

    def _hits(self, result):
        return {
            (key, code): hits
            for key, chain in self._chains(result).items()
            for code, hits in ((chain["quality"] or {}).get("hits") or {}).items()
        }


def _clock(ms):
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}"


# What the completeness proof, the rejects and the hours say ---------------------------------------------


def _nothing_else(case, *codes):
    """Complain of checks other than *codes* that find more than on the clean day, in whatever chain."""
    for (chain, code), more in sorted(case.news.items()):
        if more and code not in (*codes, *FACTS):
            yield f"{code} finds something in {chain}"


def _sealed(case):
    """Complain of records that are not the clean day's."""
    if case.result.passport["records_sha256"] != case.clean.passport["records_sha256"]:
        yield "the sealed records are not the clean day's"


def _balances(case, **changes):
    """Complain unless the day's completeness is the clean day's but for *changes*."""
    expected = case.clean.passport["completeness"] | changes
    if (found := case.result.passport["completeness"]) != expected:
        yield f"completeness is {found}, not {expected}"


def _more(case, name, by):
    return {name: case.clean.passport["completeness"][name] + by}


def _has(case, name, expected):
    """Complain unless the chain's passport has *expected* under *name*."""
    if case.chain[name] != expected:
        yield f"{name} is {case.chain[name]}, not {expected}"


def _contract_explained(case):
    grid = case.chain["grid"]
    yield from _balances(
        case,
        **_more(case, "contracts_received", -1),
        **_more(case, "contracts_explained", 1),
        **_more(case, "stamps_expected", -grid),
        **_more(case, "stamps_received", -grid),
    )
    yield from _has(case, "contracts_explained", [case.contract])
    yield from _nothing_else(case)


def _recovered(case):
    """Complain unless all records are there, and it is told that the source's answers disagree."""
    yield from _sealed(case)
    yield from _not_whole(case, "contradicted")
    if not case.chain["second_opinion"]["recovered"]:
        yield "no record was recovered"
    yield from _nothing_else(case)


def _not_whole(case, state, held=0, **changes):
    """Complain unless the chain alone is in that *state* after so many runs in which the date was held."""
    if case.result.held != held:
        yield f"it was held {case.result.held} times"
    yield from _has(case, "state", state)
    clean = case.clean.passport["completeness"]
    unknown = case.result.passport["completeness"]["unknown"]
    states = clean["chains"] | {"whole": clean["chains"]["whole"] - 1, state: 1}
    yield from _balances(case, chains=states, complete=False, unknown=unknown, **changes)
    if [text for text in unknown if not text.startswith(case.name)] or len(unknown) != 1:
        yield f"unknown is {unknown}"


def _none(case, contract, stamps):
    """Complain unless the only gap is the blemish's window, and the source is known to have no more."""
    gap = {"contract": contract, "first": _clock(case.where.first), "last": _clock(case.where.last)}
    yield from _has(case, "gaps", [gap | {"stamps": stamps, "explained": True}])
    yield from _balances(
        case, **_more(case, "stamps_received", -stamps), **_more(case, "stamps_explained", stamps)
    )


def _minutes_nowhere(case):
    yield from _none(case, case.contract, 15)
    yield from case.misplaced({"none-at-source"})
    yield from _nothing_else(case, "none-at-source")


def _minute_of_chain_nowhere(case):
    yield from _none(case, None, case.chain["contracts_received"])
    yield from _nothing_else(case, "none-at-source")


def _expiration_unavailable(case):
    """Nobody has a record, and the report of the day names the chain."""
    listed = case.chain["contracts_listed"]
    before = case.before
    yield from _not_whole(
        case,
        "unavailable",
        held=HELD_RUNS,
        **_more(case, "chains_received", -1),
        **_more(case, "contracts_received", -before["contracts_received"]),
        **_more(case, "contracts_explained", -len(before["contracts_explained"])),
        **_more(case, "contracts_missing", listed),
        **{
            name: case.clean.passport["completeness"][name] - before[name]
            for name in ("stamps_expected", "stamps_received", "stamps_explained", "stamps_missing")
        },
    )
    if "its report of the day has quotes" not in (case.chain["error"] or ""):
        yield f"its error is {case.chain['error']!r}"
    yield from _nothing_else(case, "missing")


def _expiration_lost(case):
    if case.chain is not None:  # its root has no other, and is asked about in other ways
        completeness = case.result.passport["completeness"]
        if completeness["complete"] or not any(
            text.startswith(case.name) for text in completeness["unknown"]
        ):
            yield f"completeness is {completeness}"
        yield from _has(case, "state", "unlisted")
        return
    clean, today = (
        {(chain["root"], dt.date.fromisoformat(chain["expiration"])) for chain in result.passport["chains"]}
        for result in (case.clean, case.result)
    )
    if lost_expirations(products.DEFAULT, clean, today, clean, case.where.day) != [
        (case.where.root, case.where.expiration)
    ]:
        yield "the neighbours' listings do not name it"


def _false_no_data(case):
    """The chain's answer says that there is nothing, and its contracts have everything."""
    yield from _sealed(case)
    found = case.result.passport["completeness"]
    # Who was asked alone decides whether late first quotes are known to be late.
    late = {name: found[name] for name in ("stamps_explained", "stamps_missing")}
    yield from _not_whole(case, "contradicted", held=HELD_RUNS, **late)
    yield from _nothing_else(case, "missing")


def _hours(case, first, second, *codes):
    """Complain unless the hours disagree, in words that have both times; *codes* may find something."""
    findings = " ".join(case.result.passport["session"]["findings"])
    if first not in findings or second not in findings:
        yield f"the hours' findings are {findings!r}"
    yield from _nothing_else(case, "session-disagrees", *codes)


def _ends_early(case):
    yield from _hours(case, "16:00", "13:15", "missing")
    if case.result.passport["completeness"]["complete"]:
        yield "it is complete"
    gaps = {
        (gap["first"], gap["explained"]) for chain in case.result.passport["chains"] for gap in chain["gaps"]
    }
    if gaps != {("13:16", False)}:
        yield f"the gaps begin at {gaps}"


def _shifted(case):
    first = "09:30" if case.world.api == "v3" else "09:31"
    gaps = [(gap["contract"], gap["first"]) for gap in case.chain["gaps"]]
    if gaps != [(None, first)]:
        yield f"its gaps are {case.chain['gaps']}"
    # The day's level is an hour older here than in the other chains, and so is the time that is left.
    others = ("missing", "none-at-source", "greeks-time", "greeks-rate")
    yield from _nothing_else(case, *others, "underlying-missing", "underlying-differs", *_VALUES)
    if case.elsewhere:
        yield f"other chains have findings: {case.elsewhere}"


def _calendar(first, second):
    def complaints(case):
        yield from _sealed(case)
        yield from _balances(case)
        yield from _hours(case, first, second)

    return complaints


def _rejects(case, rows=0, reasons=None, duplicates=0, conflicts=0):
    """Complain unless the passport counts these, and the file names them."""
    found = {name: value for name, value in case.result.passport["rejects"].items() if name != "sha256"}
    expected = {
        "rows": rows,
        "reasons": reasons or {},
        "duplicates_dropped": duplicates,
        "conflicts": conflicts,
    }
    if found != expected:
        yield f"rejects are {found}, not {expected}"
    chains = {(line["root"], line["expiration"]) for line in case.result.rejects}
    if chains - {(case.where.root, str(case.where.expiration))}:
        yield f"rejects of {chains}"


def _doubled(case):
    yield from _sealed(case)
    yield from _rejects(case, duplicates=1)
    yield from _nothing_else(case, "repeated")


def _contradicted(case):
    yield from _rejects(case, rows=2, reasons={"conflict": 2}, conflicts=1)
    if [line["sealed"] for line in case.result.rejects].count(True) != 1:
        yield "it is not said which was sealed"
    yield from _nothing_else(case, "conflicting")


def _rejected(*reasons, cell):
    """A bad row: the record of a *cell* that is missing then, or one more than there should be."""

    def complaints(case):
        if not cell:
            yield from _sealed(case)
        found = tuple(line["reason"] for line in case.result.rejects)
        if len(found) != 1 or found[0] not in reasons:
            yield f"the reasons are {found}, not one of {reasons}"
        yield from _rejects(case, rows=1, reasons=dict.fromkeys(found, 1))
        if cell:
            yield from _none(case, case.contract, 1)
        yield from _nothing_else(case, "rejected", *(["none-at-source"] if cell else []))

    return complaints


PROVEN = {
    Kind.WITHHELD_CONTRACT: _contract_explained,
    Kind.WITHHELD_FROM_CHAIN: _recovered,
    Kind.WITHHELD_MINUTES: _minutes_nowhere,
    Kind.WITHHELD_MINUTE_OF_CHAIN: _minute_of_chain_nowhere,
    Kind.WITHHELD_EXPIRATION: _expiration_unavailable,
    Kind.UNLISTED_EXPIRATION: _expiration_lost,
    Kind.CUT_ANSWER: _recovered,
    Kind.FALSE_NO_DATA: _false_no_data,
    Kind.ENDS_EARLY: _ends_early,
    Kind.STAMPS_SHIFTED: _shifted,
    Kind.DUPLICATE_ROWS: _doubled,
    Kind.CONFLICTING_ROWS: _contradicted,
    Kind.NEGATIVE_PRICE: _rejected("negative-price", cell=True),
    Kind.NOT_A_NUMBER: _rejected("not-finite", "missing", cell=True),
    Kind.EMPTY_FIELD: _rejected("missing", cell=True),
    Kind.OFF_GRID_STAMP: _rejected("off-grid", cell=False),
    Kind.OTHER_DATE: _rejected("date", cell=False),
    Kind.WRONG_RIGHT: _rejected("right", cell=False),
    Kind.ZERO_STRIKE: _rejected("strike", cell=False),
    Kind.OTHER_EXPIRATION: _rejected("expiration", cell=False),
    Kind.CALENDAR_OPEN: _calendar("16:00", "13:00"),
    Kind.CALENDAR_EARLY: _calendar("13:00", "16:00"),
    Kind.CALENDAR_CLOSED: _calendar("full_close", "full_close"),
}
