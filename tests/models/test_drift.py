"""The stability index is that of the textbook, chance is taken off, and words say what moved."""

import numpy as np
import numpy.typing as npt
import pytest

from models import drift
from models.drift import Bins, Reference, compare, psi

Matrix = npt.NDArray[np.float32]


def one(values: Matrix, name: str = "session_views", sessions: int | None = None) -> Reference:
    """A reference of a single quantity."""
    bins = Bins.of([name], [values])
    counts = bins.empty()
    bins.add(counts, values[:, None])
    return Reference(bins, counts, np.array([sessions or len(values)], np.int64))


def seen(reference: Reference, values: Matrix, sessions: float | None = None) -> drift.Shift:
    counts = reference.bins.empty()
    reference.bins.add(counts, np.asarray(values, np.float32)[:, None])
    (shift,) = compare(reference, counts, sessions or len(values))
    return shift


def test_the_index_is_the_sum_over_bins_of_difference_times_log_ratio() -> None:
    then, now = np.array([500_000.0, 300_000, 200_000]), np.array([400_000.0, 300_000, 300_000])
    by_hand = -0.1 * np.log(0.8) + 0.1 * np.log(1.5)
    assert psi(then, now) == pytest.approx(by_hand, rel=1e-4)
    assert psi(then, then * 3) == pytest.approx(0.0, abs=1e-6)


def test_every_number_falls_into_exactly_one_bin_and_unknown_into_its_own() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=5000).astype(np.float32)
    values[:700] = np.nan
    reference = one(values)
    assert reference.counts.sum() == 5000
    assert reference.counts[0] == 700
    assert len(reference.counts) == drift.QUANTILES + 1
    assert reference.counts[1:] == pytest.approx(430, abs=5)


def test_infinite_and_huge_numbers_have_bins_too() -> None:
    reference = one(np.array([np.inf, -np.inf, 3e38, 0.0, np.nan] * 9, np.float32))
    assert reference.counts.sum() == 45


def test_rows_of_the_same_spread_are_stable_and_their_index_is_about_what_chance_makes() -> None:
    rng = np.random.default_rng(2)
    reference = one(rng.normal(size=3000).astype(np.float32))
    found = [seen(reference, rng.normal(size=400).astype(np.float32)) for _ in range(60)]
    assert {shift.level for shift in found} == {"stable"}
    raw = np.mean([psi(reference.counts, _counts(reference, rng.normal(size=400))) for _ in range(60)])
    assert raw == pytest.approx(found[0].chance, rel=0.25)


def _counts(reference: Reference, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    counts = reference.bins.empty()
    reference.bins.add(counts, values.astype(np.float32)[:, None])
    return counts


def test_a_shift_is_an_alert_and_a_small_one_worth_watching() -> None:
    rng = np.random.default_rng(3)
    reference = one(rng.normal(size=20_000).astype(np.float32))
    assert seen(reference, rng.normal(0.4, 1, 20_000).astype(np.float32)).level == "watch"
    assert seen(reference, rng.normal(1.0, 1, 20_000).astype(np.float32)).level == "alert"


def test_with_few_sessions_there_is_no_level_however_many_rows_they_made() -> None:
    reference = one(np.zeros(5000, np.float32))
    assert seen(reference, np.ones(5000, np.float32), sessions=drift.MIN_SESSIONS - 1).level == "few"
    assert seen(reference, np.ones(5000, np.float32), sessions=drift.MIN_SESSIONS).level == "alert"


def test_words_tell_which_share_went_from_where_to_where() -> None:
    values = np.arange(1000, dtype=np.float32)
    values[:20] = np.nan
    now = values.copy()
    now[:600] = np.nan
    assert seen(one(values), now).words == "unknown: 2.0 % to 60 %"
    kinds = np.array([4, 4, 4, 1] * 300, np.float32)
    assert seen(one(kinds, "event_kind"), np.full(1000, 1, np.float32)).words == "view_item: 75 % to 0 %"


def test_numbers_that_all_lie_close_together_do_not_drift_by_a_hair() -> None:
    rng = np.random.default_rng(7)
    then, now = 0.0092 + 1e-5 * rng.normal(size=3000), 0.0093 + 1e-5 * rng.normal(size=3000)
    assert seen(one(then.astype(np.float32), "item_buy_rate"), now.astype(np.float32)).level == "stable"


def test_a_value_above_the_few_of_training_is_told_as_such() -> None:
    grown = seen(one(np.array([0, 1, 2] * 300, np.float32)), np.array([0, 1, 2, 9, 9, 9] * 300, np.float32))
    assert grown.words == "over 2: 0 % to 50 %"


def test_a_code_never_seen_in_training_is_seen_as_new() -> None:
    reference = one(np.array([4, 4, 12, 1] * 300, np.float32), "event_kind")
    shift = seen(reference, np.array([4, 4, 12, 1, 8, 8, 8, 8] * 300, np.float32))
    assert shift.level == "alert"
    assert shift.words == "another: 0 % to 50 %"
    assert seen(reference, np.array([4, 4, 12, 1] * 300, np.float32)).psi == 0.0


def test_the_calendar_is_shown_and_never_an_alert() -> None:
    monday, tuesday = np.zeros(900, np.float32), np.ones(900, np.float32)
    assert seen(one(monday, "time_weekday"), tuesday).level == "stable"
    assert seen(one(monday, "time_weekday"), tuesday).psi > drift.ALERT


def test_the_worst_comes_first_and_a_feature_that_is_always_unknown_is_stable() -> None:
    rng = np.random.default_rng(4)
    columns = [rng.normal(size=2000).astype(np.float32) for _ in range(3)] + [np.full(2000, np.nan, np.float32)]
    bins = Bins.of(["session_views", "item_price", "intent_buy", "cart_value"], columns)
    reference = Reference(bins, bins.empty(), np.full(4, 2000))
    bins.add(reference.counts, np.stack(columns, axis=1))
    now = np.stack([columns[0], columns[1] + 2, columns[2] + 1, columns[3]], axis=1)
    counts = bins.empty()
    bins.add(counts, now)
    shifts = compare(reference, counts, 2000)
    assert [shift.name for shift in shifts[:2]] == ["item_price", "intent_buy"]
    assert {shift.name: shift.psi for shift in shifts}["cart_value"] == 0.0
    section = drift.as_section(shifts)
    assert [row["name"] for row in section["scores"]] == ["intent_buy"]
    assert section["features"][0]["level"] == "alert" and section["features"][0]["n"] == 2000


def test_a_reference_survives_its_arrays_and_damaged_ones_are_refused() -> None:
    reference = one(np.arange(100, dtype=np.float32))
    again = Reference.from_arrays(reference.to_arrays())
    assert again.bins.names == reference.bins.names
    np.testing.assert_array_equal(again.counts, reference.counts)
    np.testing.assert_array_equal(again.bins.cuts, reference.bins.cuts)
    with pytest.raises(ValueError, match="do not fit"):
        Reference.from_arrays({**reference.to_arrays(), "counts": np.zeros(2)})
    with pytest.raises(ValueError, match="do not fit"):
        Reference.from_arrays({**reference.to_arrays(), "starts": np.array([0, 99])})
