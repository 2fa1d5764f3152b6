"""What the console is told of the lake, on logs small enough to count by hand."""

from pathlib import Path

import numpy as np
import pytest

from features.events import Row
from features.lakefile import DAY_MS, DecisionRow, write_decisions, write_events
from models.policy import load_policy
from models.policy_terms import Policy
from tests.service.shop import POLICY, SHOP
from tests.training.lifting import Made, by_hash, lift_lake
from training.console_calibration import LEAST, bins
from training.console_lift import MOST_MORE, more_showings
from training.console_queries import QUERIES, SLOW, Asked, Unanswerable, answer

NOON = 1_760_000_000_000 // DAY_MS * DAY_MS + DAY_MS // 2
MINUTE = 60_000


def policy(more: str = "") -> Policy:
    return load_policy(POLICY + more, "policy.yaml")


def decided(decision_id: str, visitor_id: str, ts_ms: int, *actions: str, stage: str = "evaluation") -> DecisionRow:
    pairs = tuple(f"product.badge={action}" for action in actions)
    return DecisionRow(SHOP, decision_id, visitor_id, ts_ms, False, "b", "p", stage, not actions, pairs, b"{}")


def event(visitor_id: str, ts_ms: int, kind: str, decision_id: str = "", action: str = "") -> Row:
    name = f"{visitor_id}-{ts_ms}-{kind}"
    return Row(SHOP, visitor_id, name, ts_ms, kind, decision_id=decision_id, action=action)


