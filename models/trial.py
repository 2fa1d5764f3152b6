"""A trial: one placement of one decision, with how likely each choice was and what came of it.

It is what effects are learned from, what an off-policy estimate weighs, and what an attribution counts. The learner
makes trials from the stream as their windows end (models/credit.py); training makes the same from the lake.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from models.chosen import Candidate, Chosen
from models.receipt import KeptScores, Receipt
from models.receipt_form import reader

SILENCE: Final = ""
"""Silence as a choice."""


class Next(msgspec.Struct, frozen=True):
    """The visitor's next decision within a trial's window: its scores and weariness, and the part of the trial's reward
    that came from then on."""

    stage: tuple[float, ...]
    intent: tuple[float, ...]
    weariness: float
    reward: float


class Trial(msgspec.Struct, frozen=True):
    """What could be shown in a placement, what was, and the reward that followed.

    choices: SILENCE first, then the ids of the eligible actions. propensity: of each, summing to 1; an apprentice is
    no choice. stage (6,) and intent (4,): the scores. weariness: by which costs were multiplied. shown: whether the
    page reported the message (silence counts as shown). reward: in units of the action's value, or in money where the
    policy has a `reward`; NaN while its window is open. own: the part of it that the message itself met with (clicked,
    dismissed); the rest followed the whole page, so all its placements have it. arm: as models/arms.py has it. next:
    None where no decision followed in the window.
    """

    decision_id: str
    visitor_id: str
    ts_ms: int
    policy: str
    arm: str
    placement: str
    chosen: str
    choices: tuple[str, ...]
    propensity: tuple[float, ...]
    stage: tuple[float, ...]
    intent: tuple[float, ...]
    weariness: float
    shown: bool = False
    reward: float = float("nan")
    own: float = float("nan")
    clicked: bool = False
    dismissed: bool = False
    next: Next | None = None

    @property
    def known(self) -> bool:
        """Whether there was a choice whose chances are known: two or more, none of them certain."""
        return len(self.choices) > 1 and max(self.propensity) < 1.0

    @property
    def chances(self) -> Mapping[str, float]:
        """How likely each choice was."""
        return dict(zip(self.choices, self.propensity, strict=True))

    @property
    def of_page(self) -> float:
        """The part of the reward that followed the page as a whole: the same for each of its placements."""
        return self.reward - self.own


class _SpelledCandidate(msgspec.Struct):
    action: str
    gate: str = ""
    propensity: float | None = None
    apprentice: bool = False


class _Chosen(msgspec.Struct):
    placement: str
    action: str | None
    silence_propensity: float = 1.0
    candidates: tuple[Candidate, ...] = ()


class _SpelledChosen(_Chosen):
    candidates: tuple[_SpelledCandidate, ...] = ()  # type: ignore[assignment]  # what is needed of one


class _Receipt(msgspec.Struct):
    """The part of models/receipt.py's Receipt that trials are made of: reading no more is several times as quick."""

    decision_id: str
    visitor_id: str
    ts_ms: int
    policy: str
    scores: KeptScores | None
    chosen: tuple[_Chosen, ...]
    arm: str = "full"
    weariness: float = 1.0


class _SpelledReceipt(_Receipt):
    chosen: tuple[_SpelledChosen, ...]


_read = reader(_Receipt, _SpelledReceipt)


def read_trials(receipt: bytes) -> tuple[Trial, ...]:
    """The trials a receipt begins, one for each placement; none of a degraded decision, which had no scores.

    Raises msgspec.MsgspecError for bytes that are no receipt.
    """
    return trials_of(_read(receipt))


def trials_of(receipt: _Receipt | Receipt) -> tuple[Trial, ...]:
    """The same of a receipt that was read."""
    if receipt.scores is None:
        return ()
    return tuple(_trial(receipt, receipt.scores, chosen) for chosen in receipt.chosen)


def _trial(receipt: _Receipt | Receipt, scores: KeptScores, chosen: _Chosen | Chosen) -> Trial:
    open_ = [c for c in chosen.candidates if not c.gate and not c.apprentice and c.propensity is not None]
    return Trial(
        decision_id=receipt.decision_id,
        visitor_id=receipt.visitor_id,
        ts_ms=receipt.ts_ms,
        policy=receipt.policy,
        arm=receipt.arm,
        placement=chosen.placement,
        chosen=chosen.action or SILENCE,
        choices=(SILENCE, *(c.action for c in open_)),
        propensity=(chosen.silence_propensity, *(c.propensity or 0.0 for c in open_)),
        stage=scores.stage,
        intent=scores.intent,
        weariness=receipt.weariness,
    )
