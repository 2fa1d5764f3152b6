"""Factors of products from sessions, by implicit's alternating least squares."""

import warnings
from typing import Final

import numba
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
_BLOCK: Final = 512


def fit_factors(items: npt.NDArray[np.uint64], session: npt.NDArray[np.int64], seed: int) -> ItemFactors | None:
    """Factors of the products that at least MIN_SESSIONS sessions hold; None where these are too few.

    items: uint64 (n,), hashes; session: int64 (n,). The same arguments give the same bytes.
    """
    hashes, column = np.unique(items, return_inverse=True)
    _, row = np.unique(session, return_inverse=True)
    pairs = np.unique(row * len(hashes) + column)  # one number is sorted ten times as fast as two
    row, column = np.divmod(pairs, max(len(hashes), 1))
    held = np.bincount(column, minlength=len(hashes))
    kept = held >= MIN_SESSIONS
    if kept.sum() <= FACTORS:
        return None
    place = np.cumsum(kept) - 1
    mine = kept[column]
    _, row = np.unique(row[mine], return_inverse=True)
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
    """The rows most alike by cosine, the most alike first, equal ones by row. int32 (n, SIMILAR)."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    out = np.full((len(unit), SIMILAR), -1, np.int32)
    for start in range(0, len(unit), _BLOCK):
        _nearest(unit[start : start + _BLOCK] @ unit.T, start, out[start : start + _BLOCK])
    return out


@numba.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _nearest(cosine: npt.NDArray[np.float32], start: int, out: npt.NDArray[np.int32]) -> None:
    """Writes the columns of each row's largest numbers, but for its own column, start + its number."""
    best = np.empty(out.shape[1], np.float32)
    for row in range(cosine.shape[0]):
        found = 0
        for column in range(cosine.shape[1]):
            value = cosine[row, column]
            if column == start + row or (found == best.size and value <= best[found - 1]):
                continue
            found = min(found + 1, best.size)
            place = found - 1
            while place > 0 and best[place - 1] < value:
                best[place], out[row, place] = best[place - 1], out[row, place - 1]
                place -= 1
            best[place], out[row, place] = value, column
