import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.events import CODE
from features.lakefile import write_events
from models.intent import INTENTS
from tests.training.conftest import TEST, TRAIN, untold
from tests.training.logs import DAY, START_MS, Did, log_of, shop_lake, shop_rows
from training.card import completed
from training.check_data import Report
from training.check_finding import Finding
from training.evaluate import Evaluation, evaluate, evaluate_next
from training.lake import Log
from training.leaks import look
from training.open_log import open_log
from training.report import render
from training.split import TooLittleData, Window
from training.table import Table, build

EARLY = Window(TRAIN.since_ms, TRAIN.since_ms + DAY * 1000)
LATE = Window(EARLY.until_ms, EARLY.until_ms + DAY * 1000)
"""Short windows, where what is asked does not depend on how much was learned."""


def test_figures_have_the_keys_that_machines_read(evaluation: Evaluation) -> None:
    figures = json.loads(json.dumps(evaluation.figures, allow_nan=False))
    for name in ("buy", "cart", "leave", "help"):
        assert {"auc", "average_precision", "ece", "base_rate", "n"} <= set(figures["intent"][name])
        assert {"base_rate", "static_map", "logistic", "plain_trees"} == set(figures["intent"][name]["baselines"])
    assert {"macro_f1", "log_loss", "macro_f1_ci", "log_loss_ci"} <= set(figures["stage"])
    stages = {"majority", "static_map", "logistic", "plain_trees", "plain_trees_weighted"}
    assert stages == set(figures["stage"]["baselines"])
    for name in ("tact", "popularity", "own_items", "cosine"):
        assert {"hr5", "mrr5", "hr20", "mrr20", "hr20_ci", "hr20_seen"} <= set(figures["recommend"]["frozen"][name])


def test_what_can_be_learned_is_learned_and_beats_the_static_map(evaluation: Evaluation) -> None:
    buy = evaluation.figures["intent"]["buy"]
    assert buy["auc_ci"][0] > 0.6
    assert buy["ahead"]["static_map"]["auc_ci"][0] > 0
    stage = evaluation.figures["stage"]
    assert stage["ahead"]["majority"]["macro_f1_ci"][0] > 0


def test_intervals_hold_their_figure(evaluation: Evaluation) -> None:
    for name in ("buy", "cart", "leave"):
        one = evaluation.figures["intent"][name]
        for measure in ("auc", "average_precision"):
            low, high = one[f"{measure}_ci"]
            assert low <= one[measure] <= high


def test_evaluating_again_gives_the_same_figures(log: Log, table: Table, evaluation: Evaluation) -> None:
    """Of recommendations: test_evaluate_recommend."""
    again = evaluate(log, table, TRAIN, log, table, TEST, 1, untold, what="models").figures
    assert again == {key: value for key, value in evaluation.figures.items() if key != "recommend"}


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
    leave = evaluate(log, shuffled, TRAIN, log, shuffled, TEST, 1, untold, what="models").figures["intent"]["leave"]
    assert leave["auc_ci"][0] - 0.02 < 0.5 < leave["auc_ci"][1] + 0.02


def test_another_shop_can_be_tested_on(log: Log, table: Table, tmp_path: Path) -> None:
    other = open_log(shop_lake(tmp_path, 400, seed=7, shop="hats"), "hats")
    found = evaluate(log, table, TRAIN, other, build(other, untold), TEST, 1, untold, what="models").figures
    assert found["intent"]["buy"]["auc"] > 0.6
    assert found["test"]["sessions"] < 400


