"""Lints about what visitors read: assertions without proof, dark patterns, what one language has and another lacks."""

from collections.abc import Iterator
from typing import Final

from models.action_kinds import INTERRUPTING
from models.lint_finding import Hit, Linted, Part
from models.lint_words import COUNTDOWN, FEW, SCARCITY, SHAMING, TOPICS, Patterns, Topic, found, speaks_of
from models.policy_file import Node
from models.policy_terms import Action, Claim
from models.rule_sense import why_never
from models.rule_tree import Asked

_LINKS: Final = ("url", "image")
_FEW_WORDS: Final = 2
"""Texts of so many words may well be the same in two languages."""


def _language(locale: str) -> str:
    return locale.partition("-")[0]


def _texts(at: Part, action: Action) -> Iterator[tuple[str, str, Node]]:
    """(locale, text, where) of everything the action says."""
    for locale, content in action.content.items():
        for name, text in content.fields().items():
            if name not in _LINKS:
                yield locale, text, at.node("content", locale, name)
    for locale, text in action.reason.items():
        yield locale, text, at.node("reason", locale)


def claim_is_missing(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        for topic in TOPICS:
            if not any(_covers(claim, topic) for claim in action.claims):
                yield from _first(at, action, topic.patterns, f"asserts {topic.name}; no claim says what proves it")


def _covers(claim: Claim, topic: Topic) -> bool:
    return claim.fact in topic.facts or speaks_of(topic, claim.text)


def _first(at: Part, action: Action, patterns: Patterns, said: str) -> Iterator[Hit]:
    """The first place of each language where a list's words stand."""
    told: set[str] = set()
    for locale, text, node in _texts(at, action):
        match = found(patterns, text, _language(locale))
        if match is not None and locale not in told:
            told.add(locale)
            yield node, f"{action.id}: {match[0]!r} {said}"


def countdown_without_end(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        if action.schedule is None or action.schedule.to_ms is None:
            yield from _first(at, action, COUNTDOWN, "hurries, and nothing ends: give the action a schedule with 'to'")


def scarcity_without_stock(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        claimed = any(claim.fact in ("stock", "stores") for claim in action.claims)
        for locale, text, node in _texts(at, action):
            match = found(SCARCITY, text, _language(locale))
            units = int(match.groupdict().get("units") or FEW) if match is not None else 0
            if match is not None and not (claimed and _only_below(action, units)):
                needs = f"a claim with catalog:stock and a rule such as item.stock <= {units}"
                yield node, f"{action.id}: {match[0]!r} says that little is left; it needs {needs}"


def _only_below(action: Action, units: int) -> bool:
    """Whether the action's rule keeps it from products of which there are more."""
    source = action.when.source if action.when else "true"
    names = ("item.stock", "item.in_store_stock")
    return any(why_never(source, (Asked(name, ">", (float(units),)),)) for name in names)


def no_that_shames(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        yield from _first(at, action, SHAMING, "makes a no shameful; let people just say no")


def reason_is_missing(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        missing = [locale for locale in linted.policy.locales if locale not in action.reason]
        if missing:
            said = f"no 'reason' in {', '.join(missing)}: a visitor cannot be told why they see it"
            yield at.node("reason"), f"{action.id}: {said}"


def field_missing_in_locale(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        filled = {locale: set(content.fields()) for locale, content in action.content.items()}
        everything = set[str]().union(*filled.values())
        for locale, names in filled.items():
            for name in sorted(everything - names):
                other = next(where for where, there in filled.items() if name in there)
                yield at.node("content", locale), f"{action.id}: {name!r} is there in {other} and missing in {locale}"


def same_in_two_languages(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        said: dict[str, tuple[str, str]] = {}
        for locale, text, node in _texts(at, action):
            other, language = said.setdefault(text, (locale, _language(locale)))
            if language != _language(locale) and len(text.split()) > _FEW_WORDS:
                yield node, f"{action.id}: the same words in {other} and {locale}; one of them is not translated"


def same_as_another(linted: Linted) -> Iterator[Hit]:
    first: dict[tuple[str, str, str], str] = {}
    for at, action in linted.actions():
        for locale, content in action.content.items():
            words = (locale, content.title.casefold(), content.text.casefold())
            other = first.setdefault(words, action.id)
            if other != action.id:
                yield at.node("content", locale), f"{action.id}: says the same as {other} in {locale}"


def longer_than_its_place(linted: Linted) -> Iterator[Hit]:
    """The file's own check looks at the text alone; a page has to fit heading and button too."""
    for at, action in linted.actions():
        rooms = [p for name in action.placements if (p := linted.policy.placement(name)) is not None and p.max_chars]
        for (locale, content), room in ((c, r) for c in action.content.items() for r in rooms):
            count = len(content.title) + len(content.text) + len(content.cta)
            if count > room.max_chars:
                said = f"title, text and cta have {count} characters; {room.id} takes {room.max_chars}"
                yield at.node("content", locale), f"{action.id}: {said}"


def interrupts_without_offer(linted: Linted) -> Iterator[Hit]:
    for at, action in linted.actions():
        for locale, content in action.content.items():
            if action.kind in INTERRUPTING and not content.cta:
                yield at.node("content", locale), f"{action.id}: it interrupts and offers nothing to do: no 'cta'"
