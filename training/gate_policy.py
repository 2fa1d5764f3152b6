"""The gate of a policy, draws or uplift models on the lake's receipts: what training/promotion.py needs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from models.arbitration import Draws, prior_draws
from models.policy_terms import Action, Policy
from models.receipt import InvalidReceipt, Receipt, decode
from training.promotion import MARGIN, Promotion, judge
from training.receipts_logged import EffectsOf, NothingLogged, choices, replayed
from training.trials import Rewards


class Side(NamedTuple):
    """A policy with the draws it decides by, and the uplift models of its bundle; None: it has none."""

    policy: Policy
    draws: Draws
    uplift: EffectsOf | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What the receipts say. reasons: why it is refused. verdict: None where no decision can be used.

    decisions: that were used. left_out: the others, by reason. placements: rows a decision, by which a value per
    placement becomes one per decision.
    """

    reasons: tuple[str, ...]
    verdict: Promotion | None = None
    decisions: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    placements: float = 1.0

    @property
    def passed(self) -> bool:
        return not self.reasons

    def as_dict(self) -> dict[str, Any]:
        """As `--json` writes it."""
        own = {"decisions": self.decisions, "left_out": dict(self.left_out), "placements": self.placements}
        verdict = self.verdict.as_dict() if self.verdict is not None else {}
        return {**verdict, **own, "passed": self.passed, "reasons": list(self.reasons)}


def judged(receipts: Iterable[bytes], rewards: Rewards, live: Side, candidate: Side, margin: float = MARGIN) -> Judged:
    """Whether the receipts let a candidate take the live policy's place."""
    unread: Counter[str] = Counter()
    asked = {"live": choices(*live), "candidate": choices(*candidate)}
    try:
        found = replayed(_read(receipts, unread), rewards.of_placement, asked, rewards.of_page)
    except NothingLogged as error:
        return Judged((f"cannot say: {error}",), left_out=unread)
    placements = len(found.placement) / found.decisions
    verdict = judge(found.logged["live"], found.logged["candidate"], margin, placements)
    return Judged(verdict.reasons, verdict, found.decisions, {**found.left_out, **unread}, placements)


def _read(receipts: Iterable[bytes], unread: Counter[str]) -> Iterator[Receipt]:
    for data in receipts:
        try:
            yield decode(data)
        except InvalidReceipt:
            unread["another version of receipts"] += 1


def carried(live: Policy, draws: Draws, learned: bool, policy: Policy) -> Draws:
    """The draws that a changed policy begins with: an action of both keeps its own, others have those of their priors.

    learned: whether the live draws are; priors' draws stay only with an action whose prior is as it was.
    """
    table = prior_draws(policy, draws.table.shape[2]).table.copy()
    if live.terms == policy.terms:
        places = {action.id: place for place, action in enumerate(live.actions)}
        for place, action in enumerate(policy.actions):
            before = places.get(action.id)
            if before is not None and (learned or _same_prior(live, live.actions[before], action)):
                table[place] = draws.table[before]
    return draws if np.array_equal(table, draws.table) else Draws.of(table)


def _same_prior(live: Policy, before: Action, now: Action) -> bool:
    return before.prior == now.prior and (live.reward is None or before.value == now.value)
