"""Credit: each trial ends with what followed it in its window, whatever was chosen, and nothing is lost silently."""

import math
from dataclasses import replace

import msgspec
import pytest

from features.events import Row
from models import credit as credits
from models.credit import Credit, Told
from models.policy_terms import Reward
from models.trial import SILENCE, Trial

T = 1_795_435_200_000
MINUTE, DAY = 60_000, 86_400_000
ID = "01KAF3Z7W90123456789ABCDEF-07"


def trial(chosen="x", at=T, decision=ID, visitor="v", placement="top") -> Trial:
    return Trial(
        *(decision, visitor, at, "p1", "full", placement, chosen, (SILENCE, "x", "y"), (0.5, 0.3, 0.2)),
        *((1, 0, 0, 0, 0, 0), (0.1, 0.1, 0.5, 0.0), 1.0),
    )


def row(event, minutes=1.0, visitor="v", **fields) -> Row:
    ts_ms = T + round(minutes * MINUTE)
    return Row("demo", visitor, f"{event}{ts_ms}{fields}", ts_ms, event, **fields)


def ended(credit: Credit, after=DAY * 30) -> list[Trial]:
    return credit.settle(T + after)


def following(*events: Row, reward=None, window_s=0, trials=(), margin_of=None) -> Credit:
    credit = Credit(reward, window_s, margin_of)
    credit.decided(trials or (trial(),))
    for event in events:
        credit.happened([event])
    return credit


def shown(minutes=0.1, action="x", **fields):
    return row("view_promotion", minutes, action=action, **{"decision_id": ID} | fields)


def test_an_order_in_the_session_is_the_reward_of_every_trial_before_it_silence_too():
    later = trial(SILENCE, T + 3 * MINUTE, ID.replace("-07", "-08"))
    credit = following(shown(), row("purchase", 2), row("page_view", 4), trials=(trial(), later))
    assert [(t.chosen, t.reward) for t in ended(credit)] == [("x", 1.0), (SILENCE, 0.0)]


def test_a_session_ends_half_an_hour_after_the_last_event():
    credit = following(shown(), row("page_view", 10))
    assert credit.settle(T + 40 * MINUTE) == []
    assert len(credit.settle(T + 42 * MINUTE)) == 1
    assert len(credit) == 0


def test_an_order_after_the_window_does_not_count():
    credit = following(shown(), row("purchase", 2 * 24 * 60), window_s=86_400)
    assert [t.reward for t in ended(credit)] == [0.0]
    in_a_week = following(shown(), row("purchase", 2 * 24 * 60), window_s=7 * 86_400)
    assert [t.reward for t in ended(in_a_week)] == [1.0]


def test_a_reward_is_the_weighted_sum_of_the_policy():
    weights = Reward(order=1, revenue=0.01, margin=0.5, cart=0.1, click=0.2, dismissal=3)
    events = (
        shown(),
        row("select_promotion", 0.2, action="x", decision_id=ID),
        row("add_to_cart", 1, item_id="a", quantity=2),
        row("purchase", 2, item_id="a", quantity=2, price=50.0, order_id="o1"),
    )
    credit = following(*events, reward=weights, margin_of={"a": 20.0}.get)
    assert [t.reward for t in ended(credit)] == pytest.approx([1 + 1 + 0.5 * 40 + 0.2 + 0.2])
    waved = following(shown(), row("dismiss_promotion", 1, action="x", decision_id=ID), reward=weights)
    assert [t.reward for t in ended(waved)] == [-3.0]


def test_what_the_message_met_with_is_told_apart_from_what_followed_the_page():
    weights = Reward(order=1, click=0.2, dismissal=3)
    events = (row("select_promotion", 0.2, action="x", decision_id=ID), row("purchase", 2))
    both = (trial(), trial("y", placement="side"))
    top, side = ended(following(*events, reward=weights, trials=both))
    assert (top.own, top.of_page, top.clicked, top.dismissed) == (0.2, 1.0, True, False)
    assert (side.own, side.of_page, side.clicked) == (0.0, 1.0, False)
    assert [t.reward for t in (top, side)] == pytest.approx([1.2, 1.0])


def test_what_came_with_the_question_was_no_effect_of_it():
    assert [t.reward for t in ended(following(row("purchase", 0)))] == [0.0]


def test_a_refund_takes_off_what_the_order_gave():
    money = Reward(order=5, revenue=1)
    order = row("purchase", 1, item_id="a", value=100.0, order_id="o1")
    part = following(order, row("refund", 5, item_id="a", price=30.0, order_id="o1"), reward=money, window_s=86_400)
    assert [t.reward for t in ended(part)] == [75.0]
    whole = following(order, row("refund", 5, order_id="o1"), reward=money, window_s=86_400)
    assert [t.reward for t in ended(whole)] == [0.0]
    assert following(row("refund", 5, order_id="o9")).counts["late"] == 1


