"""What is left when something is gone: a decision is still answered in time, and nothing acknowledged is lost."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
import pytest
import redis

from service import stream
from service.embedded import EmbeddedValkey
from tests.service.shop import POLICY, SHOP, Running, Shop, constant_parts, make_shop, running
from tests.support import PATIENCE_S

EVENT = {"event": "view_item", "event_id": "e", "visitor_id": "v1", "item_id": "a"}
LIMITS = {"deadline_ms": 100, "store_timeout_ms": 50}
"""Those of an install that sets none, where they are the fact."""
SLACK_S = 0.25
"""On top of the deadline and of a few times what a decision of the same run takes while nothing is wrong."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A server of the test's own: it may be stopped."""
    with EmbeddedValkey(tmp_path / "valkey") as own:
        yield own


@pytest.fixture
def shop(server: EmbeddedValkey, tmp_path: Path) -> Shop:
    return make_shop(tmp_path / "home", server.url)


@pytest.fixture
def live(shop: Shop) -> Iterator[Running]:
    with running(shop) as service:
        yield service


@pytest.fixture
def prompt(server: EmbeddedValkey, tmp_path: Path) -> Iterator[Running]:
    """A service with the limits of every day."""
    with running(make_shop(tmp_path / "home", server.url, **LIMITS)) as service:
        yield service


def timed_decision(live: Running, **body: Any) -> tuple[dict[str, Any], float]:
    started = time.monotonic()
    return live.decide(**body), time.monotonic() - started


def timed_decisions(live: Running, count: int, at_once: int = 1) -> tuple[list[dict[str, Any]], float]:
    """So many answers, and the middle of the times they took, in seconds."""
    with ThreadPoolExecutor(at_once) as pool:
        timed = list(pool.map(lambda _: timed_decision(live), range(count)))
    return [answer for answer, _ in timed], median(took_s for _, took_s in timed)


def receipts(server: EmbeddedValkey) -> list[stream.DecisionEntry]:
    with redis.Redis.from_url(server.url) as client:
        logs = [client.xrange(key) for key in client.scan_iter("log:*")]
    entries = [stream.decode(fields) for log in logs for _, fields in log]
    return [entry for entry in entries if isinstance(entry, stream.DecisionEntry)]


def test_with_the_store_gone_a_decision_is_a_safe_one_in_time(prompt: Running, server: EmbeddedValkey) -> None:
    prompt.wait(lambda: prompt.decide()["degraded"] is False)
    _, usual_s = timed_decisions(prompt, 20)
    server.stop()
    answers, took_s = timed_decisions(prompt, 20)
    assert {answer["degraded_because"] for answer in answers} <= {"store", "deadline"}
    # the policy marks it as a fallback
    assert {answer["placements"]["product.badge"]["action"] for answer in answers} == {"returns"}
    assert took_s < LIMITS["deadline_ms"] / 1000 + SLACK_S + 5 * usual_s


def test_with_the_store_gone_the_answer_says_so(live: Running, server: EmbeddedValkey) -> None:
    assert live.decide()["degraded"] is False
    server.stop()
    answer = live.decide()
    assert (answer["degraded"], answer["degraded_because"]) == (True, "store")


def test_with_the_store_gone_an_event_is_not_acknowledged(live: Running, server: EmbeddedValkey) -> None:
    server.stop()
    answer = live.call.post("/v1/events", json=EVENT)
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert answer.headers["retry-after"] == "1"


def test_with_the_store_gone_the_process_is_healthy_and_not_ready(live: Running, server: EmbeddedValkey) -> None:
    assert live.anyone.get("/readyz").status_code == 200
    server.stop()
    assert live.anyone.get("/healthz").status_code == 200
    ready = live.anyone.get("/readyz")
    assert ready.status_code == 503
    assert any("Redis" in reason for reason in ready.json()["missing"])


def test_when_the_store_is_back_all_is_as_before(live: Running, server: EmbeddedValkey) -> None:
    assert live.call.post("/v1/events", json=EVENT).status_code == 202
    server.stop()
    assert live.decide()["degraded"] is True
    server.start()
    live.wait(lambda: live.decide()["degraded"] is False)
    assert live.call.post("/v1/events", json=EVENT).status_code == 202
    kept = live.secret.get("/v1/visitors/v1").json()
    assert "view_item" in [record["kind"] for record in kept["tail"]]


