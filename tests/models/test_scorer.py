import gc
import subprocess
import sys
import threading

import numpy as np
import pytest

from features.schema import N_FEATURES
from models.modeltext import InvalidModel, inspect_model
from models.scorer import ConstantScorer, Scorer
from tests.models.bundles import booster, model_text, vectors


@pytest.mark.parametrize("outputs", [1, 6])
def test_one_row_and_a_batch_equal_the_library_bit_by_bit(outputs: int) -> None:
    fresh = vectors(4000, seed=2)
    expected = np.asarray(booster(outputs).predict(fresh)).reshape(len(fresh), -1)
    scorer = Scorer(model_text(outputs), N_FEATURES)
    assert np.array_equal(scorer.predict_batch(fresh), expected)
    assert np.array_equal(np.stack([scorer.predict(row) for row in fresh]), expected)


@pytest.mark.parametrize("outputs", [1, 6])
def test_contributions_equal_the_library_and_sum_to_the_raw_score(outputs: int) -> None:
    row = vectors(10, seed=3)[4]
    found = Scorer(model_text(outputs), N_FEATURES).contributions(row)
    expected = np.asarray(booster(outputs).predict(row[None], pred_contrib=True)).reshape(outputs, -1)
    assert np.array_equal(found, expected)
    raw = np.asarray(booster(outputs).predict(row[None], raw_score=True)).reshape(-1)
    assert found.sum(axis=1) == pytest.approx(raw)


def test_threads_that_share_a_scorer_get_their_own_rows_answers() -> None:
    rows = vectors(2000, seed=4)
    scorer = Scorer(model_text(6), N_FEATURES)
    expected = scorer.predict_batch(rows)
    wrong: list[int] = []

    def score(start: int) -> None:
        wrong.extend(i for i in range(start, len(rows), 4) if not np.array_equal(scorer.predict(rows[i]), expected[i]))

    threads = [threading.Thread(target=score, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_scorer_frees_its_model_with_its_last_reader() -> None:
    scorer = Scorer(model_text(1), N_FEATURES)
    finalizer = scorer._finalizer
    assert finalizer.alive
    del scorer
    gc.collect()
    assert not finalizer.alive


def test_scoring_does_not_import_the_lightgbm_package() -> None:
    code = "import sys, models.scorer as s; s.library(); print('lightgbm' in sys.modules, 'sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_vector_of_another_length_is_refused() -> None:
    scorer = Scorer(model_text(1), N_FEATURES)
    with pytest.raises(ValueError, match="shape"):
        scorer.predict(np.zeros(N_FEATURES - 1, np.float32))
    with pytest.raises(ValueError, match="columns"):
        scorer.predict_batch(np.zeros((2, N_FEATURES + 1), np.float32))


def test_a_model_of_another_number_of_features_is_refused() -> None:
    with pytest.raises(InvalidModel, match="this engine makes"):
        Scorer(model_text(1), N_FEATURES + 1)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("num_class=1", "num_class=2", "do not agree"),
        ("num_leaves=15", "num_leaves=16", "numbers instead of"),
        ("left_child=3 ", "left_child=0 ", "does not come after"),
        ("right_child=", "right_child=99 ", "holds 15 numbers"),
        ("num_cat=0", "num_cat=1", "categorical"),
        ("is_linear=0", "is_linear=1", "linear"),
        ("leaf_value=", "leaf_value=1 ", "holds 16 numbers"),
        ("end of trees", "end_of_trees", "does not end where"),
        ("Tree=3", "Tree=7", "tree 3 does not begin"),
        ("version=v4", "version=\0v", "does not begin as"),
        ("tree_sizes=", "tree_sizes=-1 ", "tree_sizes"),
        ("split_feature=", "split_feature=x", "not a list of whole numbers"),
        ("shrinkage=1\n", "shrinkage=1\nshrinkage=1\n", "stands twice"),
        ("shrinkage=1\n", "shrinkage=1\ncat_threshold=1\n", "no part of a tree"),
        ("split_gain=", "split_gain=nan ", "holds 15 numbers"),
    ],
)
def test_a_damaged_model_is_refused_before_the_library_reads_it(old: str, new: str, complaint: str) -> None:
    text = model_text(1)
    damaged = text.replace(old, new, 1)
    assert damaged != text
    # Sizes are kept true where a tree's own text is damaged, so that the damage itself is found.
    grown = len(damaged) - len(text)
    if old.startswith(("left", "right", "leaf", "num_leaves", "num_cat", "is_linear", "split", "shrink")) and grown:
        sizes = damaged.split("tree_sizes=")[1].split("\n")[0].split()
        damaged = damaged.replace(f"tree_sizes={sizes[0]} ", f"tree_sizes={int(sizes[0]) + grown} ", 1)
    with pytest.raises(InvalidModel, match=complaint):
        inspect_model(damaged, N_FEATURES)


def test_no_cut_or_flipped_byte_ends_the_process() -> None:
    """Runs apart: a crash would take the tests with it. Whatever passes the check must also score."""
    code = """
import numpy as np
from features.schema import N_FEATURES
from models.scorer import InvalidModel, Scorer
from tests.models.bundles import model_text, vectors
text, rng, refused = model_text(1), np.random.default_rng(5), 0
for _ in range(400):
    at, kind = int(rng.integers(0, len(text))), int(rng.integers(0, 3))
    byte = chr(int(rng.integers(32, 127)))
    damaged = (text[:at], text[:at] + byte + text[at + 1:], text[:at] + text[at + int(rng.integers(1, 40)):])[kind]
    try:
        Scorer(damaged, N_FEATURES).predict_batch(vectors(50))
    except InvalidModel:
        refused += 1
print(refused)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 200


def test_a_constant_scores_its_base_rates() -> None:
    scorer = ConstantScorer(np.array([0.25, 0.75]), N_FEATURES)
    assert scorer.predict(vectors()[0]).tolist() == [0.25, 0.75]
    assert scorer.predict_batch(vectors()[:3]).shape == (3, 2)
    assert scorer.contributions(vectors()[0])[:, :-1].any() == np.False_
    with pytest.raises(InvalidModel):
        ConstantScorer(np.array([1.5]), N_FEATURES)
