from pathlib import Path

import numpy as np
import pytest

from features.events import CODE
from models.stage import STAGES
from tests.training.logs import DAY, HOUR, MINUTE, Did, log_of
from training.labels import UNLABELLED, Labels, label


def labels_of(folder: Path, *journeys: list[Did]) -> Labels:
    """Labels of the journeys' steps, the witness left out."""
    log = log_of(folder, *journeys)
    found = label(log.records, log.visitor, log.session)
    witness = log.visitors.index("z")
    return found.where(log.visitor[found.row] != witness)


def stages(folder: Path, *journey: Did) -> list[str]:
    return [STAGES[i] for i in labels_of(folder, list(journey)).stage]


def view(at: float, item: str) -> Did:
    return Did(at, "view_item", item)


def test_buy_is_a_purchase_later_in_the_session_and_nothing_from_the_first_purchase_on(tmp_path: Path) -> None:
    found = labels_of(tmp_path, [view(0, "a"), view(60, "b"), Did(120, "purchase", "b"), view(180, "c")])
    assert found.buy.tolist() == [1, 1, UNLABELLED, UNLABELLED]


def test_cart_is_an_add_to_cart_later_in_the_session_and_nothing_from_the_first_on(tmp_path: Path) -> None:
    cart = Did(60, "add_to_cart", "a")
    found = labels_of(tmp_path, [view(0, "a"), cart, view(90, "b"), Did(120, "add_to_cart", "b"), view(180, "c")])
    assert found.cart.tolist() == [1, UNLABELLED, UNLABELLED, UNLABELLED, UNLABELLED]
    bought = labels_of(tmp_path / "bought", [view(0, "a"), Did(30, "purchase", "b"), view(45, "a"), cart])
    assert bought.cart.tolist() == [1, 1, 1, UNLABELLED]
    assert labels_of(tmp_path / "none", [view(0, "a"), view(9, "b")]).cart.tolist() == [0, 0]


def test_a_purchase_in_the_next_session_is_not_this_sessions(tmp_path: Path) -> None:
    found = labels_of(tmp_path, [view(0, "a"), view(31 * MINUTE, "a"), Did(32 * MINUTE, "purchase", "a")])
    assert found.buy.tolist() == [0, 1, UNLABELLED]
    assert found.prefix.tolist() == [1, 1, 2]


def test_leave_is_at_most_one_more_step_within_two_minutes(tmp_path: Path) -> None:
    found = labels_of(tmp_path, [view(0, "a"), view(10, "b"), view(20, "c")])
    assert found.leave.tolist() == [0, 1, 1]
    slow = labels_of(tmp_path / "slow", [view(0, "a"), view(121, "b")])
    assert slow.leave.tolist() == [0, 1]


def test_help_is_a_chat_or_an_error_as_the_next_step(tmp_path: Path) -> None:
    journey = [view(0, "a"), Did(10, "form_error"), view(20, "a"), view(30, "b"), Did(40, "chat_open")]
    assert labels_of(tmp_path, journey).help.tolist() == [1, 0, 0, 1, 0]


def test_messages_and_the_browsers_leave_are_no_steps(tmp_path: Path) -> None:
    journey = [view(0, "a"), Did(1, "view_promotion"), Did(5, "chat_open"), Did(6, "leave")]
    found = labels_of(tmp_path, journey)
    assert found.prefix.tolist() == [1, 2]
    assert found.help.tolist() == [1, 0]
    assert found.leave.tolist() == [1, 1]


def test_a_session_that_the_log_does_not_see_ended_is_not_complete(tmp_path: Path) -> None:
    log = log_of(tmp_path, [view(0, "a")])
    found = label(log.records, log.visitor, log.session)
    witness = log.visitor[found.row] == log.visitors.index("z")
    assert found.complete.tolist() == (~witness).tolist()


def test_awareness_is_a_visit_that_leads_nowhere(tmp_path: Path) -> None:
    assert stages(tmp_path, view(0, "a")) == ["awareness"]
    assert stages(tmp_path / "reload", view(0, "a"), view(9, "a")) == ["awareness", "awareness"]


def test_consideration_goes_on_to_something_else(tmp_path: Path) -> None:
    assert stages(tmp_path, view(0, "a"), view(30, "b")) == ["consideration", "awareness"]
    assert stages(tmp_path / "search", view(0, "a"), Did(30, "search")) == ["consideration", "awareness"]


