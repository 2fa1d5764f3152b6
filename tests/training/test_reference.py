"""A bundle knows how its training was spread, and the next window is compared with that."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from features.schema import INDEX
from models.bundle import Bundle, decode, encode
from models.drift import AT_PAGES, NAMES, SCORES, Reference
from tests.training.conftest import TEST
from training.reference import window_drift
from training.table import Table
from training.train import Trained

FILLING = {name for name in INDEX if name.startswith(("item_", "category_"))}


@pytest.fixture(scope="module")
def bundle(trained: Trained) -> Bundle:
    return decode(*encode(trained.parts))


def later_rows(table: Table) -> Table:
    return table.where(TEST.holds(table.start_ms))


def test_every_feature_and_score_has_its_rows_counted_once(trained: Trained, bundle: Bundle, table: Table) -> None:
    reference = Reference.from_arrays(bundle.arrays["reference"])
    assert reference.bins.names == NAMES
    edges = reference.bins.edges
    sums = [reference.counts[low:high].sum() for low, high in itertools.pairwise(edges)]
    assert set(sums) == {float(np.sum(trained.split.hold & AT_PAGES[table.kind]))}
    assert np.all(reference.sessions > 0)


def test_the_next_days_of_the_same_shop_are_no_alert(bundle: Bundle, table: Table) -> None:
    found = window_drift(bundle, later_rows(table))
    assert sorted(row["name"] for row in found["scores"]) == sorted(SCORES)
    steady = [row for row in found["features"] if row["name"] not in FILLING]
    assert {row["level"] for row in steady} == {"stable"}
    assert {row["level"] for row in found["scores"]} <= {"stable", "watch"}


def test_item_statistics_that_still_fill_up_are_told(bundle: Bundle, table: Table) -> None:
    """In a log's second week products have more views behind them than in its first: a true shift."""
    found = {row["name"]: row for row in window_drift(bundle, later_rows(table))["features"]}
    assert found["item_views"]["level"] == "alert"


def test_prices_in_another_currency_are(bundle: Bundle, table: Table) -> None:
    later = later_rows(table)
    matrix = later.matrix.copy()
    matrix[:, INDEX["item_price"]] *= 25
    found = {row["name"]: row for row in window_drift(bundle, replace(later, matrix=matrix))["features"]}
    assert found["item_price"]["level"] == "alert"
    assert found["item_price"]["words"].split(": ")[1].startswith("10 % to ")


def test_a_bundle_without_a_reference_has_no_figures(bundle: Bundle, table: Table) -> None:
    assert window_drift(replace(bundle, arrays={}), table) == {"features": [], "scores": []}
