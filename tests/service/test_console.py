"""The operators' console over HTTP: who gets in, what a page may change, and what it is told."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from service import audit
from service.app import create_app
from service.console_access import Session, Sessions, make_link
from service.routes.console_models import _shown
from service.routes.web import CSP
from tests.service.shop import SHOP, Running
from tests.support import PATIENCE_S

HOME = "/console/api"


Browser = Callable[..., httpx2.Client]


@pytest.fixture
def browser(live: Running) -> Iterator[Browser]:
    """Makes clients like browsers on the console's page; logged in with the secret key unless told otherwise."""
    with ExitStack() as opened:

        def make(**login: str) -> httpx2.Client:
            client = opened.enter_context(
                httpx2.Client(base_url=live.url, headers={"origin": live.url}, timeout=PATIENCE_S)
            )
            answer = client.post(f"{HOME}/login", json=login or {"key": live.shop.secret})
            assert answer.status_code == 204, answer.text
            return client

        yield make


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


# ---- the way in


def test_every_view_has_the_same_page_with_the_strictest_policy(live: Running) -> None:
    pages = [live.anyone.get(path) for path in ("/console", "/console/messages", "/console/decisions/01KAF?x=1")]
    assert {page.text for page in pages} == {pages[0].text}
    assert all(page.headers["content-security-policy"] == CSP for page in pages)
    assert "style=" not in pages[0].text
    assert re.findall(r"<script[^>]*>(.*?)</script>", pages[0].text) == [""]


def test_files_come_with_a_tag_and_are_not_sent_twice(live: Running) -> None:
    first = live.anyone.get("/console/static/console/app.js")
    again = live.anyone.get("/console/static/console/app.js", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert refusal(live.anyone.get("/console/static/%2e%2e/settings.py")) == (404, "not_found")


def test_nobody_is_told_anything_without_a_session(live: Running) -> None:
    assert live.anyone.get(f"{HOME}/session").json() == {"shop": None}
    calls = [f"{HOME}/{path}" for path in ("health", "switches", "decisions/tail", "policy", "models", "lake/messages")]
    assert {refusal(live.anyone.get(call)) for call in calls} == {(401, "login_needed")}
    assert refusal(live.secret.get(f"{HOME}/health")) == (401, "login_needed")


def test_the_secret_key_opens_a_session_that_scripts_and_other_sites_cannot_use(
    live: Running, browser: Browser
) -> None:
    client = browser()
    cookie = client.post(f"{HOME}/login", json={"key": live.shop.secret}).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/console"} <= {part.strip() for part in cookie.split(";")}
    assert live.shop.secret not in cookie
    assert client.get(f"{HOME}/session").json()["shop"] == SHOP
    client.post(f"{HOME}/logout")
    assert client.get(f"{HOME}/session").json() == {"shop": None}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"key": "sk_nobody-s-key"}, (401, "unknown_key")),
        ({"key": " "}, (401, "missing_key")),
        ({"link": "made-up"}, (401, "link_spent")),
        ({"password": "x"}, (422, "invalid_field")),
    ],
)
def test_what_is_no_key_opens_nothing(live: Running, given: dict[str, str], expected: tuple[int, str]) -> None:
    answer = live.anyone.post(f"{HOME}/login", json=given, headers={"origin": live.url})
    assert refusal(answer) == expected
    assert "set-cookie" not in answer.headers


def test_a_publishable_key_is_refused_by_name_and_not_repeated(live: Running) -> None:
    answer = live.anyone.post(f"{HOME}/login", json={"key": live.shop.publishable}, headers={"origin": live.url})
    assert refusal(answer) == (403, "secret_key_needed")
    assert live.shop.publishable not in answer.text


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", None])
def test_another_site_s_page_can_neither_log_in_nor_change_anything(
    live: Running, browser: Browser, origin: str | None
) -> None:
    headers = {"origin": origin} if origin else {}
    assert refusal(live.anyone.post(f"{HOME}/login", json={"key": live.shop.secret}, headers=headers)) == (
        403,
        "foreign_origin",
    )
    client = browser()
    del client.headers["origin"]
    for path, body in (
        ("switches", {"target": "shop", "state": "stopped"}),
        ("jobs", {"what": "judge"}),
        ("logout", {}),
    ):
        assert refusal(client.post(f"{HOME}/{path}", json=body, headers=headers)) == (403, "foreign_origin")
    assert client.get(f"{HOME}/switches").json() == {"switches": {}}


