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
