"""The output tree walked: which dates it holds, and what is no part of the lake."""

import datetime as dt
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests import strangers
from tests.sealed_days import seal

from spx_data.store import files, tree
from spx_data.store.layout import Layout
from spx_data.text.words import quoted

DAYS = (dt.date(2024, 11, 26), dt.date(2024, 11, 27))


@pytest.fixture
def settings(lake):
    """Return the settings of a lake with two days."""
    made = lake()
    for date in DAYS:
        seal(made, date)
    return made


def test_a_lake_of_sealed_days_has_no_strangers(settings):
    files.write_json(settings.layout.dataset, {})

    walked = tree.walk(settings.layout)

    assert (walked.dates, walked.strangers, walked.words) == (DAYS, (), "")


def test_a_lake_that_is_not_there_holds_nothing(lake):
    assert tree.walk(lake().layout) == tree.Tree()


def test_dates_are_oldest_first_and_stand_in_their_own_folders_alone(lake):
    layout = lake().layout
    dates = [dt.date(2024, 1, 3), dt.date(2023, 12, 29), dt.date(2024, 1, 2)]
    others = [
        "2024/01/04/spx-options-2024-01-05.parquet",
        "2024/01/02/x.parquet",
        "spx-options-2024-01-08.json",
    ]
    for path in [*map(layout.parquet, dates), *(layout.output / name for name in others)]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    walked = tree.walk(layout)

    assert walked.dates == tuple(sorted(dates))
    assert {stranger.path for stranger in walked.strangers} == {layout.output / name for name in others}


@pytest.mark.parametrize("kind", ["parquet", "sidecar", "passport"])
def test_one_of_a_dates_three_files_makes_it_a_date(kind, lake):
    layout = lake().layout
    files.write_text(getattr(layout, kind)(DAYS[0]), "")

    assert tree.dates(layout) == DAYS[:1]


def test_every_kind_of_stranger_is_named_and_no_date_is_made_of_one(settings):
    put, caught = strangers.put_beside(settings.layout.parquet(DAYS[1]))

    walked = tree.walk(settings.layout)

    assert walked.dates == DAYS
    assert sorted(stranger.path for stranger in walked.strangers) == put
    assert walked.caught == caught
    assert not walked.more
    assert [stranger.caught > 0 for stranger in walked.strangers] == sorted(
        (stranger.caught > 0 for stranger in walked.strangers), reverse=True
    )


def test_what_is_being_written_is_no_stranger(settings):
    layout = settings.layout
    for path in (*layout.sealed_files(DAYS[0]), layout.dataset):
        files.part_of(path).touch()

    assert not tree.walk(layout).strangers


def test_a_parquet_without_a_sidecar_is_a_date_that_is_not_sealed(settings):
    settings.layout.sidecar(DAYS[1]).unlink()

    walked = tree.walk(settings.layout)

    assert (walked.dates, walked.unsealed, walked.strangers) == (DAYS, DAYS[1:], ())


def test_a_day_that_icloud_took_away_is_no_stranger(settings):
    for path in settings.layout.sealed_files(DAYS[0]):
        path.rename(path.with_name(f".{path.name}.icloud"))

    assert tree.walk(settings.layout) == tree.Tree(DAYS)


def test_an_empty_folder_is_nothing(settings):
    for name in ("2024/11/30", "2024/11/30 2", "2025", "my folder/inside"):
        (settings.layout.output / name).mkdir(parents=True)

    assert tree.walk(settings.layout) == tree.Tree(DAYS)


def test_a_year_on_another_disk_is_part_of_the_lake(settings, tmp_path):
    output = settings.layout.output
    (output / "2024").rename(tmp_path / "elsewhere")
    (output / "2024").symlink_to(tmp_path / "elsewhere")

    assert tree.walk(settings.layout) == tree.Tree(DAYS)


def test_a_link_that_leads_back_to_the_lake_ends(settings):
    output = settings.layout.output
    (output / "again").symlink_to(output)
    (output / "2025").symlink_to(output / "2025")
    (output / "2024" / "12").symlink_to(output / "2024")

    walked = tree.walk(settings.layout)

    assert walked.dates == DAYS
    through = {output / "2024" / "12" / name for name in ("11/26", "11/27", "12/11", "12/12")}
    assert {stranger.path for stranger in walked.strangers} == {output / "again", output / "2025", *through}


