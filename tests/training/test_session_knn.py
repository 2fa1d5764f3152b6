"""The session neighbours against small cases by hand and against the papers' formulas, session by session."""

from collections.abc import Sequence
from math import exp, log, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.asking import DAY_MS, answer, asked_of, sessions_of, store_of
from training.session_knn import STAN, VSKNN, VSTAN, SessionKnn, Weights
from training.session_store import SessionStore

METHODS = pytest.mark.parametrize("weights", [VSKNN, STAN, VSTAN], ids=["vsknn", "stan", "vstan"])
SESSIONS = st.lists(st.lists(st.integers(0, 7), min_size=2, max_size=7), min_size=1, max_size=12)
PREFIX = st.lists(st.integers(0, 7), min_size=1, max_size=6)


def by_the_papers(past: list[list[int]], prefix: Sequence[int], w: Weights, now_ms: int) -> dict[int, float]:
    """Scores of all products; session i ended at second i."""
    n, position = len(prefix), {item: at for at, item in enumerate(prefix, 1)}  # a product's last position
    like = {item: exp((at - n) / w.position) if w.fading else at / n for item, at in position.items()}
    sharing = [i for i, session in enumerate(past) if set(session) & set(prefix)][-w.sample :]
    similar = {}
    for i in sharing:
        shared = sum(like[item] for item in set(past[i]) & set(prefix))
        if w.fading:
            length = sqrt(sum(x * x for x in like.values())) * sqrt(len(set(past[i])))
            similar[i] = shared / length * exp(-(now_ms - 1000 * i) / (w.age_days * DAY_MS))
        else:
            similar[i] = shared / len(like)
    scores: dict[int, float] = {}
    for i in sorted(similar, key=lambda i: (-similar[i], -i))[: w.neighbours]:
        session = past[i]
        newest = max(position[item] for item in set(session) & set(prefix))
        star = max(at for at, item in enumerate(session) if item in position)
        for item in set(session):
            last = max(at for at, one in enumerate(session) if one == item)
            score = similar[i] * (1 if w.fading else 1 / (n - newest + 1))
            score *= exp(-abs(last - star) / w.distance) if w.fading else 1
            score *= exp((newest - n) / w.shared) if w.shared else 1
            if w.rare:
                score *= 1 + w.rare * log(len(past) / sum(one.count(item) for one in past))
            scores[item] = scores.get(item, 0.0) + score
    return scores


@METHODS
@settings(deadline=None, max_examples=60)  # the first call compiles
@given(past=SESSIONS, prefix=PREFIX, neighbours=st.integers(1, 6), sample=st.integers(1, 8))
def test_answers_are_those_of_the_papers_formulas(
    weights: Weights, past: list[list[int]], prefix: list[int], neighbours: int, sample: int
) -> None:
    w = weights._replace(neighbours=min(neighbours, sample), sample=sample)
    now_ms = 20_000
    scores = by_the_papers(past, prefix, w, now_ms)
    found = answer(SessionKnn(store_of(8, *past), w), *prefix, now_ms=now_ms)
    assert [scores[item] for item in found] == pytest.approx(sorted(scores.values(), reverse=True), abs=1e-9)


def test_vsknn_by_hand() -> None:
    """[0, 1] meets [0, 1] with (1 + 1/2) / 2 and [1, 2] with 1 / 2: product 1 has 1.25, 0 has .75, 2 has .5."""
    assert answer(SessionKnn(store_of(4, [0, 1], [1, 2]), VSKNN), 0, 1) == [1, 0, 2]


def test_vsknn_halves_a_neighbour_that_shares_only_the_product_before() -> None:
    """After [1, 0]: [0, 3] is like it by 1 / 2 and counts whole, [1, 2] by 1/2 / 2 and counts half."""
    assert answer(SessionKnn(store_of(4, [1, 2], [0, 3]), VSKNN), 1, 0) == [0, 3, 1, 2]


def test_stan_prefers_what_stood_next_to_the_last_shared_product() -> None:
    found = answer(SessionKnn(store_of(6, [1, 0, 2, 3, 4, 5]), STAN), 0)
    assert found == [0, 1, 2, 3, 4, 5]


def test_an_older_session_fades_in_stan_and_not_in_vsknn() -> None:
    old_and_new = store_of(4, [0, 2], [0, 1], end_ms=[0, 100 * DAY_MS])
    prefix, now_ms = (0,), 100 * DAY_MS
    assert answer(SessionKnn(old_and_new, STAN), *prefix, now_ms=now_ms) == [0, 1, 2]
    swapped = store_of(4, [0, 1], [0, 2], end_ms=[0, 100 * DAY_MS])
    assert answer(SessionKnn(swapped, STAN), *prefix, now_ms=now_ms) == [0, 2, 1]
    assert answer(SessionKnn(old_and_new, VSKNN), *prefix, now_ms=now_ms) == [0, 1, 2]
    assert answer(SessionKnn(swapped, VSKNN), *prefix, now_ms=now_ms) == [0, 1, 2]


def test_vstan_counts_rare_products_more() -> None:
    past = [[0, 1], [1, 3], [1, 4], [0, 2]]
    assert answer(SessionKnn(store_of(5, *past), VSTAN), 0) == [0, 2, 1]
    assert answer(SessionKnn(store_of(5, *past), VSTAN._replace(rare=0.0, age_days=1e9)), 0) == [0, 1, 2]


@METHODS
def test_only_the_newest_sessions_are_compared(weights: Weights) -> None:
    knn = SessionKnn(store_of(5, [0, 1], [0, 2], [0, 3]), weights._replace(sample=2))
    assert set(answer(knn, 0)) == {0, 2, 3}


@METHODS
def test_a_product_nobody_viewed_has_no_answer(weights: Weights) -> None:
    assert answer(SessionKnn(store_of(5, [0, 1]), weights), 4) == []
    assert answer(SessionKnn(SessionStore(5), weights), 4) == []


@METHODS
def test_what_is_learned_in_parts_is_what_is_learned_at_once(weights: Weights) -> None:
    past = [[n % 9, (n * 5 + 1) % 9, (n * 7 + 2) % 9] for n in range(1500)]
    parts = SessionStore(9)
    everything = sessions_of(*past)
    for first in range(0, 1500, 300):
        parts.learn(everything.part(first, first + 300))
        SessionKnn(parts, weights).rank(asked_of([1]))
    asked = asked_of([1, 2], [3], [4, 4, 5], now_ms=10**7)
    at_once = SessionKnn(store_of(9, *past), weights).rank(asked)
    assert SessionKnn(parts, weights).rank(asked).tolist() == at_once.tolist()


@METHODS
def test_a_question_leaves_nothing_behind_for_the_next(weights: Weights) -> None:
    knn = SessionKnn(store_of(6, [0, 1, 2], [2, 3], [3, 4, 0]), weights)
    alone = [answer(knn, *prefix) for prefix in ([0], [2, 3], [4])]
    together = knn.rank(asked_of([0], [2, 3], [4], [0]))
    assert [[item for item in row if item >= 0] for row in together.tolist()] == [*alone, alone[0]]
