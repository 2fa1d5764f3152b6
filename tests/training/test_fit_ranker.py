"""The ranker learns from candidates as they were; factors folded in are implicit's."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

from features.catalog import Catalog, Product
from features.record import hash64
from models.candidates import SINCE
from models.factors import ItemFactors
from models.ranker import COLUMNS, Ranker
from models.session_index import SessionIndex
from tests.training.conftest import untold
from training.fit_factors import SIMILAR, _similar, fit_factors
from training.fit_ranker import Groups, fit, fit_ranker, groups, learning_rate, pays, reciprocal_rank, targets
from training.fit_recommend import fit_recommender
from training.lake import Log
from training.replay_views import STEP_MS, Lesson, Touches, as_it_happened

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def touches(log: Log) -> Touches:
    return Touches.of(log.records, log.visitor, log.session, log.item_ids)


def _ranker(touches: Touches, since_ms: int, seed: int) -> str:
    return fit_ranker(Lesson(SessionIndex(), touches), since_ms, seed, untold)


def test_nothing_of_the_targets_minute_or_later_is_in_the_index_that_predicts_it(touches: Touches) -> None:
    wanted = targets(touches, int(np.quantile(touches.ts_ms, 0.5)))[::5]
    for at, index in as_it_happened(Lesson(SessionIndex(), touches), wanted):
        step = int(touches.ts_ms[at]) // STEP_MS * STEP_MS
        assert index.as_of_ms < step
        assert int(index.live().tables.counts.sum()) == int((touches.ts_ms < step).sum())


def test_an_index_that_learns_every_hour_holds_what_came_before_the_hour_and_nothing_else(touches: Touches) -> None:
    wanted = targets(touches, int(np.quantile(touches.ts_ms, 0.5)))
    for at, index in as_it_happened(Lesson(SessionIndex(), touches), wanted, HOUR_MS):
        hour = int(touches.ts_ms[at]) // HOUR_MS * HOUR_MS
        assert index.as_of_ms < hour
        assert int(index.live().tables.counts.sum()) == int((touches.ts_ms < hour).sum())


def test_groups_for_a_frozen_recommender_are_asked_of_an_older_index(touches: Touches) -> None:
    wanted = targets(touches, int(np.quantile(touches.ts_ms, 0.5)))
    fresh, aged = (groups(Lesson(SessionIndex(), touches), wanted, True, one).x[:, SINCE] for one in (True, False))
    assert np.nanmedian(aged) > np.nanmedian(fresh)


def test_the_index_that_the_ranker_learned_beside_is_the_one_taught_at_once(touches: Touches) -> None:
    once = SessionIndex()
    once.learn(
        [touches.ids[item] for item in touches.item.tolist()],
        touches.visitor.tolist(),
        touches.ts_ms.tolist(),
        touches.price.tolist(),
        touches.category.tolist(),
    )
    expected = once.index().to_arrays()
    for fresh in (True, False):
        found = fit_recommender(touches, 1, untold, fresh).index.to_arrays()
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_what_is_alike_is_what_a_full_sort_finds() -> None:
    vectors = np.random.default_rng(3).integers(-2, 3, (700, 6)).astype(np.float32)  # many equal ones
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    found = _similar(vectors)
    for start in range(0, 700, 512):  # in the same blocks, so that the products are the same bits
        cosine = unit[start : start + 512] @ unit.T
        for row, own in enumerate(cosine, start):
            own[row] = -2.0
            np.testing.assert_array_equal(found[row], np.argsort(-own, kind="stable")[:SIMILAR])


def test_a_question_holds_only_what_the_visitor_did_before(touches: Touches) -> None:
    for at in targets(touches, 0)[:200].tolist():
        asked = touches.asked(at)
        mine = touches.visitor == touches.visitor[at]
        before = np.flatnonzero(mine & (touches.place < touches.place[at]))
        assert asked.items.tolist() == touches.item[before[np.argsort(touches.place[before])]].tolist()[-256:]
        assert len(asked.items) - asked.session_from == touches.place[at] - touches.begin[at]
        assert asked.now_ms <= touches.ts_ms[at]


def test_what_comes_later_changes_no_group(touches: Touches, log: Log) -> None:
    wanted = targets(touches, int(np.quantile(touches.ts_ms, 0.4)))[:60]
    until = int(touches.ts_ms[wanted[-1]])
    past = log.records["ts_ms"] <= until
    cut = Touches.of(log.records[past], log.visitor[past], log.session[past], log.item_ids)
    for own in (True, False):
        here, there = (groups(Lesson(SessionIndex(), one), wanted, own, True) for one in (touches, cut))
        np.testing.assert_array_equal(here.x, there.x)


def test_a_group_holds_its_hit_once(touches: Touches) -> None:
    for own in (True, False):
        found = groups(Lesson(SessionIndex(), touches), targets(touches, 0)[:300], own, fresh=True, negatives=10)
        assert found.hit.sum() == len(found.size) > 50
        assert found.size.max() <= 11 and found.size.sum() == len(found.x) == len(found.hit)


def test_the_same_log_and_seed_give_the_same_bytes_and_another_seed_others(touches: Touches) -> None:
    since_ms = int(np.quantile(touches.ts_ms, 0.4))
    one, again, other = (_ranker(touches, since_ms, seed) for seed in (1, 1, 2))
    assert one == again != other
    assert Ranker.of(one).score(np.zeros((3, len(COLUMNS)), np.float32)).shape == (3,)


ELSEWHERE = """
import sys
import numpy as np
from models.session_index import SessionIndex
from training.fit_factors import fit_factors
from training.fit_ranker import fit_ranker
from training.open_log import open_log
from training.replay_views import Lesson, Touches
log = open_log(sys.argv[1], "s")
touches = Touches.of(log.records, log.visitor, log.session, log.item_ids)
since_ms = int(np.quantile(touches.ts_ms, 0.4))
factors = fit_factors(touches.item, touches.session, 1)
sys.stdout.write(fit_ranker(Lesson(SessionIndex(), touches), since_ms, 1, lambda name, share: None, factors=factors))
"""


@pytest.mark.parametrize("hash_seed", ["0", "12345"])
def test_another_process_with_other_hashes_fits_the_same_bytes(touches: Touches, lake: Path, hash_seed: str) -> None:
    here = fit_ranker(
        Lesson(SessionIndex(), touches),
        int(np.quantile(touches.ts_ms, 0.4)),
        1,
        untold,
        factors=fit_factors(touches.item, touches.session, 1),
    )
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[2])}
    there = subprocess.run([sys.executable, "-c", ELSEWHERE, str(lake)], env=env, capture_output=True, check=True)
    assert there.stdout.decode() == here != ""


def test_every_column_tells_candidates_or_questions_apart(touches: Touches, log: Log) -> None:
    told = Catalog.of([Product(item_id=f"i{n}", price=5.0 + n, category=f"c{n % 3}") for n in range(40)])
    wanted = targets(touches, int(np.quantile(touches.ts_ms, 0.3)))[::3]
    factors = fit_factors(touches.item, touches.session, 1)
    x = groups(Lesson(SessionIndex(), touches), wanted, True, True, told, factors).x
    constant = {
        name for name, column in zip(COLUMNS, x.T, strict=True) if len(np.unique(column[~np.isnan(column)])) < 2
    }
    of_visitors_who_return = {"tail_before", "earlier_views", "earlier_age_h", "earlier_back", "across", "across_rank"}
    assert constant == of_visitors_who_return  # nobody does in this shop


def test_too_little_gives_no_ranker_and_no_factors(touches: Touches) -> None:
    assert _ranker(touches, int(touches.ts_ms.max()), 1) == ""
    assert fit_factors(touches.item[:40], touches.session[:40], 1) is None
    assert fit_factors(touches.item[:0], touches.session[:0], 1) is None


def test_the_fold_in_is_implicits_recalculate_user() -> None:
    rng = np.random.default_rng(5)
    seen = csr_matrix((rng.random((80, 50)) < 0.1).astype(np.float32))
    model = AlternatingLeastSquares(
        factors=8, regularization=0.1, alpha=7.0, iterations=3, num_threads=1, random_state=1
    )
    model.fit(seen, show_progress=False)
    hashes = np.array([hash64(f"i{n}") for n in range(50)], np.uint64)
    factors = ItemFactors(hashes, model.item_factors, np.full((50, 1), -1, np.int32), 0.1, 7.0)
    for user in range(20):
        mine = seen[user]
        expected = model.recalculate_user(np.array([0]), mine)[0]
        np.testing.assert_allclose(factors.fold_in(mine.indices), expected, rtol=2e-3, atol=2e-4)
        items, scores = model.recommend(0, mine, 50, filter_already_liked_items=False, recalculate_user=True)
        ours, _ = factors.scores(hashes[mine.indices], hashes[items])
        np.testing.assert_allclose(ours, scores, rtol=2e-3, atol=2e-4)


def test_factors_survive_their_arrays_and_damaged_ones_are_refused(touches: Touches) -> None:
    factors = fit_factors(touches.item, touches.session, 1)
    assert factors is not None
    arrays = factors.to_arrays()
    again = ItemFactors.from_arrays(arrays)
    for one, other in zip(again.alike, factors.alike, strict=True):
        np.testing.assert_array_equal(one, other)
    for name, wrong in (("similar", arrays["similar"] + 10**6), ("hashes", arrays["hashes"][1:])):
        with pytest.raises(ValueError, match="item factors"):
            ItemFactors.from_arrays(arrays | {name: wrong})


def _made(told: bool, groups: int = 600, size: int = 10) -> Groups:
    """Groups whose hit has one high number, or nothing that tells it."""
    rng = np.random.default_rng(5)
    x = np.zeros((groups * size, len(COLUMNS)), np.float32)
    x[:, [COLUMNS.index("knn"), COLUMNS.index("after"), COLUMNS.index("views")]] = rng.random((groups * size, 3))
    hit = np.zeros(groups * size, np.int8)
    hit[::size] = 1
    if told:
        x[::size, COLUMNS.index("after")] += 2.0
    return Groups(x, hit, np.full(groups, size, np.int64))


def test_trees_are_kept_only_where_they_rank_later_groups_better_than_the_sources_do() -> None:
    assert pays(_made(told=True), seed=1)
    blind = _made(told=False)
    blind.x[::10, COLUMNS.index("knn")] += 2.0  # the sources know it already; noise is all that trees could add
    assert not pays(blind, seed=1)
    assert not pays(_made(told=True, groups=200), seed=1)


def test_whether_trees_pay_is_told_by_the_latest_of_the_earlier_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    found, after = _made(told=True, groups=900), COLUMNS.index("after")
    found.x[: 450 * 10, after] += 2.0  # once it was the others that had the high number
    found.x[: 450 * 10 : 10, after] -= 4.0
    assert not pays(found, seed=1)
    monkeypatch.setattr("training.fit_ranker.JUDGED_BY", 250)
    assert pays(found, seed=1)


def test_each_tree_counts_more_the_more_groups_there_are_within_bounds() -> None:
    assert [round(learning_rate(n), 3) for n in (1, 4_500, 10_125, 18_000, 10**6)] == [0.04, 0.04, 0.06, 0.08, 0.08]


@pytest.mark.parametrize(("count", "rate"), [(600, "0.04"), (18_000, "0.08")])
def test_the_trees_are_grown_at_the_rate_of_their_number_of_groups(count: int, rate: str) -> None:
    assert f"[learning_rate: {rate}]" in fit(_made(told=True, groups=count, size=2), seed=1, rounds=1).model_to_string()


def test_the_reciprocal_rank_counts_a_tie_as_lost() -> None:
    found = _made(told=False, groups=2, size=3)
    assert reciprocal_rank(found, np.array([1.0, 0.0, 2.0, 0.5, 0.5, 0.1])) == pytest.approx((1 / 2 + 1 / 2) / 2)
