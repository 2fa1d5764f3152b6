from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.catalog import Catalog, Product
from features.record import hash64
from features.stats import ItemStats
from models import bundle
from models.intent import INTENTS
from models.recommend import Asked, Recommender
from models.stage import STAGES
from tests.training.conftest import TRAIN, untold
from tests.training.logs import DAY, START_MS, Did, log_of
from training.fit_recommend import fit_recommender
from training.labels import UNLABELLED
from training.lake import Log
from training.replay_views import Touches
from training.split import TooLittleData, Window
from training.table import Table, build
from training.train import Trained, train


def test_training_again_gives_the_same_bytes(log: Log, table: Table, trained: Trained) -> None:
    again = train(log, table, TRAIN, 1, untold)
    assert bundle.encode(again.parts) == bundle.encode(trained.parts)


def test_another_seed_gives_another_bundle(log: Log, table: Table, trained: Trained) -> None:
    other = train(log, table, TRAIN, 2, untold)
    assert bundle.encode(other.parts)[0] != bundle.encode(trained.parts)[0]


def test_what_comes_after_the_window_changes_no_byte(log: Log, trained: Trained) -> None:
    """A bundle trained while the future is in the lake equals one trained before it came."""
    past = log.records["ts_ms"] < TRAIN.until_ms
    cut = replace(log, records=log.records[past], visitor=log.visitor[past], session=log.session[past])
    alone = train(cut, build(cut, untold), TRAIN, 1, untold)
    assert bundle.encode(alone.parts) == bundle.encode(trained.parts)


def test_a_trained_bundle_loads_and_scores_probabilities(trained: Trained, table: Table, tmp_path: Path) -> None:
    bundle.write(tmp_path, trained.parts)
    scores = bundle.load(tmp_path).score(table.matrix[0])
    assert scores.stage.shape == (len(STAGES),)
    assert scores.stage.sum() == pytest.approx(1.0)
    assert scores.intent.shape == (len(INTENTS),)
    assert bool(np.all((scores.intent > 0) & (scores.intent < 1)))


def test_the_manifest_says_where_it_comes_from_and_holds_no_clock(trained: Trained) -> None:
    about = trained.parts.about
    assert about["window"]["since"].startswith("2023-11-14T22:13:20")
    assert about["seed"] == 1
    assert about["rows"]["fit"] > about["rows"]["hold"] > 0
    assert "user ids" in about["lacks"] and "carts" not in about["lacks"]
    assert about["figures"]["intent"]["buy"]["auc"] > 0.6


def test_an_intent_without_positives_is_its_base_rate_and_says_so(log: Log, table: Table) -> None:
    silent = replace(table, labels=replace(table.labels, help=np.zeros_like(table.labels.help)))
    found = train(log, silent, TRAIN, 1, untold)
    rate = found.parts.models["intent_help"]
    assert isinstance(rate, np.ndarray) and 0 < rate[0] < 0.001
    assert found.parts.about["models"]["intent_help"]["note"] == "no positives: constant"
    assert found.parts.about["figures"]["intent"]["help"]["auc"] is None


def test_an_intent_without_negatives_says_so(log: Log, table: Table) -> None:
    always = replace(table, labels=replace(table.labels, leave=np.ones_like(table.labels.leave)))
    found = train(log, always, TRAIN, 1, untold)
    assert found.parts.about["models"]["intent_leave"]["note"] == "no negatives: constant"


def test_no_stage_is_impossible_where_training_lacked_it(log: Log, table: Table) -> None:
    stage = np.where(table.labels.stage == STAGES.index("loyalty"), 0, table.labels.stage).astype(np.int8)
    one = np.zeros_like(stage)
    for labels in (stage, one):
        found = train(log, replace(table, labels=replace(table.labels, stage=labels)), TRAIN, 1, untold)
        said = bundle_of(found).stage.probabilities_batch(table.matrix)
        assert said.min() > 3e-5


def bundle_of(found: Trained) -> bundle.Bundle:
    return bundle.decode(*bundle.encode(found.parts))


def test_a_session_over_the_end_of_the_window_is_learned_as_far_as_it_goes(tmp_path: Path) -> None:
    """And one that began before the window is not, though part of it lies inside."""
    journeys = [[Did(n * 3600, "view_item", f"i{n % 3}"), Did(n * 3600 + 5, "view_item", "x")] for n in range(40)]
    before = [Did(-60, "view_item", "early"), Did(60, "view_item", "early2")]
    over = [Did(40 * 3600 - 60, "view_item", "late"), Did(40 * 3600 + 60, "view_item", "later")]
    log = log_of(tmp_path, *journeys, before, over)
    items = train(log, build(log, untold), Window(START_MS, START_MS + 40 * 3600_000), 1, untold).parts.items
    assert "late" in items.ids
    assert not {"early", "early2", "later"} & set(items.ids)


def test_a_crawlers_session_of_thousands_links_only_what_is_near(tmp_path: Path) -> None:
    log = log_of(tmp_path, [Did(n, "view_item", f"i{n}") for n in range(3000)])
    index = fit_recommender(Touches.of(log.records, log.visitor, log.session, log.item_ids), 1, untold).index
    assert len(index) == 3000
    near = index.neighbours[index.row(hash64("i100"))]
    assert {index.ids[row] for row in near[near >= 0].tolist()} <= {f"i{n}" for n in range(90, 111)}


