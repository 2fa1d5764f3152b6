"""A log through a real service and recorder ends as the same lake rows as an import, whatever happens on the way."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from features.lakefile import read_decisions, read_events
from service import recorder
from tact.log_events import Sent, decision_body, events, events_body, in_order, lane
from tact.log_replay import Tally, Target, replay
from tests.service.shop import SHOP, Running, make_shop, running
from tests.support import PATIENCE_S, recorder_reads, until
from tests.training.importing import T0, opened
from training.importers import load

ROOT = Path(__file__).parents[2]
KINDS = ("view", "view", "cart", "buy", "search", "pageview", "view")


def log_text(n: int = 200, visitors: int = 7) -> str:
    """Every field that a log can have, several events in one millisecond, some duplicates."""
    head = "time,visitor,event,item,category,price,quantity,order_id,query,device,user_id\n"
    lines = []
    for i in range(n):
        kind = KINDS[i % len(KINDS)]
        item = "" if kind in ("search", "pageview") else f"item-é-{i % 11}"
        order = f"o{i}" if kind == "buy" else ""
        query = "red shoes, size 4" if kind == "search" else ""
        fields = (
            T0 + (i // 3) * 1000,
            f"v{i % visitors}",
            kind,
            item,
            "Schuhe" if i % 2 else "",
            i % 5,
            1 + i % 3,
            order,
        )
        lines.append(
            ",".join(map(str, fields)) + f',"{query}",{"mobile" if i % 4 else ""},{"u1" if i % 9 == 0 else ""}\n'
        )
    return head + "".join([*lines, *lines[:3]])


def sent(path: Path, text: str | None = None) -> list[Sent]:
    return list(events(in_order(list(opened(path, text).batches()))))


@contextmanager
def recording(service: Running) -> Iterator[None]:
    """A recorder beside the service, which reads when the test begins."""
    stop = threading.Event()
    thread = threading.Thread(target=recorder.run, args=(service.shop.settings, stop))
    thread.start()
    try:
        assert until(lambda: recorder_reads(service.shop.settings))
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def run(listed: list[Sent], target: Target) -> Tally:
    return asyncio.run(replay(listed, target))


@pytest.fixture
def service(tmp_path: Path, valkey: object, redis_url: str) -> Iterator[Running]:
    shop = make_shop(tmp_path / "home", redis_url, recorder_flush_s=0.2)
    with running(shop) as service_:
        yield service_


def test_a_log_through_http_gives_the_lake_the_rows_of_an_import(tmp_path: Path, service: Running) -> None:
    log = tmp_path / "log.csv"
    imported = load(opened(log, log_text(), shop=SHOP), log, tmp_path / "imported")
    listed = sent(log)
    with recording(service):
        tally = run(listed, Target(service.url, service.shop.secret, ("product.badge", "global.chat"), lanes=4))
        lake = service.shop.settings.lake
        assert until(lambda: len(read_events(lake)) >= imported.counts.given)
        views = sum(event.is_product_view for event in listed)
        assert until(lambda: len(read_decisions(lake)) >= views)
    assert tally.acknowledged == tally.sent == len(listed) == imported.counts.given == 200
    assert not tally.errors
    assert tally.decisions == views and sum(tally.stages.values()) == views
    assert sum(tally.decided.values()) == 2 * views
    assert read_events(lake).to_pylist() == read_events(tmp_path / "imported").to_pylist()


def test_events_alone_give_the_same_rows_too(tmp_path: Path, service: Running) -> None:
    log = tmp_path / "log.csv"
    load(opened(log, log_text(), shop=SHOP), log, tmp_path / "imported")
    with recording(service):
        tally = run(sent(log), Target(service.url, service.shop.secret, lanes=3))
        lake = service.shop.settings.lake
        assert until(lambda: len(read_events(lake)) >= 200)
    assert (tally.acknowledged, tally.decisions, tally.errors.total()) == (200, 0, 0)
    assert read_events(lake).to_pylist() == read_events(tmp_path / "imported").to_pylist()


def test_an_event_of_many_items_is_sent_as_one(tmp_path: Path, service: Running) -> None:
    head = "event_id,line,time,visitor,event,item,price,quantity,value\n"
    log = tmp_path / "log.csv"
    text = head + f"e1,0,{T0},v,buy,a,2.5,1,9.5\ne1,1,{T0},v,buy,b,3.5,2,9.5\ne2,0,{T0},v,view,a,,,\n"
    load(opened(log, text, shop=SHOP), log, tmp_path / "imported")
    listed = sent(log)
    assert [(event.rows, len(event.body.get("items", ()))) for event in listed] == [(2, 2), (1, 0)]
    with recording(service):
        assert run(listed, Target(service.url, service.shop.secret, ("product.badge",))).acknowledged == 2
        lake = service.shop.settings.lake
        assert until(lambda: len(read_events(lake)) >= 3)
    assert read_events(lake).to_pylist() == read_events(tmp_path / "imported").to_pylist()


def test_what_the_service_refuses_is_counted_by_status_and_code(tmp_path: Path, service: Running) -> None:
    text = f"time,visitor,event,item\n{T0},v,view,a\n{T0 + 1},v,spin,a\n{T0 + 2},v,guide,a\n"
    reader = opened(tmp_path / "log.csv", text, events="spin=custom,guide=custom")
    listed = list(events(in_order(list(reader.batches()))))
    tally = run(listed, Target(service.url, service.shop.secret, ("no.such",)))
    assert dict(tally.errors) == {"422 unknown_placement": 1, "422 unknown_event": 2}
    assert (tally.sent, tally.acknowledged) == (3, 0) and "spin" in tally.samples["422 unknown_event"]
    wrong_key = run(listed, Target(service.url, service.shop.publishable))
    assert dict(wrong_key.errors) == {"403 clock_not_allowed": 3}


def test_a_service_that_is_away_for_a_while_costs_retries_but_no_event(tmp_path: Path, redis_url: str) -> None:
    """The service is stopped and started again on the same port in the middle of a replay."""
    shop = make_shop(tmp_path / "home", redis_url)
    log = tmp_path / "log.csv"
    listed = sent(log, log_text(300))
    found: list[Tally] = []
    with running(shop) as first:
        port = int(first.url.rsplit(":", 1)[1])
        target = Target(first.url, shop.secret, ("product.badge",), lanes=4, rate=150, kept_trying_s=300.0)
        thread = threading.Thread(daemon=True, target=lambda: found.append(run(listed, target)))
        thread.start()
        thread.join(0.7)
    with serving(shop.settings.home, redis_url, port):
        thread.join(300)
        assert not thread.is_alive()
    (tally,) = found
    assert (tally.acknowledged, tally.errors.total()) == (300, 0)
    assert tally.retries > 0


def test_a_service_that_never_comes_back_is_given_up(tmp_path: Path) -> None:
    listed = sent(tmp_path / "log.csv", log_text(3))
    tally = run(listed, Target("http://127.0.0.1:9", "sk_x", kept_trying_s=1.0))
    assert dict(tally.errors) == {"no answer": 3} and tally.acknowledged == 0 and tally.retries >= 3


def test_the_events_of_a_visitor_take_one_lane_in_order(tmp_path: Path) -> None:
    listed = sent(tmp_path / "log.csv", log_text())
    assert [event.ts_ms for event in listed] == sorted(event.ts_ms for event in listed)
    lanes = {event.visitor_id: lane(event.visitor_id, 4) for event in listed}
    assert set(lanes.values()) <= set(range(4)) and len(set(lanes.values())) > 1


def test_a_request_says_its_clock_and_consent() -> None:
    event = Sent("v", T0, {"event": "view_item", "visitor_id": "v", "ts": T0, "item_id": "i", "category": "c"}, 1)
    body = json.loads(events_body([event]))
    assert (body["clock_ms"], body["consent"]) == (T0, ["analytics", "personalization"])
    asked = json.loads(decision_body(event, ["p"]))
    assert asked["context"] == {"page_type": "product", "item_id": "i", "category": "c", "consent": body["consent"]}
    assert (asked["clock_ms"], asked["events"]) == (T0, body["events"])


def tact(home: Path, *args: str) -> "subprocess.CompletedProcess[str]":
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TACT_")}
    environ |= {"TACT_HOME": str(home), "NO_COLOR": "1", "COLUMNS": "140"}
    command = [sys.executable, "-m", "tact", "replay-log", *args]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=120)


def test_the_verb_finds_the_demo_and_tells_what_came_of_it(tmp_path: Path, service: Running) -> None:
    (tmp_path / "log.csv").write_text(log_text(60))
    home = tmp_path / "other"
    home.mkdir()
    (home / "demo.json").write_text(json.dumps({"url": service.url, "secret_key": service.shop.secret}))
    out = tmp_path / "out.json"
    asked = ("--placements", "product.badge", "--json", str(out), "--limit", "50")
    done = tact(home, str(tmp_path / "log.csv"), "--through", "http", *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "By action" in done.stdout and "By stage" in done.stdout and "silence" in done.stdout
    figures = json.loads(out.read_text())
    assert figures["events"] == {"sent": 50, "acknowledged": 50} and figures["errors"]["total"] == 0
    assert figures["decisions"]["made"] == sum(figures["decisions"]["by_stage"].values()) > 0
    refused = tact(home, str(tmp_path / "log.csv"), "--limit", "5", "--placements", "none.such")
    assert refused.returncode == 1 and "unknown_placement" in refused.stderr


def test_the_verb_without_a_service_or_a_log_ends_with_code_2(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(log_text(3))
    for args, says in (
        ((str(tmp_path / "log.csv"),), "demo.json"),
        ((str(tmp_path / "log.csv"), "--url", "nowhere", "--key", "k"), "nowhere"),
        ((str(tmp_path / "log.csv"), "--through", "pigeon"), "pigeon"),
        ((str(tmp_path / "none.csv"), "--url", "http://127.0.0.1:9", "--key", "k"), "not there"),
    ):
        done = tact(tmp_path, *args)
        assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr


@contextmanager
def serving(home: Path, redis_url: str, port: int) -> Iterator[None]:
    """The service as a process of its own, on a port that was in use a moment ago."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TACT_")}
    environ |= {"TACT_HOME": str(home), "REDIS_URL": redis_url, "TACT_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "tact", "service"], cwd=ROOT, env=environ)
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def test_ctrl_c_ends_a_replay_with_what_came_of_it(tmp_path: Path, service: Running) -> None:
    (tmp_path / "log.csv").write_text(log_text(300))
    environ = {**os.environ, "NO_COLOR": "1", "COLUMNS": "140", "TACT_HOME": str(tmp_path / "other")}
    asked = ["--url", service.url, "--key", service.shop.secret, "--no-decisions", "--rate", "20"]
    command = [sys.executable, "-m", "tact", "replay-log", str(tmp_path / "log.csv"), *asked]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as going:
        assert until(lambda: "tact_events_total{" in service.anyone.get("/metrics").text)
        going.send_signal(signal.SIGINT)
        out, err = going.communicate(timeout=PATIENCE_S)
    assert going.returncode == 1 and "acknowledged" in out
    assert "stopped after" in err and "Traceback" not in err
