"""Signed previews: what a token says, who can make one, and that looking leaves nothing behind."""

import base64
import json
from pathlib import Path
from uuid import uuid4

import pytest

from service.keys import Keys, create
from service.preview import MAX_AGE_S, Ticket, read, sign, with_token
from tests.service.shop import SHOP, Running

TICKET = Ticket("acme", "product.badge", "returns", 2_000_000_000)
NOW_MS = 1_999_999_999_000
BADGE = {"placement": "product.badge", "action": "returns"}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    create(tmp_path / "keys.json", "acme", "secret")
    create(tmp_path / "keys.json", "other", "secret")
    return Keys.load(tmp_path / "keys.json")


def test_a_token_says_what_was_signed_until_it_expires(keys: Keys) -> None:
    token = sign(keys, TICKET)
    assert read(keys, "acme", token, NOW_MS) == TICKET
    assert read(keys, "acme", token, NOW_MS + 1000) == "expired"


def test_a_token_that_was_changed_is_forged(keys: Keys) -> None:
    token = sign(keys, TICKET)
    said, mac = token.split(".")
    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        changed = read(keys, "acme", token[:place] + other + token[place + 1 :], NOW_MS)
        assert changed == "forged" or (place == len(token) - 1 and changed == TICKET)  # bits that say nothing
    longer = base64.urlsafe_b64encode(b'["acme","product.badge","similar",2000000000]').decode().rstrip("=")
    assert read(keys, "acme", f"{longer}.{mac}", NOW_MS) == "forged"
    assert read(keys, "acme", f"{said}.", NOW_MS) == "forged"


@pytest.mark.parametrize("token", ["", ".", "..", "a.b", "é.é", "x" * 5000, "AAAA.AAAA"])
def test_what_is_no_token_is_forged(keys: Keys, token: str) -> None:
    assert read(keys, "acme", token, NOW_MS) == "forged"


def test_a_token_is_of_one_shop_and_ends_with_the_key_that_signed_it(keys: Keys, tmp_path: Path) -> None:
    token = sign(keys, TICKET)
    assert read(keys, "other", token, NOW_MS) == "forged"
    assert read(Keys({}), "acme", token, NOW_MS) == "forged"
    create(tmp_path / "keys.json", "acme", "secret")
    assert read(Keys.load(tmp_path / "keys.json"), "acme", token, NOW_MS) == TICKET


def test_a_token_takes_its_place_in_an_address() -> None:
    assert (
        with_token("https://s.example/p?a=1&tact_preview=old#top", "new")
        == "https://s.example/p?a=1&tact_preview=new#top"
    )
    assert with_token("", "new") == "?tact_preview=new"


def test_only_a_secret_key_signs(live: Running) -> None:
    assert live.call.post("/v1/preview", json=BADGE).json()["code"] == "secret_key_needed"
    made = live.secret.post("/v1/preview", json={**BADGE, "url": "https://shop.example/p/1", "expires_in_s": 60})
    assert made.status_code == 200
    assert made.json()["url"] == f"https://shop.example/p/1?tact_preview={made.json()['token']}"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"placement": "product.badge", "action": "gone"}, "unknown_action"),
        ({"placement": "product.recs", "action": "returns"}, "unknown_placement"),
        ({**BADGE, "expires_in_s": MAX_AGE_S + 1}, "invalid_field"),
        ({**BADGE, "for": "me"}, "invalid_field"),
    ],
)
def test_what_cannot_be_shown_is_not_signed(live: Running, body: dict[str, object], code: str) -> None:
    answer = live.secret.post("/v1/preview", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def show(live: Running, token: str, visitor_id: str, **more: object) -> dict[str, object]:
    request = {"visitor_id": visitor_id, "placements": ["product.badge", "global.chat"], **more}
    answer = live.call.post("/v1/preview/show", json={"preview": token, "request": request})
    assert answer.status_code == 200, answer.text
    return dict(json.loads(answer.text))


def test_a_preview_shows_what_its_gates_would_not_and_stores_nothing(live: Running) -> None:
    who = f"v-{uuid4().hex}"
    token = live.secret.post("/v1/preview", json={"placement": "global.chat", "action": "may_we_help"}).json()["token"]
    shown = show(live, token, who)
    assert shown["placements"]["global.chat"]["action"] == "may_we_help"  # type: ignore[index]
    assert shown["preview"]["candidates"]["global.chat"][0]["gate"] == "rule"  # type: ignore[index]
    assert live.secret.get(f"/v1/visitors/{who}").status_code == 404
    assert live.secret.get(f"/v1/decisions/{shown['decision_id']}").status_code == 404
    assert SHOP in live.service.watcher.keys.shops


def test_a_preview_works_in_a_language_that_the_message_has_not(live: Running) -> None:
    token = live.secret.post("/v1/preview", json=BADGE).json()["token"]
    shown = show(live, token, "v-nl", context={"locale": "nl"})
    assert shown["placements"]["product.badge"]["content"] == {"title": "30 days to return"}  # type: ignore[index]


def test_a_bad_token_is_a_page_like_any_other(live: Running) -> None:
    who = f"v-{uuid4().hex}"
    shown = show(live, "forged", who, events=[{"event": "page_view"}])
    assert "preview" not in shown
    assert live.secret.get(f"/v1/visitors/{who}").status_code == 200
    assert 'tact_previews_total{result="forged"}' in live.anyone.get("/metrics").text


def test_a_page_that_asks_wrongly_is_refused_as_without_a_preview(live: Running) -> None:
    answer = live.call.post("/v1/preview/show", json={"preview": "x", "request": {"visitor_id": "v", "placements": []}})
    assert answer.json()["code"] == "no_placements"


@pytest.mark.parametrize("url", ["http://[", "javascript:alert(1)", "data:text/html,x"])
def test_a_link_leads_to_a_page_only(live: Running, url: str) -> None:
    answer = live.secret.post("/v1/preview", json={**BADGE, "url": url})
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/url")
