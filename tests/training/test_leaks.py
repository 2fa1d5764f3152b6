"""A feature that knows the answer is found and named, however it got to know it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.catalog import Catalog, Product
from features.lakefile import write_events
from features.schema import INDEX
from tests.training.conftest import TRAIN, untold
from tests.training.logs import shop_rows
from training.lake import Log, load_log
from training.leaks import Leak, look, ranked_alone, recomputed, suspicious_models
from training.split import split
from training.table import Table, build
from training.train import Trained, train


def found(log: Log, table: Table) -> list[Leak]:
    return list(look(log, table, train(log, table, TRAIN, 1, untold), untold).findings)


def with_column(table: Table, name: str, values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Table:
    matrix = table.matrix.copy()
    matrix[:, INDEX[name]] = values
    return replace(table, matrix=matrix)


def test_an_honest_table_has_no_leak_and_every_vector_is_made_again_with_the_same_bits(
    log: Log, table: Table, trained: Trained
) -> None:
    leaks = look(log, table, trained, untold)
    assert leaks.findings == ()
    assert leaks.rows > 500 and leaks.cuts == 5


def test_an_honest_table_with_a_catalog_has_no_leak(log: Log) -> None:
    catalog = Catalog.of([Product(item_id=f"i{n}", price=5.0 + n, category="hats") for n in range(40)])
    table = build(log, untold, catalog=catalog)
    assert recomputed(log, table, np.ones(len(table), bool), untold, catalog)[2] == ()


@pytest.mark.parametrize("noise", [0.1, 1.0, 3.0])
def test_the_answer_under_noise_is_named(log: Log, table: Table, noise: float) -> None:
    rng = np.random.default_rng(3)
    leaky = with_column(table, "item_price", table.labels.buy + rng.normal(0, noise, len(table)))
    errors = {leak.feature for leak in found(log, leaky) if leak.level == "error"}
    assert errors == {"item_price"}


def test_a_count_that_goes_on_to_the_end_of_the_session_is_named(log: Log, table: Table) -> None:
    """The most common slip: a total of the session, joined to each of its rows."""
    session = table.labels.session
    totals = np.bincount(session)[session].astype(np.float64)
    (leak,) = [one for one in found(log, with_column(table, "session_events", totals)) if one.how == "as_of"]
    assert leak.feature == "session_events" and leak.level == "error"
    assert "log cut right after each row: it knows what came later" in leak.detail


def test_item_statistics_of_the_whole_log_are_named(log: Log, table: Table) -> None:
    """Popularity with the test days in it: each row knows a little of the future."""
    item = log.records["item"][table.labels.row]
    _, which, count = np.unique(item, return_inverse=True, return_counts=True)
    leaks = recomputed(log, with_column(table, "item_views", count[which]), np.ones(len(table), bool), untold)[2]
    assert [leak.feature for leak in leaks] == ["item_views"]


def test_what_the_shop_wrote_afterwards_is_found_by_what_it_tells(tmp_path: Path) -> None:
    """A price on every product of the visits that bought, and on no other: the log is as it is, no vector differs."""
    rows = shop_rows(1500)
    bought = {row.visitor_id for row in rows if row.event == "purchase"}
    told = [replace(row, price=10.0 if row.visitor_id in bought else float("nan")) for row in rows]
    write_events(tmp_path, told, "test")
    log = load_log(tmp_path, "s")
    leaks = found(log, build(log, untold))
    assert "as_of" not in {leak.how for leak in leaks}
    assert "item_price" in {leak.feature for leak in leaks if leak.how == "alone" and leak.target == "buy"}
    assert any(leak.level == "error" and leak.target == "buy" for leak in leaks)


def test_one_feature_that_carries_a_suspicious_model_is_an_error_and_many_are_a_warning() -> None:
    figures = {"buy": {"auc": 0.93}, "leave": {"auc": 0.93}, "help": {"auc": 0.99}, "cart": {"auc": None}}
    shares = {"intent_buy": {"a": 0.8, "b": 0.2}, "intent_leave": {"a": 0.3, "b": 0.25}, "intent_help": {"a": 0.9}}
    cards = {name: {"importance": importance} for name, importance in shares.items()}
    leaks = suspicious_models(figures, cards)
    assert [(leak.how, leak.target, leak.level) for leak in leaks] == [
        ("concentrated", "buy", "error"),
        ("auc", "leave", "warning"),
    ]


def test_no_feature_of_an_honest_shop_ranks_almost_perfectly_alone(table: Table) -> None:
    parted = split(table.start_ms, table.end_ms, table.labels.session, TRAIN)
    assert ranked_alone(table, parted) == ()
