from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from features.schema import INDEX
from models.bundle import Bundle, Parts, decode, encode
from models.calibration import Calibration
from models.ranker import COLUMNS
from models.recommend import ItemIndex
from models.session_index import SessionIndex
from tests.training.conftest import TEST, TRAIN, untold
from training.card import completed
from training.check_data import Report
from training.fit_ranker import Groups, fit
from training.gate import HOW_TO_COMPARE, Check, _judged, compare_items, decided, judge
from training.gate_views import later_views, shared_index
from training.lake import Log
from training.leaks import look
from training.moments import iso
from training.replay_views import Touches
from training.table import Table
from training.train import Trained, train

NONE = 1
"""Views for the ranker to learn from, where it is not looked at: too few to make one."""

NO_CHECKS = Report("s", 0, "", "", ())


def bundle_of(parts: Parts, change: Callable[[dict[str, Any]], None] | None = None) -> Bundle:
    """A bundle, its manifest changed first if asked."""
    about = {**parts.about, "figures": _copy(parts.about["figures"])}
    if change is not None:
        change(about)
    return decode(*encode(replace(parts, about=about)))


def _copy(values: Any) -> Any:
    return {key: _copy(value) for key, value in values.items()} if isinstance(values, dict) else values


def refused(checks: tuple[Check, ...]) -> list[str]:
    return [check.name for check in checks]


@pytest.fixture(scope="module")
def later(table: Table) -> Table:
    return table.where(TEST.holds(table.start_ms))


@pytest.fixture(scope="module")
def worse(log: Log, table: Table) -> Bundle:
    """A bundle trained on vectors that were shuffled among rows: it knows nothing."""
    shuffled = table.matrix[np.random.default_rng(1).permutation(len(table))]
    return bundle_of(train(log, replace(table, matrix=shuffled), TRAIN, 1, untold, views=NONE).parts)


def test_a_first_sound_bundle_passes(trained: Trained) -> None:
    verdict = judge(bundle_of(trained.parts), None, None)
    assert verdict.passed
    assert Check("against live", None, "nothing is live for this shop yet") in verdict.checks


def test_a_bundle_of_another_shop_is_refused(trained: Trained) -> None:
    verdict = judge(bundle_of(trained.parts), None, None, "hats")
    assert [(check.name, check.detail) for check in verdict.refusals] == [
        ("shop", "it learned from shop 's', not from 'hats'")
    ]
    for shop in ("s", "default"):
        assert judge(bundle_of(trained.parts), None, None, shop).passed


def test_what_was_compared_with_nothing_carries_a_warning(trained: Trained, worse: Bundle, later: Table) -> None:
    assert judge(bundle_of(trained.parts), None, None).uncompared == "nothing is live for this shop yet"
    assert "0 later sessions" in judge(bundle_of(trained.parts), worse, None).uncompared
    assert judge(bundle_of(trained.parts), worse, later).uncompared == ""


def test_a_worse_bundle_is_refused_on_the_same_later_sessions(trained: Trained, worse: Bundle, later: Table) -> None:
    verdict = judge(worse, bundle_of(trained.parts), later)
    assert not verdict.passed
    assert "buy auc against live" in refused(verdict.refusals)
    detail = next(check.detail for check in verdict.refusals if check.name == "buy auc against live")
    assert "worse by 0." in detail and "95 % interval -" in detail and "margin 0.01" in detail


def test_a_better_bundle_passes_on_the_same_later_sessions(trained: Trained, worse: Bundle, later: Table) -> None:
    verdict = judge(bundle_of(trained.parts), worse, later)
    assert not [check for check in verdict.refusals if "against live" in check.name]


def test_an_equal_bundle_passes(log: Log, table: Table, trained: Trained, later: Table) -> None:
    other = bundle_of(train(log, table, TRAIN, 5, untold, views=NONE).parts)
    verdict = judge(other, bundle_of(trained.parts), later)
    assert verdict.passed, verdict.refusals


def judged_of(difference: float, errors: list[float]) -> list[Check]:
    """Verdicts on figures that are all so much better, each with a standard deviation; NaN: not resampled."""
    rng = np.random.default_rng(1)
    runs = [difference + rng.standard_normal(200) * error for error in errors]
    return decided([_judged("x", "auc", 0.7 + difference, 0.7, one) for one in runs])


