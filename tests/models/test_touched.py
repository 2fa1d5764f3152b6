"""What a tail says of products, beside the same in plain words."""

import numpy as np
import pytest

from features.events import KINDS, TOUCHES, Row
from features.record import Records, hash64, pack
from features.tail import session_begin, tail_of
from models.touched import held, touched

NOW = 1_700_000_000_000
MINUTE = 60_000
LOOKS = ("view_item", "select_item", "review_view")


def a_tail(seed: int) -> tuple[list[Row], Records]:
    rng = np.random.default_rng(seed)
    kinds = ("view_item", "add_to_cart", "remove_from_cart", "purchase", "review_view", "page_view", "view_cart")
    at = NOW - np.sort(rng.integers(0, 240, int(rng.integers(0, 30))))[::-1] * MINUTE
    rows = [
        Row(
            "s",
            "v",
            f"e{n}",
            int(at_ms),
            str(rng.choice(kinds)),
            item_id=f"i{rng.integers(0, 6)}" if rng.random() < 0.9 else "",
            quantity=int(rng.integers(0, 4)),
            received_ms=NOW,
        )
        for n, at_ms in enumerate(at)
    ]
    tail = tail_of(pack(rows).tobytes())
    kept = {int(event): row for event, row in zip(pack(rows)["event"], rows, strict=True)}
    return [kept[int(event)] for event in tail["event"]], tail


def item_of(row: Row) -> int:
    return int(pack([row])["item"][0])


@pytest.mark.parametrize("seed", range(40))
def test_what_the_visitor_has_is_told_event_by_event(seed: int) -> None:
    rows, tail = a_tail(seed)
    bought, cart = set(), dict[int, int]()
    for row in rows:
        item = item_of(row)
        if row.event == "purchase":
            bought.add(item)
            cart.clear()
        elif row.event in ("add_to_cart", "remove_from_cart"):
            change = row.quantity if row.event == "add_to_cart" else -row.quantity
            cart[item] = max(0, cart.get(item, 0) + change)
    viewed = {item_of(row) for row in rows[session_begin(tail, NOW) :] if row.event in LOOKS} - {0}
    has = held(tail, NOW)
    assert has.bought == bought
    assert has.cart == {item for item, units in cart.items() if units}
    assert has.viewed == viewed


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("page", ["", "i1", "elsewhere"])
@pytest.mark.parametrize("later_ms", [0, 40 * MINUTE])
def test_what_was_touched_ends_with_the_page_s_product(seed: int, page: str, later_ms: int) -> None:
    rows, tail = a_tail(seed)
    now_ms = NOW + later_ms
    begin = session_begin(tail, now_ms)
    mine = [(n, item_of(row), row.ts_ms) for n, row in enumerate(rows) if row.event in TOUCHES and item_of(row)]
    items, times = [item for _, item, _ in mine], [ts_ms for _, _, ts_ms in mine]
    since = sum(n < begin for n, _, _ in mine)
    if page and not (since < len(items) and items[-1] == hash64(page)):
        items, times = [*items, hash64(page)], [*times, now_ms]
    found = touched(tail, hash64(page), now_ms)
    assert (found[0].tolist(), found[1].tolist(), found[2]) == (items, times, since)


def test_an_empty_tail_has_nothing() -> None:
    none = tail_of(b"")
    assert held(none, NOW) == (frozenset(), frozenset(), frozenset())
    assert touched(none, 0, NOW)[2] == 0 and not touched(none, 0, NOW)[0].size
    assert set(LOOKS) <= set(KINDS)
