"""A shop's receipts of a time, or an even part of them that keeps a visitor's decisions together."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from features import lakefile
from features.record import hash64
from training.trials import Wanted, rows_of

_WHOLE: Final = float(1 << 64)
_NEAR: Final = (0.5, 1.5)
"""A share of visitors is taken only if it gives this much of what was asked for: else one of them is too large."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Which receipts are read. total: decisions there are. expected: of them that are taken. words: how, "" if all."""

    lake: Path
    shop: str
    since_ms: int
    until_ms: int
    total: int
    expected: int
    share: float
    step: int
    words: str

    @classmethod
    def of(cls, lake: Path, shop: str, since_ms: int, until_ms: int, most: int) -> "Sample":
        """At most about `most` decisions with since_ms <= ts_ms < until_ms."""
        visitors = lakefile.read_decisions(lake, shop, since_ms, until_ms, columns=["visitor_id"])
        total = len(visitors)
        if total <= most:
            return cls(lake, shop, since_ms, until_ms, total, total, 1.0, 1, "")
        share = most / total
        taken = int(rows_of(visitors, _share_of_visitors(share)).sum())
        if _NEAR[0] * most <= taken <= _NEAR[1] * most:
            words = f"{taken:,} of {total:,} decisions: all of {share:.1%} of the visitors"
            return cls(lake, shop, since_ms, until_ms, total, taken, share, 1, words)
        step = -(-total // most)
        words = f"every {step}th of {total:,} decisions: a few visitors made most of them"
        return cls(lake, shop, since_ms, until_ms, total, -(-total // step), 1.0, step, words)

    @property
    def wanted(self) -> Wanted | None:
        """Whose decisions are read; None for everyone's."""
        return _share_of_visitors(self.share)

    def receipts(self) -> Iterator[bytes]:
        """The receipts, by time, a day at a time."""
        seen = 0
        for start_ms, _ in lakefile.rows_by_day(self.lake, self.shop, decisions=True):
            low, high = max(self.since_ms, start_ms), min(self.until_ms, start_ms + lakefile.DAY_MS)
            if low >= high:
                continue
            table = lakefile.read_decisions(self.lake, self.shop, low, high, columns=["visitor_id", "receipt"])
            keep = rows_of(table, self.wanted)
            if self.step > 1:
                keep = (np.arange(seen, seen + len(table)) % self.step) == 0
            seen += len(table)
            yield from table.column("receipt").filter(keep).to_pylist()


def _share_of_visitors(share: float) -> Wanted | None:
    return None if share >= 1.0 else lambda name: hash64(f"{name}|simulate") / _WHOLE < share