def test_equal_bundles_are_seldom_refused_however_many_figures_are_compared() -> None:
    rng, refusals = np.random.default_rng(2), 0
    for _ in range(400):
        luck = rng.standard_normal(15) * 0.02
        found = [_judged("x", "auc", 0.7 + d, 0.7, d + rng.standard_normal(200) * 0.02) for d in luck]
        refusals += any(check.passed is False for check in decided(found))
    assert refusals / 400 < 0.09


def test_a_difference_is_refused_beyond_the_margin_and_beyond_chance_only() -> None:
    assert [one.verdict for one in judged_of(-0.03, [0.005] * 15)] == ["refused"] * 15
    assert [one.verdict for one in judged_of(-0.009, [0.001])] == ["passed"]
    assert [one.verdict for one in judged_of(-0.03, [0.0135])] == ["refused"]
    assert {one.verdict for one in judged_of(-0.03, [0.0135] * 15)} == {"passed"}


def test_what_could_not_be_resampled_is_not_told() -> None:
    assert [one.verdict for one in judged_of(-0.3, [np.nan, 0.01])] == ["not told", "refused"]
    assert [one.verdict for one in judged_of(-0.3, [np.nan])] == ["not told"]


def test_a_difference_is_told_as_better_or_worse_and_never_as_a_negative_gain() -> None:
    better, worse, same = (judged_of(difference, [0.01])[0].detail for difference in (0.03, -0.03, 0.0))
    assert "better by 0.0300" in better and "worse by 0.0300" in worse and "no difference (" in same


def test_a_wide_interval_says_that_it_cannot_tell_the_margin() -> None:
    wide, narrow = judged_of(0.0, [0.03, 0.001])
    assert "so few sessions cannot tell" in wide.detail and "so few" not in narrow.detail


def test_figures_too_good_to_be_true_are_refused(log: Log, table: Table) -> None:
    """Trained with a column that is the answer, by whoever did not look for leaks."""
    leaky = table.matrix.copy()
    leaky[:, INDEX["item_price"]] = table.labels.buy
    found = bundle_of(train(log, replace(table, matrix=leaky), TRAIN, 1, untold, views=NONE).parts)
    verdict = judge(found, None, None)
    assert refused(verdict.refusals) == ["buy auc"]
    assert "a leak" in verdict.refusals[0].detail


def test_a_leaky_feature_is_refused_by_its_name(log: Log, table: Table) -> None:
    """A column that knows the answer roughly: its figures alone would not give it away."""
    leaky, rng = table.matrix.copy(), np.random.default_rng(1)
    leaky[:, INDEX["item_price"]] = table.labels.buy + rng.normal(0, 1, len(table))
    noisy = replace(table, matrix=leaky)
    trained = train(log, noisy, TRAIN, 1, untold, views=NONE)
    parts = completed(trained, noisy, NO_CHECKS, look(log, noisy, trained, untold))
    verdict = judge(bundle_of(parts), None, None)
    assert refused(verdict.refusals) == ["leak of item_price"]
    assert "it knows what came later" in verdict.refusals[0].detail


def test_a_candidate_that_learned_shuffled_answers_is_refused(
    log: Log, table: Table, trained: Trained, later: Table
) -> None:
    shuffled = table.labels.buy[np.random.default_rng(1).permutation(len(table))]
    labels = replace(table.labels, buy=shuffled)
    found = bundle_of(train(log, replace(table, labels=labels), TRAIN, 1, untold, views=NONE).parts)
    verdict = judge(found, bundle_of(trained.parts), later)
    assert {"buy auc against live", "buy average_precision against live"} <= set(refused(verdict.refusals))


def test_a_candidate_that_is_badly_calibrated_is_refused(trained: Trained, later: Table) -> None:
    """It ranks exactly as the live one, and says twice too much."""
    shifted = Calibration.line(np.array([1.0]), np.array([1.5]))
    parts = replace(trained.parts, calibrations={**trained.parts.calibrations, "intent_buy": shifted})
    verdict = judge(bundle_of(parts), bundle_of(trained.parts), later)
    assert refused(verdict.refusals) == ["buy calibration against live"]


