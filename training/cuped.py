"""CUPED: what is known of visitors from before takes out of an outcome the part that no message made.

Deng, Xu, Kohavi & Walker 2013, "Improving the sensitivity of online controlled experiments by utilizing pre-experiment
data": outcome less theta (covariate less its mean). With theta and means of all arms together the lift stays unbiased,
as nothing from before the first decision can depend on the arm; its variance falls by the share explained.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Adjusted:
    """values: the outcome adjusted, (n,), of the same mean over all. theta: (k,). saved: share of variance, 0 to 1."""

    values: Floats
    theta: Floats
    saved: float


def covariates(before: Floats) -> Floats:
    """The columns an outcome is adjusted by: (n, k + 1) from counts and sums (n, k) of the time before.

    As logarithms, as one visitor with a million events must not decide theta; and whether there was a time before at
    all, so that a visitor without one is not taken for one who came and did little.
    """
    scaled = np.sign(before) * np.log1p(np.abs(before))
    return np.column_stack([scaled, (before != 0).any(axis=1)])


@dataclass(frozen=True, slots=True)
class Adjuster:
    """Columns ready to take out of several outcomes. unit: (k, n), centred, each of length 1 or, if constant, 0."""

    unit: Floats
    scale: Floats
    inverse: Floats

    @classmethod
    def of(cls, columns: Floats) -> "Adjuster":
        """From columns (n, k). Such as do not vary, or follow from others, do no harm."""
        rows = np.ascontiguousarray(columns.T)
        rows = rows - rows.mean(axis=1, keepdims=True) if rows.size else rows
        scale = np.sqrt(np.einsum("kn,kn->k", rows, rows))
        scale[scale <= 1e-9] = np.inf
        rows /= scale[:, None]
        return cls(rows, scale, np.linalg.pinv(rows @ rows.T, rcond=1e-9, hermitian=True))

    def adjust(self, outcome: Floats) -> Adjusted:
        """Takes out of outcome (n,) what the columns explain, all arms together, by least squares."""
        if not len(outcome):
            return Adjusted(outcome, np.zeros(len(self.scale)), 0.0)
        left = outcome - outcome.mean()
        theta = self.inverse @ (self.unit @ left)
        rest = left - theta @ self.unit
        total = float(left @ left)
        saved = 1.0 - float(rest @ rest) / total if total > 0 else 0.0
        return Adjusted(rest + outcome.mean(), theta / self.scale, max(0.0, saved))
