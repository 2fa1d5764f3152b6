"""Products for a decision: ranked for the visitor's own tail; the popular ones where that fails or has no time."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from features.record import hash64, pack
from features.tail import session_starts
from models import receipt as receipts
from models.arbitration import prior_draws
from models.decision import Known, answer, decide
from models.inputs import Suggestion
from models.recommend import Asked, Recommended, Recommender
from models.session_index import SessionIndex
from service.metrics import Metrics
from service.needs import Needs, needed, needs_of
from service.shop_live import Live
from service.suggest import FADE, RESERVE_S, Pace, Suggester, asked_of
from tests.models.deciding import CATALOG, MINUTE, NOW, PRODUCTS, FixedScores, Visitor, action, shop
from training.replay_views import Touches

SURE = {"prior": {"mean": 0.5, "strength": 1000}}
POPULAR = tuple(Suggestion(p, 1.0 / (i + 1), "", "popular") for i, p in enumerate(PRODUCTS[3:]))


def policy_of(**recommend: object):
    content = {"en": {"title": "More"}, "nl": {"title": "Meer"}}
    return shop(action("r", kind="recommend", content=content, recommend=recommend, **SURE), exploration_floor=0)


def live_of(recommender: object, **recommend: object) -> Live:
    policy = policy_of(**recommend)
    return Live(
        shop=policy.shop,
        bundle=None,
        policy=policy,
        has_policy=True,
        draws=prior_draws(policy),
        catalog=CATALOG,
        recommender=recommender,  # type: ignore[arg-type]
        popular=POPULAR,
        needs=needs_of(policy),
    )


def looked_together() -> Recommender:
    """Those who look at p0 look at p1 next."""
    index = SessionIndex()
    for visitor in range(1, 6):
        index.learn(["p0", "p1"], [visitor, visitor], [NOW - 9 * MINUTE, NOW - 8 * MINUTE])
    return Recommender.of(index.index())


class Broken:
    """A recommender that cannot rank."""

    def __init__(self) -> None:
        self.index, self.ranker = SessionIndex().index(), None

    def recommend(self, asked: Asked, k: int, returns: bool = True, keep: int = 0) -> tuple[Recommended, ...]:
        raise RuntimeError("damaged")


def items(live: Live, visitor: Visitor, suggester: Suggester, left_s: float = 1.0) -> list[str]:
    return [item["item_id"] for item in row(live, visitor, suggester, left_s)]


def row(live: Live, visitor: Visitor, suggester: Suggester, left_s: float = 1.0) -> list[dict[str, Any]]:
    inputs = visitor.inputs()
    known = Known.of(inputs, FixedScores())
    inputs = suggester.add(inputs, known, live, left_s)
    placed = json.loads(answer(decide(inputs, FixedScores(), live.policy, live.draws, known)))["placements"]["top"]
    found: list[dict[str, Any]] = placed.get("items", [])
    return found


def unranked(metrics: Metrics, because: str) -> float:
    return metrics.registry.get_sample_value("tact_unranked_total", {"because": because}) or 0.0


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


VISITOR = Visitor().on("product", item_id="p0")


def test_what_others_looked_at_next_comes_first_and_the_popular_after_it(metrics: Metrics) -> None:
    assert items(live_of(looked_together()), VISITOR, Suggester(metrics)) == ["p1", "p3", "p4", "p5"]
    assert metrics.registry.get_sample_value("tact_recommend_seconds_count") == 1


def test_a_recommender_that_fails_leaves_the_popular_and_is_counted(metrics: Metrics) -> None:
    suggester, live = Suggester(metrics), live_of(Broken())
    assert items(live, VISITOR, suggester) == items(live, VISITOR, suggester) == ["p3", "p4", "p5"]
    assert unranked(metrics, "error") == 2


def test_without_time_left_the_popular_stay_and_it_is_counted(metrics: Metrics) -> None:
    assert items(live_of(looked_together()), VISITOR, Suggester(metrics), left_s=0.001) == ["p3", "p4", "p5"]
    assert unranked(metrics, "deadline") == 1


def test_where_returns_are_let_in_an_own_product_nobody_else_has_seen_comes_back_by_its_name(metrics: Metrics) -> None:
    live = live_of(looked_together(), source="next", returns=True, fill=False)
    visitor = Visitor().did("view_item", 3, item_id="p5").did("view_item", 1, item_id="p0").on("product", item_id="p0")
    found = row(live, visitor, Suggester(metrics))
    assert {"p1", "p5"} <= {item["item_id"] for item in found}
    (own,) = (item for item in found if item["item_id"] == "p5")
    assert (own["reason_code"], own["because"], own["reason"]) == ("own", None, "You looked at this before")


def test_so_many_candidates_are_ranked_as_the_setting_says(metrics: Metrics) -> None:
    class Counting(Broken):
        def recommend(self, asked: Asked, k: int, returns: bool = True, keep: int = 0) -> tuple[Recommended, ...]:
            self.kept = keep
            return ()

    counting = Counting()
    items(live_of(counting), VISITOR, Suggester(metrics, candidates=42))
    assert counting.kept == 42


def test_a_shop_without_an_index_has_no_products(metrics: Metrics) -> None:
    assert items(replace(live_of(None), popular=()), VISITOR, Suggester(metrics)) == []


def test_after_a_slow_ranking_it_is_left_out_and_tried_again_before_long() -> None:
    pace, left_s = Pace(), 0.05
    assert pace.allows(left_s)
    pace.took(0.2)
    refused = 0
    while not pace.allows(left_s):
        refused += 1
    assert 0 < refused < 10
    assert 0.2 * FADE**refused + RESERVE_S <= left_s


def test_the_tail_is_asked_in_time_order_with_where_the_session_begins() -> None:
    visitor = (
        Visitor()
        .did("view_item", 200, item_id="a")
        .did("page_view", 9)
        .did("view_item", 8, item_id="b")
        .did("search", 7, query="b")
        .did("add_to_cart", 6, item_id="c")
        .did("view_item_list", 5)
    )
    tail = pack(visitor.rows)
    asked = asked_of(tail, "d", NOW)
    assert asked.items.tolist() == [hash64(i) for i in ("a", "b", "c", "d")]
    assert asked.session_from == 1
    assert asked.ts_ms.tolist()[-1] == asked.now_ms == NOW
    again = asked_of(tail, "c", NOW)
    assert again.items.tolist() == [hash64(i) for i in ("a", "b", "c")]  # the page's product is the last already
    later = asked_of(tail, "", NOW + 60 * MINUTE)
    assert (later.session_from, later.now_ms) == (3, NOW - 6 * MINUTE)  # as of the last touch
    back = asked_of(tail, "c", NOW + 60 * MINUTE)
    assert back.items.tolist() == [hash64(i) for i in ("a", "b", "c", "c")]  # a session of its own
    assert (back.session_from, back.now_ms) == (3, NOW + 60 * MINUTE)


def test_what_is_asked_on_a_page_without_a_product_is_what_training_asks() -> None:
    visitor = Visitor()
    for minutes, kind in (
        (200, "view_item"),
        (9, "select_item"),
        (8, "view_item"),
        (7, "review_view"),
        (6, "purchase"),
    ):
        visitor = visitor.did(kind, minutes, item_id=kind)
    log = pack([*visitor.rows, visitor.did("view_item", 0, item_id="next").rows[-1]])
    names = np.zeros(len(log), np.int64)
    session = np.cumsum(session_starts(log["ts_ms"], names)) - 1
    trained = Touches.of(log, names, session, {}).asked(3)
    served = asked_of(log[:-1], "", NOW)
    assert (
        served.items.tolist() == trained.items.tolist() == [hash64(i) for i in ("view_item", "view_item", "purchase")]
    )
    assert served.ts_ms.tolist() == trained.ts_ms.tolist()
    assert (served.session_from, served.now_ms) == (trained.session_from, trained.now_ms) == (1, NOW - 6 * MINUTE)


def test_a_decision_with_products_replays_from_its_receipt_without_a_recommender(metrics: Metrics) -> None:
    live, inputs = live_of(looked_together(), source="next"), VISITOR.did("view_item", 3, item_id="p0").inputs()
    known = Known.of(inputs, FixedScores())
    made = decide(Suggester(metrics).add(inputs, known, live, 1.0), FixedScores(), live.policy, live.draws, known)
    kept = receipts.decode(receipts.encode(made))
    assert kept.inputs.recommended
    assert receipts.replay(kept, lambda _: FixedScores(), lambda _: live.policy).identical


def test_a_page_is_given_what_its_rows_can_show_and_no_more(metrics: Metrics) -> None:
    def given(**recommend: object) -> tuple[int, int, int, int]:
        live, inputs = live_of(looked_together(), **recommend), VISITOR.did("view_item", 3, item_id="p0").inputs()
        found = Suggester(metrics).add(inputs, Known.of(inputs, FixedScores()), live, 1.0)
        return tuple(map(len, (found.recommended, found.returning, found.popular, found.recent)))  # type: ignore[return-value]

    assert given(source="popular") == (0, 0, 3, 0)
    assert given(source="recently_viewed") == (0, 0, 0, 1)
    assert given(source="similar", fill=False) == (1, 0, 0, 1)  # p1, since p0 was looked at
    assert given(source="next", returns=True, fill=False)[:3] == (0, 2, 0)


def test_needs_of_several_rows_add_up() -> None:
    policy = shop(
        *(
            action(f"r{i}", kind="recommend", placements=["top"], recommend=recommend)
            for i, recommend in enumerate(({"count": 2}, {"source": "next", "returns": True}, {"source": "new"}))
        )
    )
    assert needs_of(policy) == {"top": Needs(frozenset((False, True)), True, True, False, 20)}
    assert needed(needs_of(policy), ("side",)) == Needs()
    assert (
        needed(needs_of(shop(action("r", kind="recommend", recommend={"max_per_category": 1}))), ("top",)).at_most == 40
    )
