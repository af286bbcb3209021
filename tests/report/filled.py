"""Lakes of real sealed days, filled by a simulated terminal."""

import json

from tests.conftest import TODAY
from tests.rules.conftest import Date

import theta_simulator
from spx_data import config
from spx_data.settings import Settings
from theta_simulator import Blemish


def filled(folder, *dates, start=None, interval="1m", second_opinions=100, **keys):
    """Return the settings of a lake in *folder* that begins at *start*, these dates filled; else the first.

    *keys* are the terminal's; *blemishes* among them are kinds by name.
    """
    kinds = keys.pop("blemishes", ())
    blemishes = tuple(Blemish(kind, seed=number) for number, kind in enumerate(kinds))
    terminal = theta_simulator.Settings(**{"size": "tiny", "today": TODAY, "blemishes": blemishes} | keys)
    with theta_simulator.running(terminal) as running:
        document = {
            "thetadata": {"base_url": running.url, "retry_wait_factor": 0},
            "processing": {
                "start_date": start or dates[0],
                "end_date": dates[-1],
                "interval": interval,
                "second_opinions": second_opinions,
                "output_directory": folder / "parquet",
                "temp_directory": folder / "temp",
                "data_directory": folder,
            },
            "database": {"path": folder / "status.db"},
        }
        settings = Settings.of(config.resolve(json.loads(json.dumps(document, default=str)), {}))
        for date in dates:
            Date(settings, date).fill()
    return settings