def test_evaluation_returns_to_a_product_reads_or_carts(tmp_path: Path) -> None:
    back = stages(tmp_path, view(0, "a"), view(30, "b"), view(60, "a"))
    assert back == ["evaluation", "evaluation", "awareness"]
    read = stages(tmp_path / "read", view(0, "a"), Did(30, "review_view", "a"))
    assert read == ["evaluation", "evaluation"]
    page = stages(tmp_path / "page", view(0, "a"), Did(30, "page_view", page="delivery"), view(60, "b"))
    assert page == ["evaluation", "evaluation", "awareness"]
    cart = stages(tmp_path / "cart", view(0, "a"), Did(30, "add_to_cart", "a"))
    assert cart == ["evaluation", "hesitation"]


def test_coming_back_to_a_product_of_an_earlier_session_is_evaluation(tmp_path: Path) -> None:
    found = stages(tmp_path, view(0, "a"), view(DAY, "b"), view(DAY + 30, "a"))
    assert found == ["awareness", "evaluation", "awareness"]


def test_hesitation_is_an_open_cart_that_is_not_bought_in_the_rest(tmp_path: Path) -> None:
    found = stages(tmp_path, Did(0, "add_to_cart", "a"), view(30, "b"), Did(60, "remove_from_cart", "a"), view(90, "c"))
    assert found == ["hesitation", "hesitation", "consideration", "awareness"]


def test_hesitation_is_also_a_long_pause_with_an_open_cart_before_buying(tmp_path: Path) -> None:
    found = stages(tmp_path, Did(0, "begin_checkout"), *(view(20 * MINUTE + n, f"i{n}") for n in range(4)))
    assert found[0] == "hesitation"
    steps = [Did(0, "begin_checkout"), *(view(11 * MINUTE + n, f"i{n}") for n in range(4))]
    bought = stages(tmp_path / "bought", *steps, Did(12 * MINUTE, "purchase", "i0"))
    assert bought == ["hesitation", *["purchase"] * 4, "loyalty"]


def test_purchase_is_one_within_ten_minutes_or_three_steps(tmp_path: Path) -> None:
    steps = [view(n * 4 * MINUTE, f"i{n}") for n in range(5)]
    found = stages(tmp_path, *steps, Did(20 * MINUTE, "purchase", "i0"))
    assert found == ["evaluation", "evaluation", "purchase", "purchase", "purchase", "loyalty"]


def test_loyalty_is_having_bought_before_and_not_buying_again_in_the_rest(tmp_path: Path) -> None:
    later = [view(2 * HOUR, "b"), view(2 * HOUR + 60, "c"), Did(2 * HOUR + 90, "purchase", "c")]
    found = stages(tmp_path, Did(0, "purchase", "a"), view(30, "b"), *later)
    assert found == ["loyalty", "loyalty", "purchase", "purchase", "loyalty"]


def test_visitors_do_not_share_what_they_bought_or_saw(tmp_path: Path) -> None:
    found = labels_of(tmp_path, [Did(0, "purchase", "a")], [view(10, "a")])
    assert sorted(STAGES[i] for i in found.stage) == ["awareness", "loyalty"]


def test_a_log_without_carts_or_purchases_still_gets_stages(tmp_path: Path) -> None:
    found = labels_of(tmp_path, [view(0, "a"), view(9, "b"), view(20, "a"), view(31, "c")])
    assert set(found.stage.tolist()) <= {0, 1, 2}
    assert found.buy.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_comes_before_a_step_in_its_session_changes_no_intent_of_it(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = ["view_item", "search", "add_to_cart", "form_error"]
    journey = [Did(30.0 * n, kinds[int(rng.integers(0, 4))], f"i{int(rng.integers(0, 4))}") for n in range(12)]
    whole, cut = labels_of(tmp_path / "a", journey), labels_of(tmp_path / "b", journey[4:])
    for name in ("buy", "cart", "leave", "help"):
        assert np.array_equal(getattr(whole, name)[4:], getattr(cut, name))


def test_kinds_named_by_the_labels_are_in_the_vocabulary() -> None:
    assert {"chat_open", "form_error", "payment_error", "zero_results", "rage_click"} <= set(CODE)
