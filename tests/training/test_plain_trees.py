"""The plain baseline learns from the whole window, as ours does."""

from dataclasses import replace

import numpy as np

from features.schema import INDEX, N_FEATURES
from training.plain_trees import plain_trees
from training.split import Split
from training.table import Table


def test_what_only_the_later_slice_shows_is_known_in_the_test(table: Table) -> None:
    rng, n = np.random.default_rng(1), len(table)
    matrix, hold = rng.random((n, N_FEATURES)).astype(np.float32), np.arange(n) >= n * 4 // 5
    views = matrix[:, INDEX["session_views"]]
    odd = hold & (rng.random(n) < 0.1)
    target = ((views > 0.5) ^ (rng.random(n) < 0.1)).astype(np.int8)
    views[odd], target[odd] = -1, 1
    said = plain_trees(replace(table, matrix=matrix), target, Split(~hold, hold), matrix[odd], 1)
    assert said is not None and said.held.shape == (hold.sum(), 1)
    assert said.held[odd[hold]].mean() < 0.3
    assert said.test.mean() > said.held[odd[hold]].mean() + 0.2


def test_a_window_without_a_later_slice_is_learned_as_it_is(table: Table) -> None:
    every = np.ones(len(table), bool)
    said = plain_trees(table, table.labels.buy, Split(every, ~every), table.matrix[:9], 1)
    assert said is not None and said.test.shape == (9, 1) and said.held.shape == (0, 1)