def test_a_link_logs_in_once(live: Running, browser: Browser) -> None:
    token = make_link(live.shop.settings.home, SHOP, live.shop.secret[:7])
    assert browser(link=token).get(f"{HOME}/session").json()["shop"] == SHOP
    again = live.anyone.post(f"{HOME}/login", json={"link": token}, headers={"origin": live.url})
    assert refusal(again) == (401, "link_spent")


def test_an_old_link_opens_nothing(live: Running) -> None:
    token = make_link(live.shop.settings.home, SHOP, live.shop.secret[:7], for_s=-1)
    answer = live.anyone.post(f"{HOME}/login", json={"link": token}, headers={"origin": live.url})
    assert refusal(answer) == (401, "link_spent")


def session_of(live: Running, session: Session, forge: bool = False) -> httpx2.Response:
    cookie = Sessions(live.shop.settings.home).cookie_for(session)
    if forge:
        cookie = cookie[:-1] + ("0" if cookie[-1] != "0" else "1")
    return httpx2.get(f"{live.url}{HOME}/switches", headers={"cookie": f"tact_console={cookie}"})


def test_a_session_ends_with_its_time_with_its_key_and_with_a_wrong_letter(live: Running) -> None:
    prefix, later = live.shop.secret[:7], int(time.time()) + 60
    assert session_of(live, Session(SHOP, prefix, later)).status_code == 200
    assert refusal(session_of(live, Session(SHOP, prefix, later), forge=True)) == (401, "login_needed")
    assert refusal(session_of(live, Session(SHOP, prefix, int(time.time()) - 1))) == (401, "login_needed")
    assert refusal(session_of(live, Session(SHOP, "sk_gone", later))) == (401, "login_needed")
    assert refusal(session_of(live, Session("other", prefix, later))) == (401, "login_needed")
    assert httpx2.get(f"{live.url}{HOME}/switches", headers={"cookie": b"tact_console=\xe9.x"}).status_code in (
        400,
        401,
    )


# ---- what is live


def test_a_stop_holds_is_seen_and_is_in_the_audit_log_with_who_and_why(live: Running, browser: Browser) -> None:
    client = browser()
    asked = {"target": "action:similar", "state": "stopped", "why": "wrong price"}
    assert client.post(f"{HOME}/switches", json=asked).json()["before"] is None
    assert client.get(f"{HOME}/switches").json() == {"switches": {"action:similar": "stopped"}}
    last = list(audit.read(live.shop.settings.home))[-1]
    assert (last.who, last.target, last.after, last.why) == (
        f"console, key {live.shop.secret[:7]}…",
        "action:similar",
        "stopped",
        "wrong price",
    )
    assert client.post(f"{HOME}/switches", json={"target": "action:similar"}).json()["before"] == "stopped"
    assert client.get(f"{HOME}/switches").json() == {"switches": {}}
    assert client.get(f"{HOME}/audit").json()["entries"][0]["before"] == "stopped"
    unknown = {"target": "action:nobody", "state": "stopped"}
    assert refusal(client.post(f"{HOME}/switches", json=unknown)) == (422, "unknown_target")


def test_a_decision_comes_by_in_the_tail_once_and_can_be_told_as_a_story(live: Running, browser: Browser) -> None:
    client = browser()
    before = client.get(f"{HOME}/decisions/tail").json()["cursor"]
    decided = live.decide(visitor_id="story", context={"page_type": "product", "item_id": "i1"})
    found: list[dict[str, object]] = []

    def came() -> bool:  # among what other tests' visitors were told, which may be written late
        told = client.get(f"{HOME}/decisions/tail?cursor={before}").json()["decisions"]
        found[:] = [one for one in told if one["visitor_id"] == "story"]
        return bool(found)

    live.wait(came)
    assert [one["decision_id"] for one in found] == [decided["decision_id"]]
    story = client.get(f"{HOME}/decisions/{decided['decision_id']}").json()
    assert (story["visitor_id"], story["answer"]["decision_id"]) == ("story", decided["decision_id"])
    assert [event["event"] for event in story["events"]] == ["view_item"]
    assert story["why"]["placements"]["product.badge"]["action"] == "returns"
    path = f"{HOME}/decisions/{decided['decision_id']}"
    assert client.post(f"{path}/replay").json()["identical"] is True
    assert client.get(f"{path}/why?action=returns").json()["placements"][0]["shown"] is True
    assert refusal(client.get(f"{path}/why?action=nobody")) == (422, "unknown_action")
    assert refusal(client.get(f"{HOME}/decisions/nothing-07")) == (404, "unknown_decision")