def test_an_order_counts_once_however_often_it_is_told():
    credit = following(row("purchase", 1, order_id="o1"), row("purchase", 2, order_id="o1"))
    assert credit.counts["again"] == 1
    assert [t.reward for t in ended(credit)] == [1.0]


def test_decided_but_never_shown_says_so_and_ignored_is_shown():
    assert [t.shown for t in ended(following())] == [False]
    assert [t.shown for t in ended(following(shown()))] == [True]
    assert [t.shown for t in ended(following(trials=(trial(SILENCE),)))] == [True]


def test_who_clicks_has_seen():
    credit = following(row("select_promotion", 1, action="x", decision_id=ID))
    assert [t.shown for t in ended(credit)] == [True]


def test_an_outcome_without_a_decision_s_id_is_that_of_the_latest_that_chose_the_action():
    earlier, later = trial(), trial(at=T + MINUTE, decision=ID.replace("-07", "-08"))
    credit = following(shown(2, decision_id=""), trials=(earlier, later))
    assert [t.shown for t in ended(credit)] == [False, True]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (shown(action="y"), Told.UNKNOWN),
        (shown(decision_id="nonsense"), Told.UNKNOWN),
        (shown(decision_id=ID.replace("W", "X")), Told.LATE),
        (shown(visitor="w"), Told.UNKNOWN),
        (row("page_view"), Told.NOTHING),
        (row("purchase", visitor="w"), Told.NOTHING),
    ],
)
def test_what_names_no_open_trial_is_counted_as_what_it_is(event, told):
    credit = following()
    assert credit.happened([event]) is told
    assert credit.counts[told.value] == 1


def test_the_same_outcome_twice_is_told_again():
    credit = following(shown())
    assert credit.happened([shown()]) is Told.AGAIN


def test_the_same_receipt_twice_opens_one_trial():
    credit = following(trials=(trial(), trial(), trial(placement="side")))
    assert len(credit) == 2


def test_a_forgotten_visitor_leaves_nothing():
    credit = following(shown())
    credit.forget("v")
    assert (len(credit), ended(credit), credit.happened([shown()])) == (0, [], Told.LATE)


def test_a_state_goes_on_where_it_was():
    credit, again = following(shown()), Credit(None, 0)
    again.take_bytes(credit.to_bytes())
    again.happened([row("purchase", 1)])
    assert [(t.shown, t.reward) for t in ended(again)] == [(True, 1.0)]
    with pytest.raises(msgspec.MsgspecError):
        again.take_bytes(b"\xff")


def test_too_many_open_trials_end_without_a_reward_the_longest_unheard_of_first(monkeypatch):
    monkeypatch.setattr(credits, "MOST_OPEN", 2)
    credit = Credit(None, 0)
    dropped = [credit.decided([trial(visitor=name, decision=f"{name}-01")]) for name in "abc"]
    assert [(t.visitor_id, math.isnan(t.reward)) for t in dropped[2]] == [("a", True)]
    assert (credit.counts["dropped"], len(credit)) == (1, 2)


def test_a_hundred_thousand_deeds_take_no_more_room_than_some():
    credit = following(*(row("add_to_cart", 1 + i / 1000, item_id=f"i{i}") for i in range(1000)))
    assert len(credit.to_bytes()) < 40_000


def test_lines_of_one_order_are_one_order():
    line = row("purchase", 1, item_id="a", price=10.0, quantity=2, order_id="o")
    credit = Credit(Reward(revenue=1), 0)
    credit.decided([trial()])
    credit.happened([line, replace(line, line=1, item_id="b", price=5.0, quantity=1)])
    assert [t.reward for t in ended(credit)] == [25.0]


def test_what_happens_in_another_session_is_not_put_down_to_the_one_before():
    credit = following(shown(), row("purchase", 5 * 60))
    credit.decided([trial(SILENCE, T + 6 * 60 * MINUTE, ID.replace("-07", "-08"))])
    again = Credit(None, 0)
    again.take_bytes(credit.to_bytes())
    assert [(t.chosen, t.reward) for t in ended(again)] == [("x", 0.0), (SILENCE, 0.0)]


def test_a_visitor_of_the_past_does_not_wait_for_those_of_today():
    credit = Credit(None, 0)
    credit.decided([trial(visitor="today", at=T + 10 * DAY), trial(visitor="old", decision=ID.replace("-07", "-08"))])
    assert [t.visitor_id for t in credit.settle(T + 10 * DAY)] == ["old"]
