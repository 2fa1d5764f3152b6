"""The part `console`: answers are kept and told as old, work under way tells how far it is, jobs are the verbs' own."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from features.catalog import Product
from features.lake_catalog import write_catalog
from features.lakefile import write_decisions
from models.policy import load_policy
from service import audit
from service.lake_desk import DeskAway, ask_desk, desk_socket
from service.settings import Settings
from tact import console_part
from tact.console_desk import FIRST_ASKED, Desk, lake_state
from tact.console_jobs import COMMANDS, Jobs, Wanted
from tests.service.shop import POLICY, SHOP
from tests.support import PATIENCE_S, until
from tests.training.test_console_queries import NOON, decided
from training import console_queries

Json = dict[str, Any]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path, redis_url="redis://127.0.0.1:1")
    made.policies.mkdir()
    (made.policies / f"{SHOP}.yaml").write_text(POLICY)
    write_decisions(made.lake, [decided("D1", "ann", NOON, "returns")], "a")
    return made


@pytest.fixture
def desk(settings: Settings) -> Iterator[Desk]:
    made = Desk(settings)
    yield made
    made.close()


def asked(desk: Desk, name: str = "decisions", wait_s: float = PATIENCE_S, **params: str) -> Json:
    return desk.ask(name, SHOP, params, wait_s)


def test_an_answer_is_kept_while_the_lake_stays(desk: Desk) -> None:
    first, again = asked(desk), asked(desk)
    assert [one["decision_id"] for one in first["answer"]["decisions"]] == ["D1"]
    assert (first["as_of_ms"], again["stale"]) == (again["as_of_ms"], False)
    assert asked(desk, visitor="bob")["answer"]["decisions"] == []


def test_an_old_answer_is_given_at_once_and_marked_while_a_new_one_is_made(settings: Settings) -> None:
    now_s = [1000.0]
    desk = Desk(settings, clock=lambda: now_s[0])
    asked(desk)
    write_decisions(settings.lake, [decided("D2", "bob", NOON, "returns")], "b")
    assert len(asked(desk)["answer"]["decisions"]) == 1  # young enough
    now_s[0] += 3600
    told = asked(desk, wait_s=0)
    assert (told["stale"], len(told["answer"]["decisions"])) in ((True, 1), (False, 2))
    assert until(lambda: len(asked(desk)["answer"]["decisions"]) == 2)
    desk.close()


def test_what_takes_long_tells_how_far_it_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slow(about: console_queries.Asked) -> Json:
        about.progress("reading receipts", 0.25)
        go_on.wait(PATIENCE_S)
        return {"done": True}

    monkeypatch.setitem(console_queries.QUERIES, "slow", slow)
    assert until(lambda: asked(desk, "slow", 0.05).get("share") == 0.25)
    told = asked(desk, "slow", 0.0)
    assert (told["state"], told["step"]) == ("working", "reading receipts")
    go_on.set()
    assert asked(desk, "slow")["answer"] == {"done": True}


def test_what_views_ask_first_is_begun_once_and_there_when_they_ask(
    desk: Desk, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def noted(about: console_queries.Asked) -> Json:
        made.append(about.shop)
        return {"done": True}

    for name in FIRST_ASKED:
        assert name in console_queries.QUERIES
        monkeypatch.setitem(console_queries.QUERIES, name, noted)
    desk.warm(SHOP)
    assert until(lambda: len(made) == len(FIRST_ASKED))
    assert [asked(desk, name, 5.0)["answer"] for name in FIRST_ASKED] == [{"done": True}] * len(FIRST_ASKED)
    desk.warm(SHOP)
    assert len(made) == len(FIRST_ASKED)


def test_an_answer_that_nobody_waited_for_is_marked_where_the_lake_went_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [1000.0]
    desk = Desk(settings, clock=lambda: now_s[0])
    for name in FIRST_ASKED:
        monkeypatch.setitem(console_queries.QUERIES, name, lambda about: {"done": True})
    desk.warm(SHOP)
    next(job for key, job in desk._jobs.items() if key[0] == "messages").future.result(60)
    write_decisions(settings.lake, [decided("D2", "bob", NOON, "returns")], "b")
    now_s[0] += 3600
    assert asked(desk, "messages", 0)["stale"] is True
    desk.close()


def test_what_cannot_be_answered_is_told_and_ends_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(about: console_queries.Asked) -> Json:
        raise ZeroDivisionError("by nought")

    monkeypatch.setitem(console_queries.QUERIES, "broken", broken)
    assert asked(desk, "broken") | {"as_of_ms": 0, "took_ms": 0} == {
        "state": "failed",
        "detail": "ZeroDivisionError: by nought",
        "as_of_ms": 0,
        "took_ms": 0,
        "stale": False,
    }
    assert asked(desk, "nonsense")["state"] == "unknown"
    assert desk.ask("decisions", "nobody", {}, PATIENCE_S)["state"] == "unanswerable"
    assert asked(desk)["state"] == "done"


def test_the_state_of_a_lake_changes_with_its_files(settings: Settings) -> None:
    before = lake_state(settings.lake, SHOP)
    assert lake_state(settings.lake, "other") != before
    write_decisions(settings.lake, [decided("D2", "bob", NOON, "returns")], "b")
    assert lake_state(settings.lake, SHOP) != before


def test_the_part_answers_over_a_socket_of_this_user_alone_and_takes_it_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "nice", lambda by: 0)
    stop = threading.Event()
    thread = threading.Thread(target=console_part.run, args=(settings, stop))
    thread.start()
    path = desk_socket(settings.home)
    try:
        assert until(path.exists)
        assert path.stat().st_mode & 0o077 == 0
        told = asyncio.run(
            ask_desk(settings.home, {"ask": "decisions", "shop": SHOP, "params": {}, "wait_s": 2.0}, PATIENCE_S)
        )
        assert told["state"] in ("done", "working")
        with pytest.raises(DeskAway, match="middle of an answer"):
            asyncio.run(ask_desk(settings.home, {"nonsense": 1}, PATIENCE_S))
        assert asyncio.run(ask_desk(settings.home, {"ask": "samples"}, PATIENCE_S))["answer"]["every_s"] > 0
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not path.exists()
    with pytest.raises(DeskAway):
        asyncio.run(ask_desk(settings.home, {"ask": "samples"}))


# ---- jobs


def finished(jobs: Jobs, what: str, **given: Any) -> Json:
    name = jobs.start(what, "console, key sk_test…", SHOP, given)["answer"]["job"]
    give_up = time.monotonic() + 120
    while (told := jobs.told(name, SHOP)["answer"])["running"]:
        assert time.monotonic() < give_up
        time.sleep(0.1)
    return dict(told)


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    made = Jobs(settings)
    yield made
    made.close()


def test_a_job_says_what_the_verb_says_and_leaves_no_file(jobs: Jobs, settings: Settings) -> None:
    told = finished(jobs, "rollback_policy", why="--help")
    assert (told["exit"], "nothing was promoted" in told["said"]) == (1, True)
    assert list((settings.home / "console-jobs").iterdir()) == []


def test_a_forced_promotion_from_the_console_names_the_session_in_the_audit_log(jobs: Jobs, settings: Settings) -> None:
    changed = POLICY.replace("30 days to return", "60 days to return")
    judged = finished(jobs, "judge", text=changed)
    assert judged["exit"] == 1
    assert judged["told"]["passed"] is False
    assert (settings.policies / f"{SHOP}.yaml").read_text() == POLICY
    forced = finished(jobs, "promote", text=changed, why="agreed with the shop", force=True)
    assert forced["exit"] == 0, forced["said"]
    assert str(settings.home) not in judged["said"] + forced["said"]
    assert (settings.policies / f"{SHOP}.yaml").read_text() == changed
    (entry,) = audit.read(settings.home)
    assert (entry.who, entry.what, entry.shop) == ("console, key sk_test…", "promote", SHOP)
    assert entry.why.startswith("agreed with the shop")
    assert finished(jobs, "rollback_policy", why="it was a test")["exit"] == 0
    assert (settings.policies / f"{SHOP}.yaml").read_text() == POLICY


def test_of_two_promotions_that_were_begun_beside_the_same_policy_the_second_is_refused_in_its_turn(
    jobs: Jobs, settings: Settings
) -> None:
    first, second = (POLICY.replace("30 days to return", f"{days} days to return") for days in (60, 90))
    given = {"why": "a test", "force": True, "base": load_policy(POLICY, "p.yaml").version}
    assert finished(jobs, "promote", text=first, **given)["exit"] == 0
    late = finished(jobs, "promote", text=second, **given)
    assert (late["exit"], "went live meanwhile" in late["said"]) == (1, True)
    assert (settings.policies / f"{SHOP}.yaml").read_text() == first
    assert finished(jobs, "rollback_policy", why="it was a test")["exit"] == 0


def test_persona_tests_run_with_the_text_that_is_edited_and_are_kept(jobs: Jobs, settings: Settings) -> None:
    tests = """now: 2026-11-23T12:00:00+01:00
