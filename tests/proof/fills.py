"""A fill of one date, run stage by stage as Snakemake would run it, and the market it must come to."""

import functools
import json

import polars as pl
from tests import schemas
from tests.passports import unfolded

from spx_data import config
from spx_data.errors import SpxDataError
from spx_data.fill.download import download_expirations
from spx_data.fill.merge import merge_date
from spx_data.fill.survey import fetch_expirations
from spx_data.lake import session_states
from spx_data.market import schema, sessions
from spx_data.settings import Settings, Terminal


@functools.cache
def session_of(date):
    """The session of *date*: the calendar is slow."""
    (session,) = sessions.between("NYSE", date, date)
    return session


def lake(folder, url, date, **keys):
    """Settings whose lake stands in *folder* and asks the terminal at *url*, without waits between tries."""
    document = {
        "thetadata": {"base_url": url, "retry_wait_factor": 0},
        "processing": {
            "start_date": date.isoformat(),
            "output_directory": str(folder / "parquet"),
            "temp_directory": str(folder / "temp"),
            "data_directory": str(folder / "data"),
        },
        "database": {"path": str(folder / "status.db")},
    }
    for key, value in keys.items():
        document["thetadata" if key in Terminal.__dataclass_fields__ else "processing"][key] = value
    return Settings.of(config.resolve(document, {}))


class Fill:
    """A fill of one date; `run` is one call of the workflow."""

    def __init__(self, settings, date):
        self.settings, self.date = settings, date
        self.layout = settings.layout
        self.running = None  # the stage that was begun last

    def _stages(self):
        settings, date, layout = self.settings, self.date, self.layout
        listing, manifest, parquet = layout.listing(date), layout.manifest(date), layout.parquet(date)
        # On several cores wherever several requests are in flight.
        cores = settings.terminal.max_concurrent_requests
        merge = functools.partial(merge_date, session=session_of(date), cores=cores)
        download = functools.partial(download_expirations, session=session_of(date))
        return (
            (functools.partial(fetch_expirations, settings, date, listing), [listing]),
            (functools.partial(download, settings, date, listing, manifest), [manifest]),
            (functools.partial(merge, settings, date, manifest, parquet), layout.sealed_files(date)),
        )

    def run(self):
        """Do what is missing, and return the error of the stage that failed.

        Like Snakemake it removes the outputs of a stage that failed, or that a dead run left unfinished, and
        leaves a sealed date alone.
        """
        if self.sealed:
            return None
        for number, (stage, outputs) in enumerate(self._stages()):
            if number == self.running:
                _delete(outputs)
            if all(path.exists() for path in outputs):
                continue
            self.running = number
            try:
                stage()
            except SpxDataError as error:
                _delete(outputs)
                return error
            self.running = None
        return None

    @property
    def sealed(self):
        """Whether the ledger takes the date for done."""
        return session_states.gather(self.layout, self.date).sealed

    @property
    def parquet(self):
        """The sealed bytes."""
        return self.layout.parquet(self.date).read_bytes()

    @property
    def contracts(self):
        """The bytes of the day's contracts."""
        return self.layout.contracts(self.date).read_bytes()

    def passport(self):
        """The sealed date's passport; its chains have their details."""
        return unfolded(json.loads(self.layout.passport(self.date).read_text()))

    def staged(self):
        """The chains that count as staged, as (root, expiration)."""
        names = (path.name.removesuffix(".receipt.json") for path in self.layout.receipts(self.date))
        return {tuple(name.split("-", 1)) for name in names}


def _delete(paths):
    for path in paths:
        path.unlink(missing_ok=True)


# The market ---------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=500)
def chain_truth(market, model, root, listed, date, step_ms):
    """The market's rows of a chain as records, sorted; *model* is latest, 1 or v2."""
    return _records(market.history(root, listed, date, step_ms, greeks_version=model), date)


@functools.lru_cache(maxsize=500)
def answer(truth, model, root, listed, date, step_ms):
    """The rows of a terminal's answer about a chain, as records, sorted."""
    return _records(truth.served(root, listed, date, step_ms=step_ms, greeks_version=model), date)


@functools.lru_cache(maxsize=500)
def gettable(truth, model, root, listed, date, step_ms):
    """All rows of a chain that an answer of a terminal has, about the chain or about its contracts."""
    asked = {"step_ms": step_ms, "greeks_version": model}
    answers = [truth.served(root, listed, date, **asked)]
    if truth.market.habits:
        answers.append(truth.served(root, listed, date, alone=True, **asked))
    return _records(pl.concat(answers).unique(["strike", "right", "ms_of_day"]), date)


def _records(rows, date):
    midnight = pl.lit(date).cast(pl.Datetime("ms")).dt.replace_time_zone(schema.ZONE).dt.timestamp("ms")
    return (
        rows.with_columns(
            timestamp=midnight + pl.col("ms_of_day"), underlying_timestamp=midnight + pl.col("underlying_ms")
        )
        .select(schemas.RECORD.names)
        .sort(schema.RECORD_KEY)
    )


@functools.lru_cache(maxsize=100)
def day_truth(market, model, date, step_ms):
    """The market's whole date as the rows of a sealed file, in their order; words and stamps are plain."""
    chains = [
        chain_truth(market, model, root, expiration.label, date, step_ms).select(
            pl.lit(date).alias("date"),
            pl.lit(root).alias("root"),
            pl.lit(expiration.label).alias("expiration"),
            pl.lit((expiration.label - date).days, pl.Int32).alias("dte"),
            pl.all(),
        )
        for root in ("SPX", "SPXW")
        for expiration in market.expirations(root, date)
    ]
    return pl.concat(chains).select(schemas.DAY.names)


def sealed_rows(path):
    """The rows of a sealed file, spelt like `day_truth`."""
    return pl.read_parquet(path).with_columns(
        pl.col("root", "right").cast(pl.String),
        pl.col("timestamp", "underlying_timestamp").dt.timestamp("ms"),
    )


@functools.lru_cache(maxsize=100)
def listed(truth, date):
    """What a terminal's listing of *date* names and should, as {(root, expiration): (calls, puts)}."""
    found = {}
    for root in ("SPX", "SPXW"):
        rows = truth.listed(root, date).filter(pl.col("strike") > 0, pl.col("expiration") >= date)
        for expiration, each in rows.group_by("expiration"):
            calls, puts = (each.filter(pl.col("right") == right)["strike"].sort() for right in "CP")
            found[root, expiration[0]] = (tuple(calls), tuple(puts))
    return found