def asked(lake: Path, params: dict[str, str] | None = None, about: Policy | None = None) -> Asked:
    return Asked(lake, SHOP, params or {}, about or policy(), now_ms=NOON + DAY_MS)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Ann saw it twice, clicked, bought; Bob saw it, dismissed it, bought a day later; Cy met silence."""
    write_decisions(
        tmp_path,
        [
            decided("D1", "ann", NOON, "returns"),
            decided("D2", "ann", NOON + 2 * MINUTE, "returns", stage="hesitation"),
            decided("D3", "bob", NOON, "returns"),
            decided("D4", "cy", NOON + DAY_MS),
        ],
        "a",
    )
    write_events(
        tmp_path,
        [
            event("ann", NOON + 1, "view_promotion", "D1", "returns"),
            event("ann", NOON + 2, "view_promotion", "D1", "returns"),
            event("ann", NOON + 3, "select_promotion", "D1", "returns"),
            event("ann", NOON + 2 * MINUTE + 1, "view_promotion", "D2", "returns"),
            event("ann", NOON + 9 * MINUTE, "purchase"),
            event("bob", NOON + 1, "view_promotion", "D3", "returns"),
            event("bob", NOON + 4, "dismiss_promotion", "D3", "returns"),
            event("bob", NOON + DAY_MS, "purchase"),
        ],
        "a",
    )
    return tmp_path


def returns(told: dict[str, object]) -> dict[str, object]:
    (found,) = [one for one in told["actions"] if one["id"] == "returns"]  # type: ignore[attr-defined, index]
    return found  # type: ignore[no-any-return]


def test_a_message_is_counted_once_a_decision_with_its_reach_and_stages(lake: Path) -> None:
    told = answer("messages", asked(lake))
    one = returns(told)
    met = {name: one[name] for name in ("reach", "decided", "shown", "clicked", "dismissed", "converted")}
    assert met == {"reach": 2, "decided": 3, "shown": 3, "clicked": 1, "dismissed": 1, "converted": 2}
    stages = one["stages"]
    assert {stage: count["shown"] for stage, count in stages.items()} == {"evaluation": 2, "hesitation": 1}  # type: ignore[attr-defined]
    assert (told["decisions"], told["silent"], told["visitors"]) == (4, 1, 3)
    assert [sum(one["by_step"][name]) for name in ("shown", "clicked")] == [3, 1]  # type: ignore[index]


def test_an_order_counts_within_the_policy_s_window(lake: Path) -> None:
    longer = policy("attribution: {window: 7d}\n")
    assert returns(answer("messages", asked(lake, about=longer)))["converted"] == 3


def test_actions_that_nobody_met_are_listed_with_zeros_and_those_that_went_stay(lake: Path) -> None:
    without = load_policy(POLICY.replace("id: returns", "id: other"), "policy.yaml")
    names = {
        one["id"]: (one["kind"], one["decided"]) for one in answer("messages", asked(lake, about=without))["actions"]
    }
    assert names == {
        "other": ("badge", 0),
        "similar": ("recommend", 0),
        "may_we_help": ("chat", 0),
        "returns": (None, 3),
    }


def test_a_period_looks_at_what_is_in_it(lake: Path) -> None:
    assert answer("messages", asked(lake, {"period": "1h"}))["decisions"] == 1
    with pytest.raises(Unanswerable, match="none of 1h, 24h"):
        answer("messages", asked(lake, {"period": "1y"}))


def test_an_empty_lake_is_no_failure(tmp_path: Path) -> None:
    for name in sorted(QUERIES.keys() - {"journey_lift"}):
        with pytest.raises(Unanswerable):
            answer(name, asked(tmp_path / "nothing"))
    assert answer("journey_lift", asked(tmp_path / "nothing")) == {
        "stages": {}
    }  # its card says that it needs decisions


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["D4", "D2", "D3", "D1"]),
        ({"visitor": "ann"}, ["D2", "D1"]),
        ({"action": "returns", "stage": "hesitation"}, ["D2"]),
        ({"which": "silent"}, ["D4"]),
        ({"action": "turns"}, []),
    ],
)
def test_decisions_are_found_the_latest_first(lake: Path, params: dict[str, str], expected: list[str]) -> None:
    found = [one["decision_id"] for one in answer("decisions", asked(lake, params))["decisions"]]
    assert sorted(found) == sorted(expected)
    assert found[:1] == expected[:1]


def test_no_more_decisions_are_given_than_are_asked_for(lake: Path) -> None:
    every = answer("decisions", asked(lake))["decisions"]
    two = answer("decisions", asked(lake, {"most": "2"}))["decisions"]
    assert len(every) > 2 and two == every[:2]  # type: ignore[arg-type,index]
    with pytest.raises(Unanswerable, match="whole number"):
        answer("decisions", asked(lake, {"most": "-1"}))


def test_experiments_tell_the_lift_over_time_and_that_unknown_shares_are_not_checked(tmp_path: Path) -> None:
    shares = {"full": 0.5, "holdout": 0.5}
    lake = lift_lake(tmp_path, Made(visitors=4000, lift=0.8), by_hash(shares))
    told = answer("experiments", Asked(lake, "s", {}, policy()))
    assert told["outcomes"]["conversion"]["full"]["verdict"] == "better"
    assert len(told["days"]) > 3
    assert "no longer in the archive" in told["ratio"]["reason"]
    assert told["names"]["conversion"] == "visitors who bought"


@pytest.mark.parametrize(
    ("value", "low", "high", "more"),
    [(0.1, 0.05, 0.15, 0), (-0.1, -0.2, -0.01, 0), (0.1, -0.1, 0.3, 300), (0.0, -0.1, 0.1, None), (1e-9, -1, 1, None)],
)
def test_showings_still_needed(value: float, low: float, high: float, more: int | None) -> None:
    told = more_showings(value, low, high, 100)
    assert told == (None if more is None else pytest.approx(more, abs=1))
    assert told is None or told < MOST_MORE


def test_calibration_is_told_in_tenths_with_what_came_true() -> None:
    rng = np.random.default_rng(3)
    said = rng.random(20_000)
    told = bins(said, (rng.random(20_000) < said).astype(np.float64))
    assert [one["n"] for one in told["bins"]] == [2000] * 10
    assert all(one["low"] - 0.02 <= one["said"] <= one["high"] + 0.02 for one in told["bins"])
    assert bins(said[: LEAST - 1], said[: LEAST - 1])["bins"] == []


def test_slow_questions_are_questions() -> None:
    assert set(QUERIES) > SLOW