def last_first() -> str:
    """A ranker's text that knows one thing, and that the wrong way: neighbours' first product comes last."""
    rng = np.random.default_rng(1)
    x, hit = rng.random((2000, len(COLUMNS))).astype(np.float32), np.zeros(2000, np.int8)
    x[:, COLUMNS.index("knn_rank")] *= 40
    last = x[:, COLUMNS.index("knn_rank")].reshape(-1, 10).argmax(axis=1)
    hit[np.arange(200) * 10 + last] = 1
    return fit(Groups(x, hit, np.full(200, 10)), 1, 20).model_to_string()


def test_recommendations_are_compared_too(log: Log, trained: Trained, later: Table) -> None:
    views = later_views(log, TEST.since_ms)
    worse = bundle_of(replace(trained.parts, ranker=last_first()))
    verdict = judge(worse, bundle_of(trained.parts), later, "", views)
    assert refused(verdict.refusals) == ["recommend hr20 against live", "recommend mrr20 against live"]
    better = judge(bundle_of(trained.parts), worse, later, "", views)
    assert better.passed
    pair = next(check.pair for check in better.checks if check.name == "recommend hr20 against live")
    assert pair is not None and pair.ci is not None and pair.ci[0] > 0.1


def test_rankers_are_compared_over_one_index_however_fresh_their_own(log: Log, trained: Trained, later: Table) -> None:
    """The live bundle's index ends days earlier and knows half the log: nobody gains from that."""
    views = later_views(log, TEST.since_ms)
    half = log.records["ts_ms"] < TRAIN.since_ms + (TRAIN.until_ms - TRAIN.since_ms) // 2
    index = SessionIndex()
    touches = Touches.of(log.records[half], log.visitor[half], log.session[half], log.item_ids)
    touches.teach(index, 0, len(touches))
    about = {**trained.parts.about, "window": {"since": iso(TRAIN.since_ms), "until": iso(TRAIN.since_ms + 1000)}}
    stale = bundle_of(replace(trained.parts, items=index.index(), about=about))
    fresh = bundle_of(trained.parts)
    assert shared_index(fresh, stale) is fresh.items and shared_index(stale, fresh) is fresh.items
    pairs = [one.pair for one in compare_items(fresh, stale, views)]
    assert [pair.difference for pair in pairs if pair is not None] == [0.0, 0.0]


def test_a_bundle_that_knows_no_product_is_refused_where_the_live_one_does(
    log: Log, trained: Trained, later: Table
) -> None:
    none = bundle_of(replace(trained.parts, items=ItemIndex.empty()))
    views = later_views(log, TEST.since_ms)
    assert refused(judge(none, bundle_of(trained.parts), later, "", views).refusals) == ["recommend against live"]
    assert judge(bundle_of(trained.parts), none, later, "", views).passed


def test_the_later_views_are_of_later_sessions_and_never_their_first(log: Log) -> None:
    views = later_views(log, TEST.since_ms)
    assert len(views) > 100 and (views.ts_ms[views.begin] >= TEST.since_ms).all() and (views.begin < views.target).all()


@pytest.mark.parametrize(
    ("auc", "verdict", "words"),
    [
        (0.52, "warning", "alert"),
        (0.7, "passed", "good"),
        (0.85, "passed", "strong"),
        (0.93, "warning", "suspicious"),
        (0.98, "refused", "a leak"),
        (0.45, "refused", "below chance"),
    ],
)
def test_each_level_of_auc_has_its_name(trained: Trained, auc: float, verdict: str, words: str) -> None:
    def told(about: dict[str, Any]) -> None:
        about["figures"]["intent"]["buy"] |= {"auc": auc, "positives": 500}

    found = next(one for one in judge(bundle_of(trained.parts, told), None, None).checks if one.name == "buy auc")
    assert found.verdict == verdict and words in found.detail


def test_few_positives_are_immature(trained: Trained) -> None:
    def few(about: dict[str, Any]) -> None:
        about["figures"]["intent"]["buy"] |= {"auc": 0.7, "positives": 60}

    found = next(one for one in judge(bundle_of(trained.parts, few), None, None).checks if one.name == "buy auc")
    assert found.verdict == "warning" and "immature: 60 positives, 200 are needed" in found.detail


def test_the_verdict_says_as_json_what_it_says_in_words(trained: Trained, worse: Bundle, later: Table) -> None:
    told = judge(worse, bundle_of(trained.parts), later).as_dict()
    assert told["passed"] is False and told["compared"] is True
    row = next(check for check in told["checks"] if check["name"] == "buy auc against live")
    assert row["verdict"] == "refused" and row["difference"] < -row["margin"] and row["ci"][1] < 0
    assert judge(worse, None, None).as_dict()["compared"] is False


