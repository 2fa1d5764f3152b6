"""Trials of a lake are those that the learner makes of the same stream."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from features import lakefile
from models.arbitration import prior_draws
from models.credit import Credit
from models.trial import SILENCE, read_trials
from tests.models.deciding import NOW, action, shop
from tests.training.visits import HOUR, MINUTE, SHOP, decided, decision_id, event, kept, shown, write_visits
from training import trials
from training.trials import LakeTrials, Rewards, in_batches

POLICY = shop(action("x", placements=["top"]), action("y", placements=["side"]), exploration_floor=0.1)
DRAWS = prior_draws(POLICY)
ODDS = {SILENCE: 0.1, "x": 0.3, "y": 0.3}


def test_each_decision_s_trials_come_with_what_followed_and_the_same_each_time(tmp_path: Path) -> None:
    write_visits(tmp_path, range(300), POLICY, DRAWS, ODDS)
    of = LakeTrials(tmp_path, SHOP, POLICY)
    found = list(of)
    assert len(found) == 600 and {trial.decision_id for trial in found} == {decision_id(n) for n in range(300)}
    assert of.counts["decisions"] == 300 and of.counts["ended"] == 600 and of.counts["open"] == 0
    ordered = sum(trial.reward for trial in found)
    assert ordered == 2 * sum(row["event"] == "purchase" for row in lakefile.read_events(tmp_path, SHOP).to_pylist())
    assert all(trial.shown for trial in found)
    assert list(LakeTrials(tmp_path, SHOP, POLICY)) == found


def test_they_are_those_of_the_stream(tmp_path: Path) -> None:
    write_visits(tmp_path, range(50), POLICY, DRAWS, ODDS)
    credit = Credit(None, 0)
    for _, what in trials.moments(tmp_path, SHOP):
        if isinstance(what, bytes):
            credit.decided(read_trials(what))
        else:
            credit.happened(what)
    assert credit.settle(NOW + 10 * HOUR) == list(LakeTrials(tmp_path, SHOP, POLICY))


def test_however_small_the_pieces_the_trials_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_visits(tmp_path, range(200), POLICY, DRAWS, ODDS)
    whole = list(LakeTrials(tmp_path, SHOP, POLICY))
    monkeypatch.setattr(trials, "PIECE_DECISIONS", 7)
    assert sorted(LakeTrials(tmp_path, SHOP, POLICY), key=str) == sorted(whole, key=str)
    assert [len(batch) for batch in in_batches(whole, 150)] == [150, 150, 100]


def test_a_window_of_days_is_followed_past_the_decisions_asked_for(tmp_path: Path) -> None:
    policy = shop(action("x", placements=["top"]), attribution={"window": "1d"})
    early, late = (decided(n, policy, DRAWS, at_ms=NOW + n * HOUR) for n in (0, 30))
    rows = [event("purchase", early, 20 * HOUR, order_id="o"), event("purchase", late, HOUR, order_id="p")]
    lakefile.write_events(tmp_path, rows, "a")
    lakefile.write_decisions(tmp_path, [kept(early), kept(late)], "a")
    only = list(LakeTrials(tmp_path, SHOP, policy, until_ms=NOW + HOUR))
    assert {(one.decision_id, one.reward) for one in only} == {(decision_id(0), 1.0)}
    of = LakeTrials(tmp_path, SHOP, policy, since_ms=NOW + HOUR)
    assert (list(of), of.counts["open"]) == ([], 2)
    later = LakeTrials(tmp_path, SHOP, policy, since_ms=NOW + HOUR, now_ms=NOW + 90 * HOUR)
    assert {one.reward for one in later} == {1.0}


def test_outcomes_that_name_no_open_decision_are_counted(tmp_path: Path) -> None:
    made = decided(0, POLICY, DRAWS)
    other = decided(99, POLICY, DRAWS, visitor="v0", at_ms=made.inputs.now_ms)
    stray = replace(event("view_promotion", made, 900, action="x", decision_id="nonsense"), event_id="stray")
    rows = [*shown(made), *shown(made, 700), *shown(other), stray]
    lakefile.write_events(tmp_path, rows, "a")
    lakefile.write_decisions(tmp_path, [kept(made), replace(kept(other), receipt=b"{")], "a")
    of = LakeTrials(tmp_path, SHOP, POLICY, now_ms=NOW + 9 * HOUR)
    assert len(list(of)) == 2
    told = {name: of.counts[name] for name in ("counted", "again", "late", "unknown", "unreadable")}
    some = len(shown(made))
    assert told == {"counted": some, "again": some, "late": len(shown(other)), "unknown": 1, "unreadable": 1}


def test_of_a_part_of_the_visitors_come_the_trials_that_all_would_give_them(tmp_path: Path) -> None:
    write_visits(tmp_path, range(100), POLICY, DRAWS, ODDS)
    whole = [one for one in LakeTrials(tmp_path, SHOP, POLICY) if one.visitor_id.endswith("7")]
    of = LakeTrials(tmp_path, SHOP, POLICY, now_ms=NOW + 9 * HOUR, wanted=lambda name: name.endswith("7"))
    assert list(of) == whole and of.counts["decisions"] == 10
    of = LakeTrials(tmp_path, SHOP, POLICY, wanted=lambda name: name == "nobody")
    assert (list(of), of.counts["decisions"]) == ([], 0)


def test_an_order_of_a_later_session_does_not_count_and_one_of_an_open_session_is_not_known_yet(tmp_path: Path) -> None:
    first, second = decided(0, POLICY, DRAWS, "v"), decided(1, POLICY, DRAWS, "v", NOW + 2 * HOUR)
    lakefile.write_events(tmp_path, [event("purchase", second, 60_000, order_id="o")], "a")
    lakefile.write_decisions(tmp_path, [kept(first), kept(second)], "a")
    early = Rewards.of(LakeTrials(tmp_path, SHOP, POLICY, now_ms=NOW + 2 * HOUR + 2 * MINUTE))
    assert early.of_page(decision_id(0)) == 0.0 and math.isnan(early.of_page(decision_id(1)))
    known = Rewards.of(LakeTrials(tmp_path, SHOP, POLICY, now_ms=NOW + 9 * HOUR))
    assert (known.of_page(decision_id(0)), known.of_page(decision_id(1))) == (0.0, 1.0)


def test_an_empty_lake_has_no_trials(tmp_path: Path) -> None:
    assert list(LakeTrials(tmp_path / "none", SHOP, POLICY)) == []


def test_what_followed_a_page_is_told_apart_from_what_a_message_met_with(tmp_path: Path) -> None:
    policy = shop(action("x", placements=["top"]), action("y", placements=["side"]), reward={"order": 1, "click": 0.5})
    made = decided(0, policy, DRAWS)
    rows = [*shown(made), *shown(made, 900, "select_promotion"), event("purchase", made, 9_000, order_id="o")]
    lakefile.write_events(tmp_path, rows, "a")
    lakefile.write_decisions(tmp_path, [kept(made)], "a")
    found = Rewards.of(LakeTrials(tmp_path, SHOP, policy, now_ms=NOW + 9 * HOUR))
    clicked = {chosen.placement: 0.5 if chosen.action else 0.0 for chosen in made.chosen}
    assert {at: found.of_placement(decision_id(0), at) for at in clicked} == clicked
    assert found.of_page(decision_id(0)) == 1.0
    assert math.isnan(found.of_page("other")) and math.isnan(found.of_placement("other", "top"))
