"""Popularity, rules, cosine, factors and own items on cases small enough to count by hand."""

import pytest

from tests.training.asking import answer, asked_of, sessions_of, store_of
from training.als_items import AlsItems
from training.item_rules import STEPS, Cosine, OwnItems, Popularity, Rules
from training.next_item import DEPTH
from training.session_store import SessionStore


def test_the_most_viewed_come_first_and_the_never_viewed_not_at_all() -> None:
    assert answer(Popularity(store_of(5, [3, 1, 3], [1, 3, 0])), 4) == [3, 1, 0]


def test_popularity_follows_what_is_learned() -> None:
    store = store_of(3, [0, 1, 0])
    method = Popularity(store)
    assert answer(method, 2)[0] == 0
    store.learn(sessions_of([1, 1, 1], end_ms=[5000]))
    assert answer(method, 2)[0] == 1


def test_sequential_rules_count_the_inverse_distance_behind_the_newest_product_only() -> None:
    """After 0: 1 has 1, 2 has 1/2 + 1, 3 has 1/3 + 1/2; nothing before it counts."""
    rules = Rules(store_of(6, [5, 0, 1, 2, 3], [0, 2, 3]), sequential=True)
    assert answer(rules, 4, 0) == [2, 1, 3]


def test_sequential_rules_look_so_many_steps_ahead() -> None:
    rules = Rules(store_of(STEPS + 2, list(range(STEPS + 2))), sequential=True)
    assert answer(rules, 0) == list(range(1, STEPS + 1))


def test_a_reload_is_a_rule_to_itself() -> None:
    rules = Rules(store_of(3, [0, 0, 1]), sequential=True)
    assert answer(rules, 0) == [1, 0]  # 1 has 1/2 + 1, 0 has 1


def test_association_rules_count_pairs_of_views_both_ways() -> None:
    """With 1: 0 has 2 pairs of the first session, 2 has 1 and 1, 3 has 1; itself none."""
    rules = Rules(store_of(4, [0, 0, 1, 2], [3, 2, 1]), sequential=False)
    assert answer(rules, 1) == [0, 2, 3]


def test_cosine_is_summed_over_the_sessions_different_products() -> None:
    """0: sessions a, b; 1: a; 2: b, c; 3: c. After [0, 2]: 0 has 1 + 1/2, 2 the same, 1 has .707, 3 has .707."""
    method = Cosine(store_of(5, [0, 1], [0, 2], [2, 3]))
    assert answer(method, 0, 2) == [0, 2, 1, 3]
    assert answer(method, 0, 0, 0, 2) == [0, 2, 1, 3]
    assert answer(method, 3) == [3, 2]


def test_own_items_are_newest_first_and_the_current_one_last() -> None:
    assert answer(OwnItems(), 2, 4, 3, 4) == [3, 2, 4]
    assert answer(OwnItems(), 7) == [7]


def test_many_own_items_are_cut() -> None:
    found = answer(OwnItems(), *range(40))
    assert found == list(range(38, 38 - DEPTH, -1))


def test_factors_find_the_product_itself_and_its_companions_first() -> None:
    past = [[0, 1, 2]] * 30 + [[3, 4, 5]] * 30
    method = AlsItems(9, sessions_of(*past), seed=1)
    assert set(answer(method, 0)[:3]) == {0, 1, 2}
    assert set(answer(method, 4, 8)[:3]) == {3, 4, 5}  # 8 was never seen: the newest known product counts
    assert answer(method, 8) == []


def test_factors_are_the_same_for_the_same_seed() -> None:
    past = sessions_of(*[[n % 7, (3 * n + 1) % 7, (n * n) % 7] for n in range(50)])
    asked = asked_of([0], [3, 4], [6])
    first, second = (AlsItems(7, past, seed=3).rank(asked).tolist() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    "make", [Popularity, Cosine, lambda store: Rules(store, True), lambda store: Rules(store, False)]
)
def test_who_learned_nothing_answers_nothing(make) -> None:  # type: ignore[no-untyped-def]
    assert answer(make(SessionStore(3)), 1) == []
    assert AlsItems(3, sessions_of(), seed=1).rank(asked_of([1])).tolist() == [[-1] * DEPTH]
