"""Rows for uplift models from trials: who counts, with which chance, and how many are kept."""

import numpy as np
import pytest

from models.trial import SILENCE, Trial
from training.learn_uplift import Log, learn_uplift, vectors


def trial(number: int, chosen: str = SILENCE, chances: tuple[float, ...] = (0.2, 0.3, 0.5), **fields) -> Trial:
    about = {"placement": "top", "chosen": chosen, "choices": (SILENCE, "a", "b")[: len(chances)], "shown": True}
    scores = {"stage": (1.0,), "intent": (0.1,), "weariness": 1.0, "policy": "p", "arm": "full"}
    who = {"decision_id": f"d{number}", "visitor_id": f"v{number // 2}", "ts_ms": number}
    return Trial(**{**who, **about, **scores, "reward": 1.0, "propensity": chances, **fields})


def taken(*trials: Trial, most: int = 100) -> Log:
    log = Log(("a", "b"), most)
    assert list(log.watching(trials)) == list(trials)
    return log


def test_silence_counts_for_every_action_that_could_have_been_and_an_action_for_itself() -> None:
    log = taken(trial(1), trial(2, "a"))
    assert sorted((row.treated, row.propensity) for row in log.rows("a")) == [(False, 0.6), (True, 0.6)]
    assert [(row.treated, row.propensity) for row in log.rows("b")] == [(False, pytest.approx(5 / 7))]
    assert log.until_ms == 2


@pytest.mark.parametrize(
    "useless",
    [
        trial(1, "a", shown=False),
        trial(1, reward=float("nan")),
        trial(1, "a", (0.0, 1.0)),
        trial(1, "a", (0.0, 0.5, 0.5)),
        trial(1, SILENCE, (1.0,)),
    ],
    ids=["never shown", "not known yet", "certain", "silence could not have been", "no choice"],
)
def test_what_tells_nothing_is_left_out(useless: Trial) -> None:
    assert taken(useless).rows("a") == []


def test_of_a_long_log_a_part_is_kept_that_leans_on_nothing_and_on_no_order() -> None:
    several = [trial(number, ("a", SILENCE)[number % 2]) for number in range(2_000)]
    log, other = taken(*several, most=400), taken(*reversed(several), most=400)
    rows = log.rows("a")
    assert len(rows) == 400 and log.met["a"] == 2_000 and rows == other.rows("a")
    assert 0.4 < np.mean([row.treated for row in rows]) < 0.6


def test_with_too_few_rewarded_rows_no_receipt_is_read_and_the_posterior_stands() -> None:
    def never() -> list[bytes]:
        raise AssertionError("read")

    found = learn_uplift(taken(*(trial(number, "a") for number in range(300))), never)
    assert found["a"].fitted.effect is None and "200 of each are needed" in found["a"].fitted.choice.why
    assert found["b"].as_dict()["used"] == "posterior" and found["b"].trials == 0


def test_receipts_that_are_none_or_of_another_feature_table_have_no_vector() -> None:
    rows = taken(trial(1)).rows("a")
    _, has = vectors(rows, [b"x", b'{"decision_id":"d1","features":"other","vector":"AAAA"}', b"{}"])
    assert not has.any()
