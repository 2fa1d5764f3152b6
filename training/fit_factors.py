"""Factors of products from sessions, by implicit's alternating least squares."""

import warnings
from typing import Final

import numpy as np
import numpy.typing as npt
from implicit.cpu.als import AlternatingLeastSquares
from implicit.utils import ParameterWarning
from scipy.sparse import csr_matrix

from models.factors import ItemFactors

FACTORS: Final = 32
ITERATIONS: Final = 6
REGULARIZATION: Final = 0.1
ALPHA: Final = 10.0
SIMILAR: Final = 10
MIN_SESSIONS: Final = 2
"""Products of fewer sessions get no factors: there is nothing to learn them from."""
_BLOCK: Final = 2048


def fit_factors(items: npt.NDArray[np.uint64], session: npt.NDArray[np.int64], seed: int) -> ItemFactors | None:
    """Factors of the products that at least MIN_SESSIONS sessions hold; None where these are too few.

    items: uint64 (n,), hashes; session: int64 (n,). The same arguments give the same bytes.
    """
    pairs = np.unique(np.stack([session.astype(np.uint64), items], axis=1), axis=0)
    hashes, column, held = np.unique(pairs[:, 1], return_inverse=True, return_counts=True)
    kept = held >= MIN_SESSIONS
    if kept.sum() <= FACTORS:
        return None
    place = np.cumsum(kept) - 1
    mine = kept[column]
    _, row = np.unique(pairs[mine, 0], return_inverse=True)
    columns, n = place[column[mine]], int(kept.sum())
    seen = csr_matrix((np.ones(len(row), np.float32), (row, columns)), shape=(int(row.max()) + 1, n))
    model = AlternatingLeastSquares(
        factors=FACTORS,
        regularization=REGULARIZATION,
        alpha=ALPHA,
        iterations=ITERATIONS,
        num_threads=1,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ParameterWarning)
        model.fit(seen, show_progress=False)
    vectors = np.ascontiguousarray(model.item_factors, np.float32)
    if not bool(np.all(np.isfinite(vectors))):
        return None
    return ItemFactors(hashes[kept], vectors, _similar(vectors), REGULARIZATION, ALPHA)


def _similar(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """The rows most alike by cosine, the most alike first. int32 (n, SIMILAR)."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    k = min(SIMILAR, len(unit) - 1)
    out = np.full((len(unit), SIMILAR), -1, np.int32)
    for start in range(0, len(unit), _BLOCK):
        cosine = unit[start : start + _BLOCK] @ unit.T
        here = np.arange(len(cosine))
        cosine[here, start + here] = -2.0
        best = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(cosine, best, 1), axis=1, kind="stable")
        out[start : start + _BLOCK, :k] = np.take_along_axis(best, order, 1)
    return out
