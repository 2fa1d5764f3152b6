"""The next milestone: what stands first in the rest of a session."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from tests.training.conftest import untold
from tests.training.logs import Did, log_of
from training.evaluate import Evaluation
from training.metrics_stage import resampled_macro_f1
from training.milestone import BASELINES, BUYS, CARTS, LEAVES, MILESTONES, VIEWS_ON, milestones
from training.table import build


def of(tmp_path: Path, *events: str) -> list[int]:
    """The milestones of one journey, an event a minute."""
    log = log_of(tmp_path, [Did(60 * n, event, "a") for n, event in enumerate(events)])
    table = build(log, untold)
    return [int(one) for one in milestones(log, table.labels)]


def test_the_first_of_cart_and_purchase_in_the_rest_is_the_milestone(tmp_path: Path) -> None:
    found = of(tmp_path, "view_item", "add_to_cart", "view_item", "purchase", "view_item", "page_view")
    assert found == [CARTS, BUYS, BUYS, VIEWS_ON, VIEWS_ON, LEAVES]


def test_a_session_without_either_views_on_until_it_leaves(tmp_path: Path) -> None:
    assert of(tmp_path, "view_item", "search", "view_item") == [VIEWS_ON, VIEWS_ON, LEAVES]


def test_what_another_session_does_is_no_milestone_of_this_one(tmp_path: Path) -> None:
    hour = 3600
    log = log_of(tmp_path, [Did(0, "view_item", "a"), Did(hour, "add_to_cart", "a")], [Did(5, "purchase", "b")])
    found = milestones(log, build(log, untold).labels)
    assert found.tolist() == [LEAVES] * 3


def test_steps_beyond_the_longest_prefix_still_count_as_the_rest(tmp_path: Path) -> None:
    log = log_of(tmp_path, [*(Did(n, "view_item", "a") for n in range(9)), Did(20, "purchase", "a")])
    table = build(log, untold, max_prefix=3)
    assert milestones(log, table.labels).tolist() == [BUYS] * 3


def test_resamples_of_weight_one_are_scikit_learns_macro_f1() -> None:
    rng = np.random.default_rng(2)
    truth, said, group = rng.integers(0, 4, 300), rng.integers(0, 4, 300), rng.integers(0, 30, 300)
    once = resampled_macro_f1(said, truth, 4, group, np.ones((1, 30)))
    assert once == pytest.approx([f1_score(truth, said, average="macro")])


def test_milestones_are_foreseen_better_than_a_static_map_sees_them(evaluation: Evaluation) -> None:
    one = evaluation.figures["milestone"]
    assert set(one["baselines"]) == set(one["ahead"]) == set(BASELINES)
    assert one["ahead"]["static_map"]["macro_f1_ci"][0] > 0
    assert one["macro_f1_ci"][0] <= one["macro_f1"] <= one["macro_f1_ci"][1]
    assert np.array(one["confusion"]).sum() == one["n"] == evaluation.figures["test"]["rows"]
    assert set(one["classes"]) == set(MILESTONES)
