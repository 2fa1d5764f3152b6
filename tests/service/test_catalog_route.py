"""PUT /v1/catalog/items and PUT /v1/stock on a running service."""

from typing import Any

import httpx2
import pytest

from service.catalog_store import MAX_LINE_BYTES, encode_lines
from tests.service.shop import SHOP, Running


def put(live: Running, path: str, *lines: dict[str, Any]) -> httpx2.Response:
    return live.secret.put(path, content=encode_lines(lines), headers={"content-type": "application/x-ndjson"})


def product(live: Running, item_id: str) -> Any:
    return live.service.watcher.get(SHOP).catalog.product(item_id)


def test_a_product_is_known_within_seconds(live: Running) -> None:
    line = {"item_id": "c1", "item_name": "Boot", "item_category": "shoes", "price": 9.5, "stock": 3, "tags": ["new"]}
    answer = put(live, "/v1/catalog/items", {**line, "added": "2026-01-01", "stores": {"Ghent": 2}})
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "rejected": 0, "errors": []})
    live.wait(lambda: product(live, "c1") is not None)
    found = product(live, "c1")
    assert (found.title, found.category, found.price, found.stock) == ("Boot", "shoes", 9.5, 3)
    assert (found.tags, found.stores, found.added_ms) == (("new",), {"Ghent": 2}, 1_767_225_600_000)


def test_the_later_word_on_stock_counts(live: Running) -> None:
    put(live, "/v1/catalog/items", {"item_id": "c2", "stock": 3, "stores": {"Ghent": 2}})
    put(live, "/v1/stock", {"item_id": "c2", "stock": 0}, {"item_id": "c2", "store": "Ghent", "stock": 7})
    live.wait(lambda: (found := product(live, "c2")) is not None and (found.stock, found.stores) == (0, {"Ghent": 7}))
    put(live, "/v1/catalog/items", {"item_id": "c2", "stock": 5})
    live.wait(lambda: product(live, "c2").stock == 5)


def test_a_product_is_removed(live: Running) -> None:
    put(live, "/v1/catalog/items", {"item_id": "c3"})
    live.wait(lambda: product(live, "c3") is not None)
    put(live, "/v1/catalog/items", {"item_id": "c3", "deleted": True})
    live.wait(lambda: product(live, "c3") is None)


def test_a_product_is_sold_out_in_the_next_recommendation(live: Running) -> None:
    put(live, "/v1/catalog/items", {"item_id": "item-2", "title": "Two", "stock": 0})
    live.wait(lambda: product(live, "item-2") is not None)

    def items() -> list[str]:
        context = {"page_type": "product", "item_id": "item-1"}
        placed = live.decide(visitor_id="sold-out", placements=["product.recs"], context=context)["placements"]
        return [item["item_id"] for item in placed["product.recs"].get("items", ())]

    live.wait(lambda: bool(shown := items()) and shown[0] == "item-3")
    put(live, "/v1/catalog/items", {"item_id": "item-2", "deleted": True})


@pytest.mark.parametrize(
    ("line", "pointer"),
    [
        ({"item_id": "a", "prise": 1}, "/lines/0/prise"),
        ({"title": "a"}, "/lines/0/item_id"),
        ({"item_id": "a", "price": -1}, "/lines/0/price"),
        ({"item_id": "a", "stock": -2}, "/lines/0/stock"),
        ({"item_id": "a", "url": "javascript:alert(1)"}, "/lines/0/url"),
        ({"item_id": "a", "image": "data:x"}, "/lines/0/image"),
        ({"item_id": "a\u001fb"}, "/lines/0/item_id"),
        ({"item_id": "a", "added": "soon"}, "/lines/0/added"),
        ({"item_id": "a", "stores": {"Ghent": 1, "A/B.c": -1}}, "/lines/0/stores/A~1B.c"),
    ],
)
def test_a_line_that_is_not_valid_is_named(live: Running, line: dict[str, Any], pointer: str) -> None:
    answer = put(live, "/v1/catalog/items", line)
    assert (answer.status_code, answer.json()["code"], answer.json()["pointer"]) == (422, "invalid_field", pointer)


def test_the_good_lines_are_taken_and_the_others_listed(live: Running) -> None:
    content = b'{"item_id":"c4","stock":1}\n\nnot json\n{"item_id":"c5","stock":1}'
    answer = live.secret.put("/v1/stock", content=content)
    told = answer.json()
    assert (answer.status_code, told["accepted"], told["rejected"]) == (200, 2, 1)
    assert (told["errors"][0]["index"], told["errors"][0]["code"]) == (2, "malformed_json")


def test_a_line_s_problem_calls_the_field_by_its_name(live: Running) -> None:
    assert put(live, "/v1/catalog/items", {"item_id": "a", "added": "nope"}).json()["detail"].startswith("`added`")
    told = put(live, "/v1/catalog/items", {"item_id": "a", "stores": {"Ghent": -1}}).json()
    assert told["detail"].startswith("`Ghent`")


def test_stock_of_an_unknown_item_is_kept_and_told(live: Running) -> None:
    put(live, "/v1/catalog/items", {"item_id": "u1"})
    lines = [{"item_id": "u1", "stock": 1}, {"item_id": "u2", "stock": 4}, {"item_id": "u2", "store": "x", "stock": 1}]
    told = put(live, "/v1/stock", *lines).json()
    assert (told["accepted"], told["unknown"]) == (3, ["u2"])
    put(live, "/v1/catalog/items", {"item_id": "u2"})
    live.wait(lambda: (found := product(live, "u2")) is not None and found.stock == 4)
    assert put(live, "/v1/stock", {"item_id": "u2", "stock": 4}).json()["unknown"] == []


def test_an_upload_may_be_larger_than_any_other_body(live: Running) -> None:
    n = 12_000
    lines = [{"item_id": f"big-{i}", "stock": 1, "title": "x" * 100} for i in range(n)]
    content = encode_lines(lines)
    assert len(content) > live.shop.settings.max_body_bytes
    answer = live.secret.put("/v1/catalog/items", content=content, timeout=30)
    assert answer.json()["accepted"] == n
    live.wait(lambda: product(live, f"big-{n - 1}") is not None, 30)
    gone = encode_lines([{"item_id": f"big-{i}", "deleted": True} for i in range(n)])
    assert live.secret.put("/v1/catalog/items", content=gone, timeout=30).json()["accepted"] == n


def test_a_line_without_end_is_refused(live: Running) -> None:
    answer = live.secret.put("/v1/stock", content=b"x" * (2 * MAX_LINE_BYTES))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
