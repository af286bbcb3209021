"""Open interest of the morning: the genuine shapes, and what absence and 0 say."""

import json

import polars as pl
import pytest
from tests.unit.simulator.test_eod import keys, shape
from tests.unit.simulator.test_faults import FORMATS, records
from tests.unit.simulator.test_habits import DAY, codes, get, interest, with_habits

from theta_simulator import Settings, running


def test_v3_csv_is_the_genuine_one(docs, v3, samples):
    genuine = (samples / "v3_option_history_open_interest.AAPL_20241108_220C.csv").read_bytes().splitlines()
    found = get(docs, interest("v3", "SPXW")).content.splitlines()

    assert found[0] == genuine[0] == get(v3, interest("v3", "SPXW")).content.splitlines()[0]
    assert shape(genuine[1]).replace("9.999", "9") in {
        shape(line).replace("9.999", "9") for line in found[1:]
    }


@pytest.mark.parametrize("style", ["live", "docs"])
def test_v3_json_is_the_genuine_one(style, v3, docs, samples):
    name = "v3_option_history_open_interest.AAPL_20241108_220C"
    genuine = json.loads((samples / f"{name}.json").read_text())
    line = json.loads((samples / f"{name}.ndjson").read_text())
    terminal = {"live": v3, "docs": docs}[style]

    assert keys(get(terminal, interest("v3", "SPXW"), format="json").json()) == keys(genuine)
    found = get(terminal, interest("v3", "SPXW"), format="ndjson")
    assert list(json.loads(found.text.splitlines()[0])) == list(line)


def test_v2_json_is_the_genuine_one(v2, samples):
    genuine = json.loads((samples / "v2_bulk_hist_option_open_interest.AAPL_20231117.json").read_text())

    found = get(v2, interest("v2", "SPXW"), use_csv="false").json()

    assert found["header"]["format"] == genuine["header"]["format"]
    assert list(found["response"][0]["contract"]) == list(genuine["response"][0]["contract"])
    assert len(found["response"][0]["ticks"][0]) == len(genuine["response"][0]["ticks"][0])


@pytest.mark.parametrize("wire", FORMATS)
def test_every_format_says_the_same_of_the_same_contracts(wire, v3, v2):
    api, spelling = FORMATS[wire]
    terminal = {"v3": v3, "v2": v2}[api]
    path, query = interest(api, "SPXW")
    found = records(get(terminal, (path, {k: v for k, v in query.items() if k != "use_csv"}), **spelling))

    said = {
        (
            row["expiration"].replace("-", ""),
            float(row["strike"]) / (1 if api == "v3" else 1000),
            row["right"][0],
        ): int(row["open_interest"])
        for row in found
    }
    plain = records(get(v3, interest("v3", "SPXW")))
    assert said == {
        (row["expiration"].replace("-", ""), float(row["strike"]), row["right"][0]): int(row["open_interest"])
        for row in plain
    }
    assert len(said) == len(found)


def test_some_contracts_have_no_row_and_some_have_nothing_open(v3):
    found = pl.DataFrame(records(get(v3, interest("v3", "SPXW"))))
    quoted = v3.market.contracts("SPXW", DAY)

    assert 0 < len(found) < len(quoted)
    assert {"0"} < set(found["open_interest"])
    assert set(found["timestamp"].str.head(16)) == {"2024-01-02T06:30"}


@pytest.mark.parametrize(
    ("kind", "api", "code"),
    [
        ("no-interest", "v3", 404),
        ("interest-tier", "v3", 403),
        ("interest-tier", "v2", 471),
        ("interest-500", "v2", 500),
    ],
)
def test_a_terminal_without_it(kind, api, code):
    with with_habits(api, kind) as terminal:
        assert codes(terminal, interest(api, "SPX"), interest(api, "SPXW", "20240119")) == [code, code]


def test_a_lesser_subscription_is_refused():
    with running(Settings(api="v3", size="tiny", tier="value")) as terminal:
        assert codes(terminal, interest("v3", "SPX")) == [403]


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_rows_come_twice_and_the_later_one_is_right(api, v3, v2):
    once = pl.DataFrame(records(get({"v3": v3, "v2": v2}[api], interest(api, "SPXW"))))
    with with_habits(api, "interest-twice") as terminal:
        found = pl.DataFrame(records(get(terminal, interest(api, "SPXW"))))

    assert len(found) == 2 * len(once)
    key = ["expiration", "strike", "right"]
    stamp = "timestamp" if api == "v3" else "ms_of_day"
    by_time = found.sort(*key, pl.col(stamp).cast(pl.Int64) if api == "v2" else stamp)
    last = by_time.unique(key, keep="last", maintain_order=True)
    assert last.select(*key, "open_interest").equals(once.sort(key).select(*key, "open_interest"))
