"""A product that nobody had seen a minute ago is recommended: Valkey, learner and service as they run in a shop."""

import time
from pathlib import Path
from typing import Any

from tests.service.shop import Running, make_shop, running
from tests.service.test_learner import learning

PUBLISH_S = 1.0
LOOK_AGAIN_S = 1.0
"""How often the service looks for a new snapshot."""
ROOM_S = 40.0
"""For a machine that is busy with other tests."""


def look(shop: Running, visitor: str, *items: str) -> None:
    events = [{"event": "view_item", "visitor_id": visitor, "item_id": item} for item in items]
    assert shop.call.post("/v1/events", json={"events": events}).status_code == 202


def row(shop: Running, visitor: str) -> list[dict[str, Any]]:
    context = {"page_type": "product", "item_id": "item-1"}
    placed = shop.decide(visitor_id=visitor, placements=["product.recs"], context=context)["placements"]
    found: list[dict[str, Any]] = placed["product.recs"].get("items", [])
    return found


def test_a_product_first_seen_just_now_is_recommended_within_the_publish_interval(
    valkey: Any, redis_url: str, tmp_path: Path
) -> None:
    shop = make_shop(tmp_path, redis_url, learner_publish_s=PUBLISH_S, partitions=4)
    with running(shop) as live, learning(shop.settings):
        known = {item["item_id"] for _ in range(5) for item in row(live, "before")}
        assert known and "brand-new" not in known  # the bundle's own index serves until there is a snapshot
        for number in range(6):
            look(live, f"early-{number}", "item-1", "brand-new")
        began_s, number = time.monotonic(), 0
        found: list[dict[str, Any]] = []
        while not found:
            assert time.monotonic() - began_s < PUBLISH_S + LOOK_AGAIN_S + ROOM_S, "it never was"
            time.sleep(0.05)
            number += 1
            found = [item for item in row(live, f"after-{number}") if item["item_id"] == "brand-new"]
        assert found[0]["because"] == "item-1"
        assert found[0]["reason_code"] in ("together", "next", "alike")
        page = live.anyone.get("/metrics").text
        assert 'tact_unranked_total{because="error"}' not in page
