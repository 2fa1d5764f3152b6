"""How trees grow: constraints hold, weights are by session, the search keeps what is not worse by chance."""

from dataclasses import replace

import numpy as np
import pytest

from features.schema import FEATURES, INDEX, N_FEATURES
from tests.training.conftest import TRAIN, untold
from training.boosting import Rows, grow, parameters, session_weights
from training.calibrate import unmapped
from training.fitted import Fitted, fit_output
from training.lake import Log
from training.plain_trees import PLAIN
from training.search import CHOICES, drawn_settings, search
from training.settings import RISES, Settings, default_settings
from training.split import Split, Window, split
from training.table import Table
from training.train import train


def falling(n: int = 6000, seed: int = 1) -> tuple[Rows, Split]:
    """Rows whose answer falls with item_buy_rate and rises with session_views."""
    rng = np.random.default_rng(seed)
    matrix = rng.random((n, N_FEATURES)).astype(np.float32)
    odds = 3 * matrix[:, INDEX["session_views"]] - 3 * matrix[:, INDEX["item_buy_rate"]]
    target = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(np.int8)
    hold = np.arange(n) >= n * 4 // 5
    return Rows(matrix, target, np.arange(n) // 3), Split(~hold, hold)


def along(model: Fitted, name: str) -> np.ndarray:
    """What a model says as one feature goes up and the others stand still, for 40 vectors. Shape (40, 30)."""
    vectors = np.random.default_rng(2).random((40, N_FEATURES)).astype(np.float32)
    steps = np.repeat(vectors, 30, axis=0)
    steps[:, INDEX[name]] = np.tile(np.linspace(0, 1, 30, dtype=np.float32), 40)
    return model.probabilities(steps)[:, 0].reshape(40, 30)


def fitted(settings: Settings) -> Fitted:
    rows, parted = falling()
    grown = grow(rows, parted, 1, 1, lambda share: None, settings)
    return Fitted(
        grown.text, unmapped(1), "identity", grown.rounds, grown.importance, grown.held, "", settings, grown.linear
    )


def test_what_may_only_rise_never_falls_even_where_the_data_fall() -> None:
    free = along(fitted(Settings()), "item_buy_rate")
    assert np.diff(free, axis=1).min() < -0.01
    bound = along(fitted(Settings(rises=("item_buy_rate",))), "item_buy_rate")
    assert np.diff(bound, axis=1).min() >= -1e-12


def test_a_trained_bundles_buy_rises_with_what_buyers_made_of_the_product(table: Table) -> None:
    parted = split(table.start_ms, table.end_ms, table.labels.session, TRAIN)
    one = fit_output(table, table.labels.buy, parted, 1, 1, lambda share: None, default_settings("intent_buy", 1))
    rows = np.repeat(table.matrix[:50], 20, axis=0)
    rows[:, INDEX["item_buy_rate"]] = np.tile(np.linspace(0, 1, 20, dtype=np.float32), 50)
    said = one.probabilities(rows)[:, 0].reshape(50, 20)
    assert np.diff(said, axis=1).min() >= -1e-12


def test_constraints_and_plain_features_name_features_that_there_are() -> None:
    names = {feature.name for feature in FEATURES}
    assert {name for rises in RISES.values() for name in rises} <= names
    assert set(PLAIN) <= names and len(set(PLAIN)) == 25
    with pytest.raises(ValueError, match="no such features: session_hats"):
        parameters(100, 1, 1, Settings(rises=("session_hats",)))


def test_a_long_session_weighs_less_a_row_and_rows_weigh_one_on_average() -> None:
    weight = session_weights(np.array([1, 1, 1, 1, 2]), -0.5)
    assert weight.mean() == pytest.approx(1.0)
    assert weight[4] == pytest.approx(2 * weight[0])


def test_weighted_rows_are_mended_by_calibration(log: Log, table: Table) -> None:
    """Weights shift what trees say; what the bundle says must still be how often it is so."""
    settings = {"intent_leave": replace(default_settings("intent_leave", 1), session_power=-1.0)}
    found = train(log, table, TRAIN, 1, untold, settings=settings)
    assert found.parts.about["models"]["intent_leave"]["settings"]["session_power"] == -1.0
    assert found.parts.about["figures"]["intent"]["leave"]["ece"] < 0.05


def test_drawn_settings_repeat_differ_from_the_default_and_only_grow_with_the_number() -> None:
    default = default_settings("intent_buy", 1)
    few, many = drawn_settings(default, 5, 1), drawn_settings(default, 12, 1)
    assert few == many[:5] and len(set(many)) == 12 and default not in many
    assert all(one.rises == default.rises for one in many)
    assert len(drawn_settings(default, 10_000, 1)) < 6000
    assert set(CHOICES) | {"rises"} == set(Settings.__dataclass_fields__)


def test_a_search_finds_what_helps_and_says_what_it_gained(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default too coarse to see anything is beaten."""
    blind = Settings(learning_rate=0.0001, leaves=2)
    monkeypatch.setattr("training.search.default_settings", lambda name, outputs: blind)
    found = search(table, TRAIN, 3, 1, untold)
    leave = found.about["models"]["intent_leave"]
    assert found.about["tried"] == 3 and leave["chosen"]
    assert leave["gain"] > leave["needed"] > leave["standard_error"] > 0
    assert found.settings["intent_leave"].leaves == leave["settings"]["leaves"] != 2


@pytest.mark.parametrize(
    "choices", [{"l2": (20.01, 20.02, 20.03)}, {"learning_rate": (0.01, 0.02, 0.03)}], ids=["the same", "worse"]
)
def test_a_search_keeps_the_default_where_nothing_is_better(
    table: Table, monkeypatch: pytest.MonkeyPatch, choices: dict[str, tuple[float, ...]]
) -> None:
    monkeypatch.setattr("training.search.CHOICES", choices)
    found = search(table, TRAIN, 3, 1, untold)
    assert not found.settings
    assert found.about["tried"] == 3
    assert all(one["gain"] <= one["needed"] for one in found.about["models"].values())


def test_a_search_repeats_and_stops_at_its_budget(table: Table) -> None:
    clock = iter(range(0, 1000, 60))
    stopped = search(table, TRAIN, 4, 1, untold, budget_s=90, clock=lambda: float(next(clock)))
    assert stopped.about["tried"] == 2
    again = search(table, TRAIN, 2, 1, untold)
    assert again.about["models"] == stopped.about["models"]


def test_a_search_on_too_few_sessions_leaves_the_defaults(table: Table) -> None:
    tiny = Window(TRAIN.since_ms, TRAIN.since_ms + 3_600_000)
    found = search(table, tiny, 3, 1, untold)
    assert (found.settings, found.about["reason"]) == ({}, "too few sessions to try settings on")
