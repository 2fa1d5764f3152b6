"""What a data check says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

OK: Final = "ok"
WARNING: Final = "warning"
ERROR: Final = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer. rows of `of` are concerned, share = rows / of; example: one as it was seen.

    message: what was found; advice: what to do, "" for nothing. name, looks_at: from the table of checks.
    """

    level: str
    rows: int
    of: int
    share: float
    message: str
    advice: str = ""
    example: Mapping[str, Any] | None = None
    name: str = ""
    looks_at: str = ""

    @classmethod
    def ok(cls, message: str, rows: int = 0, of: int = 0) -> "Finding":
        """Nothing to do."""
        return cls(OK, rows, of, _share(rows, of), message)

    @classmethod
    def bad(
        cls, level: str, rows: int, of: int, message: str, advice: str, example: Mapping[str, Any] | None = None
    ) -> "Finding":
        """Something to look at."""
        return cls(level, rows, of, _share(rows, of), message, advice, example)


def _share(rows: int, of: int) -> float:
    return round(rows / of, 6) if of else 0.0


def percent(share: float) -> str:
    """A share for people: 12 %, 0.3 %."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
