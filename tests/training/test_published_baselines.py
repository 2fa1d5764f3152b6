"""The published methods on the shared shops, within 3 % of what published code reached there."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tact.cli import build
from training.evaluate_recommend import evaluate_recommend
from training.open_log import open_log
from training.split import Window

PUBLISHED = {
    "popularity": (0.011, 0.003),
    "sr": (0.167, 0.108),
    "ar": (0.184, 0.107),
    "als": (0.242, 0.178),
    "cosine": (0.302, 0.188),
    "vsknn": (0.314, 0.188),
    "vstan": (0.330, 0.216),
    "stan": (0.331, 0.214),
    "own_items": (0.389, 0.310),
}
"""HR@20 and MRR@20 frozen on RetailRocket, all targets; three digits are known."""


def ms(text: str) -> int:
    return int(np.datetime64(text, "ms").astype(np.int64))


def close(found: float, published: float) -> bool:
    return abs(found - published) <= 0.03 * published + 0.0005


@pytest.mark.slow
def test_the_baselines_reproduce_the_published_figures_on_retailrocket(shared_data: Path, tmp_path: Path) -> None:
    log, lake = shared_data / "retailrocket" / "events.csv.gz", tmp_path / "lake"
    imported = CliRunner().invoke(build(), ["import", str(log), "--lake", str(lake), "--shop", "rr"])
    assert imported.exit_code == 0, imported.output
    middle, end = ms("2015-06-04T06:00"), ms("2015-06-05T06:00")
    train, test = Window(ms("2015-06-01T06:00"), middle), Window(middle, end)
    shop = open_log(lake, "rr", end + 86_400_000)
    found = evaluate_recommend(shop, train, shop, test, 1, lambda name, share: None)
    frozen = found["frozen"]
    for name, (hit_rate, reciprocal_rank) in PUBLISHED.items():
        assert close(frozen[name]["hr20"], hit_rate), (name, frozen[name]["hr20"])
        assert close(frozen[name]["mrr20"], reciprocal_rank), (name, frozen[name]["mrr20"])
    assert close(frozen["stan"]["hr20_seen"], 0.618)
    assert close(frozen["stan"]["mrr20_seen"], 0.398)
    assert close(found["prequential"]["vstan"]["hr20"], 0.360)
    assert close(found["prequential"]["vstan"]["mrr20"], 0.231)
