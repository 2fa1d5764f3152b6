"""What the changed policy would have earned in the same decisions, or why nobody can say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from models.policy_terms import Arms
from models.receipt import Receipt
from training.off_policy import Estimate
from training.promotion import judge
from training.receipts_logged import NothingLogged, choices, probabilities, replayed
from training.trial_rows import Probabilities
from training.trials import Rewards
from training.whatif import WhatIf

UNTOLD: Final = "cannot say: "
Limits = tuple[float, float, float]
"""A value with the ends of its 95 % interval."""


@dataclass(frozen=True, slots=True)
class Worth:
    """Value per decision, doubly robust: old, new, and their paired difference; None where `refused` says why.

    unit: of the values. same: both choose alike everywhere, so the difference is exactly 0. decisions: that were used.
    left_out: the others, by reason.
    """

    unit: str = ""
    old: Limits | None = None
    new: Limits | None = None
    difference: Limits | None = None
    same: bool = False
    refused: tuple[str, ...] = ()
    decisions: int = 0
    left_out: Mapping[str, int] | None = None

    def as_dict(self) -> dict[str, Any]:
        sides = {"old": self.old, "new": self.new, "difference": self.difference}
        about = {"unit": self.unit, "same": self.same, "refused": list(self.refused), "decisions": self.decisions}
        return {**sides, **about, "left_out": dict(self.left_out or {})}


def value_of(about: WhatIf, receipts: Iterable[Receipt], rewards: Rewards) -> Worth:
    """The value of `about.policy` beside what the receipts did, by training/promotion.py's paired estimate."""
    served = replace(about.policy, arms=Arms(0.0, 0.0, 0.0, 0.0))  # only receipts of the full arm are valued

    def now(receipt: Receipt) -> Mapping[str, Probabilities]:
        return choices(served, about.draws_for(receipt)[0], lambda _: about.uplift(receipt))(receipt)

    try:
        found = replayed(receipts, rewards.of_placement, {"old": _then, "new": now}, rewards.of_page)
    except NothingLogged as error:
        return Worth(refused=(str(error),))
    unit = "orders" if about.policy.reward is None else about.policy.currency
    verdict = judge(found.logged["old"], found.logged["new"])
    told = Worth(unit, decisions=found.decisions, left_out=found.left_out)
    if verdict.same:
        return replace(told, same=True, difference=(0.0, 0.0, 0.0))
    if verdict.live is None or verdict.candidate is None or verdict.difference is None:
        return replace(told, refused=tuple(reason.removeprefix(UNTOLD) for reason in verdict.reasons))
    old, new, difference = (
        _limits(found.per_decision(one)) for one in (verdict.live, verdict.candidate, verdict.difference)
    )
    return replace(told, old=old, new=new, difference=difference)


def _then(receipt: Receipt) -> Mapping[str, Probabilities]:
    """What the log's own policy did."""
    return {chosen.placement: probabilities(chosen) for chosen in receipt.chosen}


def _limits(one: Estimate) -> Limits:
    return one.value, one.low, one.high
