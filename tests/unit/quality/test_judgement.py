"""A day's judgement: its chains, their sum, and when things happened."""

import datetime as dt

import numpy as np
import polars as pl
from tests import schemas

from spx_data.market import products, schema
from spx_data.market.chains import midnight_ms
from spx_data.quality.checks import Check, Count, Part
from spx_data.quality.judgement import Judge, Rules
from theta_simulator import Market

DATE = dt.date(2024, 1, 2)
WEIGHTS = {part.value: 1.0 for part in Part}
MIDNIGHT = midnight_ms(DATE)
MISSING = Check("missing", Part.COMPLETENESS, "contract-stamps", "…", "…", ruinous=0.05)


def records(root, expiration, market=Market(1, "tiny")):  # noqa: B008
    rows = market.history(root, expiration, DATE, 60_000)
    return rows.select(
        "strike",
        "right",
        (pl.col("ms_of_day") + MIDNIGHT).alias("timestamp"),
        *schemas.MEASURES,
        (pl.col("underlying_ms") + MIDNIGHT).alias("underlying_timestamp"),
        "underlying_price",
    ).sort(schema.RECORD_KEY)


def judged(more=None, weights=WEIGHTS, mend=lambda frame: frame):
    market = Market(1, "tiny")
    judge = Judge(DATE, Rules(products.DEFAULT, "latest", 60_000, MIDNIGHT + 57_600_000, weights))
    for root in ("SPX", "SPXW"):
        for listed in market.expirations(root, DATE):
            judge.add(root, listed.label, mend(records(root, listed.label)))
    return judge.finish(more or {})


def test_a_clean_day_has_full_points_in_every_part_that_was_judged():
    found = judged().day

    assert found["score"] >= 99
    assert set(found["parts"]) >= {"quotes", "underlying", "arbitrage", "parity", "smile", "greeks"}


def test_a_chains_hits_are_in_the_days_sum_and_in_its_minute():
    def crossed(frame):
        wrong = (pl.col("timestamp") == MIDNIGHT + 36_000_000) & (pl.col("bid") > 0)
        return frame.with_columns(bid=pl.when(wrong).then(pl.col("ask") + 1.0).otherwise("bid"))

    found = judged(mend=crossed)

    day = {each["check"]: each for each in found.day["checks"]}["crossed"]
    chains = [found.of(key)["hits"].get("crossed", 0) for key in found.chains]
    minutes = found.minutes
    assert day["hits"] == sum(chains) > 0
    assert day["first"].endswith("at 10:00")
    assert minutes["hits"]["crossed"][30] == day["hits"]
    assert (minutes["first"], minutes["step_seconds"]) == ("09:30", 60)


def test_counts_from_elsewhere_count_for_their_chain_and_for_the_day():
    stamps = np.array([MIDNIGHT + 36_000_000])
    absent = ("SPXW", dt.date(2024, 12, 31))
    count = Count(MISSING, 1, 20, "C 4700 at 10:00", stamps, np.array([1]))

    found = judged({absent: [count]})

    assert found.of(absent)["parts"] == {"completeness": 0.0}
    assert found.day["parts"]["completeness"] == {"score": 0.0, "weight": 1.0}
    missing = next(each for each in found.day["checks"] if each["check"] == "missing")
    assert missing["first"] == "SPXW 2024-12-31 C 4700 at 10:00"
    assert (missing["chains"], missing["chains_of"]) == (1, 1)


def test_weights_move_the_score_and_nothing_else():
    absent = ("SPXW", dt.date(2024, 12, 31))
    more = {absent: [Count(MISSING, 5, 100)]}

    light, heavy = judged(more, WEIGHTS), judged(more, WEIGHTS | {"completeness": 1000.0})

    assert light.day["score"] > heavy.day["score"]
    assert light.day["checks"] == heavy.day["checks"]


def test_a_day_without_records_has_no_score():
    found = Judge(DATE, Rules(products.DEFAULT, "latest", 60_000, None, WEIGHTS)).finish({})

    assert found.day["score"] is None
    assert found.minutes is None
    assert found.of(("SPX", DATE)) is None


def test_the_order_of_asking_does_not_change_a_word():
    assert judged() == judged()
