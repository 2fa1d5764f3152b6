"""The simulated shop: the same every time, in the vocabulary, and with the moments a journey has."""

import runpy
from collections import Counter
from itertools import groupby

import pytest

from features.events import CHANNELS, DEVICES, KINDS, PAGE_TYPES, REFERRERS, SESSION_GAP_MS, Row
from tact.demo import Example
from training.simulate import DAY_MS, simulate
from training.simulate_personas import PERSONAS

START_MS = 1_760_000_000_000 // DAY_MS * DAY_MS
DAYS = 20
PRODUCTS = Example.find().products()


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return simulate(PRODUCTS, 1500, 11, START_MS, DAYS)


def sessions(rows: list[Row]) -> list[list[Row]]:
    """Each visitor's rows, cut where nothing happened for half an hour."""
    found = []
    by_visitor = sorted(rows, key=lambda row: (row.visitor_id, row.ts_ms, row.line))
    for _, own in groupby(by_visitor, key=lambda row: row.visitor_id):
        session: list[Row] = []
        for row in own:
            if session and row.ts_ms - session[-1].ts_ms > SESSION_GAP_MS:
                found.append(session)
                session = []
            session.append(row)
        found.append(session)
    return found


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    first = repr(simulate(PRODUCTS, 60, 3, START_MS, DAYS))  # repr: unknown numbers are NaN, which equals nothing
    assert repr(simulate(PRODUCTS, 60, 3, START_MS, DAYS)) == first
    assert repr(simulate(PRODUCTS, 60, 4, START_MS, DAYS)) != first


def test_the_order_of_the_catalog_changes_nothing() -> None:
    assert repr(simulate(PRODUCTS[::-1], 60, 3, START_MS, DAYS)) == repr(simulate(PRODUCTS, 60, 3, START_MS, DAYS))


def test_rows_come_in_time_order_and_lie_in_the_days_asked_for(rows: list[Row]) -> None:
    times = [row.ts_ms for row in rows]
    assert times == sorted(times)
    assert min(times) >= START_MS
    assert max(times) < START_MS + DAYS * DAY_MS


def test_each_line_of_each_event_is_there_once(rows: list[Row]) -> None:
    assert max(Counter((row.event_id, row.line) for row in rows).values()) == 1


def test_everything_said_is_in_the_vocabulary(rows: list[Row]) -> None:
    for name, known in (
        ("event", KINDS),
        ("page_type", PAGE_TYPES),
        ("channel", CHANNELS),
        ("referrer", REFERRERS),
        ("device", DEVICES),
    ):
        assert {getattr(row, name) for row in rows} <= set(known), name


def test_the_moments_of_a_journey_all_happen(rows: list[Row]) -> None:
    happened = {row.event for row in rows}
    assert happened >= {
        "search", "zero_results", "add_to_cart", "remove_from_cart", "begin_checkout", "form_error", "payment_error",
        "purchase", "refund", "return_policy_view", "review_view", "chat_open", "email_click", "sign_up",
    }  # fmt: skip


def test_a_purchase_follows_a_checkout_of_the_same_products(rows: list[Row]) -> None:
    bought = 0
    for session in sessions(rows):
        events = [row.event for row in session]
        if "purchase" in events:
            assert events.index("begin_checkout") < events.index("add_payment_info") < events.index("purchase")
            paid = [{row.item_id for row in session if row.event == kind} for kind in ("add_payment_info", "purchase")]
            assert paid[1] <= paid[0]
            bought += 1
    assert 0.01 < bought / len(sessions(rows)) < 0.10


def test_what_is_sold_out_is_never_put_in_a_cart(rows: list[Row]) -> None:
    gone = {product.item_id for product in PRODUCTS if product.stock == 0}
    assert gone
    assert not {row.item_id for row in rows if row.event == "add_to_cart"} & gone


def test_personas_are_all_visitors_together() -> None:
    assert sum(persona.share for persona in PERSONAS) == pytest.approx(1.0)


def test_a_short_window_holds_visits_that_lie_in_it() -> None:
    short = simulate(PRODUCTS, 30, 5, START_MS, 45 / 1440)
    assert short
    assert all(START_MS <= row.ts_ms < START_MS + 45 * 60_000 for row in short)


def test_a_shop_without_products_is_refused() -> None:
    with pytest.raises(ValueError, match="without products"):
        simulate([], 1, 1, START_MS, DAYS)


def test_the_catalog_file_is_what_its_script_makes() -> None:
    folder = Example.find().folder
    made = runpy.run_path(str(folder / "make_catalog.py"))
    lines = [made["product"](category, *row) for category, rows in made["PRODUCTS"].items() for row in rows]
    written = [made["json"].loads(line) for line in (folder / "catalog.ndjson").read_text().splitlines()]
    assert written == lines
