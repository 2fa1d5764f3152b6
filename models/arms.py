"""Arms: which of the shop's ways of deciding serves a visitor, by a hash, the same every time.

| arm             | what it does                                                                     |
|-----------------|----------------------------------------------------------------------------------|
| full            | everything: draws, values, levers, costs, exploration                             |
| holdout         | never shows anything                                                              |
| random          | any eligible action or silence, each as likely                                    |
| propensity_only | the likeliest to work, whatever it is worth and costs                             |
| no_levers       | as full, without the shop's own weights                                           |
| rules_only      | the first eligible action in the policy's order: rules and gates, nothing learned |

Beside the full arm they tell what each part earns; Pega's always-on arms are the model.
"""

from typing import Final

from features.record import hash64
from models.policy_terms import Policy

ARMS: Final = ("full", "holdout", "random", "propensity_only", "no_levers", "rules_only")
LEARNED: Final = ("full", "no_levers")
"""Arms that leave out what hardly any draw lifts above silence; `random` still tries it, so that it can come back."""
_WHOLE: Final = float(1 << 64)


def shares_of(policy: Policy) -> dict[str, float]:
    """The share of visitors of each arm, in the order of ARMS; they sum to 1."""
    arms = policy.arms
    others = (policy.holdout, arms.random, arms.propensity_only, arms.no_levers, arms.rules_only)
    return dict(zip(ARMS, (1.0 - sum(others), *others), strict=True))


def arm_of(policy: Policy, visitor_id: str) -> str:
    """The arm of a visitor. The holdout lies at one end of the hash's range and the others follow, so that a changed
    share moves as few visitors as possible."""
    left = hash64(f"{visitor_id}|{policy.shop}|holdout") / _WHOLE
    if left < policy.holdout:
        return "holdout"
    left -= policy.holdout
    arms = policy.arms
    for arm, share in (
        ("random", arms.random),
        ("propensity_only", arms.propensity_only),
        ("no_levers", arms.no_levers),
        ("rules_only", arms.rules_only),
    ):
        if left < share:
            return arm
        left -= share
    return ARMS[0]
