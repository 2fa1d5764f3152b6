"""Everything the journey map shows, as plain JSON values: counts, flows, friction, dead ends, and what is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.events import CHANNELS, CODE, DEVICES
from training.journey_friction import moments
from training.journey_map import Picture, picture
from training.journey_places import LEAST_STOPS, LEAST_VISITORS, Place, places, products
from training.journey_sessions import HINDSIGHT, OUTCOMES, Journeys, Sessions
from training.moments import iso
from training.wilson import wilson

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

PRODUCTS_SHOWN: Final = 20
UNKNOWN: Final = "unknown"


class NoSuchValue(ValueError):
    """A filter names what there is none of; says what there is."""


@dataclass(frozen=True, slots=True)
class Which:
    """Which sessions are looked at; "" and None do not choose. since_ms, until_ms: of a session's first step."""

    channel: str = ""
    device: str = ""
    persona: str = ""
    since_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Assigned:
    """Each visitor's persona. names: of codes 0 ..; code: by the visitor's code in the log, -1 for none, (v,)."""

    names: tuple[str, ...]
    code: Ints


def chosen(found: Journeys, which: Which, personas: Assigned | None = None) -> Sessions:
    """The sessions that are asked for. Raises NoSuchValue."""
    sessions = found.sessions
    keep = np.ones(len(sessions), bool)
    if which.channel:
        keep &= sessions.channel == _code(CHANNELS, which.channel, "channel")
    if which.device:
        keep &= sessions.device == _code(DEVICES, which.device, "device")
    if which.persona:
        if personas is None:
            raise NoSuchValue("this shop has no personas yet: tact personas makes them")
        wanted = _code(personas.names, which.persona, "persona") if which.persona != UNKNOWN else -1
        keep &= personas.code[sessions.visitor] == wanted
    if which.since_ms is not None:
        keep &= sessions.start_ms >= which.since_ms
    if which.until_ms is not None:
        keep &= sessions.start_ms < which.until_ms
    return sessions if keep.all() else sessions.where(keep)


def _code(names: tuple[str, ...], name: str, what: str) -> int:
    wanted = "" if name == UNKNOWN else name
    if wanted not in names:
        raise NoSuchValue(f"no {what} {name!r}; there are {', '.join(one or UNKNOWN for one in names)}")
    return names.index(wanted)


def report(found: Journeys, which: Which, personas: Assigned | None = None) -> dict[str, Any]:
    """The whole answer for one choice of sessions. Raises NoSuchValue."""
    sessions = chosen(found, which, personas)
    drawn, kinds = picture(sessions), places(found, sessions)
    items = products(found, sessions)
    return {
        "shop": found.log.shop,
        "stages": found.by,
        "which": {name: getattr(which, name) for name in which.__slots__},
        **_counts(found, sessions),
        **_flows(drawn),
        "outcomes": _outcomes(sessions),
        "moments": [one.as_dict(len(sessions)) for one in moments(found, sessions)],
        "places": [one.as_dict() for one in kinds],
        "products": [one.as_dict() for one in _shown(items)],
        "dead_ends": [one.as_dict() for one in (*kinds, *items) if one.dead_end],
        "judged": {
            "places": sum(one.ratio is not None for one in kinds),
            "products": sum(one.ratio is not None for one in items),
            "least_visitors": LEAST_VISITORS,
            "least_stops": LEAST_STOPS,
        },
        "filters": filters(found, personas),
        "missing": missing(found),
    }


def _counts(found: Journeys, sessions: Sessions) -> dict[str, Any]:
    n = len(sessions)
    return {
        "events": int((sessions.end - sessions.first).sum()),
        "sessions": n,
        "visitors": len(np.unique(sessions.visitor)),
        "since": iso(int(sessions.start_ms.min())) if n else None,
        "until": iso(int(sessions.end_ms.max())) if n else None,
        "unended": found.unended,
        "unscored": found.unscored,
    }


def _flows(drawn: Picture) -> dict[str, Any]:
    links = [{"source": a.source, "target": a.target, "sessions": a.sessions} for a in drawn.links]
    return {"nodes": [node.as_dict() for node in drawn.nodes], "links": links, "cut": drawn.cut}


def _outcomes(sessions: Sessions) -> list[dict[str, Any]]:
    """Each outcome: sessions, their share with its interval, and how many of their visitors came back."""
    counts = np.bincount(sessions.outcome, minlength=len(OUTCOMES))
    back = np.bincount(sessions.outcome[sessions.returned], minlength=len(OUTCOMES))
    n = len(sessions)
    return [
        {
            "outcome": name,
            "sessions": int(counts[code]),
            "share": int(counts[code]) / n,
            "share_ci": list(wilson(int(counts[code]), n)),
            "came_back": int(back[code]),
        }
        for code, name in enumerate(OUTCOMES)
        if counts[code]
    ]


def _shown(items: list[Place]) -> list[Place]:
    """Dead ends first, then the most passed."""
    return sorted(items, key=lambda one: (not one.dead_end, -one.passed, one.id))[:PRODUCTS_SHOWN]


def filters(found: Journeys, personas: Assigned | None = None) -> dict[str, list[dict[str, Any]]]:
    """What can be chosen, with how many sessions there are of each."""
    sessions = found.sessions
    told = {"channel": _values(sessions.channel, CHANNELS), "device": _values(sessions.device, DEVICES), "persona": []}
    if personas is not None:
        told["persona"] = _values(personas.code[sessions.visitor] + 1, ("", *personas.names))
    return told


def _values(codes: npt.NDArray[np.integer], names: tuple[str, ...]) -> list[dict[str, Any]]:
    counts = np.bincount(codes, minlength=len(names))
    if not counts[1:].any():
        return []
    return [{"name": name or UNKNOWN, "sessions": int(n)} for name, n in zip(names, counts, strict=True) if n]


_LACKS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "cart": (("add_to_cart",), "no cart events: who nearly bought cannot be told from who looked"),
    "purchase": (("purchase",), "no purchases: every journey ends without one"),
    "errors": (("form_error", "payment_error", "rage_click"), "no errors or rage clicks are sent: friction is unseen"),
    "search": (("search", "zero_results"), "no searches are sent: searches without a result are unseen"),
    "policy": (("return_policy_view",), "no views of the return policy are sent"),
}


def missing(found: Journeys) -> list[dict[str, str]]:
    """What the shop's whole log lacks for this picture, in words; the friction map is as blind as the log."""
    if not len(found.log):
        return [{"what": "events", "words": "no events yet"}]
    kinds = np.bincount(found.log.records["kind"], minlength=len(CODE))
    lacks = [
        {"what": what, "words": words}
        for what, (names, words) in _LACKS.items()
        if not any(kinds[CODE[name]] for name in names)
    ]
    if not found.sessions.channel.any():
        lacks.insert(0, {"what": "channel", "words": "no channel is sent: the picture begins with the first stage"})
    if not found.sessions.device.any():
        lacks.append({"what": "device", "words": "no device is sent"})
    if not found.sessions.before.any():
        lacks.append({"what": "visitor", "words": "nobody has come twice: visitor ids may not outlive a session"})
    if found.by == HINDSIGHT:
        return lacks
    return lacks if len(found.sessions) else [*lacks, {"what": "decisions", "words": "no session has a decision yet"}]
