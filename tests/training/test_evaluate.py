import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.lakefile import write_events
from tests.training.conftest import TEST, TRAIN, untold
from tests.training.logs import shop_lake, shop_rows
from training.evaluate import Evaluation, evaluate
from training.lake import Log
from training.open_log import open_log
from training.report import render
from training.split import TooLittleData, Window
from training.table import Table, build


def test_figures_have_the_keys_that_machines_read(evaluation: Evaluation) -> None:
    figures = json.loads(json.dumps(evaluation.figures, allow_nan=False))
    for name in ("buy", "leave", "help"):
        assert {"auc", "average_precision", "ece", "base_rate", "n"} <= set(figures["intent"][name])
        assert {"base_rate", "static_map", "logistic"} == set(figures["intent"][name]["baselines"])
    assert {"macro_f1", "log_loss", "macro_f1_ci", "log_loss_ci"} <= set(figures["stage"])
    assert {"majority", "static_map", "logistic"} == set(figures["stage"]["baselines"])
    for name in ("tact", "popularity", "own_items", "cosine"):
        assert {"hr5", "mrr5", "hr20", "mrr20", "hr20_ci", "hr20_seen"} <= set(figures["recommend"]["frozen"][name])


def test_what_can_be_learned_is_learned_and_beats_the_static_map(evaluation: Evaluation) -> None:
    buy = evaluation.figures["intent"]["buy"]
    assert buy["auc_ci"][0] > 0.6
    assert buy["ahead"]["static_map"]["auc_ci"][0] > 0
    stage = evaluation.figures["stage"]
    assert stage["ahead"]["majority"]["macro_f1_ci"][0] > 0


def test_intervals_hold_their_figure(evaluation: Evaluation) -> None:
    for name in ("buy", "leave"):
        one = evaluation.figures["intent"][name]
        for measure in ("auc", "average_precision"):
            low, high = one[f"{measure}_ci"]
            assert low <= one[measure] <= high


def test_evaluating_again_gives_the_same_figures(log: Log, table: Table, evaluation: Evaluation) -> None:
    assert evaluate(log, table, TRAIN, log, table, TEST, 1, untold).figures == evaluation.figures


def test_train_and_test_share_no_session(log: Log, table: Table, evaluation: Evaluation) -> None:
    train, test = evaluation.figures["train"], evaluation.figures["test"]
    assert train["until"] <= test["since"]
    starts = table.start_ms
    assert test["rows"] == int(TEST.holds(starts).sum())
    assert train["rows"] <= int(TRAIN.holds(starts).sum())


def test_shuffled_labels_are_found_to_be_unpredictable(log: Log, table: Table) -> None:
    """The pipeline finds nothing where there is nothing: a leak in the split or the features would show here."""
    rng = np.random.default_rng(1)
    shuffled = replace(table, labels=replace(table.labels, leave=rng.integers(0, 2, len(table)).astype(np.int8)))
    leave = evaluate(log, shuffled, TRAIN, log, shuffled, TEST, 1, untold).figures["intent"]["leave"]
    assert leave["auc_ci"][0] - 0.02 < 0.5 < leave["auc_ci"][1] + 0.02


def test_another_shop_can_be_tested_on(log: Log, table: Table, tmp_path: Path) -> None:
    other = open_log(shop_lake(tmp_path, 400, seed=7, shop="hats"), "hats")
    found = evaluate(log, table, TRAIN, other, build(other, untold), TEST, 1, untold).figures
    assert found["intent"]["buy"]["auc"] > 0.6
    assert found["test"]["sessions"] < 400


def test_items_that_training_never_saw_leave_the_seen_figures_null(log: Log, table: Table, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    rows = [replace(row, item_id=f"other-{row.item_id}") for row in shop_rows(200, seed=8, shop="toys")]
    write_events(lake, rows, "test")
    other = open_log(lake, "toys")
    found = evaluate(log, table, TRAIN, other, build(other, untold), TEST, 1, untold).figures["recommend"]["frozen"]
    assert found["tact"]["hr20"] == 0.0
    assert found["tact"]["hr20_seen"] is None
    assert found["tact"]["reason"] == "training saw none of the targets"


def test_figures_that_cannot_be_computed_are_null_with_a_reason(log: Log, table: Table) -> None:
    silent = replace(table, labels=replace(table.labels, help=np.zeros_like(table.labels.help)))
    found = evaluate(log, silent, TRAIN, log, silent, TEST, 1, untold)
    one = found.figures["intent"]["help"]
    assert (one["auc"], one["average_precision"], one["reason"]) == (None, None, "no positives")
    assert one["baselines"]["logistic"]["reason"]
    assert "cannot be judged on this log (no positives: constant)" in render(found, "s")


def test_a_test_window_without_sessions_is_refused(log: Log, table: Table) -> None:
    with pytest.raises(TooLittleData, match="test window"):
        evaluate(log, table, TRAIN, log, table, Window(10**13, 10**13 + 1), 1, untold)


def test_the_report_is_one_page_without_scripts_or_other_files(evaluation: Evaluation) -> None:
    page = render(evaluation, "Evaluation of <s>")
    assert "<script" not in page
    assert "Evaluation of &lt;s&gt;" in page
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) >= 10
    assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_the_report_says_what_the_figures_say(evaluation: Evaluation) -> None:
    page = render(evaluation, "s")
    assert f"{evaluation.figures['intent']['buy']['auc']:.4f}" in page
    assert f"{evaluation.figures['stage']['macro_f1']:.4f}" in page
    assert f"{evaluation.figures['recommend']['frozen']['tact']['hr20']:.4f}" in page
    assert "user ids" in page
    assert "nan" not in re.sub(r'"data:[^"]*"', "", page).lower()
