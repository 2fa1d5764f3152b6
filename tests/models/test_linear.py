"""The linear part: the sum it says it is, blended into trees, one row as a batch, refused if damaged."""

from dataclasses import replace

import numpy as np
import pytest

from features.events import KINDS
from features.schema import INDEX, N_FEATURES
from models.bundle import InvalidBundle, decode, encode
from models.linear import Blended, Linear
from models.modeltext import InvalidModel
from models.scorer import ConstantScorer, Scorer
from tests.models.bundles import model_text, parts, vectors


def linear(outputs: int, share: float = 0.4, seed: int = 5) -> Linear:
    rng = np.random.default_rng(seed)
    columns = rng.normal(0, 0.1, (3 + 2 * outputs, N_FEATURES))
    columns[0], columns[1] = -0.7, 0.9
    return Linear(columns, rng.normal(0, 0.1, (outputs, len(KINDS) + 1)), share)


def odds_by_hand(one: Linear, row: np.ndarray) -> np.ndarray:
    """Log-odds of a row, summed the slow way. Shape (K,)."""
    low, high, centre = one.columns[:3]
    log = np.clip(np.sign(row) * np.log1p(np.abs(row.astype(np.float64))), low, high) - centre
    kind = int(np.clip(np.nan_to_num(row[INDEX["event_kind"]]), 0, len(KINDS) - 1))
    slopes, missing = one.columns[3::2], one.columns[4::2]
    return np.where(np.isnan(row), missing, slopes * log).sum(axis=1) + one.kinds[:, kind] + one.kinds[:, -1]


def blended(outputs: int) -> Blended:
    return Blended(Scorer(model_text(outputs), N_FEATURES), linear(outputs))


@pytest.mark.parametrize("outputs", [1, 6])
def test_one_row_and_a_batch_are_the_same_bits(outputs: int) -> None:
    rows, scorer = vectors(500, seed=3), blended(outputs)
    batch = scorer.predict_batch(rows)
    assert batch.shape == (500, outputs)
    assert np.array_equal(np.stack([scorer.predict(row) for row in rows]), batch)
    assert scorer.predict_batch(rows[:0]).shape == (0, outputs)


@pytest.mark.parametrize("outputs", [1, 6])
def test_contributions_sum_to_the_blended_log_odds(outputs: int) -> None:
    scorer = blended(outputs)
    for row in vectors(40, seed=4):
        raw = scorer.contributions(row).sum(axis=1)
        said = 1 / (1 + np.exp(-raw)) if outputs == 1 else np.exp(raw) / np.exp(raw).sum()
        assert said == pytest.approx(scorer.predict(row), rel=1e-9)


def test_the_blend_is_a_weighted_mean_of_log_odds() -> None:
    one, row = linear(1, share=0.4), vectors(10, seed=4)[3]
    raw = 0.6 * np.log(0.2 / 0.8) + 0.4 * odds_by_hand(one, row)
    said = Blended(ConstantScorer(np.array([0.2]), N_FEATURES), one).predict(row)
    assert said == pytest.approx(1 / (1 + np.exp(-raw)), rel=1e-12)


def test_what_lies_beyond_training_counts_as_its_edge() -> None:
    one, row = linear(1), vectors(10, seed=4)[3].copy()
    row[5] = np.expm1(0.9) + 0.01
    edge = one.contributions(row)
    for beyond in (1e6, np.inf):
        row[5] = beyond
        assert np.array_equal(one.contributions(row), edge)


@pytest.mark.parametrize("where", ["columns", "kinds"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_no_finite_number_is_refused(where: str, value: float) -> None:
    one = linear(1)
    broken = getattr(one, where).copy()
    broken[0, 2] = value
    with pytest.raises(InvalidModel, match="not a finite number"):
        replace(one, **{where: broken})


def test_arrays_and_shares_that_do_not_fit_are_refused() -> None:
    one = linear(1)
    for columns in (one.columns[:, :-1], one.columns[:-1], one.columns[0]):
        with pytest.raises(InvalidModel, match="another shape"):
            replace(one, columns=columns)
    for share in (0.0, 1.1, float("nan")):
        with pytest.raises(InvalidModel, match="a share of"):
            replace(one, share=share)
    with pytest.raises(InvalidModel, match="6 outputs instead of the trees' 1"):
        Blended(Scorer(model_text(1), N_FEATURES), linear(6))


def test_a_bundle_carries_the_linear_parts_bit_by_bit() -> None:
    linears = {"stage": linear(6), "intent_buy": linear(1)}
    whole = decode(*encode(replace(parts(), linears=linears)))
    rows = vectors(50, seed=6)
    assert np.array_equal(whole.stage.scorer.predict_batch(rows), blended(6).predict_batch(rows))
    assert np.array_equal(whole.intent.scorers[0].predict_batch(rows), blended(1).predict_batch(rows))
    assert not isinstance(whole.intent.scorers[1], Blended)
    assert encode(replace(parts(), linears={"intent_help": linear(1)})) == encode(parts())  # a constant has none
    bare = decode(*encode(parts()))
    assert not isinstance(bare.stage.scorer, Blended)


def test_a_bundle_with_a_damaged_linear_part_is_refused() -> None:
    bad = linear(1)
    object.__setattr__(bad, "columns", bad.columns * np.inf)
    with pytest.raises(InvalidBundle, match=r"not a finite number|holds NaN"):
        decode(*encode(replace(parts(), linears={"intent_buy": bad})))
    with pytest.raises(InvalidBundle, match=r"^model: .*6 outputs"):
        decode(*encode(replace(parts(), linears={"intent_buy": linear(6)})))
