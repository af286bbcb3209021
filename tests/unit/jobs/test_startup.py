"""Jobs load what they need and no more."""

from tests.loading import loaded

_ARRAY_OF_A_LIST = "import pyarrow; pyarrow.array(['a', 'list'])"


def test_arrays_of_lists_are_made_without_pandas():
    assert "pandas" in loaded(_ARRAY_OF_A_LIST)

    assert "pandas" not in loaded(
        f"from spx_data.jobs import startup\nwith startup.without_pandas():\n    {_ARRAY_OF_A_LIST}"
    )


def test_pandas_is_back_after_the_block():
    assert "pandas" in loaded(
        "from spx_data.jobs import startup\nwith startup.without_pandas(): pass\nimport pandas"
    )


def test_no_garbage_is_looked_for_while_modules_are_loaded():
    modules = loaded(
        "import gc\nfrom spx_data.jobs import startup\n"
        "with startup.loading('decimal'): assert not gc.isenabled()\n"
        "assert gc.isenabled() and gc.get_freeze_count()"
    )

    assert "decimal" in modules


def test_no_stage_loads_what_it_has_no_use_for():
    stages = {
        "survey": {"polars", "spx_data.quality.panel", "spx_data.fill.preflight"},
        "download": {"spx_data.store.limits", "spx_data.quality.judgement"},
        "merge": {"requests", "urllib3", "spx_data.fill.survey", "spx_data.sources.session"},
    }

    for stage, useless in stages.items():
        modules = loaded(
            f"from spx_data.jobs import startup\nwith startup.without_pandas(): import spx_data.fill.{stage}"
        )

        assert modules.isdisjoint({"pandas", "scipy", "pandas_market_calendars", "snakemake", *useless})
