"""Lifts out of a lake: the known one is found, a day is a look into the past, and the checks fire where they should."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from features.events import Row
from features.lakefile import DAY_MS, write_decisions, write_events
from models.arbitration import prior_draws
from models.decision import decide
from models.receipt import encode
from tests.models.deciding import FixedScores, Visitor, action, shop
from tests.training.lifting import (
    MINUTE_MS,
    SHARES,
    START_MS,
    Made,
    by_hash,
    decided,
    event,
    lift_lake,
    receipt,
)
from training.lift import BETTER, NONE_YET, NOT_APART, Asked, Visitors, lifts, rounded, winsorised
from training.lift_checks import by_second_hash, halves, most_by_chance
from training.lift_days import NoLift, evaluate
from training.lift_found import Found, Question
from training.lift_read import arm_in, entrants, looks
from training.sequential import Plan

NOON_MS = START_MS + DAY_MS // 2


def question(**fields: object) -> Question:
    given: dict[str, object] = {"shop": "s", "shares": lambda _: SHARES, "plan": Plan(visitors=6000)}
    return Question(**(given | fields))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def lifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lift_lake(tmp_path_factory.mktemp("lifted"), Made(lift=0.8))


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lift_lake(tmp_path_factory.mktemp("same"), Made(seed=2))


def test_a_known_lift_is_found_and_covered(lifted: Path) -> None:
    found = evaluate(lifted, question())
    for outcome in ("conversion", "revenue", "revenue_winsorised"):
        (one,) = found.last.lifts[outcome]
        assert (one.arm, one.verdict, one.words) == ("full", BETTER, "better")
        assert one.relative is not None and one.relative[0] < 0.8 < one.relative[1]
        assert one.saved > 0.02
        assert one.adjusted.se < one.plain.se
    assert found.alarms == []


def test_without_a_lift_nothing_is_told_apart_and_it_says_what_it_needs(same: Path) -> None:
    found = evaluate(same, question())
    (one,) = found.last.lifts["conversion"]
    assert one.verdict == NOT_APART
    assert one.words.startswith("not told apart; needs about ") and one.words.endswith(" more visitors")
    assert found.alarms == []
    (smaller,) = evaluate(same, question(smallest=0.5)).last.lifts["conversion"]
    (larger,) = evaluate(same, question(smallest=0.1)).last.lifts["conversion"]
    assert smaller.more is not None and larger.more is not None and smaller.more < larger.more / 10


def test_a_look_at_a_day_is_what_until_that_day_gives(lifted: Path) -> None:
    day = evaluate(lifted, question()).days[2]
    alone = evaluate(lifted, question(until_ms=day.end_ms)).last
    assert alone == day
    assert day.visitors < 4000


def test_there_is_no_result_before_each_arm_has_enough(lifted: Path) -> None:
    (one,) = evaluate(lifted, question(until_ms=START_MS + DAY_MS + DAY_MS // 4)).last.lifts["conversion"]
    assert one.verdict == NONE_YET
    assert one.words.startswith("no result yet; needs about ")


def test_since_counts_only_who_entered_then_and_keeps_what_they_did_before(lifted: Path) -> None:
    since_ms = START_MS + 4 * DAY_MS
    found = evaluate(lifted, question(since_ms=since_ms))
    assert sum(found.people.values()) == pytest.approx(3000, abs=200)
    assert found.days[0].end_ms == since_ms + DAY_MS
    assert found.last.lifts["conversion"][0].saved > 0.02


def test_the_arm_may_come_from_the_id_instead_of_the_receipt(lifted: Path) -> None:
    other = evaluate(lifted, question(), arm_of=by_hash({"full": 0.5, "holdout": 0.5}, "other"))
    assert other.people["holdout"] == pytest.approx(3000, abs=200)
    assert other.ratio is not None and other.ratio.alarm


def test_a_ratio_that_is_off_raises_the_alarm_and_stays_off(tmp_path: Path) -> None:
    lake = lift_lake(tmp_path, Made(visitors=3000), by_hash({"full": 0.86, "holdout": 0.14}))
    found = evaluate(lake, question())
    assert any("the sample ratio is off" in alarm for alarm in found.alarms)
    assert found.ratio is not None and found.ratio.expected["holdout"] == 600.0


def test_an_arm_that_was_different_before_it_began_is_an_alarm(tmp_path: Path) -> None:
    lake = lift_lake(tmp_path, Made(visitors=4000))
    assert evaluate(lake, question()).alarms == []
    held = [visitor for visitor in (f"v1-{n}" for n in range(4000)) if by_hash(SHARES)(visitor) == "holdout"]
    rows = [event(visitor, 50 + k, START_MS + k, "page_view") for visitor in held[:150] for k in range(30)]
    write_events(lake, rows, "more")
    assert any("full had fewer events before the first decision" in told for told in evaluate(lake, question()).alarms)


def visitors_of(n: int, seed: int = 1, rate: float = 0.2) -> Visitors:
    rng = np.random.default_rng(seed)
    bought = rng.random(n) < rate
    revenue = np.where(bought, rng.lognormal(3, 1, n), 0.0)
    return Visitors(np.zeros(n, np.intp), np.zeros((n, 5)), bought, revenue)


def test_halves_by_a_second_hash_are_not_told_apart() -> None:
    visitors, keys = visitors_of(4000), np.arange(4000, dtype=np.uint64)
    found = halves(visitors, keys, 0, Asked(("full", "holdout"), plan=Plan(visitors=4000)))
    assert found is not None and not found.alarm
    assert max(found.told_apart.values()) <= 0.02
    assert 0.01 < found.z["conversion"] < 0.11


def test_the_check_fires_where_a_half_gets_the_buyers() -> None:
    visitors, keys = visitors_of(4000), np.arange(4000, dtype=np.uint64)

    def biased(keys: np.ndarray, split: int) -> np.ndarray:
        fair = by_second_hash(keys, split)
        return fair | (visitors.bought[keys.astype(np.int64)] & by_second_hash(keys, split + 10_000))

    found = halves(visitors, keys, 0, Asked(("full", "holdout"), plan=Plan(visitors=4000)), biased)
    assert found is not None and found.alarm
    assert found.told_apart["conversion"] > 0.9


def test_a_slight_bias_is_seen_by_the_z_test_first() -> None:
    visitors, keys = visitors_of(4000), np.arange(4000, dtype=np.uint64)

    def slightly(keys: np.ndarray, split: int) -> np.ndarray:
        extra = (
            by_second_hash(keys, split + 1000) & by_second_hash(keys, split + 2000) & by_second_hash(keys, split + 3000)
        )
        return by_second_hash(keys, split) | (visitors.bought[keys.astype(np.int64)] & extra)

    found = halves(visitors, keys, 0, Asked(("full", "holdout"), plan=Plan(visitors=400_000)), slightly)
    assert found is not None and found.alarm
    assert found.told_apart["conversion"] <= 0.05 < found.z["conversion"]


def test_halves_of_too_few_buyers_are_not_compared() -> None:
    visitors = visitors_of(1000, rate=0.01)
    assert halves(visitors, np.arange(1000, dtype=np.uint64), 0, Asked(("full", "holdout"))) is None


def test_second_hashes_cut_evenly_and_differently() -> None:
    keys = np.random.default_rng(0).integers(0, 2**63, 20_000).astype(np.uint64)
    first, second = by_second_hash(keys, 0), by_second_hash(keys, 1)
    assert first.mean() == pytest.approx(0.5, abs=0.02)
    assert (first == second).mean() == pytest.approx(0.5, abs=0.02)


def test_the_most_by_chance_is_the_binomial_quantile() -> None:
    assert [most_by_chance(n) for n in (1, 50, 200)] == [binom.ppf(0.999, n, 0.05) for n in (1, 50, 200)]


# what counts


def small_lake(folder: Path, rows: list[Row], *entered: tuple[str, int]) -> Path:
    """Events, and decisions of visitors at minutes after noon of the first day; "h…" are in the holdout."""
    write_events(folder, rows, "a")
    arms = ((visitor, minute, "holdout" if visitor.startswith("h") else "full") for visitor, minute in entered)
    write_decisions(folder, [decided(v, NOON_MS + m * MINUTE_MS, arm) for v, m, arm in arms], "a")
    return folder


def journal_of(folder: Path) -> tuple[list[str], Visitors]:
    who = entrants(folder, "s")
    *_, last = looks(folder, "s", who)
    return list(who.place), last.journal.visitors(last.rows, None)


def at(minute: float) -> int:
    return NOON_MS + round(minute * MINUTE_MS)


def test_only_what_was_done_from_the_first_decision_on_is_an_outcome(tmp_path: Path) -> None:
    rows = [
        event("a", 1, at(-5), "purchase", 70.0),
        event("a", 2, at(5), "purchase", 30.0),
        event("b", 1, at(-5), "purchase", 10.0),
        event("stranger", 1, at(5), "purchase", 99.0),
    ]
    names, found = journal_of(small_lake(tmp_path, rows, ("a", 0), ("b", 0), ("h", 1)))
    assert dict(zip(names, found.revenue.tolist(), strict=True)) == {"a": 30.0, "b": 0.0, "h": 0.0}
    assert dict(zip(names, found.bought.tolist(), strict=True)) == {"a": True, "b": False, "h": False}
    assert found.columns[names.index("a")] == pytest.approx([np.log(2), 0, np.log(2), np.log(71), 1])
    assert found.columns[names.index("h")].tolist() == [0.0] * 5


def test_refunds_subtract_and_an_order_told_twice_counts_once(tmp_path: Path) -> None:
    rows = [
        replace(event("a", 1, at(1), "purchase", 80.0), order_id="o1"),
        replace(event("a", 2, at(2), "purchase", 80.0), order_id="o1"),
        event("a", 3, at(3), "refund", 30.0),
        replace(event("b", 1, at(1), "purchase", 50.0), order_id="o2"),
        replace(event("b", 2, at(9), "refund"), order_id="o2"),
        replace(event("c", 1, at(-1), "purchase", 40.0), order_id="o3"),
        replace(event("c", 2, at(9), "refund", 40.0), order_id="o3"),
    ]
    names, found = journal_of(small_lake(tmp_path, rows, ("a", 0), ("b", 0), ("c", 0), ("h", 1)))
    assert dict(zip(names, found.revenue.tolist(), strict=True)) == {"a": 50.0, "b": 0.0, "c": 0.0, "h": 0.0}
    assert found.bought[names.index("b")], "who sent it back has bought"


def test_an_order_without_a_value_is_worth_its_lines(tmp_path: Path) -> None:
    whole = replace(event("a", 1, at(1), "purchase"), price=10.0, quantity=3)
    rows = [whole, replace(whole, line=1, price=5.0, quantity=1), replace(whole, line=2, price=float("nan"))]
    names, found = journal_of(small_lake(tmp_path, rows, ("a", 0), ("h", 1)))
    assert found.revenue[names.index("a")] == 35.0


def test_a_shop_that_tells_no_money_is_compared_in_conversion_alone(tmp_path: Path) -> None:
    _, found = journal_of(small_lake(tmp_path, [event("a", 1, at(1), "purchase")], ("a", 0), ("h", 1)))
    assert list(found.outcomes()) == ["conversion"] and found.bought.sum() == 1


def test_the_first_arm_stays_and_who_changed_is_told(tmp_path: Path) -> None:
    small_lake(tmp_path, [event("a", 1, at(1), "page_view")], ("a", 0), ("h", 1))
    later = START_MS + 2 * DAY_MS
    write_decisions(tmp_path, [decided("a", later, "holdout"), decided("h", later, "holdout")], "b")
    who = entrants(tmp_path, "s")
    assert [who.arms[code] for code in who.arm] == ["full", "holdout"]
    assert who.moved == {"a"}


def test_decisions_without_a_policy_begin_nothing(tmp_path: Path) -> None:
    write_decisions(tmp_path, [decided("a", NOON_MS, "full", policy="none"), decided("a", at(9), "holdout")], "a")
    who = entrants(tmp_path, "s")
    assert (who.first_ms.tolist(), who.policies) == ([at(9)], ["p1"])


def test_a_receipt_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    bad = replace(decided("a", NOON_MS, "full"), receipt=b"\xff{")
    write_decisions(tmp_path, [bad, decided("b", NOON_MS, "full")], "a")
    who = entrants(tmp_path, "s")
    assert (who.unread, list(who.place)) == (1, ["b"])


def test_receipts_from_before_there_were_arms_tell_the_holdout() -> None:
    assert [arm_in(receipt(arm, field=False)) for arm in ("full", "holdout")] == ["full", "holdout"]
    assert arm_in(receipt("no_levers")) == "no_levers"
    policy = shop(action("x"))
    for share, arm in ((1.0, "holdout"), (0.0, "full")):
        held = replace(policy, holdout=share)
        made = decide(Visitor().inputs(), FixedScores(), held, prior_draws(held))
        assert arm_in(encode(made)) == arm


def test_a_bot_is_named_and_left_out_by_a_cap(same: Path, tmp_path: Path) -> None:
    lake = lift_lake(tmp_path, Made(visitors=2000, seed=2))
    busy = "v2-7"
    write_events(lake, [event(busy, 100 + n, START_MS + 6 * DAY_MS + n, "page_view") for n in range(1500)], "bot")
    found = evaluate(lake, question())
    assert found.busy[0][0] == busy and found.busy[0][1] > 1500 and found.busy_count == 1
    without = evaluate(lake, question(most_events=1000))
    assert (found.left_out, without.left_out) == (0, 1)
    assert sum(without.people.values()) == 1999
    assert without.ratio == found.ratio, "the sample ratio counts everybody"


def test_one_whale_moves_the_winsorised_revenue_little() -> None:
    revenue, bought = np.full(1000, 20.0), np.ones(1000, bool)
    revenue[0] = 1e6
    assert winsorised(revenue, bought).max() < 30
    nobody = np.zeros(1000, bool)
    assert winsorised(np.zeros(1000), nobody).max() == 0.0


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (7, 7), (123, 130), (81_904, 82_000), (99_900, 100_000)])
def test_numbers_of_visitors_are_not_told_too_exactly(count: int, shown: int) -> None:
    assert rounded(count) == shown


def test_a_part_of_a_day_at_a_time_gives_the_same(lifted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = figures(evaluate(lifted, question()))
    monkeypatch.setattr("training.lift_read.EVENTS", 97)
    monkeypatch.setattr("training.lift_read.DECISIONS", 89)
    assert figures(evaluate(lifted, question())) == whole


def figures(found: Found) -> dict[str, object]:
    read: dict[str, object] = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    return read


def test_arms_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(NoLift, match="has no visitor of shop 's'"):
        evaluate(tmp_path, question())
    small_lake(tmp_path, [event("a", 1, at(1), "page_view")], ("a", 0))
    with pytest.raises(NoLift, match="no visitor in 'holdout' to compare with, only in full"):
        evaluate(tmp_path, question())
    with pytest.raises(NoLift, match="there is no other arm"):
        evaluate(tmp_path, question(base="full"))


def test_an_arm_left_empty_by_the_cap_gives_no_lift(tmp_path: Path) -> None:
    rows = [event("h", n, at(n), "page_view") for n in range(5)]
    found = evaluate(small_lake(tmp_path, rows, ("a", 0), ("h", 1)), question(most_events=3))
    assert found.last.lifts == {} and found.left_out == 1
    assert figures(found)["outcomes"] == {}


def test_no_visitors_no_lifts() -> None:
    nobody = Visitors(np.zeros(0, np.intp), np.zeros((0, 5)), np.zeros(0, bool), np.zeros(0))
    assert lifts(nobody, Asked(("full", "holdout"))) == {}
