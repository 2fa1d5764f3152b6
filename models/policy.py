"""A shop's policy: one YAML or TOML file of placements, actions, rules and limits.

* PolicyError   the file cannot be used; lists every problem as file:line:column: message

`load_policy` is pure: the same text gives the same policy.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, tzinfo
from types import MappingProxyType
from typing import Any

from features.record import hash64
from models.action_kinds import BY_NAME, PRIOR_STRENGTH, ActionKind
from models.policy_check import check
from models.policy_fields import BAD, NODE
from models.policy_file import Node, PolicyError, Problem, parse
from models.policy_schema import POLICY
from models.policy_terms import (
    WEEKDAYS,
    WINDOWS,
    Action,
    Arms,
    Attribution,
    Budget,
    Caps,
    Claim,
    Content,
    Levers,
    Placement,
    Policy,
    PriceBand,
    Prior,
    Recommend,
    Rest,
    Reward,
    Schedule,
)
from models.rules import Name
from models.stage import STAGES

__all__ = ["Action", "Policy", "PolicyError", "Problem", "empty_policy", "load_policy"]

_CONTENT_FIELDS = ("title", "text", "cta", "url", "image")
_RECOMMEND_FIELDS = ("count", "exclude", "returns", "fill", "max_per_category", "near_duplicates")
_NO_TABLE: Mapping[str, Any] = MappingProxyType({})


def load_policy(text: str, filename: str) -> Policy:
    """The policy of a file's text. Raises PolicyError with every problem found."""
    root, problems = parse(text, filename)

    def report(node: Node, message: str) -> None:
        problems.append(Problem(filename, node.line, node.column, message))

    read = POLICY.read(root, report)
    if read is not BAD:
        check(read, report)
    if problems:
        raise PolicyError(tuple(sorted(set(problems))))
    return _policy(read, hashlib.sha256(text.encode()).hexdigest()[:12], filename)


def empty_policy(shop: str) -> Policy:
    """A policy without placements and actions, for a shop that has no valid file: all it can give is silence."""
    return Policy(shop, "none", ("en",), (), (), MappingProxyType({}), UTC)


def _policy(read: Mapping[str, Any], version: str, filename: str) -> Policy:
    """The frozen policy of a file that passed every check."""
    zone: tzinfo = read.get("timezone", UTC)
    placements = tuple(_placement(p) for p in read["placements"])
    rest = _rest(read)
    actions = tuple(_action(a, zone, read["locales"], rest) for a in read["actions"])
    at = {p.id: tuple(i for i, action in enumerate(actions) if p.id in action.placements) for p in placements}
    budget = read.get("session_budget", _NO_TABLE)
    return Policy(
        shop=read["shop"],
        version=version,
        locales=read["locales"],
        placements=placements,
        actions=actions,
        at=MappingProxyType(at),
        timezone=zone,
        currency=read.get("currency", "EUR"),
        session_budget=Budget(budget.get("per_session"), budget.get("per_day")),
        holdout=read.get("holdout", 0.05),
        arms=Arms(**_given(read.get("arms", _NO_TABLE))),
        exploration_floor=read.get("exploration_floor", 0.01),
        assumed_consent=read.get("consent", _NO_TABLE).get("assumed", ()),
        custom_events=read.get("custom_events", ()),
        reward=Reward(**_given(read["reward"])) if "reward" in read else None,
        attribution=_attribution(read.get("attribution", _NO_TABLE)),
        apprentice=read.get("apprentice", False),
        dismissal_weight=read.get("dismissal_weight", 2.0),
        half_life_days=read.get("half_life_days", 30.0),
        names_at=MappingProxyType({placement: _mentioned(actions[i] for i in here) for placement, here in at.items()}),
        chats=tuple(action.hash for action in actions if action.kind == "chat"),
        filename=filename,
    )


def _mentioned(actions: Iterable[Action]) -> tuple[Name, ...]:
    """What the actions' rules mention, sorted."""
    return tuple(sorted({name for action in actions if action.when for name in action.when.names}))


