"""Product facts: found by hash, unknown where nobody knows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.catalog import CATEGORY_PRICE, EMPTY_CATALOG, FACT, ITEM_VIEWS, PRICE, Catalog, Product, facts_as_of
from features.events import CODE
from features.record import EVENT, hash64
from features.stats import ItemStats
from features.table import HashIndex


def records(*items: str) -> np.ndarray:
    made = np.zeros(len(items), EVENT)
    made["item"] = [hash64(item) for item in items]
    return made


def viewed(*items: str) -> ItemStats:
    log = records(*items)
    log["kind"] = CODE["view_item"]
    return ItemStats.empty().updated(log, np.ones(log.size, np.uint64))


def test_facts_are_those_of_each_records_item():
    catalog = Catalog.of([Product("a", price=10, category="x"), Product("b", price=30, category="x"), Product("c")])
    facts = catalog.facts(records("b", "nobody", "a", "c"))
    prices = facts.table[facts.rows, PRICE]
    assert prices[[0, 2]].tolist() == [30, 10]
    assert np.isnan(prices[[1, 3]]).all()
    assert facts.table[facts.rows[0], CATEGORY_PRICE] == 20


def test_an_item_known_only_from_events_has_statistics_and_no_price():
    catalog = Catalog.of([Product("a", price=10)], viewed("a", "b", "b"))
    facts = catalog.facts(records("b"))
    assert facts.table[facts.rows[0], ITEM_VIEWS] == 2
    assert np.isnan(facts.table[facts.rows[0], PRICE])


def test_a_product_nobody_saw_yet_has_the_shops_mean_rate():
    catalog = Catalog.of([Product("new", price=10)]).with_stats(viewed("a"))
    facts = catalog.facts(records("new"))
    assert facts.table[facts.rows[0], ITEM_VIEWS] == 0
    assert np.isnan(facts.table[facts.rows[0], FACT.buy_rate])


def test_an_item_nobody_knows_is_served_as_it_is_trained_on():
    log = records("a", "b", "a", "new", "")
    log["kind"] = [CODE[kind] for kind in ("view_item", "view_item", "purchase", "view_item", "page_view")]
    log["item"][4] = 0
    visitors = np.ones(log.size, np.uint64)
    catalog = Catalog.of([Product("a", price=10, category="x")])
    before = ItemStats.empty().updated(log[:3], visitors[:3]).ended()
    _, rates = before.known_before_each(log[3:], visitors[3:])
    trained = facts_as_of(log[3:], rates, catalog)
    served = catalog.with_stats(before).facts(log[3:])
    assert np.isfinite(served.table[served.rows[0], FACT.shop_buy_rate])
    assert served.table[served.rows].tobytes() == trained.table[trained.rows].tobytes()


def test_the_empty_catalog_knows_nothing_and_says_so():
    facts = EMPTY_CATALOG.facts(records("a", "b"))
    assert facts.rows.tolist() == [0, 0]
    assert np.isnan(facts.table[0]).all()
    assert EMPTY_CATALOG.product("a") is None


@given(st.lists(st.integers(0, 2**64 - 1), max_size=200), st.lists(st.integers(1, 2**64 - 1), max_size=20))
def test_the_hash_index_finds_the_first_row_of_each_key_and_nothing_else(keys, others):
    index = HashIndex.of(np.array(keys, np.uint64))
    wanted = [key for key in keys + others if key]
    expected = [keys.index(key) if key in keys else -1 for key in wanted]
    assert index.find(np.array(wanted, np.uint64)).tolist() == expected