def test_figures_below_chance_or_badly_calibrated_are_refused(trained: Trained) -> None:
    def spoil(about: dict[str, Any]) -> None:
        about["figures"]["intent"]["buy"]["auc"] = 0.4
        about["figures"]["intent"]["leave"]["ece"] = 0.2

    assert refused(judge(bundle_of(trained.parts, spoil), None, None).refusals) == ["buy auc", "leave calibration"]


def test_a_bundle_without_figures_is_refused(trained: Trained) -> None:
    def strip(about: dict[str, Any]) -> None:
        about["figures"] = {}

    verdict = judge(bundle_of(trained.parts, strip), None, None)
    assert refused(verdict.refusals) == ["figures"]


def test_without_later_sessions_a_bundle_is_refused_unless_a_person_allows_it(trained: Trained, worse: Bundle) -> None:
    """A candidate that learned from everything, up to the log's end."""
    verdict = judge(bundle_of(trained.parts), worse, None)
    assert refused(verdict.refusals) == ["against live"]
    assert verdict.refusals[0].detail.startswith("not compared: 0 later sessions that neither it nor the live bundle")
    assert verdict.refusals[0].detail.endswith(HOW_TO_COMPARE)
    allowed = judge(bundle_of(trained.parts), worse, None, allow_uncompared=True)
    assert allowed.passed and "against live" in refused(allowed.warnings)
    assert "--allow-uncompared lets it pass" in allowed.uncompared


def test_the_live_bundle_itself_passes(trained: Trained, later: Table) -> None:
    same = bundle_of(trained.parts)
    assert judge(same, same, later).passed


def test_a_handful_of_later_sessions_decides_nothing(trained: Trained, worse: Bundle, later: Table) -> None:
    few = later.where(later.labels.session < np.unique(later.labels.session)[20])
    (refusal,) = judge(bundle_of(trained.parts), worse, few).refusals
    assert "20 later sessions" in refusal.detail and "200 are needed" in refusal.detail
    one = later.where(later.labels.session == later.labels.session[0])
    assert "1 later session that" in judge(bundle_of(trained.parts), worse, one).uncompared


def test_an_auc_below_chance_is_refused_only_where_its_interval_is(trained: Trained) -> None:
    """Of few rows an honest model of little use lies below .5 half of the time."""

    def spoil(limits: list[float] | None) -> Callable[[dict[str, Any]], None]:
        return lambda about: about["figures"]["intent"]["buy"].update(auc=0.47, auc_ci=limits, positives=500)

    def found(limits: list[float] | None) -> Check:
        verdict = judge(bundle_of(trained.parts, spoil(limits)), None, None)
        return next(check for check in verdict.checks if check.name == "buy auc")

    assert found([0.44, 0.49]).verdict == "refused"
    assert found([0.38, 0.56]).verdict == "warning" and "below chance" in found([0.38, 0.56]).detail
    assert found(None).verdict == "warning"


def test_the_calibration_limit_counts_sessions_and_not_rows(trained: Trained) -> None:
    """Forty rows of a session share one answer: what is wrong for so few sessions may be chance."""

    def spoil(sessions: int) -> Callable[[dict[str, Any]], None]:
        figure = {"ece": 0.12, "base_rate": 0.2, "n": 4000, "sessions": sessions}
        return lambda about: about["figures"]["intent"]["buy"].update(figure)

    assert judge(bundle_of(trained.parts, spoil(100)), None, None).passed
    assert refused(judge(bundle_of(trained.parts, spoil(4000)), None, None).refusals) == ["buy calibration"]


def test_a_manifest_counts_the_sessions_behind_each_figure(trained: Trained, table: Table) -> None:
    held = table.where(trained.split.hold)
    assert trained.parts.about["figures"]["intent"]["buy"]["sessions"] == len(np.unique(held.labels.session))


def test_a_constant_intent_is_not_held_against_a_bundle(trained: Trained) -> None:
    models = {**trained.parts.models, "intent_help": np.array([0.001])}

    def without(about: dict[str, Any]) -> None:
        about["figures"]["intent"]["help"] = {"auc": None, "average_precision": None, "reason": "no positives"}

    assert judge(bundle_of(replace(trained.parts, models=models), without), None, None).passed