def test_items_that_training_never_saw_leave_the_seen_figures_null(log: Log, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    rows = [replace(row, item_id=f"other-{row.item_id}") for row in shop_rows(200, seed=8, shop="toys")]
    write_events(lake, rows, "test")
    other = open_log(lake, "toys")
    found = evaluate_next(log, TRAIN, other, TEST, 1, untold).figures["recommend"]["frozen"]
    assert found["tact_without_own"]["hr20"] == 0.0
    assert found["tact"]["hr20"] <= found["own_items"]["hr20"]  # what the visitor returns to needs no training
    assert found["tact"]["hr20_seen"] is None
    assert found["tact"]["reason"] == "training saw none of the targets"


def test_figures_that_cannot_be_computed_are_null_with_a_reason(log: Log, table: Table) -> None:
    silent = replace(table, labels=replace(table.labels, help=np.zeros_like(table.labels.help)))
    found = evaluate(log, silent, TRAIN, log, silent, TEST, 1, untold, what="models")
    one = found.figures["intent"]["help"]
    assert (one["auc"], one["average_precision"], one["reason"]) == (None, None, "no positives")
    assert one["baselines"]["logistic"]["reason"]
    for figures in (one, *one["baselines"].values(), *one["ahead"].values()):
        assert all(figures[f"{measure}_ci"] is None for measure in ("auc", "average_precision", "ece"))
    assert "cannot be judged on this log (no positives: constant)" in render(found, "s")


def test_every_key_is_there_with_and_without_a_figure(log: Log, evaluation: Evaluation) -> None:
    """No products viewed, one stage, and every intent a no."""
    other = log.records["kind"] != CODE["view_item"]
    poor = replace(log, records=log.records[other], visitor=log.visitor[other], session=log.session[other])
    bare = build(poor, untold)
    silent = {name: np.zeros_like(bare.labels.buy) for name in (*INTENTS, "stage")}
    none = replace(bare, labels=replace(bare.labels, **silent))
    found = evaluate(poor, none, TRAIN, poor, none, TEST, 1, untold).figures
    full = evaluation.figures
    for name in ("buy", "leave"):
        assert keys_of(found["intent"][name]) >= keys_of(full["intent"][name])
    assert keys_of(found["stage"]) >= keys_of(full["stage"])
    for part in ("milestone", "early_warning"):
        assert keys_of(found[part]) >= keys_of(full[part])
    assert found["early_warning"]["hesitation"]["reason"]
    assert keys_of(found["recommend"]) >= keys_of(full["recommend"])
    assert found["recommend"]["frozen"]["tact"]["mrr20_seen"] is None
    assert found["stage"]["baselines"]["logistic"]["reason"]
    json.dumps(found, allow_nan=False)


def keys_of(figures: object, path: str = "") -> set[str]:
    """Paths of all keys but those of lists, of stages' names and of features."""
    if not isinstance(figures, dict):
        return set()
    left_out = ("importance", "classes")
    return {f"{path}/{key}" for key in figures} | {
        found for key, value in figures.items() if key not in left_out for found in keys_of(value, f"{path}/{key}")
    }


def test_max_prefix_is_the_option_not_what_was_found(log: Log) -> None:
    assert evaluate_next(log, EARLY, log, LATE, 1, untold, 500).figures["max_prefix"] == 500
    table = build(log, untold, 500)
    assert evaluate(log, table, EARLY, log, table, LATE, 1, untold, 500, "models").figures["max_prefix"] == 500


def test_recommendations_are_tested_on_sessions_that_began_in_the_window(tmp_path: Path) -> None:
    journeys = [[Did(n * 3600, "view_item", "a"), Did(n * 3600 + 5, "view_item", "b")] for n in range(60)]
    over = [Did(40 * 3600 - 60 + 20 * n, "view_item", f"o{n}") for n in range(9)]
    log = log_of(tmp_path, *journeys, over)
    middle, end = START_MS + 40 * 3600_000, START_MS + 60 * 3600_000
    found = evaluate_next(log, Window(START_MS, middle), log, Window(middle, end), 1, untold).figures
    assert found["recommend"]["frozen"]["n"] == found["recommend"]["frozen"]["sessions"] == 20


def test_a_report_of_an_uncalibrated_model_says_so(evaluation: Evaluation) -> None:
    figures = evaluation.figures
    plain = {name: {**one, "calibrated_by": "identity"} for name, one in figures["intent"].items()}
    page = render(Evaluation({**figures, "intent": plain}, evaluation.scored), "s")
    assert "not calibrated" in page and "by identity" not in page


def test_a_test_window_without_sessions_is_refused(log: Log, table: Table) -> None:
    with pytest.raises(TooLittleData, match=r"test window.*; the log goes from 2023-11-14"):
        evaluate(log, table, TRAIN, log, table, Window(10**13, 10**13 + 1), 1, untold)


def test_the_report_is_one_page_without_scripts_or_other_files(evaluation: Evaluation) -> None:
    page = render(evaluation, "Evaluation of <s>")
    assert "<script" not in page
    assert "Evaluation of &lt;s&gt;" in page
    sources = re.findall(r'(?:src|href)="([^"]*)"', page) + re.findall(r"url\(([^)]*)\)", page)
    assert page.count("<svg") >= 10
    assert all(source.startswith("#") for source in sources)
    assert "http" not in page and "@import" not in page
    ids = re.findall(r'id="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_the_report_follows_the_readers_light_or_dark_mode(evaluation: Evaluation) -> None:
    """Every colour of a picture is the page's own, which has two sets of them."""
    page = render(evaluation, "s")
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert "prefers-color-scheme:dark" in page and "var(--ours)" in drawn
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) <= {"#ffffff"}


def test_the_same_evaluation_gives_the_same_page(evaluation: Evaluation) -> None:
    assert render(evaluation, "s") == render(evaluation, "s")


def test_parts_without_figures_are_left_out_and_unknown_parts_are_shown_as_they_are(evaluation: Evaluation) -> None:
    figures = {"recommend": evaluation.figures["recommend"], "cold_start": {"hats_on_shoes": {"buy": {"auc": 0.71}}}}
    page = render(Evaluation(figures, {}), "s")
    assert 'id="recommend-frozen"' in page and 'id="stage"' not in page and "Intent:" not in page
    assert "Cold start" in page and "hats on shoes" in page and "0.710" in page


def test_the_other_parts_say_what_their_figures_say(evaluation: Evaluation) -> None:
    rule = {"lead_events": 0.2, "lead_events_ci": [0.1, 0.3], "warned": 0.1, "caught": 0.3, "false_alarms": 0.09}
    warning = {**rule, "lead_events": 1.25, "n": 90, "rate": 0.1, "baselines": {"pause": rule}}
    nothing = {"lead_events": None, "n": 0, "reason": "no session of the test ends so", "baselines": {}}
    milestone = {
        "macro_f1": 0.545,
        "baselines": {"hand_rule": {"macro_f1": 0.428}},
        "ahead": {"hand_rule": {"macro_f1": 0.117, "macro_f1_ci": [0.1, 0.13]}},
        "confusion": [[3, 1], [0, 0]],
        "milestones": ["leaves", "views_on"],
    }
    early = {"leave": warning, "hesitation": nothing}
    page = render(Evaluation({"milestone": milestone, "early_warning": early}, {}), "s")
    for words in ("0.545", "ahead of rule by hand", "+0.117", "views on", "1.250", "no session of the test ends so"):
        assert words in page


def test_the_card_and_the_data_checks_are_in_the_report(log: Log, table: Table, evaluation: Evaluation) -> None:
    found = Report("s", 9, "", "", (Finding.bad("warning", 3, 9, "three <odd>", "Look.", None),))
    assert evaluation.trained is not None
    parts = completed(evaluation.trained, table, found, look(log, table, evaluation.trained, untold))
    page = render(evaluation, "s", parts.about, found)
    for words in ("three &lt;odd&gt;", "What each model looks at", "Known limits", "have the same bits"):
        assert words in page


def test_the_report_says_what_the_figures_say(evaluation: Evaluation) -> None:
    page = render(evaluation, "s")
    assert f"{evaluation.figures['intent']['buy']['auc']:.3f}" in page
    assert f"{evaluation.figures['stage']['macro_f1']:.3f}" in page
    assert f"{evaluation.figures['recommend']['frozen']['tact']['hr20']:.3f}" in page
    assert "user ids" in page
    assert not re.search(r"\bnan\b", page.lower())
