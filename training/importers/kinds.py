"""A log's event names to Tact's."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from features.events import CODE
from training.importers.errors import Unclear
from training.importers.names import CHECKOUT, CLICK, EVENT_TARGETS, SKIP, VIEW, plain

EMPTY: Final = "(empty)"
"""What stands for no name at all on the command line."""

ALIASES: Final = {"-": SKIP, "ignore": SKIP, **EVENT_TARGETS}


@dataclass(frozen=True, slots=True)
class Kinds:
    """What each event name becomes. said: names as the command line gave them, to targets."""

    said: Mapping[str, str] = field(default_factory=dict)
    click: str = VIEW
    checkout: str = "purchase"

    @classmethod
    def of(cls, said: Mapping[str, str], seen: Collection[str]) -> "Kinds":
        """The meaning of the names of one log. seen: the names in its sample.

        "click" is a view in a log of clicks, select_item beside views; "checkout" is a purchase where nothing else is.
        Raises Unclear for a target that is no event.
        """
        for name, target in said.items():
            if target not in CODE and target not in (SKIP, VIEW):
                raise Unclear(
                    f"--event-map {name}={target}: {target!r} is no event.", f"There are {', '.join(CODE)}, -."
                )
        found = {EVENT_TARGETS.get(plain(name)) for name in seen}
        click = "select_item" if found & {VIEW, "view_item"} else VIEW
        return cls(said, click, "begin_checkout" if "purchase" in found else "purchase")

    def target(self, name: str) -> str | None:
        """A kind, VIEW, SKIP, or None for an unknown name."""
        if name in self.said:
            return self.said[name]
        target = EVENT_TARGETS.get(plain(name))
        return {CLICK: self.click, CHECKOUT: self.checkout}.get(target or "", target)


def said(text: str) -> dict[str, str]:
    """The mapping of `--event-map "view=view_item,cart=add_to_cart,noise=-"`. Raises Unclear."""
    parts = (pair(part, "--event-map") for part in text.split(",") if part.strip())
    pairs = [("" if name == EMPTY else name, target) for name, target in parts]
    return {
        name: target if target in CODE else ALIASES.get(plain(target), ALIASES.get(target, target))
        for name, target in pairs
    }


def pair(part: str, option: str) -> tuple[str, str]:
    """ "a=b" as (a, b). Raises Unclear."""
    left, equals, right = part.partition("=")
    if not equals or not left.strip():
        raise Unclear(f"{option}: {part!r} is not NAME=VALUE.", f'{option} "a=b,c=d"')
    return left.strip(), right.strip()
