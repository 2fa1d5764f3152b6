"""Preset levels of a figure, named, so that a number says at once whether to worry.

Limits of AUC and of positives as Pega publishes them for its adaptive models: .55 to .80 good, above .90 suspicious,
200 positives mature. Above .97 a bundle is refused: a visitor's next steps are not that certain, an answer is.
"""

from dataclasses import dataclass
from typing import Final

ALERT_AUC: Final = 0.55
GOOD_AUC: Final = 0.80
SUSPICIOUS_AUC: Final = 0.90
REFUSED_AUC: Final = 0.97
USELESS_AUC: Final = 0.5
MATURE_POSITIVES: Final = 200
MECHANICAL: Final = frozenset({"help"})
"""Intents that an event may bring about by itself (a search finds nothing): a near-certain ranking can be true."""


@dataclass(frozen=True, slots=True)
class Level:
    """name: below chance, alert, good, strong, suspicious, or refused. means: in words. worry: whether to look."""

    name: str
    means: str
    worry: bool


def level_of_auc(auc: float) -> Level:
    """The level of an AUC."""
    if auc > REFUSED_AUC:
        return Level("refused", f"above {REFUSED_AUC}: a feature probably knows the answer (a leak)", True)
    if auc > SUSPICIOUS_AUC:
        return Level("suspicious", f"above {SUSPICIOUS_AUC:.2f}: look for a feature that knows the answer", True)
    if auc > GOOD_AUC:
        return Level("strong", f"above {GOOD_AUC:.2f}", False)
    if auc >= ALERT_AUC:
        return Level("good", f"{ALERT_AUC:.2f} to {GOOD_AUC:.2f}", False)
    if auc >= USELESS_AUC:
        return Level("alert", f"below {ALERT_AUC:.2f}: hardly better than chance", True)
    return Level("below chance", "the order is wrong more often than right", True)


def immature(positives: int) -> str:
    """Why a figure of so few positives is to be taken with care; "" from MATURE_POSITIVES on."""
    few = positives < MATURE_POSITIVES
    return f"immature: {positives:,} positives, {MATURE_POSITIVES} are needed to rely on it" if few else ""