def test_receipts_wait_for_the_store_to_come_back(live: Running, server: EmbeddedValkey) -> None:
    server.stop()
    made = {live.decide()["decision_id"] for _ in range(30)}
    server.start()
    live.wait(lambda: made <= {entry.decision_id for entry in receipts(server)})
    assert all(entry.degraded for entry in receipts(server) if entry.decision_id in made)


def test_a_store_that_hangs_costs_no_more_than_the_wait_for_it(prompt: Running, server: EmbeddedValkey) -> None:
    assert server.pid is not None
    _, usual_s = timed_decisions(prompt, 40, at_once=8)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        answers, took_s = timed_decisions(prompt, 40, at_once=8)
        assert {answer["degraded_because"] for answer in answers} <= {"deadline", "store"}
        assert took_s < LIMITS["deadline_ms"] / 1000 + SLACK_S + 5 * usual_s
    finally:
        os.kill(server.pid, signal.SIGCONT)
    prompt.wait(lambda: prompt.decide()["degraded"] is False)


def test_a_store_that_falls_amid_traffic_fails_no_decision_and_loses_no_event(
    live: Running, server: EmbeddedValkey
) -> None:
    stop = threading.Event()
    statuses: list[int] = []
    acknowledged: list[str] = []

    def decide() -> None:
        while not stop.is_set():
            body = {"visitor_id": "v2", "placements": ["product.badge"]}
            statuses.append(live.call.post("/v1/decisions", json=body).status_code)

    def send() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            answer = live.call.post("/v1/events", json={**EVENT, "event_id": f"n{number}", "visitor_id": "v3"})
            assert answer.status_code in (202, 503)
            if answer.status_code == 202:
                acknowledged.append(f"n{number}")

    threads = [threading.Thread(target=work) for work in (decide, decide, send)]
    for thread in threads:
        thread.start()
    try:
        live.wait(lambda: len(statuses) > 50 and bool(acknowledged))
        server.stop()
        before = len(statuses)
        live.wait(lambda: len(statuses) > before + 50)
        server.start()
        live.wait(lambda: live.decide()["degraded"] is False)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200}
    with redis.Redis.from_url(server.url) as client:
        log = client.xrange(stream.log_key(stream.partition("v3", live.shop.settings.partitions)))
    entries = [stream.decode(fields) for _, fields in log]
    kept = {row.event_id for entry in entries if isinstance(entry, stream.EventEntry) for row in entry.rows}
    assert set(acknowledged) <= kept
    assert acknowledged


def test_the_service_starts_without_a_store(server: EmbeddedValkey, shop: Shop) -> None:
    server.stop()
    with running(shop) as live:
        assert live.decide()["degraded_because"] == "store"
        server.start()
        live.wait(lambda: live.decide()["degraded"] is False)


def test_without_a_bundle_a_decision_is_degraded_until_one_is_published(server: EmbeddedValkey, tmp_path: Path) -> None:
    with running(make_shop(tmp_path / "none", server.url, publish=False)) as live:
        answer = live.decide()
        assert (answer["degraded_because"], answer["bundle"], answer["stage"]) == ("bundle", None, None)
        ready = live.anyone.get("/readyz")
        assert (ready.status_code, ready.json()["missing"]) == (503, [f"{SHOP}: no bundle"])
        bundle_id = live.shop.publish(constant_parts())
        live.wait(lambda: live.decide()["bundle"] == bundle_id)
        assert live.anyone.get("/readyz").status_code == 200


def test_without_a_policy_every_placement_is_silent(server: EmbeddedValkey, tmp_path: Path) -> None:
    with running(make_shop(tmp_path / "none", server.url, policy="")) as live:
        answer = live.decide(placements=["anything"])
        assert answer["degraded_because"] == "policy"
        assert answer["placements"]["anything"]["action"] is None


def test_a_broken_policy_is_refused_and_the_old_one_stays(live: Running) -> None:
    before = live.decide()["policy"]
    live.shop.policy_file.write_text(POLICY.replace("kind: badge", "kind: bagde"))
    refused = lambda: live.anyone.get("/readyz").json()["shops"][SHOP]["refused"].get("policy", "")  # noqa: E731
    live.wait(lambda: bool(refused()))
    assert f"{SHOP}.yaml:" in refused()  # file and line
    assert "bagde" in refused()
    assert live.decide()["policy"] == before
    assert live.anyone.get("/readyz").status_code == 200
    assert 'tact_reload_failures_total{what="policy"} 1.0' in live.anyone.get("/metrics").text
    live.shop.policy_file.write_text(POLICY.replace("value: 100", "value: 101"))
    live.wait(lambda: live.decide()["policy"] != before)
    assert not refused()