def test_unlabelled_rows_teach_nothing(log: Log, table: Table, trained: Trained) -> None:
    rows = table.labels.buy == UNLABELLED
    assert rows.any()
    spoilt = table.matrix.copy()
    spoilt[rows] = 1e6
    found = train(log, replace(table, matrix=spoilt), TRAIN, 1, untold)
    assert found.parts.models["intent_buy"] == trained.parts.models["intent_buy"]


def test_a_log_of_views_alone_still_makes_a_bundle(tmp_path: Path) -> None:
    """No carts, no purchases, no prices, no errors, no user ids."""
    rng = np.random.default_rng(3)
    journeys = [
        [Did(n * 600 + 20 * k, "view_item", f"i{rng.integers(0, 9)}") for k in range(int(rng.integers(1, 6)))]
        for n in range(400)
    ]
    log = log_of(tmp_path / "lake", *journeys)
    found = train(log, build(log, untold), Window(START_MS, START_MS + 4 * DAY * 1000), 1, untold)
    bundle.write(tmp_path / "bundle", found.parts)
    loaded = bundle.load(tmp_path / "bundle")
    assert set(loaded.manifest["constants"]) == {"intent_buy", "intent_cart", "intent_help"}
    assert {"carts", "purchases", "prices"} <= set(loaded.manifest["lacks"])


def test_a_window_without_sessions_is_refused(log: Log, table: Table) -> None:
    with pytest.raises(TooLittleData):
        train(log, table, Window(0, 1000), 1, untold)


def test_items_of_one_session_are_recommended_together_and_the_newest_popular_first(tmp_path: Path) -> None:
    together = [[Did(n * DAY, "view_item", "a"), Did(n * DAY + 9, "view_item", "b")] for n in range(3)]
    log = log_of(tmp_path, *together, [Did(0, "view_item", "old"), Did(9 * DAY, "view_item", "new")])
    fitted = fit_recommender(Touches.of(log.records, log.visitor, log.session, log.item_ids), 1, untold)
    assert (fitted.ranker, fitted.factors) == ("", None)  # so little data
    recommender = Recommender.of(fitted.index)
    now_ms = START_MS + 10 * DAY * 1000
    seen, never = np.array([hash64("a")], np.uint64), np.empty(0, np.uint64)
    found = recommender.recommend(Asked(seen, np.array([now_ms]), 0, now_ms), 4, returns=False)
    assert (found[0].item_id, found[0].because, found[0].source) == ("b", "a", "next")
    order = [r.item_id for r in recommender.recommend(Asked(never, np.empty(0, np.int64), 0, now_ms), 4)]
    assert order.index("new") < order.index("old")


@pytest.fixture(scope="module")
def ranked(log: Log, table: Table) -> Trained:
    """With a ranker, whether or not it pays: in a shop made up by chance it hardly does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.fit_ranker.pays", lambda found, seed: True)
        return train(log, table, TRAIN, 1, untold)


def test_a_bundle_carries_its_ranker_and_factors_and_recommends_with_them(ranked: Trained, tmp_path: Path) -> None:
    bundle.write(tmp_path, ranked.parts)
    loaded = bundle.load(tmp_path)
    assert loaded.ranker == ranked.parts.ranker != ""
    assert loaded.factors is not None
    seen = loaded.items.hashes[loaded.items.by_popularity[:3]]
    now_ms = int(loaded.items.tables.clock[1]) * 1000
    asked = Asked(seen, np.full(3, now_ms), 0, now_ms)
    answers = [
        Recommender.of(items, factors, ranker).recommend(asked, 10)
        for items, factors, ranker in (
            (loaded.items, loaded.factors, loaded.ranker),
            (ranked.parts.items, ranked.parts.factors, ranked.parts.ranker),
        )
    ]
    assert answers[0] == answers[1] and len(answers[0]) == 10


def test_a_bundle_keeps_the_item_statistics_at_the_windows_end(log: Log, trained: Trained, tmp_path: Path) -> None:
    bundle.write(tmp_path, trained.parts)
    stats = ItemStats.from_arrays(dict(bundle.load(tmp_path).arrays["stats"]))
    assert stats.as_of_ms < TRAIN.until_ms
    assert set(stats.items[1:].tolist()) <= set(log.records["item"].tolist())


def test_the_ranker_learns_with_the_prices_that_the_service_will_rank_with(
    log: Log, table: Table, ranked: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.fit_ranker.pays", lambda found, seed: True)  # prices that mean nothing do not
    told = [Product(item_id=f"i{n}", price=5.0 + 7 * n % 40, category=f"c{n % 3}") for n in range(40)]
    assert {one.item_id for one in told} & set(ranked.parts.items.ids)
    found = train(log, table, TRAIN, 1, untold, catalog=Catalog.of(told))
    assert found.parts.ranker not in ("", ranked.parts.ranker)
    assert found.parts.models["stage"] == ranked.parts.models["stage"]  # the table holds its catalog already
