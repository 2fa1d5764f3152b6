"""Logs whose meaning is known: where each field stands, and what is missing though something is written."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from training.importers.errors import Unclear
from training.importers.names import SKIP, plain


@dataclass(frozen=True, slots=True)
class Preset:
    """A known kind of log. needs: its columns, in plain letters. fields: ours to theirs, "a|b" where b fills in for a.

    missing: of a field, texts that mean no value. events: its names that mean something else than elsewhere.
    """

    name: str
    needs: tuple[str, ...]
    fields: Mapping[str, str]
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)


PRESETS: Final[Mapping[str, Preset]] = {
    preset.name: preset
    for preset in (
        Preset(
            "retailrocket",
            ("timestamp", "visitorid", "event", "itemid", "transactionid"),
            {"time": "timestamp", "visitor": "visitorid", "item": "itemid", "order": "transactionid"},
        ),
        Preset(
            "yoochoose",
            ("sessionid", "itemid"),
            {"visitor": "userid|sessionid", "item": "itemid"},
            missing={"category": ("0",)},
        ),
        Preset(
            "rees46",
            ("eventtime", "eventtype", "productid", "usersession"),
            {"time": "eventtime", "visitor": "userid", "item": "productid", "category": "categorycode|categoryid"},
        ),
        Preset(
            "ga4",
            ("eventtimestamp", "eventname", "userpseudoid"),
            {"time": "eventtimestamp", "visitor": "userpseudoid", "user": "userid", "event": "eventname"},
            events={"click": SKIP, "view_search_results": "search", "error": SKIP},
        ),
    )
}


def preset_of(columns: Collection[str], shops: Collection[str]) -> str:
    """The preset whose columns these are, "" for a log of another kind. shops: the values of a shop column."""
    names = {plain(column) for column in columns}
    if shops and set(shops) <= set(PRESETS):
        return min(shops)
    for name in ("retailrocket", "rees46", "ga4"):
        if names >= set(PRESETS[name].needs):
            return name
    clicks = {"sessionid", "timestamp", "itemid"}
    return "yoochoose" if names in (clicks | {"category"}, clicks | {"price", "quantity"}) else ""


def named(name: str) -> Preset:
    """A preset by its name; "general" knows nothing. Raises Unclear for an unknown one."""
    if name in PRESETS:
        return PRESETS[name]
    if name in ("", "general"):
        return Preset("general", (), {})
    raise Unclear(f"There is no preset {name!r}.", f"There are {', '.join(PRESETS)} and general.")