def test_a_policy_file_that_is_removed_stays_live_and_is_missed(live: Running) -> None:
    before = live.decide()["policy"]
    live.shop.policy_file.unlink()
    live.wait(lambda: "is gone" in live.anyone.get("/readyz").text)
    answer = live.decide()
    assert (answer["policy"], answer["degraded"]) == (before, False)


def test_a_damaged_bundle_is_refused_and_the_old_one_stays(live: Running) -> None:
    before = live.decide()["bundle"]
    folder = Path(live.shop.settings.registry)
    pointer = folder / "live" / f"{SHOP}.json"
    pointer.write_text(pointer.read_text().replace(before, "0" * 16))
    live.wait(lambda: "bundle" in live.anyone.get("/readyz").json()["shops"][SHOP]["refused"])
    assert live.decide()["bundle"] == before


def test_a_bundle_is_swapped_without_a_failed_request(live: Running) -> None:
    answers = [live.decide()]
    first = answers[0]["bundle"]
    second = live.shop.publish(constant_parts("hesitation"))
    assert second != first
    give_up = time.monotonic() + PATIENCE_S
    while answers[-1]["bundle"] != second:
        assert time.monotonic() < give_up
        answers.append(live.decide())
    assert not any(answer["degraded"] for answer in answers)
    assert {(answer["bundle"], answer["stage"]["name"]) for answer in answers} == {
        (first, "evaluation"),
        (second, "hesitation"),
    }


def test_a_receipt_replays_after_bundle_and_policy_have_changed(live: Running) -> None:
    old = live.decide()
    live.shop.publish(constant_parts("hesitation"))
    live.shop.policy_file.write_text(POLICY.replace("value: 100", "value: 101"))
    live.wait(lambda: (now := live.decide())["bundle"] != old["bundle"] and now["policy"] != old["policy"])
    assert live.secret.post(f"/v1/decisions/{old['decision_id']}/replay").json()["identical"] is True


def test_a_receipt_whose_bundle_is_gone_says_so(live: Running) -> None:
    old = live.decide()
    live.shop.publish(constant_parts("hesitation"))
    live.wait(lambda: live.decide()["bundle"] != old["bundle"])
    for file in (Path(live.shop.settings.registry) / "bundles" / old["bundle"]).iterdir():
        file.unlink()
    answer = live.secret.post(f"/v1/decisions/{old['decision_id']}/replay")
    assert (answer.status_code, answer.json()["code"]) == (410, "bundle_gone")
    assert old["bundle"] in answer.json()["detail"]
    assert live.secret.get(f"/v1/decisions/{old['decision_id']}/why").status_code == 200


def test_waiting_receipts_are_written_before_the_service_ends(server: EmbeddedValkey, shop: Shop) -> None:
    with running(shop) as live, ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: live.decide()["decision_id"], range(200)))
    assert made <= {entry.decision_id for entry in receipts(server)}


def test_an_error_of_our_own_is_answered_with_silence(live: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("service.decide.decide", broken)
    answer = live.decide()
    assert (answer["degraded"], answer["placements"]["product.badge"]["action"]) == (True, None)
    monkeypatch.undo()
    assert live.decide()["degraded"] is False
    assert 'tact_degraded_total{because="error"} 1.0' in live.anyone.get("/metrics").text


def test_a_client_that_goes_away_hurts_nobody(live: Running) -> None:
    for _ in range(20):
        with httpx2.Client(base_url=live.url, timeout=0.001) as hasty:
            try:
                hasty.post("/v1/decisions", json={"visitor_id": "v", "placements": ["product.badge"]})
            except httpx2.TimeoutException:
                continue
    assert live.decide()["degraded"] is False


def test_a_shop_without_a_policy_makes_no_metric_of_what_callers_name(server: EmbeddedValkey, tmp_path: Path) -> None:
    with running(make_shop(tmp_path / "bare", server.url, policy="")) as live:
        live.decide(placements=["a-caller-s-word", "another"])
        page = live.anyone.get("/metrics").text
    assert "a-caller-s-word" not in page
    assert f'tact_decisions_total{{kind="silence",placement="unknown",shop="{SHOP}"}} 2.0' in page
