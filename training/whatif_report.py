"""What the comparison of two policies says: figures as plain values, and in words what they do not say."""

from dataclasses import dataclass
from typing import Any, Final

from training.whatif import FEW, LIMITING, Side, WhatIf
from training.whatif_value import Worth

MOVED: Final = 0.01
"""Shares of decisions below this are no news."""

LIMITS: Final = (
    "What visitors would have done afterwards is not replayed: caps, cool-downs, budgets and growing costs count the "
    "messages that were shown in the log.",
    "What somebody had stopped by hand, or set to learn unseen, stays so.",
    "Shares are expected values: sums of exact propensities, without the noise of the draws.",
)


@dataclass(frozen=True, slots=True)
class Reach:
    """One action on both sides. eligible, shown: decisions; visitors: expected. gate: which closes most, and how often.

    standing: "same", "new" (no policy had it before), "gone" (the new policy does not have it), "lost" (it was
    eligible and is nowhere now).
    """

    action: str
    standing: str
    eligible: tuple[int, int]
    shown: tuple[float, float]
    visitors: tuple[float, float]
    gates: tuple[dict[str, int], dict[str, int]]

    @property
    def ratio(self) -> float:
        """Expected shows, new over old; 1 where it was and is never shown, infinite where it is new."""
        old, new = self.shown
        return new / old if old else (float("inf") if new else 1.0)

    def as_dict(self) -> dict[str, Any]:
        by = {"eligible": self.eligible, "shown": self.shown, "visitors": self.visitors, "gates": self.gates}
        sides = {name: {"old": pair[0], "new": pair[1]} for name, pair in by.items()}
        return {"action": self.action, "standing": self.standing, **sides}


@dataclass(frozen=True, slots=True)
class Moved:
    """Expected shows of an action in a stage at a placement, old and new."""

    action: str
    stage: str
    placement: str
    old: float
    new: float

    @property
    def change(self) -> float:
        return self.new - self.old

    def as_dict(self) -> dict[str, Any]:
        keys = ("action", "stage", "placement", "old", "new", "change")
        return {name: getattr(self, name) for name in keys}


@dataclass(frozen=True, slots=True)
class Report:
    """The whole comparison. sampled: how the receipts were taken, "" if all were."""

    about: WhatIf
    reach: tuple[Reach, ...]
    moved: tuple[Moved, ...]
    worth: Worth
    sampled: str
    notes: tuple[str, ...]

    @classmethod
    def of(cls, about: WhatIf, worth: Worth, sampled: str = "") -> "Report":
        """The report of a comparison with at least one decision."""
        reach = _reach(about)
        return cls(about, reach, _moved(about), worth, sampled, (*_notes(about, reach), *LIMITS))

    def of_action(self, action: str) -> Reach | None:
        return next((one for one in self.reach if one.action == action), None)

    def as_dict(self) -> dict[str, Any]:
        """As `--json` writes it."""
        about = self.about
        return {
            "policy": about.policy.version,
            "shop": about.policy.shop,
            "decisions": about.decisions,
            "sampled": self.sampled,
            "left_out": dict(about.left_out),
            "without_draws": about.without_draws,
            "old": _side(about.old),
            "new": _side(about.new),
            "actions": [one.as_dict() for one in self.reach],
            "moved": [one.as_dict() for one in self.moved],
            "value": self.worth.as_dict(),
            "notes": list(self.notes),
        }


def _side(side: Side) -> dict[str, Any]:
    return {
        "silence_share": side.silence_share,
        "held_out": side.held_out,
        "limited_share": side.limited_share,
        "visitors": len(side.asked),
        "unserved_visitors": len(side.unserved),
        "unserved_share": side.unserved_share,
        "optionality": side.optionality,
        "few_options_share": side.few_options_share,
    }


def _reach(about: WhatIf) -> tuple[Reach, ...]:
    sides = (about.old, about.new)
    visitors = tuple(side.visitors() for side in sides)
    return tuple(
        Reach(
            action,
            _standing(about, action),
            (about.old.eligible[action], about.new.eligible[action]),
            (about.old.shown.get(action, 0.0), about.new.shown.get(action, 0.0)),
            (visitors[0].get(action, 0.0), visitors[1].get(action, 0.0)),
            (_gates(about.old, action), _gates(about.new, action)),
        )
        for action in about.actions()
    )


def _gates(side: Side, action: str) -> dict[str, int]:
    """How often each gate closed first, most often first."""
    found = {gate: count for (name, gate), count in side.gates.items() if name == action}
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def _standing(about: WhatIf, action: str) -> str:
    if about.policy.action(action) is None:
        return "gone"
    known = any(policy.action(action) is not None for policy in about.before.values())
    if not known and action not in about.old.eligible and not _gates(about.old, action):
        return "new"
    return "lost" if about.old.eligible[action] and not about.new.eligible[action] else "same"


def _moved(about: WhatIf) -> tuple[Moved, ...]:
    """Where shows come and go, the largest change first; what is below MOVED of the decisions is left out."""
    cells = {*about.old.cells, *about.new.cells}
    found = [Moved(*cell, about.old.cells.get(cell, 0.0), about.new.cells.get(cell, 0.0)) for cell in cells]
    news = [one for one in found if abs(one.change) >= MOVED * about.decisions]
    return tuple(sorted(news, key=lambda one: (-abs(one.change), one.action, one.stage, one.placement)))


def _notes(about: WhatIf, reach: tuple[Reach, ...]) -> list[str]:
    """What a reader should know of this comparison."""
    notes = [f"{one.action} was eligible before and is eligible nowhere now" for one in reach if one.standing == "lost"]
    gone = [one.action for one in reach if one.standing == "gone" and (one.shown[0] or one.eligible[0])]
    notes += [f"{name} is not in the new policy" for name in gone]
    unheard = [name for name in about.policy.at if name not in about.asked_placements]
    if unheard:
        notes.append(f"no decision asked for {', '.join(unheard)}: of what stands there alone nothing can be said")
    unseen = _not_gathered(about)
    if unseen:
        said = "the products they would recommend are not in these receipts, so their reach may be told too low"
        notes.append(f"{', '.join(unseen)}: {said}")
    if about.without_draws:
        said = "were made with a policy or draws that are gone: there the new policy decides by its priors"
        notes.append(f"{about.without_draws:,} decisions {said}")
    if about.new.open_decisions and about.new.optionality < FEW:
        said = f"{about.new.optionality:.2f} actions are eligible per decision: there is little to choose from"
        notes.append(said)
    return notes


def _not_gathered(about: WhatIf) -> list[str]:
    """Recommend actions that are new or ask for other products than before, or at other placements."""
    found = []
    for action in about.policy.actions:
        then = [old for policy in about.before.values() if (old := policy.action(action.id)) is not None]
        same = any(old.recommend == action.recommend and set(action.placements) <= set(old.placements) for old in then)
        if action.recommend is not None and about.before and not same:
            found.append(action.id)
    return found


def limiting(side: Side) -> dict[str, int]:
    """How often each of LIMITING closed first, over all actions."""
    return {gate: sum(n for (_, g), n in side.gates.items() if g == gate) for gate in LIMITING}