def test_health_tells_what_is_live_and_that_nothing_records_here(live: Running, browser: Browser) -> None:
    live.decide(visitor_id="healthy")
    told = browser().get(f"{HOME}/health").json()
    assert told["store"]["ok"] is True
    assert told["store"]["used_bytes"] > 0
    assert told["now"]["sums"]["tact_decisions_total"] > 0
    assert told["part"] is False
    titles = [alert["title"] for alert in told["alerts"]]
    assert "Nothing records the event stream" in titles
    assert titles[-1] == "The part `console` does not answer: the last minutes are not known"


def test_what_needs_the_lake_says_so_where_its_part_does_not_run(live: Running, browser: Browser) -> None:
    client = browser()
    assert client.get(f"{HOME}/lake/messages").json()["state"] == "away"
    assert refusal(client.post(f"{HOME}/jobs", json={"what": "judge"})) == (503, "part_away")


def test_what_a_page_would_never_ask_is_refused_and_no_defect(live: Running, browser: Browser) -> None:
    client = browser()
    invalid = (422, "invalid_field")
    assert refusal(client.get(f"{HOME}/lake/messages?wait_s=soon")) == invalid
    assert client.get(f"{HOME}/lake/messages?wait_s=nan").status_code == 200
    for entry in ("x", "9" * 30 + "-1", "1-1\n"):
        assert refusal(client.get(f"{HOME}/decisions/tail", params={"cursor": ",".join([entry] * 16)})) == invalid
    nobody = {"origin": "http://["}
    assert refusal(client.post(f"{HOME}/switches", json={}, headers=nobody)) == (403, "foreign_origin")


def test_a_policy_is_checked_as_it_is_typed_with_line_and_column(live: Running, browser: Browser) -> None:
    client = browser()
    text = client.get(f"{HOME}/policy").json()["text"]
    assert client.post(f"{HOME}/policy/check", json={"text": text}).json()["ok"] is True
    broken = text.replace("kind: badge", "kind: bagde")
    told = client.post(f"{HOME}/policy/check", json={"text": broken}).json()
    line = broken.splitlines().index("    kind: bagde") + 1
    assert (told["ok"], told["errors"][0]["line"]) == (False, line)
    assert "badge" in told["errors"][0]["message"]
    other = client.post(f"{HOME}/policy/check", json={"text": text.replace("shop: acme", "shop: other")}).json()
    assert "this session is of 'acme'" in other["errors"][0]["message"]


def test_no_page_is_told_where_the_server_keeps_its_files(live: Running, browser: Browser, tmp_path: Path) -> None:
    client = browser()
    assert client.get(f"{HOME}/policy").json()["file"] == f"policies/{SHOP}.yaml"
    home = str(live.shop.settings.home)
    calls = ("policy", "models", "health", "audit", "actions", "session", "switches", "lake/messages")
    assert [call for call in calls if home in client.get(f"{HOME}/{call}").text] == []
    assert _shown(tmp_path / "elsewhere" / "acme.yaml", tmp_path / "home") == "elsewhere/acme.yaml"


def test_a_draft_does_not_overwrite_what_another_operator_made_live_meanwhile(live: Running, browser: Browser) -> None:
    client = browser()
    now = client.get(f"{HOME}/policy").json()
    job = {"what": "promote", "text": now["text"], "why": "a test"}
    assert refusal(client.post(f"{HOME}/jobs", json=job | {"base": "0" * 12})) == (409, "policy_changed")
    assert refusal(client.post(f"{HOME}/jobs", json=job | {"base": now["version"]})) == (503, "part_away")


def test_a_version_of_the_archive_is_shown_and_no_path_leads_out_of_it(live: Running, browser: Browser) -> None:
    client = browser()
    told = client.get(f"{HOME}/policy").json()
    assert refusal(client.get(f"{HOME}/policy/versions/..%2F..%2Fkeys")) == (404, "not_found")
    assert client.get(f"{HOME}/policy/versions/{told['version']}").json()["text"] == told["text"]


def test_models_are_listed_with_their_cards_and_history(live: Running, browser: Browser) -> None:
    told = browser().get(f"{HOME}/models").json()
    assert told["live"] in [bundle["id"] for bundle in told["bundles"]]
    assert told["history"][0]["action"] == "publish"


def test_the_console_is_no_part_of_the_described_api(live: Running) -> None:
    assert not [path for path in create_app(live.shop.settings).openapi()["paths"] if path.startswith("/console")]
