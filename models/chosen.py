"""A decision's result as frozen values: what each placement got, beside everything it did not get and why."""

from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from models.bundle import Scores
from models.inputs import Inputs, Suggestion
from models.policy_terms import Policy

REASONS: Final = ("won", "explored", "silence", "no_candidate", "holdout", "fallback", "degraded")
"""Why a placement got what it got: it won the draw; the exploration floor decided; silence won; every candidate was
blocked; the visitor is held out; a degraded decision had a fallback, or none."""


class Candidate(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, array_like=True):
    """An action considered for a placement. gate: the first closed one, "" if all were open.

    Receipts keep the fields in this order: only ever append one.
    The numbers are None where a gate was closed or nothing was arbitrated. probability and net are means over the
    draws; cost grows with what was already shown; share: of the draws it won; propensity: chance of being chosen.
    apprentice: not shown, so never chosen; share: of the draws it would have won among all.
    """

    action: str
    gate: str = ""
    detail: str = ""
    value: float | None = None
    probability: float | None = None
    lever: float | None = None
    cost: float | None = None
    net: float | None = None
    share: float | None = None
    propensity: float | None = None
    apprentice: bool = False


class Chosen(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a placement got. action: None is silence. propensity: of what was chosen. draw: the one it was decided by.

    silence_share, silence_propensity: silence's own, beside the candidates'. products: of a recommend action.
    withheld: the apprentice that would have won, were it live. show_after_s: for a timed action, the moment chosen for
    this visitor; None: the action's own.
    """

    placement: str
    action: str | None
    propensity: float
    reason: str
    candidates: tuple[Candidate, ...] = ()
    silence_share: float = 1.0
    silence_propensity: float = 1.0
    draw: int | None = None
    products: tuple[Suggestion, ...] = ()
    withheld: str = ""
    show_after_s: float | None = None

    @classmethod
    def silence(cls, placement: str, reason: str) -> "Chosen":
        """Certain silence, without candidates."""
        return cls(placement, None, 1.0, reason)


class Untold(Protocol):
    """How a decision's only placement was settled, before its candidates are put into words."""

    def candidates(self) -> tuple[Candidate, ...]:
        """The actions considered."""

    def gates(self) -> list[str]:
        """What closed each of them, "" for nothing; in no order."""


class Decision(msgspec.Struct, frozen=True):
    """What was decided. vector and scores are None where degraded. placed: in the policy's order of placements, what
    each got; while `untold` is there, without candidates: the answer needs none, and `chosen` adds them when asked.

    arm: which of models/arms.py serves the visitor.
    """

    inputs: Inputs
    policy: Policy
    bundle_id: str
    draws_id: str
    vector: npt.NDArray[np.float32] | None
    scores: Scores | None
    placed: tuple[Chosen, ...]
    degraded_because: str
    arm: str = "full"
    weariness: float = 1.0
    untold: Untold | None = None

    @property
    def chosen(self) -> tuple[Chosen, ...]:
        """What each placement got, with its candidates."""
        if self.untold is not None:
            whole = msgspec.structs.replace(self.placed[0], candidates=self.untold.candidates())
            msgspec.structs.force_setattr(self, "placed", (whole,))
            msgspec.structs.force_setattr(self, "untold", None)
        return self.placed

    def gates(self) -> list[str]:
        """What closed each candidate of each placement, "" for nothing; in no order."""
        if self.untold is not None:
            return self.untold.gates()
        return [candidate.gate for chosen in self.placed for candidate in chosen.candidates]

    @property
    def degraded(self) -> bool:
        """Whether it was made without the visitor's state."""
        return bool(self.degraded_because)

    @property
    def stage(self) -> str:
        """The stage named; "" where degraded."""
        return self.scores.stage_name if self.scores is not None else ""

    @property
    def silent(self) -> bool:
        """Whether no placement got an action."""
        return all(chosen.action is None for chosen in self.placed)

    @property
    def actions(self) -> tuple[str, ...]:
        """`placement=action` of each placement that got one."""
        return tuple(f"{chosen.placement}={chosen.action}" for chosen in self.placed if chosen.action is not None)

    @property
    def rule_errors(self) -> int:
        """How many actions were blocked because their rule failed."""
        failed = {c.action for chosen in self.chosen for c in chosen.candidates if c.gate == "rule_error"}
        return len(failed)
