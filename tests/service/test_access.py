"""Who may call what, and from which pages."""

import pytest

from service import keys
from tests.service.shop import ORIGIN, SHOP, Running

BODY = {"visitor_id": "v", "placements": ["product.badge"]}
OTHER = "https://other.example"


def test_a_call_needs_a_key(live: Running) -> None:
    answer = live.anyone.post("/v1/decisions", json=BODY)
    assert (answer.status_code, answer.json()["code"]) == (401, "missing_key")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Bearer pk_nope", "Bearer", "Basic eDp5", "pk_bare"])
def test_what_is_no_key_of_ours_is_refused(live: Running, header: str) -> None:
    answer = live.anyone.post("/v1/decisions", json=BODY, headers={"authorization": header})
    assert answer.status_code == 401
    assert answer.json()["code"] in ("missing_key", "unknown_key")


def test_a_key_may_come_in_a_header_of_its_own(live: Running) -> None:
    assert (
        live.anyone.post("/v1/decisions", json=BODY, headers={"x-tact-key": live.shop.publishable}).status_code == 200
    )


def test_only_a_publishable_key_may_stand_in_the_address(live: Running) -> None:
    assert live.anyone.post(f"/v1/decisions?key={live.shop.publishable}", json=BODY).status_code == 200
    assert live.anyone.post(f"/v1/decisions?key={live.shop.secret}", json=BODY).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/decisions/x"),
        ("GET", "/v1/decisions/x/why"),
        ("POST", "/v1/decisions/x/replay"),
        ("PUT", "/v1/catalog/items"),
        ("PUT", "/v1/stock"),
        ("PUT", "/v1/visitors/v"),
        ("GET", "/v1/visitors/v"),
        ("DELETE", "/v1/visitors/v"),
    ],
)
def test_what_a_browser_must_not_do_needs_the_secret_key(live: Running, method: str, path: str) -> None:
    answer = live.call.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (403, "secret_key_needed")


def test_a_page_the_key_is_bound_to_may_call(live: Running) -> None:
    answer = live.call.post("/v1/decisions", json=BODY, headers={"origin": ORIGIN})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["vary"] == "Origin"


def test_an_origin_that_is_no_address_is_refused_and_no_defect(live: Running) -> None:
    for path in ("/v1/decisions", "/v1/events", "/v1/preview/show"):
        answer = live.call.post(path, json={}, headers={"origin": "http://["})
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")


def test_another_page_may_not(live: Running) -> None:
    answer = live.call.post("/v1/decisions", json=BODY, headers={"origin": OTHER})
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
    assert "access-control-allow-origin" not in answer.headers


def test_a_page_of_the_service_itself_may(live: Running) -> None:
    assert live.call.post("/v1/decisions", json=BODY, headers={"origin": live.url}).status_code == 200


@pytest.mark.parametrize(("origin", "status"), [(ORIGIN, 204), (OTHER, 403), ("null", 403)])
def test_a_preflight_is_answered_without_a_key(live: Running, origin: str, status: int) -> None:
    asks = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    answer = live.anyone.options("/v1/events", headers=asks)
    assert answer.status_code == status
    assert ("access-control-allow-origin" in answer.headers) == (status == 204)


def test_a_refusal_can_be_read_by_the_page(live: Running) -> None:
    answer = live.call.post("/v1/decisions", json={}, headers={"origin": ORIGIN})
    assert answer.status_code == 422
    assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_a_new_key_works_within_seconds_and_a_revoked_one_no_more(live: Running) -> None:
    path = live.shop.settings.keys_file
    made = keys.create(path, SHOP, "publishable")
    headers = {"authorization": f"Bearer {made}"}
    live.wait(lambda: live.anyone.post("/v1/decisions", json=BODY, headers=headers).status_code == 200)
    keys.revoke(path, made)
    live.wait(lambda: live.anyone.post("/v1/decisions", json=BODY, headers=headers).status_code == 401)


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [("/v1/nothing", "GET", 404, "not_found"), ("/v1/events", "GET", 405, "method_not_allowed")],
)
def test_an_address_that_is_none_is_a_problem_too(
    live: Running, path: str, method: str, status: int, code: str
) -> None:
    answer = live.call.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_body_that_is_too_large_is_refused_while_it_comes_in(live: Running) -> None:
    limit = live.shop.settings.max_body_bytes

    def endless():  # type: ignore[no-untyped-def]
        for _ in range(limit // 1000 + 2):
            yield b" " * 1000

    for content in (b" " * (limit + 1), endless()):
        answer = live.call.post("/v1/events", content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("headers", [{"content-type": "text/html"}, {"content-encoding": "gzip"}])
def test_a_body_of_another_kind_is_refused(live: Running, headers: dict[str, str]) -> None:
    answer = live.call.post("/v1/events", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_visitor_id_may_hold_slashes(live: Running) -> None:
    for path in ("/v1/visitors/crm/4/2", "/v1/visitors/crm%2F4%2F2"):
        answer = live.secret.put(path, json={"attributes": {"tier": "gold"}})
        assert (answer.status_code, answer.json()["visitor_id"]) == (200, "crm/4/2")
        assert live.secret.get(path).json()["attributes"] == {"tier": "gold"}
    assert live.secret.delete("/v1/visitors/crm/4/2").json()["visitor_id"] == "crm/4/2"


def test_an_attribute_that_is_refused_is_named(live: Running) -> None:
    given = {"attributes": {"a": 1, "b/c": [], "d": 2}}
    answer = live.secret.put("/v1/visitors/named", json=given).json()
    assert (answer["code"], answer["pointer"]) == ("invalid_field", "/attributes/b~1c")
    assert answer["detail"].startswith("`b/c`")


def test_a_second_shop_without_a_bundle_does_not_make_the_install_unready(live: Running) -> None:
    made = keys.create(live.shop.settings.keys_file, "second", "secret")
    try:
        live.wait(lambda: "second" in live.anyone.get("/readyz").json()["shops"])
        answer = live.anyone.get("/readyz")
        assert (answer.status_code, answer.json()["ready"], answer.json()["missing"]) == (200, True, [])
        assert answer.json()["warnings"] == ["second: no bundle", "second: no policy"]
    finally:
        keys.revoke(live.shop.settings.keys_file, made)
    live.wait(lambda: list(live.anyone.get("/readyz").json()["shops"]) == [SHOP])


def test_keys_that_are_gone_still_open_and_are_told(live: Running) -> None:
    path = live.shop.settings.keys_file
    content = path.read_bytes()
    path.unlink()
    try:
        live.wait(lambda: "keys" in live.anyone.get("/readyz").json()["refused"])
        assert live.call.post("/v1/decisions", json=BODY).status_code == 200
    finally:
        path.write_bytes(content)
    live.wait(lambda: live.anyone.get("/readyz").json()["refused"] == {})