cases:
  - name: anyone
    context: {page_type: product}
    stage: evaluation
    expect: {product.badge: {sees: [returns]}}
"""
    told = finished(jobs, "test", text=POLICY, tests=tests)
    assert told["exit"] == 0, told["said"]
    assert told["told"][0]["failures"] == []
    assert (settings.home / "console-tests" / f"{SHOP}.yaml").read_text() == tests


def test_persona_tests_may_use_the_shop_s_own_catalog_whatever_is_known_of_its_products(
    jobs: Jobs, settings: Settings
) -> None:
    whole = Product(
        "p1", "Tent", "/p/p1", "/p1.svg", "tents", 9.0, 3.0, 4, {"Utrecht": 1}, ("a",), 4.5, 3, 1_700_000_000_000
    )
    write_catalog(settings.lake, SHOP, [whole, Product("p2")])
    tests = """now: 2026-11-23T12:00:00+01:00
catalog: catalog.ndjson
cases:
  - name: looks at the tent
    context: {page_type: product, item_id: p1}
    stage: evaluation
    expect: {product.badge: {sees: [returns]}}
"""
    told = finished(jobs, "test", text=POLICY, tests=tests)
    assert told["exit"] == 0, told["said"]


def test_a_shop_s_job_is_told_to_no_other(jobs: Jobs) -> None:
    name = jobs.start("rollback_policy", "me", SHOP, {})["answer"]["job"]
    assert jobs.told(name, "other")["state"] == "unknown"
    assert jobs.start("rm", "me", SHOP, {})["state"] == "unknown"
    with pytest.raises(TypeError):
        jobs.start("judge", "me", SHOP, {"shop": "other"})


def test_every_command_is_a_verb_with_the_session_s_shop(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name, command in COMMANDS.items():
        argv = command(Wanted(SHOP, tmp_path / "a", text="x", why="w", bundle="b", lake=tmp_path / "lake"))
        assert SHOP in argv or name == "test", name
