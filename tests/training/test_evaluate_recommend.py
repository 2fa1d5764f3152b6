"""Frozen and as it happens: who knows what when, that nothing later is known, and that every figure has its key."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from features.events import CODE
from tests.training.asking import asked_of
from tests.training.conftest import TEST, TRAIN, untold
from tests.training.logs import START_MS, Did, log_of
from training.evaluate import Evaluation
from training.evaluate_recommend import OURS, RECOMMENDERS, evaluate_recommend
from training.lake import Log
from training.metrics_recommend import MEASURES, Scale, ahead, figures, gains, places
from training.next_item import Asked, NextItem, Rows
from training.next_regimes import BASELINES, Feed, as_it_happens, frozen_baselines, learning_baselines
from training.next_views import Targets, task_of
from training.ranked_items import RankedOurs
from training.session_store import SessionStore
from training.split import Window
from training.table import Log as AnyLog

MINUTE_MS, HOUR_S = 60_000, 3600
MIDDLE = START_MS + 10 * HOUR_S * 1000
EARLY, LATE = Window(START_MS, MIDDLE), Window(MIDDLE, START_MS + 20 * HOUR_S * 1000)


def targets_of(*products: int) -> Targets:
    asked = replace(asked_of(*[[9]] * len(products)), now_ms=np.arange(len(products)) * MINUTE_MS)
    return Targets(asked, np.array(products, np.int32), np.arange(len(products)))


def test_hit_rate_and_reciprocal_rank_are_of_the_first_k_places() -> None:
    found = np.array([[7, 1, -1], [5, 6, 2], [3, 4, 5]])
    place = places(found, targets_of(1, 2, 9))
    assert place.tolist() == [2, 3, 0]
    assert gains(np.array([6]))[0].tolist() == pytest.approx([0, 0, 1, 1 / 6, 1, 1 / 6])
    one = figures(place, Scale.of(targets_of(1, 2, 9), 1), "")
    assert one["hr5"] == pytest.approx(2 / 3, abs=1e-6)
    assert one["mrr20"] == pytest.approx((1 / 2 + 1 / 3) / 3, abs=1e-6)


def test_intervals_resample_whole_sessions_and_are_paired() -> None:
    rows = replace(targets_of(*[1] * 400), group=np.repeat(np.arange(4), 100))
    good, better = np.repeat([1, 0, 0, 0], 100), np.repeat([1, 1, 0, 0], 100)
    scale = Scale.of(rows, 1)
    low, high = figures(good, scale, "")["hr20_ci"]
    assert (low, high) == (0.0, 0.75)  # four sessions: rows alone would say .21 to .29
    difference = ahead(better, good, scale)
    assert difference["hr20"] == 0.25
    assert difference["hr20_ci"][0] == 0.0
    assert ahead(good, good, scale)["hr20_ci"] == [0.0, 0.0]


class Clock:
    """Says what it was told to have learned by the time of the question: product 1, 2, … for each minute."""

    def __init__(self) -> None:
        self.until_ms = 0

    def learn(self, until_ms: int) -> None:
        assert until_ms >= self.until_ms
        self.until_ms = until_ms

    def rank(self, asked: Asked) -> Rows:
        assert all(asked.now_ms >= self.until_ms)
        assert all(asked.now_ms < self.until_ms + MINUTE_MS)
        return np.full((len(asked), 20), self.until_ms // MINUTE_MS, np.int32)


def test_a_minute_is_answered_with_what_was_known_before_it_began() -> None:
    clock = Clock()
    now = np.array([5 * MINUTE_MS, 61_000, 60_000, 5 * MINUTE_MS - 1, 119_999])
    asked = replace(asked_of([1], [1], [1], [1], [1]), now_ms=now)
    other = replace(asked_of([1]), now_ms=np.array([3 * MINUTE_MS]))
    first, second = as_it_happens([asked, other], clock.learn, {"clock": clock}, lambda share: None)["clock"]
    assert first[:, 0].tolist() == [5, 1, 1, 4, 1]
    assert second[:, 0].tolist() == [3]


def viewed(hour: float, *items: str) -> list[Did]:
    return [Did(hour * HOUR_S + 60 * n, "view_item", item) for n, item in enumerate(items)]


def test_a_session_is_fed_when_half_an_hour_has_passed_after_its_last_view(tmp_path: Path) -> None:
    log = log_of(tmp_path, viewed(1, "a", "b"), viewed(11, "a", "c"), viewed(12, "a", "b"))
    task = task_of(log, EARLY, log, LATE)
    store = SessionStore(len(task.hashes))
    feed = Feed(task, store)
    over = START_MS + (11 * HOUR_S + 60 + 1800) * 1000
    feed.learn_until(over)
    assert len(store) == 1
    feed.learn_until(over + 1)
    assert len(store) == 2


def cut(log: Log, until_ms: int) -> Log:
    """The log as it was then."""
    rows = log.records["ts_ms"] < until_ms
    return replace(log, records=log.records[rows], visitor=log.visitor[rows], session=log.session[rows])


def changed_after(log: Log, until_ms: int) -> Log:
    """The log with other products viewed from a time on."""
    records = log.records.copy()
    later = (records["ts_ms"] >= until_ms) & (records["kind"] == CODE["view_item"])
    records["item"][later] = np.roll(records["item"][later], 7)
    return replace(log, records=records)


Answers = tuple[Targets, dict[str, Rows]]


def answers(log: AnyLog, regime: str) -> Answers:
    """What everybody answers to all targets."""
    task = task_of(log, TRAIN, log, TEST)
    ours = RankedOurs(log, TRAIN, log, TEST, 1, untold, task)
    asked = task.everything.asked
    if regime == "frozen":
        methods: dict[str, NextItem] = {**ours.frozen(), **frozen_baselines(task, 1)}
        return task.everything, {name: method.rank(asked) for name, method in methods.items()}
    published, feed = learning_baselines(task)
    own, learn = ours.learning()

    def both(until_ms: int) -> None:
        feed(until_ms)
        learn(until_ms)

    found = as_it_happens([asked], both, {**own, **published}, lambda share: None)
    return task.everything, {name: rows[0] for name, rows in found.items()}


@pytest.fixture(scope="module")
def frozen(log: Log) -> Answers:
    return answers(log, "frozen")


@pytest.mark.parametrize("regime", ["frozen", "prequential"])
def test_no_answer_depends_on_its_own_minute_or_later(log: Log, frozen: Answers, regime: str) -> None:
    """Other products from a moment on leave every answer before that moment as it was, and change some after it."""
    moment = TEST.since_ms + 24 * HOUR_S * 1000
    targets, before = frozen if regime == "frozen" else answers(log, regime)
    _, after = answers(changed_after(log, moment), regime)
    early = targets.asked.now_ms < moment
    assert early.sum() > 50
    assert (~early).sum() > 50
    for name in before:
        assert before[name][early].tolist() == after[name][early].tolist(), name
    assert any(before[name][~early].tolist() != after[name][~early].tolist() for name in before)


def test_frozen_answers_depend_on_nothing_learned_after_training(log: Log, frozen: Answers) -> None:
    """The same questions after other test sessions: cut the log and ask the rest again."""
    moment = TEST.since_ms + 24 * HOUR_S * 1000
    targets, whole = frozen
    _, short = answers(cut(log, moment), "frozen")
    early = targets.asked.now_ms < moment
    for name in whole:
        assert whole[name][early].tolist() == short[name].tolist(), name


@pytest.fixture(scope="module")
def found(evaluation: Evaluation) -> dict:  # type: ignore[type-arg]
    return evaluation.figures["recommend"]  # type: ignore[no-any-return]


def evaluated(log: AnyLog, **options: int) -> dict:  # type: ignore[type-arg]
    ours = partial(RankedOurs, log, TRAIN, log, TEST, 1, untold)
    return evaluate_recommend(log, TRAIN, log, TEST, 1, untold, ours=ours, **options)  # type: ignore[arg-type]


def test_every_recommender_has_every_figure_and_its_interval(found: dict) -> None:  # type: ignore[type-arg]
    json.dumps(found, allow_nan=False)
    for regime in ("frozen", "prequential"):
        for name in RECOMMENDERS:
            one = found[regime][name]
            if (regime, name) == ("prequential", "als"):
                assert one["hr20"] is None
                assert one["reason"]
                continue
            for measure in (*MEASURES, *(f"{measure}_seen" for measure in MEASURES)):
                assert one[f"{measure}_ci"][0] <= one[measure] <= one[f"{measure}_ci"][1]
        for key in ("ahead", "ahead_without_own"):
            assert set(found[regime][key]) == set(BASELINES)
    assert found["frozen"]["ahead"]["vstan"]["hr20"] == pytest.approx(
        found["frozen"]["tact"]["hr20"] - found["frozen"]["vstan"]["hr20"], abs=2e-6
    )


def test_the_same_log_and_seed_give_the_same_figures(log: Log, found: dict) -> None:  # type: ignore[type-arg]
    assert evaluated(log) == found


def test_without_a_target_every_figure_is_null_with_a_reason(log: Log) -> None:
    none = Window(TEST.until_ms + 10**9, TEST.until_ms + 10**9 + 1)
    found = evaluate_recommend(log, TRAIN, log, none, 1, untold)
    for regime in ("frozen", "prequential"):
        for name in RECOMMENDERS:
            assert found[regime][name]["hr20"] is None
            assert found[regime][name]["reason"] == "no test session views two products"
        assert found[regime]["ahead"]["stan"]["hr20_ci"] is None
        assert found[regime]["seen_share"] is None


def test_without_training_only_a_learner_answers(log: Log) -> None:
    before = Window(TRAIN.since_ms - 10**9, TRAIN.since_ms - 1)
    found = evaluate_recommend(log, before, log, TEST, 1, untold)
    assert found["frozen"]["vstan"]["reason"] == "no training session views two products"
    assert found["prequential"]["vstan"]["hr20"] > 0
    assert found["prequential"]["vstan"]["hr20_seen"] is None


def test_who_was_not_asked_has_a_reason(log: Log) -> None:
    found = evaluate_recommend(log, TRAIN, log, TEST, 1, untold, without_ours="no bundle", regimes=("frozen",))
    assert set(found) == {"frozen"}
    assert [found["frozen"][name]["reason"] for name in OURS] == ["no bundle"] * 2
    assert found["frozen"]["ahead"]["vstan"]["hr20"] is None
