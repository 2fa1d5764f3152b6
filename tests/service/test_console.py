"""The operators' console over HTTP: who gets in, what a page may change, and what it is told."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from service import audit
from service.app import create_app
from service.console_access import Session, Sessions, make_link
from service.console_ahead import STATIC, VIEWS, Shell
from service.console_door import Door
from service.errors import Problem
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
    """To who is not logged in they differ in the links to their own files only."""
    pages = [live.anyone.get(path) for path in ("/console", "/console/messages", "/console/decisions/01KAF?x=1")]
    assert len({re.sub(r"<link.*>\n|<script defer.*>\n", "", page.text) for page in pages}) == 1
    assert all(page.headers["content-security-policy"] == CSP for page in pages)
    assert "style=" not in pages[0].text
    for tag, body in SCRIPT.findall(pages[0].text):
        assert ("application/json" in tag) if body else (f'src="/console/static/{Shell().version}/' in tag)


SCRIPT = re.compile(r"(<script[^>]*>)(.*?)</script>", re.DOTALL)


def sent_ahead(page: httpx2.Response) -> Any:
    """What a page of the console brings."""
    (data,) = [body for tag, body in SCRIPT.findall(page.text) if "application/json" in tag]
    return json.loads(data)


def test_a_page_brings_its_first_answers_to_its_own_session_and_to_nobody_else(live: Running, browser: Browser) -> None:
    client = browser()
    page = client.get("/console/messages?period=7d&x=1")
    assert page.headers["cache-control"] == "no-store"
    told = sent_ahead(page)
    assert told["session"] == client.get(f"{HOME}/session").json()
    answers = {one["path"]: one for one in told["answers"]}
    assert answers["switches"]["told"] == {"switches": {}}
    assert answers["lake/messages"]["params"] == {"period": "7d"}
    assert answers["lake/messages"]["told"]["state"] == "away"
    assert sent_ahead(live.anyone.get("/console/messages")) == {"session": {"shop": None}, "answers": []}
    client.post(f"{HOME}/logout")
    assert sent_ahead(client.get("/console/messages"))["answers"] == []


@pytest.mark.parametrize(
    "view",
    [
        "messages/%3C/script%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "messages/a?period=%3C/script%3E",
        "decisions?visitor=%3C!--%3Cscript%3E%E2%80%A8%00",
        "decisions/..%2F..%2Fswitches",
        "models/..%2f..%2f..%2fetc",
        "messages//",
        "constructor",
        "__proto__/x",
        "journey?period=" + "9" * 4000 + "&stages=x&stages=y",
        "policy/history/%00",
    ],
)
def test_an_address_with_anything_in_it_gives_a_page_that_is_whole(browser: Browser, view: str) -> None:
    page = browser().get(f"/console/{view}")
    assert page.status_code == 200
    assert sent_ahead(page)["session"]["shop"] == SHOP
    assert len(SCRIPT.findall(page.text)) == page.text.count("<script")
    assert [body for tag, body in SCRIPT.findall(page.text) if body and "application/json" not in tag] == []


def test_every_view_of_the_console_is_known_where_its_page_is_made(live: Running) -> None:
    """Its modules are those it imports; what it asks first is what it is sent."""
    listed = re.findall(r'^    \["(\w+)", .*$', (STATIC / "console" / "views.js").read_text(), re.MULTILINE)
    assert {name.rstrip("/?") for name in VIEWS} == set(listed)
    for needs in VIEWS.values():
        text = "".join((STATIC / "console" / name).read_text() for name in needs.modules)
        assert set(re.findall(r'from "\./(\w+\.js)"', text)) - {"kit.js"} <= set(needs.modules)
        asked = {re.sub(r"\?.*", "", ask.path).removeprefix("lake/").removesuffix("/{}") for ask in needs.asks}
        assert {name for name in asked if not re.search(rf'["`/]{re.escape(name)}[/"`]', text)} == set()


def test_files_come_with_a_tag_and_are_not_sent_twice(live: Running) -> None:
    first = live.anyone.get("/console/static/console/app.js")
    again = live.anyone.get("/console/static/console/app.js", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert refusal(live.anyone.get("/console/static/%2e%2e/settings.py")) == (404, "not_found")


def test_a_file_under_its_version_is_kept_for_good_and_under_another_is_asked_for_again(live: Running) -> None:
    kept, old = (live.anyone.get(f"/console/static/{v}/console/kit.js") for v in (Shell().version, "0" * 12))
    assert "immutable" in kept.headers["cache-control"]
    assert (old.status_code, old.headers["cache-control"], old.text) == (200, "no-cache", kept.text)
    assert kept.headers["content-encoding"] == "gzip"


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


def wrong(live: Running, key: str, times: int = 1) -> httpx2.Response:
    for _ in range(times):
        answer = live.anyone.post(f"{HOME}/login", json={"key": key}, headers={"origin": live.url})
    return answer


def logins(live: Running, result: str) -> int:
    found = re.search(rf'tact_console_logins_total{{result="{result}"}} (\d+)', live.anyone.get("/metrics").text)
    return int(found[1]) if found else 0


def test_wrong_keys_have_a_limit_that_keeps_out_nobody_who_has_a_right_one(live: Running, browser: Browser) -> None:
    """Not even at the same address, as behind a proxy; nor a link."""
    before = {result: logins(live, result) for result in ("opened", "wrong", "limited")}
    assert refusal(wrong(live, "sk_00000-nobody-s", 10)) in ((401, "unknown_key"), (429, "too_many_logins"))
    held = wrong(live, "sk_00000-nobody-s")
    assert refusal(held) == (429, "too_many_logins")
    assert 0 < int(held.headers["retry-after"]) <= 300
    assert browser().get(f"{HOME}/session").json()["shop"] == SHOP
    token = make_link(live.shop.settings.home, SHOP, live.shop.secret[:7])
    assert browser(link=token).get(f"{HOME}/session").json()["shop"] == SHOP
    assert logins(live, "limited") > before["limited"]
    assert logins(live, "wrong") > before["wrong"]
    assert logins(live, "opened") == before["opened"] + 2


def test_a_key_that_begins_like_a_right_one_is_not_looked_at_for_ever(live: Running) -> None:
    """There the right key has to wait as well, at this address only: else guessing its end would have no limit."""
    door, secret = Door(live.service), live.shop.secret

    def code(client: str, key: str) -> str:
        with pytest.raises(Problem) as refused:
            door.by_key(client, key)
        return refused.value.code

    assert {code("near", secret[:7] + f"{n:025}") for n in range(10)} == {"unknown_key"}
    assert code("near", secret) == "too_many_logins"
    assert door.by_key("far", secret).shop == SHOP


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
    assert refusal(client.post(f"{HOME}/jobs", json=job)) == (409, "policy_changed")
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
