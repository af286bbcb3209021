"""The section `symbols`: the settings of a lake for each of them, and what is refused in one line."""

import re
from pathlib import Path

import pytest

from spx_data import config
from spx_data.config import checking
from spx_data.errors import ConfigurationValidationError, SettingRefusedError
from spx_data.settings import Lakes, Settings, of_lake

SHARED = {"processing": {"start_date": "2024-01-02", "max_dte": 90}}


def lakes(symbols, **more):
    return Lakes.of(config.resolve(SHARED | more | {"symbols": symbols}, {}))


def test_without_symbols_there_is_one_lake_where_it_has_always_been():
    resolved = config.resolve(SHARED, {})
    found = Lakes.of(resolved)

    assert dict(found) == {"SPX": Settings.of(resolved)}
    assert not found.several
    assert found.patterns == found["SPX"].layout


def test_each_symbol_has_what_all_share_and_what_it_says_itself():
    own = {"max_dte": 60, "start_date": "2024-03-01", "quality": {"warn_below": 90}, "weight": 2}
    found = lakes({"SPX": None, "SPY": own}, priority={"age": 50})
    spx, spy = found.values()

    assert (spx.product.symbol, spx.max_dte, spx.quality.warn_below) == ("SPX", 90, 95)
    assert (spy.product.symbol, spy.max_dte, spy.quality.warn_below) == ("SPY", 60, 90)
    assert spy.start_date.isoformat() == "2024-03-01"
    assert (spy.quality.fail_below, spy.roots) == (80, ("SPY",))
    assert [weight / 2 for weight in spy.priority] == list(spx.priority) == [50, 20, 20]
    resolved = config.resolve(SHARED | {"priority": {"age": 50}, "symbols": {"SPX": {}, "SPY": own}}, {})
    assert of_lake(resolved, "SPY") == spy


def test_each_lake_is_in_a_folder_of_its_symbol_and_all_in_one_pattern():
    elsewhere = {"processing": {**SHARED["processing"], "output_directory": "/big/options"}}
    found = lakes({"SPX": {}, "SPY": {}}, **elsewhere)
    layout = found["SPY"].layout

    assert [str(path) for path in (layout.output, layout.temp, layout.data, layout.database)] == [
        "/big/options/SPY",
        "data/SPY/temp",
        "data/SPY",
        "data/SPY/spx-pipeline.db",
    ]
    pattern = str(found.patterns.parquet_pattern)
    filled = pattern.replace("{symbol}", "SPY").replace("{stem}", "spy-options")
    assert filled == str(layout.parquet_pattern)


@pytest.mark.parametrize(
    "symbols, said",
    [
        ({}, "symbols: {} is not allowed"),
        (None, "symbols: nothing stands below it"),
        ({"SPX": 5}, "symbols.SPX: 5 is not allowed"),
        ({"SPX": {"weight": "much"}}, "symbols.SPX.weight: 'much' is not allowed. Allowed: number above 0"),
        ({"SPX": {"weight": 0}}, "symbols.SPX.weight: 0 is not allowed"),
        ({"SPX": {"weight": True}}, "symbols.SPX.weight: true is not allowed"),
        ({"SPX": {"max_dt": 3}}, "symbols.SPX.max_dt: there is no such key. Did you mean max_dte?"),
        ({"SPX": {"data_directory": "x"}}, "symbols.SPX.data_directory: it is no symbol's own"),
        ({"SPX": {"thetadata": {}}}, "symbols.SPX.thetadata: there is no such key"),
        ({"SPX": {}, "ZZZ": {}}, "symbols.ZZZ: nobody has said what ZZZ is"),
        ({"SPX": {"roots": ["SPY"]}}, "symbols.SPX.roots: SPY is no root of SPX"),
        ({"SPX": {"start_date": "2025-01-02", "end_date": "2024-01-02"}}, "symbols.SPX.start_date: 2025"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_key(symbols, said):
    with pytest.raises(ConfigurationValidationError, match=re.escape(f"config: {said}")) as raised:
        lakes(symbols)

    assert "\n" not in str(raised.value)
    found = config.problems(SHARED | {"symbols": symbols}, {})
    assert str(raised.value) in map(str, found)


def test_a_call_names_some_of_them_and_no_others():
    every = SHARED | {"symbols": {"SPX": {}, "SPY": {"max_dte": 60}, "QQQ": {}}}

    for named in ("SPY, SPX", ["SPY", "SPX"], "SPY,SPX,SPY"):
        assert config.merged([every, {"symbols": named}])["symbols"] == {"SPY": {"max_dte": 60}, "SPX": {}}
    with pytest.raises(
        ConfigurationValidationError, match=r"'IWM' is none of this config's symbols\. They are"
    ):
        config.merged([every, {"symbols": "IWM"}])
    with pytest.raises(ConfigurationValidationError, match="the config has no section for symbols"):
        config.merged([SHARED, {"symbols": "SPX"}])
    with pytest.raises(
        SettingRefusedError, match=r"'IWM' is no symbol of this config\. Name one of SPX, SPY, QQQ"
    ):
        Lakes.of(config.resolve(every, {})).only("IWM")


def test_two_symbols_with_one_directory_and_a_symbol_twice_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = Path("mine.yaml")
    mine.write_text("processing: {start_date: 2024-01-02}\nsymbols:\n  SPX: {}\n  SPY: {}\n")
    Path("data/SPX").mkdir(parents=True)
    Path("data/SPY").symlink_to("SPX")

    with pytest.raises(ConfigurationValidationError, match=r"symbols\.SPY: its directory is that of SPX"):
        checking.checked([mine], {})
    Path("data/SPY").unlink()
    assert list(checking.checked([mine], {})["symbols"]) == ["SPX", "SPY"]

    mine.write_text(mine.read_text() + "  SPX: {max_dte: 3}\n")
    with pytest.raises(ConfigurationValidationError, match=r"mine.yaml line 5: symbols.SPX: it stands there"):
        checking.checked([mine], {})
