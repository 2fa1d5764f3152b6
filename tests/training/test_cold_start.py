"""A new shop from other shops' models: what is left out, how rows join, what is compared with what."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from features.schema import FEATURES, INDEX
from models.bundle import decode, encode
from tests.training.conftest import TEST, TRAIN, untold
from tests.training.logs import DAY, START_MS
from training.cold_start import evaluate_cold_start
from training.lake import Log
from training.portable import OWN_UNITS, together
from training.split import Window, split
from training.table import Table
from training.train import train

PORTABLE = {feature.name for feature in FEATURES if feature.unit not in OWN_UNITS}


def test_what_is_only_this_shops_is_left_out_and_what_all_shops_share_stays() -> None:
    assert not {"item_price", "cart_value", "session_price_max", "visitor_spent", "item_views", "time_hour"} & PORTABLE
    assert {"event_kind", "session_views", "item_buy_rate", "item_price_to_session", "time_gap_last_s"} <= PORTABLE


def test_portable_trees_ask_for_nothing_of_the_shops_own(log: Log, table: Table) -> None:
    found = train(log, table, TRAIN, 1, untold, only_portable=True, views=1)
    assert found.parts.about["portable"] is True
    used = {name for one in found.fitted.values() for name in one.importance}
    assert used and used <= PORTABLE
    bundle = decode(*encode(found.parts))
    spoilt = table.matrix[:200].copy()
    spoilt[:, [INDEX[f.name] for f in FEATURES if f.name not in PORTABLE]] = 1e9
    assert bundle.intent.probabilities_batch(spoilt) == pytest.approx(
        bundle.intent.probabilities_batch(table.matrix[:200])
    )


def test_shops_together_keep_their_rows_labels_and_slices_and_share_no_session(table: Table) -> None:
    parted = split(table.start_ms, table.end_ms, table.labels.session, TRAIN)
    both, joined = together((table, table), (parted, parted))
    n = len(table)
    assert len(both) == 2 * n and joined.hold.sum() == 2 * parted.hold.sum()
    assert not set(both.labels.session[:n]) & set(both.labels.session[n:])
    assert np.array_equal(both.labels.buy[n:], table.labels.buy)
    assert np.array_equal(both.matrix[n:], table.matrix, equal_nan=True)


@pytest.fixture(scope="module")
def same(log: Log, table: Table) -> dict[str, Any]:
    """A new shop that is as the other one."""
    return evaluate_cold_start(table, TRAIN, log, table, TEST, 1, untold)


def test_foreign_local_and_both_stand_beside_each_other_on_one_test(same: dict[str, Any]) -> None:
    found = json.loads(json.dumps(same, allow_nan=False))
    assert {"foreign", "local_1d", "both_1d", "local_4d", "both_all"} <= set(found["models"])
    assert found["skipped"]["30d"] == "reaches into the test"
    assert "at least 10 are needed" in found["skipped"]["1h"]
    counts = {one["stage"]["n"] for one in found["models"].values()}
    assert counts == {found["test"]["rows"]}
    day = found["models"]["local_1d"]
    foreign = found["models"]["foreign"]["intent"]["leave"]["auc"]
    assert day["ahead"]["leave"]["auc"] == pytest.approx(day["intent"]["leave"]["auc"] - foreign, abs=2e-6)


def test_local_models_overtake_foreign_ones_that_learned_the_opposite(
    log: Log, table: Table, same: dict[str, Any]
) -> None:
    """And not those that learned the same."""
    wrong = replace(table, labels=replace(table.labels, leave=(1 - table.labels.leave).astype(np.int8)))
    first = Window(START_MS, START_MS + 4 * DAY * 1000)
    against = evaluate_cold_start(wrong, first, log, table, TEST, 1, untold)
    assert against["overtakes"]["leave"]["auc"] is not None
    assert same["overtakes"]["leave"]["auc"] is None
