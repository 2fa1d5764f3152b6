"""Lead, warned, caught and false alarms are what the words say."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import untold
from tests.training.logs import Did, log_of
from training.early_warning import (
    BASELINES,
    MEASURES,
    Steps,
    fired,
    hesitation_steps,
    leave_steps,
    measured,
    reason_of,
    threshold_at,
)
from training.evaluate import Evaluation
from training.table import build


def steps(session: list[int], quiet: list[int] | None = None, due: list[int] | None = None) -> Steps:
    n = len(session)
    flags = [np.array(one if one is not None else [0] * n, bool) for one in (quiet, due or [1] * n)]
    return Steps(np.array(session), flags[0], flags[1], np.zeros(n), np.zeros(n))


def on(*flags: int) -> np.ndarray:
    return np.array(flags, bool)


def test_a_signal_fires_for_good_where_it_no_longer_goes_off() -> None:
    found = fired(steps([1, 1, 1, 1, 2, 2, 3]), on(1, 0, 1, 1, 1, 1, 1))
    assert found.lead.tolist() == [1, 1, 0]
    assert found.caught.tolist() == [True, True, True]


def test_a_signal_that_is_off_at_the_last_step_never_fired_for_good() -> None:
    found = fired(steps([1, 1, 1, 4]), on(1, 1, 0, 0))
    assert found.lead.tolist() == [0, 0] and not found.caught.any()


def test_false_alarms_are_counted_at_quiet_steps_only() -> None:
    found = fired(steps([1, 1, 2], quiet=[1, 0, 1]), on(1, 1, 0))
    assert found.wrong.tolist() == [1, 0] and found.quiet.tolist() == [1, 1]


def test_sessions_not_to_be_warned_of_count_for_false_alarms_alone() -> None:
    one = fired(steps([1, 1, 2, 2], quiet=[0, 0, 1, 1], due=[1, 1, 0, 0]), on(1, 1, 1, 0))
    assert measured(one, np.ones((1, 2)))[0].tolist() == [1.0, 1.0, 1.0, 0.5]
    assert np.isnan(measured(one, np.array([[0.0, 1.0]]))[0, 0])


def test_the_threshold_is_the_lowest_that_so_few_reach() -> None:
    values = np.arange(100) / 100
    assert threshold_at(values, 0.1) == 0.9
    assert (values >= threshold_at(values, 0.1)).sum() == 10
    tied = np.array([0.9] * 20 + [0.1] * 80)
    assert threshold_at(tied, 0.1) == float("inf")
    assert threshold_at(tied, 0.2) == 0.9


def test_hesitation_is_due_where_a_cart_stays_unbought_and_quiet_where_it_is_bought(tmp_path: Path) -> None:
    lost = [Did(0, "view_item", "a"), Did(9, "add_to_cart", "a"), Did(100, "view_item", "b")]
    bought = [Did(0, "view_item", "a"), Did(9, "add_to_cart", "a"), Did(50, "purchase", "a"), Did(60, "view_item", "c")]
    log = log_of(tmp_path, lost, bought)
    table = build(log, untold)
    found = hesitation_steps(log, table, np.linspace(0, 1, len(table)), 50)
    first = table.labels.session[table.labels.prefix == 3].min()
    by = {int(s): (found.due[found.session == s], found.quiet[found.session == s]) for s in np.unique(found.session)}
    assert len(by) == 2
    due = {s: d.tolist() for s, (d, _) in by.items() if d.any()}
    quiet = {s: q.tolist() for s, (_, q) in by.items() if q.any()}
    assert list(due.values()) == [[True, True]] and list(quiet.values()) == [[True]]
    assert set(due).isdisjoint(quiet) and first in by
    lost_pauses = found.pause_s[found.due]
    assert lost_pauses.tolist() == [91.0, np.inf]


def test_sessions_cut_by_the_longest_prefix_are_left_out(tmp_path: Path) -> None:
    log = log_of(tmp_path, [Did(n, "view_item", "a") for n in range(9)], [Did(n, "view_item", "b") for n in range(3)])
    table = build(log, untold, max_prefix=5)
    found = leave_steps(table, np.zeros(len(table)), 5)
    assert len(found.session) == 3


def test_a_signal_that_cannot_be_judged_says_why_in_words() -> None:
    assert reason_of("leave", {"n": 9, "quiet_steps": 20}) == ""
    assert "ends with an open cart or checkout, unbought" in reason_of("hesitation", {"n": 0, "quiet_steps": 50})
    few = reason_of("hesitation", {"n": 9, "quiet_steps": 1})
    assert few.startswith("the test window has 1 moment with an open cart or checkout after which the visitor bought")
    assert few.endswith("20 are needed to tell how often a warning is a false alarm")


def test_the_figures_have_every_key_and_stand_beside_the_rules(evaluation: Evaluation) -> None:
    for one in evaluation.figures["early_warning"].values():
        assert set(one["baselines"]) == set(one["ahead"]) == set(BASELINES)
        for place in (one, *one["baselines"].values(), *one["ahead"].values(), one["at_pause_60s"]):
            assert {key for name in MEASURES for key in (name, f"{name}_ci")} <= set(place)
    leave = evaluation.figures["early_warning"]["leave"]
    assert leave["lead_events_ci"][0] <= leave["lead_events"] <= leave["lead_events_ci"][1] <= leave["lead_possible"]
    assert leave["false_alarms"] == pytest.approx(0.1, abs=0.06)
