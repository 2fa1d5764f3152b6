"""The journey map: flows that keep every session, friction, dead ends, lift by stage, and logs that lack things."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.events import CHANNELS, DEVICES, Row
from features.lakefile import DecisionRow, write_decisions, write_events
from models.stage import STAGES
from tests.training.lifting import decided
from tests.training.logs import DAY, HOUR, MINUTE, START_MS, Did, log_of, rows_of
from training.journey_friction import moments
from training.journey_lift import by_stage, scored
from training.journey_map import FEWEST, picture, through
from training.journey_paths import alias, samples
from training.journey_places import Passes, judged
from training.journey_report import Assigned, NoSuchValue, Which, chosen, report
from training.journey_sessions import OUTCOMES, Journeys, journeys
from training.journey_words import page, place_words
from training.lake import load_log
from training.wilson import wilson

LOOK = [Did(0, "view_item", "a"), Did(60, "view_item", "b")]
BUY = [Did(0, "view_item", "a"), Did(60, "add_to_cart", "a"), Did(120, "begin_checkout"), Did(180, "purchase", "a")]
CART = [Did(0, "view_item", "a"), Did(60, "add_to_cart", "a"), Did(120, "view_item", "b")]


def of(folder: Path, *made: list[Did]) -> Journeys:
    """The journeys of one visitor each; the witness who ends the log has no session that ended."""
    return journeys(log_of(folder, *made))


def outcomes(found: Journeys) -> list[str]:
    return [OUTCOMES[code] for code in found.sessions.outcome]


def path(found: Journeys, row: int = 0) -> list[str]:
    return [STAGES[code] for code in found.sessions.path[row] if code >= 0]


def lake_of(folder: Path, rows: list[Row], decisions: list[DecisionRow] = ()) -> Path:  # type: ignore[assignment]
    witness = replace(rows_of("zz", [Did(0, "page_view")])[0], ts_ms=max(r.ts_ms for r in rows) + DAY * 1000)
    write_events(folder, [*rows, witness], "test")
    if decisions:
        write_decisions(folder, decisions, "test")
    return folder


# how sessions end


@pytest.mark.parametrize(
    ("journey", "outcome"),
    [
        (BUY, "bought"),
        ([*CART, Did(180, "begin_checkout")], "checkout_left"),
        (CART, "cart_left"),
        ([*CART, Did(180, "remove_from_cart", "a")], "looked"),
        ([*LOOK, Did(90, "chat_open")], "asked"),
        (LOOK, "looked"),
        (LOOK[:1], "one_page"),
        ([*BUY, Did(240, "add_to_cart", "b")], "bought"),
    ],
)
def test_a_session_ends_as_the_first_outcome_that_holds(tmp_path: Path, journey: list[Did], outcome: str) -> None:
    assert outcomes(of(tmp_path, journey)) == [outcome]


def test_a_visit_after_a_purchase_is_no_drop_off(tmp_path: Path) -> None:
    found = of(tmp_path, [*BUY, Did(5 * HOUR, "page_view", page="account")])
    assert outcomes(found) == ["bought", "after_sale"]
    assert sum(node.stopped for node in picture(found.sessions).nodes) == 0


def test_a_session_that_the_log_does_not_see_ended_is_left_out_and_counted(tmp_path: Path) -> None:
    found = of(tmp_path, LOOK)
    assert (len(found.sessions), found.unended) == (1, 1)


# stages


def test_the_last_look_and_the_purchase_itself_are_left_to_the_outcome(tmp_path: Path) -> None:
    found = of(tmp_path, LOOK, BUY)
    by_outcome = {name: path(found, row) for row, name in enumerate(outcomes(found))}
    assert by_outcome["looked"] == ["consideration"]
    assert by_outcome["bought"][-1] == "purchase"


def test_a_single_look_is_awareness(tmp_path: Path) -> None:
    assert path(of(tmp_path, LOOK[:1])) == ["awareness"]


def test_stages_as_scored_are_those_of_the_decisions_carried_on(tmp_path: Path) -> None:
    rows = [*rows_of("v", [*LOOK, Did(120, "view_item", "c")]), *rows_of("w", LOOK)]
    decision = replace(decided("v", START_MS + 60_000, "full"), stage="hesitation")
    log = load_log(lake_of(tmp_path, rows, [decision]), "s")
    found = journeys(log, scored(tmp_path, log))
    assert (found.by, len(found.sessions), found.unscored) == ("scored", 1, 1)
    assert path(found) == ["hesitation"]


def test_a_degraded_decision_names_no_stage(tmp_path: Path) -> None:
    log = load_log(lake_of(tmp_path, rows_of("v", LOOK), [decided("v", START_MS, "full")]), "s")
    assert len(scored(tmp_path, log).stage) == 0


# flows


def mixed(folder: Path) -> Journeys:
    """Sessions of many kinds, with channels and devices by turns."""
    rows = []
    for n in range(160):
        journey = (LOOK, BUY, CART, LOOK[:1])[n % 4]
        told = {"channel": CHANNELS[n % 3], "device": DEVICES[n % 2]}
        rows += [replace(row, **told) for row in rows_of(f"v{n}", journey)]
    return journeys(load_log(lake_of(folder, rows), "s"))


def test_what_flows_into_a_stage_flows_out_of_it_and_all_sessions_arrive(tmp_path: Path) -> None:
    found = mixed(tmp_path)
    drawn = picture(found.sessions)
    into = {n.id: sum(link.sessions for link in drawn.links if link.target == n.id) for n in drawn.nodes}
    out = {n.id: sum(link.sessions for link in drawn.links if link.source == n.id) for n in drawn.nodes}
    assert all(into[n.id] == out[n.id] == n.sessions for n in drawn.nodes if n.kind == "stage")
    for kind, flow in (("channel", out), ("outcome", into)):
        assert sum(flow[n.id] for n in drawn.nodes if n.kind == kind) == len(found.sessions) == 160


def test_a_flow_holds_as_many_sessions_as_run_through_it(tmp_path: Path) -> None:
    found = mixed(tmp_path)
    for link in picture(found.sessions).links:
        assert int(through(found.sessions, link.source, link.target).sum()) == link.sessions


def test_a_share_of_few_sessions_is_not_told(tmp_path: Path) -> None:
    nodes = [
        node.as_dict()
        for node in picture(of(tmp_path, *[LOOK] * 40, *[BUY] * 3).sessions).nodes
        if node.kind == "stage"
    ]
    assert any(n["sessions"] < FEWEST for n in nodes) and any(n["sessions"] >= FEWEST for n in nodes)
    assert all((n["stopped_share"] is None) == (n["sessions"] < FEWEST) for n in nodes)


def test_changes_of_stage_beyond_the_columns_are_counted_and_the_session_still_arrives(tmp_path: Path) -> None:
    journey = [Did(60 * n, "view_item", item) for n, item in enumerate("aabacdcefegh")]
    rows = rows_of("v", journey)
    decisions = [replace(decided("v", row.ts_ms, "full"), stage=STAGES[n % 3]) for n, row in enumerate(rows)]
    log = load_log(lake_of(tmp_path, rows, decisions), "s")
    drawn = picture(journeys(log, scored(tmp_path, log)).sessions)
    assert drawn.cut == 1
    assert sum(link.sessions for link in drawn.links if link.target.startswith("outcome:")) == 1


def test_filters_choose_by_channel_device_period_and_persona(tmp_path: Path) -> None:
    found = mixed(tmp_path)
    codes = np.where(np.arange(len(found.log.visitors)) % 2, 0, -1)
    personas = Assigned(("researcher",), codes)
    for which, says in (
        (Which(channel="direct"), lambda s: set(s.channel) == {CHANNELS.index("direct")}),
        (Which(device="unknown"), lambda s: set(s.device) == {0}),
        (Which(persona="researcher"), lambda s: set(codes[s.visitor]) == {0}),
        (Which(since_ms=START_MS + 1), lambda s: len(s) == 0),
        (Which(until_ms=START_MS + 1), lambda s: len(s) == 160),
    ):
        assert says(chosen(found, which, personas))


def test_an_unknown_filter_value_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(NoSuchValue, match="organic_search"):
        chosen(mixed(tmp_path), Which(channel="carrier_pigeon"))
    with pytest.raises(NoSuchValue, match="no personas yet"):
        chosen(mixed(tmp_path / "b"), Which(persona="researcher"))


# paths


def test_sample_paths_name_no_visitor_and_no_search_and_are_always_the_same(tmp_path: Path) -> None:
    rows = [replace(row, query="anna jansen") for row in rows_of("anna@example.org", [*LOOK, Did(90, "search")])]
    found = journeys(load_log(lake_of(tmp_path, rows), "s"))
    link = next(one for one in picture(found.sessions).links if one.target == "outcome:looked")
    told = samples(found, found.sessions, link.source, link.target)
    assert told == samples(found, found.sessions, link.source, link.target)
    assert told["paths"][0]["visitor"] == alias("anna@example.org")
    assert "anna" not in json.dumps(told)
    assert [(step["at_s"], step["event"], step["item"]) for step in told["paths"][0]["steps"]] == [
        (0.0, "view_item", "a"), (60.0, "view_item", "b"), (90.0, "search", ""),
    ]  # fmt: skip


def test_a_flow_that_is_not_there_has_no_paths(tmp_path: Path) -> None:
    found = of(tmp_path, LOOK)
    assert samples(found, found.sessions, "stage:1:loyalty", "outcome:bought") == {"sessions": 0, "paths": []}


# friction


def test_what_came_after_a_moment_and_whether_it_still_bought(tmp_path: Path) -> None:
    nothing = [Did(0, "search"), Did(1, "zero_results")]
    found = of(tmp_path, nothing, [*nothing, Did(30, "search"), Did(60, "view_item", "a")], [*nothing, *[
        replace(did, at=did.at + 100) for did in BUY]])  # fmt: skip
    (moment,) = moments(found, found.sessions)
    assert (moment.name, moment.sessions, moment.bought) == ("zero_results", 3, 1)
    assert {name: n for name, n in moment.next.items() if n} == {"left": 1, "search": 1, "product": 1}


def test_a_policy_read_again_counts_apart_and_a_reload_does_not_count(tmp_path: Path) -> None:
    policy = Did(60, "return_policy_view")
    once = [LOOK[0], policy, replace(policy, at=70)]
    again = [LOOK[0], policy, Did(90, "view_item", "b"), replace(policy, at=120)]
    found = of(tmp_path, once, again)
    assert {m.name: m.sessions for m in moments(found, found.sessions)} == {"policy": 2, "policy_again": 1}


def test_the_last_page_of_one_session_is_not_followed_by_the_next_session(tmp_path: Path) -> None:
    found = of(tmp_path, [LOOK[0], Did(10, "form_error"), Did(5 * HOUR, "view_item", "b")])
    (moment,) = moments(found, found.sessions)
    assert {name: n for name, n in moment.next.items() if n} == {"left": 1}
    assert moment.came_back == 1


# dead ends


def made_passes(rates: list[float], each: int, seed: int = 3) -> tuple[Passes, np.ndarray]:
    """`each` visitors at each place, who stop there at its rate."""
    rng = np.random.default_rng(seed)
    place = np.repeat(np.arange(len(rates)), each)
    stops = rng.random(len(place)) < np.array(rates)[place]
    who = np.arange(len(place))
    return Passes(who, who, stops, np.zeros(len(place), np.int64), who), place


def test_a_page_where_twice_as_many_stop_is_a_dead_end_and_the_others_are_not() -> None:
    at, place = made_passes([0.2] * 9 + [0.4], 400)
    found = {one.id: one for one in judged(at, place, [f"p{n}" for n in range(10)])}
    assert [name for name, one in found.items() if one.dead_end] == ["p9"]
    assert found["p9"].low is not None and found["p9"].low > 1.25


def test_pages_alike_are_hardly_ever_called_dead_ends() -> None:
    """40 logs of 20 equal pages: at most 5 % of the logs are expected to have any; by chance hardly 6 of 40."""
    wrong = 0
    for seed in range(40):
        at, place = made_passes([0.3] * 20, 80, seed)
        wrong += any(one.dead_end for one in judged(at, place, [str(n) for n in range(20)]))
    assert wrong <= 6


def test_the_share_that_stops_is_of_the_passes_that_are_compared() -> None:
    at, place = made_passes([0.2, 0.4], 300)
    alone = np.arange(len(place)) < 250  # where only the first place is: nothing to compare with
    at = Passes(at.step, at.session, at.stops | alone, np.where(alone, 1, at.stratum), at.visitor)
    told = {one.id: one.as_dict() for one in judged(at, place, ["a", "b"])}
    assert told["b"]["share"] == pytest.approx(told["b"]["ratio"] * told["b"]["expected_share"])
    assert (told["a"]["compared"], told["a"]["passed"]) == (50, 300)


def test_few_visitors_are_not_judged() -> None:
    at, place = made_passes([0.1, 0.9], 40)
    assert all(one.ratio is None and not one.dead_end for one in judged(at, place, ["a", "b"]))


def test_one_visitor_who_stops_often_makes_no_dead_end() -> None:
    at, place = made_passes([0.2] * 5, 200)
    same = Passes(at.step, at.session, at.stops | (place == 0), at.stratum, np.where(place == 0, 0, at.visitor))
    assert not any(one.dead_end for one in judged(same, place, list("abcde")))


def test_a_shop_with_one_kind_of_page_has_nothing_to_compare(tmp_path: Path) -> None:
    found = of(tmp_path, *[[Did(60.0 * k, "view_item", f"i{n}{k}") for k in range(1 + n % 3)] for n in range(150)])
    (only,) = report(found, Which())["places"]
    assert (only["id"], only["ratio"], only["dead_end"]) == ("kind:view_item", None, False)


# lift by stage


def stage_lake(folder: Path, visitors: int, lift: float) -> Path:
    rng = np.random.default_rng(5)
    rows: list[Row] = []
    decisions = []
    for n in range(visitors):
        arm = "holdout" if n % 2 else "full"
        rows += rows_of(f"v{n}", LOOK)
        decisions.append(replace(decided(f"v{n}", START_MS + 61_000, arm), stage="evaluation", actions=("top=hint",)))
        if rng.random() < 0.2 * (1 + (lift if arm == "full" else 0)):
            rows += [replace(row, event_id=f"b{n}") for row in rows_of(f"v{n}", [Did(120, "purchase", "a")])]
    return lake_of(folder, rows, decisions)


def test_messages_that_help_in_a_stage_are_told_so_there(tmp_path: Path) -> None:
    told = by_stage(stage_lake(tmp_path, 3000, 1.0), "s")
    assert list(told) == ["evaluation"]
    row = told["evaluation"]
    assert row["lift"]["verdict"] == "better" and row["visitors"] == {"full": 1500, "holdout": 1500}
    assert row["actions"] == [{"action": "hint", "chosen": 3000}]


def test_too_few_visitors_in_a_stage_say_how_many_more_are_needed(tmp_path: Path) -> None:
    told = by_stage(stage_lake(tmp_path, 100, 1.0), "s")
    assert "needs about" in told["evaluation"]["words"]


def test_arms_that_reach_a_stage_unequally_are_not_to_be_read(tmp_path: Path) -> None:
    rows = [row for n in range(600) for row in rows_of(f"v{n}", LOOK)]
    decisions = [
        replace(decided(f"v{n}", START_MS + 1000, "holdout" if n % 2 else "full"), stage="awareness")
        for n in range(600)
    ]
    later = [
        replace(one, stage="evaluation", ts_ms=one.ts_ms + 9, decision_id=one.decision_id + "b")
        for n, one in enumerate(decisions)
        if n % 2 or n % 8 == 0
    ]
    told = by_stage(lake_of(tmp_path, rows, [*decisions, *later]), "s")
    assert "do not read" in told["evaluation"]["words"] and "do not read" not in told["awareness"]["words"]


def test_a_stage_without_a_holdout_has_nothing_to_compare(tmp_path: Path) -> None:
    row = replace(decided("v", START_MS, "full"), stage="awareness")
    told = by_stage(lake_of(tmp_path, rows_of("v", LOOK), [row]), "s")
    assert told["awareness"]["lift"] is None and "nothing to compare" in told["awareness"]["words"]


# odd logs


def test_a_log_of_views_only_says_what_is_missing(tmp_path: Path) -> None:
    told = report(of(tmp_path, LOOK, LOOK), Which())
    assert {one["what"] for one in told["missing"]} >= {"channel", "cart", "purchase", "errors", "search", "device"}
    assert not [node for node in told["nodes"] if node["kind"] == "channel"]


def test_an_empty_log_is_an_empty_picture(tmp_path: Path) -> None:
    told = report(journeys(load_log(tmp_path, "s")), Which())
    assert (told["sessions"], told["nodes"], told["links"]) == (0, [], [])
    assert told["missing"] == [{"what": "events", "words": "no events yet"}]
    assert "No session" in page({**told, "lift": {}})


def test_one_visitor_with_one_event_is_one_journey(tmp_path: Path) -> None:
    told = report(of(tmp_path, [Did(0, "custom")]), Which())
    assert (told["sessions"], told["visitors"], told["outcomes"][0]["outcome"]) == (1, 1, "one_page")


def test_one_giant_session_is_one_journey_and_its_path_is_cut(tmp_path: Path) -> None:
    found = of(tmp_path, [Did(n * 5.0, "view_item", f"i{n % 7}") for n in range(3000)])
    told = report(found, Which())
    node = told["nodes"][0]["id"]
    (one,) = samples(found, found.sessions, node)["paths"]
    assert (told["sessions"], told["events"]) == (1, 3000)
    assert len(one["steps"]) + one["more_steps"] == 3000


def test_a_log_of_our_own_messages_only_has_no_sessions(tmp_path: Path) -> None:
    found = of(tmp_path, [Did(0, "view_promotion"), Did(MINUTE, "dismiss_promotion")])
    assert report(found, Which())["sessions"] == 0


# words


def test_the_page_tells_every_outcome_and_which_stages_these_are(tmp_path: Path) -> None:
    told = report(mixed(tmp_path), Which())
    text = page({**told, "lift": {}})
    assert "in hindsight" in text and "left with a full cart" in text and "| direct |" in text


def test_every_place_has_words() -> None:
    assert place_words("product:42") == "page of product 42"
    assert place_words("page:contact") == "contact page" and place_words("kind:sign_up") == "sign up"


def test_wilson_is_inside_zero_and_one_and_holds_the_share() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(8, 10)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)  # Newcombe 1998, by the formula
    assert wilson(10, 10)[1] == pytest.approx(1.0)
