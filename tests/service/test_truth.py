"""Truths known in hindsight online are the labels that training makes."""

import numpy as np
import pytest

from features.events import Row
from features.record import pack
from features.tail import session_starts
from models.intent import INTENTS
from service import truth
from service.truth import Said, Truth, auc, outcome
from training import labels

START_MS = 1_700_000_000_000
MINUTE_MS = 60_000
KINDS = ("view_item", "view_item", "page_view", "add_to_cart", "purchase", "view_promotion", "leave", "search")


def said(ts_ms: int, probability: float = 0.5, bought: bool = False, carted: bool = False) -> Said:
    return Said(ts_ms, (probability,) * len(INTENTS), bought, carted)


def test_outcomes_are_the_labels_of_training_at_every_step_of_random_sessions() -> None:
    rng = np.random.default_rng(5)
    at, rows = START_MS, []
    for n in range(4000):
        at += int(rng.choice([5_000, 70_000, 130_000, 40 * MINUTE_MS], p=[0.5, 0.2, 0.1, 0.2]))
        rows.append(Row("s", "v", f"e{n}", at, str(rng.choice(KINDS)), item_id="i"))
    records = pack(rows)
    visitor = np.zeros(len(records), np.int64)
    session = np.cumsum(session_starts(records["ts_ms"], visitor)) - 1
    expected = labels.label(records, visitor, session)
    compared = dict.fromkeys(truth.JUDGED, 0)
    for i in np.flatnonzero(expected.complete):
        mine = expected.session == expected.session[i]
        steps = [(rows[r].ts_ms, rows[r].event) for r in expected.row[mine]]
        moment = rows[expected.row[i]].ts_ms
        bought, carted = (
            any(kind == wanted and ts <= moment for ts, kind in steps) for wanted in ("purchase", "add_to_cart")
        )
        for name in compared:
            was = outcome(name, said(moment, bought=bought, carted=carted), steps)
            label = int(getattr(expected, name)[i])
            assert (-1 if was is None else int(was)) == label
            compared[name] += was is True
    assert min(compared.values()) > 50
    assert (truth.LEAVE_MS, truth.LEAVE_STEPS) == (labels.LEAVE_MS, labels.LEAVE_STEPS)


def test_nothing_is_known_before_the_session_is_over() -> None:
    known = Truth()
    known.scored("v", said(START_MS))
    known.happened("v", START_MS + MINUTE_MS, "view_item")
    known.happened("v", START_MS + 2 * MINUTE_MS, "purchase")
    known.until(START_MS + 32 * MINUTE_MS)
    assert all(judged.rows == 0 for judged in known.judged())
    known.until(START_MS + 33 * MINUTE_MS)
    rows = {judged.intent: (judged.rows, judged.positives) for judged in known.judged()}
    assert rows["buy"] == (1, 1) and rows["leave"] == (1, 0)


def test_an_event_after_the_gap_belongs_to_the_next_session() -> None:
    known = Truth()
    known.scored("v", said(START_MS))
    known.happened("v", START_MS + 31 * MINUTE_MS, "purchase")
    assert {judged.intent: judged.positives for judged in known.judged()}["buy"] == 0


def test_an_erased_visitor_leaves_no_truth_and_the_longest_open_goes_when_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "OPEN", 2)
    known = Truth()
    for visitor in ("a", "b", "c"):
        known.scored(visitor, said(START_MS))
    known.forget("b")
    known.until(START_MS + 10 * 31 * MINUTE_MS)
    assert next(known.judged()).rows == 1


def test_the_auc_is_that_of_all_pairs_ties_half() -> None:
    rng = np.random.default_rng(6)
    scores, was = rng.integers(0, 20, 300) / 20, rng.random(300) < 0.3
    above = scores[was][:, None] > scores[~was][None, :]
    equal = scores[was][:, None] == scores[~was][None, :]
    assert auc(scores, was) == pytest.approx(above.mean() + 0.5 * equal.mean())


def test_a_score_that_says_twice_what_happens_has_a_ratio_of_two() -> None:
    known = Truth()
    for n in range(400):
        known.scored(f"v{n}", said(START_MS, 0.5))
        if n % 4 == 0:
            known.happened(f"v{n}", START_MS + 1000, "purchase")
    known.until(START_MS + 60 * MINUTE_MS)
    buy = next(judged for judged in known.judged() if judged.intent == "buy")
    assert buy.ratio == pytest.approx(2.0) and buy.auc == pytest.approx(0.5) and buy.positives == 100
