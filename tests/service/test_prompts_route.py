"""GET /v1/prompts on a running service."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.service.shop import Running

VIEW = {"event": "view_item", "item_id": "item-1"}


@contextmanager
def widget(live: Running, visitor_id: str) -> Iterator[list[dict[str, Any]]]:
    """A chat widget: the prompts it got so far."""
    prompts: list[dict[str, Any]] = []
    params = {"visitor_id": visitor_id, "key": live.shop.publishable}
    with (
        httpx2.Client(base_url=live.url, timeout=30) as client,
        client.stream("GET", "/v1/prompts", params=params) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")

        def read() -> None:
            try:
                lines = (line for line in answer.iter_lines() if line.startswith("data: "))
                prompts.extend(json.loads(line.removeprefix("data: ")) for line in lines)
            except (httpx2.HTTPError, httpx2.StreamError):
                return  # the widget has gone

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        yield prompts


def view(live: Running, visitor_id: str) -> None:
    assert live.call.post("/v1/events", json={**VIEW, "visitor_id": visitor_id}).status_code == 202


def test_a_prompt_comes_when_its_moment_comes_and_once(live: Running) -> None:
    who = f"v-{uuid4().hex}"
    with widget(live, who) as prompts:
        view(live, who)
        time.sleep(1.5)
        assert prompts == []  # the rule wants two views
        view(live, who)
        live.wait(lambda: len(prompts) == 1)
        assert prompts[0]["action"] == "may_we_help"
        assert prompts[0]["content"] == {"title": "May we help?"}
        assert live.secret.get(f"/v1/decisions/{prompts[0]['decision_id']}").status_code == 200
        view(live, who)
        time.sleep(2.5)
        assert len(prompts) == 1


def test_two_streams_of_a_visitor_get_a_prompt_once_and_the_other_after_the_first_has_gone(live: Running) -> None:
    """Two tabs: both decide as the tail grows, before anybody can have seen what either shows."""
    who, other = f"v-{uuid4().hex}", f"v-{uuid4().hex}"
    with widget(live, who) as one, widget(live, who) as two, widget(live, other) as elsewhere:
        for name in (who, who, other, other):
            view(live, name)
        live.wait(lambda: one + two and elsewhere)
        time.sleep(2.5)
        assert len(one + two) == 1
        assert len(elsewhere) == 1
    with widget(live, who) as later:
        live.wait(lambda: len(later) == 1)  # nobody saw it, so it may be said again
        with widget(live, who) as beside:
            time.sleep(2.5)
            assert beside == []


def test_a_prompt_that_waited_for_a_tab_to_close_does_not_come_after_a_dismissal(live: Running) -> None:
    who = f"v-{uuid4().hex}"
    no = {"event": "dismiss_promotion", "promotion_id": "may_we_help", "visitor_id": who}
    with widget(live, who) as one:
        view(live, who)
        view(live, who)
        live.wait(lambda: len(one) == 1)
        with widget(live, who) as two:
            time.sleep(1.2)
            assert live.call.post("/v1/events", json=no).status_code == 202
            time.sleep(1.5)
            assert two == []


def test_no_prompt_comes_after_a_dismissal(live: Running) -> None:
    who = f"v-{uuid4().hex}"
    no = {"event": "dismiss_promotion", "promotion_id": "may_we_help", "visitor_id": who}
    assert live.call.post("/v1/events", json=no).status_code == 202
    with widget(live, who) as prompts:
        for _ in range(3):
            view(live, who)
            time.sleep(1.2)
        assert prompts == []


@pytest.mark.parametrize(("params", "status"), [({}, 422), ({"visitor_id": "v", "consent": "all"}, 422)])
def test_a_stream_needs_a_visitor_and_purposes_that_exist(live: Running, params: dict[str, str], status: int) -> None:
    assert live.call.get("/v1/prompts", params=params).status_code == status


def test_a_stream_needs_a_key(live: Running) -> None:
    assert live.anyone.get("/v1/prompts", params={"visitor_id": "v"}).status_code == 401


def test_no_prompt_comes_after_a_dismissal_that_the_tail_no_longer_reaches(live: Running) -> None:
    """Also where the visitor's past may not be used for messages: a no holds all the same."""
    who = f"v-{uuid4().hex}"
    no = {"event": "dismiss_promotion", "promotion_id": "may_we_help", "visitor_id": who}
    assert live.call.post("/v1/events", json=no).status_code == 202
    for _ in range(3):
        batch = {"events": [{**VIEW, "visitor_id": who}] * 100}
        assert live.call.post("/v1/events", json=batch).json() == {"accepted": 100}
    with widget(live, who) as prompts:
        time.sleep(1.5)
        view(live, who)
        time.sleep(2.5)
        assert prompts == []
    views = [{"event": "view_item", "item_id": "item-1"}] * 2
    for consent in (["analytics", "personalization"], ["analytics"]):
        context = {"consent": consent}
        decided = live.decide(visitor_id=who, placements=["global.chat"], context=context, events=views)
        why = live.secret.get(f"/v1/decisions/{decided['decision_id']}/why").json()
        (candidate,) = why["placements"]["global.chat"]["candidates"]
        assert candidate["gate"] == "cooldown", consent


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"visitorid": "v"}, "/visitorid"),
        ({"page_type": "prodcut"}, "/page_type"),
        ({"locale": "x" * 129}, "/locale"),
        ({"locale": "\x00"}, "/locale"),
    ],
)
def test_a_parameter_that_is_none_is_refused_by_name(live: Running, params: dict[str, str], pointer: str) -> None:
    answer = live.call.get("/v1/prompts", params={"visitor_id": "v", **params})
    assert (answer.status_code, answer.json()["code"], answer.json()["pointer"]) == (422, "invalid_field", pointer)
    assert pointer.strip("/") in answer.json()["detail"]


def test_who_watches_sees_every_decision_also_a_silent_one(live: Running) -> None:
    who = f"v-{uuid4().hex}"
    params = {"visitor_id": who, "key": live.shop.publishable, "watch": "true"}
    with (
        httpx2.Client(base_url=live.url, timeout=30) as client,
        client.stream("GET", "/v1/prompts", params=params) as answer,
    ):
        lines = (line for line in answer.iter_lines() if line.startswith(("event: ", "data: ")))
        assert next(lines) == "event: decision"
        silent = json.loads(next(lines).removeprefix("data: "))
        assert silent["placements"]["global.chat"]["action"] is None
        assert silent["stage"]["name"] == "evaluation"
        view(live, who)
        view(live, who)
        names = [line.removeprefix("event: ") for line in (next(lines) for _ in range(6)) if line.startswith("event")]
    assert "decision" in names
    assert set(names) <= {"decision", "prompt"}