def test_a_whole_disk_beside_the_days_is_not_counted_to_its_end(settings):
    folder = settings.layout.output / "photos"
    folder.mkdir()
    for number in range(1_200):
        (folder / f"{number}.parquet").touch()

    walked = tree.walk(settings.layout)

    assert (walked.dates, walked.files, walked.more) == (DAYS, 1_000, True)
    assert walked.words.startswith("more than 1,000 files are no part of this lake")


@pytest.mark.parametrize("where", ["data", "temp"])
def test_rooms_of_the_lake_inside_of_its_output_directory_are_no_strangers(where, tmp_path, lake):
    output = tmp_path / "parquet"
    keys = {f"{where}_directory": str(output / where)}
    settings = lake(output_directory=str(output), **keys)
    seal(settings, DAYS[0])
    (output / where).mkdir(exist_ok=True)
    (output / where / "mine.parquet").touch()

    assert not tree.walk(settings.layout).strangers


def test_in_a_lake_of_one_folder_only_parquets_are_told_from_its_own_files(tmp_path):
    layout = Layout(tmp_path, tmp_path, tmp_path, tmp_path / "status.db")
    ours = [
        layout.run_note,
        layout.journal(DAYS[0]),
        layout.listing(DAYS[0]),
        layout.dataset,
        layout.database,
    ]
    for path in (*layout.sealed_files(DAYS[0]), *ours, tmp_path / "copy.parquet"):
        files.write_text(path, "")

    walked = tree.walk(layout)

    assert walked.dates == DAYS[:1]
    assert [stranger.path.name for stranger in walked.strangers] == ["copy.parquet"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become somebody else")
def test_a_folder_that_may_not_be_read_is_a_stranger_and_no_crash():
    script = (
        "import os, sys; from pathlib import Path; from spx_data.store import tree;"
        "from spx_data.store.layout import Layout; p = Path(sys.argv[1]); os.setuid(65534);"
        "w = tree.walk(Layout(p, p / 't', p / 'd', p / 'x.db'));"
        "print(*w.dates, *(s.path for s in w.strangers))"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        open_, closed = Path(folder, "2024", "11", "27"), Path(folder, "2024", "12")
        open_.mkdir(parents=True)
        (open_ / "spx-options-2024-11-27.parquet").touch()
        closed.mkdir(mode=0o700)

        said = subprocess.run(
            [sys.executable, "-c", script, folder],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )

    assert said.stdout.split() == ["2024-11-27", str(closed)], said.stderr


# Words --------------------------------------------------------------------------------------------------


def test_a_stranger_is_told_in_one_line_with_its_name_as_a_shell_takes_it(settings):
    parquet = settings.layout.parquet(DAYS[0])
    (parquet.parent / f"{parquet.stem} 2.parquet").touch()

    assert tree.walk(settings.layout).words == (
        f"1 file is no part of this lake ('{parquet.parent}/{parquet.stem} 2.parquet'); "
        "globs for *.parquet, in DuckDB or Polars, would read it"
    )


def test_many_strangers_are_a_few_names_and_a_number(settings):
    folder = settings.layout.parquet(DAYS[0]).parent
    for number in range(5):
        (folder / f"{number}.txt").touch()
    (folder / "x.parquet").touch()

    words = tree.walk(settings.layout).words

    assert words.startswith(
        f"6 files are no part of this lake ({folder}/x.parquet, {folder}/0.txt, {folder}/1.txt and 3 more); "
    )
    assert words.endswith("would read 1 of them")


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "a b",
        "it's",
        'say "x"',
        "$HOME",
        "new\nline",
        "Icon\r",
        "caf\udce9.txt",
        "é",
        "\\n\t'",
        "-rf",
        "\u00a0",
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_quoted_name_is_that_name_to_a_shell(name, shell, tmp_path):
    if not any((os.access(f"{folder}/{shell}", os.X_OK)) for folder in os.environ["PATH"].split(":")):
        pytest.skip(f"there is no {shell} here")
    spelt = quoted(name)

    said = subprocess.run([shell, "-c", f"printf %s {spelt}"], capture_output=True, check=True).stdout

    assert said == os.fsencode(name)
    assert spelt.isprintable()
