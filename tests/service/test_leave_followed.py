"""`leave` is served at the level of lately: Valkey, service and learner as they run in a shop, and the replay of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.intent import INTENTS
from models.leave_level import KNOWN_AFTER_MS, unmoved
from service import drift_watch
from tests import support
from tests.models.drifting import parts_with_reference
from tests.service.shop import Running, make_shop, running
from tests.service.test_learner import learning

BEGAN_MS = 1_700_000_000_000
VISITORS = 120
"""The bundle says of each that 94 % leave; that all do moves the log-odds by .135."""
LEAVE = INTENTS.index("leave")


def decided_at(shop: Running, clock_ms: int, visitor: str) -> str:
    """The id of a decision on a visitor's first page, at a clock of the past."""
    body = {"visitor_id": visitor, "placements": ["product.badge"], "clock_ms": clock_ms}
    answer = shop.secret.post("/v1/decisions", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["decision_id"])


def receipt_at(shop: Running, clock_ms: int, visitor: str) -> dict[str, Any]:
    """The receipt of such a decision."""
    path = f"/v1/decisions/{decided_at(shop, clock_ms, visitor)}"
    found: dict[str, Any] = {}

    def written() -> bool:
        response = shop.secret.get(path)
        found.update(response.json())
        return response.status_code == 200

    assert support.until(written)
    return found


def line_served(shop: Running, clock_ms: int) -> Callable[[], bool]:
    numbers = iter(range(10_000))

    def served() -> bool:
        return bool(receipt_at(shop, clock_ms, f"after-{next(numbers)}")["inputs"]["leave_line"][0] > 0.1)

    return served


def test_a_shop_that_everybody_leaves_is_told_so_within_a_look_and_replays(
    valkey: Any, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift_watch, "LOOK_S", 0.1)
    monkeypatch.setattr(drift_watch, "RATE", 10 * VISITORS)
    shop = make_shop(tmp_path, redis_url, learner_publish_s=0.2, partitions=4)
    shop.publish(parts_with_reference())
    with running(shop) as live, learning(shop.settings):
        for number in range(VISITORS):
            decided_at(live, BEGAN_MS + number, f"before-{number}")
        assert receipt_at(live, BEGAN_MS + VISITORS, "still-before")["inputs"]["leave_line"] == [0.0, 0.0, 0.0]
        later_ms = BEGAN_MS + KNOWN_AFTER_MS + VISITORS + 60_000
        assert support.until(line_served(live, later_ms))
        receipt = receipt_at(live, later_ms, "last")
        line = receipt["inputs"]["leave_line"]
        first, later, slope = line
        assert first > 0.1 and later == 0.0
        path = f"/v1/decisions/{receipt['decision_id']}"
        replayed = live.secret.post(f"{path}/replay").json()
        assert replayed["identical"], replayed["differs"]
        assert live.secret.get(f"{path}/why").json()["leave_line"] == {"first": first, "later": later, "slope": slope}
        said = receipt["scores"]["intent"][LEAVE]
        assert said > unmoved(said, tuple(line), 0) + 0.005