def _placement(read: Mapping[str, Any]) -> Placement:
    return Placement(
        read["id"], read["kinds"], read.get("max_items", 0), read.get("max_chars", 0), read.get("description", "")
    )


def _given(read: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in read.items() if name != NODE}


def _attribution(read: Mapping[str, Any]) -> Attribution:
    return Attribution(WINDOWS[read.get("window", "session")], read.get("credit", "all"))


def _rest(read: Mapping[str, Any]) -> Rest | None:
    return Rest(**_given(read["rest"])) if "rest" in read else None


def _action(read: Mapping[str, Any], zone: tzinfo, locales: tuple[str, ...], rest: Rest | None) -> Action:
    kind = BY_NAME[read["kind"]]
    caps = read.get("caps", _NO_TABLE)
    reason, waits = read.get("reason", {}), read.get("show_after_s")
    return Action(
        id=read["id"],
        hash=hash64(read["id"]),
        kind=kind.name,
        placements=read["placements"],
        content=MappingProxyType({locale: _content(content) for locale, content in read["content"].items()}),
        value=read["value"],
        cost=read.get("cost", kind.cost),
        lever=read.get("lever", 1.0),
        prior=_prior(read.get("prior", _NO_TABLE), kind),
        stages=read.get("stages", ()),
        when=read.get("when"),
        caps=Caps(caps.get("per_session"), caps.get("per_day"), caps.get("per_30_days")),
        cooldown_after_dismissal_s=read.get("cooldown_after_dismissal_s", kind.cooldown_after_dismissal_s),
        schedule=_schedule(read["schedule"], zone) if "schedule" in read else None,
        consent=read.get("consent", "none"),
        claims=tuple(Claim(c["text"], c["evidence"], c.get("expires")) for c in read.get("claims", ())),
        recommend=_recommend(read.get("recommend", _NO_TABLE)) if kind.name == "recommend" else None,
        show_after_s=kind.show_after_s if waits in (None, "auto") else waits,
        ttl_s=read.get("ttl_s", kind.ttl_s),
        reason=MappingProxyType(dict(reason) if isinstance(reason, dict) else dict.fromkeys(locales, reason)),
        fallback=read.get("fallback", False),
        line=read[NODE].line,
        rest=_rest(read) or (rest if kind.interrupts else None),
        apprentice=read.get("apprentice", False),
        timed=waits == "auto" or (waits is None and kind.timed),
    )


def _content(read: Mapping[str, Any]) -> Content:
    own = {name: read[name] for name in _CONTENT_FIELDS if name in read}
    return Content(**own, more=tuple((k, v) for k, v in read.items() if k != NODE and k not in own))


def _prior(read: Mapping[str, Any], kind: ActionKind) -> Prior:
    mean = read.get("mean", dict(zip(STAGES, kind.prior, strict=True)))
    if isinstance(mean, Mapping):
        by_stage = tuple(float(mean.get(stage, 0.0)) for stage in STAGES)
    else:
        by_stage = (mean,) * len(STAGES)
    return Prior(by_stage, read.get("strength", PRIOR_STRENGTH))


def _schedule(read: Mapping[str, Any], zone: tzinfo) -> Schedule:
    weekdays = tuple(WEEKDAYS.index(day) for day in read.get("weekdays", ()))
    return Schedule(read.get("timezone", zone), read.get("from"), read.get("to"), weekdays, read.get("hours"))


def _recommend(read: Mapping[str, Any]) -> Recommend:
    given = {name: read[name] for name in _RECOMMEND_FIELDS if name in read}
    levers, band = read.get("levers", _NO_TABLE), read.get("price_band")
    return Recommend(
        **given,
        sources=read.get("source", Recommend().sources),
        levers=Levers(levers.get("margin", 0.0), levers.get("overstock", 0.0)),
        price_band=None if band is None else PriceBand(band.get("from", 0.0), band.get("to", math.inf)),
    )
