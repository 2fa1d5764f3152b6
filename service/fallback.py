"""The last resort: silence in every placement, made from nothing but the request. It cannot fail."""

from collections.abc import Sequence

import msgspec


def silence(decision_id: str, placements: Sequence[str], policy: str = "", bundle: str = "") -> bytes:
    """A decision's answer when making one failed: 200, degraded, no message anywhere."""
    nothing = {"action": None, "reason": "degraded"}
    return msgspec.json.encode(
        {
            "decision_id": decision_id,
            "stage": None,
            "intent": None,
            "placements": dict.fromkeys(placements, nothing),
            "degraded": True,
            "degraded_because": "error",
            "bundle": bundle or None,
            "policy": policy or None,
        }
    )
