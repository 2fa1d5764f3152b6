"""What a single field cannot tell: whether the parts of a policy fit each other."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from features.events import CODE
from models.action_kinds import FALLBACK_KINDS
from models.policy_fields import NODE, Report, meant
from models.policy_file import Node
from models.policy_terms import CATALOG_FACTS, FILLED, SOURCES

Read = Mapping[str, Any]
"""A table as `policy_fields.Table` reads it: what could be read, and the node under NODE."""

NO_STATE_NEEDED: Final = ("when", "claims", "consent")
"""Fields a fallback action cannot have: they need what is unknown when it is shown."""


_NEEDS_SOURCE: Final = {"returns": FILLED, "fill": FILLED, "levers": FILLED | {"popular"}}
"""Fields of `recommend` that only some sources heed."""


def check(read: Read, report: Report) -> None:
    """Reports every way in which the parts do not fit."""
    _unique(read.get("placements", ()), report)
    _unique(read.get("actions", ()), report)
    placements = {p["id"]: p for p in read.get("placements", ()) if "id" in p}
    locales = read.get("locales", ())
    for action in read.get("actions", ()):
        _placed(action, placements, report)
        _worded(action, locales, report)
        for part in _ACTION_CHECKS:
            part(action, report)
    for name in read.get("custom_events", ()):
        if name in CODE:
            report(_node(read, "custom_events"), f"{name!r} is a known event already; it needs no permission")


def _node(read: Read, *path: str | int) -> Node:
    """The node of a field, or the nearest above it."""
    node: Node = read[NODE]
    for depth in range(len(path), 0, -1):
        found = node.get(*path[:depth])
        if found is not None:
            return found
    return node


def _unique(tables: Iterable[Read], report: Report) -> None:
    first: dict[str, int] = {}
    for table in tables:
        name = table.get("id")
        if name in first:
            report(_node(table, "id"), f"the id {name!r} stands twice; first at line {first[name]}")
        elif name is not None:
            first[name] = _node(table, "id").line


def _placed(action: Read, placements: Mapping[str, Read], report: Report) -> None:
    """The placements exist, take the action's kind, and have room for it."""
    kind = action.get("kind")
    for at, name in enumerate(action.get("placements", ())):
        node = _node(action, "placements", at)
        placement = placements.get(name)
        if placement is None:
            report(node, f"unknown placement {name!r}{meant(name, tuple(placements))}")
            continue
        kinds = placement.get("kinds", ())
        if kind is not None and kinds and kind not in kinds:
            report(node, f"placement {name!r} does not take kind {kind!r}; it takes {', '.join(kinds)}")
        _fits(action, placement, report)


def _fits(action: Read, placement: Read, report: Report) -> None:
    room = placement.get("max_items")
    count = action.get("recommend", {}).get("count", 4)
    if action.get("kind") == "recommend" and room and count > room:
        where = _node(action, "recommend", "count")
        report(where, f"{count} products do not fit {placement['id']!r}, which takes {room}")
    longest = placement.get("max_chars")
    for locale, content in action.get("content", {}).items():
        text = content.get("text", "")
        if longest and len(text) > longest:
            where = _node(action, "content", locale, "text")
            report(where, f"{len(text)} characters do not fit {placement['id']!r}, which takes {longest}")


def _worded(action: Read, locales: tuple[str, ...], report: Report) -> None:
    """Every locale of the shop has words, and no other."""
    if "content" not in action:
        return
    node = _node(action, "content")
    for locale in locales:
        if node.get(locale) is None:
            report(node, f"no content for locale {locale!r}")
    for field in ("content", "reason"):
        given = action.get(field)
        for locale in given if isinstance(given, dict) else ():
            if locales and locale not in locales:
                where = _node(action, field, locale)
                report(where, f"locale {locale!r} is not one of the shop's: {', '.join(locales)}")
    for content in action["content"].values():
        if not (content.get("title") or content.get("text")):
            report(content[NODE], "a title or a text is missing")
        if content.get("cta") and action.get("kind", "chat") != "chat" and not content.get("url"):
            report(content[NODE], "'cta' leads nowhere: 'url' is missing")


def _claims(action: Read, report: Report) -> None:
    for claim in action.get("claims", ()):
        source, _, fact = claim.get("evidence", "").partition(":")
        if source == "catalog" and fact not in CATALOG_FACTS:
            report(_node(claim, "evidence"), f"unknown catalog fact {fact!r}{meant(fact, CATALOG_FACTS)}")


def _recommends(action: Read, report: Report) -> None:
    if "recommend" in action and action.get("kind", "recommend") != "recommend":
        report(_node(action, "recommend"), "only an action of kind 'recommend' has 'recommend'")
    recommend = action.get("recommend", {})
    sources = frozenset(recommend.get("source", ("similar",)))
    for field, needed in _NEEDS_SOURCE.items():
        if field in recommend and not needed & sources:
            words = " or ".join(source for source in SOURCES if source in needed)
            report(_node(action, "recommend", field), f"{field!r} does nothing without the source {words}")


def _schedule(action: Read, report: Report) -> None:
    schedule = action.get("schedule", {})
    if "from" in schedule and "to" in schedule and schedule["to"] <= schedule["from"]:
        report(_node(action, "schedule", "to"), "'to' is not after 'from'")


def _fallback(action: Read, report: Report) -> None:
    if not action.get("fallback"):
        return
    node = _node(action, "fallback")
    if action.get("kind", "badge") not in FALLBACK_KINDS:
        report(node, f"a fallback action is of kind {' or '.join(FALLBACK_KINDS)}")
    for field in NO_STATE_NEEDED:
        if action.get(field, "none") not in ("none", ()):
            report(node, f"a fallback action cannot have {field!r}: it is shown when nothing is known of the visitor")


_ACTION_CHECKS: Final[tuple[Callable[[Read, Report], None], ...]] = (_claims, _recommends, _schedule, _fallback)
